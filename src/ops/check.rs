//! What is done with each batch of sections on a worker: hash every block, read the links of every inner node.

use super::findings::Findings;
use super::graph::Class;
use super::verify::Counts;
use crate::block::VerifyError;
use crate::cid::{Cid, RawCid, codec, codec_name, hash_code, hash_name, is_commitment};
use crate::dag;
use crate::error::{Code, Finding, Severity};
use crate::format::{Batch, SectionRef};
use crate::hash::{self, Outcome};
use crate::offset::FileOffset;
use crate::store::{Key, Keyer};
use crate::unixfs::{SegmentRule, Strictness, UnixFs, Violation};

/// Whether blocks are hashed. Without, nothing is proven: only for looking at an archive, and to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hashing {
    /// Every block.
    #[default]
    Check,
    /// None.
    Skip,
}

/// What a check of blocks looks at beside their hashes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checks {
    pub(crate) hashing: Hashing,
    pub(crate) keyer: Keyer,
    /// Whether links are read.
    pub(crate) links: bool,
    /// Whether UnixFS nodes that contradict themselves are faults.
    pub(crate) unixfs: Strictness,
    pub(crate) depth_max: u32,
    /// Whether digests will be compared with an index.
    pub(crate) has_index: bool,
}

/// One section, looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    pub(crate) key: Key,
    /// Fingerprint of the digest alone, when there is an index to compare with.
    pub(crate) digest_tag: u64,
    pub(crate) at: FileOffset,
    pub(crate) hash_code: u64,
    pub(crate) codec: u64,
    pub(crate) outcome: Outcome,
    pub(crate) data_len: u64,
    pub(crate) is_v0: bool,
    /// An identity CID met in a link: no section of its own.
    pub(crate) is_virtual: bool,
    /// Set when links were read.
    pub(crate) coverage: Option<dag::Coverage>,
    pub(crate) notes: dag::Notes,
    /// The size of the file, when the block is a file or a part of one.
    pub(crate) file_size: Option<u64>,
    /// Where the CID stands in [`Checked::bytes`], for nodes with links.
    cid: (u32, u8),
    links: (u32, u32),
}

/// One link of a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinkRecord {
    pub(crate) key: Key,
    pub(crate) class: Class,
    /// What a file says of the size of its part.
    pub(crate) part_size: Option<u64>,
    cid: (u32, u8),
    segment: (u32, u32),
}

/// A batch, looked at.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) records: Vec<Record>,
    links: Vec<LinkRecord>,
    bytes: Vec<u8>,
    pub(crate) findings: Vec<Finding>,
    /// Of the sections alone: what repeats is not known yet.
    pub(crate) counts: Counts,
    /// What is worth a note, once a kind.
    pub(crate) notes: Findings,
}

impl Checked {
    pub(crate) fn links(&self, record: &Record) -> &[LinkRecord] {
        self.links.get(record.links.0 as usize..record.links.1 as usize).unwrap_or_default()
    }

    pub(crate) fn cid_of(&self, record: &Record) -> &[u8] {
        self.slice(record.cid.0, u32::from(record.cid.1))
    }

    pub(crate) fn link_cid(&self, link: &LinkRecord) -> &[u8] {
        self.slice(link.cid.0, u32::from(link.cid.1))
    }

    pub(crate) fn segment(&self, link: &LinkRecord) -> &[u8] {
        self.slice(link.segment.0, link.segment.1)
    }

    fn slice(&self, start: u32, len: u32) -> &[u8] {
        self.bytes.get(start as usize..start.saturating_add(len) as usize).unwrap_or_default()
    }

    fn keep(&mut self, bytes: &[u8]) -> (u32, u8) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        (start, bytes.len() as u8)
    }
}

/// Looks at all sections of a batch.
pub(crate) fn check(batch: &Batch, checks: &Checks) -> Checked {
    let mut checked = Checked::default();
    let sections: Vec<SectionRef<'_>> = batch.sections().collect();
    let jobs: Vec<hash::Job<'_>> = sections.iter().map(hash::Job::of).collect();
    let mut outcomes = vec![Outcome::Verified; jobs.len()];
    if checks.hashing == Hashing::Check {
        hash::check_many(&jobs, &mut outcomes);
    }
    checked.records.reserve(jobs.len());
    for (section, outcome) in sections.iter().zip(outcomes) {
        checked.section(section, outcome, checks);
    }
    if checked.counts.commitment_links > 0 {
        let at = sections.first().map_or(batch.end(), |section| section.at);
        let first = || "blocks with links to Filecoin commitments, which are no blocks".to_owned();
        checked.notes.tally(Code::CommitmentLink, at, first);
    }
    checked
}

