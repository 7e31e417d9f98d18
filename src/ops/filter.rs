//! A part of an archive: the blocks that were asked for, in the order they stand.
//!
//! The roots of the result: what lies below roots or paths that were named has these roots. Otherwise the header's roots stay whose
//! blocks are in the result; the others are dropped and told, since a header that names them would call the result incomplete.

use super::archive_writer::{ArchiveWriter, Finished, Version};
use super::build::Missing;
use super::copy::{Copy, Receiver};
use super::merge::Unverified;
use super::reach::links_of;
use super::scan::{self, Identify, SectionHead};
use super::sink::Sink;
use crate::cid::{Cid, RawCid, is_commitment};
use crate::control::Control;
use crate::error::{Error, Finding, Result};
use crate::format::{Framer, Header};
use crate::store::{BlockSource, CarFile, Existing, Key, Keyer};
use crate::unixfs::{Found, resolve};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Missing blocks that are listed one by one; the rest is counted.
const LISTED_MAX: usize = 1000;

/// Whether what was selected is kept, or everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sense {
    /// It is kept.
    #[default]
    Keep,
    /// It is left out, everything else is kept (`--inverse`).
    Drop,
}

/// A path below a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathBelow {
    /// The root; `None` for the first of the header's that has the path.
    pub root: Option<Cid>,
    /// The names on the way.
    pub segments: Vec<Vec<u8>>,
}

/// Which blocks are meant: those that meet every condition given. A CID means every block with the same multihash.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// One of these.
    pub cids: Option<Vec<Cid>>,
    /// One of these, or below one of them.
    pub roots: Vec<Cid>,
    /// On the way to one of these paths, at its end, or below that. Together with `roots`: either.
    pub paths: Vec<PathBelow>,
    /// Of one of these codecs, by their multicodec codes.
    pub codecs: Vec<u64>,
    /// Whether these blocks are kept or left out.
    pub sense: Sense,
}

/// How to filter.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Which blocks.
    pub selection: Selection,
    /// What to do when blocks are missing: CIDs of the list that are to be kept, or blocks below a root or path.
    pub missing: Missing,
    /// Blocks that cannot be verified.
    pub unverified: Unverified,
    /// The version of the result.
    pub version: Version,
    /// What to do when the output exists.
    pub existing: Existing,
}

/// What was kept.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The header written.
    pub header: Header,
    /// Roots of the archive that are no roots of the result because their blocks are not in it.
    pub dropped_roots: Vec<Cid>,
    /// Sections written.
    pub blocks: u64,
    /// Sections left out.
    pub left_out: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Blocks that were asked for and are not there: the first thousand.
    pub missing: Vec<Cid>,
    /// How many there are.
    pub missing_blocks: u64,
}

