//! The archive directory on disk: where what is, and how it is kept in step with its manifest.

use super::bag::{self, Payload};
use super::manifest::{MANIFEST_LEN_MAX, Manifest};
use crate::cid::{Cid, codec};
use crate::control::Control;
use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The manifest's own path.
pub(super) const MANIFEST: &str = "data/manifest.json";
/// Longest file name made of an item's name.
const NAME_LEN_MAX: usize = 140;

/// Places in an archive directory.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    root: PathBuf,
}

impl Directory {
    /// At this path, whether anything is there or not.
    pub(super) fn new(root: &Path) -> Directory {
        Directory { root: root.to_owned() }
    }

    /// The directory itself.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// A file of the payload or beside it, by its path in the archive.
    pub(super) fn at(&self, file: &str) -> PathBuf {
        self.root.join(file)
    }

    /// The log of events.
    pub(super) fn events(&self) -> PathBuf {
        self.at("cartool/events.ndjson")
    }

    /// The lock.
    pub(super) fn lock(&self) -> PathBuf {
        self.at("cartool/lock")
    }

    /// Where a root's archive is written, and where its blocks gather: `<root>.<what>` of `cartool/part`.
    pub(super) fn part(&self, root: &Cid, what: &str) -> PathBuf {
        self.at(&format!("cartool/part/{}.{what}", v1(root)))
    }

    /// Refuses a directory that holds something else.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::error::ErrorKind::Usage) for a file, or for a directory with other things in it.
    pub(super) fn check_ours(&self) -> Result<()> {
        let name = || self.root.display().to_string();
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(Error::io(e, "cannot read").in_file(name())),
        };
        let names: Vec<_> = entries.filter_map(std::result::Result::ok).map(|entry| entry.file_name()).collect();
        let is_ours = names.is_empty() || names.iter().any(|name| name == "cartool") || self.at(MANIFEST).is_file();
        if is_ours { Ok(()) } else { Err(Error::usage("is no archive of cartool, and not empty").in_file(name())) }
    }

    /// Makes the directories that are written to.
    ///
    /// # Errors
    /// When one cannot be made.
    pub(super) fn create(&self) -> Result<()> {
        for name in ["cartool/part", "data/cars", "data/metadata"] {
            fs::create_dir_all(self.at(name))
                .map_err(|e| Error::io(e, "cannot create").in_file(self.at(name).display().to_string()))?;
        }
        Ok(())
    }

    /// The manifest; `None` when there is none yet.
    ///
    /// # Errors
    /// When it cannot be read, or breaks its schema.
    pub(super) fn manifest(&self) -> Result<Option<Manifest>> {
        let path = self.at(MANIFEST);
        let failed = |e| Error::io(e, "cannot read").in_file(path.display().to_string());
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        let mut bytes = Vec::new();
        file.take(MANIFEST_LEN_MAX).read_to_end(&mut bytes).map_err(failed)?;
        Manifest::parse(&bytes).map(Some).map_err(|e| e.in_file(path.display().to_string()))
    }

    /// Digests of the payload as the bag names them; empty when there is no bag yet. They are kept for files that this run does not
    /// write, so that damage to such a file still shows.
    pub(super) fn known_payload(&self) -> Payload {
        let digests = bag::read_manifest(&self.root).unwrap_or_default();
        let fixity = |(path, sha256): (String, String)| {
            let len = fs::metadata(self.at(&path)).ok()?.len();
            Some((path, bag::Fixity { len, sha256 }))
        };
        digests.into_iter().filter_map(fixity).collect()
    }

    /// Writes manifest and tag files for what is there, as far as they change. `known` has the digests of files that need no reading.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub(super) fn seal(&self, manifest: &Manifest, known: &mut Payload, control: &Control) -> Result<()> {
        let bytes = manifest.to_bytes()?;
        bag::write_if_changed(&self.at(MANIFEST), &bytes)?;
        known.insert(MANIFEST.to_owned(), bag::Fixity { len: bytes.len() as u64, sha256: bag::sha256(&bytes) });
        drop(bytes);
        let files = bag::payload_files(&self.root, &mut |_, _| ())?;
        let mut payload = Payload::new();
        for file in files {
            let fixity = match known.remove(&file) {
                Some(fixity) => fixity,
                None => bag::fixity(&self.at(&file), control)?,
            };
            payload.insert(file, fixity);
        }
        *known = payload;
        bag::write(&self.root, known, &manifest.updated)
    }

    /// Writes a small file of the payload, and notes its digest.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, file: &str, bytes: &[u8], known: &mut Payload) -> Result<String> {
        let path = self.at(file);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|e| Error::io(e, "cannot create").in_file(parent.display().to_string()))?;
        }
        bag::write_if_changed(&path, bytes)?;
        let sha256 = bag::sha256(bytes);
        known.insert(file.to_owned(), bag::Fixity { len: bytes.len() as u64, sha256: sha256.clone() });
        Ok(sha256)
    }

    /// Removes a file of the payload, and the directories that are empty then.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(super) fn remove(&self, file: &str) -> Result<()> {
        match fs::remove_file(self.at(file)) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(Error::io(e, "cannot remove").in_file(file)),
        }
    }
}

/// The CID in version 1, which is how files are named.
pub(super) fn v1(cid: &Cid) -> Cid {
    if cid.version() == cid::Version::V0 { Cid::new_v1(codec::DAG_PB, *cid.hash()) } else { *cid }
}

/// Where the archive of a root is, below the archive directory.
pub fn car_file(root: &Cid) -> String {
    format!("data/cars/{}.car", v1(root))
}

/// A file name for the metadata of an item: of CAIP-19 names without the colons that Windows refuses; of others with a part of their
/// digest, because letters are lost.
pub(super) fn metadata_file(id: &str) -> String {
    let is_token = id.starts_with("eip155:");
    let stem = id.trim_start_matches('/').trim_end_matches(".json");
    let mut slashes = 0;
    let name: String = stem
        .chars()
        .take(NAME_LEN_MAX)
        .map(|c| match c {
            '/' => {
                slashes += 1;
                '-'
            }
            ':' if slashes > 0 => '-',
            '.' | '-' | '@' => c,
            c if c.is_ascii_alphanumeric() => c,
            _ => '_',
        })
        .collect();
    let digest = bag::sha256(id.as_bytes());
    let tail = if is_token { String::new() } else { format!("-{}", digest.get(..12).unwrap_or_default()) };
    format!("data/metadata/{}{tail}.json", name.trim_start_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_metadata_files() {
        let address = "0xe78a0f7e598cc8b0bb87894b0f60dd2a88d6a8ab";
        assert_eq!(
            metadata_file(&format!("eip155:1/erc721:{address}/7")),
            format!("data/metadata/eip155_1-erc721-{address}-7.json")
        );
        let other = metadata_file("/ipfs/bafy/../a b\u{202e}/1.json");
        assert!(other.starts_with("data/metadata/ipfs-bafy-..-a_b_-1-"), "{other}");
        assert!(crate::archive::rules::is_file(&other));
        assert_ne!(metadata_file("/ipfs/a/b"), metadata_file("/ipfs/a-b"));
        assert!(metadata_file(&format!("/ipfs/{}", "x/".repeat(1000))).len() < 200);
    }

    #[test]
    fn other_directories_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::new(dir.path());
        directory.check_ours().unwrap();
        fs::write(dir.path().join("letter.txt"), "x").unwrap();
        assert!(directory.check_ours().unwrap_err().message.contains("not empty"));
        directory.create().unwrap();
        directory.check_ours().unwrap();
    }
}
