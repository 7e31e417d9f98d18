//! The command line as it is promised: codes, flags, aliases, help, and what goes to which stream.

use crate::facts::Report;
use crate::harness::{Failures, cartool, same};
use crate::make::{Small, car, hex, raw, section};
use crate::place::Place;

const COMMANDS: [&str; 15] = [
    "verify",
    "inspect",
    "roots",
    "blocks",
    "ls",
    "cat",
    "get-block",
    "diff",
    "extract",
    "metadata",
    "links",
    "build",
    "merge",
    "completions",
    "man",
];

#[test]
fn every_command_explains_itself() {
    let mut failures = Failures::default();
    for command in COMMANDS {
        let done = cartool([command, "--help"]).run();
        let outcome = done.sane().and_then(|()| same("exit", done.code, Some(0))).and_then(|()| {
            let example = done.text().contains(&format!("cartool {command} "));
            if example && done.text().contains("xample") { Ok(()) } else { Err("no example in the help".into()) }
        });
        failures.check(command, outcome);
    }
    failures.finish();
}

#[test]
fn the_house() {
    let help = cartool(["--help"]).run();
    for command in ["verify", "extract", "merge"] {
        assert!(help.exits(0).text().contains(command), "{help}");
    }
    assert!(cartool(["--version"]).run().exits(0).text().starts_with("cartool "));
    for shell in ["bash", "zsh", "fish"] {
        assert!(cartool(["completions", shell]).run().exits(0).text().contains("cartool"));
    }
    assert!(cartool(["man"]).run().exits(0).text().contains(".TH"));
}

#[test]
fn usage_errors_are_2() {
    let place = Place::new();
    let wrong: [&[&str]; 8] = [
        &[],
        &["no-such-command"],
        &["verify"],
        &["verify", "--no-such-flag", "small.car"],
        &["get-block", "small.car", "not-a-cid"],
        &["merge", "small.car"],
        &["cat", "small.car", "a.txt", "--bytes", "x:y"],
        &["verify", "small.car", "--max-section", "many"],
    ];
    let mut failures = Failures::default();
    for args in wrong {
        let done = place.run(args);
        let outcome = done
            .sane()
            .and_then(|()| same("exit", done.code, Some(2)))
            .and_then(|()| if done.stderr.is_empty() { Err("nothing on stderr".into()) } else { Ok(()) });
        failures.check(&args.join(" "), outcome);
    }
    failures.finish();
}

#[test]
fn list_answers_with_a_hint() {
    let place = Place::new();
    let done = place.run(&["list", "small.car"]);
    done.exits(2);
    assert!(done.talk().contains("ls") && done.talk().contains("blocks"), "{done}");
}

#[test]
fn aliases_are_the_same_commands() {
    let place = Place::new();
    for (alias, command) in [("v", "verify"), ("stat", "inspect"), ("info", "inspect"), ("root", "roots")] {
        let (short, long) = (place.run(&[alias, "small.car"]), place.run(&[command, "small.car"]));
        assert_eq!(short.exits(0).stdout, long.exits(0).stdout, "{alias} and {command}");
        assert!(!long.stdout.is_empty(), "{long}");
    }
    for (i, alias) in ["x", "unpack", "extract"].iter().enumerate() {
        place.run(&[alias, "small.car", "-o", &format!("out{i}")]).exits(0);
        assert_eq!(place.read(&format!("out{i}/a.txt")), b"hello\n", "{alias}");
    }
    for (i, alias) in ["join", "concat", "merge"].iter().enumerate() {
        place.run(&[alias, "small.car", "-o", &format!("out{i}.car")]).exits(0);
        assert_eq!(place.read(&format!("out{i}.car")), place.small.bytes, "{alias}");
    }
}