/// Writes the selected blocks of the archive `input` (`-` is standard input) to `output` (`-` is standard output, which gets them when
/// all are there). `on_finding` is told what is remarkable about the input.
///
/// # Errors
/// The first fault of the input, also in blocks that are left out; [`ErrorKind::Missing`](crate::error::ErrorKind::Missing) for blocks that
/// should be there and are not, unless that is allowed; a selection without a condition; a file that fails; a request to stop.
/// Nothing is left of the output then.
pub fn filter(
    input: &Path,
    output: &Path,
    options: &Options,
    control: &Control,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<Summary> {
    let Selection { cids, roots, paths, codecs, sense } = &options.selection;
    if cids.is_none() && roots.is_empty() && paths.is_empty() && codecs.is_empty() {
        return Err(Error::usage("nothing says which blocks: give CIDs, a root, a path or a codec"));
    }
    let sink = Sink::create(output, options.existing, &[PathBuf::from(input)])?;
    let car = CarFile::open(input, control)?;
    let named = |e: Error| e.in_file(car.name());
    let mut chosen = Chosen::new(cids.as_deref(), codecs, *sense);
    let mut tops = Vec::new();
    if !(roots.is_empty() && paths.is_empty()) {
        let mut below = Below::new(&car, chosen.keyer, control);
        below.select(roots, paths, &mut tops).map_err(named)?;
        chosen.missing.extend(below.missing);
        chosen.missing_blocks = below.missing_blocks;
        chosen.below = Some(below.kept);
    }
    let (header, dropped_roots) = header(&car, &chosen, &tops)?;
    let writer = ArchiveWriter::new(sink, &header, options.version)?;
    let filtering = Filtering { writer, chosen, blocks: 0, left_out: 0, output: output.display().to_string() };
    let input = car.reopen()?;
    let len = input.file_len();
    let mut framer = Framer::open(input, len, control.limits, control.trailing_zeros).map_err(named)?;
    let copy = Copy::new(filtering, options.unverified);
    let keyer = copy.receiver.chosen.keyer;
    let copy = scan::scan(&mut framer, keyer, Identify::Multihash, copy, control).map_err(named)?;
    let (Filtering { writer, mut chosen, blocks, left_out, .. }, remarks) = copy.finish();
    remarks.into_iter().for_each(on_finding);
    chosen.count_absent();
    if let Some(first) = chosen.missing.first().filter(|_| options.missing == Missing::Refuse) {
        let message =
            format!("{} that should be kept are not in the archive, nothing was written", blocks_text(chosen.missing_blocks));
        return Err(named(Error::missing(message).cid(*first)));
    }
    let Finished { sink, len } = writer.finish()?;
    Sink::commit(sink)?;
    let Chosen { missing, missing_blocks, .. } = chosen;
    Ok(Summary { header, dropped_roots, blocks, left_out, bytes: len, missing, missing_blocks })
}

fn blocks_text(n: u64) -> String {
    if n == 1 { "1 block".to_owned() } else { format!("{n} blocks") }
}

/// The header of the result, and the roots that it lacks.
fn header(car: &CarFile, chosen: &Chosen, tops: &[Cid]) -> Result<(Header, Vec<Cid>)> {
    if !tops.is_empty() && chosen.sense == Sense::Keep {
        return Ok((Header::from_cids(tops), Vec::new()));
    }
    let (mut kept, mut dropped) = (Vec::new(), Vec::new());
    for root in car.header().roots() {
        let is_there = root.is_identity() || chosen.takes(root, chosen.key(root)) && car.contains(&root.to_cid())?;
        if is_there { kept.push(root) } else { dropped.push(root.to_cid()) }
    }
    let header = if dropped.is_empty() { car.header().clone() } else { Header::new(kept.into_iter()) };
    Ok((header, dropped))
}

/// The conditions, ready to be asked.
struct Chosen {
    keyer: Keyer,
    /// The CIDs listed, and whether each was met.
    listed: Option<HashMap<Key, (Cid, bool)>>,
    below: Option<HashSet<Key>>,
    codecs: Vec<u64>,
    sense: Sense,
    missing: Vec<Cid>,
    missing_blocks: u64,
}

impl Chosen {
    fn new(cids: Option<&[Cid]>, codecs: &[u64], sense: Sense) -> Chosen {
        let keyer = Keyer::new();
        let key = |cid: &Cid| keyer.key(cid.hash().code(), cid.hash().digest());
        let listed = cids.map(|cids| cids.iter().map(|cid| (key(cid), (*cid, false))).collect());
        Chosen { keyer, listed, below: None, codecs: codecs.to_vec(), sense, missing: Vec::new(), missing_blocks: 0 }
    }

    fn key(&self, cid: RawCid<'_>) -> Key {
        Identify::Multihash.key(&self.keyer, cid)
    }

    /// Whether a block goes into the result.
    fn takes(&self, cid: RawCid<'_>, key: Key) -> bool {
        let meant = self.listed.as_ref().is_none_or(|listed| listed.contains_key(&key))
            && self.below.as_ref().is_none_or(|below| below.contains(&key))
            && (self.codecs.is_empty() || self.codecs.contains(&cid.codec()));
        meant == (self.sense == Sense::Keep)
    }

    fn met(&mut self, key: Key) {
        if let Some((_, met)) = self.listed.as_mut().and_then(|listed| listed.get_mut(&key)) {
            *met = true;
        }
    }

    /// Counts the CIDs of the list that were not met, as missing if they were to be kept.
    fn count_absent(&mut self) {
        if self.sense == Sense::Drop {
            return;
        }
        let absent = self.listed.iter().flat_map(HashMap::values).filter(|(_, met)| !met).map(|(cid, _)| *cid);
        let mut absent: Vec<Cid> = absent.collect();
        absent.sort_unstable();
        self.missing_blocks += absent.len() as u64;
        absent.truncate(LISTED_MAX.saturating_sub(self.missing.len()));
        self.missing.append(&mut absent);
    }
}

/// Finds what lies below roots and paths. Memory: about 90 bytes a block found.
struct Below<'a> {
    car: &'a CarFile,
    keyer: Keyer,
    control: &'a Control,
    kept: HashSet<Key>,
    /// What was met, as each codec: links depend on it.
    met: HashSet<(u64, Key)>,
    pending: Vec<Box<[u8]>>,
    missing: Vec<Cid>,
    missing_blocks: u64,
}

