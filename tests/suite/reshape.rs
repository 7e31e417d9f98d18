//! Archives in another shape: versions and indexes, parts of them, and archives in parts.

use crate::harness::{Done, Failures, Stdin, same, shared};
use crate::make::{Small, car, hex, raw, sha256};
use crate::place::{INPUTS, Place};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The first eleven bytes of a CARv2.
const PRAGMA: &[u8] = b"\x0a\xa1\x67version\x02";

/// Every file below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let (mut open, mut found) = (vec![dir.to_owned()], Vec::new());
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Where the index of a CARv2 starts, by its header.
fn index_offset(bytes: &[u8]) -> usize {
    u64::from_le_bytes(bytes[43..51].try_into().expect("eight bytes")) as usize
}

/// The archives that go-car indexed, and whether it indexed identity CIDs too.
const INDEXED: [(&str, bool); 7] = [
    ("ipld+go-car/v2/testdata/sample-unixfs-v2.car", false),
    ("ipld+go-car/v2/testdata/sample-rw-bs-v2.car", false),
    ("ipfs+kubo/test/cli/fixtures/TestDagStatCARv2.car", false),
    ("ipfs+kubo/t0054/lotus_testnet_export_128_v2.car", true),
    ("ipfs+kubo/t0054/lotus_devnet_genesis_v2.car", true),
    ("ChainSafe+forest/test-snapshots/carv2.car", false),
    ("filecoin-saturn+js-client/test/fixtures/multi_block_filtered.car", false),
];

#[test]
fn indexes_are_those_of_go_car_byte_for_byte() {
    let Some(shared) = shared("indexes_are_those_of_go_car_byte_for_byte") else { return };
    let place = Place::new();
    for (name, is_full) in INDEXED {
        let path = shared.join("real").join(name);
        let bytes = fs::read(&path).expect("a fixture");
        let theirs = &bytes[index_offset(&bytes)..];
        let mut args = vec!["index", "create", "--force", "-o", "own.idx"];
        args.extend(is_full.then_some("--fully-indexed"));
        let file = text(&path);
        args.push(&file);
        place.run(&args).exits(0);
        assert!(place.read("own.idx") == theirs, "{name}");
        place.run(&["index", "detach", "--force", &file, "-o", "detached.idx"]).exits(0);
        assert!(place.read("detached.idx") == theirs, "{name}");
        place.run(&["index", "check", &file]).exits(0);
        place.run(&["index", "check", &file, "--index", "own.idx"]).exits(0);
    }
}

#[test]
fn every_archive_survives_another_version() {
    let Some(shared) = shared("every_archive_survives_another_version") else { return };
    let place = Place::new();
    let (mut failures, mut there_and_back) = (Failures::default(), 0);
    for path in files(&shared.join("real")).into_iter().filter(|path| path.extension().is_some_and(|e| e == "car")) {
        let file = text(&path);
        let bytes = fs::read(&path).expect("a fixture");
        let there = place.run(&["convert", "--force", "--car-version", "2", "--allow-unverified", &file, "-o", "2.car"]);
        if there.sane().is_ok() && there.code == Some(1) {
            // What is broken is not converted.
            failures.check(&file, same("files", place.names().len(), INPUTS.len()));
            continue;
        }
        place.run(&["convert", "--force", "--car-version", "1", "--allow-unverified", "2.car", "-o", "1.car"]).exits(0);
        place.run(&["index", "check", "2.car"]).exits(0);
        let back = place.read("1.car");
        let is_same = if bytes.starts_with(PRAGMA) { bytes.windows(back.len()).any(|part| part == back) } else { back == bytes };
        failures.check(&file, if is_same { Ok(()) } else { Err("not the same payload".to_owned()) });
        there_and_back += 1;
        for name in ["1.car", "2.car"] {
            fs::remove_file(place.at(name)).expect("removed");
        }
    }
    assert!(there_and_back > 60, "{there_and_back} archives were converted");
    failures.finish();
}

