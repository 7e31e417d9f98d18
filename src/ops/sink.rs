//! An archive in the making: a temporary file, whatever the target is.
//!
//! Standard output gets it only when it is whole. A reader of a pipe cannot tell a cut between two sections from the end,
//! so nothing is handed over that may still turn out to be refused.

use crate::error::{Error, Result};
use crate::offset::FileOffset;
use crate::store::{Closed, Existing, Output};
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes gathered before they go to the file.
const BUFFER_LEN: usize = 1 << 20;

/// Where an archive is written until it is known to be whole.
#[derive(Debug)]
pub(crate) struct Sink {
    output: Output,
    /// Stands in for an output that is no file.
    spool: Option<File>,
}

impl Sink {
    /// Starts the output `target` (`-` is standard output); `inputs` are refused as targets.
    ///
    /// # Errors
    /// As [`Output::create`], or when there is no place for a temporary file.
    pub(crate) fn create(target: &Path, existing: Existing, inputs: &[PathBuf]) -> Result<BufWriter<Sink>> {
        let mut output = Output::create(target, existing, inputs)?;
        let spool = match output.as_file() {
            Some(_) => None,
            None => Some(tempfile::tempfile().map_err(|e| Error::io(e, "cannot create a temporary file"))?),
        };
        Ok(BufWriter::with_capacity(BUFFER_LEN, Sink { output, spool }))
    }

    /// Gives the finished archive its name, or hands it to standard output.
    ///
    /// # Errors
    /// When the disk fails, the name was taken meanwhile, or the reader of standard output went away
    /// ([`Error::is_closed_pipe`]).
    pub(crate) fn commit(buffered: BufWriter<Sink>) -> Result<()> {
        let Sink { mut output, spool } = buffered.into_inner().map_err(|e| Error::io(e.into_error(), "cannot write"))?;
        if let Some(mut spool) = spool {
            spool.rewind().map_err(|e| Error::io(e, "cannot read a temporary file"))?;
            io::copy(&mut spool, &mut output).map_err(|e| Error::io(e, "cannot write"))?;
        }
        output.commit()
    }

    /// Sets a finished archive aside without an open file, to be named later. Only for outputs that are files.
    ///
    /// # Errors
    /// When the disk fails, or the output is standard output.
    pub(crate) fn close(buffered: BufWriter<Sink>) -> Result<Closed> {
        buffered.into_inner().map_err(|e| Error::io(e.into_error(), "cannot write"))?.output.close()
    }

    /// Writes `bytes` over those at `at`, which the archive must already have.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn overwrite(buffered: &mut BufWriter<Sink>, at: FileOffset, bytes: &[u8]) -> Result<()> {
        let mut write = || {
            buffered.seek(SeekFrom::Start(at.0))?;
            buffered.write_all(bytes)?;
            buffered.seek(SeekFrom::End(0))
        };
        write().map(|_| ()).map_err(|e| Error::io(e, "cannot write"))
    }

    /// Starts again from nothing.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn restart(buffered: &mut BufWriter<Sink>) -> Result<()> {
        let mut restart = || {
            buffered.rewind()?;
            buffered.get_mut().file()?.set_len(0)
        };
        restart().map_err(|e| Error::io(e, "cannot write"))
    }

    /// The metadata of the file that is being written.
    pub(crate) fn metadata(&mut self) -> io::Result<std::fs::Metadata> {
        self.file()?.metadata()
    }

    fn file(&mut self) -> io::Result<&mut File> {
        match &mut self.spool {
            Some(spool) => Ok(spool),
            None => self.output.as_file().ok_or_else(|| io::ErrorKind::Unsupported.into()),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file()?.flush()
    }
}

impl Seek for Sink {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file()?.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out.car");
        let mut sink = Sink::create(&target, Existing::Refuse, &[]).unwrap();
        sink.write_all(b"0123456789").unwrap();
        assert!(!target.exists());
        drop(sink);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);

        let mut sink = Sink::create(&target, Existing::Refuse, &[]).unwrap();
        sink.write_all(b"0123456789").unwrap();
        Sink::overwrite(&mut sink, FileOffset(1), b"ab").unwrap();
        sink.write_all(b"!").unwrap();
        Sink::commit(sink).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"0ab3456789!");
    }
}
