//! Damaged archives and files that are none: never success with other bytes, never a crash, always a plain sentence.

use crate::facts::Report;
use crate::harness::{Done, Failures, Stdin, cartool, same, shared};
use crate::make::{Small, car, raw, section, small};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn verify(bytes: &[u8]) -> Done {
    cartool(["verify", "--json", "-"]).stdin(Stdin::Pipe(bytes.to_vec())).run()
}

/// Takes every file out of the archive by name; a success must give the file's own bytes, whatever was done to the archive.
fn takes_out(path: &Path, small: &Small) -> Result<(), String> {
    for (name, block) in [("a.txt", &small.a), ("sub/b.bin", &small.b)] {
        let done = cartool(["cat".as_ref(), path.as_os_str(), name.as_ref()]).run();
        done.sane()?;
        match done.code {
            Some(0) if done.stdout == block.data => {}
            Some(0) => return Err(format!("`cat {name}` succeeded with other bytes: {:?}", done.stdout)),
            Some(1 | 3) if block.data.starts_with(&done.stdout) => {}
            code => return Err(format!("`cat {name}`: exit {code:?} after {:?}", done.stdout)),
        }
    }
    Ok(())
}

/// The whole small archive is sound, or everything below proves nothing.
#[test]
fn the_small_archive_is_sound() {
    let small = small();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("small.car");
    fs::write(&path, &small.bytes).expect("written");
    let done = cartool(["verify".as_ref(), path.as_os_str()]).run();
    done.exits(0);
    takes_out(&path, &small).expect("the small archive gives its files");
    let cat = cartool(["cat".as_ref(), path.as_os_str(), "sub/b.bin".as_ref()]).run();
    assert_eq!(cat.exits(0).stdout, small.b.data);
}

/// Cut anywhere: an error inside a section, incomplete between sections, and sound only when whole.
#[test]
fn truncation_at_every_offset() {
    let small = small();
    let mut boundaries = BTreeSet::new();
    let mut end = car(&[&small.root], &[]).len();
    boundaries.insert(end);
    for block in [&small.root, &small.a, &small.sub, &small.b] {
        end += section(block).len();
        boundaries.insert(end);
    }
    assert_eq!(end, small.bytes.len());
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("cut.car");
    let mut failures = Failures::default();
    for len in 0..=small.bytes.len() {
        let done = verify(&small.bytes[..len]);
        let expected = match boundaries.contains(&len) {
            true if len == small.bytes.len() => 0,
            true => 3,
            false => 1,
        };
        let outcome = done.sane().and_then(|()| same("exit", done.code, Some(expected))).and_then(|()| {
            let report = Report::of(&done)?;
            let beyond = report.faults().find(|(_, at)| at.is_some_and(|at| at > len as u64));
            beyond.map_or(Ok(()), |fault| Err(format!("a fault past the end: {fault:?}")))
        });
        failures.check(&format!("first {len} bytes"), outcome);
        fs::write(&path, &small.bytes[..len]).expect("written");
        failures.check(&format!("first {len} bytes, taken out"), takes_out(&path, &small));
    }
    failures.finish();
}

#[test]
fn every_byte_flipped() {
    let small = small();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("flipped.car");
    // Another codec with the same digest names the same bytes, so that a DAG may still be whole: offsets of the codecs.
    let mut codecs = BTreeSet::new();
    let mut end = car(&[&small.root], &[]).len();
    for block in [&small.root, &small.a, &small.sub, &small.b] {
        let section = section(block);
        codecs.insert(end + section.len() - block.data.len() - 35);
        end += section.len();
    }
    let mut failures = Failures::default();
    for i in 0..small.bytes.len() {
        for mask in [1 << (i % 8), 0xff] {
            let mut bytes = small.bytes.clone();
            bytes[i] ^= mask;
            let done = verify(&bytes);
            let outcome = done.sane().and_then(|()| match done.code {
                Some(1 | 3) => Report::of(&done).map(drop),
                Some(0) if codecs.contains(&i) => Ok(()),
                code => Err(format!("verify: exit {code:?}, expected 1 or 3")),
            });
            failures.check(&format!("byte {i} ^ {mask:#04x}"), outcome);
            fs::write(&path, &bytes).expect("written");
            failures.check(&format!("byte {i} ^ {mask:#04x}, taken out"), takes_out(&path, &small));
        }
    }
    failures.finish();
}

/// A damaged archive leaves nothing behind that looks whole.
#[test]
fn extraction_of_damage_writes_nothing_wrong() {
    let small = small();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut failures = Failures::default();
    for i in (0..small.bytes.len()).step_by(7) {
        let mut bytes = small.bytes.clone();
        bytes[i] ^= 0x55;
        let out = dir.path().join(format!("out-{i}"));
        let run = cartool(["extract".as_ref(), "-".as_ref(), "-o".as_ref(), out.as_os_str()]);
        let done = run.stdin(Stdin::Pipe(bytes)).run();
        let right = |name: &str, data: &[u8]| fs::read(out.join(name)).map_or(Ok(()), |b| same(name, b.as_slice(), data));
        let outcome = done.sane().and_then(|()| match done.code {
            Some(1 | 3) => right("a.txt", &small.a.data).and_then(|()| right("sub/b.bin", &small.b.data)),
            code => Err(format!("exit {code:?}, expected 1 or 3")),
        });
        failures.check(&format!("byte {i}"), outcome);
    }
    failures.finish();
}

/// Bytes that arrive one at a time are the same archive.
#[test]
fn one_byte_at_a_time() {
    let small = small();
    let whole = verify(&small.bytes);
    whole.exits(0);
    let trickle = cartool(["verify", "--json", "-"]).stdin(Stdin::Trickle(small.bytes.clone())).run();
    assert_eq!(trickle.exits(0).stdout, whole.stdout);
    let cat = cartool(["cat", "-", "a.txt"]).stdin(Stdin::Trickle(small.bytes)).run();
    assert_eq!(cat.exits(0).stdout, b"hello\n");
}

