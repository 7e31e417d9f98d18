//! The archive that blocks go to, or the count of what would.

use crate::cid::{Cid, RawCid, codec};
use crate::error::{Error, Result};
use crate::format::Header;
use crate::ops::archive_writer::{ArchiveWriter, Version};
use crate::ops::sink::Sink;
use crate::store::{Key, Keyer};
use crate::unixfs::build::{Made, Profile, Repeats};
use crate::varint;
use hashbrown::HashTable;
use std::io::BufWriter;

/// Parts of the set of written blocks. They grow one at a time, so that never twice the whole is held.
const PARTS: usize = 16;

/// Writes blocks as they are made, children before parents; the header, which names the root, comes last.
pub(super) struct Archive {
    output: Output,
    /// The name for errors of the output.
    name: String,
    profile: Profile,
    version: Version,
    /// The first block, until a second comes: if it stays alone it is the root, and a header with its CID may have another length.
    first: Option<(Vec<u8>, Vec<u8>)>,
    seen: Option<Seen>,
    pub(super) blocks: u64,
    /// Bytes of the sections.
    section_bytes: u64,
}

enum Output {
    None,
    Waiting(BufWriter<Sink>),
    Open(Box<ArchiveWriter>),
}

/// The CIDs written so far.
struct Seen {
    parts: [HashTable<Key>; PARTS],
    keyer: Keyer,
}

impl Seen {
    fn is_new(&mut self, cid: RawCid<'_>) -> bool {
        let key = self.keyer.bytes(cid.bytes());
        let part = (key.0[1] % PARTS as u64) as usize;
        let Some(part) = self.parts.get_mut(part) else { return true };
        if part.find(key.tag(), |seen| *seen == key).is_some() {
            return false;
        }
        part.insert_unique(key.tag(), key, |key| key.tag());
        true
    }
}

impl Archive {
    /// Into `sink`, or nowhere.
    pub(super) fn new(sink: Option<BufWriter<Sink>>, name: String, profile: &Profile, version: Version) -> Archive {
        let seen = match profile.repeats {
            Repeats::Once => Some(Seen { parts: Default::default(), keyer: Keyer::new() }),
            Repeats::Each => None,
        };
        let output = sink.map_or(Output::None, Output::Waiting);
        Archive { output, name, profile: *profile, version, first: None, seen, blocks: 0, section_bytes: 0 }
    }

    /// Takes a block. Its CID was made of these bytes just now: this is the way out of the tool.
    pub(super) fn put(&mut self, cid: RawCid<'_>, data: &[u8]) -> Result<()> {
        if !self.seen.as_mut().is_none_or(|seen| seen.is_new(cid)) {
            return Ok(());
        }
        self.blocks += 1;
        let len = (cid.bytes().len() as u64).saturating_add(data.len() as u64);
        self.section_bytes = self.section_bytes.saturating_add(len).saturating_add(varint::encoded_len(len) as u64);
        if matches!(self.output, Output::None) {
            return Ok(());
        }
        if self.blocks == 1 {
            self.first = Some((cid.bytes().to_vec(), data.to_vec()));
            return Ok(());
        }
        if let Some((first, data)) = self.first.take() {
            // Above two blocks stands a dag-pb root, whose CID has a known length.
            let root = Made::new(&self.profile, codec::DAG_PB, &[], 0)?;
            self.open(root.cid())?;
            self.write(RawCid::parse(&first).unwrap_or(RawCid::EMPTY), &data)?;
        }
        self.write(cid, data)
    }

    /// Writes the header with the true root; `Some` archive is ready to be named. Gives its length in bytes.
    pub(super) fn finish(mut self, root: &Made) -> Result<(Option<BufWriter<Sink>>, u64)> {
        let header = Header::from_cids(&[root.to_cid()]);
        let bytes = header.encoded_len().saturating_add(self.section_bytes);
        if let Some((first, data)) = self.first.take() {
            self.open(root.cid())?;
            self.write(RawCid::parse(&first).unwrap_or(RawCid::EMPTY), &data)?;
        }
        let Output::Open(writer) = self.output else { return Ok((None, bytes)) };
        if writer.payload_len() != bytes {
            let message = format!("{} bytes were written, {bytes} expected", writer.payload_len());
            return Err(Error::io(std::io::ErrorKind::Other.into(), message).in_file(self.name));
        }
        let finished = writer.finish_with(&header).map_err(|e| e.in_file(&*self.name))?;
        Ok((Some(finished.sink), finished.len))
    }

    fn open(&mut self, root: RawCid<'_>) -> Result<()> {
        if let Output::Waiting(sink) = std::mem::replace(&mut self.output, Output::None) {
            let header: Cid = root.to_cid();
            let writer = ArchiveWriter::new(sink, &Header::from_cids(&[header]), self.version);
            self.output = Output::Open(Box::new(writer.map_err(|e| e.in_file(&*self.name))?));
        }
        Ok(())
    }

    fn write(&mut self, cid: RawCid<'_>, data: &[u8]) -> Result<()> {
        match &mut self.output {
            Output::Open(writer) => writer.write_section(cid, data).map_err(|e| e.in_file(&*self.name)),
            Output::None | Output::Waiting(_) => Ok(()),
        }
    }
}
