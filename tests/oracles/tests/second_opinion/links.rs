//! libipld's links of a block against those in `cartool get-block --as json`.

use crate::readable;
use cartool_oracles::archive::{Archive, Section};
use cartool_oracles::corpus::{Corpus, Sound};
use cartool_oracles::dag;
use cartool_oracles::program::Cartool;
use cartool_oracles::report::{Tally, assert_same};
use cid::Cid;
use serde_json::Value;
use std::collections::HashSet;
use std::num::NonZero;
use std::path::Path;

#[test]
fn libipld_sees_the_same_links() {
    let (cartool, corpus, mut tally) = (Cartool::find(), Corpus::load(), Tally::default());
    let archives = readable(&corpus, &mut tally);
    let tasks = each_block_once(&archives);
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let tallies = dag::on_deep_stack(|| {
        let seen: Vec<_> = tasks.iter().map(|(_, section)| dag::links(&section.cid, &section.data)).collect();
        let pairs: Vec<_> = tasks.iter().zip(seen).collect();
        std::thread::scope(|scope| {
            let parts = pairs.chunks(pairs.len().div_ceil(threads).max(1));
            let parts: Vec<_> = parts.map(|part| scope.spawn(|| compare_part(&cartool, part))).collect();
            parts.into_iter().map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect::<Vec<_>>()
        })
    });
    tallies.into_iter().for_each(|part| tally.add(part));
    tally.close("blocks whose links libipld reads", corpus.floor(5000));
}

/// A block with the archive to ask for it.
type Task<'a> = (&'a Path, &'a Section);

/// Each block with links in the first archive that holds it: one run of cartool for each.
fn each_block_once<'a>(archives: &'a [(&'a Sound, Archive)]) -> Vec<Task<'a>> {
    let mut seen = HashSet::new();
    let sections = archives.iter().flat_map(|(sound, archive)| archive.sections.iter().map(|section| (&*sound.path, section)));
    sections.filter(|(_, section)| has_links(&section.cid) && seen.insert(section.cid)).collect()
}

fn has_links(cid: &Cid) -> bool {
    [dag::DAG_PB, dag::DAG_CBOR, dag::DAG_JSON].contains(&cid.codec())
}

type Seen = Result<Vec<Cid>, dag::Refusal>;

fn compare_part(cartool: &Cartool, part: &[(&Task<'_>, Seen)]) -> Tally {
    let mut tally = Tally::default();
    for ((path, section), seen) in part {
        match seen {
            Ok(links) => {
                compare_links(cartool, path, &section.cid, links);
                tally.compared();
            }
            Err(refusal) => tally.skipped(refusal),
        }
    }
    tally
}

/// DAG-JSON may hold a map's keys in another order than the block, so the links are compared sorted.
fn compare_links(cartool: &Cartool, path: &Path, cid: &Cid, links: &[Cid]) {
    let name = format!("links of {cid} in {}", path.display());
    let cid = cid.to_string();
    let stdout = cartool.stdout(["get-block".as_ref(), path.as_os_str(), cid.as_ref(), "--as".as_ref(), "json".as_ref()]);
    let node: Value = serde_json::from_slice(&stdout).unwrap_or_else(|error| panic!("{name}: not JSON: {error}"));
    let mut reported = links_in(&node);
    reported.sort();
    let mut expected: Vec<_> = links.iter().map(ToString::to_string).collect();
    expected.sort();
    assert_same(&name, &expected, &reported);
}

/// The links of a DAG-JSON document: maps whose only key is `/` with a text as value.
fn links_in(node: &Value) -> Vec<String> {
    let mut links = Vec::new();
    let mut pending = vec![node];
    while let Some(value) = pending.pop() {
        match value {
            Value::Array(items) => pending.extend(items),
            Value::Object(map) => match map.get("/") {
                Some(Value::String(link)) if map.len() == 1 => links.push(link.clone()),
                _ => pending.extend(map.values()),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    links
}

#[test]
fn dag_json_links_are_told_from_bytes_and_text() {
    let node = serde_json::json!({"a": [{"/": "bafkqaaa"}, {"/": {"bytes": "AAAA"}}, "/"], "b": {"/": "bafyqaaa"}});
    let mut links = links_in(&node);
    links.sort();
    assert_eq!(links, ["bafkqaaa", "bafyqaaa"]);
}
