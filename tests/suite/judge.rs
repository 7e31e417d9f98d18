//! What each operation may and may not do with a hostile archive.

use crate::facts::Report;
use crate::harness::{Done, PATIENCE, Run, Stdin, cartool, same};
use crate::make::{hex, sha256};
use crate::tree::{Cage, Kind, nothing_in, tree};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

/// How the archive reaches the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    File,
    Pipe,
}

/// A line of the manifest.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) file: PathBuf,
    pub(crate) ops: Vec<String>,
    pub(crate) outcome: String,
    /// The archive to merge with, and what is to come of it.
    pub(crate) pair: Option<(PathBuf, String)>,
    pub(crate) expect: Value,
}

type Outcome = Result<(), String>;

impl Case {
    /// Judges one operation; `None` when the manifest expects nothing of it.
    pub(crate) fn judge(&self, op: &str, from: Source) -> Option<Outcome> {
        Some(match op {
            "read" | "dag" | "index" => self.verify(from),
            "get" => self.get(from),
            "extract" => self.extract(from),
            "meta" => self.meta(from),
            "merge" => self.merge(from),
            "fetch" => self.fetch(from)?,
            other => Err(format!("unknown operation {other:?} in the manifest")),
        })
    }

    fn run(&self, before: &[&str], from: Source, after: &[&str]) -> Run {
        let file = match from {
            Source::File => self.file.to_str().expect("fixture names are ASCII"),
            Source::Pipe => "-",
        };
        let run = cartool(before.iter().chain([&file]).chain(after));
        let run = run.limit(Duration::from_secs(2 * self.expect["max_seconds"].as_u64().unwrap_or(5)) * PATIENCE);
        match from {
            Source::File => run,
            Source::Pipe => run.stdin(Stdin::Pipe(fs::read(&self.file).expect("the fixture is readable"))),
        }
    }

    /// What holds whatever the outcome: no crash, and the bounds on memory and time.
    fn bounds(&self, done: &Done) -> Outcome {
        done.sane()?;
        if let Some(mib) = self.expect["max_mib"].as_u64()
            && done.peak_kib > mib << 10
        {
            return Err(format!("{} MiB resident, at most {mib} allowed", done.peak_kib >> 10));
        }
        if let Some(seconds) = self.expect["max_seconds"].as_u64()
            && done.took > Duration::from_secs(seconds) * PATIENCE
        {
            return Err(format!("took {:?}, at most {seconds} s × {PATIENCE} allowed", done.took));
        }
        Ok(())
    }

    fn verify(&self, from: Source) -> Outcome {
        let done = self.run(&["verify", "--json"], from, &[]).run();
        self.bounds(&done)?;
        let report = Report::of(&done)?;
        let said = || format!("(found {:?})", report.codes());
        match self.outcome.as_str() {
            "reject" => {
                same("exit", done.code, Some(1)).map_err(|e| format!("{e} {}", said()))?;
                if let Some([low, high]) = self.offsets() {
                    let within = |(_, at): (&str, Option<u64>)| at.is_some_and(|at| (low..=high).contains(&at));
                    if !report.faults().any(within) {
                        let faults: Vec<_> = report.faults().collect();
                        return Err(format!("no fault at {low}..={high}: {faults:?}"));
                    }
                }
            }
            "accept" => same("exit", done.code, Some(0)).map_err(|e| format!("{e} {}", said()))?,
            "accept-warn" if report.findings().is_empty() => return Err("silent about the anomaly".into()),
            "missing" => {
                same("exit", done.code, Some(3)).map_err(|e| format!("{e} {}", said()))?;
                same("missing", report.missing(), self.missing())?;
            }
            "bounded" if self.expect["end"] == "accept" => {
                same("exit", done.code, Some(0)).map_err(|e| format!("{e} {}", said()))?;
            }
            _ => {}
        }
        self.facts(&report)
    }

