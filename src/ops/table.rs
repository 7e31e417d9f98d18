//! A hash table of node numbers under random 32-bit tags, made for one purpose: few cache misses.
//!
//! An entry takes eight bytes and one array, so that a look-up costs one cache miss, and [`Table::warm`] lets many look-ups
//! wait for memory at the same time. Growing reads and writes both arrays in order. Tags are fingerprints under a random key,
//! so no archive can aim at a place.

/// No entry here.
const EMPTY: u32 = u32::MAX;

#[derive(Debug)]
pub(crate) struct Table {
    slots: Vec<(u32, u32)>,
    len: usize,
    shift: u32,
}

impl Default for Table {
    fn default() -> Table {
        Table { slots: vec![(0, EMPTY); 1 << 10], len: 0, shift: 64 - 10 }
    }
}

impl Table {
    /// Where a tag would be at best. High bits of a product: all of the tag counts, and order is kept when the table grows.
    fn home(&self, tag: u32) -> usize {
        (u64::from(tag).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    /// Reads the place of a tag, so that it is in the cache when it is looked up soon after.
    pub(crate) fn warm(&self, tag: u32) -> u32 {
        self.slots.get(self.home(tag)).map_or(0, |slot| slot.1)
    }

    /// The number under this tag for which `is_it` holds.
    pub(crate) fn find(&self, tag: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let home = self.home(tag);
        let (front, back) = self.slots.split_at(home);
        back.iter().chain(front).take_while(|slot| slot.1 != EMPTY).find(|slot| slot.0 == tag && is_it(slot.1)).map(|slot| slot.1)
    }

    /// Adds a number that is not there.
    pub(crate) fn insert(&mut self, tag: u32, number: u32) {
        if self.len >= self.slots.len() / 4 * 3 {
            self.grow();
        }
        let home = self.home(tag);
        self.len += 1;
        let (front, back) = self.slots.split_at_mut(home);
        if let Some(slot) = back.iter_mut().chain(front).find(|slot| slot.1 == EMPTY) {
            *slot = (tag, number);
        }
    }

    fn grow(&mut self) {
        let larger = vec![(0, EMPTY); self.slots.len() * 2];
        let old = std::mem::replace(&mut self.slots, larger);
        self.shift -= 1;
        self.len = 0;
        for (tag, number) in old.into_iter().filter(|slot| slot.1 != EMPTY) {
            self.insert(tag, number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_put_in_also_under_one_tag() {
        let mut table = Table::default();
        let tag = |n: u32| n.wrapping_mul(2_654_435_761) ^ 77;
        for n in 0..100_000 {
            assert_eq!(table.find(tag(n), |found| found == n), None);
            table.insert(tag(n), n);
        }
        for n in 100_000..100_050 {
            table.insert(5, n);
        }
        assert!((0..100_000).all(|n| table.find(tag(n), |found| found == n) == Some(n)));
        assert!((100_000..100_050).all(|n| table.find(5, |found| found == n) == Some(n)));
        assert_eq!(table.len, 100_050);
    }
}
