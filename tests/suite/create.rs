//! `create` as a person meets it: what is packed, what is left out, what is refused, and that nothing half-made is left.

use crate::harness::{Done, Stdin, shared};
use crate::place::Place;
use crate::tree::{Kind, tree};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

fn folder() -> Place {
    let place = Place::new();
    for dir in ["d/sub/.git", "d/empty"] {
        fs::create_dir_all(place.at(dir)).expect("folders");
    }
    for (name, text) in [("d/a.txt", "a"), ("d/b.log", "b"), ("d/.hidden", "h"), ("d/sub/c.txt", "c"), ("d/sub/.git/x", "x")] {
        place.write(name, text.as_bytes());
    }
    place
}

/// The paths in an archive.
fn listed(place: &Place, car: &str) -> Vec<String> {
    place.run(&["ls", "-R", car]).exits(0).text().lines().map(|line| line.trim_end_matches('/').to_owned()).collect()
}

#[track_caller]
fn root(done: &Done) -> String {
    let text = done.exits(0).text();
    assert_eq!(text.lines().count(), 1, "the root alone\n{done}");
    text.trim_end().to_owned()
}

/// Nothing is left of a run that failed.
#[track_caller]
fn leaves_nothing(place: &Place, done: &Done, code: i32) {
    done.exits(code).one_line_error();
    assert!(done.stdout.is_empty(), "{done}");
    assert!(!place.names().iter().any(|name| name.ends_with(".tmp") || name == "out.car"), "{:?}", place.names());
}

#[test]
fn what_is_packed_and_what_is_left_out() {
    let place = folder();
    for (args, expected) in [
        (&[][..], &["a.txt", "b.log", "empty", "sub", "sub/c.txt"][..]),
        (&["--hidden"], &[".hidden", "a.txt", "b.log", "empty", "sub", "sub/.git", "sub/.git/x", "sub/c.txt"]),
        (&["--ignore", "*.log", "--empty-dirs=false"], &["a.txt", "sub", "sub/c.txt"]),
        (&["--ignore", "/sub/"], &["a.txt", "b.log", "empty"]),
        (&["--ignore", "*.txt", "--ignore", "!c.txt"], &["b.log", "empty", "sub", "sub/c.txt"]),
        (&["--ignore", "c.txt"], &["a.txt", "b.log", "empty", "sub"]),
        (&["--profile", "ipfs-car", "--ignore", "c.txt"], &["a.txt", "b.log"]),
        (&["--wrap", "--ignore", "sub"], &["d", "d/a.txt", "d/b.log", "d/empty"]),
    ] {
        let done = place.run(&[&["create", "d", "-o", "out.car", "--force"], args].concat());
        root(&done);
        assert_eq!(listed(&place, "out.car"), expected, "{args:?}");
        place.run(&["verify", "--strict", "out.car"]).exits(0);
    }
    place.write("rules", b"# a comment\n*.log\nempty/\n");
    place.run(&["create", "d", "-o", "out.car", "--force", "--ignore-file", "rules"]).exits(0);
    assert_eq!(listed(&place, "out.car"), ["a.txt", "sub", "sub/c.txt"]);
}

#[test]
fn several_paths_and_streams() {
    let place = folder();
    root(&place.run(&["create", "d/a.txt", "d/sub", "-o", "out.car"]));
    assert_eq!(listed(&place, "out.car"), ["a.txt", "sub", "sub/c.txt"]);
    let file = root(&place.run(&["create", "-n", "d/a.txt"]));
    let stream = |args: &[&str]| place.cartool(args).stdin(Stdin::Pipe(b"a".to_vec())).run();
    assert_eq!(root(&stream(&["create", "-n", "-"])), file);
    assert_eq!(root(&stream(&["c", "-n", "-", "--wrap", "--name", "a.txt"])), root(&place.run(&["pack", "-n", "-w", "d/a.txt"])));
    let wrapped = root(&place.cartool(&["create", "-n", "--wrap", "."]).cwd(&place.at("d")).run());
    assert_eq!(wrapped, root(&place.run(&["create", "-n", "--wrap", "d"])));

    // With the archive on standard output the root is talk.
    let piped = stream(&["create", "-", "-o", "-"]);
    assert!(piped.exits(0).talk().contains(&file), "{piped}");
    place.write("piped.car", &piped.stdout);
    assert_eq!(root(&place.run(&["roots", "piped.car"])), file);
    place.run(&["verify", "piped.car"]).exits(0);
}

