//! Remembers which sections were read.

use super::{BlockSource, CarFile};
use crate::block::Block;
use crate::cid::Cid;
use crate::error::Result;
use crate::offset::FileOffset;
use std::cell::RefCell;

/// A [`CarFile`] that remembers which of its sections were read, in 8 to 16 bytes each.
#[derive(Debug)]
pub struct Recorder<'c> {
    car: &'c CarFile,
    places: RefCell<Places>,
}

/// Places in the order of arrival, sorted and made distinct whenever the memory is full.
#[derive(Debug, Default)]
struct Places {
    places: Vec<FileOffset>,
    sorted: usize,
}

impl Places {
    fn add(&mut self, at: FileOffset) {
        if self.places.len() == self.places.capacity() {
            self.sort();
            // Places that repeated have left room; otherwise twice what is distinct is enough until the next time.
            if self.places.len() > self.places.capacity() / 2 {
                self.places.reserve_exact(self.places.len().max(1024));
            }
        }
        self.places.push(at);
    }

    fn sort(&mut self) {
        self.places.sort_unstable();
        self.places.dedup();
        self.sorted = self.places.len();
    }

    fn has(&mut self, at: FileOffset) -> bool {
        if self.sorted != self.places.len() {
            self.sort();
        }
        self.places.binary_search(&at).is_ok()
    }
}

impl<'c> Recorder<'c> {
    /// Nothing is read yet.
    pub fn new(car: &'c CarFile) -> Recorder<'c> {
        Recorder { car, places: RefCell::default() }
    }

    /// Whether the section at this place was read through this recorder: for [`CarFile::verify_rest`].
    pub fn has_read(&self, at: FileOffset) -> bool {
        self.places.borrow_mut().has(at)
    }
}

impl BlockSource for Recorder<'_> {
    fn get(&self, cid: &Cid) -> Result<Option<Block>> {
        if let Some(block) = Block::from_identity(cid) {
            return Ok(Some(block));
        }
        let Some(at) = CarFile::place(self.car, cid)? else { return Ok(None) };
        // Also when it does not match: then that has been said.
        self.places.borrow_mut().add(at);
        self.car.get_at(cid, at).map(Some)
    }

    fn get_many(&self, cids: &[Cid], len_max: u64) -> Vec<Result<Option<Block>>> {
        let blocks = BlockSource::get_many(self.car, cids, len_max);
        for cid in cids.iter().take(blocks.len()) {
            if let Ok(Some(at)) = CarFile::place(self.car, cid) {
                self.places.borrow_mut().add(at);
            }
        }
        blocks
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        self.car.contains(cid)
    }

    fn place(&self, cid: &Cid) -> Result<Option<FileOffset>> {
        self.car.place(cid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_places_take_no_more_memory() {
        let mut places = Places::default();
        for n in 0..1_000_000u64 {
            places.add(FileOffset(n * 7919 % 5000));
        }
        assert!(places.places.capacity() <= 10_000, "{}", places.places.capacity());
        assert!(places.has(FileOffset(4999)) && !places.has(FileOffset(5000)));
    }
}
