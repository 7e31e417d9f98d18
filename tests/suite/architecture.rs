//! The shape of the source: layers, bans and lengths, as the documentation of the crate states them.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers, lowest first; a module names only itself and layers below. One rank shares one set of braces.
const LAYERS: [&[&str]; 14] = [
    &["cid", "varint", "offset", "limits", "error"],
    &["format"],
    &["control"],
    &["hash"],
    &["block"],
    &["store"],
    &["dag"],
    &["unixfs"],
    &["address"],
    &["links"],
    &["ops"],
    &["net"],
    &["archive"],
    &["cli", "main"],
];

/// Longest file and longest function, in lines.
const FILE_MAX: usize = 600;
const FUNCTION_MAX: usize = 70;

/// What may be named only in some layers. The words are looked for in code, not in comments and not in tests.
const BANS: [(&str, &[&str], &str); 17] = [
    ("println!", &["cli", "main"], "the library does not print"),
    ("eprintln!", &["cli", "main"], "the library does not print"),
    ("print!", &["cli", "main"], "the library does not print"),
    ("eprint!", &["cli", "main"], "the library does not print"),
    ("process::exit", &["cli", "main"], "the library does not exit"),
    ("std::env", &["cli", "main"], "the library does not read the environment"),
    ("std::fs", &["store", "ops", "archive", "cli", "main"], "files belong to store, ops, archive and cli"),
    ("File::open", &["store", "ops", "archive", "cli", "main"], "files belong to store, ops, archive and cli"),
    ("File::create", &["store", "ops", "cli", "main"], "files belong to store, ops and cli"),
    ("std::net", &["net"], "sockets belong to net"),
    ("thread::spawn", &["hash", "ops", "net", "cli", "main"], "threads belong to hash, ops, net and cli"),
    (
        "thread::scope",
        &["hash", "store", "ops", "net", "archive", "cli", "main"],
        "threads belong to hash, store, ops, net, archive and cli",
    ),
    ("unsafe", &["hash"], "unsafe code belongs to the kernels of hash"),
    (".unwrap()", &[], "errors are returned"),
    (".expect(\"", &[], "errors are returned"),
    ("panic!", &[], "errors are returned"),
    ("todo!", &[], "finished code only"),
];

struct Source {
    /// Relative to the package.
    path: PathBuf,
    /// The top module, such as `format` for `src/format/header.rs`.
    module: String,
    text: String,
}

impl Source {
    /// The code without comments, line by line from 1, up to the tests at the bottom; nothing of a file of tests.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self.path.file_stem().is_some_and(|stem| stem == "testing" || stem.to_string_lossy().ends_with("tests"));
        let code = move |(_, line): &(usize, &str)| !tests && line.trim() != "#[cfg(test)]";
        let lines = self.text.lines().enumerate().take_while(code);
        lines.map(|(i, line)| (i + 1, line.find("//").map_or(line, |comment| &line[..comment])))
    }
}

fn sources(dir: &str) -> Vec<Source> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open = vec![package.join(dir)];
    let mut found = Vec::new();
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten() {
            let path = entry.expect("a directory entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).expect("source is readable");
                let path = path.strip_prefix(package).expect("inside the package").to_owned();
                let top = path.components().nth(1).expect("a file below a directory").as_os_str();
                let module = top.to_string_lossy().trim_end_matches(".rs").to_owned();
                found.push(Source { path, module, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The modules that a line of code names through `crate::`, alone or in braces.
fn named(line: &str) -> Vec<&str> {
    let ident = |text: &'_ str| text.len() - text.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_').len();
    let mut names = Vec::new();
    for (at, matched) in line.match_indices("crate::") {
        let rest = &line[at + matched.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            names.push(&rest[..ident(rest)]);
            continue;
        };
        let mut depth = 0_i32;
        let mut start = true;
        for (i, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && depth == 0 && !c.is_whitespace() => {
                    names.push(&list[i..i + ident(&list[i..])]);
                    start = false;
                }
                _ => {}
            }
            if depth < 0 {
                break;
            }
        }
    }
    names
}

#[track_caller]
fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "{} complaints\n  {}", complaints.len(), complaints.join("\n  "));
}

