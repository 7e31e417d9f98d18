//! Cuts a stream into batches of sections.
//!
//! A [`Batch`] is one buffer with many sections in it: nothing is allocated a block, and the sections of a batch can be
//! hashed together. The [`Framer`] walks past every fault it can: a section whose CID is broken still says where the
//! next one starts. It stops only where the bytes no longer tell.

use super::batch::{Batch, Huge, Span};
use super::carv2::{Carv2Header, PRAGMA};
use super::header::Header;
use super::opener::{Opened, Opener};
use super::section::{self, HeadError};
use super::sniff;
use crate::cid::CidError;
use crate::error::{Code, Error, Finding, Result};
use crate::limits::Limits;
use crate::offset::{FileOffset, PayloadOffset};
use crate::varint::{self, VarintError};
use std::io::{Read, Seek};

/// Bytes a batch asks for unless a single section is longer.
const BATCH_LEN: usize = 2 << 20;
/// The same for sections of less than 4 KiB: such a batch stays in a core's own cache while it is hashed and looked at.
const SHORT_BATCH_LEN: usize = 256 << 10;
/// At most, for long sections: 32 of them, or 16, are hashed side by side. Whole ones, so that little is carried over.
const LONG_BATCH_LEN: usize = (16 << 20) + (64 << 10);
/// Sections longer than this are never held whole: see [`Batch::huge`].
pub const IN_MEMORY_MAX: u64 = 16 << 20;

/// Findings after which a batch ends: two bytes of archive can make one of a hundred bytes and more.
const FINDINGS_MAX: usize = 10_000;

/// What zeros behind the last section mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrailingZeros {
    /// A zero-length section, which is an error.
    #[default]
    Reject,
    /// Padding, as Filecoin pieces have it; only zeros may follow.
    Allow,
}

/// Reads a CAR file of either version front to back.
#[derive(Debug)]
pub struct Framer<R> {
    input: R,
    limits: Limits,
    trailing_zeros: TrailingZeros,
    header: Header,
    carv2: Option<Carv2Header>,
    opening: Vec<Finding>,
    payload_start: FileOffset,
    payload_end: Option<u64>,
    /// The file was seen to be shorter than its payload when its length was looked at.
    payload_cut_known: bool,
    /// File offset of the first byte of `carry`.
    at: u64,
    carry: Vec<u8>,
    /// Bytes to pass over before the next section.
    skip: u64,
    huge_left: u64,
    zeros_from: Option<u64>,
    input_ended: bool,
    done: bool,
    /// Set while only heads are read: where the sections end, by the file's length.
    heads_end: Option<u64>,
    /// Bytes of the last section that was passed over, or 0: the next is likely to be as long.
    last_len: u64,
}