impl<'a> Below<'a> {
    fn new(car: &'a CarFile, keyer: Keyer, control: &'a Control) -> Below<'a> {
        let (kept, met) = (HashSet::new(), HashSet::new());
        Below { car, keyer, control, kept, met, pending: Vec::new(), missing: Vec::new(), missing_blocks: 0 }
    }

    /// Collects everything; the roots of the result go to `tops`.
    fn select(&mut self, roots: &[Cid], paths: &[PathBelow], tops: &mut Vec<Cid>) -> Result<()> {
        let mut top = |cid: Cid| {
            if !tops.contains(&cid) {
                tops.push(cid);
            }
        };
        for root in roots {
            self.walk(root)?;
            top(*root);
        }
        for path in paths {
            top(self.path(path)?);
        }
        Ok(())
    }

    /// Takes the blocks that prove a path, and what is below its end. Gives the root.
    fn path(&mut self, path: &PathBelow) -> Result<Cid> {
        let segments: Vec<&[u8]> = path.segments.iter().map(Vec::as_slice).collect();
        for root in path.root.map_or_else(|| self.car.roots(), |root| vec![root]) {
            let resolved = resolve(self.car, &root, &segments, &self.control.limits)?;
            match resolved.found {
                Found::Block(cid) => self.walk(&cid)?,
                // The value is inside a block, and nothing is below it.
                Found::Value { cid, .. } => self.keep(&cid),
                Found::Nothing { .. } => continue,
            }
            resolved.proof.iter().for_each(|cid| self.keep(cid));
            return Ok(root);
        }
        let text = String::from_utf8_lossy(&path.segments.join(&b'/')).into_owned();
        Err(Error::missing(format!("there is no {text:?} in the archive")))
    }

    fn keep(&mut self, cid: &Cid) {
        self.kept.insert(self.keyer.key(cid.hash().code(), cid.hash().digest()));
    }

    /// Puts a block on the list unless it was there before.
    fn push(&mut self, cid: &Cid) {
        let key = self.keyer.key(cid.hash().code(), cid.hash().digest());
        if !is_commitment(cid.codec()) && self.met.insert((cid.codec(), key)) {
            self.pending.push(cid.to_bytes().into());
        }
    }

    fn walk(&mut self, root: &Cid) -> Result<()> {
        self.push(root);
        while let Some(bytes) = self.pending.pop() {
            self.control.check()?;
            let cid = RawCid::parse(&bytes).unwrap_or(RawCid::EMPTY).to_cid();
            match self.car.get(&cid)? {
                Some(block) => {
                    self.keep(&cid);
                    let links = links_of(&cid, block.data(), self.control)?;
                    links.iter().rev().for_each(|(link, _)| self.push(link));
                }
                None => {
                    self.missing_blocks += 1;
                    if self.missing.len() < LISTED_MAX {
                        self.missing.push(cid);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Writes what was chosen.
struct Filtering {
    writer: ArchiveWriter,
    chosen: Chosen,
    blocks: u64,
    left_out: u64,
    /// The name for errors of the output, which are not the input's.
    output: String,
}

impl Receiver for Filtering {
    fn begin(&mut self, head: SectionHead<'_>) -> Result<bool> {
        self.chosen.met(head.key);
        if !self.chosen.takes(head.cid, head.key) {
            self.left_out += 1;
            return Ok(false);
        }
        self.blocks += 1;
        self.writer.begin_section(head.cid, head.data_len).map_err(|e| e.in_file(&*self.output))?;
        Ok(true)
    }

    fn piece(&mut self, piece: &[u8]) -> Result<()> {
        self.writer.continue_section(piece).map_err(|e| e.in_file(&*self.output))
    }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