#[test]
fn codes_tell_broken_from_incomplete() {
    let place = Place::new();
    place.write_partial();
    let mut broken = place.small.bytes.clone();
    *broken.last_mut().expect("not empty") ^= 1;
    place.write("broken.car", &broken);
    place.run(&["verify", "small.car"]).exits(0);
    place.run(&["verify", "broken.car"]).exits(1);
    place.run(&["verify", "partial.car"]).exits(3);
    place.run(&["verify", "no-such.car"]).exits(4);
    place.run(&["verify", "partial.car", "broken.car", "small.car"]).exits(1);
    place.run(&["verify", "partial.car", "small.car"]).exits(3);
    place.run(&["cat", "partial.car", "sub/b.bin"]).exits(3);
    place.run(&["cat", "small.car", "no/such"]).exits(3);
    place.run(&["get-block", "small.car", &raw(b"absent").cid.to_string()]).exits(3);
    place.run(&["verify", "--blocks-only", "partial.car"]).exits(0);
}

#[test]
fn missing_blocks_can_be_listed_united_or_allowed() {
    let place = Place::new();
    place.write_partial();
    let b = &place.small.b;
    let done = place.run(&["verify", "--missing", "partial.car"]);
    assert_eq!(done.exits(3).text(), format!("{}\n", b.cid));
    let done = place.run(&["verify", "--json", "partial.car"]);
    let report = Report::of(done.exits(3)).expect("a report");
    let gap = &report.get("roots")[0]["missing"][0];
    assert_eq!(
        (gap["path"].as_str(), gap["parent"].as_str()),
        (Some("/sub/b.bin"), Some(&*place.small.sub.cid.to_string())),
        "{done}"
    );
    place.write("rest.car", &car(&[], &[b]));
    place.run(&["verify", "--together", "partial.car", "rest.car"]).exits(0);
    let done = place.run(&["extract", "--allow-missing", "partial.car", "-o", "out"]);
    done.exits(0);
    assert!(done.talk().to_lowercase().contains("warning"), "{done}");
    assert_eq!(place.read("out/a.txt"), b"hello\n");
    assert!(!place.at("out/sub/b.bin").exists());
}

#[test]
fn verify_answers_for_other_dags_and_requests() {
    let place = Place::new();
    place.write_partial();
    let (root, sub, a) = (&place.small.root.cid, &place.small.sub.cid, &place.small.a.cid);
    place.run(&["verify", "--root", &a.to_string(), "partial.car"]).exits(0);
    place.run(&["verify", "--root", &sub.to_string(), "partial.car"]).exits(3);
    place.run(&["verify", "--expect", &format!("{root}/a.txt"), "partial.car"]).exits(0);
    place.run(&["verify", "--expect", &format!("{root}?dag-scope=block"), "partial.car"]).exits(0);
    place.run(&["verify", "--expect", &format!("{root}/sub?dag-scope=entity"), "partial.car"]).exits(0);
    place.run(&["verify", "--expect", &root.to_string(), "partial.car"]).exits(3);
    let done = place.run(&["verify", "--expect", &raw(b"other").cid.to_string(), "small.car"]);
    assert!(matches!(done.code, Some(1 | 3)), "{done}");
}

#[test]
fn strict_makes_notes_errors() {
    let place = Place::new();
    let mut twice = place.small.bytes.clone();
    twice.extend_from_slice(&section(&place.small.a));
    place.write("twice.car", &twice);
    let done = place.run(&["verify", "--json", "twice.car"]);
    let codes = Report::of(done.exits(0)).expect("a report").codes();
    assert!(codes.contains("note:duplicate-block"), "{codes:?}");
    place.run(&["verify", "--strict", "twice.car"]).exits(1);
    place.run(&["verify", "--strict", "small.car"]).exits(0);
}

/// Every command that reads gives the same from a file and from standard input.
#[test]
fn standard_input_is_a_file() {
    let place = Place::new();
    let cid = place.small.b.cid.to_string();
    let tails: [&[&str]; 8] = [
        &["roots"],
        &["blocks"],
        &["blocks", "--json"],
        &["blocks", "-l"],
        &["ls", "-R"],
        &["ls", "--json", "-R"],
        &["cat"],
        &["get-block"],
    ];
    for tail in tails {
        let more: &[&str] = match tail[0] {
            "cat" => &["sub/b.bin"],
            "get-block" => &[&cid],
            _ => &[],
        };
        let (from_file, from_pipe) =
            (place.run(&[tail, &["small.car"], more].concat()), place.piped(&[tail, &["-"], more].concat()));
        assert_eq!(from_file.exits(0).stdout, from_pipe.exits(0).stdout, "{tail:?}");
        assert!(!from_file.stdout.is_empty(), "{from_file}");
    }
}

