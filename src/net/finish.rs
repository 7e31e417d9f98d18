//! The end of a fetch: the archive in canonical form, and what became of everything.

use super::fetch::Fetch;
use super::held::Held;
use super::plan::{PathState, Plan};
use super::want::{Failure, Fetched, Missing, PathOutcome, Scope, Status, Want, WantPath};
use crate::block::Block;
use crate::cid::{Cid, RawCid, same_block};
use crate::control::Control;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Header, Writer};
use crate::ops::build;
use crate::ops::expect::{self, Answer, Visit};
use crate::ops::sink::Sink;
use crate::unixfs::{FileReader, Strictness};
use std::path::Path;
use std::sync::atomic::Ordering;

impl Fetch<'_> {
    /// Writes the archive if it may be written, and tells what became of what.
    ///
    /// # Errors
    /// When the disk fails or the work is to stop.
    pub(super) fn finish(self, plan: Plan) -> Result<Fetched> {
        let complete = self.complete_answers(&plan)?;
        let paths = self.outcomes(&plan, &complete)?;
        let missing = self.missing(&plan);
        let failure = self.overall(&plan, &paths);
        let header_roots = header_roots(&self.want, &plan, &complete);
        let mut fetched = Fetched {
            failure,
            scope: plan.scope,
            is_written: false,
            header_roots,
            paths,
            blocks: plan.blocks,
            bytes: 0,
            missing,
            missing_blocks: plan.gap_count,
            sources: plan.shares.clone(),
            requests: self.requests.load(Ordering::Relaxed),
            remarks: std::mem::take(&mut self.notes().remarks),
        };
        let may_be_partial = self.target.missing == build::Missing::Allow && plan.blocks > 0 && plan.fault.is_none();
        let target = self.target;
        if plan.is_nothing() {
            fetched.header_roots.clear();
            self.held.into_part().remove()?;
        } else if plan.is_complete() || may_be_partial {
            fetched.bytes = write(self.held, &plan, &fetched.header_roots, &target.path, target.existing, &self.session.control)?;
            fetched.is_written = true;
        } else {
            fetched.header_roots.clear();
            if self.held.part_blocks() == 0 {
                self.held.into_part().remove()?;
            }
        }
        Ok(fetched)
    }

    /// Which answers lack nothing.
    fn complete_answers(&self, plan: &Plan) -> Result<Vec<bool>> {
        if plan.is_complete() || plan.answers.len() <= 1 {
            return Ok(vec![plan.is_complete(); plan.answers.len()]);
        }
        let control = &self.session.control;
        plan.answers.iter().map(|answer| is_complete(answer, &self.held, control)).collect()
    }

    /// What became of each path, in the order of the want.
    fn outcomes(&self, plan: &Plan, complete: &[bool]) -> Result<Vec<PathOutcome>> {
        let root = vec![WantPath::default()];
        let paths = if self.want.paths.is_empty() { &root } else { &self.want.paths };
        let mut outcomes = Vec::new();
        for (path, state) in paths.iter().zip(&plan.paths) {
            let mut outcome = PathOutcome { path: path.clone(), by_fallback: false, cid: None, failure: None, bytes: None };
            match state {
                PathState::Found(cid, by_fallback, index) => {
                    (outcome.cid, outcome.by_fallback) = (Some(*cid), *by_fallback);
                    let is_complete = if plan.scope == Scope::Root {
                        plan.is_complete() || self.is_whole_below(cid)?
                    } else {
                        complete.get(*index).copied().unwrap_or(false)
                    };
                    if is_complete {
                        let file = FileReader::open(&self.held, cid, Strictness::Lenient);
                        outcome.bytes = file.ok().map(|file| file.size());
                    } else {
                        outcome.failure = Some(self.reason(plan));
                    }
                }
                PathState::Nothing(why) => {
                    outcome.failure = Some(Failure { status: Status::NotFound, reason: why.clone(), retryable: false });
                }
                PathState::Faulty(error) => outcome.failure = Some(fault(error)),
                PathState::Open => outcome.failure = Some(self.reason(plan)),
            }
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    fn is_whole_below(&self, cid: &Cid) -> Result<bool> {
        let answer = expect::Expect::whole(*cid).follow(&self.held, &self.session.control)?;
        is_complete(&answer, &self.held, &self.session.control)
    }

    /// Why blocks are missing, in one.
    fn reason(&self, plan: &Plan) -> Failure {
        if let Some(error) = &plan.fault {
            return fault(error);
        }
        let notes = self.notes();
        let failures = || plan.gaps.iter().filter_map(|gap| notes.failed.get(&self.key(&gap.cid)));
        let retryable = failures().any(|failure| failure.retryable);
        if let Some(why) = &notes.bad {
            return Failure { status: Status::Corrupt, reason: why.clone(), retryable };
        }
        if let Some(why) = &notes.limit {
            return Failure { status: Status::Limit, reason: why.clone(), retryable: false };
        }
        let all_blocked = failures().next().is_some() && failures().all(|failure| failure.status == Status::Blocked);
        let first = failures().next().map(|failure| failure.reason.clone());
        let status = if all_blocked { Status::Blocked } else { Status::Missing };
        let reason = first.unwrap_or_else(|| "not all sources were asked".to_owned());
        Failure { status, reason, retryable }
    }

    fn missing(&self, plan: &Plan) -> Vec<Missing> {
        let other = self.reason(plan);
        let notes = self.notes();
        let missing = plan.gaps.iter().map(|gap| Missing {
            cid: gap.cid,
            needed_by: gap.needed_by.clone(),
            failure: notes.failed.get(&self.key(&gap.cid)).unwrap_or(&other).clone(),
        });
        missing.collect()
    }

    fn overall(&self, plan: &Plan, paths: &[PathOutcome]) -> Option<Failure> {
        if !plan.is_complete() {
            return Some(self.reason(plan));
        }
        paths.iter().find_map(|path| path.failure.clone())
    }
}

/// Whether nothing of an answer is missing.
fn is_complete(answer: &Answer, held: &Held<'_>, control: &Control) -> Result<bool> {
    let mut count = 0u64;
    let mut on_missing = |_| {
        count = count.saturating_add(1);
        Ok(())
    };
    let walked = expect::visit(std::slice::from_ref(answer), held, control, Visit::Cids(&mut |_| Ok(())), &mut on_missing);
    match walked {
        Ok(()) => Ok(count == 0),
        Err(error) if error.code().is_some() => Ok(false),
        Err(error) => Err(error),
    }
}

/// A block that is what its CID says, and not what its codec says.
fn fault(error: &Error) -> Failure {
    let status = if matches!(error.kind, ErrorKind::Limit(_)) { Status::Limit } else { Status::Corrupt };
    Failure { status, reason: error.to_string(), retryable: false }
}

/// The roots of complete DAGs, each once.
fn header_roots(want: &Want, plan: &Plan, complete: &[bool]) -> Vec<Cid> {
    if plan.scope == Scope::Root {
        return if plan.is_complete() { vec![want.root] } else { Vec::new() };
    }
    let mut roots: Vec<Cid> = Vec::new();
    for (answer, _) in plan.answers.iter().zip(complete).filter(|(_, complete)| **complete) {
        if !roots.iter().any(|root| same_block(root, &answer.end)) {
            roots.push(answer.end);
        }
    }
    roots
}

/// Gives the part file its name if it is the archive already, and writes the archive otherwise. Gives back its length.
fn write(
    held: Held<'_>,
    plan: &Plan,
    roots: &[Cid],
    path: &Path,
    existing: crate::store::Existing,
    control: &Control,
) -> Result<u64> {
    let header = Header::from_cids(roots);
    let front = header.encode();
    let (header_len, len) = held.part_lens();
    if plan.is_in_order && front.len() as u64 == header_len && path != Path::new("-") {
        held.into_part().commit(&front, path, existing)?;
        return Ok(len);
    }
    let sink = Sink::create(path, existing, &[])?;
    let mut writer = Writer::new(sink, &header)?;
    let mut on_block = |block: &Block| {
        let cid = block.cid().to_bytes();
        writer.write_section(RawCid::parse(&cid).unwrap_or(RawCid::EMPTY), block.data())
    };
    expect::visit(&plan.answers, &held, control, Visit::Blocks(&mut on_block), &mut |_| Ok(()))?;
    let bytes = writer.written();
    Sink::commit(writer.finish()?)?;
    held.into_part().remove()?;
    Ok(bytes)
}
