//! One writer at a time. The lock is the operating system's, on a file: a process that dies gives it up, however it dies.

use crate::error::{Error, Result};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

/// The right to write in one archive directory, until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    /// Holds the lock.
    _file: File,
}

impl Lock {
    /// Takes the lock.
    ///
    /// # Errors
    /// When another process has it, or the file cannot be made.
    pub(super) fn take(path: &Path) -> Result<Lock> {
        loop {
            let file = open(path).map_err(|e| Error::io(e, "cannot lock").in_file(path.display().to_string()))?;
            if !try_lock(&file)? {
                let message = "another cartool is writing in this archive: wait until it ends";
                return Err(Error::new(crate::error::ErrorKind::Io(std::io::ErrorKind::WouldBlock.into()), message)
                    .in_file(path.display().to_string()));
            }
            // The one before may have removed the file between our opening and locking it.
            if is_at(&file, path) {
                return Ok(Lock { path: path.to_owned(), _file: file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A file that stays is no harm: it is not locked.
        let _ = fs::remove_file(&self.path);
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt;
        options.share_mode(0);
    }
    options.open(path)
}

#[cfg(unix)]
fn try_lock(file: &File) -> Result<bool> {
    use rustix::fs::{FlockOperation, flock};
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(Error::io(error.into(), "cannot lock")),
    }
}

/// Elsewhere nobody else could open the file.
#[cfg(not(unix))]
fn try_lock(_: &File) -> Result<bool> {
    Ok(true)
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_a_file_left_behind_is_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        fs::write(&path, "left by a process that was killed").unwrap();
        let lock = Lock::take(&path).unwrap();
        assert!(Lock::take(&path).unwrap_err().message.contains("another cartool"));
        drop(lock);
        assert!(!path.exists());
        drop(Lock::take(&path).unwrap());
    }
}
