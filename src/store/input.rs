//! Where archives come from: files, which can be read anywhere, and streams, which cannot.

use crate::control::Control;
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// An opened input.
#[derive(Debug)]
pub enum Input {
    /// A regular file and its length in bytes.
    File(File, u64),
    /// A pipe, a terminal, a socket: read front to back.
    Stream(Stream),
}

impl Input {
    /// Opens a path; `-` is standard input. A path that is no regular file is read as a stream.
    ///
    /// # Errors
    /// When it cannot be opened, or is a directory.
    pub fn open(path: &Path, control: &Control) -> Result<Input> {
        if path == Path::new("-") {
            let file = stdin_file().map_err(|e| Error::io(e, "cannot read standard input"))?;
            return Input::from_file(file, control);
        }
        let file = File::open(path).map_err(|e| Error::io(e, "cannot open"))?;
        Input::from_file(file, control)
    }

    fn from_file(file: File, control: &Control) -> Result<Input> {
        let metadata = file.metadata().map_err(|e| Error::io(e, "cannot read"))?;
        if metadata.is_dir() {
            return Err(Error::usage("is a directory, expected a CAR file"));
        }
        if metadata.is_file() {
            // Standard input may have been read already: what is left of the file is the input.
            let at = io::Seek::stream_position(&mut &file).map_err(|e| Error::io(e, "cannot read"))?;
            if at == 0 {
                return Ok(Input::File(file, metadata.len()));
            }
        }
        Ok(Input::Stream(Stream { file, control: control.clone() }))
    }

    /// The length in bytes, when it is known.
    pub fn file_len(&self) -> Option<u64> {
        match self {
            Input::File(_, len) => Some(*len),
            Input::Stream(_) => None,
        }
    }
}

/// Standard input as a file of its own, so that nothing is buffered between it and us.
fn stdin_file() -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
    }
    #[cfg(not(unix))]
    {
        std::fs::OpenOptions::new().read(true).open("CONIN$")
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Input::File(file, _) => file.read(buffer),
            Input::Stream(stream) => stream.read(buffer),
        }
    }
}

/// A stream that notices a request to stop even while it waits for bytes.
#[derive(Debug)]
pub struct Stream {
    file: File,
    control: Control,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(unix)]
        loop {
            use rustix::event::{PollFd, PollFlags, Timespec, poll};
            if self.control.is_stopped() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let wait = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
            match poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&wait)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => break,
                Err(e) => return Err(e.into()),
            }
        }
        self.file.read(buffer)
    }
}

/// Copies a stream to an unnamed temporary file, for the verbs that must read at random. A file stays what it is.
///
/// # Errors
/// When the stream cannot be read or the temporary directory is full.
pub fn spool(input: Input) -> Result<(File, u64)> {
    let mut stream = match input {
        Input::File(file, len) => return Ok((file, len)),
        Input::Stream(stream) => stream,
    };
    let mut file = tempfile::tempfile().map_err(|e| Error::io(e, "cannot create a temporary file"))?;
    let mut buffer = vec![0; 1 << 20];
    let mut len = 0u64;
    loop {
        let got = match stream.read(&mut buffer) {
            Ok(got) => got,
            Err(e) if e.kind() == io::ErrorKind::Interrupted && e.raw_os_error().is_some() => continue,
            Err(e) => return Err(Error::io(e, "cannot read")),
        };
        if got == 0 {
            break;
        }
        let piece = buffer.get(..got).unwrap_or_default();
        file.write_all(piece).map_err(|e| Error::io(e, "cannot write a temporary file"))?;
        len = len.saturating_add(got as u64);
    }
    io::Seek::rewind(&mut file).map_err(|e| Error::io(e, "cannot read a temporary file"))?;
    Ok((file, len))
}
