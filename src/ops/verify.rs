//! Proves an archive: framing, every block's hash, the roots, the DAG below them, and a CARv2's index.
//!
//! What this does not check: that a file is what its owner thinks it is (only the CID says that), and blocks whose hash
//! function is unknown, which are reported as unverified and never counted as sound.

use super::check::{self, Checked, Checks, Hashing, Record};
use super::completeness::{Completeness, RootReport};
use super::findings::{Findings, Notes};
use super::graph::{Arrival, Class, Graph, NewLink};
use super::huge::{self, Proof};
use super::index_check::{IndexCheck, IndexReport};
use super::pipeline::{self, Job, Pieces};
use crate::cid::{Cid, RawCid, codec_name};
use crate::control::Control;
use crate::dag::Coverage;
use crate::error::{Code, Error, Finding, Result, Severity};
use crate::format::{Batch, Framer, Huge};
use crate::hash::Outcome;
use crate::offset::{FileOffset, PayloadOffset};
use crate::unixfs::Strictness;
use crate::unixfs::build::{Leaves, Profile};
use std::collections::BTreeMap;
use std::io::Read;

/// How deep a check goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// Structure and hashes.
    Blocks,
    /// Also the DAG below the roots.
    #[default]
    Dag,
}

/// What to check.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How deep.
    pub depth: Depth,
    /// Whether blocks are hashed.
    pub hashing: Hashing,
    /// Roots to check in place of the header's.
    pub roots: Vec<Cid>,
    /// Whether notes are errors.
    pub notes: Notes,
    /// Whether UnixFS nodes that contradict themselves are errors.
    pub unixfs: Strictness,
}

/// The answer in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Sound and, if that was looked at, complete.
    Ok,
    /// Sound, and something is missing.
    Incomplete,
    /// Something could not be verified.
    Unverified,
    /// Something is wrong.
    Corrupt,
}

impl Verdict {
    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Incomplete => "incomplete",
            Verdict::Unverified => "unverified",
            Verdict::Corrupt => "corrupt",
        }
    }

    /// What these findings amount to.
    pub fn of(findings: &[Finding]) -> Verdict {
        match findings.iter().map(|f| f.severity).max() {
            Some(Severity::Error) => Verdict::Corrupt,
            Some(Severity::Unverified) => Verdict::Unverified,
            Some(Severity::Incomplete) => Verdict::Incomplete,
            _ => Verdict::Ok,
        }
    }
}

/// How many of what an archive holds.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Sections.
    pub blocks: u64,
    /// Sections with a CID not seen before.
    pub unique_blocks: u64,
    /// Sections whose CID stood there before.
    pub duplicate_blocks: u64,
    /// Sections with an identity CID.
    pub identity_blocks: u64,
    /// Blocks whose bytes do not match their CID.
    pub mismatched_blocks: u64,
    /// Blocks that could not be verified.
    pub unverified_blocks: u64,
    /// Bytes of all blocks.
    pub block_bytes: u64,
    /// Bytes of blocks with a CID not seen before.
    pub unique_bytes: u64,
    /// Shortest block.
    pub min_block: Option<u64>,
    /// Longest block.
    pub max_block: u64,
    /// Sections per codec.
    pub codecs: BTreeMap<u64, u64>,
    /// Sections per hash function.
    pub hashes: BTreeMap<u64, u64>,
    /// Sections with CIDs of version 0 and 1.
    pub cid_versions: [u64; 2],
    /// Links that name commitments, not blocks.
    pub commitment_links: u64,
}

/// What was found out about one archive.
#[derive(Debug, Clone)]
pub struct Report {
    /// 1 or 2; `None` when it is no CAR file.
    pub version: Option<u8>,
    /// Bytes read, header and index included.
    pub bytes: u64,
    /// Bytes of the CARv1 header with its length.
    pub header_bytes: u64,
    /// The CARv2 header.
    pub carv2: Option<crate::format::Carv2Header>,
    /// The header's roots, or those asked for.
    pub roots: Vec<RootReport>,
    /// How many of what.
    pub counts: Counts,
    /// Distinct blocks that are linked below the roots and not there; `None` when the DAG was not walked.
    pub missing_blocks: Option<u64>,
    /// Distinct blocks that no root leads to; `None` when the DAG was not walked.
    pub unreachable_blocks: Option<u64>,
    /// The CARv2 index against the blocks.
    pub index: Option<IndexReport>,
    /// Everything worth knowing, by place in the file.
    pub findings: Vec<Finding>,
    /// The answer.
    pub verdict: Verdict,
}

