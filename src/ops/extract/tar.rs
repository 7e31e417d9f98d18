//! Entries as a tar stream (GNU format, for long names).

use super::{Attributes, Content, Placed, Sink};
use crate::error::{Error, ErrorKind, Result};
use crate::unixfs::EntryName;
use std::io::{self, Write};
use std::path::PathBuf;
use tar::{Builder, EntryType, Header};

/// The record length of the format.
const RECORD: u64 = 512;

/// A tar stream in the making. It is finished when the outermost directory is left.
pub(super) struct Tar<'w> {
    builder: Builder<&'w mut dyn Write>,
    path: Vec<u8>,
    /// The path's length in each open directory.
    open: Vec<usize>,
}

impl<'w> Tar<'w> {
    pub(super) fn new(out: &'w mut dyn Write) -> Tar<'w> {
        Tar { builder: Builder::new(out), path: Vec::new(), open: Vec::new() }
    }

    fn path(&self, name: EntryName<'_>) -> Result<PathBuf> {
        to_path([&self.path[..], name.as_bytes()].concat())
    }
}

#[cfg(unix)]
fn to_path(bytes: Vec<u8>) -> Result<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    Ok(std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn to_path(bytes: Vec<u8>) -> Result<PathBuf> {
    let invalid = |e| Error::io(io::Error::new(io::ErrorKind::InvalidFilename, e), "cannot name an entry");
    String::from_utf8(bytes).map(PathBuf::from).map_err(invalid)
}

fn header(kind: EntryType, len: u64, mode: u32, attributes: Attributes) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(len);
    header.set_mode(attributes.mode.unwrap_or(mode));
    // Times before 1970 and beyond what the field holds do not exist in this format.
    let seconds = attributes.mtime.map_or(0, |mtime| mtime.seconds).clamp(0, 0o77_777_777_777);
    header.set_mtime(seconds as u64);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// A stream cannot take anything back, so that every failure ends it: the kind must not look like one entry's.
fn broken(error: io::Error) -> Error {
    Error::io(io::Error::new(io::ErrorKind::BrokenPipe, error), "cannot write the tar stream")
}

impl Sink for Tar<'_> {
    fn enter(&mut self, name: Option<EntryName<'_>>, attributes: Attributes) -> Result<()> {
        let outer = self.path.len();
        if let Some(name) = name {
            let mut path = name.as_bytes().to_vec();
            path.push(b'/');
            let full = to_path([&self.path[..], &path].concat())?;
            let mut header = header(EntryType::Directory, 0, 0o755, attributes);
            self.builder.append_data(&mut header, full, io::empty()).map_err(write_error)?;
            self.path.extend(path);
        }
        self.open.push(outer);
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        match self.open.pop() {
            Some(outer) => self.path.truncate(outer),
            None => return Ok(()),
        }
        if self.open.is_empty() {
            self.builder.finish().map_err(write_error)?;
            self.builder.get_mut().flush().map_err(write_error)?;
        }
        Ok(())
    }

    /// Reads the file twice: what was announced in a header must follow, so it is proven first.
    fn file(&mut self, name: EntryName<'_>, attributes: Attributes, content: Content<'_>) -> Result<Placed> {
        let path = self.path(name)?;
        let mut len = 0u64;
        content(&mut |bytes| {
            len = len.saturating_add(bytes.len() as u64);
            Ok(())
        })?;
        let mut header = header(EntryType::Regular, len, 0o644, attributes);
        self.builder.append_data(&mut header, path, io::empty()).map_err(write_error)?;
        let out = self.builder.get_mut();
        content(&mut |bytes| out.write_all(bytes).map_err(write_error)).map_err(|e| match e.kind {
            ErrorKind::Interrupted | ErrorKind::Io(_) => e,
            // It was there a moment ago.
            _ => broken(io::Error::other(e.to_string())),
        })?;
        let padding = [0u8; RECORD as usize];
        let left = len.next_multiple_of(RECORD).saturating_sub(len) as usize;
        out.write_all(padding.get(..left).unwrap_or_default()).map_err(write_error)?;
        Ok(Placed::Written)
    }

    fn symlink(&mut self, name: EntryName<'_>, target: &[u8], attributes: Attributes) -> Result<Placed> {
        if target.is_empty() || target.contains(&0) {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "an empty target, or one with a zero byte in it");
            return Err(Error::io(error, "cannot make the symlink"));
        }
        let (path, target) = (self.path(name)?, to_path(target.to_vec())?);
        let mut header = header(EntryType::Symlink, 0, 0o777, attributes);
        self.builder.append_link(&mut header, path, target).map_err(write_error)?;
        Ok(Placed::Written)
    }
}

fn write_error(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Error::io(error, "cannot write the tar stream"),
        _ => broken(error),
    }
}
