//! The bag around the payload (BagIt 1.0, RFC 8493): a digest for every file, in a form that other tools check too.

use super::events::AGENT;
use crate::error::{Code, Error, ErrorKind, Finding, Result};
use crate::hash;
use crate::store::{Existing, Output};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The declaration.
const DECLARATION: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
const MANIFEST: &str = "manifest-sha256.txt";
/// The tag files that the tag manifest names.
const TAG_FILES: [&str; 3] = ["bag-info.txt", "bagit.txt", MANIFEST];
const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
/// Longest tag file that is read: ten million files.
const TAG_LEN_MAX: u64 = 2 << 30;
/// SHA-256 as a multihash code.
const SHA2_256: u64 = crate::cid::hash_code::SHA2_256;

/// Length and SHA-256 of a file of the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fixity {
    /// In bytes.
    pub(super) len: u64,
    /// Lower-case hexadecimal.
    pub(super) sha256: String,
}

/// The files of the payload by their path, which starts with `data/`.
pub(super) type Payload = BTreeMap<String, Fixity>;

/// Writes the tag files for this payload, as far as they are not as they should be already.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn write(dir: &Path, payload: &Payload, date: &str) -> Result<()> {
    let lines = payload.iter().map(|(path, fixity)| format!("{}  {}\n", fixity.sha256, encode(path)));
    let manifest: String = lines.collect();
    let bytes: u64 = payload.values().map(|fixity| fixity.len).fold(0, u64::saturating_add);
    let date = date.get(..10).unwrap_or(date);
    let info = format!("Bag-Software-Agent: {AGENT}\nBagging-Date: {date}\nPayload-Oxum: {bytes}.{}\n", payload.len());
    write_if_changed(&dir.join("bagit.txt"), DECLARATION.as_bytes())?;
    write_if_changed(&dir.join("bag-info.txt"), info.as_bytes())?;
    write_if_changed(&dir.join(MANIFEST), manifest.as_bytes())?;
    let contents = [info.as_bytes(), DECLARATION.as_bytes(), manifest.as_bytes()];
    let tags: String = TAG_FILES.iter().zip(contents).map(|(name, bytes)| format!("{}  {name}\n", sha256(bytes))).collect();
    write_if_changed(&dir.join(TAG_MANIFEST), tags.as_bytes())
}

/// Writes a file in one step, unless it holds these bytes already.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    let is_same = fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() == bytes.len() as u64)
        && fs::read(path).is_ok_and(|there| there == bytes);
    if is_same {
        return Ok(());
    }
    let name = path.display().to_string();
    let mut output = Output::create(path, Existing::Replace, &[])?;
    output.write_all(bytes).map_err(|e| Error::io(e, "cannot write").in_file(name))?;
    output.commit()
}

/// The SHA-256 of bytes, in lower-case hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hash::digest(SHA2_256, bytes, 32).map(|digest| hex(digest.bytes())).unwrap_or_default()
}

/// Length and SHA-256 of a file, read once.
///
/// # Errors
/// When it cannot be read, or the work is stopped.
pub(super) fn fixity(path: &Path, control: &crate::control::Control) -> Result<Fixity> {
    let failed = |e| Error::io(e, "cannot read").in_file(path.display().to_string());
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = hash::Hasher::new(SHA2_256, 32).map_err(|_| Error::usage("SHA-256 cannot be computed"))?;
    let mut buffer = vec![0; 1 << 20];
    let mut len = 0u64;
    loop {
        control.check()?;
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(failed(e)),
        };
        hasher.update(buffer.get(..read).unwrap_or_default());
        len = len.saturating_add(read as u64);
        control.add_done(read as u64);
    }
    let digest = hasher.finish().map_err(|_| Error::usage("SHA-256 cannot be computed"))?;
    Ok(Fixity { len, sha256: hex(digest.bytes()) })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A path in a manifest: CR, LF and `%` are percent-encoded (RFC 8493, 2.1.3).
