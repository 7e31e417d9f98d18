//! Real archives of other projects, against facts that an independent checker and a second implementation agreed on.

use crate::facts::Report;
use crate::harness::{Done, Failures, cartool, manifest, same, shared};
use crate::make::{hex, sha256};
use crate::tree::{Kind, tree};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The checker counts every unreachable link as missing, and links to Filecoin commitments (0xf101, 0xf102) are never
/// blocks. Missing blocks proper, by file: counted from the checker's whole list, of which the manifest holds eight.
const COMMITMENTS: [(&str, u64); 3] = [
    ("ChainSafe+forest/src/networks/mainnet/genesis.car", 0),
    ("ChainSafe+forest/test-snapshots/carv2.car", 16),
    ("ChainSafe+forest/test-snapshots/chain4.car", 3),
];

struct Fixture {
    name: String,
    path: PathBuf,
    facts: Value,
}

impl Fixture {
    fn run(&self, args: &[&str]) -> Done {
        cartool(args.iter().map(OsStr::new).chain([self.path.as_os_str()])).run()
    }

    fn verdict(&self) -> &str {
        self.facts["verdict"].as_str().expect("a verdict")
    }

    fn number(&self, key: &str) -> u64 {
        self.facts[key].as_u64().unwrap_or_else(|| panic!("{}: no {key}", self.name))
    }

    /// Whether the checker could read it to the end.
    fn readable(&self) -> bool {
        ["ok", "hash-mismatch"].contains(&self.verdict())
    }

    /// Distinct CIDs whose bytes match: a section that lies about its CID holds no block.
    fn sound_blocks(&self) -> u64 {
        self.number("distinct_cids") - self.mismatches().len() as u64
    }

    fn mismatches(&self) -> &[Value] {
        self.facts["hash_mismatches"].as_array().map_or(&[], Vec::as_slice)
    }

    fn missing_blocks(&self) -> u64 {
        let known = COMMITMENTS.iter().find(|(name, _)| *name == self.name).map(|(_, n)| *n);
        known.unwrap_or_else(|| self.facts["dag"]["missing"].as_u64().expect("a count"))
    }
}

/// Applies a check to every fixture it is for.
#[track_caller]
fn each(test: &str, wanted: impl Fn(&Fixture) -> bool, check: impl Fn(&Fixture) -> Result<(), String>) {
    let Some(shared) = shared(test) else { return };
    let dir = shared.join("real");
    let mut failures = Failures::default();
    for entry in manifest(&dir.join("manifest.jsonl")).1 {
        let name = entry["file"].as_str().expect("a file").to_owned();
        let fixture = Fixture { path: dir.join(&name), name, facts: entry["facts"].clone() };
        if wanted(&fixture) {
            failures.check(&fixture.name, check(&fixture));
        }
    }
    failures.finish();
}