#[test]
fn json_says_what_was_done() {
    let place = folder();
    let done = place.run(&["create", "d", "-o", "out.car", "--json"]);
    let document = done.exits(0).document().expect("a document");
    assert_eq!((&document["files"], &document["directories"]), (&3.into(), &3.into()));
    assert_eq!(document["bytes"].as_u64(), Some(place.read("out.car").len() as u64));
    assert_eq!(document["blocks"].as_u64(), Some(place.run(&["blocks", "out.car"]).text().lines().count() as u64));
    assert_eq!(document["root"].as_str(), Some(place.run(&["roots", "out.car"]).text().trim_end()));
    let counted = place.run(&["create", "d", "-n", "--json"]).document().expect("a document");
    assert_eq!((&counted["blocks"], &counted["bytes"]), (&document["blocks"], &document["bytes"]));
}

#[test]
fn the_same_bytes_for_any_number_of_threads() {
    let place = folder();
    place.write("d/large", &(0..9_000_000u32).map(|i| (i % 251) as u8).collect::<Vec<_>>());
    (0..600).for_each(|i| place.write(&format!("d/sub/{i}"), i.to_string().repeat(i).as_bytes()));
    let mut first = None;
    for threads in ["1", "2", "7"] {
        place.run(&["create", "d", "-o", "out.car", "--force", "--threads", threads, "--profile", "unixfs-v0-2015"]).exits(0);
        let car = place.read("out.car");
        assert!(*first.get_or_insert_with(|| car.clone()) == car, "{threads} threads");
    }
}

#[test]
fn symlinks_are_kept_followed_or_left_out() {
    let place = folder();
    symlink("sub", place.at("d/link")).expect("a link");
    symlink("nowhere", place.at("d/sub/dangling")).expect("a link");
    let create = |what: &str| place.run(&["create", "d", "-o", "out.car", "--force", "--symlinks", what]);
    root(&create("keep"));
    place.run(&["extract", "out.car", "-o", "kept"]).exits(0);
    assert_eq!(tree(&place.at("kept"))[&b"link"[..]].kind, Kind::Symlink(b"sub".to_vec()));
    let skipped = create("skip");
    assert_eq!(skipped.exits(0).talk().matches("left out").count(), 2, "{skipped}");
    assert_eq!(listed(&place, "out.car"), ["a.txt", "b.log", "empty", "sub", "sub/c.txt"]);
    fs::remove_file(place.at("out.car")).expect("removed");
    leaves_nothing(&place, &create("follow"), 4);
    fs::remove_file(place.at("d/sub/dangling")).expect("removed");
    root(&create("follow"));
    assert_eq!(listed(&place, "out.car"), ["a.txt", "b.log", "empty", "link", "link/c.txt", "sub", "sub/c.txt"]);
    fs::remove_file(place.at("out.car")).expect("removed");
    symlink("..", place.at("d/sub/up")).expect("a link");
    let looped = create("follow");
    leaves_nothing(&place, &looped, 2);
    assert!(looped.talk().contains("leads back"), "{looped}");
}

#[test]
fn what_cannot_be_packed_is_one_error() {
    let place = folder();
    let create = || place.run(&["create", "d", "-o", "out.car"]);
    let socket = std::os::unix::net::UnixListener::bind(place.at("d/socket")).expect("a socket");
    leaves_nothing(&place, &create(), 2);
    assert!(create().talk().contains("is a socket"));
    drop(socket);
    fs::remove_file(place.at("d/socket")).expect("removed");
    let fifo = std::process::Command::new("mkfifo").arg(place.at("d/fifo")).status().expect("mkfifo runs");
    assert!(fifo.success());
    leaves_nothing(&place, &create(), 2);
    assert!(create().talk().contains("is a named pipe"));
    fs::remove_file(place.at("d/fifo")).expect("removed");
    for args in [
        &["create", "nothing", "-o", "out.car"][..],
        &["create", "d", "nothing", "-o", "out.car"],
        &["create", "d", "-o", "nowhere/out.car"],
    ] {
        leaves_nothing(&place, &place.run(args), 4);
    }
    let odd = place.at("d").join(std::ffi::OsStr::from_bytes(b"\xff\x1b"));
    fs::write(&odd, "x").expect("a file");
    leaves_nothing(&place, &create(), 2);
    root(&place.run(&["create", "d", "-o", "any.car", "--names", "any"]));
    assert!(listed(&place, "any.car").iter().any(|name| name.contains("\\xff")));
}

