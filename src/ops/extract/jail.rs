//! A directory that nothing gets out of.
//!
//! Below the directory itself, no path is ever given to the system: only single names, relative to a handle of the directory that
//! holds them, and never through a symlink. So it does not matter what stands there already, or what changes meanwhile.

use super::sparse::SparseWriter;
use super::{Attributes, Content, Existing, Options, Placed, Sink};
use crate::error::{Error, Result};
use crate::unixfs::{EntryName, Mtime};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;
use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// How many directories are kept open; systems allow 256 or 1024 files by default. Those further out are opened again on return.
const HANDLES_MAX: usize = 64;

/// The directory and the way to where entries are made now.
pub(super) struct Jail {
    path: PathBuf,
    existing: Existing,
    /// The directory itself first.
    levels: Vec<Level>,
    /// What all temporary names begin with, and how many there were.
    prefix: String,
    temporaries: Cell<u64>,
}

struct Level {
    name: Vec<u8>,
    handle: Option<OwnedFd>,
    /// Made here and now, so that nothing was in it.
    is_new: bool,
    attributes: Attributes,
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn failed(errno: Errno, doing: &str) -> Error {
    match errno {
        // The standard library has no stable name for these; they concern one entry only.
        Errno::LOOP | Errno::NOTDIR => {
            let error = io::Error::new(io::ErrorKind::NotADirectory, "something that is no directory has the name");
            Error::io(error, doing)
        }
        Errno::ILSEQ | Errno::NOENT => Error::io(io::Error::new(io::ErrorKind::InvalidFilename, errno), doing),
        Errno::EXIST => taken(),
        errno => Error::io(errno.into(), doing),
    }
}

fn taken() -> Error {
    let error = io::Error::new(io::ErrorKind::AlreadyExists, "something has the name already");
    Error::io(error, "not written (--force replaces files, --skip-existing keeps them)")
}

impl Jail {
    pub(super) fn new(path: PathBuf, options: &Options) -> Jail {
        let prefix = format!(".cartool-{}-", std::process::id());
        Jail { path, existing: options.existing, levels: Vec::new(), prefix, temporaries: Cell::new(0) }
    }

    /// Opens the current directory again if it was closed, so that [`Jail::handle`] has it.
    fn ready(&mut self) -> Result<()> {
        if self.levels.last().is_some_and(|level| level.handle.is_none()) {
            let reopened = self.reopen()?;
            if let Some(level) = self.levels.last_mut() {
                level.handle = Some(reopened);
            }
        }
        Ok(())
    }

    /// The handle of the current directory.
    fn handle(&self) -> Result<BorrowedFd<'_>> {
        let handle = self.levels.last().and_then(|level| level.handle.as_ref());
        handle.map(AsFd::as_fd).ok_or_else(|| Error::usage("no directory to write to"))
    }

    /// Goes to the current directory once more from the outermost, which is always open.
    fn reopen(&self) -> Result<OwnedFd> {
        let mut at: Option<OwnedFd> = None;
        let mut levels = self.levels.iter();
        let base =
            levels.next().and_then(|level| level.handle.as_ref()).ok_or_else(|| Error::usage("no directory to write to"))?;
        for level in levels {
            let parent = at.as_ref().map_or(base.as_fd(), AsFd::as_fd);
            let next = rustix::fs::openat(parent, &level.name[..], DIRECTORY, Mode::empty());
            at = Some(next.map_err(|e| Error::io(e.into(), "a directory changed while it was filled"))?);
        }
        at.ok_or_else(|| Error::usage("no directory to write to"))
    }

    fn enter_base(&mut self, attributes: Attributes) -> Result<()> {
        let is_new = std::fs::symlink_metadata(&self.path).is_err();
        let name = || self.path.display().to_string();
        std::fs::create_dir_all(&self.path).map_err(|e| outer(e, "cannot create").in_file(name()))?;
        // The caller's own path may lead through symlinks, and be one.
        let handle = rustix::fs::open(&self.path, DIRECTORY.difference(OFlags::NOFOLLOW), Mode::empty());
        let handle = handle.map_err(|e| outer(e.into(), "cannot open").in_file(name()))?;
        self.levels.push(Level { name: Vec::new(), handle: Some(handle), is_new, attributes });
        Ok(())
    }

    /// What stands under a name: `None` when nothing can.
    fn found(&self, name: EntryName<'_>) -> Result<Option<FileType>> {
        if self.levels.last().is_some_and(|level| level.is_new) {
            return Ok(None);
        }
        let stat = rustix::fs::statat(self.handle()?, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW);
        match stat {
            Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode as rustix::fs::RawMode))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(failed(errno, "cannot look at what has the name")),
        }
    }

    /// Whether a file or symlink may be made under a name.
    fn admit(&self, name: EntryName<'_>, made: FileType) -> Result<Placed> {
        match (self.found(name)?, self.existing) {
            (None, _) => Ok(Placed::Written),
            (Some(found), Existing::Skip) if found == made => Ok(Placed::Skipped),
            (Some(FileType::RegularFile | FileType::Symlink), Existing::Replace) => Ok(Placed::Written),
            _ => Err(taken()),
        }
    }

    /// Makes something under a temporary name in the current directory.
    fn temporary<T>(&self, make: impl Fn(BorrowedFd<'_>, &str) -> rustix::io::Result<T>) -> Result<(T, Temporary<'_>)> {
        let directory = self.handle()?;
        loop {
            let number = self.temporaries.get();
            self.temporaries.set(number.wrapping_add(1));
            let name = format!("{}{number}.tmp", self.prefix);
            match make(directory, &name) {
                Ok(made) => return Ok((made, Temporary { directory, name, is_named: false })),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(failed(errno, "cannot create")),
            }
        }
    }
}