/// Checks one archive. `file_len` is checked against when known.
///
/// ```
/// use cartool::{control::Control, ops::verify::{self, Options, Verdict}};
/// let file = std::fs::File::open("testdata/token.car")?;
/// let report = verify::verify(file, None, &Options::default(), &Control::default())?;
/// assert_eq!(report.verdict, Verdict::Ok);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Only when the input cannot be read, or the work is stopped. Faults of the archive are findings.
pub fn verify<R: Read + Send>(input: R, file_len: Option<u64>, options: &Options, control: &Control) -> Result<Report> {
    let mut together = Together::new(options.clone(), control.clone());
    together.add(input, file_len)?;
    Ok(together.finish()?.remove(0))
}

/// Checks several archives as one set of blocks: a block missing in one may be in another.
#[derive(Debug)]
pub struct Together {
    options: Options,
    control: Control,
    pub(super) graph: Graph,
    parts: Vec<Part>,
}

#[derive(Debug, Default)]
struct Part {
    report: Option<Report>,
    roots: Vec<Cid>,
    findings: Findings,
}

impl Together {
    /// Without archives so far.
    pub fn new(options: Options, control: Control) -> Together {
        Together { options, control, graph: Graph::default(), parts: Vec::new() }
    }

    /// Reads one archive.
    ///
    /// # Errors
    /// As [`verify`].
    pub fn add<R: Read + Send>(&mut self, input: R, file_len: Option<u64>) -> Result<()> {
        let mut part = Part::default();
        let result = self.read(input, file_len, &mut part);
        match result {
            Ok(report) => part.report = Some(report),
            Err(error) if error.code().is_some() => part.findings.push(finding_of(error)),
            Err(error) => return Err(error),
        }
        self.parts.push(part);
        Ok(())
    }

    fn read<R: Read + Send>(&mut self, input: R, file_len: Option<u64>, part: &mut Part) -> Result<Report> {
        let control = self.control.clone();
        let mut framer = Framer::open(input, file_len, control.limits, control.trailing_zeros)?;
        let header = framer.header().clone();
        let carv2 = framer.carv2().copied();
        part.findings.extend(framer.take_opening_findings());
        part.roots = if self.options.roots.is_empty() {
            header.roots().map(|root| root.to_cid()).collect()
        } else {
            self.options.roots.clone()
        };
        let gather = Gather {
            index: carv2.and_then(|c| c.index_start()).map(|_| IndexCheck::new(self.graph.keyer())),
            graph: std::mem::take(&mut self.graph),
            findings: std::mem::take(&mut part.findings),
            counts: Counts::default(),
            payload_start: framer.payload_start(),
            end: framer.payload_start().plus(header.encoded_len()),
        };
        let job = Scan {
            checks: Checks {
                hashing: self.options.hashing,
                keyer: gather.graph.keyer(),
                links: self.options.depth == Depth::Dag,
                unixfs: self.options.unixfs,
                depth_max: control.limits.depth_max,
                has_index: gather.index.is_some(),
            },
        };
        let mut gathered = pipeline::run(&mut framer, &job, gather, &control)?;
        if job.checks.links {
            gathered.roots(&part.roots, &job.checks);
        }
        self.graph = gathered.graph;
        part.findings = gathered.findings;
        let mut bytes = gathered.end.0;
        let mut index = None;
        let index_start = carv2.and_then(|c| c.index_start());
        match framer.into_tail()? {
            Some((tail, at)) => {
                let check = gathered.index.zip(carv2);
                (index, bytes) = super::index_check::read_tail(tail, at, check, &mut part.findings)?;
            }
            // With a known length this was found on opening.
            None if file_len.is_none() && index_start.is_some() => {
                let message = "the index starts behind the end of the file".to_owned();
                part.findings.push(Finding::new(Code::BadCarv2Header, message).at(FileOffset(43)));
            }
            None => {}
        }
        if header.roots().len() == 0 {
            part.findings.push(Finding::new(Code::NoRoots, "the header names no roots").at(framer_start(carv2)));
        }
        Ok(Report {
            version: Some(if carv2.is_some() { 2 } else { 1 }),
            bytes: file_len.unwrap_or(bytes),
            header_bytes: header.encoded_len(),
            carv2,
            roots: Vec::new(),
            counts: gathered.counts,
            missing_blocks: None,
            unreachable_blocks: None,
            index,
            findings: Vec::new(),
            verdict: Verdict::Ok,
        })
    }

