//! Files that the program writes: whole or not at all, never over another without leave, and nothing left behind.

use crate::facts::Report;
use crate::harness::{Stdin, shared};
use crate::make::{Small, car, raw};
use crate::place::{INPUTS, Place};
use crate::tree::{nothing_in, tree};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn merge_unites() {
    let place = Place::new();
    place.run(&["merge", "one.car", "two.car", "-o", "out.car"]).exits(0);
    let (one, two, both) = (raw(b"one"), raw(b"two"), raw(b"both"));
    assert_eq!(place.read("out.car"), car(&[&one, &two], &[&one, &both, &two]), "input order, first seen wins, roots united");
    assert_eq!(place.names(), ["one.car", "out.car", "small.car", "two.car"], "nothing else is left");
}

#[test]
fn merge_from_a_pipe_and_to_a_pipe() {
    let place = Place::new();
    place.run(&["merge", "one.car", "two.car", "-o", "out.car"]).exits(0);
    let run = place.cartool(&["merge", "-", "two.car", "-o", "-"]);
    let done = run.stdin(Stdin::Pipe(place.read("one.car"))).run();
    assert_eq!(done.exits(0).stdout, place.read("out.car"));
}

#[test]
fn canonical_merges_do_not_depend_on_the_order() {
    let place = Place::new();
    place.run(&["merge", "--canonical", "one.car", "two.car", "small.car", "-o", "a.car"]).exits(0);
    place.run(&["merge", "--canonical", "small.car", "two.car", "one.car", "two.car", "-o", "b.car"]).exits(0);
    assert_eq!(place.read("a.car"), place.read("b.car"));
    place.run(&["verify", "a.car"]).exits(0);
}

#[test]
fn canonical_merges_of_fixtures() {
    let Some(shared) = shared("canonical_merges_of_fixtures") else { return };
    let place = Place::new();
    let [a, b] =
        ["j01-merge-a", "j01-merge-b"].map(|n| shared.join(format!("hostile/cases/{n}.car")).to_string_lossy().into_owned());
    place.run(&["merge", "--canonical", &a, &b, "-o", "ab.car"]).exits(0);
    place.run(&["merge", "--canonical", &b, &a, "-o", "ba.car"]).exits(0);
    assert_eq!(place.read("ab.car"), place.read("ba.car"));
}

#[test]
fn an_existing_output_is_refused() {
    let place = Place::new();
    place.write("out.car", b"precious");
    let done = place.run(&["merge", "one.car", "two.car", "-o", "out.car"]);
    assert!(matches!(done.fails(), 2 | 4), "{done}");
    assert!(done.one_line_error().contains("--force"), "{done}");
    assert_eq!(place.read("out.car"), b"precious");
    place.run(&["merge", "--force", "one.car", "two.car", "-o", "out.car"]).exits(0);
    assert_eq!(place.names(), ["one.car", "out.car", "small.car", "two.car"]);
    place.run(&["verify", "out.car"]).exits(0);
}

/// Not by its name, not by another name, and not by force.
#[test]
fn an_input_is_never_an_output() {
    let place = Place::new();
    let before = place.read("one.car");
    fs::hard_link(place.at("one.car"), place.at("hard.car")).expect("a link");
    std::os::unix::fs::symlink("one.car", place.at("soft.car")).expect("a link");
    for out in ["one.car", "./one.car", "hard.car", "soft.car"] {
        let done = place.run(&["merge", "--force", "one.car", "two.car", "-o", out]);
        done.fails();
        assert!(done.one_line_error().contains("input"), "{done}");
        assert_eq!(place.read("one.car"), before, "-o {out}\n{done}");
    }
    assert_eq!(place.names(), ["hard.car", "one.car", "small.car", "soft.car", "two.car"]);
}

#[test]
fn a_bad_input_leaves_no_output() {
    let place = Place::new();
    let mut forged = place.read("two.car");
    *forged.last_mut().expect("not empty") ^= 1;
    place.write("two.car", &forged);
    for args in [&["merge", "one.car", "two.car"][..], &["merge", "--canonical", "two.car", "one.car"], &["build", "two.car"]] {
        place.run(&[args, &["-o", "out.car"]].concat()).exits(1);
        assert_eq!(place.names(), INPUTS, "{args:?}");
    }
}

#[test]
fn a_missing_input_leaves_no_output() {
    let place = Place::new();
    place.run(&["merge", "one.car", "three.car", "-o", "out.car"]).exits(4);
    assert_eq!(place.names(), INPUTS);
    place.run(&["merge", "one.car", "two.car", "-o", "no/such/dir/out.car"]).exits(4);
    assert_eq!(place.names(), INPUTS);
}

/// Ctrl-C while an input stalls: no output, no temporary file, and the code that says so.
#[test]
fn an_interrupted_merge_leaves_nothing() {
    let place = Place::new();
    let half = place.small.bytes[..200].to_vec();
    let run = place.cartool(&["merge", "one.car", "-", "-o", "out.car"]);
    let run = run.stdin(Stdin::Stalled(half)).interrupt_after(Duration::from_millis(400)).limit(Duration::from_secs(20));
    let done = run.run();
    done.exits(130);
    assert_eq!(place.names(), INPUTS, "{done}");
}