impl<R: Read> Framer<R> {
    /// Reads the header (and a CARv2's pragma and header). `file_len` is checked against when known.
    ///
    /// # Errors
    /// What makes the file no CAR at all; [`Code::NotACar`] says what it is instead.
    pub fn open(input: R, file_len: Option<u64>, limits: Limits, trailing_zeros: TrailingZeros) -> Result<Framer<R>> {
        let mut opener = Opener { input, at: 0, seen: Vec::new(), limits };
        let opened = opener.open(file_len);
        let Opener { input, at, seen, .. } = opener;
        match opened {
            Ok(Opened { header, carv2, opening, payload_start, payload_end }) => Ok(Framer {
                input,
                limits,
                trailing_zeros,
                header,
                carv2,
                opening,
                payload_start,
                payload_end,
                payload_cut_known: matches!((payload_end, file_len), (Some(end), Some(len)) if end > len),
                at,
                carry: Vec::new(),
                skip: 0,
                huge_left: 0,
                zeros_from: None,
                input_ended: false,
                done: false,
                heads_end: None,
                last_len: 0,
            }),
            Err(error) if error.code().is_some() && !seen.starts_with(&PRAGMA) => match sniff::not_a_car(&seen) {
                Some(guess) => Err(Error::format(Code::NotACar, FileOffset(0), guess.to_string())),
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// The CARv1 header; in a CARv2 that of the payload.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The CARv2 header, if the file is one.
    pub fn carv2(&self) -> Option<&Carv2Header> {
        self.carv2.as_ref()
    }

    /// Where the CARv1 payload starts in the file; indexes count from here.
    pub fn payload_start(&self) -> FileOffset {
        self.payload_start
    }

    /// A file offset as an index writes it.
    pub fn payload_offset(&self, at: FileOffset) -> PayloadOffset {
        PayloadOffset(at.0.saturating_sub(self.payload_start.0))
    }

    /// What was remarkable about the headers.
    pub fn take_opening_findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.opening)
    }

    /// Fills `batch` with the next sections. `false` when there are none left; the batch may hold findings even then.
    ///
    /// # Errors
    /// Only when the input cannot be read. Faults of the archive are in [`Batch::findings`].
    pub fn next_batch(&mut self, batch: &mut Batch) -> Result<bool> {
        self.pass_over()?;
        self.next_window(batch, self.batch_len())
    }

    /// Bytes to ask for, if the sections to come are as long as the last one.
    fn batch_len(&self) -> usize {
        match usize::try_from(self.last_len).unwrap_or(LONG_BATCH_LEN) {
            len if len < 4 << 10 => SHORT_BATCH_LEN,
            len if len <= LONG_BATCH_LEN / 32 => len.saturating_mul(32).max(BATCH_LEN),
            len => len.saturating_mul(16).clamp(BATCH_LEN, LONG_BATCH_LEN),
        }
    }

    /// The next sections, with at least `window` bytes in hand.
    fn next_window(&mut self, batch: &mut Batch, window: usize) -> Result<bool> {
        batch.clear(FileOffset(self.at));
        if self.done {
            return Ok(false);
        }
        let carried = self.carry.len();
        if batch.bytes.len() < window.max(carried) {
            batch.bytes.resize(window.max(carried), 0);
        }
        if let Some(front) = batch.bytes.get_mut(..carried) {
            front.copy_from_slice(&self.carry);
        }
        batch.filled = carried;
        self.carry.clear();
        let mut cursor = 0;
        let mut wanted = window;
        loop {
            self.fill(batch, wanted)?;
            let need = self.parse(batch, &mut cursor);
            if self.done || cursor > 0 || self.skip > 0 || !batch.spans.is_empty() || batch.huge.is_some() {
                break;
            }
            match need {
                // Grown by what arrives, at most a batch at a time, never by what is declared.
                Some(need) => wanted = wanted.max(need.min(batch.filled.saturating_add(BATCH_LEN))),
                None => break,
            }
        }
        if let Some(rest) = batch.bytes.get(cursor..batch.filled) {
            let passed = self.skip.min(rest.len() as u64) as usize;
            self.skip = self.skip.saturating_sub(passed as u64);
            self.carry.extend_from_slice(rest.get(passed..).unwrap_or_default());
            cursor = cursor.saturating_add(passed);
        }
        self.at = self.at.saturating_add(cursor as u64);
        if self.at_end(0) && self.carry.is_empty() && self.skip == 0 && batch.huge.is_none() {
            self.end_of_payload(batch);
        }
        Ok(!batch.spans.is_empty() || batch.huge.is_some() || !self.done)
    }

    /// Whether no byte follows the `held` ones after `self.at`.
    fn at_end(&self, held: usize) -> bool {
        self.input_ended || self.payload_end == Some(self.at.saturating_add(held as u64))
    }

    /// Passes over bytes that belong to no readable section.
    fn pass_over(&mut self) -> Result<()> {
        let mut scratch = [0; 16 << 10];
        while self.skip > 0 && !self.done {
            if !self.carry.is_empty() {
                let n = self.skip.min(self.carry.len() as u64);
                self.carry.drain(..n as usize);
                self.at = self.at.saturating_add(n);
                self.skip = self.skip.saturating_sub(n);
                continue;
            }
            let left = self.payload_end.map_or(u64::MAX, |end| end.saturating_sub(self.at));
            let n = self.skip.min(left).min(scratch.len() as u64) as usize;
            let got = read_some(&mut self.input, scratch.get_mut(..n).unwrap_or_default())?;
            if got == 0 {
                self.input_ended = true;
                self.skip = 0;
            }
            self.at = self.at.saturating_add(got as u64);
            self.skip = self.skip.saturating_sub(got as u64);
        }
        Ok(())
    }

    fn fill(&mut self, batch: &mut Batch, wanted: usize) -> Result<()> {
        if batch.bytes.len() < wanted {
            batch.bytes.resize(wanted, 0);
        }
        while batch.filled < wanted && !self.at_end(batch.filled) {
            let left = self.payload_end.map_or(u64::MAX, |end| end.saturating_sub(self.at.saturating_add(batch.filled as u64)));
            let end = batch.filled.saturating_add(left.min(wanted.saturating_sub(batch.filled) as u64) as usize);
            let got = read_some(&mut self.input, batch.bytes.get_mut(batch.filled..end).unwrap_or_default())?;
            self.input_ended |= got == 0;
            batch.filled = batch.filled.saturating_add(got);
        }
        Ok(())
    }

    /// Takes whole sections from `cursor` on. `Some(n)`: the section at the cursor needs `n` bytes in hand.
    fn parse(&mut self, batch: &mut Batch, cursor: &mut usize) -> Option<usize> {
        while *cursor < batch.filled {
            let start = *cursor;
            let at = FileOffset(self.at.saturating_add(start as u64));
            let held = batch.bytes.get(start..batch.filled).unwrap_or_default();
            if held.first() == Some(&0) {
                self.zeros_from.get_or_insert(at.0);
                *cursor = start.saturating_add(held.iter().take_while(|b| **b == 0).count());
                continue;
            }
            if let Some(from) = self.zeros_from.take() {
                let message = format!("{} zero bytes where a section should start, then other bytes", at.0.saturating_sub(from));
                batch.findings.push(Finding::new(Code::ZeroLengthSection, message).at(FileOffset(from)));
            }
            let at_end = self.at_end(batch.filled);
            match section::head(held, &self.limits) {
                Ok(head) if head.section_len() <= held.len() as u64 => {
                    let cid = start.saturating_add(head.varint_len) as u32;
                    let end = start.saturating_add(head.section_len() as usize);
                    batch.spans.push(Span { start: start as u32, cid, end: end as u32, data_len: head.data_len });
                    self.last_len = head.section_len();
                    *cursor = end;
                }
                Ok(head) if self.heads_end.is_some_and(|end| head.section_len() <= end.saturating_sub(at.0)) => {
                    let cid = start.saturating_add(head.varint_len) as u32;
                    let end = start.saturating_add(head.len()) as u32;
                    batch.spans.push(Span { start: start as u32, cid, end, data_len: head.data_len });
                    self.last_len = head.section_len();
                    self.skip = self.last_len;
                    return None;
                }
                Ok(head) if !at_end && self.heads_end.is_none() && head.section_len() > IN_MEMORY_MAX => {
                    if batch.spans.is_empty() {
                        self.huge_left = head.data_len;
                        *cursor = start.saturating_add(head.len());
                        let cid = head.cid.bytes().to_vec();
                        batch.huge = Some(Huge { at, cid, head_len: head.len() as u32, data_len: head.data_len });
                    }
                    return None;
                }
                Ok(head) if !at_end && self.heads_end.is_none() => {
                    return Some(start.saturating_add(head.section_len() as usize));
                }
                Err(HeadError::NeedMore) if !at_end => return Some(start.saturating_add(section::HEAD_LEN_MAX)),
                Err(HeadError::Cid { .. }) if !at_end && held.len() < SNIFF_LEN => {
                    return Some(start.saturating_add(SNIFF_LEN));
                }
                Err(HeadError::Cid { section_len, error }) if !is_error_text(held) => {
                    batch.findings.push(bad_cid(section_len, &error, held, at));
                    if !self.skipped(section_len, batch, cursor) {
                        return None;
                    }
                }
                Err(HeadError::TooLarge { declared, section_len }) => {
                    batch.findings.push(too_large(declared, &self.limits, at));
                    if !self.skipped(section_len, batch, cursor) {
                        return None;
                    }
                }
                result => {
                    let left = self.heads_end.map_or(held.len() as u64, |end| end.saturating_sub(at.0));
                    let finding = lost(result, held, left);
                    batch.findings.push(finding.at(at));
                    self.done = true;
                    *cursor = batch.filled;
                }
            }
        }
        None
    }

    /// Passes over a section that cannot be read; whether to go on in this batch.
    fn skipped(&mut self, section_len: u64, batch: &Batch, cursor: &mut usize) -> bool {
        if section_len > batch.filled.saturating_sub(*cursor) as u64 {
            self.skip = section_len;
            return false;
        }
        *cursor = cursor.saturating_add(section_len as usize);
        batch.findings.len() < FINDINGS_MAX
    }

    fn end_of_payload(&mut self, batch: &mut Batch) {
        if let Some(from) = self.zeros_from.take() {
            let count = self.at.saturating_sub(from);
            let code = match self.trailing_zeros {
                TrailingZeros::Allow => Code::TrailingZeros,
                TrailingZeros::Reject => Code::ZeroLengthSection,
            };
            let message = format!("{count} zero bytes follow the last section (--allow-trailing-zeros takes them as padding)");
            batch.findings.push(Finding::new(code, message).at(FileOffset(from)));
        }
        if let Some(end) = self.payload_end.filter(|end| self.at < *end && !self.payload_cut_known) {
            let message = format!("the payload should end at byte {end}, the file ends at byte {}", self.at);
            batch.findings.push(Finding::new(Code::BadCarv2Header, message).at(FileOffset(35)));
        }
        self.done = true;
    }

    /// Hands the data of a [`Huge`] section to `sink`, piece by piece. `Some` when the file ends inside it.
    ///
    /// # Errors
    /// When the input cannot be read, or what `sink` returns.
    pub fn read_huge(&mut self, huge: &Huge, mut sink: impl FnMut(&[u8]) -> Result<()>) -> Result<Option<Finding>> {
        let mut buffer = vec![0; 1 << 20];
        while self.huge_left > 0 {
            let got = if self.carry.is_empty() {
                let left = self.payload_end.map_or(u64::MAX, |end| end.saturating_sub(self.at));
                let n = self.huge_left.min(left).min(buffer.len() as u64) as usize;
                let got = read_some(&mut self.input, buffer.get_mut(..n).unwrap_or_default())?;
                sink(buffer.get(..got).unwrap_or_default())?;
                got
            } else {
                let n = self.huge_left.min(self.carry.len() as u64) as usize;
                sink(self.carry.get(..n).unwrap_or_default())?;
                self.carry.drain(..n);
                n
            };
            if got == 0 {
                self.done = true;
                self.input_ended = true;
                let message = format!("a block of {} bytes, the file ends {} bytes earlier", huge.data_len, self.huge_left);
                return Ok(Some(Finding::new(Code::Truncated, message).at(huge.at)));
            }
            self.at = self.at.saturating_add(got as u64);
            self.huge_left = self.huge_left.saturating_sub(got as u64);
        }
        Ok(None)
    }

    /// Gives the input back behind the payload of a CARv2, at the index when there is one; `None` for a CARv1 or when
    /// the file ends before that. The number is the file offset of the input's next byte.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub fn into_tail(mut self) -> Result<Option<(R, FileOffset)>> {
        let Some(carv2) = self.carv2 else { return Ok(None) };
        let target = carv2.index_start().unwrap_or_else(|| carv2.data_end());
        self.at = self.at.saturating_add(self.carry.len() as u64);
        self.carry.clear();
        self.payload_end = None;
        self.done = false;
        self.skip = target.saturating_sub(self.at);
        self.pass_over()?;
        Ok((!self.input_ended || self.at == target).then_some((self.input, FileOffset(self.at))))
    }
}

