//! The index of a CARv2 file, written (CARv2 specification, "Index format"), laid out byte for byte as go-car does.
//!
//! Every section has an entry, repeated ones too; sections whose CID carries its data have none unless they are asked for.
//! Hash functions, widths and digests rise. Entries with one digest stand in file order.

use super::index::{INDEX_SORTED, MULTIHASH_INDEX_SORTED, OFFSET_LEN};
use crate::cid::RawCid;
use crate::error::{Error, Result};
use crate::offset::PayloadOffset;
use crate::varint;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::Write;

/// Bytes of entries that are sorted at a time.
const RUN_LEN: usize = 1 << 20;

/// A kind of index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IndexCodec {
    /// `car-index-sorted`, 0x0400: by digest, whatever hash function made it.
    Sorted,
    /// `car-multihash-index-sorted`, 0x0401: by hash function and digest.
    #[default]
    MultihashSorted,
}

impl IndexCodec {
    /// Its multicodec code.
    pub fn code(self) -> u64 {
        match self {
            IndexCodec::Sorted => INDEX_SORTED,
            IndexCodec::MultihashSorted => MULTIHASH_INDEX_SORTED,
        }
    }
}

/// Whether sections whose CID carries its data have an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Identities {
    /// They have none: nobody needs to look such a block up.
    #[default]
    LeaveOut,
    /// They have one, and the CARv2 header says that all sections are indexed.
    Index,
}

/// Gathers the sections of an archive and writes their index.
///
/// Memory: the index itself (40 bytes a block for digests of 32 bytes) and 2 MiB more for each pair of hash function and
/// digest length met.
#[derive(Debug)]
pub struct IndexWriter {
    codec: IndexCodec,
    identities: Identities,
    /// By hash function (0 where the index does not tell them apart) and width of an entry in bytes.
    buckets: BTreeMap<(u64, u32), Bucket>,
}

/// Entries of one width: sorted runs, and the one that is being filled.
#[derive(Debug, Default)]
struct Bucket {
    runs: Vec<Vec<u8>>,
    open: Vec<u8>,
}

impl IndexWriter {
    /// Without entries.
    pub fn new(codec: IndexCodec, identities: Identities) -> IndexWriter {
        IndexWriter { codec, identities, buckets: BTreeMap::new() }
    }

    /// Adds the section of `cid` whose length varint stands at `offset`. Sections come in file order.
    pub fn add(&mut self, cid: RawCid<'_>, offset: PayloadOffset) {
        if cid.is_identity() && self.identities == Identities::LeaveOut {
            return;
        }
        let code = if self.codec == IndexCodec::MultihashSorted { cid.hash_code() } else { 0 };
        // A CID's digest has at most 128 bytes.
        let width = (cid.digest().len() as u32).saturating_add(OFFSET_LEN);
        let bucket = self.buckets.entry((code, width)).or_default();
        bucket.open.extend_from_slice(cid.digest());
        bucket.open.extend_from_slice(&offset.0.to_le_bytes());
        if bucket.open.len().saturating_add(width as usize) > RUN_LEN {
            bucket.close(width as usize);
        }
    }

    /// Writes the index, its codec first.
    ///
    /// # Errors
    /// When `output` fails.
    pub fn write(mut self, output: &mut impl Write) -> Result<()> {
        let mut head = Vec::new();
        varint::write(self.codec.code(), &mut head);
        let mut counts: BTreeMap<u64, u32> = BTreeMap::new();
        for (code, _) in self.buckets.keys() {
            let count = counts.entry(*code).or_default();
            *count = count.saturating_add(1);
        }
        let by_function = self.codec == IndexCodec::MultihashSorted;
        if by_function || counts.is_empty() {
            head.extend((counts.len() as u32).to_le_bytes());
        }
        let failed = |e| Error::io(e, "cannot write the index");
        while let Some(((code, width), mut bucket)) = self.buckets.pop_first() {
            // Taken out with the first of its widths.
            if let Some(count) = counts.remove(&code) {
                if by_function {
                    head.extend(code.to_le_bytes());
                }
                head.extend(count.to_le_bytes());
            }
            bucket.close(width as usize);
            head.extend(width.to_le_bytes());
            head.extend(bucket.runs.iter().fold(0u64, |len, run| len.saturating_add(run.len() as u64)).to_le_bytes());
            output.write_all(&head).map_err(failed)?;
            head.clear();
            bucket.merge(width as usize, |entry| output.write_all(entry)).map_err(failed)?;
        }
        output.write_all(&head).map_err(failed)
    }
}