    /// Walks the DAG below the roots and gives one report an archive, in the order they were added.
    ///
    /// # Errors
    /// When the work is stopped.
    pub fn finish(self) -> Result<Vec<Report>> {
        let Together { options, control, graph, mut parts } = self;
        let mut walk = Completeness::new(&graph);
        let alone = parts.len() == 1;
        let mut reports = Vec::new();
        for part in &mut parts {
            let mut report = part.report.take().unwrap_or_else(not_a_car);
            let mut root_reports = Vec::with_capacity(part.roots.len());
            for root in &part.roots {
                root_reports.push(root_report(&mut walk, &graph, *root, options.depth, &control)?);
                if graph.has_other_version(root) {
                    let message = "a root is stored under the other CID version of the same block";
                    part.findings.push(Finding::new(Code::NonCanonical, message).cid(*root));
                }
            }
            report_missing(&root_reports, &mut part.findings);
            report.roots = root_reports;
            reports.push(report);
        }
        for (report, mut part) in reports.iter_mut().zip(parts) {
            if options.depth == Depth::Dag {
                report.missing_blocks = Some(walk.missing());
                if alone {
                    let (unreachable, first) = walk.unreachable();
                    report.unreachable_blocks = Some(unreachable);
                    if let Some(at) = first.filter(|_| !part.roots.is_empty()) {
                        let plural = if unreachable == 1 { "1 block".to_owned() } else { format!("{unreachable} blocks") };
                        let message = format!("{plural} that no root leads to, the first is here");
                        part.findings.push(Finding::new(Code::UnreachableBlock, message).at(FileOffset(at)));
                    }
                }
                part.findings.extend(walk.wrong_parts());
                if walk.unread_links > 0 {
                    let links = match walk.unread_links {
                        1 => "1 link leads to a block".to_owned(),
                        n => format!("{n} links lead to blocks"),
                    };
                    let message = format!("{links} under another codec than in the archive; what lies below was not checked");
                    part.findings.push(Finding::new(Code::UnknownCodec, message).severity(Severity::Unverified));
                }
            }
            report.findings = part.findings.finish(options.notes);
            report.verdict = Verdict::of(&report.findings);
        }
        Ok(reports)
    }
}

fn framer_start(carv2: Option<crate::format::Carv2Header>) -> FileOffset {
    FileOffset(carv2.map_or(0, |c| c.data_offset))
}

fn not_a_car() -> Report {
    Report {
        version: None,
        bytes: 0,
        header_bytes: 0,
        carv2: None,
        roots: Vec::new(),
        counts: Counts::default(),
        missing_blocks: None,
        unreachable_blocks: None,
        index: None,
        findings: Vec::new(),
        verdict: Verdict::Corrupt,
    }
}

fn finding_of(error: Error) -> Finding {
    let code = error.code().unwrap_or(Code::BadHeader);
    let mut finding = Finding::new(code, error.message);
    finding.at = error.at;
    finding.cid = error.cid;
    finding
}

fn root_report(walk: &mut Completeness<'_>, graph: &Graph, root: Cid, depth: Depth, control: &Control) -> Result<RootReport> {
    if depth == Depth::Dag {
        return walk.root(root, control);
    }
    let node = graph.find(graph.keyer().key(root.hash().code(), root.hash().digest()));
    let present = root.hash().code() == crate::cid::hash_code::IDENTITY || node.is_some_and(|node| graph.is_present(node));
    Ok(RootReport { cid: root, present, complete: None, missing: Vec::new(), missing_cut: false })
}

