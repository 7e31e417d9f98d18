//! One archive in parts of bounded length, each an archive of its own.
//!
//! [`merge`](super::merge) of all parts has every block again, and every root. No part appears under its name before all are whole.

mod tree;

use super::archive_writer::{ArchiveWriter, Finished, Version};
use super::copy::{Copy, Receiver};
use super::merge::Unverified;
use super::scan::{self, Identify, SectionHead};
use super::sink::Sink;
use super::source::Source;
use crate::cid::{Cid, RawCid};
use crate::control::Control;
use crate::error::{Error, Finding, Result};
use crate::format::{Framer, Header};
use crate::store::{Closed, Existing, Key, Keyer};
use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};

/// How blocks are dealt to the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Consecutive sections, each part under the header of the archive. A part need not have the blocks of the roots.
    #[default]
    Simple,
    /// Depth first below each root. A part has one root, and in front the blocks on the way from it to where the part goes on, so
    /// that it can be read alone. Blocks that no root leads to come last, in parts without roots. Each CID is written once, apart
    /// from the blocks on the way and the roots.
    Tree,
}

/// How to split.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Longest part in bytes.
    pub part_len_max: u64,
    /// How blocks are dealt to the parts.
    pub strategy: Strategy,
    /// Blocks that cannot be verified. [`Strategy::Tree`] refuses those below a root in any case.
    pub unverified: Unverified,
    /// What to do when a part exists.
    pub existing: Existing,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its file.
    pub file: PathBuf,
    /// The roots in its header.
    pub roots: Vec<Cid>,
    /// Its sections.
    pub blocks: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Splits the archive `input` (`-` is standard input) into `<prefix>-00001.car`, `<prefix>-00002.car` and so on; at least one.
/// `on_finding` is told what is remarkable about the input.
///
/// # Errors
/// Parts too short for a block, with that block and the least length that would do; the first fault of the input; a part that exists; a
/// file that fails; a request to stop. No part is left then, unless it was naming them that failed.
pub fn split(
    input: &Path,
    prefix: &Path,
    options: &Options,
    control: &Control,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<Vec<Part>> {
    let parts = Parts { input, prefix, options: *options, open: None, done: Vec::new(), need: 0, needy: None };
    let parts = match options.strategy {
        Strategy::Simple => {
            let (source, input) = Source::open(input, control)?;
            let named = |e: Error| e.in_file(source.name());
            let len = input.file_len();
            let mut framer = Framer::open(input, len, control.limits, control.trailing_zeros).map_err(named)?;
            let header = framer.header().clone();
            deal(&mut framer, Keyer::new(), Sequence { header, parts, written: None }, control, on_finding).map_err(named)?
        }
        Strategy::Tree => tree::split(input, parts, control, on_finding)?,
    };
    parts.finish()
}

/// Deals the sections that `framer` has left to parts, in their order.
fn deal<'a, R: Read + Send>(
    framer: &mut Framer<R>,
    keyer: Keyer,
    sequence: Sequence<'a>,
    control: &Control,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<Parts<'a>> {
    let unverified = sequence.parts.options.unverified;
    let copy = Copy::new(sequence, unverified);
    let copy = scan::scan(framer, keyer, Identify::Cid, copy, control)?;
    let (Sequence { header, mut parts, .. }, remarks) = copy.finish();
    remarks.into_iter().for_each(on_finding);
    if parts.is_empty() && parts.require(header.encoded_len(), None) {
        parts.begin(&header)?;
    }
    Ok(parts)
}

/// The parts so far.
struct Parts<'a> {
    input: &'a Path,
    prefix: &'a Path,
    options: Options,
    open: Option<(ArchiveWriter, Part)>,
    done: Vec<(Closed, Part)>,
    /// The least length of a part that would do for all blocks so far, and the block that needs it.
    need: u64,
    needy: Option<Cid>,
}