/// An error about the directory itself: no other entry could go on.
fn outer(error: io::Error, doing: &str) -> Error {
    Error::io(io::Error::other(error), doing)
}

/// A name to be given up or removed.
struct Temporary<'d> {
    directory: BorrowedFd<'d>,
    name: String,
    is_named: bool,
}

impl Temporary<'_> {
    /// Gives it its final name.
    fn name(mut self, name: EntryName<'_>, existing: Existing) -> Result<()> {
        let (directory, from, to) = (self.directory, &*self.name, name.as_bytes());
        let named = match existing {
            Existing::Replace => rustix::fs::renameat(directory, from, directory, to),
            Existing::Refuse | Existing::Skip => rename_if_free(directory, from, to),
        };
        named.map_err(|e| failed(e, "cannot name the finished file"))?;
        self.is_named = true;
        Ok(())
    }
}

/// Renames, unless something has the name.
fn rename_if_free(directory: BorrowedFd<'_>, from: &str, to: &[u8]) -> rustix::io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    match rustix::fs::renameat_with(directory, from, directory, to, rustix::fs::RenameFlags::NOREPLACE) {
        // Old kernels and some file systems do not know the flag.
        Err(Errno::NOSYS | Errno::INVAL | Errno::NOTSUP) => {}
        done => return done,
    }
    rustix::fs::linkat(directory, from, directory, to, AtFlags::empty())?;
    rustix::fs::unlinkat(directory, from, AtFlags::empty())
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.is_named {
            // Nothing more can be done about a file that cannot be removed.
            let _ = rustix::fs::unlinkat(self.directory, &*self.name, AtFlags::empty());
        }
    }
}

fn times(mtime: Mtime) -> Timestamps {
    let keep = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let nanos = mtime.nanos.unwrap_or_default();
    Timestamps { last_access: keep, last_modification: Timespec { tv_sec: mtime.seconds, tv_nsec: nanos.into() } }
}

/// Sets mode and time of something open. A time that the file system cannot keep stays as it is.
fn restore(handle: BorrowedFd<'_>, attributes: Attributes) -> Result<()> {
    if let Some(mtime) = attributes.mtime {
        let _ = rustix::fs::futimens(handle, &times(mtime));
    }
    match attributes.mode {
        Some(mode) => rustix::fs::fchmod(handle, Mode::from_raw_mode(mode as rustix::fs::RawMode))
            .map_err(|e| failed(e, "cannot set the mode")),
        None => Ok(()),
    }
}

impl Sink for Jail {
    fn enter(&mut self, name: Option<EntryName<'_>>, attributes: Attributes) -> Result<()> {
        let Some(name) = name else { return self.enter_base(attributes) };
        self.ready()?;
        let current = self.handle()?;
        let is_new = match rustix::fs::mkdirat(current, name.as_bytes(), Mode::from_raw_mode(0o777)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(failed(errno, "cannot create a directory")),
        };
        let handle = rustix::fs::openat(current, name.as_bytes(), DIRECTORY, Mode::empty());
        let handle = handle.map_err(|e| failed(e, "cannot use as a directory"))?;
        self.levels.push(Level { name: name.as_bytes().to_vec(), handle: Some(handle), is_new, attributes });
        let far = self.levels.len().checked_sub(HANDLES_MAX).filter(|far| *far > 0);
        if let Some(level) = far.and_then(|far| self.levels.get_mut(far)) {
            level.handle = None;
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        let Some(level) = self.levels.last() else { return Ok(()) };
        let attributes = level.attributes;
        let is_ours = level.is_new || (self.existing != Existing::Refuse && self.levels.len() > 1);
        if is_ours && (attributes.mode.is_some() || attributes.mtime.is_some()) {
            self.ready()?;
            restore(self.handle()?, attributes)?;
        }
        self.levels.pop();
        Ok(())
    }

    fn file(&mut self, name: EntryName<'_>, attributes: Attributes, content: Content<'_>) -> Result<Placed> {
        self.ready()?;
        if self.admit(name, FileType::RegularFile)? == Placed::Skipped {
            return Ok(Placed::Skipped);
        }
        let create = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |at: BorrowedFd<'_>, name: &str| rustix::fs::openat(at, name, create, Mode::from_raw_mode(0o666));
        let (handle, temporary) = self.temporary(open)?;
        let mut writer = SparseWriter::new(File::from(handle));
        content(&mut |bytes| writer.write(bytes).map_err(|e| Error::io(e, "cannot write")))?;
        let file = writer.finish().map_err(|e| Error::io(e, "cannot write"))?;
        restore(file.as_fd(), attributes)?;
        temporary.name(name, self.existing)?;
        Ok(Placed::Written)
    }

    fn symlink(&mut self, name: EntryName<'_>, target: &[u8], attributes: Attributes) -> Result<Placed> {
        self.ready()?;
        if self.admit(name, FileType::Symlink)? == Placed::Skipped {
            return Ok(Placed::Skipped);
        }
        if self.existing == Existing::Replace {
            let ((), temporary) = self.temporary(|at, name| rustix::fs::symlinkat(target, at, name))?;
            temporary.name(name, self.existing)?;
        } else {
            let made = rustix::fs::symlinkat(target, self.handle()?, name.as_bytes());
            made.map_err(|e| failed(e, "cannot make the symlink"))?;
        }
        if let Some(mtime) = attributes.mtime {
            let _ = rustix::fs::utimensat(self.handle()?, name.as_bytes(), &times(mtime), AtFlags::SYMLINK_NOFOLLOW);
        }
        Ok(Placed::Written)
    }
}