fn encode(path: &str) -> String {
    path.replace('%', "%25").replace('\n', "%0A").replace('\r', "%0D")
}

/// The path that [`encode`] made a text of.
fn decode(text: &str) -> String {
    let mut path = text.to_owned();
    for (code, character) in [("%0A", "\n"), ("%0a", "\n"), ("%0D", "\r"), ("%0d", "\r"), ("%25", "%")] {
        path = path.replace(code, character);
    }
    path
}

/// The digests that the payload manifest names, by path.
///
/// # Errors
/// When the manifest cannot be read, or breaks a rule.
pub(super) fn read_manifest(dir: &Path) -> Result<BTreeMap<String, String>> {
    read_digests(dir, MANIFEST, &mut |path| super::rules::is_file(&path.replace([':', '\\'], "_")))
}

fn read_digests(dir: &Path, name: &str, is_allowed: &mut dyn FnMut(&str) -> bool) -> Result<BTreeMap<String, String>> {
    let text = read_text(&dir.join(name), name)?;
    let mut digests = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let bad = |why: &str| Error::new(ErrorKind::Format(Code::BadBag), format!("line {}: {why}", number + 1)).in_file(name);
        let (digest, path) = line.split_once([' ', '\t']).ok_or_else(|| bad("expected a digest and a path"))?;
        let path = decode(path.trim_start_matches([' ', '\t', '*']));
        let digest = digest.to_ascii_lowercase();
        if digest.len() != 64 || !digest.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad("expected the 64 digits of a SHA-256"));
        }
        if !is_allowed(&path) {
            return Err(bad("a path that leads out of the payload"));
        }
        if digests.insert(path, digest).is_some() {
            return Err(bad("a path that stands there twice"));
        }
    }
    Ok(digests)
}

fn read_text(path: &Path, name: &str) -> Result<String> {
    let file = File::open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::new(ErrorKind::Format(Code::BadBag), "is not there: this is no bag").in_file(name),
        _ => Error::io(e, "cannot read").in_file(name),
    })?;
    let mut bytes = Vec::new();
    file.take(TAG_LEN_MAX).read_to_end(&mut bytes).map_err(|e| Error::io(e, "cannot read").in_file(name))?;
    String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::Format(Code::BadBag), "is not UTF-8").in_file(name))
}

/// Whether the tag files are as the tag manifest says; what is wrong goes to `on_finding`.
///
/// # Errors
/// When a file cannot be read, but is there.
pub(super) fn check_tags(dir: &Path, on_finding: &mut dyn FnMut(&str, Finding)) -> Result<()> {
    match read_text(&dir.join("bagit.txt"), "bagit.txt") {
        Ok(text) => {
            let mut lines = text.lines();
            let version = lines.next().and_then(|line| line.strip_prefix("BagIt-Version: "));
            if !version.is_some_and(|version| matches!(version, "1.0" | "0.97")) {
                on_finding("bagit.txt", Finding::new(Code::BadBag, "expected the line BagIt-Version: 1.0"));
            }
        }
        Err(error) => on_finding("bagit.txt", finding(error)?),
    }
    let tags = match read_digests(dir, TAG_MANIFEST, &mut |path| !path.contains(['/', '\\'])) {
        Ok(tags) => tags,
        Err(error) => {
            on_finding(TAG_MANIFEST, finding(error)?);
            return Ok(());
        }
    };
    for name in TAG_FILES {
        let Some(expected) = tags.get(name) else {
            on_finding(name, Finding::new(Code::BadBag, "the tag manifest does not name it"));
            continue;
        };
        match fs::read(dir.join(name)) {
            Ok(bytes) if sha256(&bytes) == *expected => {}
            Ok(bytes) => {
                let message = format!("expected sha-256 {expected}, found {}", sha256(&bytes));
                on_finding(name, Finding::new(Code::HashMismatch, message));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                on_finding(name, Finding::new(Code::MissingFile, "is not there"));
            }
            Err(error) => return Err(Error::io(error, "cannot read").in_file(name)),
        }
    }
    Ok(())
}