impl<R: Read + Seek> Framer<R> {
    /// As [`Framer::next_batch`], but long sections are passed over by seeking: only [`Batch::heads`] is of use.
    /// `file_len` bounds what may be passed over, so that a section cut short is found all the same.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub fn next_heads(&mut self, batch: &mut Batch, file_len: u64) -> Result<bool> {
        // Long sections: read little more than a head. Short ones: read many at once.
        let window = if self.last_len > 16 << 10 { section::HEAD_LEN_MAX * 2 } else { 256 << 10 };
        let held = self.skip.min(self.carry.len() as u64);
        self.carry.drain(..held as usize);
        let ahead = self.skip.saturating_sub(held);
        let ahead = i64::try_from(ahead).map_err(|_| Error::usage("a section longer than any file"))?;
        self.input.seek_relative(ahead).map_err(|e| Error::io(e, "cannot seek"))?;
        self.at = self.at.saturating_add(self.skip);
        self.skip = 0;
        self.heads_end = Some(self.payload_end.map_or(file_len, |end| end.min(file_len)));
        self.next_window(batch, window)
    }
}

/// Enough bytes to recognise a server's error text.
const SNIFF_LEN: usize = 64;

/// The finding for a section that is longer than allowed.
fn too_large(declared: u64, limits: &Limits, at: FileOffset) -> Finding {
    let message = format!("a section of {declared} bytes, the limit is {} (--max-section)", limits.section_len_max);
    Finding::new(Code::SectionTooLarge, message).at(at)
}

