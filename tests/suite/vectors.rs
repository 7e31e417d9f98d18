//! Archives of known trees, written by other implementations: each extracts to its tree byte for byte.

use crate::harness::{Failures, Stdin, cartool, same, shared};
use crate::make::{hex, sha256};
use crate::tree::{Kind, tree};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// An archive, the root it must have and the tree it must give.
struct Vector {
    car: PathBuf,
    root: Option<String>,
    tree: Value,
}

fn vectors(dir: &Path) -> Vec<Vector> {
    let text = fs::read_to_string(dir.join("vectors.json")).expect("the vectors are readable");
    let all: Value = serde_json::from_str(&text).expect("the vectors are JSON");
    let listed = all["vectors"].as_array().expect("a list");
    let mut seen = BTreeSet::new();
    let mut vectors = Vec::new();
    for vector in listed {
        let Some(car) = vector["car"].as_str().filter(|car| seen.insert(car.to_owned())) else { continue };
        // `cars/<tree>.<profile>.car`, or `cars/ipfs-car-cli.<tree>.car`.
        let stem = car.trim_start_matches("cars/").trim_start_matches("ipfs-car-cli.");
        let name = vector["tree"].as_str().unwrap_or_else(|| stem.split('.').next().expect("a name"));
        let payload = listed.iter().find(|v| v["car"] == vector["payload"] && v["root"].is_string());
        let root = vector["root"].as_str().or_else(|| payload?["root"].as_str()).map(str::to_owned);
        if let Some(tree) = all["trees"].get(name) {
            vectors.push(Vector { car: dir.join(car), root, tree: tree.clone() });
        }
    }
    vectors
}

/// The content a vector states: text, zeros, or SHA-256 in counter mode.
pub(crate) fn content(spec: &Value) -> Vec<u8> {
    if let Some(text) = spec["utf8"].as_str() {
        return text.as_bytes().to_vec();
    }
    if let Some(len) = spec["zeros"].as_u64() {
        return vec![0; len as usize];
    }
    let seed = spec["sha256ctr"]["seed"].as_str().expect("a seed").as_bytes();
    let len = spec["sha256ctr"]["size"].as_u64().expect("a size") as usize;
    let mut bytes = Vec::with_capacity(len + 32);
    for i in 0_u64.. {
        if bytes.len() >= len {
            break;
        }
        bytes.extend_from_slice(&Sha256::new().chain_update(seed).chain_update(i.to_be_bytes()).finalize());
    }
    bytes.truncate(len);
    bytes
}

impl Vector {
    fn expected(&self) -> BTreeMap<Vec<u8>, (Kind, &Value)> {
        let mut expected = BTreeMap::new();
        let single = self.tree["single_file"] == true;
        for entry in self.tree["entries"].as_array().expect("entries") {
            let path = entry["path"].as_str().expect("a path");
            let path = if single { self.root.as_deref().expect("a vector of one file has a root") } else { path };
            for (i, _) in path.match_indices('/') {
                expected.entry(path.as_bytes()[..i].to_vec()).or_insert((Kind::Dir, &Value::Null));
            }
            let kind = match entry["type"].as_str() {
                Some("dir") => Kind::Dir,
                Some("symlink") => Kind::Symlink(entry["target"].as_str().expect("a target").as_bytes().to_vec()),
                _ => Kind::File(sha256(&content(&entry["content"]))),
            };
            expected.insert(path.as_bytes().to_vec(), (kind, entry));
        }
        expected
    }

