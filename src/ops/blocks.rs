//! Lists the sections of an archive, in file order.

use super::check::Hashing;
use super::huge::{self, Proof};
use super::pipeline::{self, Job, Pieces};
use crate::block::VerifyError;
use crate::cid::{Cid, RawCid};
use crate::control::Control;
use crate::error::{Finding, Result};
use crate::format::{Batch, Framer, Huge};
use crate::hash::{self, Outcome};
use crate::offset::FileOffset;
use crate::store::Input;

/// One section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockInfo {
    /// The CID it claims.
    pub cid: Cid,
    /// Where its length varint stands in the file.
    pub offset: FileOffset,
    /// Bytes of the whole section, length varint included.
    pub length: u64,
    /// Where its data starts in the file.
    pub block_offset: FileOffset,
    /// Bytes of its data.
    pub block_length: u64,
}

/// Gives every section whose bytes match its CID (every section at all with [`Hashing::Skip`]) to `on_block`, and what is
/// wrong with the archive to `on_finding`, both in file order.
///
/// # Errors
/// When the input is no CAR file or cannot be read, or what `on_block` returns.
pub fn list(
    input: Input,
    hashing: Hashing,
    control: &Control,
    mut on_block: impl FnMut(&BlockInfo) -> Result<()> + Send,
    on_finding: impl FnMut(Finding) + Send,
) -> Result<()> {
    let file_len = input.file_len();
    let mut on_finding = on_finding;
    let mut framer = Framer::open(input, file_len, control.limits, control.trailing_zeros)?;
    framer.take_opening_findings().into_iter().for_each(&mut on_finding);
    if hashing == Hashing::Check {
        let state = Sinks { on_block: &mut on_block, on_finding: &mut on_finding };
        return pipeline::run(&mut framer, &List, state, control).map(|_| ());
    }
    let mut batch = Batch::default();
    let mut more = true;
    while more {
        control.check()?;
        more = framer.next_batch(&mut batch)?;
        for section in batch.sections() {
            on_block(&info(section.cid, section.at, section.head_len, section.data.len() as u64))?;
        }
        if let Some(huge) = batch.huge.take() {
            framer.read_huge(&huge, |_| control.check())?.into_iter().for_each(&mut on_finding);
            let cid = RawCid::parse(&huge.cid).unwrap_or(RawCid::EMPTY);
            on_block(&info(cid, huge.at, huge.head_len, huge.data_len))?;
        }
        batch.findings.drain(..).for_each(&mut on_finding);
    }
    Ok(())
}

fn info(cid: RawCid<'_>, at: FileOffset, head_len: u32, data_len: u64) -> BlockInfo {
    let head_len = u64::from(head_len);
    BlockInfo {
        cid: cid.to_cid(),
        offset: at,
        length: head_len.saturating_add(data_len),
        block_offset: at.plus(head_len),
        block_length: data_len,
    }
}

struct Sinks<'s> {
    on_block: &'s mut (dyn FnMut(&BlockInfo) -> Result<()> + Send),
    on_finding: &'s mut (dyn FnMut(Finding) + Send),
}

struct List;

impl<'s> Job<Sinks<'s>> for List {
    type Output = Vec<Outcome>;

    fn work(&self, batch: &Batch) -> Vec<Outcome> {
        let jobs: Vec<_> = batch.sections().map(|section| hash::Job::of(&section)).collect();
        let mut outcomes = Vec::with_capacity(jobs.len());
        hash::check_many(&jobs, &mut outcomes);
        outcomes
    }

    fn take(&self, sinks: &mut Sinks<'s>, batch: &mut Batch, outcomes: Vec<Outcome>) -> Result<()> {
        for (section, outcome) in batch.sections().zip(outcomes) {
            let (cid, at) = (section.cid, section.at);
            if outcome == Outcome::Verified {
                (sinks.on_block)(&info(cid, at, section.head_len, section.data.len() as u64))?;
            } else {
                let error = VerifyError::new(outcome, cid.hash_code(), cid.digest(), section.data);
                (sinks.on_finding)(Finding::new(error.code(), error.to_string()).at(at).cid(cid.to_cid()));
            }
        }
        batch.findings.drain(..).for_each(&mut sinks.on_finding);
        Ok(())
    }

    fn huge(&self, sinks: &mut Sinks<'s>, huge: &Huge, pieces: &mut Pieces<'_>) -> Result<()> {
        let cid = RawCid::parse(&huge.cid).unwrap_or(RawCid::EMPTY);
        match huge::prove(huge, cid, pieces, &mut |_| Ok(()))? {
            Proof::Sound => (sinks.on_block)(&info(cid, huge.at, huge.head_len, huge.data_len))?,
            Proof::Unsound(_, finding) | Proof::Cut(finding) => (sinks.on_finding)(finding),
        }
        Ok(())
    }
}