#[test]
fn blocks_in_the_keys_of_the_specification() {
    let place = Place::new();
    let done = place.run(&["blocks", "--json", "small.car"]);
    let first = &done.exits(0).documents().expect("JSON lines")[0];
    let header = car(&[&place.small.root], &[]).len() as u64;
    let (data, section) = (place.small.root.data.len() as u64, section(&place.small.root).len() as u64);
    let expected = serde_json::json!({"cid": place.small.root.cid.to_string(), "offset": header, "length": section,
        "blockOffset": header + section - data, "blockLength": data});
    assert_eq!(*first, expected);
}

#[test]
fn bytes_of_a_file() {
    let place = Place::new();
    for (range, expected) in [("0:0", "h"), ("1:3", "ell"), ("2:*", "llo\n"), ("-3:*", "lo\n"), ("-3:-2", "lo")] {
        let done = place.run(&["cat", "small.car", "a.txt", &format!("--bytes={range}")]);
        assert_eq!(done.exits(0).text(), expected, "--bytes={range}");
    }
    let done = place.run(&["get-block", "small.car", &place.small.b.cid.to_string()]);
    assert_eq!(hex(&done.exits(0).stdout), "0001020304050607");
    let done = place.run(&["get-block", "small.car", &place.small.root.cid.to_string(), "--as", "json"]);
    let node = &done.exits(0).document().expect("DAG-JSON");
    assert_eq!(node["Links"][0]["Name"], "a.txt");
    assert_eq!(node["Links"][0]["Hash"]["/"], place.small.a.cid.to_string());
}

#[test]
fn roots_that_the_header_does_not_name() {
    let place = Place::new();
    let Small { root, sub, a, b, .. } = &place.small;
    place.write("rootless.car", &car(&[], &[root, a, sub, b]));
    assert_eq!(place.run(&["roots", "rootless.car"]).exits(0).text(), "");
    assert_eq!(place.run(&["roots", "--implicit", "rootless.car"]).exits(0).text(), format!("{}\n", root.cid));
    place.run(&["verify", "rootless.car"]).exits(0);
}

/// `head` closes the pipe early: no error, no noise.
#[test]
fn a_closed_pipe_is_no_error() {
    let place = Place::new();
    let blocks: Vec<_> = (0..4000_u32).map(|i| raw(&i.to_le_bytes())).collect();
    let all: Vec<_> = blocks.iter().collect();
    place.write("many.car", &car(&[all[0]], &all));
    for args in [&["blocks", "many.car"][..], &["blocks", "--json", "many.car"], &["merge", "many.car", "-o", "-"]] {
        let done = cartool(args).cwd(place.dir.path()).close_stdout_after(1).run();
        assert_eq!(done.exits(0).stdout.len(), 1, "{done}");
        assert!(done.stderr.is_empty() || args[0] == "merge", "{done}");
    }
}

/// What nobody reads is still wrong.
#[test]
fn a_closed_pipe_hides_no_verdict() {
    let place = Place::new();
    let mut broken = place.small.bytes.clone();
    *broken.last_mut().expect("not empty") ^= 1;
    place.write("broken.car", &broken);
    let wide = raw(&[7; 64]);
    let names: Vec<_> = (0..4000).map(|n| format!("{n:0>250}")).collect();
    let root = crate::make::directory(&names.iter().map(|name| (&**name, &wide)).collect::<Vec<_>>());
    place.write("wide.car", &car(&[&root, &wide], &[&root]));
    for (args, code) in [
        (&["verify", "--json", "wide.car", "broken.car"][..], 1),
        (&["verify", "--json", "wide.car"], 3),
        (&["verify", "small.car", "broken.car"], 1),
    ] {
        let done = cartool(args).cwd(place.dir.path()).close_stdout_after(0).run();
        assert!(done.exits(code).stderr.is_empty(), "{done}");
    }
}