/// The finding for a section whose length is known and whose CID is none.
fn bad_cid(section_len: u64, error: &CidError, held: &[u8], at: FileOffset) -> Finding {
    let message = if concatenated_header(held, at) {
        "the header of another CAR file where a section should start: archives were joined byte by byte (use merge)".to_owned()
    } else {
        format!("a section of {section_len} bytes does not start with a CID: {error}")
    };
    Finding::new(Code::BadCid, message).at(at)
}

/// Whether a server wrote a message where the next section should be: its own words, or any plain text.
fn is_error_text(held: &[u8]) -> bool {
    let start = held.get(..held.len().min(256)).unwrap_or_default();
    let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t');
    sniff::is_gateway_error(held) || start.len() >= 16 && start.iter().all(is_text)
}

/// Whether the section here is in truth the header of a second CAR file.
fn concatenated_header(held: &[u8], at: FileOffset) -> bool {
    let Ok((len, start)) = varint::read(held) else { return false };
    let map = held.get(start..).and_then(|rest| rest.get(..len as usize));
    held.starts_with(&PRAGMA) || map.is_some_and(|map| Header::parse(map.to_vec(), at).is_ok())
}

/// The finding for bytes after which no section can be found; `left` is how many there are.
fn lost(result: std::result::Result<section::Head<'_>, HeadError>, held: &[u8], left: u64) -> Finding {
    match result {
        Ok(head) => {
            let message = format!("a section of {} bytes, {left} are left in the file", head.section_len());
            Finding::new(Code::Truncated, message).cid(head.cid.to_cid())
        }
        Err(HeadError::Varint(VarintError::Truncated) | HeadError::NeedMore) => {
            Finding::new(Code::Truncated, format!("the file ends {left} bytes into a section, inside its length or CID"))
        }
        Err(HeadError::Varint(error)) => Finding::new(Code::BadVarint, format!("no section can be found from here on: {error}")),
        Err(_) => {
            let text = String::from_utf8_lossy(held.get(..held.len().min(200)).unwrap_or_default()).trim().to_owned();
            Finding::new(
                Code::GatewayErrorText,
                format!("text where the next section should be, as a server writes when it fails: {text}"),
            )
        }
    }
}