    fn check(&self, stdin: Stdin) -> Result<(), String> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let out = dir.path().join("out");
        let input = if matches!(stdin, Stdin::Nothing) { self.car.as_os_str() } else { "-".as_ref() };
        let done = cartool(["extract".as_ref(), input, "-o".as_ref(), out.as_os_str()]).stdin(stdin).run();
        done.sane()?;
        same("exit", done.code, Some(0)).map_err(|e| format!("{e}: {}", done.first_talk()))?;
        let found = tree(&out);
        let expected = self.expected();
        same("paths", found.keys().collect::<Vec<_>>(), expected.keys().collect()).map_err(|_| {
            let names = |paths: Vec<&Vec<u8>>| {
                paths.into_iter().take(4).map(|p| String::from_utf8_lossy(p).into_owned()).collect::<Vec<_>>()
            };
            let extra = names(found.keys().filter(|p| !expected.contains_key(*p)).collect());
            let lost = names(expected.keys().filter(|p| !found.contains_key(*p)).collect());
            format!("not in the tree: {extra:?}; not extracted: {lost:?}")
        })?;
        for (path, (kind, entry)) in &expected {
            let name = String::from_utf8_lossy(path);
            let actual = &found[path];
            same(&name, &actual.kind, kind)?;
            same(&format!("{name}: set-id bits"), actual.mode & 0o6000, 0)?;
            if let Some(mode) = entry["mode"].as_u64() {
                same(&format!("{name}: mode"), actual.mode & 0o777, mode as u32 & 0o777)?;
            }
            if let (Some(seconds), Some(nanos)) = (entry["mtime"][0].as_i64(), entry["mtime"][1].as_i64()) {
                same(&format!("{name}: mtime"), actual.mtime, (seconds, nanos))?;
            }
        }
        Ok(())
    }
}

#[track_caller]
fn all(test: &str, stdin: impl Fn(&Path) -> Stdin) {
    let Some(shared) = shared(test) else { return };
    let mut failures = Failures::default();
    let vectors = vectors(&shared.join("vectors"));
    assert!(vectors.len() > 50, "only {} vectors found", vectors.len());
    for vector in vectors {
        let name = vector.car.file_name().expect("a name").to_string_lossy().into_owned();
        failures.check(&name, vector.check(stdin(&vector.car)));
    }
    failures.finish();
}

#[test]
fn extract_from_files() {
    all("extract_from_files", |_| Stdin::Nothing);
}

#[test]
fn extract_from_pipes() {
    all("extract_from_pipes", |car| Stdin::Pipe(fs::read(car).expect("the vector is readable")));
}

#[test]
fn extract_from_redirected_files() {
    let Some(shared) = shared("extract_from_redirected_files") else { return };
    let mut failures = Failures::default();
    for vector in vectors(&shared.join("vectors")).iter().filter(|v| v.car.to_string_lossy().contains("symlinks")) {
        failures.check(&vector.car.to_string_lossy(), vector.check(Stdin::File(vector.car.clone())));
    }
    failures.finish();
}

/// Every vector is sound and complete, and its root is the one the tree has.
#[test]
fn vectors_verify() {
    let Some(shared) = shared("vectors_verify") else { return };
    let dir = shared.join("vectors/cars");
    let roots: BTreeMap<PathBuf, String> =
        vectors(&shared.join("vectors")).into_iter().filter_map(|v| Some((v.car, v.root?))).collect();
    let mut failures = Failures::default();
    for entry in fs::read_dir(&dir).expect("the vectors are there") {
        let path = entry.expect("an entry").path();
        let done = cartool(["verify".as_ref(), path.as_os_str()]).run();
        let mut outcome =
            done.sane().and_then(|()| same("exit", done.code, Some(0))).map_err(|e| format!("{e}: {}", done.first_talk()));
        if let Some(root) = roots.get(&path) {
            let roots = cartool(["roots".as_ref(), path.as_os_str()]).run();
            outcome = outcome.and_then(|()| same("roots", roots.text().trim_end(), root.as_str()));
        }
        failures.check(&path.to_string_lossy(), outcome);
    }
    failures.finish();
}

/// `cat` and `get-block` give the same bytes as extraction.
#[test]
fn cat_gives_a_file() {
    let Some(shared) = shared("cat_gives_a_file") else { return };
    let mut failures = Failures::default();
    for vector in vectors(&shared.join("vectors")) {
        let name = vector.car.file_name().expect("a name").to_string_lossy().into_owned();
        if vector.tree["single_file"] == true || !(name.starts_with("same-content") || name.starts_with("symlinks")) {
            continue;
        }
        for entry in vector.tree["entries"].as_array().expect("entries").iter().filter(|e| e["type"] == "file") {
            let path = entry["path"].as_str().expect("a path");
            let done = cartool(["cat".as_ref(), vector.car.as_os_str(), path.as_ref()]).run();
            let outcome = done.sane().and_then(|()| same("bytes", hex(&done.stdout), hex(&content(&entry["content"]))));
            failures.check(&format!("{name} {path}"), outcome);
        }
    }
    failures.finish();
}
