//! Every section of an archive hashed on all cores, and handed on in file order with what the hashing said.

use super::huge::{self, Proof};
use super::pipeline::{self, Job, Pieces};
use crate::block::VerifyError;
use crate::cid::RawCid;
use crate::control::Control;
use crate::error::{Finding, Result};
use crate::format::{Batch, Framer, Huge, SectionRef};
use crate::hash::{self, Outcome};
use crate::offset::FileOffset;
use crate::store::{Key, Keyer};
use std::io::Read;

/// What a section is remembered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identify {
    /// All bytes of the CID.
    Cid,
    /// The multihash: CIDs that name the same bytes are the same.
    Multihash,
}

impl Identify {
    /// The fingerprint of what counts.
    pub(crate) fn key(self, keyer: &Keyer, cid: RawCid<'_>) -> Key {
        match self {
            Identify::Cid => keyer.bytes(cid.bytes()),
            Identify::Multihash => keyer.key(cid.hash_code(), cid.digest()),
        }
    }
}

/// A section without its data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SectionHead<'a> {
    pub(crate) at: FileOffset,
    pub(crate) cid: RawCid<'a>,
    pub(crate) key: Key,
    pub(crate) head_len: u32,
    pub(crate) data_len: u64,
}

impl SectionHead<'_> {
    /// The first byte behind the section.
    pub(crate) fn end(&self) -> FileOffset {
        self.at.plus(u64::from(self.head_len)).plus(self.data_len)
    }
}

/// Takes sections in file order. Any error ends the scan.
pub(crate) trait Collector: Send {
    /// Takes a section whose bytes match its CID.
    fn sound(&mut self, head: SectionHead<'_>, data: &[u8]) -> Result<()>;

    /// Takes a section whose bytes do not match, or cannot be matched; `why` says which.
    fn unsound(&mut self, head: SectionHead<'_>, data: &[u8], why: Finding) -> Result<()>;

    /// Takes what was wrong or remarkable between the sections.
    fn remark(&mut self, finding: Finding) -> Result<()>;

    /// Takes a section too long to hold before it is hashed. `false`: its bytes are not wanted.
    fn huge(&mut self, head: SectionHead<'_>) -> Result<bool>;

    /// Takes the next bytes of such a section.
    fn huge_piece(&mut self, piece: &[u8]) -> Result<()>;

    /// Says how such a section ended: `None` when its bytes match.
    fn huge_end(&mut self, head: SectionHead<'_>, why: Option<Finding>) -> Result<()>;
}

struct Scan {
    keyer: Keyer,
    identify: Identify,
}

/// Hands all sections that `framer` has left to `collector`.
///
/// # Errors
/// A failed read, a request to stop, or what the collector returns.
pub(crate) fn scan<R: Read + Send, C: Collector>(
    framer: &mut Framer<R>,
    keyer: Keyer,
    identify: Identify,
    mut collector: C,
    control: &Control,
) -> Result<C> {
    for finding in framer.take_opening_findings() {
        collector.remark(finding)?;
    }
    pipeline::run(framer, &Scan { keyer, identify }, collector, control)
}

/// What hashing says about each section of a batch.
struct Hashed {
    sections: Vec<(Key, Outcome)>,
}

impl<C: Collector> Job<C> for Scan {
    type Output = Hashed;

    fn work(&self, batch: &Batch) -> Hashed {
        let jobs: Vec<hash::Job<'_>> = batch.sections().map(|section| hash::Job::of(&section)).collect();
        let mut outcomes = Vec::with_capacity(jobs.len());
        hash::check_many(&jobs, &mut outcomes);
        let keys = batch.sections().map(|s| self.identify.key(&self.keyer, s.cid));
        Hashed { sections: keys.zip(outcomes).collect() }
    }

    fn take(&self, collector: &mut C, batch: &mut Batch, hashed: Hashed) -> Result<()> {
        let mut findings = std::mem::take(&mut batch.findings);
        findings.sort_by_key(|finding| finding.at);
        let mut findings = findings.into_iter().peekable();
        for (SectionRef { at, cid, data, head_len }, (key, outcome)) in batch.sections().zip(hashed.sections) {
            while let Some(finding) = findings.next_if(|finding| finding.at < Some(at)) {
                collector.remark(finding)?;
            }
            let head = SectionHead { at, cid, key, head_len, data_len: data.len() as u64 };
            if outcome == Outcome::Verified {
                collector.sound(head, data)?;
            } else {
                let error = VerifyError::new(outcome, cid.hash_code(), cid.digest(), data);
                let why = Finding::new(error.code(), error.to_string()).at(at).cid(cid.to_cid());
                collector.unsound(head, data, why)?;
            }
        }
        findings.try_for_each(|finding| collector.remark(finding))
    }

    fn huge(&self, collector: &mut C, huge: &Huge, pieces: &mut Pieces<'_>) -> Result<()> {
        let Ok(cid) = RawCid::parse(&huge.cid) else { return Ok(()) };
        let head = SectionHead {
            at: huge.at,
            cid,
            key: self.identify.key(&self.keyer, cid),
            head_len: huge.head_len,
            data_len: huge.data_len,
        };
        let wanted = collector.huge(head)?;
        let mut on_piece = |piece: &[u8]| if wanted { collector.huge_piece(piece) } else { Ok(()) };
        let why = match huge::prove(huge, cid, pieces, &mut on_piece)? {
            Proof::Sound => None,
            Proof::Unsound(_, why) | Proof::Cut(why) => Some(why),
        };
        collector.huge_end(head, why)
    }
}