/// The record of a section whose outcome is known and whose data is not at hand.
pub(crate) fn record(cid: RawCid<'_>, at: FileOffset, data_len: u64, outcome: Outcome, checks: &Checks) -> Record {
    Record {
        key: checks.keyer.key(cid.hash_code(), cid.digest()),
        digest_tag: if checks.has_index { checks.keyer.bytes(cid.digest()).tag() } else { 0 },
        at,
        hash_code: cid.hash_code(),
        codec: cid.codec(),
        outcome,
        data_len,
        is_v0: cid.version() == 0,
        is_virtual: false,
        coverage: None,
        notes: dag::Notes::default(),
        file_size: None,
        cid: (0, 0),
        links: (0, 0),
    }
}

impl Checked {
    fn section(&mut self, section: &SectionRef<'_>, outcome: Outcome, checks: &Checks) {
        let SectionRef { at, cid, data, .. } = *section;
        let mut record = record(cid, at, data.len() as u64, outcome, checks);
        if outcome != Outcome::Verified {
            let error = VerifyError::new(outcome, cid.hash_code(), cid.digest(), data);
            self.findings.push(Finding::new(error.code(), error.to_string()).at(at).cid(cid.to_cid()));
        } else if checks.links {
            self.read_links(&mut record, cid, data, checks);
        }
        self.counts.add(&record);
        self.note(&record);
        self.records.push(record);
    }

    /// Notes what is remarkable about a section.
    fn note(&mut self, record: &Record) {
        let (at, notes) = (record.at, &mut self.notes);
        if record.hash_code == hash_code::IDENTITY {
            notes.tally(Code::IdentitySection, at, || "a section whose CID holds its block already".to_owned());
        }
        if record.is_v0 {
            notes.tally(Code::Cidv0Section, at, || "a section with a CIDv0".to_owned());
        }
        if record.data_len > 2 << 20 {
            let len = record.data_len;
            let first = || format!("a block of {len} bytes, not every implementation takes more than 2097152");
            notes.tally(Code::LargeBlock, at, first);
        }
        if record.outcome == Outcome::Verified && hash::is_unusual(record.hash_code) {
            let name = hash_name(record.hash_code);
            notes.tally(Code::UnusualHash, at, || format!("verified with {name}, which other implementations refuse"));
        }
        if !record.notes.is_empty() {
            let found = record.notes;
            notes.tally(Code::NonCanonical, at, || found.iter().map(|note| note.as_str()).collect::<Vec<_>>().join("; "));
        }
        if record.coverage == Some(dag::Coverage::Unread) {
            let name = codec_name(record.codec);
            notes.tally(Code::UnknownCodec, at, || format!("codec {name}: its links, if any, were not read"));
        }
    }

    /// A section that was hashed piece by piece.
    pub(crate) fn of_huge(record: Record) -> Checked {
        let mut checked = Checked::default();
        checked.counts.add(&record);
        checked.note(&record);
        checked.records.push(record);
        checked
    }

    /// The blocks that identity CIDs among the roots carry in themselves; `at` is where the roots stand.
    pub(crate) fn of_roots(roots: &[Cid], at: FileOffset, checks: &Checks) -> Checked {
        let mut checked = Checked::default();
        let identities = roots.iter().filter(|root| root.hash().code() == hash_code::IDENTITY);
        checked.read_inline(identities.map(Cid::to_bytes).collect(), at, checks);
        checked
    }

    /// Reads the links of one block, and of the blocks that its identity links carry.
    fn read_links(&mut self, record: &mut Record, cid: RawCid<'_>, data: &[u8], checks: &Checks) {
        let mut inline = Vec::new();
        self.links_of(record, cid, data, checks, &mut inline);
        self.read_inline(inline, record.at, checks);
    }

    fn read_inline(&mut self, mut inline: Vec<Vec<u8>>, at: FileOffset, checks: &Checks) {
        // An identity CID has at most 128 bytes of data, so what it can carry in turn shrinks with every step.
        while let Some(bytes) = inline.pop() {
            let Ok(cid) = RawCid::parse(&bytes) else { continue };
            let mut record = record(cid, at, cid.digest().len() as u64, Outcome::Verified, checks);
            record.is_virtual = true;
            self.links_of(&mut record, cid, cid.digest(), checks, &mut inline);
            self.records.push(record);
        }
    }