impl Bucket {
    /// Sorts the open run.
    fn close(&mut self, width: usize) {
        let open = std::mem::take(&mut self.open);
        let digest_len = width.saturating_sub(OFFSET_LEN as usize);
        // The front of a digest decides nearly always; the number keeps the order of the file among equals.
        let mut order: Vec<(u64, u32)> = (0u32..).zip(open.chunks_exact(width)).map(|(n, entry)| (front(entry), n)).collect();
        let entry = |n: u32| {
            let start = (n as usize).saturating_mul(width);
            open.get(start..start.saturating_add(width)).unwrap_or_default()
        };
        let digest = |n: u32| entry(n).get(..digest_len).unwrap_or_default();
        order.sort_unstable_by(|a, b| {
            if digest_len >= 8 && a.0 != b.0 { a.0.cmp(&b.0) } else { (digest(a.1), a.1).cmp(&(digest(b.1), b.1)) }
        });
        if !order.is_empty() {
            let mut sorted = Vec::with_capacity(open.len());
            order.iter().for_each(|(_, n)| sorted.extend_from_slice(entry(*n)));
            self.runs.push(sorted);
        }
    }

    /// Gives all entries in order.
    fn merge(&self, width: usize, mut give: impl FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
        let digest_len = width.saturating_sub(OFFSET_LEN as usize);
        let mut runs: Vec<_> = self.runs.iter().map(|run| run.chunks_exact(width)).collect();
        let mut heads = BinaryHeap::new();
        for (n, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next().map(|entry| Reverse((entry.get(..digest_len), n, entry))));
        }
        while let Some(Reverse((_, n, entry))) = heads.pop() {
            give(entry)?;
            let next = runs.get_mut(n).and_then(Iterator::next);
            heads.extend(next.map(|entry| Reverse((entry.get(..digest_len), n, entry))));
        }
        Ok(())
    }
}

