//! The files below the given paths, one after the other, in an order that depends on their names alone.

use super::{Hidden, Names, Preserve, Skipped, Why, Wrap};
use crate::error::{Error, Result};
use crate::ops::source::Identity;
use crate::unixfs::build::{Metadata, Symlinks};
use crate::unixfs::{EntryName, Mtime};
use ignore::gitignore::Gitignore;
use std::ffi::OsStr;
use std::fs::{self, FileType};
use std::path::{Path, PathBuf};

/// What comes next.
#[derive(Debug)]
pub(super) enum Step {
    /// A folder; what follows is in it until it is left.
    Enter { name: Vec<u8>, metadata: Metadata },
    /// The end of a folder.
    Leave,
    /// A symlink that is kept.
    Symlink { name: Vec<u8>, target: Vec<u8>, metadata: Metadata },
    /// A regular file.
    File(Found),
    /// What a stream holds.
    Stream { name: Vec<u8> },
}

/// A regular file.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) name: Vec<u8>,
    pub(super) path: PathBuf,
    pub(super) metadata: Metadata,
    pub(super) identity: Identity,
}

/// What a walk takes and leaves out.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) hidden: Hidden,
    pub(super) names: Names,
    pub(super) symlinks: Symlinks,
    pub(super) preserve: Preserve,
    pub(super) wrap: Wrap,
    pub(super) ignore: Gitignore,
    pub(super) order: Order,
    pub(super) depth_max: u32,
    /// Files that are the output: what stands under its name, and what is being written.
    pub(super) outputs: Vec<Identity>,
}

/// The order of the entries of one folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// By the bytes of their names, as they stand in a directory.
    Names,
    /// As their paths would be sorted whole, by UTF-16 units: a folder counts as its name and a `/`.
    Paths,
}

/// A folder that is being walked.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Below the path given by the user: what ignore rules look at.
    relative: PathBuf,
    identity: Option<Identity>,
    names: NameList,
}

/// Names without an allocation each, taken from the end. Memory goes back as they are taken.
#[derive(Debug, Default)]
struct NameList {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl NameList {
    fn push(&mut self, name: &[u8]) {
        self.bytes.extend_from_slice(name);
        self.ends.push(self.bytes.len());
    }

    fn pop(&mut self) -> Option<Vec<u8>> {
        self.ends.pop()?;
        let name = self.bytes.split_off(self.ends.last().copied().unwrap_or_default());
        if self.bytes.len() < self.bytes.capacity() / 4 {
            self.bytes.shrink_to(self.bytes.capacity() / 2);
            self.ends.shrink_to(self.ends.capacity() / 2);
        }
        Some(name)
    }
}

/// The walk.
#[derive(Debug)]
pub(super) struct Walk {
    rules: Rules,
    /// The paths still to come, the last first.
    paths: Vec<PathBuf>,
    folders: Vec<Folder>,
    state: State,
    skipped: Vec<Skipped>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Started,
    InWrapper,
    Bare,
    Ended,
}

impl Walk {
    pub(super) fn new(paths: &[PathBuf], rules: Rules) -> Walk {
        Walk {
            rules,
            paths: paths.iter().rev().cloned().collect(),
            folders: Vec::new(),
            state: State::Started,
            skipped: Vec::new(),
        }
    }

    /// What was left out since the last call.
    pub(super) fn take_skipped(&mut self) -> Vec<Skipped> {
        std::mem::take(&mut self.skipped)
    }

    /// # Errors
    /// When something cannot be read, or is nothing that can be packed; with its path.
    pub(super) fn next(&mut self) -> Result<Option<Step>> {
        if self.state == State::Started {
            if self.rules.wrap == Wrap::Yes {
                self.state = State::InWrapper;
                return Ok(Some(Step::Enter { name: Vec::new(), metadata: Metadata::default() }));
            }
            self.state = State::Bare;
        }
        loop {
            let Some(folder) = self.folders.last_mut() else {
                let Some(path) = self.paths.pop() else {
                    let leave = self.state == State::InWrapper;
                    self.state = State::Ended;
                    return Ok(leave.then_some(Step::Leave));
                };
                let name = if self.state == State::InWrapper { base_name(&path)? } else { Vec::new() };
                // A path that was named is taken, hidden or not, and followed where links are not kept.
                if let Some(step) = self.step(name, path, PathBuf::new())? {
                    return Ok(Some(step));
                }
                continue;
            };
            let Some(name) = folder.names.pop() else {
                self.folders.pop();
                return Ok(Some(Step::Leave));
            };
            let os_name = os_name(&name);
            let (path, relative) = (folder.path.join(os_name), folder.relative.join(os_name));
            if let Some(step) = self.step(name, path, relative)? {
                return Ok(Some(step));
            }
        }
    }