    fn facts(&self, report: &Report) -> Outcome {
        let facts = &self.expect["facts"];
        for (fact, key) in [("blocks", "blocks"), ("unreachable", "unreachable_blocks")] {
            if let Some(expected) = facts[fact].as_u64() {
                report.counts(key, expected)?;
            }
        }
        if let Some(expected) = facts["roots"].as_u64() {
            same("roots", report.get("roots").as_array().map(|r| r.len() as u64), Some(expected))?;
        }
        let index = report.get("index");
        let entries = [
            ("index_entries", "entries"),
            ("wrong_entries", "wrong"),
            ("extra_entries", "wrong"),
            ("missing_entries", "missing"),
        ];
        for (fact, key) in entries {
            if let Some(expected) = facts[fact].as_u64() {
                same(&format!("index.{key}"), index[key].as_u64(), Some(expected))?;
            }
        }
        Ok(())
    }

    fn offsets(&self) -> Option<[u64; 2]> {
        let range = self.expect["offset"].as_array()?;
        Some([range.first()?.as_u64()?, range.get(1)?.as_u64()?])
    }

    fn missing(&self) -> BTreeSet<String> {
        let cids = self.expect["missing"].as_array().into_iter().flatten();
        cids.filter_map(|c| c.as_str().map(str::to_owned)).collect()
    }

    /// Every block that is listed must come out right or not at all, whatever the index claims.
    fn get(&self, from: Source) -> Outcome {
        let list = self.run(&["blocks", "--no-verify"], from, &[]).run();
        self.bounds(&list)?;
        let must = self.outcome.starts_with("accept");
        if must {
            same("exit of `blocks`", list.code, Some(0))?;
        }
        let cids: Vec<String> = list.terminal_text()?.lines().map(|l| l.trim().to_owned()).collect();
        if must && cids.is_empty() {
            return Err("`blocks` lists nothing".into());
        }
        for cid in cids.iter().filter(|c| !c.is_empty()).take(16) {
            let done = self.run(&["get-block"], from, &[cid]).run();
            self.bounds(&done)?;
            let parsed: cid::Cid = cid.parse().map_err(|e| format!("`blocks` lists {cid:?}: {e}"))?;
            let right = match parsed.hash().code() {
                0x12 => sha256(&done.stdout) == hex(parsed.hash().digest()),
                0x00 => done.stdout == parsed.hash().digest(),
                _ => true,
            };
            match done.code {
                Some(0) if right => {}
                Some(0) => return Err(format!("`get-block {cid}` gave other bytes")),
                Some(1 | 3) if must => return Err(format!("`get-block {cid}`: {}", done.first_talk())),
                // Bytes that were proven may be out before a fault elsewhere in the archive is said.
                Some(1 | 3) if done.stdout.is_empty() || right => {}
                code => return Err(format!("`get-block {cid}`: exit {code:?} after {} bytes", done.stdout.len())),
            }
        }
        Ok(())
    }

