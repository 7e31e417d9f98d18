//! What a fetch has so far: verified blocks in the part file, and local archives.

use super::want::Giver;
use crate::block::Block;
use crate::cid::{Cid, RawCid};
use crate::control::Control;
use crate::error::{Code, Error, Finding, Result};
use crate::format::section::{self, HEAD_LEN_MAX};
use crate::format::{Framer, Header};
use crate::limits::Limits;
use crate::offset::FileOffset;
use crate::ops::scan::{self, Collector, Identify, SectionHead};
use crate::store::{BlockSource, CarFile, Key, Keyer, PartFile};
use crate::varint;
use hashbrown::HashTable;
use std::io::Read;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes read with the head of a section, so that most inner nodes take one read.
const FIRST_READ: usize = 16 << 10;
/// A file shorter than this that is no archive is what a killed run left of a header.
const STUMP_LEN_MAX: u64 = 256;

/// The place of a block that a local archive has, which was hashed.
const LOCAL: u64 = u64::MAX;

/// Where a block stands in the part file. 32 bytes; the table adds one, and room to grow.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// 96 bits of a keyed fingerprint: nobody can aim at a collision, and none comes by chance.
    tag: u64,
    more: u32,
    /// A fingerprint of the CID as it stands in the file.
    form: u32,
    at: u64,
    data_len: u32,
    giver: u16,
}

/// A number for who gave a block: an index into [`Held::givers`].
pub(super) type GiverId = u16;

#[derive(Debug)]
struct Inner {
    file: PartFile,
    table: HashTable<Place>,
    givers: Vec<Giver>,
    blocks: u64,
}

/// Blocks by CID: the part file first, then the archives on this machine.
#[derive(Debug)]
pub(super) struct Held<'l> {
    inner: Mutex<Inner>,
    keyer: Keyer,
    limits: Limits,
    locals: Vec<&'l CarFile>,
    /// Bytes of the header in the part file.
    header_len: u64,
}

impl<'l> Held<'l> {
    /// Opens the part file of `root`, hashing what an earlier run left in it, or starts one.
    ///
    /// # Errors
    /// When it is some other file, or cannot be read or written.
    pub(super) fn open(part: &Path, root: &Cid, locals: Vec<&'l CarFile>, control: &Control) -> Result<Held<'l>> {
        let mut file = PartFile::open(part)?;
        let reader = file.reader()?;
        let framer = match Framer::open(reader, Some(file.len()), control.limits, control.trailing_zeros) {
            Ok(framer) => Some(framer),
            Err(error) if error.code().is_none() => return Err(error.in_file(file.name())),
            Err(_) if file.len() <= STUMP_LEN_MAX => None,
            Err(error) => {
                let message = format!("is in the way: not what an earlier run left there ({})", error.message);
                return Err(Error::usage(message).in_file(file.name()));
            }
        };
        let inner = Inner { file, table: HashTable::new(), givers: vec![Giver::Part], blocks: 0 };
        let mut held = Held { inner: Mutex::new(inner), keyer: Keyer::new(), limits: control.limits, locals, header_len: 0 };
        match framer {
            Some(framer) => held.resume(framer, control)?,
            None => {
                let header = Header::from_cids(&[*root]).encode();
                held.header_len = header.len() as u64;
                let file = &mut held.lock().file;
                file.truncate(0)?;
                file.append(&header)?;
            }
        }
        Ok(held)
    }

    /// Takes the sound sections of an earlier run, and cuts off what it did not finish.
    fn resume<R: Read + Send>(&mut self, mut framer: Framer<R>, control: &Control) -> Result<()> {
        self.header_len = framer.payload_start().0.saturating_add(framer.header().encode().len() as u64);
        let mut end = self.header_len;
        let again = Again { held: self, end: &mut end };
        scan::scan(&mut framer, self.keyer, Identify::Multihash, again, control)
            .map_err(|e| e.in_file(self.lock().file.name()))?;
        self.lock().file.truncate(end)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn keyer(&self) -> Keyer {
        self.keyer
    }

    fn key(&self, cid: &Cid) -> Key {
        self.keyer.key(cid.hash().code(), cid.hash().digest())
    }

    fn form(&self, cid: &[u8]) -> u32 {
        self.keyer.bytes(cid).tag() as u32
    }

    /// Blocks in the part file.
    pub(super) fn part_blocks(&self) -> u64 {
        self.lock().blocks
    }

    /// The number under which blocks of `giver` are counted.
    pub(super) fn giver(&self, giver: &Giver) -> GiverId {
        let givers = &mut self.lock().givers;
        let at = givers.iter().position(|known| known == giver).unwrap_or_else(|| {
            givers.push(giver.clone());
            givers.len().saturating_sub(1)
        });
        GiverId::try_from(at).unwrap_or(0)
    }

    /// Keeps a block that was hashed. `false`: it was there already.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn put(&self, cid: RawCid<'_>, key: Key, data: &[u8], giver: GiverId) -> Result<bool> {
        if cid.is_identity() {
            return Ok(false);
        }
        let form = self.form(cid.bytes());
        let mut inner = self.lock();
        if find(&inner.table, key).is_some() {
            return Ok(false);
        }
        let at = inner.file.len();
        let mut head = Vec::with_capacity(64);
        varint::write((data.len() as u64).saturating_add(cid.bytes().len() as u64), &mut head);
        head.extend_from_slice(cid.bytes());
        inner.file.append(&head)?;
        inner.file.append(data)?;
        inner.remember(Place { tag: key.tag(), more: key.0[1] as u32, form, at, data_len: data.len() as u32, giver });
        Ok(true)
    }

    /// Hands what was kept to the system, so that it outlives this process.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn flush(&self) -> Result<()> {
        self.lock().file.flush()
    }

