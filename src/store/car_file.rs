//! One archive on disk, read at random.

use super::index_search::IndexSearch;
use super::key::Keyer;
use super::{BlockSource, Input, spool};
use crate::block::{Block, Pool, VerifyError};
use crate::cid::{Cid, RawCid, hash_code};
use crate::control::Control;
use crate::error::{Code, Error, ErrorKind, Finding, Result, Severity};
use crate::format::section::{self, HEAD_LEN_MAX};
use crate::format::{Batch, Carv2Header, Framer, Header};
use crate::offset::FileOffset;
use hashbrown::HashTable;
use std::fs::File;
use std::io::Seek;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Bytes read with the head of a section, so that most blocks take one read.
const FIRST_READ: usize = 64 << 10;

/// Reads that one look-up in an index may take: with this many entries a look-up, a walk over all sections is no dearer.
const READS_A_LOOK_UP: u64 = 16;
/// Look-ups, in reads, that are never worth a walk.
const READS_FREE: u64 = 4096;

/// Findings that are kept: an archive may have one every two bytes.
const FINDINGS_MAX: usize = 10_000;

/// An archive whose blocks can be had by CID.
///
/// [`CarFile::open`] walks over the section heads once and remembers where each multihash stands (about 20 bytes a block). A CARv2's own
/// index is not used then: the walk finds the faults of the framing as well.
///
/// [`CarFile::open_indexed`] looks blocks up in a CARv2's index instead, and reads no more of the archive than is asked for. The index is
/// untrusted all the same: an entry counts when the section it leads to has the CID, and the block hashes to it. When the index
/// leads astray, or has no entry, the archive is walked over after all, so that a wrong index costs time and never an answer. So it
/// is once a good part of all blocks was looked up: the rest is cheaper to find then.
#[derive(Debug)]
pub struct CarFile {
    file: File,
    name: String,
    header: Header,
    carv2: Option<Carv2Header>,
    control: Control,
    keyer: Keyer,
    opening: Vec<Finding>,
    index: Option<IndexSearch>,
    look_ups: AtomicU64,
    sections: OnceLock<Sections>,
    /// Held during the walk: it moves the file's position.
    walking: Mutex<()>,
    bypass: OnceLock<Error>,
    pool: Arc<Pool>,
    payload_start: FileOffset,
    len: u64,
    end: u64,
}

/// What a walk over all section heads gave.
#[derive(Debug, Default)]
struct Sections {
    /// Fingerprint and place; exact, because the CID at the place is read again.
    places: HashTable<(u64, FileOffset)>,
    findings: Vec<Finding>,
    count: u64,
    data_len: u64,
}

impl CarFile {
    /// Opens a path; `-` and other streams are spooled to a temporary file.
    ///
    /// # Errors
    /// When it cannot be read or is no CAR file. Faults behind the header are in [`CarFile::findings`].
    pub fn open(path: &Path, control: &Control) -> Result<CarFile> {
        let name = path.display().to_string();
        let (file, len) = Input::open(path, control).and_then(spool).map_err(|e| e.in_file(&*name))?;
        CarFile::from_file(file, len, name, control)
    }

    /// As [`CarFile::open`], but a CARv2's index is used if it has one that can be searched.
    ///
    /// # Errors
    /// As [`CarFile::open`].
    pub fn open_indexed(path: &Path, control: &Control) -> Result<CarFile> {
        let name = path.display().to_string();
        let (file, len) = Input::open(path, control).and_then(spool).map_err(|e| e.in_file(&*name))?;
        let mut car = CarFile::headers(file, len, name, control)?;
        if let Some((at, carv2)) = car.carv2.and_then(|carv2| Some((FileOffset(carv2.index_start()?), carv2)))
            && carv2.data_end() <= len
        {
            match IndexSearch::open(&|at, buffer| car.read_file(at, buffer), at, FileOffset(len)) {
                Ok(index) => car.index = Some(index),
                Err(error) => car.bypassed_because(error)?,
            }
        }
        if car.index.is_none() {
            car.sections()?;
        }
        Ok(car)
    }

    /// Reads the section heads of an opened file of `len` bytes.
    ///
    /// # Errors
    /// As [`CarFile::open`].
    pub fn from_file(file: File, len: u64, name: String, control: &Control) -> Result<CarFile> {
        let car = CarFile::headers(file, len, name, control)?;
        car.sections()?;
        Ok(car)
    }

