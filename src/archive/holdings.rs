//! All blocks that are here already, in however many files, few of them open at a time.

use crate::block::Block;
use crate::cid::{Cid, RawCid};
use crate::control::Control;
use crate::error::Result;
use crate::format::{Batch, Framer};
use crate::ops::source::{Place, Places, Source};
use crate::store::{BlockSource, Input, Keyer};
use hashbrown::HashTable;
use std::path::{Path, PathBuf};

/// Blocks by multihash, in many archives. About 20 bytes a block; each is hashed as it is read.
#[derive(Debug)]
pub(super) struct Holdings {
    places: Places,
    keyer: Keyer,
    /// Half a fingerprint and a place; exact, because the CID at the place is read again.
    table: HashTable<(u64, Place)>,
    /// Where each file's places start and end.
    files: Vec<(PathBuf, u64, u64)>,
}

impl Holdings {
    /// Without files so far.
    pub(super) fn new(control: &Control) -> Holdings {
        Holdings { places: Places::new(control.limits), keyer: Keyer::new(), table: HashTable::new(), files: Vec::new() }
    }

    /// Adds the sections of an archive, or those that it has now in place of those that it had.
    ///
    /// # Errors
    /// When it cannot be read. Faults of its framing end nothing: what cannot be read is not here.
    pub(super) fn add(&mut self, path: &Path, control: &Control) -> Result<()> {
        self.forget(path);
        let (source, input) = Source::open_at_random(path, control)?;
        let Input::File(file, len) = input else { return Ok(()) };
        let base = self.places.add(source, len);
        self.files.push((path.to_owned(), base.0, base.0.saturating_add(len)));
        let mut framer = match Framer::open(&file, Some(len), control.limits, control.trailing_zeros) {
            Ok(framer) => framer,
            Err(error) if error.code().is_some() => return Ok(()),
            Err(error) => return Err(error.in_file(path.display().to_string())),
        };
        let mut batch = Batch::default();
        loop {
            let more = framer.next_heads(&mut batch, len)?;
            for head in batch.heads() {
                let tag = self.keyer.key(head.cid.hash_code(), head.cid.digest()).tag();
                let place = Place(base.0.saturating_add(head.at.0));
                self.table.insert_unique(tag, (tag, place), |entry| entry.0);
            }
            control.check()?;
            if !more {
                return Ok(());
            }
        }
    }

    /// Forgets the sections of a file.
    pub(super) fn forget(&mut self, path: &Path) {
        let table = &mut self.table;
        self.files.retain(|(known, start, end)| {
            if known == path {
                table.retain(|(_, place)| !(*start..=*end).contains(&place.0));
            }
            known != path
        });
    }

    /// The first place whose section has this multihash and sound data; the first error when all copies are damaged.
    fn find(&self, cid: &Cid) -> Result<Option<Block>> {
        let (code, digest) = (cid.hash().code(), cid.hash().digest());
        let tag = self.keyer.key(code, digest).tag();
        let mut fault = None;
        for (_, place) in self.table.iter_hash(tag).filter(|(known, _)| *known == tag) {
            let read = self.places.section(*place).and_then(|stored| {
                let is_it = same(stored.cid(), code, digest);
                if is_it { self.places.data(stored).map(Some) } else { Ok(None) }
            });
            let block = match read {
                Ok(None) => continue,
                Ok(Some(data)) => Block::new(*cid, data).map_err(|e| self.places.error(*place, e.into()).cid(*cid)),
                Err(error) => Err(error),
            };
            match block {
                Ok(block) => return Ok(Some(block)),
                Err(error) => fault = fault.or(Some(error)),
            }
        }
        fault.map_or(Ok(None), Err)
    }
}

fn same(cid: RawCid<'_>, code: u64, digest: &[u8]) -> bool {
    cid.hash_code() == code && cid.digest() == digest
}

impl BlockSource for Holdings {
    fn get(&self, cid: &Cid) -> Result<Option<Block>> {
        if let Some(block) = Block::from_identity(cid) {
            return Ok(Some(block));
        }
        self.find(cid)
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        if Block::from_identity(cid).is_some() {
            return Ok(true);
        }
        let (code, digest) = (cid.hash().code(), cid.hash().digest());
        let tag = self.keyer.key(code, digest).tag();
        for (_, place) in self.table.iter_hash(tag).filter(|(known, _)| *known == tag) {
            if same(self.places.head(*place)?.cid(), code, digest) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The holdings as far as they are sound: a damaged block counts as one that is not here, so that it is fetched again.
#[derive(Debug)]
pub(super) struct Sound<'h>(pub(super) &'h Holdings);

impl BlockSource for Sound<'_> {
    fn get(&self, cid: &Cid) -> Result<Option<Block>> {
        match self.0.get(cid) {
            Err(error) if error.code().is_some() => Ok(None),
            result => result,
        }
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        self.0.contains(cid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cid::parse_text;
    use std::fs;

    #[test]
    fn finds_blocks_in_many_files_and_forgets_them() {
        let control = Control::default();
        let dir = tempfile::tempdir().unwrap();
        let mut holdings = Holdings::new(&control);
        let sample = fs::read("testdata/token-image.car").unwrap();
        let root = parse_text("bafybeiavayylxuajv36kcqky4gxc5ozvih4jxgillmf6pyaqu6rof33ptq").unwrap();
        let (sound, damaged) = (dir.path().join("sound.car"), dir.path().join("damaged.car"));
        let mut bytes = sample.clone();
        // Of the header the CID ends at the first section; what follows the section's own head is data.
        *bytes.get_mut(59 + 38).unwrap() ^= 1;
        fs::write(&damaged, &bytes).unwrap();
        holdings.add(&damaged, &control).unwrap();
        assert!(holdings.get(&root).is_err() && Sound(&holdings).get(&root).unwrap().is_none());
        fs::write(&sound, &sample).unwrap();
        holdings.add(&sound, &control).unwrap();
        assert!(holdings.get(&root).unwrap().is_some());
        holdings.forget(&sound);
        assert!(holdings.get(&root).is_err());
        fs::write(&damaged, &sample).unwrap();
        holdings.add(&damaged, &control).unwrap();
        assert!(holdings.get(&root).unwrap().is_some());
        holdings.forget(&damaged);
        assert!(!holdings.contains(&root).unwrap());
    }
}