    /// Where a block stands: the place of its section, the section's length, whether it stands under this very CID, and who gave
    /// it; `None` when only a local archive has it.
    pub(super) fn section(&self, cid: &Cid) -> Option<(u64, u64, bool, Giver)> {
        let inner = self.lock();
        let place = *find(&inner.table, self.key(cid)).filter(|place| place.at != LOCAL)?;
        let bytes = cid.to_bytes();
        let body = u64::from(place.data_len).saturating_add(bytes.len() as u64);
        let len = body.saturating_add(varint::encoded_len(body) as u64);
        let giver = inner.givers.get(usize::from(place.giver)).cloned().unwrap_or(Giver::Part);
        Some((place.at, len, place.form == self.form(&bytes), giver))
    }

    /// Bytes of the header of the part file, and of all of it.
    pub(super) fn part_lens(&self) -> (u64, u64) {
        (self.header_len, self.lock().file.len())
    }

    /// The part file itself.
    pub(super) fn into_part(self) -> PartFile {
        self.inner.into_inner().unwrap_or_else(PoisonError::into_inner).file
    }

    fn read_part(&self, cid: &Cid) -> Result<Option<Block>> {
        let mut inner = self.lock();
        let Some(place) = find(&inner.table, self.key(cid)).copied().filter(|place| place.at != LOCAL) else {
            return Ok(None);
        };
        let mut data = vec![0; FIRST_READ.min((place.data_len as usize).saturating_add(HEAD_LEN_MAX))];
        let got = inner.file.read_at(FileOffset(place.at), &mut data)?;
        data.truncate(got);
        let changed =
            || Error::format(Code::BadCid, FileOffset(place.at), "changed while it was read").in_file(inner.file.name());
        let head_len = section::head(&data, &self.limits).map_err(|_| changed())?.len();
        data.drain(..head_len);
        let have = data.len();
        data.resize(place.data_len as usize, 0);
        if let Some(rest) = data.get_mut(have..).filter(|rest| !rest.is_empty()) {
            let from = place.at.saturating_add(head_len as u64).saturating_add(have as u64);
            inner.file.read_at(FileOffset(from), rest)?;
        }
        let name = inner.file.name();
        drop(inner);
        Block::new(*cid, data).map(Some).map_err(|e| Error::from(e).at(FileOffset(place.at)).in_file(name))
    }

    /// The block in the first local archive that has a sound copy.
    fn read_local(&self, cid: &Cid) -> Option<Block> {
        // A damaged copy is no copy here; `verify` is there to tell of it.
        self.locals.iter().find_map(|car| car.get(cid).ok().flatten())
    }
}

impl Inner {
    fn remember(&mut self, place: Place) {
        self.blocks = self.blocks.saturating_add(u64::from(place.at != LOCAL));
        self.table.insert_unique(place.tag, place, |place| place.tag);
    }
}

fn find(table: &HashTable<Place>, key: Key) -> Option<&Place> {
    table.find(key.tag(), |place| place.tag == key.tag() && place.more == key.0[1] as u32)
}

impl BlockSource for Held<'_> {
    fn get(&self, cid: &Cid) -> Result<Option<Block>> {
        if let Some(block) = Block::from_identity(cid) {
            return Ok(Some(block));
        }
        match self.read_part(cid)? {
            Some(block) => Ok(Some(block)),
            None => Ok(self.read_local(cid)),
        }
    }

    /// Blocks of local archives are hashed for this, once: that they are named in a file proves nothing.
    fn contains(&self, cid: &Cid) -> Result<bool> {
        let key = self.key(cid);
        if Block::from_identity(cid).is_some() || find(&self.lock().table, key).is_some() {
            return Ok(true);
        }
        let Some(block) = self.read_local(cid) else { return Ok(false) };
        let data_len = block.data().len() as u32;
        let mut inner = self.lock();
        if find(&inner.table, key).is_none() {
            inner.remember(Place { tag: key.tag(), more: key.0[1] as u32, form: 0, at: LOCAL, data_len, giver: 0 });
        }
        Ok(true)
    }
}

/// Takes the sections of an earlier run.
struct Again<'h, 'l> {
    held: &'h Held<'l>,
    /// Behind the last section that is whole.
    end: &'h mut u64,
}

impl Collector for Again<'_, '_> {
    fn sound(&mut self, head: SectionHead<'_>, data: &[u8]) -> Result<()> {
        *self.end = head.end().0;
        let form = self.held.form(head.cid.bytes());
        let mut inner = self.held.lock();
        if !head.cid.is_identity() && find(&inner.table, head.key).is_none() {
            let (tag, more) = (head.key.tag(), head.key.0[1] as u32);
            inner.remember(Place { tag, more, form, at: head.at.0, data_len: data.len() as u32, giver: 0 });
        }
        Ok(())
    }

    fn unsound(&mut self, head: SectionHead<'_>, _: &[u8], _: Finding) -> Result<()> {
        // Passed over: it is fetched again, and left out of the archive.
        *self.end = head.end().0;
        Ok(())
    }

    fn remark(&mut self, _: Finding) -> Result<()> {
        Ok(())
    }

    fn huge(&mut self, _: SectionHead<'_>) -> Result<bool> {
        Ok(false)
    }

    fn huge_piece(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn huge_end(&mut self, _: SectionHead<'_>, _: Option<Finding>) -> Result<()> {
        Ok(())
    }
}