/// Each missing block once, under the first root that needs it.
fn report_missing(roots: &[RootReport], findings: &mut Findings) {
    let mut seen = std::collections::HashSet::new();
    for root in roots {
        if !root.present && seen.insert(root.cid) {
            findings.push(Finding::new(Code::MissingRoot, "a root of this archive is not in it").cid(root.cid));
        }
        for missing in root.missing.iter().filter(|missing| missing.parent.is_some()) {
            if seen.insert(missing.cid) {
                let finding = Finding::new(Code::MissingBlock, "a linked block is not there");
                findings.push(finding.cid(missing.cid).path(missing.path.clone()));
            }
        }
    }
}

/// What the scan gathers, in file order.
struct Gather {
    graph: Graph,
    findings: Findings,
    counts: Counts,
    index: Option<IndexCheck>,
    payload_start: FileOffset,
    end: FileOffset,
}

/// Records whose places in the graph are brought into the cache together.
const WARMED: usize = 64;

struct Scan {
    checks: Checks,
}

impl Job<Gather> for Scan {
    type Output = Checked;

    fn work(&self, batch: &Batch) -> Checked {
        check::check(batch, &self.checks)
    }

    fn take(&self, state: &mut Gather, batch: &mut Batch, mut checked: Checked) -> Result<()> {
        state.findings.extend(batch.findings.drain(..));
        state.end = state.end.max(batch.end());
        state.take(&mut checked);
        Ok(())
    }

    fn huge(&self, state: &mut Gather, huge: &Huge, pieces: &mut Pieces<'_>) -> Result<()> {
        let Ok(cid) = RawCid::parse(&huge.cid) else { return Ok(()) };
        let outcome = match huge::prove(huge, cid, pieces, &mut |_| Ok(()))? {
            Proof::Sound => Outcome::Verified,
            Proof::Unsound(outcome, finding) => {
                state.findings.push(finding);
                outcome
            }
            Proof::Cut(finding) => {
                state.findings.push(finding);
                return Ok(());
            }
        };
        if outcome == Outcome::Verified && self.checks.links && Class::of(cid.codec()) != Class::Leaf {
            let message = format!(
                "a {} block of {} bytes: links are read from blocks of at most {} bytes",
                codec_name(cid.codec()),
                huge.data_len,
                crate::format::framer::IN_MEMORY_MAX
            );
            state.findings.push(Finding::new(Code::LimitReached, message).at(huge.at).cid(cid.to_cid()));
        }
        let mut record = check::record(cid, huge.at, huge.data_len, outcome, &self.checks);
        if self.checks.links && outcome == Outcome::Verified && cid.codec() == crate::cid::codec::RAW {
            (record.file_size, record.coverage) = (Some(huge.data_len), Some(Coverage::Read));
        }
        state.end = state.end.max(huge.at.plus(u64::from(huge.head_len)).plus(huge.data_len));
        state.take(&mut Checked::of_huge(record));
        Ok(())
    }
}

impl Gather {
    /// Takes what roots carry in themselves.
    fn roots(&mut self, roots: &[Cid], checks: &Checks) {
        self.take(&mut Checked::of_roots(roots, self.payload_start, checks));
    }

    /// Takes what was found out about a batch.
    fn take(&mut self, checked: &mut Checked) {
        self.findings.extend(checked.findings.drain(..));
        self.findings.absorb(std::mem::take(&mut checked.notes));
        self.counts.absorb(std::mem::take(&mut checked.counts));
        for records in checked.records.chunks(WARMED) {
            self.graph.warm(records.iter().map(|record| record.key));
            records.iter().for_each(|record| self.record(record, checked));
        }
    }