/// One read, again when a signal interrupted it.
pub(super) fn read_some(input: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    if buffer.is_empty() {
        return Ok(0);
    }
    loop {
        match input.read(buffer) {
            // A real EINTR carries its number; one without is a reader that was told to stop.
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted && e.raw_os_error().is_some() => {}
            Err(e) => return Err(Error::io(e, "cannot read")),
            Ok(n) => return Ok(n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches until the end, and findings in all of them.
    fn batches(car: &[u8]) -> (usize, Vec<Finding>) {
        let mut framer = Framer::open(car, None, Limits::default(), TrailingZeros::Reject).unwrap();
        let (mut batch, mut count, mut findings) = (Batch::default(), 0, Vec::new());
        loop {
            count += 1;
            let more = framer.next_batch(&mut batch).unwrap();
            assert!(batch.findings.len() <= FINDINGS_MAX + 1);
            findings.append(&mut batch.findings);
            if !more {
                return (count, findings);
            }
        }
    }

    #[test]
    fn many_broken_sections_take_few_batches_and_little_memory() {
        let mut car = Header::new(std::iter::empty()).encode();
        for n in 0..50_000u64 {
            car.extend([1, 0xff].iter().chain(if n.is_multiple_of(1000) { &[0, 2, 0xfe, 0xff][..] } else { &[] }));
        }
        let (count, findings) = batches(&car);
        assert_eq!(findings.len(), 50_100);
        assert!(count < 10, "{count}");
        let mut wrong = findings.iter().filter(|finding| finding.code == Code::BadCid);
        assert!(wrong.all(|finding| car.get(finding.at.unwrap().0 as usize).is_some_and(|len| (1..=2).contains(len))));
    }
}
