//! The oracles themselves against the fixtures' manifest, whose facts come from two other implementations. It shows that a
//! difference found by `second_opinion` is worth a look, and needs no cartool.

use cartool_oracles::archive::{self, Archive};
use cartool_oracles::corpus::{Corpus, Sound};
use cartool_oracles::dag;
use cartool_oracles::report::Tally;
use cartool_oracles::unixfs::{self, Entry, Refusal};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};

/// The collected archives with facts.
fn known() -> Vec<(Sound, Value)> {
    let archives = Corpus::load().archives.into_iter();
    archives.filter_map(|mut sound| sound.facts.take().map(|facts| (sound, facts))).collect()
}

/// Without `../shared` there are no facts, and [`Corpus::load`] has said so.
fn floor(known: &[(Sound, Value)], all: usize) -> usize {
    if known.is_empty() { 0 } else { all }
}

#[test]
fn iroh_car_reads_the_known_blocks() {
    let known = known();
    let mut tally = Tally::default();
    for (sound, facts) in &known {
        let name = sound.path.display();
        let archive = match Archive::read(&sound.bytes) {
            Ok(archive) => archive,
            Err(refusal) => {
                let expected = match refusal {
                    archive::Refusal::CarV2 => facts["version"] == 2,
                    archive::Refusal::NoRoots => facts["roots"] == serde_json::json!([]),
                    archive::Refusal::SectionTooLong => facts["max_block"].as_u64() > Some(4_000_000),
                };
                assert!(expected, "{name}: refused: {refusal}");
                tally.skipped(refusal);
                continue;
            }
        };
        let lens = || archive.sections.iter().map(|section| section.data.len());
        let distinct: HashSet<_> = archive.sections.iter().map(|section| section.cid).collect();
        let mut codecs = BTreeMap::new();
        for section in &archive.sections {
            *codecs.entry(codec_name(section.cid.codec())).or_insert(0) += 1;
        }
        let seen = serde_json::json!({
            "roots": archive.roots.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "blocks": archive.sections.len(),
            "distinct_cids": distinct.len(),
            "max_block": lens().max().unwrap_or(0),
            "payload_bytes": lens().sum::<usize>(),
            "codecs": codecs,
        });
        for (key, value) in seen.as_object().into_iter().flatten() {
            assert_eq!(value, &facts[key], "{name}: {key}");
        }
        tally.compared();
    }
    tally.close("iroh-car against the manifest", floor(&known, 70));
}

fn codec_name(code: u64) -> &'static str {
    match code {
        dag::RAW => "raw",
        dag::DAG_PB => "dag-pb",
        dag::DAG_CBOR => "dag-cbor",
        dag::DAG_JSON => "dag-json",
        0x51 => "cbor",
        0x0200 => "json",
        _ => "unexpected",
    }
}

#[test]
fn libipld_reaches_the_known_blocks() {
    let known = known();
    let mut tally = Tally::default();
    for (sound, facts) in &known {
        let Ok(archive) = Archive::read(&sound.bytes) else {
            continue;
        };
        let reach = dag::on_deep_stack(|| dag::reach(&archive.roots, &archive));
        if let Some((_, refusal)) = reach.opaque.first() {
            tally.skipped(refusal);
            continue;
        }
        let name = sound.path.display();
        // The manifest counts commitments as missing blocks.
        assert_eq!(reach.missing.len() + reach.commitments.len(), facts["dag"]["missing"], "{name}: missing");
        assert_eq!(reach.reached.len(), facts["dag"]["reachable"], "{name}: reachable");
        tally.compared();
    }
    tally.close("libipld against the manifest", floor(&known, 65));
}

#[test]
fn rust_unixfs_reads_the_known_files() {
    reads_the_known_files("rust-unixfs", unixfs::rust_unixfs, 100);
}

#[test]
fn unixfs_v1_reads_the_known_files() {
    reads_the_known_files("unixfs-v1", unixfs::unixfs_v1, 25);
}

fn reads_the_known_files(title: &str, read: unixfs::Reader, all: usize) {
    let known = known();
    let mut tally = Tally::default();
    for (sound, facts) in &known {
        let Ok(archive) = Archive::read(&sound.bytes) else {
            continue;
        };
        for root in &archive.roots {
            match read(root, &archive) {
                Ok(tree) => compare_files(
                    &format!("{} {root}", sound.path.display()),
                    &tree,
                    &facts["tree"][root.to_string()],
                    &mut tally,
                ),
                Err(refusal) => {
                    if refusal == Refusal::Incomplete {
                        assert_ne!(facts["dag"]["missing"], 0, "{}: {root}", sound.path.display());
                    }
                    tally.skipped(refusal);
                }
            }
        }
    }
    tally.close(&format!("{title} against the manifest"), floor(&known, all));
}

/// Compares the files of a tree; the manifest writes paths with a slash in front and elides the end of a long listing.
fn compare_files(name: &str, tree: &unixfs::Tree, listed: &Value, tally: &mut Tally) {
    let listed = listed.as_array().unwrap_or_else(|| panic!("{name}: no listing in the manifest"));
    let files: Vec<_> = listed.iter().filter(|line| line["type"] == "file").collect();
    for line in &files {
        let path = line["path"].as_str().unwrap_or_default().trim_start_matches('/');
        let expected = format!("file of {} bytes, SHA-256 {}", line["size"], line["sha256"].as_str().unwrap_or("none"));
        let seen = tree.get(std::path::Path::new(path)).map(|entry| format!("{entry:?}"));
        assert_eq!(seen, Some(expected), "{name}: {path:?}");
        tally.compared();
    }
    if listed.iter().all(|line| line["elided"].is_null()) {
        let read = tree.values().filter(|entry| matches!(entry, Entry::File { .. })).count();
        assert_eq!(read, files.len(), "{name}: number of files");
    }
}
