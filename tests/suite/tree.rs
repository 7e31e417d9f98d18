//! What stands on the disk under a directory.

use crate::make::sha256;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// One thing in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    /// Permission and set-id bits.
    pub(crate) mode: u32,
    /// Seconds and nanoseconds.
    pub(crate) mtime: (i64, i64),
    pub(crate) len: u64,
}

/// What it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Dir,
    /// The SHA-256 of the content.
    File(String),
    /// The target's bytes.
    Symlink(Vec<u8>),
    Fifo,
    Other,
}

/// Everything below `dir`, by path, the directory itself left out. Nothing is followed.
pub(crate) fn tree(dir: &Path) -> BTreeMap<Vec<u8>, Entry> {
    let mut found = BTreeMap::new();
    let mut open = vec![(dir.to_owned(), Vec::new())];
    while let Some((dir, prefix)) = open.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries {
            let entry = entry.expect("a directory entry");
            let mut path: Vec<u8> = prefix.clone();
            path.extend_from_slice(entry.file_name().as_bytes());
            let described = describe(&entry.path());
            if described.kind == Kind::Dir {
                let mut below = path.clone();
                below.push(b'/');
                open.push((entry.path(), below));
            }
            found.insert(path, described);
        }
    }
    found
}

fn describe(path: &Path) -> Entry {
    let Ok(meta) = fs::symlink_metadata(path) else {
        // A path longer than the system takes: it can be made step by step, and is not looked into here.
        return Entry { kind: Kind::Other, mode: 0, mtime: (0, 0), len: 0 };
    };
    let kind = if meta.is_dir() {
        Kind::Dir
    } else if meta.is_symlink() {
        Kind::Symlink(fs::read_link(path).expect("a link").as_os_str().as_bytes().to_vec())
    } else if meta.is_file() {
        // A file of mode 0 is readable for root alone; what cannot be read has no hash.
        Kind::File(fs::read(path).map_or_else(|_| "unreadable".into(), |bytes| sha256(&bytes)))
    } else if meta.file_type().is_fifo() {
        Kind::Fifo
    } else {
        Kind::Other
    };
    Entry { kind, mode: meta.mode() & 0o7777, mtime: (meta.mtime(), meta.mtime_nsec()), len: meta.len() }
}

/// A place to extract into, with nothing else around it: `T/in/target`, where anything else under `T` is an escape.
#[derive(Debug)]
pub(crate) struct Cage {
    top: tempfile::TempDir,
    scratch: tempfile::TempDir,
    before: BTreeMap<Vec<u8>, Entry>,
}

impl Cage {
    pub(crate) fn new() -> Cage {
        let cage = Cage {
            top: tempfile::tempdir().expect("a temporary directory"),
            scratch: tempfile::tempdir().expect("a temporary directory"),
            before: BTreeMap::new(),
        };
        fs::create_dir_all(cage.target()).expect("a directory");
        cage
    }

    /// `T/in`, the working directory of the program.
    pub(crate) fn inside(&self) -> PathBuf {
        self.top.path().join("in")
    }

    /// `T/in/target`, the only place it may write to.
    pub(crate) fn target(&self) -> PathBuf {
        self.top.path().join("in/target")
    }

    /// Its `TMPDIR`, which must be empty again afterwards.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Remembers what stands around the target now.
    pub(crate) fn close(&mut self) {
        self.before = self.outside();
    }

    fn outside(&self) -> BTreeMap<Vec<u8>, Entry> {
        let mut all = tree(self.top.path());
        all.retain(|path, _| !path.starts_with(b"in/target/"));
        // Writing into the target changes the times of the target and, when it is replaced as a whole, of its parent.
        for (path, entry) in &mut all {
            if path == b"in" || path == b"in/target" {
                entry.mtime = (0, 0);
                entry.mode = 0;
                entry.len = 0;
            }
        }
        all
    }

    /// `Err` with whatever was created, changed or left outside the target.
    pub(crate) fn intact(&self) -> Result<(), String> {
        let after = self.outside();
        for (path, entry) in &after {
            let name = String::from_utf8_lossy(path);
            match self.before.get(path) {
                None => return Err(format!("created outside the target: {name}")),
                Some(before) if before != entry => return Err(format!("changed outside the target: {name}")),
                Some(_) => {}
            }
        }
        if let Some(path) = self.before.keys().find(|path| !after.contains_key(*path)) {
            return Err(format!("removed outside the target: {}", String::from_utf8_lossy(path)));
        }
        nothing_in(self.scratch.path())
    }
}

/// `Err` naming the first thing found in a directory that should be empty.
pub(crate) fn nothing_in(dir: &Path) -> Result<(), String> {
    match tree(dir).keys().next() {
        Some(path) => Err(format!("left behind in {}: {}", dir.display(), String::from_utf8_lossy(path))),
        None => Ok(()),
    }
}