    /// Reads what stands before the first section.
    fn headers(file: File, len: u64, name: String, control: &Control) -> Result<CarFile> {
        let mut framer = Framer::open(&file, Some(len), control.limits, control.trailing_zeros).map_err(|e| e.in_file(&*name))?;
        let (header, carv2, opening) = (framer.header().clone(), framer.carv2().copied(), framer.take_opening_findings());
        Ok(CarFile {
            payload_start: framer.payload_start(),
            file,
            name,
            header,
            carv2,
            control: control.clone(),
            keyer: Keyer::new(),
            opening,
            index: None,
            look_ups: AtomicU64::new(0),
            sections: OnceLock::new(),
            walking: Mutex::new(()),
            bypass: OnceLock::new(),
            pool: Arc::default(),
            len,
            end: carv2.map_or(len, |c| c.data_end().min(len)),
        })
    }

    /// All sections, walked over when they are first asked for.
    fn sections(&self) -> Result<&Sections> {
        if let Some(sections) = self.sections.get() {
            return Ok(sections);
        }
        let _walking = self.walking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sections) = self.sections.get() {
            return Ok(sections);
        }
        let sections = self.walk().map_err(|e| e.in_file(&*self.name))?;
        Ok(self.sections.get_or_init(|| sections))
    }

    fn walk(&self) -> Result<Sections> {
        (&self.file).rewind().map_err(|e| Error::io(e, "cannot read"))?;
        let mut framer = Framer::open(&self.file, Some(self.len), self.control.limits, self.control.trailing_zeros)?;
        let mut sections = Sections { findings: framer.take_opening_findings(), ..Sections::default() };
        let mut batch = Batch::default();
        loop {
            let more = framer.next_heads(&mut batch, self.len)?;
            for head in batch.heads() {
                sections.count = sections.count.saturating_add(1);
                sections.data_len = sections.data_len.saturating_add(head.data_len);
                self.remember(&mut sections, head.cid, head.at, head.data_len)?;
            }
            batch.findings.drain(..).for_each(|finding| sections.note(finding));
            self.control.check()?;
            if !more {
                return Ok(sections);
            }
        }
    }

    fn remember(&self, sections: &mut Sections, cid: RawCid<'_>, at: FileOffset, data_len: u64) -> Result<()> {
        let tag = self.keyer.key(cid.hash_code(), cid.digest()).tag();
        if self.find(sections, cid.hash_code(), cid.digest())?.is_some() {
            // A second copy is never read, but a forged one must not go unnoticed.
            if let Some(fault) = self.read_block(at, cid.to_cid(), data_len.min(FIRST_READ as u64) as usize + HEAD_LEN_MAX)?.err()
            {
                sections.note(fault);
            }
            return Ok(());
        }
        sections.places.insert_unique(tag, (tag, at), |place| place.0);
        Ok(())
    }

    /// Notes why the index is not used.
    ///
    /// # Errors
    /// A failed read is none of these reasons.
    fn bypassed_because(&self, error: Error) -> Result<()> {
        if error.code().is_none() {
            return Err(error.in_file(&*self.name));
        }
        let _ = self.bypass.set(error.in_file(&*self.name));
        Ok(())
    }

    /// Why the CARv2's index was not used, or no longer: what is wrong with it. `None` while it serves, and for archives without one.
    pub fn bypass(&self) -> Option<&Error> {
        self.bypass.get()
    }

    /// The same file, to be read from its first byte. Readings made this way share one position: not two at a time.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn reopen(&self) -> Result<Input> {
        // Later, the walk would move the position under the reader.
        self.sections()?;
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
    /// While the index is used those of the headers alone.
    pub fn findings(&self) -> &[Finding] {
        self.sections.get().map_or(&self.opening, |sections| &sections.findings)
    }

    /// The first finding that makes the archive faulty, as an error.
    pub fn first_fault(&self) -> Option<Error> {
        let fault = self.findings().iter().find(|f| f.severity == Severity::Error)?;
        Some(Error::from(fault.clone()).in_file(&*self.name))
    }

    /// How many sections there are; `None` while the index is used.
    pub fn section_count(&self) -> Option<u64> {
        self.sections.get().map(|sections| sections.count)
    }

    /// Bytes of data in all sections; `None` while the index is used.
    pub fn data_len(&self) -> Option<u64> {
        self.sections.get().map(|sections| sections.data_len)
    }

    /// Where the section with this multihash stands.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn place(&self, cid: &Cid) -> Result<Option<FileOffset>> {
        let (code, digest) = (cid.hash().code(), cid.hash().digest());
        let Some(index) = self.index.as_ref().filter(|index| self.is_served_by(index)) else {
            return self.find(self.sections()?, code, digest);
        };
        let lie = match self.look_up(index, code, digest) {
            Ok(Some(at)) => return Ok(Some(at)),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        // What an index does not have may still be in the archive.
        let found = self.find(self.sections()?, code, digest)?;
        let lack = || {
            let kind = ErrorKind::Format(Code::IndexMismatch);
            found.map(|_| Error::new(kind, "the index has no entry for a block of the archive").cid(*cid))
        };
        if let Some(error) = lie.or_else(lack) {
            self.bypassed_because(error)?;
        }
        Ok(found)
    }

    /// Whether the next look-up is for the index.
    fn is_served_by(&self, index: &IndexSearch) -> bool {
        let reads = self.look_ups.fetch_add(1, Ordering::Relaxed).saturating_mul(READS_A_LOOK_UP);
        self.sections.get().is_none() && reads <= index.entry_count().saturating_add(READS_FREE)
    }

    /// The place of a section with this multihash, by the index; a code of the error says that the index is wrong.
    fn look_up(&self, index: &IndexSearch, code: u64, digest: &[u8]) -> Result<Option<FileOffset>> {
        let said = index.find(&|at, buffer| self.read_file(at, buffer), code, digest)?;
        for at in said.iter().filter_map(|offset| offset.in_file(self.payload_start)) {
            if at >= self.payload_start.plus(self.header.encoded_len()) && self.stands_at(at, code, digest)? {
                return Ok(Some(at));
            }
        }
        said.first().map_or(Ok(None), |first| {
            let message = format!("an index entry leads to payload byte {}, where its block does not start", first.0);
            Err(Error::format(Code::IndexMismatch, first.in_file(self.payload_start).unwrap_or_default(), message))
        })
    }

    /// The block whose section stands at `at`, as [`CarFile::place`] says.
    ///
    /// # Errors
    /// As [`BlockSource::get`].
    pub fn get_at(&self, cid: &Cid, at: FileOffset) -> Result<Block> {
        let mut result = self.read_block(at, *cid, FIRST_READ)?;
        if result.is_err() && self.index.is_some() && self.sections.get().is_none() {
            // An index can lead into the middle of another block, where a forged section stands.
            let found = self.find(self.sections()?, cid.hash().code(), cid.hash().digest())?;
            if let Some(other) = found.filter(|other| *other != at) {
                let message = "an index entry leads to bytes that do not match the block, which stands elsewhere";
                self.bypassed_because(Error::format(Code::IndexMismatch, at, message).cid(*cid))?;
                result = self.read_block(other, *cid, FIRST_READ)?;
            }
        }
        result.map_err(|fault| Error::from(fault).in_file(&*self.name))
    }

    /// The CID that the section at `at` has in the archive: it may differ in version or codec from the one asked for.
    ///
    /// # Errors
    /// When there is no section, or the file cannot be read.
    pub fn stored_cid(&self, at: FileOffset) -> Result<Cid> {
        let mut bytes = [0; HEAD_LEN_MAX];
        let held = self.read_at(at, &mut bytes)?;
        match section::head(bytes.get(..held).unwrap_or_default(), &self.control.limits) {
            Ok(head) => Ok(head.cid.to_cid()),
            Err(_) => Err(Error::format(Code::BadCid, at, "no section starts here").in_file(&*self.name)),
        }
    }

    fn find(&self, sections: &Sections, code: u64, digest: &[u8]) -> Result<Option<FileOffset>> {
        let tag = self.keyer.key(code, digest).tag();
        for (found, at) in sections.places.iter_hash(tag) {
            if *found == tag && self.stands_at(*at, code, digest)? {
                return Ok(Some(*at));
            }
        }
        Ok(None)
    }

    /// Whether a section with this multihash starts here.
    fn stands_at(&self, at: FileOffset, code: u64, digest: &[u8]) -> Result<bool> {
        let mut bytes = [0; HEAD_LEN_MAX];
        let held = self.read_at(at, &mut bytes)?;
        let head = section::head(bytes.get(..held).unwrap_or_default(), &self.control.limits);
        Ok(head.is_ok_and(|head| head.cid.hash_code() == code && head.cid.digest() == digest))
    }

    /// Fills as much of `buffer` as the payload has from `at` on.
    fn read_at(&self, at: FileOffset, buffer: &mut [u8]) -> Result<usize> {
        let left = self.end.saturating_sub(at.0).min(buffer.len() as u64) as usize;
        self.read_file(at, buffer.get_mut(..left).unwrap_or_default())
    }

    /// Fills as much of `buffer` as the file has from `at` on.
    fn read_file(&self, at: FileOffset, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let place = at.0.saturating_add(filled as u64);
            let rest = buffer.get_mut(filled..).unwrap_or_default();
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
        let (head_len, data_len) = match section::head(&data, &self.control.limits) {
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

    /// Where the data of a block stands, and how long it is, when that takes no more than a look.
    fn find_data(&self, cid: &Cid) -> Option<(FileOffset, usize)> {
        if cid.hash().code() == hash_code::IDENTITY {
            return None;
        }
        let at = CarFile::place(self, cid).ok()??;
        let mut bytes = [0; HEAD_LEN_MAX];
        let held = self.read_at(at, &mut bytes).ok()?;
        let head = section::head(bytes.get(..held)?, &self.control.limits).ok()?;
        let start = at.plus(head.len() as u64);
        let data_len = usize::try_from(head.data_len).ok().filter(|len| start.plus(*len as u64).0 <= self.end)?;
        Some((start, data_len))
    }

    /// Reads and hashes blocks at known places; none where that does not give the block.
    fn read_many(&self, blocks: &[(Cid, FileOffset, usize)]) -> Vec<Option<Block>> {
        let mut bytes = self.pool.take(blocks.iter().fold(0, |sum, (_, _, len)| sum.saturating_add(*len)));
        let mut places = Vec::with_capacity(blocks.len());
        let mut end = 0_usize;
        for (cid, at, len) in blocks {
            let place = end..end.saturating_add(*len);
            let held = self.read_at(*at, bytes.get_mut(place.clone()).unwrap_or_default()).unwrap_or(0);
            // What was cut short meanwhile must not be taken for what stood in the memory before.
            places.push((*cid, place.start..place.start.saturating_add(held)));
            end = place.end;
        }
        Block::many(bytes, &places, &self.pool)
    }

    /// Hashes every section of which `seen` says that it was not read yet.
    ///
    /// # Errors
    /// The first block that does not match its CID, or a failed read.
    pub fn verify_rest(&self, control: &Control, mut seen: impl FnMut(FileOffset) -> bool) -> Result<()> {
        for (_, at) in &self.sections()?.places {
            control.check()?;
            if seen(*at) {
                continue;
            }
            let mut bytes = [0; HEAD_LEN_MAX];
            let held = self.read_at(*at, &mut bytes)?;
            if let Ok(head) = section::head(bytes.get(..held).unwrap_or_default(), &self.control.limits)
                && let Err(fault) = self.read_block(*at, head.cid.to_cid(), FIRST_READ)?
            {
                return Err(Error::from(fault).in_file(&*self.name));
            }
        }
        Ok(())
    }
}

impl Sections {
    /// Keeps a finding: the first of very many, and any that is worse than those.
    fn note(&mut self, finding: Finding) {
        let is_worse = || self.findings.iter().rev().all(|kept| kept.severity < finding.severity);
        if self.findings.len() < FINDINGS_MAX || is_worse() {
            self.findings.push(finding);
        }
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

    /// Reads and hashes on all threads that the archive was opened with.
    fn get_many(&self, cids: &[Cid], len_max: u64) -> Vec<Result<Option<Block>>> {
        let mut found = Vec::new();
        let mut left = len_max;
        for cid in cids {
            let Some((at, len)) = self.find_data(cid) else { break };
            let Some(rest) = left.checked_sub(len as u64) else { break };
            left = rest;
            found.push((*cid, at, len));
        }
        if found.len() < 2 {
            return cids.first().map(|cid| self.get(cid)).into_iter().collect();
        }
        let share = found.len().div_ceil(self.control.threads.max(1));
        let blocks: Vec<Option<Block>> = std::thread::scope(|scope| {
            let (own, others) = found.split_at(share);
            let others: Vec<_> = others.chunks(share).map(|part| scope.spawn(|| self.read_many(part))).collect();
            let mut blocks = self.read_many(own);
            for other in others {
                blocks.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            blocks
        });
        let one = |(cid, block): (&Cid, Option<Block>)| block.map_or_else(|| self.get(cid), |block| Ok(Some(block)));
        cids.iter().zip(blocks).map(one).collect()
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
            assert_eq!(car.section_count(), Some(0), "{declared}");
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