    /// The step for one path; `None` when it is left out. `relative` is empty for a path that the user named.
    fn step(&mut self, name: Vec<u8>, path: PathBuf, relative: PathBuf) -> Result<Option<Step>> {
        let at = |e: Error| e.in_file(path.display().to_string());
        let named = relative.as_os_str().is_empty();
        let mut found = fs::symlink_metadata(&path).map_err(|e| at(Error::io(e, "cannot read")))?;
        if found.is_symlink() {
            match self.rules.symlinks {
                Symlinks::Keep => {}
                Symlinks::Skip if !named => return Ok(self.skip(path, Why::Symlink)),
                Symlinks::Skip | Symlinks::Follow => {
                    found = fs::metadata(&path).map_err(|e| at(Error::io(e, "cannot follow the symlink")))?;
                }
            }
        }
        if !named && self.rules.ignore.matched(&relative, found.is_dir()).is_ignore() {
            return Ok(None);
        }
        if self.rules.outputs.iter().any(|output| output.is_same_file(&Identity::of(&found))) {
            return Ok(self.skip(path, Why::Output));
        }
        if !name.is_empty() {
            self.check_name(&name).map_err(at)?;
        }
        let metadata = self.metadata(&found);
        if found.is_dir() {
            self.enter(path, relative, Identity::of(&found))?;
            return Ok(Some(Step::Enter { name, metadata }));
        }
        if found.is_symlink() {
            let target = fs::read_link(&path).map_err(|e| at(Error::io(e, "cannot read the symlink")))?;
            return Ok(Some(Step::Symlink { name, target: target.as_os_str().as_encoded_bytes().to_vec(), metadata }));
        }
        if !found.is_file() {
            let what = special(found.file_type());
            return Err(at(Error::usage(format!("is {what}; only files, folders and symlinks can be packed"))));
        }
        Ok(Some(Step::File(Found { name, identity: Identity::of(&found), path, metadata })))
    }

    fn skip(&mut self, path: PathBuf, why: Why) -> Option<Step> {
        self.skipped.push(Skipped { path, why });
        None
    }

    fn check_name(&self, name: &[u8]) -> Result<()> {
        EntryName::try_from(name).map_err(|e| Error::usage(e.to_string()))?;
        if self.rules.names == Names::Utf8 && std::str::from_utf8(name).is_err() {
            return Err(Error::usage("the name is not UTF-8, which other tools may not read (--names any keeps it as it is)"));
        }
        Ok(())
    }

    /// Lists a folder.
    fn enter(&mut self, path: PathBuf, relative: PathBuf, identity: Identity) -> Result<()> {
        let at = |e: Error| e.in_file(path.display().to_string());
        if self.folders.len() as u64 >= u64::from(self.rules.depth_max) {
            let message = format!("folders are nested more than {} deep", self.rules.depth_max);
            return Err(at(Error::new(crate::error::ErrorKind::Limit("--max-depth"), message)));
        }
        if self.rules.symlinks == Symlinks::Follow
            && self.folders.iter().any(|folder| folder.identity.as_ref().is_some_and(|above| above.is_same_file(&identity)))
        {
            return Err(at(Error::usage("a symlink leads back to a folder above it, without end")));
        }
        let names = self.list(&path).map_err(|e| at(Error::io(e, "cannot read the folder")))?;
        self.folders.push(Folder { path, relative, identity: Some(identity), names });
        Ok(())
    }