#[test]
fn requests_that_make_no_sense() {
    let place = folder();
    fs::create_dir(place.at("e")).expect("a folder");
    place.write("e/a.txt", b"other");
    place.write("taken.car", b"taken");
    for args in [
        &["create", "d", "-o", "taken.car"][..],
        &["create", "d/a.txt", "e/a.txt", "-o", "out.car"],
        &["create", "d", "e", "--no-wrap", "-o", "out.car"],
        &["create", "-", "d", "-o", "out.car"],
        &["create", "-", "-w", "-o", "out.car"],
        &["create", "d", "--name", "x", "-o", "out.car"],
        &["create", "d/a.txt", "-o", "d/a.txt", "--force"],
        &["create", "d", "-o", "out.car", "--profile", "unixfs-v0-2015", "--hash", "blake3"],
        &["create", "d", "-o", "out.car", "--chunk-size", "3MiB"],
        &["create", "d", "-o", "out.car", "--chunk-size", "0"],
        &["create", "d", "-o", "out.car", "--max-links", "1"],
        &["create", "d", "-o", "out.car", "--ignore", "{a"],
    ] {
        leaves_nothing(&place, &place.run(args), 2);
    }
    for args in [
        &["create", "d"][..],
        &["create", "-n"],
        &["create", "d", "-n", "-o", "out.car"],
        &["create", "d", "-n", "--profile", "nft"],
        &["create", "d", "-n", "--hash", "md5"],
        &["create", "d", "-n", "--chunker", "rabin-5"],
        &["create", "d", "-n", "--chunker", "size-x"],
        &["create", "d", "-n", "--hamt-fanout", "100"],
        &["create", "d", "-n", "--match", "hello"],
        &["create", "d", "-n", "--match", "bafkqaaa", "--cid-version", "1"],
    ] {
        place.run(args).exits(2);
    }
    assert_eq!(place.read("taken.car"), b"taken");
    assert_eq!(place.read("d/a.txt"), b"a");
}

/// An archive that is written into the folder that is packed is no part of it, nor is the one that it replaces.
#[test]
fn the_output_is_not_packed() {
    let place = folder();
    let clean = root(&place.run(&["create", "-n", "--hidden", "d"]));
    for force in [&[][..], &["--force"]] {
        let done = place.run(&[&["create", "--hidden", "d", "-o", "d/out.car"], force].concat());
        assert_eq!(root(&done), clean, "{force:?}");
    }
}

#[test]
fn a_file_that_grows_is_an_error() {
    let place = Place::new();
    fs::write(place.at("grows"), "x".repeat(1000)).expect("a file");
    let path = place.at("grows");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let writer = std::thread::spawn(move || {
        use std::io::Write;
        let mut file = fs::OpenOptions::new().append(true).open(path).expect("opened");
        while stopped.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
            file.write_all(&[b'y'; 100]).expect("written");
        }
    });
    // The writer may rest for the moment of one reading; not for that of fifty.
    let failed = (0..50).map(|_| place.run(&["create", "grows", "-o", "out.car", "--force"])).find(|done| done.code != Some(0));
    drop(stop);
    writer.join().expect("the writer ends");
    let failed = failed.expect("a file that changed was noticed");
    assert!(failed.exits(4).one_line_error().contains("changed while it was read"), "{failed}");
}

#[test]
fn match_finds_profiles_and_says_what_was_tried() {
    let place = folder();
    place.write("d/large", &vec![7; 3_000_000]);
    for args in [
        &["--profile", "unixfs-v0-2015"][..],
        &["--profile", "kubo-cidv1-noraw", "--wrap"],
        &["--profile", "ipfs-car", "--hidden"],
        &["--hash", "blake2b-256"],
        &["--chunk-size", "512KiB", "--max-links", "174", "--layout", "trickle"],
        &["--chunker", "buzhash"],
    ] {
        let wanted = root(&place.run(&[&["create", "-n", "d"], args].concat()));
        let done = place.run(&["create", "d", "--match", &wanted, "-o", "out.car", "--force"]);
        assert_eq!(root(&done), wanted, "{args:?}");
        place.run(&["verify", "--root", &wanted, "out.car"]).exits(0);
    }
    let other = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
    let done = place.run(&["create", "d", "--match", other, "-o", "none.car", "--json"]);
    let document = done.exits(1).document().expect("a document");
    assert!(document["tried"].as_array().is_some_and(|tried| tried.len() > 20), "{document}");
    let ours = root(&place.run(&["create", "-n", "d"]));
    assert!(document["tried"].as_array().is_some_and(|tried| tried.iter().any(|tried| tried["root"] == ours.as_str())));
    assert!(done.talk().contains(&ours) && !place.at("none.car").exists(), "{done}");
    fs::remove_file(place.at("out.car")).expect("removed");
    for cid in ["bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua", "bafkqaaa"] {
        leaves_nothing(&place, &place.run(&["create", "d", "--match", cid, "-o", "out.car"]), 2);
    }
}