#[test]
fn a_missing_block_is_named_once() {
    let place = Place::new();
    let Small { root, sub, a, b, .. } = &place.small;
    place.write("shared.car", &car(&[root, sub, b], &[root, a, sub]));
    assert_eq!(place.run(&["verify", "--missing", "shared.car"]).exits(3).text(), format!("{}\n", b.cid));
}

#[test]
fn quiet_and_colourless() {
    let place = Place::new();
    for args in [
        &["-q", "verify", "small.car"][..],
        &["merge", "-q", "small.car", "-o", "q.car"],
        &["extract", "-q", "small.car", "-o", "q"],
    ] {
        let done = place.run(args);
        assert!(done.exits(0).stderr.is_empty(), "-q silences talk\n{done}");
    }
    assert!(place.at("q.car").is_file() && place.at("q/a.txt").is_file(), "quiet, not idle");
    for (key, args) in
        [("NO_COLOR", &["verify", "small.car"][..]), ("NO_COLOR", &["inspect", "small.car"]), ("NO_COLOR", &["verify", "none"])]
    {
        let done = cartool(args).cwd(place.dir.path()).env(key, "1").run();
        assert!(![&done.stdout, &done.stderr].iter().any(|b| b.contains(&0x1b)), "{done}");
    }
    let done = place.run(&["verify", "--color", "never", "small.car"]);
    assert!(!done.exits(0).stdout.contains(&0x1b), "{done}");
}

/// A limit that is met is named with the flag that moves it.
#[test]
fn limits_name_their_flags() {
    let place = Place::new();
    for (flag, args) in [("--max-section", ["verify", "--max-section", "20"]), ("--max-header", ["verify", "--max-header", "20"])]
    {
        let done = place.run(&[&args[..], &["small.car"]].concat());
        done.exits(1);
        assert!(done.text().contains(flag) || done.talk().contains(flag), "{flag}\n{done}");
    }
    let done = place.run(&["extract", "--max-bytes", "3", "small.car", "-o", "out"]);
    assert!(matches!(done.code, Some(1 | 3)) && done.talk().contains("--max-bytes"), "{done}");
    place.run(&["verify", "--max-section", "1MiB", "small.car"]).exits(0);
}

/// What an archive names is untrusted: escape sequences and line breaks in names never reach the terminal raw.
#[test]
fn names_are_escaped() {
    let place = Place::new();
    let a = raw(b"x");
    let root = crate::make::directory(&[("\u{1b}[31mred\r\nfake line", &a), ("\u{202e}gnp.exe", &a)]);
    place.write("names.car", &car(&[&root], &[&root, &a]));
    for args in [&["ls", "names.car"][..], &["ls", "-l", "names.car"], &["ls", "--tree", "names.car"], &["verify", "names.car"]] {
        let done = place.run(args);
        let text = done.exits(0).terminal_text().unwrap_or_else(|e| panic!("{e}\n{done}"));
        assert!(!text.contains("\nfake line"), "{done}");
    }
    let done = place.run(&["cat", "names.car", "no\u{1b}[2Jsuch"]);
    done.exits(3);
    let listed = place.run(&["ls", "--json", "names.car"]);
    let names: Vec<_> = listed.exits(0).documents().expect("JSON lines").iter().map(|l| l["path"].clone()).collect();
    assert!(names.contains(&"\u{1b}[31mred\r\nfake line".into()), "{names:?}");
}

/// Keys are only ever added to the JSON.
#[test]
fn verify_json_keeps_its_keys() {
    let doc = Place::new().run(&["verify", "--json", "small.car"]).document().expect("a document");
    let keys = ["file", "version", "bytes", "blocks", "unique_blocks", "roots", "findings", "verdict", "unreachable_blocks"];
    let more = ["duplicate_blocks", "identity_blocks", "missing_blocks", "commitment_links", "index"];
    for key in keys.iter().chain(&more) {
        assert!(doc.get(key).is_some(), "no key {key:?} in {doc}");
    }
    for key in ["cid", "present", "complete", "missing"] {
        assert!(doc["roots"][0].get(key).is_some(), "no key {key:?} in {doc}");
    }
}