#[test]
fn an_index_that_lies_changes_no_answer() {
    let Some(shared) = shared("an_index_that_lies_changes_no_answer") else { return };
    let place = Place::new();
    let (mut asked, mut bypassed) = (0, 0);
    for path in files(&shared.join("hostile/cases")) {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if !["c22", "c23", "c25", "c28", "c3", "c40", "c41"].iter().any(|case| name.starts_with(case)) {
            continue;
        }
        let file = text(&path);
        place.run(&["convert", "--force", "--car-version", "1", &file, "-o", "plain.car"]).exits(0);
        for cid in place.run(&["blocks", "plain.car"]).exits(0).text().lines() {
            let expected = place.run(&["get-block", "plain.car", cid]);
            let done = place.run(&["get-block", &file, cid]);
            done.exits(0);
            assert_eq!(done.stdout, expected.exits(0).stdout, "{name}");
            asked += 1;
            bypassed += u32::from(done.talk().contains("without its index"));
        }
    }
    assert!(asked > 20 && bypassed > 8, "{asked} blocks, {bypassed} without the index");
}

#[test]
fn index_check_judges_the_index_alone() {
    let Some(shared) = shared("index_check_judges_the_index_alone") else { return };
    let place = Place::new();
    let cases = [
        ("c19-data-padding", 0, ""),
        ("c21-trailing-after-data-no-index", 3, ""),
        ("c22-index-codec-unknown", 1, "unknown-codec"),
        ("c23-index-truncated", 1, "bad-index"),
        ("c32-index-lie-outside", 1, "index-mismatch"),
        ("c33-index-lie-smuggled-section", 1, "index-mismatch"),
        ("c34-index-missing-entry", 1, "index-mismatch"),
        ("c35-index-unsorted", 1, "non-canonical"),
        ("c36-index-duplicate-entries", 0, "non-canonical"),
        ("c38-index-spec-layout", 0, "non-canonical"),
        ("c40-fully-indexed-lie", 1, "index-mismatch"),
        ("c41-index-2000-same-offset", 1, "index-mismatch"),
    ];
    for (case, code, finding) in cases {
        let done = place.run(&["index", "check", &text(&shared.join(format!("hostile/cases/{case}.car")))]);
        assert!(done.exits(code).text().contains(finding), "{done}");
    }
}

#[test]
fn a_carv2_and_its_index() {
    let place = Place::new();
    place.run(&["convert", "--car-version", "2", "small.car", "-o", "2.car"]).exits(0);
    let bytes = place.read("2.car");
    let index = index_offset(&bytes);
    assert_eq!(&bytes[51..index], place.small.bytes, "the payload is the CARv1");
    assert_eq!(place.run(&["verify", "2.car"]).exits(0).code, Some(0));
    let done = place.run(&["index", "list", "--json", "2.car"]);
    let entries = done.exits(0).documents().expect("objects");
    let mut expected: Vec<Value> = place
        .run(&["blocks", "--json", "small.car"])
        .exits(0)
        .documents()
        .expect("objects")
        .iter()
        .map(|block| {
            let cid: cid::Cid = block["cid"].as_str().expect("text").parse().expect("a CID");
            let multihash = hex(&cid.hash().to_bytes());
            json!({ "multihash": multihash, "hash": "sha2-256", "digest": hex(cid.hash().digest()), "offset": block["offset"] })
        })
        .collect();
    expected.sort_by_key(|entry| entry["digest"].to_string());
    assert_eq!(entries, expected);
    let line = format!("{} {}", entries[0]["multihash"].as_str().expect("text"), entries[0]["offset"]);
    assert_eq!(place.run(&["index", "list", "2.car"]).exits(0).text().lines().next(), Some(&*line));

    place.run(&["index", "create", "small.car", "-o", "same.car"]).exits(0);
    assert_eq!(place.read("same.car"), bytes);
    place.run(&["index", "create", "small.car", "-o", "alone.idx"]).exits(0);
    assert_eq!(place.read("alone.idx"), &bytes[index..]);
    let done = place.run(&["index", "create", "--json", "small.car", "-o", "sorted.idx", "--codec", "0x0400"]);
    let expected = json!({ "output": "sorted.idx", "codec": "0x0400", "blocks": 4 });
    assert_eq!(done.exits(0).document(), Ok(expected));
    let done = place.run(&["index", "detach", "2.car", "-o", "-"]);
    assert_eq!(done.exits(0).stdout, &bytes[index..]);
    assert_eq!(place.run(&["index", "list", "alone.idx"]).exits(0).text().lines().count(), 4);
    let done = place.run(&["index", "check", "--json", "small.car", "--index", "alone.idx"]);
    let report = done.exits(0).document().expect("a report");
    let counts = ["entries", "wrong", "missing", "blocks"].map(|key| report[key].as_u64());
    assert_eq!(
        (counts, &report["verdict"], &report["codec"]),
        ([Some(4), Some(0), Some(0), Some(4)], &json!("ok"), &json!("0x0401"))
    );

    let padded = ["convert", "--car-version", "2", "--index", "index-sorted", "--data-padding", "7", "--index-padding", "1KiB"];
    place.run(&[&padded[..], &["small.car", "-o", "padded.car"]].concat()).exits(0);
    let padded = place.read("padded.car");
    assert_eq!((&padded[58..58 + place.small.bytes.len()], index_offset(&padded)), (&*place.small.bytes, index + 7 + 1024));
    place.run(&["index", "check", "padded.car"]).exits(0);
    place.run(&["convert", "--car-version", "2", "--index", "none", "2.car", "-o", "none.car"]).exits(0);
    assert_eq!(place.read("none.car").len(), index);
    place.run(&["convert", "--car-version", "1", "padded.car", "-o", "back.car"]).exits(0);
    assert_eq!(place.read("back.car"), place.small.bytes);
}

