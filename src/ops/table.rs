//! A hash table of node numbers under random 32-bit tags, made for one purpose: few cache misses.
//!
//! An entry takes eight bytes and one array, so that a look-up costs one cache miss, and [`Table::warm`] lets many look-ups
//! wait for memory at the same time. Growing reads and writes both arrays in order. Tags are fingerprints under a random key,
//! so no archive can aim at a place.

use memmap2::MmapMut;

/// Slots of a new table.
const START_COUNT: usize = 1 << 10;

/// A tag and a number, little-endian; all zero when there is nothing.
type Slot = [u8; 8];

#[derive(Debug)]
pub(crate) struct Table {
    slots: Slots,
    len: usize,
    shift: u32,
}

impl Default for Table {
    fn default() -> Table {
        Table { slots: Slots::zeroed(START_COUNT), len: 0, shift: u64::BITS - START_COUNT.ilog2() }
    }
}

/// Zeroed memory; when there is much of it, on huge pages where the system has them: places are random, and with small pages
/// most accesses would miss the processor's list of pages as well as its cache.
#[derive(Debug)]
enum Slots {
    Heap(Vec<Slot>),
    Pages(MmapMut),
}

impl Slots {
    fn zeroed(count: usize) -> Slots {
        const HUGE_PAGE_LEN: usize = 2 << 20;
        let len = count * size_of::<Slot>();
        match (len >= HUGE_PAGE_LEN).then(|| MmapMut::map_anon(len)) {
            Some(Ok(pages)) => {
                // A wish: without it the table is slower.
                #[cfg(target_os = "linux")]
                let _ = pages.advise(memmap2::Advice::HugePage);
                Slots::Pages(pages)
            }
            _ => Slots::Heap(vec![Slot::default(); count]),
        }
    }

    fn get(&self) -> &[Slot] {
        match self {
            Slots::Heap(slots) => slots,
            Slots::Pages(pages) => pages.as_chunks().0,
        }
    }

    fn get_mut(&mut self) -> &mut [Slot] {
        match self {
            Slots::Heap(slots) => slots,
            Slots::Pages(pages) => pages.as_chunks_mut().0,
        }
    }
}

/// The tag and the number of a slot that holds one.
fn entry(slot: Slot) -> Option<(u32, u32)> {
    let bits = u64::from_le_bytes(slot);
    Some((bits as u32, ((bits >> 32) as u32).checked_sub(1)?))
}

/// A slot for a number. The highest number has no slot: there are fewer nodes.
fn slot(tag: u32, number: u32) -> Slot {
    (u64::from(number.saturating_add(1)) << 32 | u64::from(tag)).to_le_bytes()
}

impl Table {
    /// Where a tag would be at best. High bits of a product: all of the tag counts, and order is kept when the table grows.
    fn home(&self, tag: u32) -> usize {
        (u64::from(tag).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    /// Reads the place of a tag, so that it is in the cache when it is looked up soon after.
    pub(crate) fn warm(&self, tag: u32) -> u8 {
        self.slots.get().get(self.home(tag)).map_or(0, |slot| slot[0])
    }

    /// The number under this tag for which `is_it` holds.
    pub(crate) fn find(&self, tag: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.probe(tag, is_it).ok()
    }

    /// The number under this tag for which `is_it` holds; if there is none, `new` is added and `None` comes back.
    pub(crate) fn find_or_insert(&mut self, tag: u32, new: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        if self.len >= self.slots.get().len() / 4 * 3 {
            self.grow();
        }
        match self.probe(tag, is_it) {
            Ok(number) => Some(number),
            Err(free) => {
                self.len += 1;
                self.slots.get_mut().get_mut(free).into_iter().for_each(|place| *place = slot(tag, new));
                None
            }
        }
    }

    /// Where the number is, or the first free place: there always is one.
    fn probe(&self, tag: u32, is_it: impl Fn(u32) -> bool) -> Result<u32, usize> {
        let slots = self.slots.get();
        let mut at = self.home(tag);
        loop {
            match slots.get(at).map(|slot| entry(*slot)) {
                Some(None) => return Err(at),
                Some(Some((found, number))) if found == tag && is_it(number) => return Ok(number),
                Some(_) => at += 1,
                None => at = 0,
            }
        }
    }

    fn grow(&mut self) {
        let larger = Slots::zeroed(self.slots.get().len() * 2);
        let old = std::mem::replace(&mut self.slots, larger);
        self.shift -= 1;
        self.len = 0;
        for (tag, number) in old.get().iter().filter_map(|slot| entry(*slot)) {
            self.find_or_insert(tag, number, |_| false);
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
            assert_eq!(table.find_or_insert(tag(n), n, |found| found == n), None);
            assert_eq!(table.find_or_insert(tag(n), n, |found| found == n), Some(n));
        }
        for n in 100_000..100_050 {
            assert_eq!(table.find_or_insert(5, n, |found| found == n), None);
        }
        assert!((0..100_000).all(|n| table.find(tag(n), |found| found == n) == Some(n)));
        assert!((100_000..100_050).all(|n| table.find(5, |found| found == n) == Some(n)));
        assert_eq!(table.len, 100_050);
    }
}