#[test]
fn one_byte_at_a_time_with_an_index() {
    let Some(shared) = shared("one_byte_at_a_time_with_an_index") else { return };
    for name in ["v2-idx401", "v2-pad", "v2-noindex"] {
        let path = shared.join(format!("vectors/cars/symlinks.unixfs-v0-2015.{name}.car"));
        let bytes = fs::read(&path).expect("the vector is readable");
        let whole = cartool(["verify", "--json", "-"]).stdin(Stdin::Pipe(bytes.clone())).run();
        let trickle = cartool(["verify", "--json", "-"]).stdin(Stdin::Trickle(bytes)).run();
        assert_eq!(trickle.exits(0).stdout, whole.exits(0).stdout);
        let report = Report::of(&trickle).expect("a report");
        assert_eq!(report.get("version"), 2, "{trickle}");
    }
}

/// A file that is no archive gets one plain sentence that names it and says what it is.
#[test]
fn files_that_are_no_archive() {
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x04\0\x43\xbe\xb7\xe8\x01\0\0\0";
    let zstd = b"\x28\xb5\x2f\xfd\x04\x00\x09\x00\x00\x61\x29\x64\xb4\x7e";
    let html = b"<!DOCTYPE html>\n<html><head><title>504 Gateway Time-out</title></head></html>\n";
    let json = br#"{"name":"T #1","image":"ipfs://bafy"}"#;
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";
    let inputs: [(&str, &[u8], &str); 8] = [
        ("empty", b"", "empty"),
        ("html", html, "html"),
        ("json", json, "json"),
        ("gzip", gzip, "gzip"),
        ("zstd", zstd, "zstd"),
        ("raw-block", png, "not a car"),
        ("text", b"no such file\n", "not a car"),
        ("zeros", &[0; 64], ""),
    ];
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut failures = Failures::default();
    for (name, bytes, word) in inputs {
        let path = dir.path().join(format!("{name}.car"));
        fs::write(&path, bytes).expect("written");
        for command in ["roots", "blocks", "ls", "extract"] {
            let done = cartool([command.as_ref(), path.as_os_str()]).cwd(dir.path()).run();
            failures.check(&format!("{command} {name}"), plainly(&done, 1, name, word));
        }
        // A report of the file, not a use of it: the sentence is the result.
        let done = cartool(["inspect".as_ref(), path.as_os_str()]).run();
        let outcome = done.sane().and_then(|()| same("exit", done.code, Some(1))).and_then(|()| {
            let text = done.terminal_text()?.to_lowercase();
            if text.contains(word) { Ok(()) } else { Err(format!("{text:?} does not say {word:?}")) }
        });
        failures.check(&format!("inspect {name}"), outcome);
        let done = verify(bytes);
        let outcome = done.sane().and_then(|()| same("exit", done.code, Some(1))).and_then(|()| Report::of(&done).map(drop));
        failures.check(&format!("verify {name}"), outcome);
    }
    let done = cartool(["roots".as_ref(), dir.path().as_os_str()]).run();
    failures.check("roots DIRECTORY", done.sane().and_then(|()| plainly(&done, done.code.unwrap_or(0).max(1), "", "directory")));
    let done = cartool(["roots", "no/such.car"]).run();
    failures.check("roots no/such.car", plainly(&done, 4, "no/such.car", "no such file"));
    failures.finish();
}

fn plainly(done: &Done, code: i32, name: &str, word: &str) -> Result<(), String> {
    done.sane()?;
    same("exit", done.code, Some(code)).map_err(|e| format!("{e}: {}", done.first_talk()))?;
    let talk = done.talk();
    if talk.lines().count() != 1 {
        return Err(format!("{} lines on stderr, expected 1: {talk:?}", talk.lines().count()));
    }
    if !talk.contains(name) || !talk.to_lowercase().contains(word) {
        return Err(format!("{talk:?} does not name {name:?} or say {word:?}"));
    }
    if done.stdout.is_empty() { Ok(()) } else { Err(format!("{} bytes on stdout", done.stdout.len())) }
}

/// What a gateway writes into a stream that it must cut short.
#[test]
fn gateway_error_text_is_recognised() {
    let small = small();
    let mut bytes = car(&[&small.root], &[&small.root, &small.a]);
    let end = bytes.len() as u64;
    bytes.extend_from_slice(b"\n\n[Gateway Error: Response truncated - context deadline exceeded]\n");
    let done = verify(&bytes);
    let report = Report::of(done.exits(1)).expect("a report");
    let text: Vec<_> = report.faults().filter(|(code, _)| *code == "gateway-error-text").collect();
    assert_eq!(text, [("gateway-error-text", Some(end))], "{done}");
}

/// The check goes on after a bad block, and says of each where it is.
#[test]
fn every_fault_is_found() {
    let (a, b, c) = (raw(b"first"), raw(b"second"), raw(b"third"));
    let mut bytes = car(&[&a], &[&a]);
    let mut at = Vec::new();
    for block in [&b, &c] {
        at.push(bytes.len() as u64);
        let mut section = section(block);
        *section.last_mut().expect("not empty") ^= 1;
        bytes.extend_from_slice(&section);
    }
    let done = verify(&bytes);
    let report = Report::of(done.exits(1)).expect("a report");
    let found: Vec<_> = report.mismatches().into_iter().collect();
    assert_eq!(found, [(at[0], b.cid.to_string()), (at[1], c.cid.to_string())], "{done}");
    assert_eq!(report.number("blocks"), Ok(3), "{done}");
}