    fn record(&mut self, record: &Record, checked: &Checked) {
        let (id, is_first) = if record.is_virtual {
            (self.graph.add_inline(record.key), true)
        } else {
            if let Some(index) = &mut self.index {
                index.section(PayloadOffset(record.at.0.saturating_sub(self.payload_start.0)), record);
            }
            if record.outcome == Outcome::Mismatch {
                return;
            }
            let (id, arrival) = self.graph.add_block(record.key, record.at.0, record.codec, u8::from(!record.is_v0));
            match arrival {
                Arrival::Duplicate => {
                    self.counts.duplicate_blocks += 1;
                    self.findings
                        .tally(Code::DuplicateBlock, record.at, || "a block that stands in the archive already".to_owned());
                }
                Arrival::New | Arrival::OtherForm => {
                    self.counts.unique_blocks += 1;
                    self.counts.unique_bytes += record.data_len;
                }
            }
            (id, arrival == Arrival::New)
        };
        if is_first && record.coverage.is_some() {
            self.graph.set_file_size(id, record.file_size);
        }
        let class = Class::of(record.codec);
        if class != Class::Leaf && record.coverage.is_some() && !self.graph.is_read(id, class) {
            let owner = RawCid::parse(checked.cid_of(record)).unwrap_or(RawCid::EMPTY);
            let links = checked.links(record);
            let mut ids = Vec::with_capacity(links.len());
            for link in links {
                ids.push(self.graph.want(link.key, checked.link_cid(link)));
            }
            let links = links.iter().zip(ids).map(|(link, target)| NewLink {
                target,
                class: link.class,
                segment: checked.segment(link),
                part_size: link.part_size,
            });
            self.graph.add_links(id, class, owner, links);
        }
    }
}

impl Counts {
    /// Counts one section. Whether it stood there before is not known here.
    pub(super) fn add(&mut self, record: &Record) {
        self.blocks += 1;
        self.block_bytes += record.data_len;
        self.min_block = Some(self.min_block.map_or(record.data_len, |min| min.min(record.data_len)));
        self.max_block = self.max_block.max(record.data_len);
        *self.codecs.entry(record.codec).or_default() += 1;
        *self.hashes.entry(record.hash_code).or_default() += 1;
        let version = self.cid_versions.get_mut(usize::from(!record.is_v0));
        version.into_iter().for_each(|count| *count += 1);
        self.identity_blocks += u64::from(record.hash_code == crate::cid::hash_code::IDENTITY);
        match record.outcome {
            Outcome::Mismatch => self.mismatched_blocks += 1,
            Outcome::Unverifiable(_) => self.unverified_blocks += 1,
            Outcome::Verified => {}
        }
    }

    /// Adds what was counted elsewhere.
    fn absorb(&mut self, other: Counts) {
        self.blocks += other.blocks;
        self.unique_blocks += other.unique_blocks;
        self.duplicate_blocks += other.duplicate_blocks;
        self.identity_blocks += other.identity_blocks;
        self.mismatched_blocks += other.mismatched_blocks;
        self.unverified_blocks += other.unverified_blocks;
        self.block_bytes += other.block_bytes;
        self.unique_bytes += other.unique_bytes;
        self.min_block = self.min_block.into_iter().chain(other.min_block).min();
        self.max_block = self.max_block.max(other.max_block);
        other.codecs.into_iter().for_each(|(codec, count)| *self.codecs.entry(codec).or_default() += count);
        other.hashes.into_iter().for_each(|(code, count)| *self.hashes.entry(code).or_default() += count);
        self.cid_versions.iter_mut().zip(other.cid_versions).for_each(|(sum, count)| *sum += count);
        self.commitment_links += other.commitment_links;
    }
}

impl Report {
    /// The [named profiles](Profile::NAMED) that could have made this archive, by its codecs, CID versions and longest block. Small
    /// archives fit several; none when it does not look like UnixFS.
    pub fn profiles(&self) -> Vec<&'static str> {
        use crate::cid::codec::{DAG_PB, RAW};
        let counts = &self.counts;
        let of = |codec| counts.codecs.get(&codec).copied().unwrap_or(0);
        let is_unixfs = counts.blocks > 0 && of(DAG_PB) + of(RAW) == counts.blocks;
        let [v0, v1] = counts.cid_versions;
        let fits = |profile: &Profile| {
            let version = if profile.cid_version == 0 { v1 == 0 } else { v0 == 0 };
            version
                && counts.hashes.keys().all(|code| *code == profile.hash.code)
                && (of(RAW) > 0) == (profile.leaves == Leaves::Raw)
                && counts.max_block <= profile.block_len_max()
        };
        Profile::NAMED.iter().filter(|(_, profile)| is_unixfs && fits(profile)).map(|(name, _)| *name).collect()
    }
}
