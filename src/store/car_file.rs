//! One archive on disk, read at random.

use super::key::Keyer;
use super::{BlockSource, Input, spool};
use crate::block::{Block, VerifyError};
use crate::cid::{Cid, RawCid};
use crate::control::Control;
use crate::error::{Code, Error, Finding, Result, Severity};
use crate::format::section::{self, HEAD_LEN_MAX};
use crate::format::{Batch, Carv2Header, Framer, Header};
use crate::limits::Limits;
use crate::offset::FileOffset;
use hashbrown::HashTable;
use std::fs::File;
use std::path::Path;

/// Bytes read with the head of a section, so that most blocks take one read.
const FIRST_READ: usize = 64 << 10;

/// Findings that are kept: an archive may have one every two bytes.
const FINDINGS_MAX: usize = 10_000;

/// An archive whose blocks can be had by CID.
///
/// Opening walks over the section heads once and remembers where each multihash stands (about 20 bytes a block). A
/// CARv2's own index is not used: it is untrusted, and the walk finds the faults of the framing as well.
#[derive(Debug)]
pub struct CarFile {
    file: File,
    name: String,
    header: Header,
    carv2: Option<Carv2Header>,
    limits: Limits,
    keyer: Keyer,
    /// Fingerprint and place; exact, because the CID at the place is read again.
    places: HashTable<(u64, FileOffset)>,
    findings: Vec<Finding>,
    section_count: u64,
    payload_len: u64,
    len: u64,
    end: u64,
}

impl CarFile {
    /// Opens a path; `-` and other streams are spooled to a temporary file.
    ///
    /// # Errors
    /// When it cannot be read or is no CAR file. Faults behind the header are in [`CarFile::findings`].
    pub fn open(path: &Path, control: &Control) -> Result<CarFile> {
        let name = path.display().to_string();
        let (file, len) = Input::open(path, control).and_then(spool).map_err(|e| e.in_file(&*name))?;
        CarFile::from_file(file, len, name.clone(), control).map_err(|e| e.in_file(name))
    }

    /// Reads the section heads of an opened file of `len` bytes.
    ///
    /// # Errors
    /// As [`CarFile::open`].
    pub fn from_file(file: File, len: u64, name: String, control: &Control) -> Result<CarFile> {
        let mut framer = Framer::open(&file, Some(len), control.limits, control.trailing_zeros)?;
        let mut car = CarFile {
            file: file.try_clone().map_err(|e| Error::io(e, "cannot read"))?,
            name,
            header: framer.header().clone(),
            carv2: framer.carv2().copied(),
            limits: control.limits,
            keyer: Keyer::new(),
            places: HashTable::new(),
            findings: framer.take_opening_findings(),
            section_count: 0,
            payload_len: 0,
            len,
            end: framer.carv2().map_or(len, |c| c.data_end().min(len)),
        };
        let mut batch = Batch::default();
        loop {
            let more = framer.next_heads(&mut batch, len)?;
            for head in batch.heads() {
                car.section_count = car.section_count.saturating_add(1);
                car.payload_len = car.payload_len.saturating_add(head.data_len);
                car.remember(head.cid, head.at, head.data_len)?;
            }
            batch.findings.drain(..).for_each(|finding| car.note(finding));
            control.check()?;
            if !more {
                break;
            }
        }
        Ok(car)
    }

    /// Keeps a finding: the first of very many, and any that is worse than those.
    fn note(&mut self, finding: Finding) {
        let is_worse = || self.findings.iter().rev().all(|kept| kept.severity < finding.severity);
        if self.findings.len() < FINDINGS_MAX || is_worse() {
            self.findings.push(finding);
        }
    }

    fn remember(&mut self, cid: RawCid<'_>, at: FileOffset, data_len: u64) -> Result<()> {
        let tag = self.keyer.key(cid.hash_code(), cid.digest()).tag();
        if self.find(tag, cid.hash_code(), cid.digest())?.is_some() {
            // A second copy is never read, but a forged one must not go unnoticed.
            if let Some(fault) = self.read_block(at, cid.to_cid(), data_len.min(FIRST_READ as u64) as usize + HEAD_LEN_MAX)?.err()
            {
                self.note(fault);
            }
            return Ok(());
        }
        self.places.insert_unique(tag, (tag, at), |place| place.0);
        Ok(())
    }