#[test]
fn layers_point_downwards() {
    let mut complaints = Vec::new();
    for source in sources("src").iter().filter(|s| s.module != "lib") {
        let Some(own) = rank(&source.module) else {
            complaints.push(format!("{}: `{}` has no layer", source.path.display(), source.module));
            continue;
        };
        for (line, code) in source.code() {
            for name in named(code).into_iter().filter(|name| *name != source.module) {
                // Modules of one layer may name each other; `crate::Name` is an item of lib.rs, hence above everything.
                if rank(name).is_none_or(|other| other > own) {
                    complaints.push(format!("{}:{line}: `{}` names `{name}`", source.path.display(), source.module));
                }
            }
        }
    }
    none(&complaints);
}

#[test]
fn banned_words() {
    let mut complaints = Vec::new();
    for source in sources("src") {
        for (line, code) in source.code() {
            for (word, allowed, why) in BANS {
                if stands(code, word) && !allowed.contains(&source.module.as_str()) {
                    complaints.push(format!("{}:{line}: `{word}`: {why}", source.path.display()));
                }
            }
        }
    }
    none(&complaints);
}

/// Whether the word stands in the code as a word: `unsafe` but not `unsafe_code`, `print!` but not `eprint!`.
fn stands(code: &str, word: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back().is_some_and(joins) && word.starts_with(joins);
        let after = code[at + word.len()..].chars().next().is_some_and(joins) && word.ends_with(joins);
        !before && !after
    })
}

#[test]
fn files_and_functions_are_short() {
    let mut complaints = Vec::new();
    for source in sources("src").iter().chain(&sources("tests")).chain(&sources("benches")) {
        let lines = source.text.lines().count();
        if lines > FILE_MAX {
            complaints.push(format!("{}: {lines} lines, at most {FILE_MAX}", source.path.display()));
        }
        for (line, len) in functions(&source.text).filter(|(_, len)| *len > FUNCTION_MAX) {
            complaints.push(format!("{}:{line}: a function of {len} lines, at most {FUNCTION_MAX}", source.path.display()));
        }
    }
    none(&complaints);
}

/// Where each function starts and how long it is, by the indentation that rustfmt guarantees.
fn functions(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let starts = |line: &str| {
        let words = line.trim_start();
        let words = words.strip_prefix("pub").map_or(words, |rest| rest.split_once(' ').map_or(rest, |(_, rest)| rest));
        words.trim_start_matches("const ").starts_with("fn ")
    };
    let opening: Vec<usize> = (0..lines.len()).filter(|i| starts(lines[*i])).collect();
    opening.into_iter().filter_map(move |i| {
        let ends = |line: &&str| indent(line) == indent(lines[i]) && (line.trim() == "}" || line.trim_end().ends_with(";"));
        if lines[i].ends_with('}') || lines[i].ends_with(';') {
            return None;
        }
        Some((i + 1, lines[i + 1..].iter().position(ends)? + 2))
    })
}

/// The checks above can fail: each rule, on a line that breaks it.
#[test]
fn the_rules_can_fail() {
    assert_eq!(named("use crate::{format::{Header, section}, ops};"), ["format", "ops"]);
    assert_eq!(named("let x = crate::cid::parse(y)?; crate::hash::f()"), ["cid", "hash"]);
    assert!(rank("format") < rank("ops") && rank("cid") == rank("error"));
    assert!(stands("unsafe { x }", "unsafe") && !stands("#![deny(unsafe_code)]", "unsafe"));
    assert!(stands("    print!(\"\")", "print!") && !stands("eprint!(\"\")", "print!"));
    assert!(stands("x.unwrap();", ".unwrap()") && !stands("x.unwrap_or(1)", ".unwrap()"));
    let long = format!("fn f() {{\n{}}}\n", "    x;\n".repeat(80));
    assert_eq!(functions(&long).collect::<Vec<_>>(), [(1, 82)]);
}
