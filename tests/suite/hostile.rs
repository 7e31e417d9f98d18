//! Every hostile archive, through every operation its manifest names, from a file and from a pipe.
//!
//! The manifest's first line explains its outcome classes. A deviation of one case from the class is written down here
//! with its reason, never in the judge.

use crate::facts::Report;
use crate::harness::{Failures, cartool, manifest, shared};
use crate::judge::{Case, Source};
use serde_json::Value;
use std::path::Path;

fn cases(dir: &Path) -> Vec<Case> {
    let (_, entries) = manifest(&dir.join("manifest.jsonl"));
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let id = |entry: &Value| text(&entry["id"]).trim_start_matches("hostile/").to_owned();
    let pair = |entry: &Value| {
        let name = entry["expect"]["pair"].as_str()?;
        let other = entries.iter().find(|e| id(e) == name).expect("a pair's other half");
        Some((dir.join(text(&other["file"])), text(&other["expect"]["outcome"])))
    };
    let case = |entry: &Value| Case {
        id: id(entry),
        file: dir.join(text(&entry["file"])),
        ops: entry["ops"].as_array().expect("operations").iter().map(text).collect(),
        outcome: text(&entry["expect"]["outcome"]),
        pair: pair(entry),
        expect: entry["expect"].clone(),
    };
    entries.iter().map(case).collect()
}

/// Judges the cases whose ids start with one of these letters.
#[track_caller]
fn judge(letters: &[char]) {
    let Some(shared) = shared("hostile") else { return };
    let mut failures = Failures::default();
    for case in cases(&shared.join("hostile")).iter().filter(|c| c.id.starts_with(letters)) {
        // The same command answers several operations: judged once.
        let verify_once = case.ops.iter().position(|op| matches!(op.as_str(), "read" | "dag" | "index"));
        for (i, op) in case.ops.iter().enumerate() {
            let verifies = matches!(op.as_str(), "read" | "dag" | "index");
            if verifies && verify_once != Some(i) {
                continue;
            }
            for from in [Source::File, Source::Pipe] {
                if let Some(outcome) = case.judge(op, from) {
                    let source = if from == Source::File { "file" } else { "pipe" };
                    failures.check(&format!("{} {op} {source}", case.id), outcome);
                }
            }
        }
    }
    failures.finish();
}

#[test]
fn headers() {
    judge(&['a']);
}

#[test]
fn sections() {
    judge(&['b']);
}

#[test]
fn carv2_and_indexes() {
    judge(&['c']);
}

#[test]
fn dag_pb_and_unixfs() {
    judge(&['d']);
}

#[test]
fn hamts() {
    judge(&['e']);
}

#[test]
fn names_and_links() {
    judge(&['f']);
}

#[test]
fn bombs() {
    judge(&['g']);
}

#[test]
fn metadata() {
    judge(&['h']);
}

#[test]
fn gateway_responses() {
    judge(&['i']);
}

#[test]
fn merges() {
    judge(&['j']);
}

/// Files whose parts contradict what the parent says of them: what extraction refuses, a check must have found.
#[test]
fn lies_about_files_fail_verify() {
    let Some(shared) = shared("lies_about_files_fail_verify") else { return };
    let lies = ["d23", "d24", "d25", "d26", "d27", "d31", "d33", "d46"];
    let mut failures = Failures::default();
    for case in cases(&shared.join("hostile")).iter().filter(|c| lies.iter().any(|lie| c.id.starts_with(lie))) {
        let done = cartool(["verify".as_ref(), "--json".as_ref(), case.file.as_os_str()]).run();
        let outcome = done.sane().and_then(|()| Report::of(&done)).and_then(|report| {
            let bad_node = report.faults().any(|(code, _)| code == "bad-node");
            if bad_node { Ok(()) } else { Err(format!("found {:?}, expected bad-node", report.codes())) }
        });
        failures.check(&case.id, outcome);
    }
    failures.finish();
}

/// Null padding ends the archive when the user says so, and only then, and only when nothing but zeros follows.
#[test]
fn trailing_zeros_only_on_request() {
    let Some(shared) = shared("trailing_zeros_only_on_request") else { return };
    for (file, allowed) in [("b07-null-padding-tail.car", 0), ("b08-null-padding-then-garbage.car", 1)] {
        let path = shared.join("hostile/cases").join(file);
        cartool(["verify".as_ref(), path.as_os_str()]).run().exits(1);
        cartool(["verify".as_ref(), "--allow-trailing-zeros".as_ref(), path.as_os_str()]).run().exits(allowed);
    }
}