    /// The same file, to be read from its first byte. Readings made this way share one position: not two at a time.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn reopen(&self) -> Result<Input> {
        let mut file = self.file.try_clone().map_err(|e| Error::io(e, "cannot read"))?;
        std::io::Seek::rewind(&mut file).map_err(|e| Error::io(e, "cannot read"))?;
        Ok(Input::File(file, self.len))
    }

    /// The CARv1 header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The CARv2 header, if the file is one.
    pub fn carv2(&self) -> Option<&Carv2Header> {
        self.carv2.as_ref()
    }

    /// The roots as owned CIDs, in header order, each once. `bafkqaaa`, which stands for "none", is left out beside others.
    pub fn roots(&self) -> Vec<Cid> {
        let mut seen = std::collections::HashSet::new();
        let mut roots: Vec<RawCid<'_>> = self.header.roots().filter(|root| seen.insert(root.bytes())).collect();
        if roots.len() > 1 {
            roots.retain(|root| *root != RawCid::EMPTY);
        }
        roots.iter().map(RawCid::to_cid).collect()
    }

    /// The name the file was opened by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was wrong or remarkable about headers, framing and repeated sections: the first ten thousand, and always the worst.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The first finding that makes the archive faulty, as an error.
    pub fn first_fault(&self) -> Option<Error> {
        let fault = self.findings.iter().find(|f| f.severity == Severity::Error)?;
        Some(Error::from(fault.clone()).in_file(&*self.name))
    }

    /// How many sections there are.
    pub fn section_count(&self) -> u64 {
        self.section_count
    }

    /// Bytes of data in all sections together.
    pub fn payload_len(&self) -> u64 {
        self.payload_len
    }

    /// Where the section with this multihash stands.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn place(&self, cid: &Cid) -> Result<Option<FileOffset>> {
        let (code, digest) = (cid.hash().code(), cid.hash().digest());
        self.find(self.keyer.key(code, digest).tag(), code, digest)
    }

    /// The block whose section stands at `at`, as [`CarFile::place`] says.
    ///
    /// # Errors
    /// As [`BlockSource::get`].
    pub fn get_at(&self, cid: &Cid, at: FileOffset) -> Result<Block> {
        self.read_block(at, *cid, FIRST_READ)?.map_err(|fault| Error::from(fault).in_file(&*self.name))
    }

    fn find(&self, tag: u64, code: u64, digest: &[u8]) -> Result<Option<FileOffset>> {
        let mut bytes = [0; HEAD_LEN_MAX];
        for (found, at) in self.places.iter_hash(tag) {
            if *found == tag {
                let held = self.read_at(*at, &mut bytes)?;
                let head = section::head(bytes.get(..held).unwrap_or_default(), &self.limits);
                if head.is_ok_and(|head| head.cid.hash_code() == code && head.cid.digest() == digest) {
                    return Ok(Some(*at));
                }
            }
        }
        Ok(None)
    }

    /// Fills as much of `buffer` as the payload has from `at` on.
    fn read_at(&self, at: FileOffset, buffer: &mut [u8]) -> Result<usize> {
        let left = self.end.saturating_sub(at.0).min(buffer.len() as u64) as usize;
        let mut filled = 0;
        while filled < left {
            let place = at.0.saturating_add(filled as u64);
            let rest = buffer.get_mut(filled..left).unwrap_or_default();
            #[cfg(unix)]
            let got = std::os::unix::fs::FileExt::read_at(&self.file, rest, place);
            #[cfg(windows)]
            let got = std::os::windows::fs::FileExt::seek_read(&self.file, rest, place);
            match got {
                Ok(0) => break,
                Ok(n) => filled = filled.saturating_add(n),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io(e, "cannot read").at(at).in_file(&*self.name)),
            }
        }
        Ok(filled)
    }

    /// Reads and hashes the section at `at` as the block `cid`; the inner error is a fault of the archive.
    fn read_block(&self, at: FileOffset, cid: Cid, first_read: usize) -> Result<std::result::Result<Block, Finding>> {
        let mut data = vec![0; first_read];
        let held = self.read_at(at, &mut data)?;
        data.truncate(held);
        let (head_len, data_len) = match section::head(&data, &self.limits) {
            Ok(head) => (head.len(), head.data_len),
            // It was read before: the file has changed since.
            Err(_) => return Ok(Err(Finding::new(Code::BadCid, "the section changed while it was read").at(at))),
        };
        data.drain(..head_len);
        // Within --max-section, and the walk saw that the file is that long; still grown only by what can be read.
        while (data.len() as u64) < data_len {
            let have = data.len();
            let step = data_len.saturating_sub(have as u64).min(8 << 20) as usize;
            data.resize(have.saturating_add(step), 0);
            let from = at.plus(head_len as u64).plus(have as u64);
            let got = self.read_at(from, data.get_mut(have..).unwrap_or_default())?;
            data.truncate(have.saturating_add(got));
            if got == 0 {
                let message = format!("a block of {data_len} bytes, {have} are there");
                return Ok(Err(Finding::new(Code::Truncated, message).at(at).cid(cid)));
            }
        }
        data.truncate(data_len as usize);
        Ok(Block::new(cid, data).map_err(|e: VerifyError| Finding::new(e.code(), e.to_string()).at(at).cid(cid)))
    }

    /// Hashes every section of which `seen` says that it was not read yet.
    ///
    /// # Errors
    /// The first block that does not match its CID, or a failed read.
    pub fn verify_rest(&self, control: &Control, mut seen: impl FnMut(FileOffset) -> bool) -> Result<()> {
        for (_, at) in &self.places {
            control.check()?;
            if seen(*at) {
                continue;
            }
            let mut bytes = [0; HEAD_LEN_MAX];
            let held = self.read_at(*at, &mut bytes)?;
            if let Ok(head) = section::head(bytes.get(..held).unwrap_or_default(), &self.limits)
                && let Err(fault) = self.read_block(*at, head.cid.to_cid(), FIRST_READ)?
            {
                return Err(Error::from(fault).in_file(&*self.name));
            }
        }
        Ok(())
    }
}

