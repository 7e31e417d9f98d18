//! One verified archive for one DAG, from whatever holds pieces of it.
//!
//! Inputs are archives in any state and files that are single blocks. Every block is hashed; what does not match is left
//! out, whatever the order, and said. The output depends on the DAG alone: depth first with links in block order,
//! each block once, CIDs as the links write them, no identity blocks.

mod pool;
mod root;

use super::MissingBlock;
use super::archive_writer::{ArchiveWriter, Finished, Version};
use super::expect::{Answer, Expect, missing_on_the_way};
use super::sink::Sink;
use super::source;
use crate::block::Block;
use crate::cid::{Cid, RawCid};
use crate::control::Control;
use crate::error::{Code, Error, ErrorKind, Finding, Result};
use crate::format::Header;
use crate::store::Existing;
use pool::Pool;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// Missing blocks that are listed one by one; the rest is counted.
const LISTED_MAX: usize = 100_000;

/// What to do when blocks are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// Write nothing.
    #[default]
    Refuse,
    /// Write what there is (`--allow-missing`), without roots in the header: a header lists complete DAGs only. The path
    /// asked for must be there all the same.
    Allow,
}

/// What to build.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What the archive must answer. `None`: the whole DAG below the one root that the inputs' headers name; if they name
    /// none, below the one block that no other block links to.
    pub expect: Option<Expect>,
    /// What to do when it is not all there.
    pub missing: Missing,
    /// The version of the archive.
    pub version: Version,
    /// What to do when the output exists.
    pub existing: Existing,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The archive is written and complete.
    Complete,
    /// The archive is written; blocks are missing.
    Partial,
    /// Nothing is written: blocks are missing.
    Missing,
    /// Nothing is written: of a missing block there is a copy, and it is damaged or cannot be verified.
    Damaged(Code),
}

/// What was built, or why it was not.
#[derive(Debug, Clone)]
#[must_use = "nothing may have been written"]
pub struct Summary {
    /// How it went.
    pub status: Status,
    /// The root of the DAG; with a path the block at its end.
    pub root: Cid,
    /// Blocks of the answer that are there.
    pub blocks: u64,
    /// Bytes written.
    pub bytes: u64,
    /// What is missing, in the order of the walk; at most 100,000 of them.
    pub missing: Vec<MissingBlock>,
    /// How many are missing.
    pub missing_blocks: u64,
}

impl Summary {
    /// The error that this amounts to, unless the archive was written.
    pub fn error(&self) -> Option<Error> {
        let blocks = match self.missing_blocks {
            1 => "1 block is missing".to_owned(),
            count => format!("{count} blocks are missing"),
        };
        let first = self.missing.first().map(|missing| missing.cid);
        let (kind, message) = match self.status {
            Status::Complete | Status::Partial => return None,
            Status::Missing => (ErrorKind::Missing, format!("{blocks}, nothing was written")),
            Status::Damaged(code) => {
                let kind = if code == Code::UnsupportedHash { ErrorKind::Unsupported(code) } else { ErrorKind::Format(code) };
                (kind, format!("{blocks}, and there are only damaged copies of some; nothing was written"))
            }
        };
        let error = Error::new(kind, message);
        Some(if let Some(cid) = first { error.cid(cid) } else { error })
    }
}

/// Builds the archive `output` (`-` is standard output, which gets it when it is whole) from `inputs` (`-` is standard
/// input, at most once). `on_finding` is told what is wrong with an input, with its name; such faults end nothing, what is
/// sound before and after them is used.
///
/// A file that is no archive is taken for a block: of the CID that its name is (`<cid>`, `<cid>.bin`, `<cid>.raw`,
/// `<cid>.car`), or of any wanted CID that its bytes hash to.
///
/// # Errors
/// A request that makes no sense, such as a DAG that cannot be told; a block of the DAG that is not what its codec says; a
/// path that leads nowhere; a file that fails or changes; a request to stop. Missing blocks are no `Err` but a
/// [`Status`]; [`Summary::error`] makes one of them.
pub fn build(
    inputs: &[PathBuf],
    output: &Path,
    options: &Options,
    control: &Control,
    on_finding: &mut dyn FnMut(&str, Finding),
) -> Result<Summary> {
    source::check_inputs(inputs)?;
    let sink = Sink::create(output, options.existing, inputs)?;
    let mut pool = Pool::new(control);
    for input in inputs {
        control.check()?;
        pool.add(input, control, on_finding)?;
    }
    let expect = match &options.expect {
        Some(expect) => expect.clone(),
        None => Expect::whole(root::find(&pool, control)?),
    };
    let answer = match expect.follow(&pool, control) {
        Ok(answer) => answer,
        Err(error) => {
            let missing = missing_on_the_way(&expect, error)?;
            pool.report_unused(on_finding);
            return Ok(refused(expect.root, vec![missing], &pool));
        }
    };
    let (version, output) = (options.version, output.display().to_string());
    let building = Building { pool: &pool, answer: &answer, version, control, output };
    let (mut sink, mut summary) = building.write(sink, &Header::from_cids(&[answer.end]))?;
    pool.report_unused(on_finding);
    if summary.missing_blocks > 0 {
        if options.missing == Missing::Refuse {
            return Ok(Summary {
                blocks: summary.blocks,
                missing_blocks: summary.missing_blocks,
                ..refused(answer.end, summary.missing, &pool)
            });
        }
        Sink::restart(&mut sink)?;
        (sink, summary) = building.write(sink, &Header::from_cids(&[]))?;
        summary.status = Status::Partial;
    }
    Sink::commit(sink)?;
    Ok(summary)
}

fn refused(root: Cid, missing: Vec<MissingBlock>, pool: &Pool) -> Summary {
    let damaged = missing.iter().find_map(|missing| pool.damage(&missing.cid));
    let missing_blocks = missing.len() as u64;
    Summary { status: damaged.map_or(Status::Missing, Status::Damaged), root, blocks: 0, bytes: 0, missing, missing_blocks }
}

struct Building<'a> {
    pool: &'a Pool,
    answer: &'a Answer,
    version: Version,
    control: &'a Control,
    output: String,
}

impl Building<'_> {
    /// Writes all blocks of the answer that are there.
    fn write(&self, sink: BufWriter<Sink>, header: &Header) -> Result<(BufWriter<Sink>, Summary)> {
        let mut writer = ArchiveWriter::new(sink, header, self.version)?;
        let (mut missing, mut missing_blocks, mut blocks) = (Vec::new(), 0u64, 0u64);
        let output = &self.output;
        let mut on_block = |block: &Block| {
            let cid = block.cid().to_bytes();
            blocks += 1;
            writer.write_section(RawCid::parse(&cid).unwrap_or(RawCid::EMPTY), block.data()).map_err(|e| e.in_file(&**output))
        };
        let mut on_missing = |block: MissingBlock| {
            missing_blocks += 1;
            // A damaged copy decides the verdict, so it is listed in any case.
            if missing.len() < LISTED_MAX || self.pool.damage(&block.cid).is_some() {
                missing.push(block);
            }
            Ok(())
        };
        self.answer.blocks(self.pool, self.control, &mut on_block, &mut on_missing)?;
        let Finished { sink, len: bytes } = writer.finish()?;
        let summary = Summary { status: Status::Complete, root: self.answer.end, blocks, bytes, missing, missing_blocks };
        Ok((sink, summary))
    }
}

#[cfg(test)]
mod tests;
