//! CARv2 files and their indexes beside go-car: the same bytes, and each reads what the other wrote.

use crate::program::{Peer, cartool, cartool_exits};
use crate::words;
use cartool::cid::RawCid;
use cartool::format::{Header, Writer};
use std::fs;
use std::path::Path;

/// Hash function and digest length of the blocks in [`write_sample`].
const HASHES: [(u64, usize); 6] = [(0x12, 32), (0x13, 64), (0x13, 32), (0xb220, 32), (0x14, 20), (0x11, 20)];

/// Writes an archive of many hash functions and digest lengths, with identity CIDs and blocks that stand twice, and gives the CIDs.
fn write_sample(file: &Path) -> Vec<cid::CidGeneric<128>> {
    let mut cids = Vec::new();
    let mut writer = Writer::new(Vec::new(), &Header::from_cids(&[])).expect("a header");
    let mut write = |codec: u64, data: &[u8], hash_code: u64, len: usize| {
        let digest = cartool::hash::digest(hash_code, data, len).expect("a digest");
        let hash = multihash::Multihash::<128>::wrap(hash_code, digest.bytes()).expect("fits");
        let cid = cid::CidGeneric::<128>::new_v1(codec, hash);
        writer.write_section(RawCid::parse(&cid.to_bytes()).expect("a CID"), data).expect("a section");
        cids.push(cid);
    };
    for n in 0..2000u32 {
        let (code, len) = HASHES[n as usize % HASHES.len()];
        write(0x55, format!("block {n}").repeat(n as usize % 50 + 1).as_bytes(), code, len);
        if n % 200 == 7 {
            write(0x55, format!("inline {}", n % 300).as_bytes(), 0x00, 0);
        }
    }
    // Few of a kind: among more than twelve, go-car keeps no order of those that stand twice.
    for text in ["a", "b", "a", "c", "b", "a"] {
        write(0x55, text.as_bytes(), 0x16, 24);
        write(0x71, &[0x61, text.as_bytes()[0]], 0x16, 24);
    }
    fs::write(file, writer.finish().expect("an archive")).expect("written");
    cids
}

#[test]
fn indexes_are_the_same_bytes() {
    let Some(go_car) = Peer::go_car() else { return };
    let folder = crate::temporary();
    let at = |name: &str| folder.path().join(name);
    let archive = at("sample.car");
    write_sample(&archive);
    for (codec, name) in [("0x0400", "index-sorted"), ("0x0401", "multihash-index-sorted")] {
        for all in ["false", "true"] {
            let theirs = go_car.gives(words!["generate", codec, all, archive]);
            let own = at(&format!("{name} {all}"));
            let mut command = words!["index", "create", archive, "-o", own, "--codec", name].to_vec();
            command.extend((all == "true").then_some(std::ffi::OsStr::new("--fully-indexed")));
            cartool_exits(0, &command);
            assert!(fs::read(&own).expect("an index") == theirs, "{name}, identity CIDs {all}");
        }
    }
    let own = at("multihash-index-sorted true");
    assert_eq!(cartool_exits(0, words!["index", "list", own]).trim_end(), go_car.succeeds(words!["list", own]));

    let (theirs, own) = (at("theirs.car"), at("own.car"));
    go_car.succeeds(words!["index", archive, theirs]);
    cartool_exits(0, words!["convert", "--car-version", "2", archive, "-o", own]);
    assert!(fs::read(&own).expect("an archive") == fs::read(&theirs).expect("an archive"), "a wrapped CARv1");
    cartool_exits(0, words!["convert", "--force", "--car-version", "1", theirs, "-o", own]);
    assert!(fs::read(&own).expect("an archive") == fs::read(&archive).expect("an archive"), "and back");
}

#[test]
fn go_car_finds_blocks_by_our_index() {
    let Some(go_car) = Peer::go_car() else { return };
    let folder = crate::temporary();
    let at = |name: &str| folder.path().join(name);
    let archive = at("sample.car");
    let cids = write_sample(&archive);
    let kinds = [("index-sorted", "car-index-sorted"), ("multihash-index-sorted", "car-multihash-index-sorted")];
    for (kind, name) in kinds {
        let wrapped = at(&format!("{kind}.car"));
        cartool_exits(
            0,
            words![
                "convert",
                "--car-version=2",
                "--index",
                kind,
                "--data-padding=9",
                "--index-padding=77",
                archive,
                "-o",
                wrapped
            ],
        );
        let found = go_car.succeeds(words!["inspect", wrapped]);
        assert!(found.starts_with("version 2") && found.ends_with(&format!("{} blocks, index {name}", cids.len())), "{found}");
        for cid in cids.iter().step_by(97).chain(&cids[cids.len() - 3..]) {
            let theirs = go_car.gives(words!["get", wrapped, cid.to_string()]);
            let own = cartool(words!["get-block", wrapped, cid.to_string()]);
            assert_eq!((own.status.code(), own.stderr), (Some(0), Vec::new()), "{cid}");
            assert_eq!(own.stdout, theirs, "{cid}");
        }
    }
}

#[test]
fn go_car_reads_parts_and_filtered_archives() {
    let Some(go_car) = Peer::go_car() else { return };
    let folder = crate::temporary();
    let at = |name: &str| folder.path().join(name);
    let archive = at("sample.car");
    write_sample(&archive);
    let kept = at("kept.car");
    cartool_exits(0, words!["filter", "--codec", "dag-cbor", "--car-version", "2", archive, "-o", kept]);
    let found = go_car.succeeds(words!["inspect", kept]);
    assert!(found.contains("6 blocks, index car-multihash-index-sorted"), "{found}");
    let parts = cartool_exits(0, words!["split", "--size", "100KiB", archive, "-o", at("part")]);
    let mut blocks = 0;
    for part in parts.lines() {
        let found = go_car.succeeds(words!["inspect", part]);
        blocks += found.split(", ").find_map(|word| word.strip_suffix(" blocks")?.parse::<usize>().ok()).expect("a count");
    }
    assert!(parts.lines().count() > 3, "{parts}");
    assert_eq!(blocks, cartool_exits(0, words!["blocks", archive]).lines().count());
}
