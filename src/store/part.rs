//! An archive that grows: verified sections are appended as they come, and what was appended can be read at random.

use super::output::{Existing, sync_directory};
use crate::error::{Error, Result};
use crate::offset::FileOffset;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes gathered before they go to the file.
const BUFFER_LEN: usize = 256 << 10;

/// A file to append to. It keeps its name when dropped, so that a later run can go on with it.
#[derive(Debug)]
pub(crate) struct PartFile {
    file: File,
    path: PathBuf,
    buffer: Vec<u8>,
    /// Bytes in the file, without those in the buffer.
    written: u64,
}

impl PartFile {
    /// Opens a file to go on with, or makes an empty one. One process at a time.
    ///
    /// # Errors
    /// When it cannot be opened or another process has it open this way.
    pub(crate) fn open(path: &Path) -> Result<PartFile> {
        let name = || path.display().to_string();
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = opened.map_err(|e| Error::io(e, "cannot open").in_file(name()))?;
        #[cfg(unix)]
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(Error::usage("another process is fetching into this").in_file(name()));
            }
            // Not every file system has locks.
            Err(_) => {}
        }
        let metadata = file.metadata().map_err(|e| Error::io(e, "cannot read").in_file(name()))?;
        if !metadata.is_file() {
            return Err(Error::usage("is no regular file, expected the parts of an archive").in_file(name()));
        }
        let mut part = PartFile { file, path: path.to_owned(), buffer: Vec::new(), written: metadata.len() };
        part.seek_to_end()?;
        Ok(part)
    }

    /// The name for messages.
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Bytes appended so far.
    pub(crate) fn len(&self) -> u64 {
        self.written.saturating_add(self.buffer.len() as u64)
    }

    /// The file from its first byte on. It shares its position with this one until [`PartFile::truncate`].
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn reader(&mut self) -> Result<File> {
        self.flush()?;
        let mut file = self.file.try_clone().map_err(|e| self.failed(e, "cannot read"))?;
        file.rewind().map_err(|e| self.failed(e, "cannot read"))?;
        Ok(file)
    }

    /// Cuts the file to its first `len` bytes; what is appended comes behind them.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn truncate(&mut self, len: u64) -> Result<()> {
        self.flush()?;
        self.file.set_len(len).map_err(|e| self.failed(e, "cannot write"))?;
        self.written = len;
        self.seek_to_end()
    }

    fn seek_to_end(&mut self) -> Result<()> {
        self.file.seek(SeekFrom::Start(self.written)).map(drop).map_err(|e| self.failed(e, "cannot write"))
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if self.buffer.len().saturating_add(bytes.len()) > BUFFER_LEN {
            self.flush()?;
        }
        if bytes.len() >= BUFFER_LEN / 4 {
            self.flush()?;
            self.file.write_all(bytes).map_err(|e| self.failed(e, "cannot write"))?;
            self.written = self.written.saturating_add(bytes.len() as u64);
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// Hands everything appended to the system: it survives the end of this process.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.file.write_all(&self.buffer).map_err(|e| self.failed(e, "cannot write"))?;
        self.written = self.written.saturating_add(self.buffer.len() as u64);
        self.buffer.clear();
        Ok(())
    }

    /// Fills as much of `buffer` as there is from `at` on.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn read_at(&mut self, at: FileOffset, buffer: &mut [u8]) -> Result<usize> {
        self.flush()?;
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let place = at.0.saturating_add(filled as u64);
            #[cfg(unix)]
            let got = std::os::unix::fs::FileExt::read_at(&self.file, rest, place);
            #[cfg(windows)]
            let got = std::os::windows::fs::FileExt::seek_read(&self.file, rest, place);
            match got {
                Ok(0) => break,
                Ok(n) => filled = filled.saturating_add(n),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.failed(e, "cannot read").at(at)),
            }
        }
        // Windows moves the position with every read.
        #[cfg(windows)]
        self.seek_to_end()?;
        Ok(filled)
    }

    /// Writes `front` over the first bytes and gives the file the name `target`, synced.
    ///
    /// # Errors
    /// When the disk fails, or the name is taken.
    pub(crate) fn commit(mut self, front: &[u8], target: &Path, existing: Existing) -> Result<()> {
        self.flush()?;
        let write = |mut file: &File| {
            file.rewind()?;
            file.write_all(front)?;
            file.sync_all()
        };
        write(&self.file).map_err(|e| self.failed(e, "cannot write"))?;
        let failed = |e| Error::io(e, "cannot name the finished file").in_file(target.display().to_string());
        match existing {
            Existing::Replace => fs::rename(&self.path, target).map_err(failed)?,
            Existing::Refuse => match fs::hard_link(&self.path, target) {
                Ok(()) => fs::remove_file(&self.path).map_err(failed)?,
                // Without links, the best that is left; with the name taken, the end.
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists || target.exists() => {
                    let message = "exists already (--force replaces it)";
                    return Err(Error::usage(message).in_file(target.display().to_string()));
                }
                Err(_) => fs::rename(&self.path, target).map_err(failed)?,
            },
        }
        sync_directory(target);
        Ok(())
    }

    /// Removes the file.
    ///
    /// # Errors
    /// When that is not allowed.
    pub(crate) fn remove(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|e| self.failed(e, "cannot remove"))
    }

    fn failed(&self, error: std::io::Error, doing: &str) -> Error {
        Error::io(error, doing).in_file(self.name())
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        // Whatever cannot be written here is fetched again.
        let _ = self.flush();
    }
}

/// The archives that a path names: itself, or the files of a directory whose names end in `.car`, by name.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn archives_in(path: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e| Error::io(e, "cannot open").in_file(path.display().to_string());
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if file.extension().is_some_and(|extension| extension == "car") && file.is_file() {
            found.push(file);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_goes_on_and_gets_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let (path, target) = (dir.path().join("x.part"), dir.path().join("x"));
        let mut part = PartFile::open(&path).unwrap();
        part.append(b"0123").unwrap();
        assert!(PartFile::open(&path).is_err(), "one at a time");
        drop(part);
        let mut part = PartFile::open(&path).unwrap();
        assert_eq!(part.len(), 4);
        part.truncate(3).unwrap();
        part.append(&[b'x'; BUFFER_LEN]).unwrap();
        part.append(b"end").unwrap();
        let mut tail = [0; 9];
        let n = part.read_at(FileOffset(BUFFER_LEN as u64), &mut tail).unwrap();
        assert_eq!(&tail[..n], b"xxxend");
        fs::write(&target, b"other").unwrap();
        assert!(part.commit(b"AB", &target, Existing::Refuse).is_err());
        PartFile::open(&path).unwrap().commit(b"ab", &target, Existing::Replace).unwrap();
        let bytes = fs::read(&target).unwrap();
        assert!(bytes.starts_with(b"ab2xxx") && bytes.ends_with(b"xend") && !path.exists());
        fs::write(dir.path().join("a.car"), b"").unwrap();
        assert_eq!(archives_in(dir.path()).unwrap(), [dir.path().join("a.car")]);
        assert_eq!(archives_in(&target).unwrap(), [target]);
    }
}