#[test]
fn other_commands_write_carv2_too() {
    let place = Place::new();
    let v2 = |args: &[&str]| {
        place.run(&[args, &["--force", "-o", "1.car"]].concat()).exits(0);
        place.run(&[args, &["--force", "--car-version", "2", "-o", "2.car"]].concat()).exits(0);
        let bytes = place.read("2.car");
        assert!(bytes.starts_with(PRAGMA));
        assert_eq!(bytes[51..index_offset(&bytes)], place.read("1.car"), "{args:?}");
        place.run(&["index", "check", "2.car"]).exits(0);
        place.run(&["verify", "--blocks-only", "2.car"]).exits(0);
    };
    v2(&["merge", "one.car", "two.car"]);
    v2(&["merge", "--wrap", "one.car", "two.car"]);
    v2(&["merge", "--canonical", "one.car", "two.car"]);
    v2(&["merge", "--canonical", "--wrap", "one.car", "two.car"]);
    v2(&["build", "small.car"]);
    v2(&["filter", "--codec", "raw", "small.car"]);
    let done = place.run(&["merge", "--car-version", "2", "one.car", "two.car", "-o", "-"]);
    place.run(&["merge", "--force", "--car-version", "2", "one.car", "two.car", "-o", "2.car"]).exits(0);
    assert_eq!(done.exits(0).stdout, place.read("2.car"));
}

