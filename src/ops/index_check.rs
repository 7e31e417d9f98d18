//! A CARv2 index against the blocks, both ways: every entry must lead to its block, every block should be found.

use super::check::Record;
use super::findings::Findings;
use crate::cid::{RawCid, hash_code};
use crate::error::{Code, Error, Finding, Result, Severity};
use crate::format::Carv2Header;
use crate::format::index::{self, Entry, Layout, Summary};
use crate::offset::{FileOffset, PayloadOffset};
use crate::store::Keyer;
use std::collections::HashSet;
use std::io::Read;

/// Wrong entries that are reported one by one.
const LISTED_MAX: u64 = 100;

/// What is known about an index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexReport {
    /// Its multicodec code: 0x0400 or 0x0401, or one that is not known.
    pub codec: Option<u64>,
    /// How many entries it has.
    pub entries: u64,
    /// Entries that lead to no section, or to another block.
    pub wrong: u64,
    /// Blocks that no entry leads to. Identity CIDs count only when the header says that all are indexed.
    pub missing: u64,
    /// The first place where it is not in order: a search misses blocks.
    pub unsorted_at: Option<FileOffset>,
}

/// A section as the check remembers it: 16 bytes.
#[derive(Debug, Clone, Copy)]
struct Section {
    /// Payload offset in the low 56 bits, a number for the hash function above them.
    place: u64,
    /// Fingerprint of the digest.
    digest: u64,
}

/// Where the sections are, gathered during the scan.
#[derive(Debug)]
pub(crate) struct IndexCheck {
    keyer: Keyer,
    sections: Vec<Section>,
    /// Hash functions met, by the number that sections hold; those that came after [`FUNCTIONS_MAX`] others are not told apart.
    functions: Vec<u64>,
}

/// As many as a section has bits to name, less one for all others.
const FUNCTIONS_MAX: usize = 255;
const OFFSET_BITS: u32 = 56;
const OFFSET_MASK: u64 = (1 << OFFSET_BITS) - 1;

impl IndexCheck {
    pub(crate) fn new(keyer: Keyer) -> IndexCheck {
        IndexCheck { keyer, sections: Vec::new(), functions: Vec::new() }
    }

    /// Remembers one section; they come in file order.
    pub(crate) fn section(&mut self, offset: PayloadOffset, record: &Record) {
        self.remember(offset, record.hash_code, record.digest_tag);
    }

    /// As [`IndexCheck::section`], from the CID alone.
    pub(crate) fn section_of(&mut self, offset: PayloadOffset, cid: RawCid<'_>) {
        self.remember(offset, cid.hash_code(), self.keyer.bytes(cid.digest()).tag());
    }

    fn remember(&mut self, offset: PayloadOffset, hash_code: u64, digest: u64) {
        let function = self.function(hash_code);
        self.sections.push(Section { place: function << OFFSET_BITS | offset.0 & OFFSET_MASK, digest });
    }

    fn function(&mut self, code: u64) -> u64 {
        let known = self.functions.iter().position(|known| *known == code);
        let number = known.unwrap_or(self.functions.len());
        if known.is_none() && number < FUNCTIONS_MAX {
            self.functions.push(code);
        }
        number as u64
    }

    /// `None` when it is one of too many.
    fn hash_code(&self, section: &Section) -> Option<u64> {
        self.functions.get((section.place >> OFFSET_BITS) as usize).copied()
    }

    /// The section that starts exactly here.
    fn find(&self, offset: PayloadOffset) -> Option<usize> {
        self.sections.binary_search_by_key(&offset.0, |section| section.place & OFFSET_MASK).ok()
    }

    /// What is wrong with one entry; marks the section it leads to.
    fn entry(&self, entry: &Entry<'_>, found: &mut [bool]) -> Option<String> {
        let Some(number) = self.find(entry.offset) else {
            return Some(format!("an index entry leads to payload byte {}, where no section starts", entry.offset.0));
        };
        let section = self.sections.get(number)?;
        let same_hash = entry.hash_code.is_none_or(|code| self.hash_code(section).is_none_or(|known| known == code));
        if section.digest != self.keyer.bytes(entry.digest).tag() || !same_hash {
            return Some(format!(
                "an index entry leads to the section at payload byte {}, which has another CID",
                entry.offset.0
            ));
        }
        if let Some(found) = found.get_mut(number) {
            *found = true;
        }
        None
    }

    /// How many blocks no entry leads to, and where the first stands. A second copy of a block that is found counts as found.
    fn missing(&self, found: &[bool], fully_indexed: bool) -> (u64, Option<PayloadOffset>) {
        let wants_entry = |section: &Section| fully_indexed || self.hash_code(section) != Some(hash_code::IDENTITY);
        let numbered = || self.sections.iter().zip(found);
        let mut lost: HashSet<u64> = numbered().filter(|(s, found)| !**found && wants_entry(s)).map(|(s, _)| s.digest).collect();
        for (section, _) in numbered().filter(|(_, found)| **found) {
            lost.remove(&section.digest);
        }
        let first = self.sections.iter().find(|section| wants_entry(section) && lost.contains(&section.digest));
        (lost.len() as u64, first.map(|section| PayloadOffset(section.place & OFFSET_MASK)))
    }
}