#[test]
fn an_interrupted_extraction_leaves_no_half_file() {
    let place = Place::new();
    let half = place.small.bytes[..200].to_vec();
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let run = place.cartool(&["extract", "-", "-o", "out"]).env("TMPDIR", scratch.path());
    let run = run.stdin(Stdin::Stalled(half)).interrupt_after(Duration::from_millis(400)).limit(Duration::from_secs(20));
    run.run().exits(130);
    let left: Vec<_> = tree(&place.at("out")).into_values().filter(|e| e.kind != crate::tree::Kind::Dir).collect();
    assert!(left.is_empty(), "{left:?}");
    nothing_in(scratch.path()).expect("no temporary file is left");
}

/// A full disk is the machine's failure, told in a sentence.
#[test]
fn a_full_disk_is_an_error() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let place = Place::new();
    for args in [
        &["cat", "small.car", "a.txt"][..],
        &["blocks", "small.car"],
        &["verify", "--json", "small.car"],
        &["merge", "small.car", "-o", "-"],
    ] {
        let full = File::options().write(true).open("/dev/full").expect("opens");
        let mut command = Command::new(env!("CARGO_BIN_EXE_cartool"));
        let done = command
            .args(args)
            .current_dir(place.dir.path())
            .stdin(Stdio::null())
            .stdout(full)
            .output()
            .expect("the program runs");
        let talk = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(4), "{args:?}: {talk}");
        assert!(talk.contains("No space left") && !talk.contains("panicked"), "{args:?}: {talk}");
    }
}

#[test]
fn extract_refuses_to_overwrite() {
    let place = Place::new();
    place.run(&["extract", "small.car", "-o", "out"]).exits(0);
    assert_eq!(place.read("out/a.txt"), b"hello\n");
    place.write("out/a.txt", b"mine");
    fs::remove_file(place.at("out/sub/b.bin")).expect("removed");
    let done = place.run(&["extract", "small.car", "-o", "out"]);
    done.fails();
    assert_eq!(place.read("out/a.txt"), b"mine", "{done}");
    place.run(&["extract", "--skip-existing", "small.car", "-o", "out"]).exits(0);
    assert_eq!((place.read("out/a.txt"), place.read("out/sub/b.bin")), (b"mine".to_vec(), place.small.b.data.clone()));
    place.run(&["extract", "--force", "small.car", "-o", "out"]).exits(0);
    assert_eq!(place.read("out/a.txt"), b"hello\n");
    assert_eq!(tree(&place.at("out")).len(), 3);
}

#[test]
fn extract_goes_where_it_should() {
    let place = Place::new();
    place.run(&["extract", "small.car"]).exits(0);
    assert_eq!(place.read("small/sub/b.bin"), place.small.b.data, "the default directory is the file's stem");
    place.run(&["extract", "small.car", "sub", "-o", "part"]).exits(0);
    let part: Vec<_> = tree(&place.at("part")).into_keys().map(|p| String::from_utf8_lossy(&p).into_owned()).collect();
    assert!(part.iter().any(|p| p.ends_with("b.bin")) && !part.iter().any(|p| p.ends_with("a.txt")), "{part:?}");
    let done = place.run(&["extract", "small.car", "a.txt", "-o", "-"]);
    assert_eq!(done.exits(0).stdout, b"hello\n");
    place.run(&["extract", "--dry-run", "small.car", "-o", "dry"]).exits(0);
    assert!(!place.at("dry").exists(), "a dry run writes nothing");
    place.run(&["extract", "one.car", "-o", "raw"]).exits(0);
    assert_eq!(place.read(&format!("raw/{}", raw(b"one").cid)), b"one", "a raw root is a file named by its CID");
}

#[test]
fn extract_as_tar() {
    let place = Place::new();
    let done = place.run(&["extract", "--tar", "small.car", "-o", "-"]);
    done.exits(0);
    let mut archive = tar::Archive::new(&done.stdout[..]);
    let names =
        archive.entries().expect("a tar stream").map(|e| e.expect("an entry").path().expect("a path").display().to_string());
    let names: Vec<_> = names.collect();
    assert!(names.iter().any(|n| n.ends_with("a.txt")) && names.iter().any(|n| n.ends_with("sub/b.bin")), "{names:?}");
}

/// `build` joins a cut archive and the raw block that it lacks.
#[test]
fn build_joins_the_parts() {
    let place = Place::new();
    let Small { root, sub, a, b, .. } = &place.small;
    place.write("part.car", &car(&[root], &[root, a, sub]));
    place.write("block.bin", &b.data);
    let expect = root.cid.to_string();
    let done = place.run(&["build", "part.car", "--expect", &expect, "-o", "out.car"]);
    done.exits(3);
    assert!(done.talk().contains(&b.cid.to_string()), "what is missing is named\n{done}");
    assert!(!place.at("out.car").exists());
    place.run(&["build", "part.car", "block.bin", "--expect", &expect, "-o", "out.car"]).exits(0);
    let done = place.run(&["verify", "--json", "out.car"]);
    assert_eq!(Report::of(done.exits(0)).expect("a report").number("blocks"), Ok(4));
    assert_eq!(place.read("out.car"), place.small.bytes, "depth first, each block once");
}