/// The first eight bytes as a number that sorts as they do.
fn front(entry: &[u8]) -> u64 {
    entry.first_chunk().map_or(0, |front| u64::from_be_bytes(*front))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::index::{self, Layout};
    use crate::offset::FileOffset;
    use proptest::prelude::*;

    fn cid(hash_code: u8, digest: &[u8]) -> Vec<u8> {
        [&[1, 0x55, hash_code, digest.len() as u8], digest].concat()
    }

    fn written(codec: IndexCodec, identities: Identities, cids: &[Vec<u8>]) -> Vec<u8> {
        let mut writer = IndexWriter::new(codec, identities);
        for (n, cid) in cids.iter().enumerate() {
            writer.add(RawCid::parse(cid).unwrap(), PayloadOffset(n as u64 * 7));
        }
        let mut bytes = Vec::new();
        writer.write(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_bytes_of_both_kinds() {
        let cids = [cid(0x12, &[9; 3]), cid(0, &[1, 2, 3]), cid(0x12, &[5; 3]), cid(0x11, &[7; 2]), cid(0x12, &[9; 3])];
        let entry = |digest: &[u8], offset: u64| [digest, &offset.to_le_bytes()].concat();
        let bucket = |width: u32, entries: &[Vec<u8>]| {
            let entries = entries.concat();
            [&width.to_le_bytes(), &(entries.len() as u64).to_le_bytes()[..], &entries].concat()
        };
        let three = bucket(11, &[entry(&[5; 3], 14), entry(&[9; 3], 0), entry(&[9; 3], 28)]);
        let two = bucket(10, &[entry(&[7; 2], 21)]);
        assert_eq!(written(IndexCodec::Sorted, Identities::LeaveOut, &cids), [&[0x80, 8, 2, 0, 0, 0], &two[..], &three].concat());
        let function = |code: u64| [&code.to_le_bytes()[..], &1u32.to_le_bytes()].concat();
        let sha2 = [function(0x12), three].concat();
        let sha1 = [function(0x11), two].concat();
        assert_eq!(
            written(IndexCodec::MultihashSorted, Identities::LeaveOut, &cids),
            [&[0x81, 8, 2, 0, 0, 0], &sha1[..], &sha2].concat()
        );
        let identity = [function(0), bucket(11, &[entry(&[1, 2, 3], 7)])].concat();
        assert_eq!(
            written(IndexCodec::MultihashSorted, Identities::Index, &cids),
            [&[0x81, 8, 3, 0, 0, 0], &identity[..], &sha1, &sha2].concat()
        );
        assert_eq!(written(IndexCodec::Sorted, Identities::LeaveOut, &[]), [0x80, 8, 0, 0, 0, 0]);
        assert_eq!(written(IndexCodec::MultihashSorted, Identities::LeaveOut, &[]), [0x81, 8, 0, 0, 0, 0]);
    }

    /// More entries than one run has, in no order.
    #[test]
    fn runs_are_merged() {
        let count = 3 * RUN_LEN / 40 + 5;
        let mut cids: Vec<_> =
            (0..count as u64).map(|n| cid(0x12, &n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes().repeat(4))).collect();
        cids.push(cids[3].clone());
        let bytes = written(IndexCodec::MultihashSorted, Identities::LeaveOut, &cids);
        let mut previous = None;
        let summary = index::read(&bytes[..], FileOffset(0), |entry| {
            let this = (entry.digest.to_vec(), entry.offset);
            assert!(previous.as_ref().is_none_or(|previous| *previous < this));
            assert_eq!(cids[entry.offset.0 as usize / 7][4..], *entry.digest);
            previous = Some(this);
            Ok(())
        });
        let summary = summary.unwrap();
        assert_eq!((summary.entry_count, summary.unsorted_at, summary.trailing_len), (count as u64 + 1, None, 0));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_sorted(
            parts in prop::collection::vec((prop::sample::select(vec![0u8, 0x11, 0x12, 0x1e]), prop::collection::vec(0u8..4, 0..12)), 0..40),
            sorted: bool, identities: bool,
        ) {
            let cids: Vec<_> = parts.iter().map(|(code, digest)| cid(*code, digest)).collect();
            let codec = if sorted { IndexCodec::Sorted } else { IndexCodec::MultihashSorted };
            let identities = if identities { Identities::Index } else { Identities::LeaveOut };
            let bytes = written(codec, identities, &cids);
            let mut entries = Vec::new();
            let summary = index::read(&bytes[..], FileOffset(0), |entry| {
                entries.push((entry.hash_code, entry.digest.to_vec(), entry.offset.0));
                Ok(())
            }).unwrap();
            prop_assert_eq!((summary.codec, summary.unsorted_at, summary.duplicate_at, summary.trailing_len), (codec.code(), None, None, 0));
            if !cids.is_empty() {
                prop_assert_eq!(summary.layout, Some(Layout::GoCar));
            }
            let mut expected: Vec<_> = parts.iter().enumerate()
                .filter(|(_, (code, _))| *code != 0 || identities == Identities::Index)
                .map(|(n, (code, digest))| ((!sorted).then_some(u64::from(*code)), digest.clone(), n as u64 * 7)).collect();
            expected.sort_by_key(|(code, digest, offset)| (*code, digest.len(), digest.clone(), *offset));
            prop_assert_eq!(entries, expected);
        }
    }
}