    fn extract(&self, from: Source) -> Outcome {
        let mut cage = Cage::new();
        let target = cage.target();
        for item in self.expect["setup"].as_array().into_iter().flatten() {
            prepare(&target, item);
        }
        cage.close();
        let out = target.to_str().expect("temporary names are ASCII");
        let done = self.run(&["extract"], from, &["-o", out]).cwd(&cage.inside()).env("TMPDIR", cage.scratch()).run();
        self.bounds(&done)?;
        done.terminal_text()?;
        cage.intact()?;
        let found = tree(&target);
        if let Some((path, _)) = found.iter().find(|(_, entry)| entry.mode & 0o6000 != 0) {
            return Err(format!("set-id bits on {:?}", String::from_utf8_lossy(path)));
        }
        for item in self.expect["setup"].as_array().into_iter().flatten() {
            kept(&found, item)?;
        }
        let bytes: u64 = found.values().filter(|e| matches!(e.kind, Kind::File(_))).map(|e| e.len).sum();
        if self.expect["max_output_bytes"].as_u64().is_some_and(|max| bytes > max) {
            return Err(format!("{bytes} bytes written"));
        }
        if self.expect["max_files"].as_u64().is_some_and(|max| found.len() as u64 > max) {
            return Err(format!("{} entries written", found.len()));
        }
        let said = |wanted: &str| format!("exit {:?}, expected {wanted}: {}", done.code, done.first_talk());
        match (self.outcome.as_str(), done.code) {
            ("reject", Some(1)) | ("accept", Some(0)) | ("contained", Some(0 | 1 | 3 | 4)) => {}
            ("missing", Some(3)) => {
                if let Some(cid) = self.missing().iter().find(|cid| !done.talk().contains(cid.as_str())) {
                    return Err(format!("{cid} not named: {}", done.first_talk()));
                }
            }
            ("accept-warn", Some(0)) => self.warned(&done)?,
            ("accept-warn", Some(1)) if self.expect["policy"].is_string() => {}
            ("bounded", code) => match (self.expect["end"].as_str().unwrap_or(""), code) {
                (end, Some(0)) if end.contains("accept") => {}
                (end, Some(1 | 3)) if end.contains("limit") && done.talk().contains("--max-") => {}
                // A bomb of names in wrong buckets is found to be no sound directory before it meets any limit.
                (end, Some(1)) if end.contains("limit") && done.talk().contains("is not in the bucket") => {}
                (end, _) => return Err(said(end)),
            },
            (outcome, _) => return Err(said(outcome)),
        }
        self.contents(&found)
    }

    /// The files that the manifest names, and their content.
    fn contents(&self, found: &std::collections::BTreeMap<Vec<u8>, crate::tree::Entry>) -> Outcome {
        let facts = &self.expect["facts"];
        for (path, digest) in facts["files"].as_object().into_iter().flatten() {
            let kind = found.get(path.as_bytes()).map(|e| e.kind.clone());
            same(path, kind, digest.as_str().map(|d| Kind::File(d.to_owned())))?;
        }
        let inline = facts["file_bytes"].as_str().map(|h| {
            let byte = |i: usize| u8::from_str_radix(&h[i..i + 2], 16).expect("hex in the manifest");
            sha256(&(0..h.len()).step_by(2).map(byte).collect::<Vec<_>>())
        });
        if let Some(digest) = facts["file_sha256"].as_str().map(str::to_owned).or(inline) {
            let files: Vec<_> = found.values().filter(|e| matches!(e.kind, Kind::File(_))).map(|e| e.kind.clone()).collect();
            same("files", files, vec![Kind::File(digest)])?;
        }
        Ok(())
    }

    /// Read all the same, but never silently: `extract` warns, or `verify` finds something to say.
    fn warned(&self, done: &Done) -> Outcome {
        let talk = done.talk().to_lowercase();
        if talk.contains("warning") || talk.contains("note") {
            return Ok(());
        }
        let report = Report::of(&self.run(&["verify", "--json"], Source::File, &[]).run())?;
        if report.findings().is_empty() { Err("silent about the anomaly".into()) } else { Ok(()) }
    }

    fn meta(&self, from: Source) -> Outcome {
        let mut cage = Cage::new();
        cage.close();
        let mut heard = false;
        for command in ["metadata", "links"] {
            let done = self.run(&[command], from, &[]).cwd(&cage.inside()).env("TMPDIR", cage.scratch()).run();
            self.bounds(&done).map_err(|e| format!("{command}: {e}"))?;
            cage.intact().and_then(|()| nothing_in(&cage.target())).map_err(|e| format!("{command}: {e}"))?;
            if command == "links" {
                // `metadata` gives the exact bytes; everything else is text for a terminal.
                heard |= !done.terminal_text().map_err(|e| format!("{command}: {e}"))?.is_empty();
            }
            heard |= !done.stderr.is_empty();
            match (self.outcome.as_str(), done.code) {
                ("accept-warn", Some(0)) | ("contained", Some(0 | 1 | 3)) => {}
                (outcome, code) => return Err(format!("{command}: exit {code:?}, expected {outcome}: {}", done.first_talk())),
            }
        }
        if heard || self.outcome != "accept-warn" { Ok(()) } else { Err("silent about the anomaly".into()) }
    }