/// A fault of a file as a finding.
///
/// # Errors
/// The error itself, when it is no fault of a file.
pub(super) fn finding(error: Error) -> Result<Finding> {
    match error.code() {
        Some(code) => {
            let mut finding = Finding::new(code, error.message);
            (finding.at, finding.cid) = (error.at, error.cid);
            Ok(finding)
        }
        None => Err(error),
    }
}

/// Every file below `data/`, sorted, with `/` between the names. Symlinks and what else is no file are told to `on_finding`.
///
/// # Errors
/// When a directory cannot be read.
pub(super) fn payload_files(dir: &Path, on_finding: &mut dyn FnMut(&str, Finding)) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let mut open: Vec<(PathBuf, String)> = vec![(dir.join("data"), "data".to_owned())];
    while let Some((path, name)) = open.pop() {
        let failed = |e| Error::io(e, "cannot read").in_file(path.display().to_string());
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(failed(e)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let Ok(file_name) = entry.file_name().into_string() else {
                on_finding(&name, Finding::new(Code::StrayFile, format!("{:?}: a name that is not UTF-8", entry.file_name())));
                continue;
            };
            let inner = format!("{name}/{file_name}");
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                open.push((entry.path(), inner));
            } else if kind.is_file() {
                files.push(inner);
            } else {
                on_finding(&inner, Finding::new(Code::StrayFile, "neither a file nor a directory"));
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bag() -> (tempfile::TempDir, Payload) {
        let dir = tempfile::tempdir().unwrap();
        let mut payload = Payload::new();
        for (name, bytes) in [("data/a.txt", &b"one"[..]), ("data/b/100%\n.txt", b"two")] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, bytes).unwrap();
            payload.insert(name.to_owned(), fixity(&path, &Default::default()).unwrap());
        }
        write(dir.path(), &payload, "2026-11-22T00:00:00Z").unwrap();
        (dir, payload)
    }

    fn faults(dir: &Path) -> Vec<(String, Code)> {
        let mut found = Vec::new();
        check_tags(dir, &mut |file, finding| found.push((file.to_owned(), finding.code))).unwrap();
        found
    }

    #[test]
    fn what_is_written_is_read_again() {
        let (dir, payload) = bag();
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(read(MANIFEST).contains("  data/b/100%25%0A.txt\n"));
        assert!(
            read("bag-info.txt").contains("Payload-Oxum: 6.2\n") && read("bag-info.txt").contains("Bagging-Date: 2026-11-22\n")
        );
        let digests = read_manifest(dir.path()).unwrap();
        assert_eq!(digests.len(), 2);
        assert!(payload.iter().all(|(path, fixity)| digests.get(path) == Some(&fixity.sha256)));
        assert_eq!(payload_files(dir.path(), &mut |_, _| ()).unwrap(), ["data/a.txt", "data/b/100%\n.txt"]);
        assert_eq!(faults(dir.path()), []);
    }

    #[test]
    fn damage_is_found() {
        let (dir, _) = bag();
        fs::write(dir.path().join("bag-info.txt"), "x").unwrap();
        assert_eq!(faults(dir.path()), [("bag-info.txt".to_owned(), Code::HashMismatch)]);
        fs::remove_file(dir.path().join("bagit.txt")).unwrap();
        assert!(faults(dir.path()).contains(&("bagit.txt".to_owned(), Code::MissingFile)));
        for line in
            ["x  data/a", &format!("{}  ../a", "0".repeat(64)), &format!("{0}  data/a\n{0}  data/a", "0".repeat(64)), "nothing"]
        {
            fs::write(dir.path().join(MANIFEST), line).unwrap();
            assert_eq!(read_manifest(dir.path()).unwrap_err().code(), Some(Code::BadBag), "{line}");
        }
    }
}
