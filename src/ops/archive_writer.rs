//! Writes an archive of either version: what every verb that makes one writes through.

use super::sink::Sink;
use crate::cid::RawCid;
use crate::error::{Error, Result};
use crate::format::carv2::{DATA_OFFSET_MIN, PRAGMA};
use crate::format::{Carv2Header, Header, Identities, IndexCodec, IndexWriter, Writer};
use crate::offset::{FileOffset, PayloadOffset};
use std::io::{BufWriter, Read, Write};

/// The version of an archive to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// CARv1: header and sections.
    #[default]
    V1,
    /// CARv2: the same, with an index behind it.
    V2(V2Options),
}

/// What a CARv2 has around its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct V2Options {
    /// The index, if there is to be one. It takes 40 bytes of memory a block for digests of 32 bytes.
    pub index: Option<IndexCodec>,
    /// Which sections the index holds.
    pub identities: Identities,
    /// Zero bytes in front of the payload.
    pub data_padding: u64,
    /// Zero bytes between payload and index.
    pub index_padding: u64,
}

impl Default for V2Options {
    /// A `car-multihash-index-sorted` index, no padding: as go-car wraps a CARv1.
    fn default() -> V2Options {
        V2Options { index: Some(IndexCodec::default()), identities: Identities::default(), data_padding: 0, index_padding: 0 }
    }
}

/// An archive in the making.
#[derive(Debug)]
pub(crate) struct ArchiveWriter {
    writer: Writer<BufWriter<Sink>>,
    v2: Option<V2Options>,
    index: Option<IndexWriter>,
    /// Where the payload starts.
    start: FileOffset,
}

impl ArchiveWriter {
    /// Writes the header of an archive whose first byte is the next of `sink`.
    ///
    /// # Errors
    /// When the disk fails, or the padding is longer than any file.
    pub(crate) fn new(mut sink: BufWriter<Sink>, header: &Header, version: Version) -> Result<ArchiveWriter> {
        let v2 = match version {
            Version::V1 => None,
            Version::V2(options) => Some(options),
        };
        let mut start = FileOffset(0);
        if let Some(options) = v2 {
            let end = DATA_OFFSET_MIN.checked_add(options.data_padding).and_then(|end| end.checked_add(options.index_padding));
            if end.is_none_or(|end| end > i64::MAX as u64) {
                return Err(Error::usage("the padding is longer than any file can be"));
            }
            start = FileOffset(DATA_OFFSET_MIN).plus(options.data_padding);
            // The numbers are known at the end; zeros until then.
            pad(&mut sink, start.0)?;
        }
        let index = v2.and_then(|options| options.index.map(|codec| IndexWriter::new(codec, options.identities)));
        Ok(ArchiveWriter { writer: Writer::new(sink, header)?, v2, index, start })
    }

    /// Writes one section. The bytes must have been hashed: this is the way out of the tool.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn write_section(&mut self, cid: RawCid<'_>, data: &[u8]) -> Result<()> {
        self.begin_section(cid, data.len() as u64)?;
        self.continue_section(data)
    }

    /// Writes the head of a section whose `data_len` bytes follow by [`ArchiveWriter::continue_section`].
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn begin_section(&mut self, cid: RawCid<'_>, data_len: u64) -> Result<()> {
        if let Some(index) = &mut self.index {
            index.add(cid, PayloadOffset(self.writer.written()));
        }
        self.writer.begin_section(cid, data_len)
    }

    /// Writes the next piece of a section's data.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn continue_section(&mut self, data: &[u8]) -> Result<()> {
        self.writer.continue_section(data)
    }

    /// Bytes of the CARv1 payload so far.
    pub(crate) fn payload_len(&self) -> u64 {
        self.writer.written()
    }

    /// Ends the archive. `header` takes the place of the one it was begun with, and must be as long.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn finish_with(self, header: &Header) -> Result<Finished> {
        let start = self.start;
        let mut finished = self.finish()?;
        Sink::overwrite(&mut finished.sink, start, &header.encode())?;
        Ok(finished)
    }

    /// Ends the archive: a CARv2 gets its index and its own header.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn finish(self) -> Result<Finished> {
        let data_size = self.writer.written();
        let mut sink = self.writer.finish()?;
        let Some(options) = self.v2 else { return Ok(Finished { sink, len: data_size }) };
        let data_end = self.start.plus(data_size);
        let (mut index_offset, mut len) = (0, data_end.0);
        if let Some(index) = self.index {
            index_offset = data_end.plus(options.index_padding).0;
            pad(&mut sink, options.index_padding)?;
            let mut counting = Counting { inner: &mut sink, written: 0 };
            index.write(&mut counting)?;
            len = index_offset.saturating_add(counting.written);
        }
        let characteristics = match self.v2 {
            Some(V2Options { index: Some(_), identities, .. }) => Carv2Header::characteristics(identities),
            _ => [0; 16],
        };
        let header = Carv2Header { characteristics, data_offset: self.start.0, data_size, index_offset };
        Sink::overwrite(&mut sink, FileOffset(0), &[&PRAGMA[..], &header.encode()].concat())?;
        Ok(Finished { sink, len })
    }
}

/// A whole archive, to be [named](Sink::commit) or set aside.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) sink: BufWriter<Sink>,
    /// Bytes of the file.
    pub(crate) len: u64,
}

fn pad(output: &mut impl Write, len: u64) -> Result<()> {
    std::io::copy(&mut std::io::repeat(0).take(len), output).map(|_| ()).map_err(|e| Error::io(e, "cannot write"))
}

/// Counts the bytes that went through.
struct Counting<W> {
    inner: W,
    written: u64,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.written = self.written.saturating_add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}