    fn merge(&self, from: Source) -> Outcome {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let out = dir.path().join("out.car");
        let pair = self.pair.as_ref().map(|(file, _)| file.to_str().expect("fixture names are ASCII"));
        let mut after: Vec<&str> = pair.into_iter().collect();
        after.extend(["-o", out.to_str().expect("temporary names are ASCII")]);
        let done = self.run(&["merge"], from, &after).cwd(dir.path()).env("TMPDIR", dir.path()).run();
        self.bounds(&done)?;
        let rejects = self.outcome == "reject" || self.pair.as_ref().is_some_and(|(_, outcome)| outcome == "reject");
        if rejects {
            same("exit", done.code, Some(1)).map_err(|e| format!("{e}: {}", done.first_talk()))?;
            return nothing_in(dir.path());
        }
        same("exit", done.code, Some(0)).map_err(|e| format!("{e}: {}", done.first_talk()))?;
        let report = Report::of(&cartool(["verify".as_ref(), "--json".as_ref(), out.as_os_str()]).run())?;
        let facts = &self.expect["facts"];
        if let Some(blocks) = facts["merged_blocks"].as_u64() {
            report.counts("blocks", blocks)?;
        }
        if let Some(roots) = facts["merged_roots"].as_u64() {
            same("roots", report.get("roots").as_array().map(|r| r.len() as u64), Some(roots))?;
        }
        Ok(())
    }

    fn fetch(&self, from: Source) -> Option<Outcome> {
        let requested = self.expect["requested"].as_str()?;
        let dir = tempfile::tempdir().expect("a temporary directory");
        let out = dir.path().join("out.car");
        let after = ["--expect", requested, "-o", out.to_str().expect("temporary names are ASCII")];
        let done = self.run(&["build"], from, &after).cwd(dir.path()).env("TMPDIR", dir.path()).run();
        Some(self.bounds(&done).and_then(|()| match (self.outcome.as_str(), done.code) {
            ("accept" | "accept-warn", Some(0)) if out.is_file() => Ok(()),
            ("missing", Some(3)) => match self.missing().iter().find(|cid| !done.talk().contains(cid.as_str())) {
                Some(cid) => Err(format!("{cid} not named: {}", done.first_talk())),
                None => nothing_in(dir.path()),
            },
            ("reject", Some(1)) => nothing_in(dir.path()),
            (outcome, code) => Err(format!("build: exit {code:?}, expected {outcome}: {}", done.first_talk())),
        }))
    }
}

fn prepare(target: &std::path::Path, item: &Value) {
    let place = |key: &str| item[key].as_str().map(|name| target.join(name));
    if let Some(path) = place("symlink") {
        symlink(item["to"].as_str().expect("a target"), path).expect("a link is made");
    } else if let Some(path) = place("file") {
        fs::write(path, item["content"].as_str().expect("content")).expect("a file is written");
    } else if let Some(path) = place("fifo") {
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR, 0)
            .expect("a FIFO is made");
    } else {
        panic!("unknown setup {item}");
    }
}

/// A file that stood in the target before must stand there unchanged, and a FIFO must still be one.
fn kept(found: &std::collections::BTreeMap<Vec<u8>, crate::tree::Entry>, item: &Value) -> Outcome {
    if let (Some(name), Some(content)) = (item["file"].as_str(), item["content"].as_str()) {
        same(name, found.get(name.as_bytes()).map(|e| e.kind.clone()), Some(Kind::File(sha256(content.as_bytes()))))?;
    }
    if let Some(name) = item["fifo"].as_str() {
        same(name, found.get(name.as_bytes()).map(|e| e.kind.clone()), Some(Kind::Fifo))?;
    }
    Ok(())
}