fn keys(map: &Value) -> BTreeMap<String, u64> {
    let pairs = map.as_object().into_iter().flatten();
    pairs.map(|(k, v)| (k.clone(), v.as_u64().unwrap_or(u64::MAX))).collect()
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

#[test]
fn verify_agrees() {
    each("verify_agrees", Fixture::readable, |f| {
        let done = f.run(&["verify", "--json"]);
        done.sane()?;
        let report = Report::of(&done)?;
        report.counts("version", f.number("version"))?;
        report.counts("bytes", f.number("size"))?;
        report.counts("blocks", f.number("blocks"))?;
        report.counts("unique_blocks", f.sound_blocks())?;
        report.counts("duplicate_blocks", f.number("duplicate_sections"))?;
        report.counts("identity_blocks", f.number("identity_sections"))?;
        let wrong = f
            .mismatches()
            .iter()
            .map(|m| (m["offset"].as_u64().expect("an offset"), m["cid"].as_str().expect("a CID").to_owned()));
        same("mismatches", report.mismatches(), wrong.collect())?;
        let unverified = report.findings().iter().filter(|x| x["severity"] == "unverified").count();
        same("unverified blocks", unverified as u64, f.number("unverifiable"))?;
        roots(&report, f)?;
        if f.mismatches().is_empty() {
            dag(&report, f)?;
        }
        index(&report, f)
    });
}

fn roots(report: &Report, f: &Fixture) -> Result<(), String> {
    let roots = report.get("roots").as_array().ok_or("no roots")?;
    let cids: Vec<_> = roots.iter().map(|r| r["cid"].as_str().unwrap_or("").to_owned()).collect();
    same("roots", cids, strings(&f.facts["roots"]))?;
    let present: Vec<_> = roots.iter().map(|r| r["present"].clone()).collect();
    same("roots present", &Value::from(present), &f.facts["roots_present"])
}

fn dag(report: &Report, f: &Fixture) -> Result<(), String> {
    let dag = &f.facts["dag"];
    report.counts("missing_blocks", f.missing_blocks())?;
    report.counts("unreachable_blocks", dag["unreachable"].as_u64().expect("a count"))?;
    let missing = report.missing();
    for cid in strings(&dag["missing_cids"]) {
        let codec = cid.parse::<cid::Cid>().expect("a CID").codec();
        let commitment = [0xf101, 0xf102].contains(&codec);
        match (missing.contains(&cid), commitment) {
            (false, false) => return Err(format!("{cid} is missing and not reported")),
            (true, true) => return Err(format!("{cid} is a commitment and reported missing")),
            _ => {}
        }
    }
    same("bad nodes", report.codes().contains("error:bad-node"), dag["decode_errors"] != Value::Array(Vec::new()))?;
    let whole = f.missing_blocks() == 0;
    same("verdict is ok", report.get("verdict") == "ok", whole).map_err(|e| format!("{e} (found {:?})", report.codes()))
}

fn index(report: &Report, f: &Fixture) -> Result<(), String> {
    let (actual, facts) = (report.get("index"), &f.facts["index"]["go"]);
    if facts["error"].is_string() {
        let found = report.faults().any(|(code, _)| code == "bad-index");
        return if found { Ok(()) } else { Err(format!("broken index, found {:?}", report.codes())) };
    }
    if facts.is_null() {
        return if actual.is_null() { Ok(()) } else { Err(format!("an index where none is: {actual}")) };
    }
    same("index.entries", &actual["entries"], &facts["entries"])?;
    same("index.wrong", &actual["wrong"], &facts["wrong_offsets"])?;
    same("index.missing", &actual["missing"], &facts["missing"])
}

#[test]
fn inspect_agrees() {
    each("inspect_agrees", Fixture::readable, |f| {
        let done = f.run(&["inspect", "--json"]);
        done.sane()?;
        let doc = done.document()?;
        let numbers = [
            ("version", "version"),
            ("bytes", "size"),
            ("header_bytes", "header_len"),
            ("blocks", "blocks"),
            ("duplicate_blocks", "duplicate_sections"),
            ("identity_blocks", "identity_sections"),
            ("block_bytes", "payload_bytes"),
        ];
        for (key, fact) in numbers {
            same(key, doc[key].as_u64(), Some(f.number(fact)))?;
        }
        same("unique_blocks", doc["unique_blocks"].as_u64(), Some(f.sound_blocks()))?;
        if f.number("blocks") > 0 {
            same("max_block", doc["max_block"].as_u64(), Some(f.number("max_block")))?;
        }
        same("codecs", keys(&doc["codecs"]), keys(&f.facts["codecs"]))?;
        same("hashes", keys(&doc["hashes"]), keys(&f.facts["hashes"]))?;
        let mut versions = keys(&doc["cid_versions"]);
        versions.retain(|_, count| *count > 0);
        same("cid_versions", versions, keys(&f.facts["cid_versions"]))?;
        let roots: Vec<_> = doc["roots"].as_array().ok_or("no roots")?.iter().map(|r| r["cid"].clone()).collect();
        same("roots", &Value::from(roots), &f.facts["roots"])?;
        match f.facts["v2"].as_object() {
            None => same("v2", &doc["v2"], &Value::Null),
            Some(v2) => v2.iter().try_for_each(|(key, value)| same(&format!("v2.{key}"), &doc["v2"][key], value)),
        }
    });
}

#[test]
fn roots_agree() {
    each("roots_agree", Fixture::readable, |f| {
        let done = f.run(&["roots", "--json"]);
        done.sane()?;
        same("roots", strings(&done.document()?["roots"]), strings(&f.facts["roots"]))?;
        let plain = f.run(&["roots"]);
        same("roots", plain.terminal_text()?.lines().map(str::to_owned).collect(), strings(&f.facts["roots"]))
    });
}

/// Each listed block stands where the list says: the bytes there hash to the CID. Sections that lie are listed on request.
#[test]
fn blocks_agree() {
    each("blocks_agree", Fixture::readable, |f| {
        let wrong = f.mismatches();
        let done = f.run(&["blocks", "--json"]);
        done.sane()?;
        same("exit", done.code, Some(i32::from(!wrong.is_empty())))?;
        let mut lines = done.documents()?;
        if !wrong.is_empty() {
            same("sound blocks", lines.len(), f.number("blocks") as usize - wrong.len())?;
            lines = f.run(&["blocks", "--json", "--no-verify"]).documents()?;
        }
        let bytes = fs::read(&f.path).expect("the fixture is readable");
        same("blocks", lines.len() as u64, f.number("blocks"))?;
        let mut expected = f.facts["v2"]["data_offset"].as_u64().unwrap_or(0) + f.number("header_len");
        for line in &lines {
            let number = |key: &str| line[key].as_u64().ok_or_else(|| format!("no number {key:?} in {line}"));
            same("offset", number("offset")?, expected)?;
            expected += number("length")?;
            let data = number("blockOffset")?;
            same("end of block", data + number("blockLength")?, expected)?;
            let cid: cid::Cid = line["cid"].as_str().unwrap_or("").parse().map_err(|e| format!("{line}: {e}"))?;
            let block = bytes.get(data as usize..expected as usize).ok_or("a block past the end")?;
            if cid.hash().code() == 0x12 && !wrong.iter().any(|m| m["offset"] == line["offset"]) {
                same("digest", sha256(block), hex(cid.hash().digest()))?;
            }
        }
        Ok(())
    });
}

/// A broken archive is refused for the right reason at the right byte.
#[test]
fn rejects_agree() {
    each(
        "rejects_agree",
        |f| !f.readable(),
        |f| {
            let done = f.run(&["verify", "--json"]);
            done.sane()?;
            let report = Report::of(&done)?;
            same("exit", done.code, Some(1))?;
            let kind = f.facts["error"]["kind"].as_str().unwrap_or("not-a-car");
            let codes: &[&str] = match kind {
                "not-a-car" => &["not-a-car"],
                "section-truncated" => &["truncated", "section-too-large"],
                "zero-length-section" => &["zero-length-section"],
                "header-truncated" => &["not-a-car", "bad-header", "truncated", "header-too-large"],
                kind if kind.starts_with("v2-") => &["bad-carv2-header", "truncated"],
                _ => &["not-a-car", "bad-header", "unsupported-version", "bad-carv2-header"],
            };
            let at = f.facts["error"]["offset"].as_u64().unwrap_or(0);
            // A fault in the header may be named by its own byte or by the header's first.
            let header = !(kind.starts_with("section") || kind.starts_with("zero") || kind.starts_with("v2"));
            let right = |(code, offset): (&str, Option<u64>)| {
                codes.contains(&code) && offset.is_some_and(|o| if header { o < 64 } else { (at..=at + 20).contains(&o) })
            };
            if !report.faults().any(right) {
                let faults: Vec<_> = report.faults().collect();
                return Err(format!("{faults:?}, expected one of {codes:?} at {at}"));
            }
            let padded = &f.facts["with_zero_length_as_eof"];
            if let Some(blocks) = padded["blocks"].as_u64() {
                let report = Report::of(&f.run(&["verify", "--json", "--allow-trailing-zeros"]))?;
                report.counts("blocks", blocks)?;
                let trailing = report.findings().iter().find(|x| x["code"] == "trailing-zeros");
                same("trailing zeros", trailing.map(|x| &x["offset"]), Some(&padded["null_padding_from"]))?;
            }
            Ok(())
        },
    );
}

fn entries(f: &Fixture) -> Option<(&str, &Vec<Value>)> {
    let roots: Vec<_> = f.facts["tree"].as_object()?.iter().collect();
    // Trees of several roots have no agreed paths in one listing.
    match roots[..] {
        [(root, entries)] => Some((root, entries.as_array()?)),
        _ => None,
    }
}

#[test]
fn listings_agree() {
    let directories = |f: &Fixture| f.verdict() == "ok" && entries(f).is_some_and(|(_, e)| e[0]["type"] == "directory");
    each("listings_agree", directories, |f| {
        let done = f.run(&["ls", "-R", "--json"]);
        done.sane()?;
        let lines = done.documents()?;
        let listed: BTreeMap<&str, &Value> = lines
            .iter()
            .map(|l| (l["path"].as_str().unwrap_or("?").trim_matches('/'), l))
            .filter(|(path, _)| !path.is_empty())
            .collect();
        let (_, expected) = entries(f).expect("filtered");
        let mut count = 0;
        for entry in expected.iter().skip(1) {
            if let Some(total) = entry["total"].as_u64() {
                count = total as usize - 1;
                continue;
            }
            let path = entry["path"].as_str().expect("a path").trim_start_matches('/');
            let line = listed.get(path).ok_or_else(|| format!("{path:?} is not listed"))?;
            lists(line, entry).map_err(|e| format!("{path}: {e}"))?;
        }
        same("entries", listed.len(), count.max(expected.iter().skip(1).filter(|e| e["path"].is_string()).count()))
    });
}

fn lists(line: &Value, entry: &Value) -> Result<(), String> {
    same("cid", &line["cid"], &entry["cid"])?;
    let missing = entry["type"] == "missing";
    same("missing", line["missing"].as_bool().unwrap_or(false), missing)?;
    let kind = entry["type"].as_str().unwrap_or("");
    if let Some(kind) = [("file", "file"), ("directory", "dir"), ("symlink", "symlink")].iter().find(|(k, _)| *k == kind) {
        same("type", line["type"].as_str(), Some(kind.1))?;
    }
    if let Some(size) = entry["size"].as_u64() {
        same("size", line["size"].as_u64(), Some(size))?;
    }
    if let Some(mode) = entry["mode"].as_str() {
        same("mode", line["mode"].as_u64(), u64::from_str_radix(mode, 8).ok())?;
    }
    Ok(())
}

#[test]
fn extraction_agrees() {
    let unixfs = |f: &Fixture| f.verdict() == "ok" && entries(f).is_some_and(|(_, e)| e[0]["type"] != "other");
    each("extraction_agrees", unixfs, |f| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let out = dir.path().join("out");
        let run = |more: &[&str]| {
            let args = ["extract", "-o", out.to_str().expect("ASCII")];
            f.run(&[&args, more].concat())
        };
        let (root, expected) = entries(f).expect("filtered");
        let gap = |e: &Value| e["type"] == "missing" || e["missing"].is_string();
        // A block that is no file stands among the entries; a long listing does not show all of them.
        let is_elided = expected.iter().any(|e| e["elided"].is_u64());
        let other = expected.iter().any(|e| e["type"] == "other") || is_elided && f.facts["codecs"]["dag-cbor"].is_u64();
        let incomplete = expected.iter().any(gap);
        let done = run(&[]);
        done.sane()?;
        if expected.iter().any(|e| e["path"].as_str().is_some_and(|path| path.contains("/../"))) {
            // A name that leads out of the directory: refused, and nothing stands beside the output.
            same("exit", done.code, Some(1)).map_err(|e| format!("{e}: {}", done.first_talk()))?;
            return same("entries beside the output", tree(dir.path()).keys().any(|path| !path.starts_with(b"out")), false);
        }
        if !other {
            let code = if incomplete { 3 } else { 0 };
            same("exit", done.code, Some(code)).map_err(|e| format!("{e}: {}", done.first_talk()))?;
        }
        if incomplete {
            fs::remove_dir_all(&out).ok();
            let done = run(&["--allow-missing"]);
            same("exit with --allow-missing", done.code, Some(0)).map_err(|e| format!("{e}: {}", done.first_talk()))?;
        }
        extracted(&out, root, expected)
    });
}