/// The commands that look single blocks up give the same from a CARv2 with an index.
#[test]
fn look_ups_through_an_index() {
    let place = Place::new();
    place.run(&["convert", "--car-version", "2", "small.car", "-o", "2.car"]).exits(0);
    let same = |args: &dyn Fn(&str) -> Vec<String>| {
        let run = |file: &str| {
            let args = args(file);
            place.run(&args.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let (plain, indexed) = (run("small.car"), run("2.car"));
        assert_eq!((indexed.exits(0).text(), indexed.talk()), (plain.exits(0).text(), plain.talk()));
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    same(&|file| words(&["cat", file, "a.txt"]));
    same(&|file| words(&["ls", "-lR", file]));
    same(&|file| words(&["get-block", file, &place.small.a.cid.to_string()]));
    same(&|file| words(&["extract", file, "sub", "-o", &format!("{file}.out")]));
    assert_eq!(place.read("2.car.out/sub/b.bin"), place.small.b.data);

    let mut lying = place.read("2.car");
    let at = lying.len() - 8;
    lying[at] ^= 1;
    place.write("2.car", &lying);
    let mut noted = 0;
    for block in [&place.small.root, &place.small.sub, &place.small.a, &place.small.b] {
        let done = place.run(&["get-block", "2.car", &block.cid.to_string()]);
        assert_eq!(done.exits(0).stdout, block.data);
        noted += usize::from(!done.stderr.is_empty() && done.one_line_error().contains("without its index"));
    }
    assert_eq!(noted, 1, "one entry leads astray, and is told");
    let absent = raw(b"absent").cid.to_string();
    place.run(&["get-block", "2.car", &absent]).exits(3);
}

#[test]
fn filters() {
    let place = Place::new();
    let Small { root, sub, a, b, .. } = &place.small;
    place.run(&["filter", "small.car", "--path", "sub/b.bin", "-o", "path.car"]).exits(0);
    assert_eq!(place.read("path.car"), car(&[root], &[root, sub, b]));
    place.run(&["filter", "small.car", "--root", &sub.cid.to_string(), "-o", "sub.car"]).exits(0);
    assert_eq!(place.read("sub.car"), car(&[sub], &[sub, b]));
    let done = place.run(&["filter", "small.car", "--codec", "raw", "-o", "raw.car"]);
    assert_eq!(place.read("raw.car"), car(&[], &[a, b]));
    assert!(done.exits(0).talk().contains(&root.cid.to_string()), "the dropped root is told\n{done}");
    place.write("cids", format!("{}\n\n  {}\n", a.cid, b.cid).as_bytes());
    place.run(&["filter", "small.car", "--cid-file", "cids", "--inverse", "-o", "rest.car"]).exits(0);
    assert_eq!(place.read("rest.car"), car(&[root], &[root, sub]));
    let run = place.cartool(&["filter", "small.car", "--cid-file", "-", "--json", "-o", "list.car"]);
    let done = run.stdin(Stdin::Pipe(a.cid.to_string().into_bytes())).run();
    let report = done.exits(0).document().expect("a report");
    assert_eq!((&report["blocks"], &report["left_out"]), (&json!(1), &json!(3)));
    place.run(&["merge", "rest.car", "raw.car", "-o", "whole.car"]).exits(0);
    place.run(&["verify", "whole.car"]).exits(0);
}

#[test]
fn splits() {
    let place = Place::new();
    let done = place.run(&["split", "small.car", "--size", "250"]);
    let parts: Vec<String> = done.exits(0).text().lines().map(str::to_owned).collect();
    assert!(parts.len() > 1 && parts[0] == "small-00001.car", "{parts:?}");
    assert!(parts.iter().all(|part| place.read(part).len() <= 250));
    let mut args = vec!["merge", "-o", "whole.car"];
    args.extend(parts.iter().map(String::as_str));
    place.run(&args).exits(0);
    assert_eq!(place.read("whole.car"), place.small.bytes);
    fs::create_dir(place.at("parts")).expect("a directory");
    let done = place.run(&["split", "small.car", "--size", "340", "--strategy", "tree", "-o", "parts", "--json"]);
    for part in done.exits(0).documents().expect("objects") {
        let file = part["file"].as_str().expect("a name");
        assert!(file.starts_with("parts/small-0") && part["roots"] == json!([place.small.root.cid.to_string()]), "{part}");
        place.run(&["ls", file]).exits(0);
    }
    let piped = place.piped(&["split", "-", "--size", "1MiB", "-o", "one"]);
    assert_eq!((piped.exits(0).text(), place.read("one-00001.car")), ("one-00001.car\n", place.small.bytes.clone()));
}

#[test]
fn the_name_of_an_archive() {
    let place = Place::new();
    let done = place.run(&["hash", "small.car"]);
    let cid: cid::Cid = done.exits(0).text().trim_end().parse().expect("a CID");
    assert_eq!((cid.codec(), cid.hash().code(), hex(cid.hash().digest())), (0x0202, 0x12, sha256(&place.small.bytes)));
    assert_eq!(place.piped(&["hash", "-"]).exits(0).text(), done.text());
    let report = place.run(&["hash", "--json", "small.car"]).exits(0).document().expect("a report");
    assert_eq!((&report["bytes"], &report["blocks"]), (&json!(place.small.bytes.len()), &json!(4)));
}

#[test]
fn streams_in_and_out() {
    let place = Place::new();
    place.run(&["convert", "--car-version", "2", "small.car", "-o", "2.car"]).exits(0);
    let v2 = place.read("2.car");
    assert_eq!(place.piped(&["convert", "--car-version", "2", "-", "-o", "-"]).exits(0).stdout, v2);
    let back = place.cartool(&["convert", "--car-version", "1", "-", "-o", "-"]).stdin(Stdin::Trickle(v2)).run();
    assert_eq!(back.exits(0).stdout, place.small.bytes);
    let filtered = place.piped(&["filter", "-", "--codec", "raw", "-o", "-"]);
    assert_eq!(filtered.exits(0).stdout, car(&[], &[&place.small.a, &place.small.b]));
    let index = place.piped(&["index", "create", "-", "-o", "-"]);
    assert!(index.exits(0).stdout.starts_with(&[0x81, 0x08]));
}

/// One line, the right code, and nothing new in the directory.
#[track_caller]
fn refused(place: &Place, args: &[&str], code: i32, says: &str) -> Done {
    let before = place.names();
    let done = place.run(args);
    done.exits(code);
    assert!(done.one_line_error().contains(says), "expected {says:?}\n{done}");
    assert_eq!(place.names(), before, "{done}");
    done
}

#[test]
fn bad_requests_and_bad_input() {
    let place = Place::new();
    place.run(&["convert", "--car-version", "2", "small.car", "-o", "2.car"]).exits(0);
    place.write("kept", b"mine");
    let mut forged = place.small.bytes.clone();
    *forged.last_mut().expect("not empty") ^= 1;
    place.write("forged.car", &forged);
    let v2 = place.read("2.car");
    let cut = v2.len() - 1;
    place.write("cut.car", &v2[..cut]);
    let mut wrong = v2.clone();
    wrong[cut - 7] ^= 1;
    place.write("wrong.car", &wrong);
    place.write("list", b"nonsense\n");
    let refused = |args: &[&str], code, says| refused(&place, args, code, says);

    let done = refused(&["split", "small.car", "--size", "100"], 2, "the least size for this archive is 197");
    assert!(done.talk().contains(&place.small.root.cid.to_string()), "the block is named\n{done}");
    refused(&["split", "-", "--size", "100"], 2, "-o");
    for (verb, more) in [("convert", "--car-version=2"), ("filter", "--codec=raw"), ("index", "create")] {
        let args = |file: &'static str, output| [verb, more, file, "-o", output];
        refused(&args("small.car", "kept"), 2, "--force");
        refused(&args("small.car", "small.car"), 2, "input");
        refused(&args("forged.car", "out.car"), 1, "do not match");
        refused(&args("kept", "out.car"), 1, "kept");
        refused(&args("absent.car", "out.car"), 4, "absent.car");
    }
    refused(&["split", "forged.car", "--size", "250"], 1, "do not match");
    refused(&["hash", "cut.car", "--max-section", "10"], 1, "--max-section");
    refused(&["hash", "kept"], 1, "kept");
    refused(&["convert", "--car-version", "1", "--index", "none", "small.car", "-o", "x"], 2, "--car-version 2");
    refused(&["filter", "small.car", "-o", "x"], 2, "which blocks");
    refused(&["filter", "small.car", "--cid-file", "list", "-o", "x"], 2, "line 1");
    refused(&["filter", "small.car", "--root", &raw(b"absent").cid.to_string(), "-o", "x"], 3, "1 block");
    refused(&["filter", "small.car", "--path", "no/where", "-o", "x"], 3, "no/where");
    for args in [&["list", "small.car"][..], &["check", "small.car"], &["detach", "small.car", "-o", "x"]] {
        refused(&[&["index"], args].concat(), 3, "no index");
    }
    for args in [&["detach", "cut.car", "-o", "x"][..], &["list", "-q", "cut.car"]] {
        refused(&[&["index"], args].concat(), 1, "the index ends inside");
    }
    let report = place.run(&["index", "check", "--json", "wrong.car"]).exits(1).document().expect("a report");
    assert_eq!((&report["wrong"], &report["missing"], &report["verdict"]), (&json!(1), &json!(1), &json!("corrupt")));
    place.run(&["index", "check", "cut.car"]).exits(1);
}