#[test]
fn inspect_guesses_the_profile() {
    let place = folder();
    for profile in ["unixfs-v1-2025", "unixfs-v0-2015", "kubo-cidv1-legacy", "kubo-cidv1-noraw", "ipfs-car"] {
        place.run(&["create", "d", "-o", "out.car", "--force", "--profile", profile]).exits(0);
        let document = place.run(&["inspect", "--json", "out.car"]).document().expect("a document");
        assert!(document["profiles"].as_array().is_some_and(|guessed| guessed.contains(&profile.into())), "{document}");
    }
}

/// Bounded by the open nodes, not by the file: 1 GiB of a pipe in a few buffers.
#[test]
fn memory_does_not_follow_the_file() {
    let Some(_) = shared("memory_does_not_follow_the_file") else { return };
    let place = Place::new();
    let file = fs::File::create(place.at("sparse")).expect("a file");
    file.set_len(2 << 30).expect("a long file");
    let done = place.cartool(&["create", "-n", "sparse"]).limit(Duration::from_secs(120)).run();
    done.exits(0);
    assert!(done.peak_kib < 128 << 10, "{done}");
}

#[derive(Debug, Clone)]
enum Thing {
    File(Vec<u8>),
    Folder(BTreeMap<String, Thing>),
    Link(String),
}

fn things() -> impl Strategy<Value = BTreeMap<String, Thing>> {
    let name = "[a-zA-Zé日🦀 ~#%&-]{1,12}";
    let leaf =
        prop_oneof![prop::collection::vec(any::<u8>(), 0..3000).prop_map(Thing::File), "[a-z/.]{1,20}".prop_map(Thing::Link),];
    let thing =
        leaf.prop_recursive(3, 24, 6, move |inner| prop::collection::btree_map(name, inner, 0..6).prop_map(Thing::Folder));
    prop::collection::btree_map(name, thing, 0..8)
}

fn plant(things: &BTreeMap<String, Thing>, dir: &Path, seed: u64) {
    fs::create_dir_all(dir).expect("a folder");
    for (i, (name, thing)) in (seed..).zip(things) {
        let path = dir.join(name);
        match thing {
            Thing::Folder(things) => plant(things, &path, i.wrapping_mul(31)),
            Thing::Link(target) => symlink(target, &path).expect("a link"),
            Thing::File(bytes) => {
                fs::write(&path, bytes).expect("a file");
                let time = SystemTime::UNIX_EPOCH + Duration::new(i % 2_000_000_000, (i % 999) as u32);
                fs::File::open(&path).and_then(|file| file.set_modified(time)).expect("a time");
                fs::set_permissions(&path, fs::Permissions::from_mode([0o644, 0o600, 0o755][i as usize % 3])).expect("a mode");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Packed, unpacked and packed again: the same names, bytes, modes, times and CID.
    #[test]
    fn create_and_extract_are_inverse(things in things(), seed: u32, profile in 0..5usize, small: bool) {
        let place = Place::new();
        plant(&things, &place.at("in"), u64::from(seed));
        let names = ["unixfs-v1-2025", "unixfs-v0-2015", "kubo-cidv1-legacy", "kubo-cidv1-noraw", "unixfs-v1-2025"];
        let mut options = vec!["--preserve-mode", "--preserve-mtime", "--profile", names[profile]];
        options.extend(if small { &["--chunk-size", "100", "--max-links", "3", "--hamt-threshold", "90"][..] } else { &[] });
        options.extend(if profile == 4 { &["--layout", "trickle", "--hamt-fanout", "8"][..] } else { &[] });
        let first = root(&place.run(&[&["create", "in", "-o", "first.car"], &options[..]].concat()));
        place.run(&["verify", "first.car"]).exits(0);
        place.run(&["extract", "first.car", "-o", "out"]).exits(0);
        prop_assert_eq!(tree(&place.at("in")).into_iter().map(timeless).collect::<Vec<_>>(), tree(&place.at("out")).into_iter().map(timeless).collect::<Vec<_>>());
        let second = root(&place.run(&[&["create", "out", "-o", "second.car"], &options[..]].concat()));
        prop_assert_eq!(first, second);
        prop_assert!(place.read("first.car") == place.read("second.car"));
    }
}

/// The times of symlinks are the file system's own business.
fn timeless((path, mut entry): (Vec<u8>, crate::tree::Entry)) -> (Vec<u8>, crate::tree::Entry) {
    if matches!(entry.kind, Kind::Symlink(_)) {
        entry.mtime = (0, 0);
    }
    (path, entry)
}