fn extracted(out: &Path, root: &str, expected: &[Value]) -> Result<(), String> {
    let found = tree(out);
    let single = expected[0]["type"] != "directory";
    let mut paths = BTreeSet::new();
    let mut elided = false;
    for entry in expected.iter().filter(|e| e["type"] != "missing" && !e["missing"].is_string() && e["type"] != "other") {
        let Some(path) = entry["path"].as_str().map(|p| p.trim_start_matches('/')) else {
            elided = true;
            continue;
        };
        let path = if single { root } else { path };
        if path.is_empty() {
            continue;
        }
        paths.insert(path.as_bytes().to_vec());
        let on_disk = found.get(path.as_bytes()).ok_or_else(|| format!("{path:?} was not extracted"))?;
        let field = |key: &str| entry[key].as_str().unwrap_or("").to_owned();
        let kind = match entry["type"].as_str() {
            Some("directory") => Kind::Dir,
            Some("symlink") => Kind::Symlink(field("target").into_bytes()),
            _ => Kind::File(field("sha256")),
        };
        same(path, &on_disk.kind, &kind)?;
        if let (Some(mode), false) = (entry["mode"].as_str(), matches!(kind, Kind::Symlink(_))) {
            same(&format!("{path}: mode"), on_disk.mode, u32::from_str_radix(mode, 8).unwrap_or(0) & 0o777)?;
        }
        if let (Some(time), false) = (entry["mtime"][0].as_i64(), matches!(kind, Kind::Symlink(_))) {
            same(&format!("{path}: mtime"), on_disk.mtime.0, time)?;
        }
    }
    let extra = found.keys().find(|path| !elided && !paths.contains(*path));
    extra.map_or(Ok(()), |path| Err(format!("{:?} was extracted and is not in the tree", String::from_utf8_lossy(path))))
}
