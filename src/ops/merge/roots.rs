//! The roots of the merged archive.

use crate::cid::RawCid;
use crate::error::{Error, ErrorKind, Result};
use crate::format::Header;
use crate::limits::Limits;
use crate::store::Keyer;
use hashbrown::HashTable;

/// CIDs in order, each once.
#[derive(Debug)]
pub(super) struct RootSet {
    bytes: Vec<u8>,
    /// Where each CID stands in `bytes`.
    spans: Vec<(u32, u8)>,
    table: HashTable<u32>,
    keyer: Keyer,
    len_max: u64,
}

impl RootSet {
    pub(super) fn new(limits: &Limits) -> RootSet {
        let len_max = limits.header_len_max.min(u64::from(u32::MAX));
        RootSet { bytes: Vec::new(), spans: Vec::new(), table: HashTable::new(), keyer: Keyer::new(), len_max }
    }

    fn get(&self, index: u32) -> &[u8] {
        let span = self.spans.get(index as usize).copied().unwrap_or_default();
        let start = span.0 as usize;
        self.bytes.get(start..start.saturating_add(usize::from(span.1))).unwrap_or_default()
    }

    /// Adds a root unless it is there.
    ///
    /// # Errors
    /// When no reader with the same limits could read the header any more.
    pub(super) fn insert(&mut self, root: RawCid<'_>) -> Result<()> {
        let tag = self.keyer.bytes(root.bytes()).tag();
        if self.table.find(tag, |index| self.get(*index) == root.bytes()).is_some() {
            return Ok(());
        }
        // Each root takes up to five bytes more in the header.
        let header_len = (self.bytes.len() as u64).saturating_add(6 * self.spans.len() as u64).saturating_add(256);
        if header_len > self.len_max {
            let message = format!("the roots make a header of over {} bytes, which is the limit (--max-header)", self.len_max);
            return Err(Error::new(ErrorKind::Limit("--max-header"), message));
        }
        let index = self.spans.len() as u32;
        self.spans.push((self.bytes.len() as u32, root.bytes().len() as u8));
        self.bytes.extend_from_slice(root.bytes());
        let (keyer, bytes, spans) = (self.keyer, &self.bytes, &self.spans);
        let hash = |index: &u32| {
            let (start, len) = spans.get(*index as usize).copied().unwrap_or_default();
            keyer.bytes(bytes.get(start as usize..start as usize + usize::from(len)).unwrap_or_default()).tag()
        };
        self.table.insert_unique(tag, index, hash);
        Ok(())
    }

    /// The roots, in the order they came in, without the `bafkqaaa` that stands for "none" beside others.
    pub(super) fn iter(&self) -> impl Iterator<Item = RawCid<'_>> + '_ {
        let alone = self.spans.len() == 1;
        let roots = (0..self.spans.len() as u32).map(|index| RawCid::parse(self.get(index)).unwrap_or(RawCid::EMPTY));
        roots.filter(move |root| alone || *root != RawCid::EMPTY)
    }

    /// The header for these roots, in this order or by the bytes of the CIDs.
    pub(super) fn header(&self, order: Order) -> Header {
        let mut roots: Vec<RawCid<'_>> = self.iter().collect();
        if order == Order::Sorted {
            roots.sort_unstable_by_key(|root| root.bytes());
        }
        Header::new(roots.into_iter())
    }
}

/// The order of the roots in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    AsGiven,
    Sorted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once_and_no_empty_one_beside_others() {
        let (a, b) = (RawCid::parse(&[1, 0x55, 0, 1, b'a']).unwrap(), RawCid::parse(&[1, 0x55, 0, 1, b'b']).unwrap());
        let mut roots = RootSet::new(&Limits::default());
        roots.insert(RawCid::EMPTY).unwrap();
        assert_eq!(roots.header(Order::AsGiven).roots().collect::<Vec<_>>(), [RawCid::EMPTY]);
        for root in [b, a, b, RawCid::EMPTY] {
            roots.insert(root).unwrap();
        }
        assert_eq!(roots.header(Order::AsGiven).roots().collect::<Vec<_>>(), [b, a]);
        assert_eq!(roots.header(Order::Sorted).roots().collect::<Vec<_>>(), [a, b]);
    }

    #[test]
    fn a_header_over_the_limit_is_refused() {
        let limits = Limits { header_len_max: 1000, ..Limits::default() };
        let mut roots = RootSet::new(&limits);
        let result = (0..=255u8).try_for_each(|n| roots.insert(RawCid::parse(&[1, 0x55, 0, 1, n]).unwrap()));
        assert!(matches!(result.unwrap_err().kind, ErrorKind::Limit("--max-header")));
        assert!(roots.header(Order::AsGiven).encoded_len() <= 1000);
    }
}
