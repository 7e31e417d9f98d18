//! Makes a directory out of its entries: one block, or shards when it is large.

use super::made::{self, Emit, Made};
use super::message::{Message, Metadata};
use super::{Measure, Profile, Start, shard};
use crate::cid::RawCid;
use crate::dag::pb::{self, PbLink};
use crate::error::Result;
use crate::unixfs::{EntryName, Kind};
use crate::varint;

/// Gathers the entries of one directory: for each its name, its CID and a few bytes more, without an allocation of its own.
#[derive(Debug, Clone)]
pub struct DirectoryBuilder {
    profile: Profile,
    records: Vec<u8>,
    count: usize,
    names_and_cids_len: u64,
    links_len: u64,
}

/// One entry, as it was kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) name: &'a [u8],
    pub(super) cid: RawCid<'a>,
    pub(super) tsize: u64,
}

impl<'a> Record<'a> {
    /// Reads the record at the front of `bytes`, and what is behind it.
    pub(super) fn split(bytes: &'a [u8]) -> Option<(Record<'a>, &'a [u8])> {
        let number = |bytes: &'a [u8]| {
            let (value, len) = varint::read(bytes).ok()?;
            Some((value, bytes.get(len..)?))
        };
        let (name_len, bytes) = number(bytes)?;
        let (name, bytes) = bytes.split_at_checked(usize::try_from(name_len).ok()?)?;
        let cid = RawCid::parse_prefix(bytes).ok()?;
        let (tsize, bytes) = number(bytes.get(cid.bytes().len()..)?)?;
        Some((Record { name, cid, tsize }, bytes))
    }

    pub(super) fn link(self) -> PbLink<'a> {
        PbLink { cid: self.cid, name: Some(self.name), tsize: Some(self.tsize) }
    }
}

/// The records one behind the other, each with its place.
pub(super) fn records(bytes: &[u8]) -> impl Iterator<Item = (usize, Record<'_>)> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let at = bytes.len().saturating_sub(rest.len());
        let (record, behind) = Record::split(rest)?;
        rest = behind;
        Some((at, record))
    })
}

impl DirectoryBuilder {
    /// A directory without entries so far.
    pub fn new(profile: &Profile) -> DirectoryBuilder {
        DirectoryBuilder { profile: *profile, records: Vec::new(), count: 0, names_and_cids_len: 0, links_len: 0 }
    }

    /// Adds an entry, in any order. The caller sees to it that no name comes twice.
    pub fn add(&mut self, name: EntryName<'_>, made: &Made) {
        let (name, cid) = (name.as_bytes(), made.cid());
        varint::write(name.len() as u64, &mut self.records);
        self.records.extend_from_slice(name);
        self.records.extend_from_slice(cid.bytes());
        // A Tsize of 2^63 and more does not fit our varints, and no file system.
        varint::write(made.tsize.min(i64::MAX as u64), &mut self.records);
        self.count = self.count.saturating_add(1);
        let both = (name.len() as u64).saturating_add(cid.bytes().len() as u64);
        self.names_and_cids_len = self.names_and_cids_len.saturating_add(both);
        let link = PbLink { cid, name: Some(name), tsize: Some(made.tsize) };
        self.links_len = self.links_len.saturating_add(pb::encoded_link_len(&link) as u64);
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Makes the blocks of the directory, shards from the leaves up, and hands them over.
    ///
    /// # Errors
    /// What `emit` returns; for shards also when two names have one hash.
    pub fn finish(self, metadata: &Metadata, emit: &mut Emit<'_>) -> Result<Made> {
        let message = Message::new(Kind::Directory).finish(metadata);
        if self.is_sharded(&message) {
            return shard::build(&self.profile, &self.records, self.count, metadata, emit);
        }
        let links: Vec<PbLink<'_>> = records(&self.records).map(|(_, record)| record.link()).collect();
        made::node(&self.profile, &links, &message, 0, emit)
    }

    fn is_sharded(&self, message: &[u8]) -> bool {
        let rule = &self.profile.sharding;
        let measured = match rule.measure {
            Measure::Entries => self.count as u64,
            Measure::Links => self.names_and_cids_len,
            Measure::Block => self.links_len.saturating_add(pb::encode(&[], Some(message)).len() as u64),
        };
        let above = rule.threshold.is_some_and(|threshold| match rule.start {
            Start::Above => measured > threshold,
            Start::At => measured >= threshold,
        });
        above && self.count > 0
    }
}