/// Reads what stands behind the payload of a CARv2: the index, compared with `check`, or bytes that belong to nothing.
/// Gives the report and the length of the file.
pub(crate) fn read_tail<R: Read>(
    tail: R,
    at: FileOffset,
    check: Option<(IndexCheck, Carv2Header)>,
    findings: &mut Findings,
) -> Result<(Option<IndexReport>, u64)> {
    let mut tail = Counting { inner: tail, read: 0 };
    let mut report = None;
    match check {
        Some((check, carv2)) => {
            let mut found = vec![false; check.sections.len()];
            let mut so_far = IndexReport::default();
            let result = index::read(&mut tail, at, |entry| {
                so_far.entries = so_far.entries.saturating_add(1);
                if let Some(message) = check.entry(&entry, &mut found) {
                    so_far.wrong = so_far.wrong.saturating_add(1);
                    if so_far.wrong <= LISTED_MAX {
                        findings.push(Finding::new(Code::IndexMismatch, message).at(entry.at));
                    }
                }
                Ok(())
            });
            conclude(result, so_far.clone(), &check, &found, &carv2, at, findings).map(|done| report = Some(done))?;
            drain(&mut tail)?;
        }
        None => {
            drain(&mut tail)?;
            if tail.read > 0 {
                let message = format!("{} bytes follow the payload, and the header says that there is no index", tail.read);
                findings.push(Finding::new(Code::NonCanonical, message).at(at));
            }
        }
    }
    Ok((report, at.0.saturating_add(tail.read)))
}

fn conclude(
    result: Result<Summary>,
    mut report: IndexReport,
    check: &IndexCheck,
    found: &[bool],
    carv2: &Carv2Header,
    at: FileOffset,
    findings: &mut Findings,
) -> Result<IndexReport> {
    let summary = match result {
        Ok(summary) => summary,
        Err(error) if error.code().is_some() => {
            findings.push(Finding::new(Code::BadIndex, error.message).at(error.at.unwrap_or(at)));
            return Ok(report);
        }
        Err(error) => return Err(error),
    };
    report.codec = Some(summary.codec);
    report.unsorted_at = summary.unsorted_at;
    let Some(layout) = summary.layout else {
        let message = format!("the index has codec 0x{:x}, which is not known: it was not checked", summary.codec);
        findings.push(Finding::new(Code::UnknownCodec, message).at(at));
        return Ok(report);
    };
    let mut note = |at, message: String| findings.push(Finding::new(Code::NonCanonical, message).at(at));
    if layout == Layout::SpecText {
        note(at, "the index is laid out as the specification's text says, not as the tools in use write it".to_owned());
    }
    if let Some(at) = summary.unsorted_at {
        note(at, "the index is not sorted: a search in it misses blocks".to_owned());
    }
    if let Some(at) = summary.duplicate_at {
        note(at, "the index repeats an entry".to_owned());
    }
    if let Some(at) = summary.trailing_at {
        note(at, format!("{} bytes follow the index", summary.trailing_len));
    }
    if report.wrong > LISTED_MAX {
        let message = format!("{} more wrong index entries are not listed", report.wrong.saturating_sub(LISTED_MAX));
        findings.push(Finding::new(Code::IndexMismatch, message).at(at));
    }
    let (missing, first) = check.missing(found, carv2.is_fully_indexed());
    report.missing = missing;
    if let Some(at) = summary.trailing_at.filter(|_| missing > 0) {
        // Either alone can be meant; together they are what a damaged count leaves.
        let message =
            format!("the index ends {} bytes before the file, and {missing} blocks are not in it", summary.trailing_len);
        findings.push(Finding::new(Code::BadIndex, message).at(at));
    }
    if let Some(place) = first.and_then(|first| first.in_file(FileOffset(carv2.data_offset))) {
        let message = format!("{missing} blocks are not in the index, the first is here");
        findings.push(Finding::new(Code::IndexMismatch, message).at(place).severity(Severity::Note));
    }
    Ok(report)
}

/// Reads to the end of the input.
fn drain(input: &mut impl Read) -> Result<()> {
    std::io::copy(input, &mut std::io::sink()).map(|_| ()).map_err(|e| Error::io(e, "cannot read"))
}

/// Counts the bytes that went through.
struct Counting<R> {
    inner: R,
    read: u64,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.read = self.read.saturating_add(got as u64);
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{self, Checks, Hashing};
    use crate::unixfs::Strictness;

    #[test]
    fn more_hash_functions_than_are_told_apart_are_no_mismatch() {
        let keyer = Keyer::new();
        let hashing = Hashing::Skip;
        let checks = Checks { hashing, keyer, links: false, unixfs: Strictness::Strict, depth_max: 1, has_index: true };
        let mut index = IndexCheck::new(keyer);
        let digest = [3; 20];
        for n in 0..1000 {
            let mut cid = vec![1, 0x55];
            crate::varint::write(0x10_0000 + n, &mut cid);
            cid.push(20);
            cid.extend(digest);
            let cid = RawCid::parse(&cid).unwrap();
            let record = check::record(cid, FileOffset(n), 0, crate::hash::Outcome::Verified, &checks);
            index.section(PayloadOffset(n), &record);
        }
        assert_eq!(index.functions.len(), FUNCTIONS_MAX);
        let mut found = vec![false; 1000];
        let mut entry = |n: u64, code| {
            let entry = Entry { hash_code: Some(code), digest: &digest, offset: PayloadOffset(n), at: FileOffset(0) };
            index.entry(&entry, &mut found)
        };
        for n in 0..1000 {
            assert_eq!(entry(n, 0x10_0000 + n), None, "{n}");
        }
        assert!(entry(7, 0x10_0000 + 8).is_some());
    }
}