impl BlockSource for CarFile {
    fn get(&self, cid: &Cid) -> Result<Option<Block>> {
        if let Some(block) = Block::from_identity(cid) {
            return Ok(Some(block));
        }
        let Some(at) = CarFile::place(self, cid)? else { return Ok(None) };
        self.get_at(cid, at).map(Some)
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        Ok(Block::from_identity(cid).is_some() || self.place(cid)?.is_some())
    }

    fn place(&self, cid: &Cid) -> Result<Option<FileOffset>> {
        CarFile::place(self, cid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An opened archive without roots, with these bytes behind the header.
    fn opened(sections: &[u8], control: &Control) -> CarFile {
        let mut file = tempfile::tempfile().unwrap();
        let bytes = [&Header::new(std::iter::empty()).encode(), sections].concat();
        std::io::Write::write_all(&mut file, &bytes).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        CarFile::from_file(file, bytes.len() as u64, "test".to_owned(), control).unwrap()
    }

    fn section_head(declared: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        crate::varint::write(declared, &mut bytes);
        bytes.extend([1, 0x55, 0x12, 32]);
        bytes.extend([9; 32]);
        bytes
    }

    #[test]
    fn data_of_a_long_section_cut_short_is_not_read_as_sections() {
        let inner = [section_head(36 + (1 << 20)), vec![7; 1 << 20]].concat();
        let mut control = Control::default();
        control.limits.section_len_max = 1 << 30;
        for declared in [10 << 20, 20 << 20] {
            let car = opened(&[section_head(declared), inner.clone()].concat(), &control);
            assert_eq!(car.section_count(), 0, "{declared}");
            let fault = car.first_fault().unwrap();
            assert_eq!(fault.code(), Some(Code::Truncated), "{fault}");
        }
    }

    #[test]
    fn findings_are_bounded_and_the_worst_is_kept() {
        let car = opened(&[1, 0xff].repeat(FINDINGS_MAX * 2), &Control::default());
        assert_eq!(car.findings().len(), FINDINGS_MAX);
        assert!(car.first_fault().is_some());
    }
}