impl Parts<'_> {
    fn is_empty(&self) -> bool {
        self.open.is_none() && self.done.is_empty()
    }

    /// Notes that a part with this block (or with a header alone) takes `len` bytes at least. `false` when that is too much: nothing more is written then, and
    /// the rest is only measured.
    fn require(&mut self, len: u64, cid: Option<RawCid<'_>>) -> bool {
        if len > self.need {
            (self.need, self.needy) = (len, cid.map(|cid| cid.to_cid()));
        }
        if self.need > self.options.part_len_max {
            self.open = None;
            self.done.clear();
            return false;
        }
        true
    }

    /// Whether `len` bytes more fit into the part that is being written.
    fn fits(&self, len: u64) -> bool {
        let end = |(writer, _): &(ArchiveWriter, Part)| writer.payload_len().saturating_add(len);
        self.open.as_ref().is_some_and(|open| end(open) <= self.options.part_len_max)
    }

    /// Ends the part that is being written and begins the next.
    fn begin(&mut self, header: &Header) -> Result<()> {
        self.end()?;
        let mut name = self.prefix.as_os_str().to_owned();
        name.push(format!("-{:05}.car", self.done.len().saturating_add(1)));
        let file = PathBuf::from(name);
        let sink = Sink::create(&file, self.options.existing, &[self.input.to_owned()])?;
        let roots = header.roots().map(|root| root.to_cid()).collect();
        self.open = Some((ArchiveWriter::new(sink, header, Version::V1)?, Part { file, roots, blocks: 0, bytes: 0 }));
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        if let Some((writer, mut part)) = self.open.take() {
            let Finished { sink, len } = writer.finish()?;
            part.bytes = len;
            self.done.push((Sink::close(sink)?, part));
        }
        Ok(())
    }

    fn begin_section(&mut self, cid: RawCid<'_>, data_len: u64) -> Result<()> {
        let Some((writer, part)) = &mut self.open else { return Ok(()) };
        part.blocks += 1;
        writer.begin_section(cid, data_len).map_err(|e| e.in_file(part.file.display().to_string()))
    }

    fn continue_section(&mut self, data: &[u8]) -> Result<()> {
        let Some((writer, part)) = &mut self.open else { return Ok(()) };
        writer.continue_section(data).map_err(|e| e.in_file(part.file.display().to_string()))
    }

    /// Names all parts.
    fn finish(mut self) -> Result<Vec<Part>> {
        let Options { part_len_max, .. } = self.options;
        if self.need > part_len_max {
            let what = if self.needy.is_some() { "a part with this block" } else { "the header alone" };
            let message = format!(
                "{what} takes {0} bytes, parts may have {part_len_max}: the least size for this archive is {0}",
                self.need
            );
            let error = Error::usage(message).in_file(self.input.display().to_string());
            return Err(match self.needy {
                Some(cid) => error.cid(cid),
                None => error,
            });
        }
        self.end()?;
        let name = |(closed, part): (Closed, Part)| closed.commit().map(|()| part);
        self.done.into_iter().map(name).collect()
    }
}

/// Sections in their order.
struct Sequence<'a> {
    header: Header,
    parts: Parts<'a>,
    /// The CIDs that were written before; those and repeated ones are passed over. `None`: all sections are written.
    written: Option<HashSet<Key>>,
}

impl Receiver for Sequence<'_> {
    fn begin(&mut self, head: SectionHead<'_>) -> Result<bool> {
        if self.written.as_mut().is_some_and(|written| !written.insert(head.key)) {
            return Ok(false);
        }
        let len = head.end().0.saturating_sub(head.at.0);
        if !self.parts.require(self.header.encoded_len().saturating_add(len), Some(head.cid)) {
            return Ok(false);
        }
        if !self.parts.fits(len) {
            self.parts.begin(&self.header)?;
        }
        self.parts.begin_section(head.cid, head.data_len)?;
        Ok(true)
    }

    fn piece(&mut self, piece: &[u8]) -> Result<()> {
        self.parts.continue_section(piece)
    }
}

#[cfg(test)]
mod tests;