    /// The names in a folder, the last first.
    fn list(&self, path: &Path) -> std::io::Result<NameList> {
        let mut unsorted = NameList::default();
        let mut folders = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            if self.rules.hidden == Hidden::Keep || !name.starts_with(b".") {
                unsorted.push(name);
                if self.rules.order == Order::Paths {
                    folders.push(entry.file_type()?.is_dir());
                }
            }
        }
        let name = |i: usize| -> &[u8] {
            let start = i.checked_sub(1).and_then(|before| unsorted.ends.get(before)).copied().unwrap_or_default();
            unsorted.ends.get(i).and_then(|end| unsorted.bytes.get(start..*end)).unwrap_or_default()
        };
        let is_folder = |i: usize| folders.get(i).copied().unwrap_or_default();
        let mut order: Vec<u32> = (0..u32::try_from(unsorted.ends.len()).unwrap_or(u32::MAX)).collect();
        match self.rules.order {
            Order::Names => order.sort_unstable_by(|a, b| name(*b as usize).cmp(name(*a as usize))),
            Order::Paths => order.sort_by_cached_key(|i| std::cmp::Reverse(path_key(name(*i as usize), is_folder(*i as usize)))),
        }
        let mut names = NameList { bytes: Vec::with_capacity(unsorted.bytes.len()), ends: Vec::with_capacity(order.len()) };
        order.into_iter().for_each(|i| names.push(name(i as usize)));
        Ok(names)
    }

    fn metadata(&self, found: &fs::Metadata) -> Metadata {
        let mut metadata = Metadata::default();
        if self.rules.preserve.mtime {
            metadata.mtime = found.modified().ok().map(mtime);
        }
        #[cfg(unix)]
        if self.rules.preserve.mode {
            use std::os::unix::fs::PermissionsExt;
            metadata.mode = Some(found.permissions().mode() & 0o7777);
        }
        metadata
    }
}

/// The only folder that holds files in a folder that holds nothing else, as far down as that goes.
pub(super) fn strip(path: &Path, rules: &Rules) -> Result<PathBuf> {
    let mut path = path.to_owned();
    while fs::metadata(&path).is_ok_and(|found| found.is_dir()) {
        let mut walk = Walk::new(std::slice::from_ref(&path), Rules { wrap: Wrap::No, ..rules.clone() });
        let (mut depth, mut only, mut inside) = (0u32, None, None);
        while let Some(step) = walk.next()? {
            match step {
                Step::Enter { name, .. } => {
                    depth = depth.saturating_add(1);
                    if depth == 2 {
                        inside = Some(name);
                    }
                }
                Step::Leave => depth = depth.saturating_sub(1),
                // A file of the folder itself, or in a second folder.
                Step::File(_) | Step::Symlink { .. }
                    if depth < 2 || only.as_ref().is_some_and(|only| Some(only) != inside.as_ref()) =>
                {
                    return Ok(path);
                }
                Step::File(_) | Step::Symlink { .. } => only = inside.clone(),
                Step::Stream { .. } => {}
            }
        }
        match only {
            Some(name) => path.push(os_name(&name)),
            None => return Ok(path),
        }
    }
    Ok(path)
}

/// A time as UnixFS has it: seconds count down before 1970, nanoseconds always up.
fn mtime(time: std::time::SystemTime) -> Mtime {
    let (seconds, nanos) = match time.duration_since(std::time::UNIX_EPOCH) {
        Ok(since) => (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            match before.subsec_nanos() {
                0 => (-seconds, 0),
                nanos => ((-seconds).saturating_sub(1), 1_000_000_000 - nanos),
            }
        }
    };
    Mtime { seconds, nanos: (nanos > 0).then_some(nanos) }
}

fn path_key(name: &[u8], is_folder: bool) -> Vec<u16> {
    let name = String::from_utf8_lossy(name);
    name.encode_utf16().chain(is_folder.then_some(u16::from(b'/'))).collect()
}

/// The name of a path as an entry of a wrapping directory.
pub(super) fn base_name(path: &Path) -> Result<Vec<u8>> {
    if let Some(name) = path.file_name() {
        return Ok(name.as_encoded_bytes().to_vec());
    }
    let at = |e: Error| e.in_file(path.display().to_string());
    let whole = fs::canonicalize(path).map_err(|e| at(Error::io(e, "cannot read")))?;
    let name = whole.file_name().ok_or_else(|| at(Error::usage("has no name that an entry could have")))?;
    Ok(name.as_encoded_bytes().to_vec())
}

#[cfg(unix)]
fn os_name(name: &[u8]) -> &OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(name)
}

/// Names came from the system as UTF-8 or not quite; the latter no longer lead to their file, and that is said.
#[cfg(not(unix))]
fn os_name(name: &[u8]) -> &OsStr {
    OsStr::new(std::str::from_utf8(name).unwrap_or("\u{fffd}"))
}

fn special(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_fifo() {
            return "a named pipe";
        }
        if kind.is_block_device() || kind.is_char_device() {
            return "a device";
        }
    }
    let _ = kind;
    "no regular file"
}