    fn links_of(&mut self, record: &mut Record, cid: RawCid<'_>, data: &[u8], checks: &Checks, inline: &mut Vec<Vec<u8>>) {
        let start = self.links.len() as u32;
        let read = match cid.codec() {
            codec::DAG_PB => self.read_pb(record, cid, data, checks, inline),
            code => {
                if code == codec::RAW {
                    record.file_size = Some(data.len() as u64);
                }
                let mut room = dag::PathRoom::of(data);
                let outcome = dag::links(code, data, checks.depth_max, &mut |target, path| {
                    self.add_link(target, None, checks, inline, &mut |out| room.write(path, out));
                });
                outcome.map(|outcome| (outcome.coverage, outcome.notes))
            }
        };
        match read {
            Ok((coverage, notes)) => (record.coverage, record.notes) = (Some(coverage), notes),
            Err(error) => {
                let code = if error.is_limit() { Code::LimitReached } else { Code::BadNode };
                let name = codec_name(cid.codec());
                let finding = Finding::new(code, format!("not a sound {name} block: {error}"));
                self.findings.push(finding.at(record.at).cid(cid.to_cid()).severity(Severity::Error));
            }
        }
        record.links = (start, self.links.len() as u32);
        if record.links.0 < record.links.1 {
            record.cid = self.keep(cid.bytes());
        }
    }

    fn add_link(
        &mut self,
        target: RawCid<'_>,
        part_size: Option<u64>,
        checks: &Checks,
        inline: &mut Vec<Vec<u8>>,
        segment: &mut dyn FnMut(&mut Vec<u8>),
    ) {
        if is_commitment(target.codec()) {
            self.counts.commitment_links += 1;
            return;
        }
        if target.hash_code() == hash_code::IDENTITY {
            inline.push(target.bytes().to_vec());
        }
        let cid = self.keep(target.bytes());
        let segment_start = self.bytes.len();
        segment(&mut self.bytes);
        let segment = (segment_start as u32, (self.bytes.len() - segment_start) as u32);
        let key = checks.keyer.key(target.hash_code(), target.digest());
        self.links.push(LinkRecord { key, class: Class::of(target.codec()), part_size, cid, segment });
    }

    /// A dag-pb node, and what it is as UnixFS, if it is: then names may be parts of a path, and parts have sizes.
    fn read_pb(
        &mut self,
        record: &mut Record,
        cid: RawCid<'_>,
        data: &[u8],
        checks: &Checks,
        inline: &mut Vec<Vec<u8>>,
    ) -> Result<(dag::Coverage, dag::Notes), dag::NodeError> {
        let node = dag::pb::PbNode::parse(data)?;
        let unixfs = node.info.data.map(UnixFs::parse).and_then(Result::ok);
        let rule = SegmentRule::of(unixfs.as_ref());
        let mut sizes = None;
        if let Some(unixfs) = unixfs.filter(|_| checks.unixfs == Strictness::Strict) {
            let is_sound = self.check_unixfs(record.at, cid, &unixfs, &node);
            if unixfs.kind.is_file() && is_sound {
                record.file_size = unixfs.size();
                sizes = Some(unixfs.blocksizes.iter());
            }
        }
        for link in &node.links {
            let size = sizes.as_mut().and_then(Iterator::next);
            self.add_link(link.cid, size, checks, inline, &mut |out| out.extend_from_slice(rule.segment(link.name())));
        }
        Ok((dag::Coverage::Read, node.info.notes))
    }

    /// The rules that one UnixFS node can break on its own; whether it keeps those of its kind.
    fn check_unixfs(&mut self, at: FileOffset, cid: RawCid<'_>, unixfs: &UnixFs<'_>, node: &dag::pb::PbNode<'_>) -> bool {
        let finding = match unixfs.check_links(&node.links) {
            Ok(_) => return true,
            // Names are a matter of who writes them to a disk, and refused there; the archive is sound.
            Err(error @ (Violation::Name { .. } | Violation::RepeatedName { .. })) => {
                Finding::new(Code::NonCanonical, format!("a directory that cannot be extracted as it is: {error}"))
            }
            Err(error) => Finding::new(Code::BadNode, format!("a UnixFS node that contradicts itself: {error}")),
        };
        self.findings.push(finding.at(at).cid(cid.to_cid()));
        false
    }
}
