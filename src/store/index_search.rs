//! Looks digests up in a CARv2's index, by a binary search with positioned reads: nothing of the index is held but where its buckets
//! stand. Only the layout that tools write is searched.
//!
//! What is found is a claim: the caller reads the section there, and hashes it.

use crate::error::{Code, Error, Result};
use crate::format::index::{INDEX_SORTED, Layout, MULTIHASH_INDEX_SORTED, OFFSET_LEN, WIDTH_MAX, layout};
use crate::offset::{FileOffset, PayloadOffset};
use crate::varint;

/// Fills as much of a buffer as the file has from a place on.
pub(super) type ReadAt<'r> = dyn Fn(FileOffset, &mut [u8]) -> Result<usize> + 'r;

/// Buckets that an index may have here: pairs of a hash function and a digest length.
const BUCKETS_MAX: usize = 256;
/// Entries with one digest that are looked at: an honest archive seldom has a block twice.
const CANDIDATES_MAX: usize = 8;
/// Bytes of entries that are read at once when so few are left to search.
const WINDOW_LEN: u64 = 4 << 10;

/// An index, ready to be searched.
#[derive(Debug)]
pub(super) struct IndexSearch {
    buckets: Vec<Bucket>,
}

/// Entries of one width, sorted by their digests.
#[derive(Debug)]
struct Bucket {
    /// The hash function, where the index tells.
    hash_code: Option<u64>,
    width: u32,
    start: FileOffset,
    count: u64,
}

impl IndexSearch {
    /// Reads where the buckets stand in the index between `at` and `end`.
    ///
    /// # Errors
    /// [`Code::BadIndex`] or [`Code::UnknownCodec`] when this index cannot be searched; a failed read.
    pub(super) fn open(read_at: &ReadAt<'_>, at: FileOffset, end: FileOffset) -> Result<IndexSearch> {
        let mut cursor = Cursor { read_at, at, end };
        let front = cursor.peek::<{ varint::LEN_MAX + 16 }>()?;
        let front = front.get(..end.0.saturating_sub(at.0).min(front.len() as u64) as usize).unwrap_or_default();
        let (codec, codec_len) = varint::read(front).map_err(|e| bad(at, format!("the index codec cannot be read: {e}")))?;
        if !matches!(codec, INDEX_SORTED | MULTIHASH_INDEX_SORTED) {
            let message = format!("the index has codec 0x{codec:x}, which is not known");
            return Err(Error::format(Code::UnknownCodec, at, message));
        }
        if layout(codec, front.get(codec_len..).unwrap_or_default()) != Layout::GoCar {
            return Err(bad(at, "the index is laid out as the specification's text says, not as the tools in use write it"));
        }
        cursor.at = at.plus(codec_len as u64);
        let mut buckets = Vec::new();
        if codec == MULTIHASH_INDEX_SORTED {
            let count = u32::from_le_bytes(cursor.field()?);
            if count as usize > BUCKETS_MAX {
                return Err(bad(at, format!("an index of {count} hash functions, at most {BUCKETS_MAX} are looked at")));
            }
            for _ in 0..count {
                let hash_code = u64::from_le_bytes(cursor.field()?);
                cursor.buckets(Some(hash_code), &mut buckets)?;
            }
        } else {
            cursor.buckets(None, &mut buckets)?;
        }
        Ok(IndexSearch { buckets })
    }

    /// How many entries there are.
    pub(super) fn entry_count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, bucket| sum.saturating_add(bucket.count))
    }

    /// Where sections with this digest are said to start: no more than a few places.
    ///
    /// # Errors
    /// [`Code::BadIndex`] when the index ends inside itself; a failed read.
    pub(super) fn find(&self, read_at: &ReadAt<'_>, hash_code: u64, digest: &[u8]) -> Result<Vec<PayloadOffset>> {
        let width = (digest.len() as u32).saturating_add(OFFSET_LEN);
        let fits = |bucket: &&Bucket| bucket.width == width && bucket.hash_code.is_none_or(|code| code == hash_code);
        let mut found = Vec::new();
        for bucket in self.buckets.iter().filter(fits) {
            bucket.find(read_at, digest, &mut found)?;
        }
        Ok(found)
    }
}

impl Bucket {
    fn place(&self, number: u64) -> FileOffset {
        self.start.plus(number.saturating_mul(u64::from(self.width)))
    }

    fn find(&self, read_at: &ReadAt<'_>, digest: &[u8], found: &mut Vec<PayloadOffset>) -> Result<()> {
        let width = self.width as usize;
        let mut entry = [0; WIDTH_MAX as usize];
        let (mut low, mut high) = (0, self.count);
        // The first entry that is not smaller lies in `low..=high`.
        while high.saturating_sub(low).saturating_mul(u64::from(self.width)) > WINDOW_LEN {
            let middle = low.midpoint(high);
            let entry = entry.get_mut(..width).unwrap_or_default();
            read_exact(read_at, self.place(middle), entry)?;
            if entry.get(..digest.len()) < Some(digest) { low = middle.saturating_add(1) } else { high = middle }
        }
        let last = high.saturating_add(CANDIDATES_MAX as u64).min(self.count);
        let mut window = vec![0; last.saturating_sub(low).saturating_mul(u64::from(self.width)) as usize];
        read_exact(read_at, self.place(low), &mut window)?;
        for entry in window.chunks_exact(width) {
            let Some((is, offset)) = entry.split_last_chunk::<8>() else { continue };
            if is == digest && found.len() < CANDIDATES_MAX {
                found.push(PayloadOffset(u64::from_le_bytes(*offset)));
            }
        }
        Ok(())
    }
}

/// Reads the index front to back, passing over entries.
struct Cursor<'r> {
    read_at: &'r ReadAt<'r>,
    at: FileOffset,
    end: FileOffset,
}

impl Cursor<'_> {
    /// The next bytes, zeros behind the end of the file.
    fn peek<const N: usize>(&self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        (self.read_at)(self.at, &mut bytes)?;
        Ok(bytes)
    }

    fn field<const N: usize>(&mut self) -> Result<[u8; N]> {
        if self.end.0.saturating_sub(self.at.0) < N as u64 {
            return Err(bad(self.at, "the index ends inside itself"));
        }
        let field = self.peek()?;
        self.at = self.at.plus(N as u64);
        Ok(field)
    }

    fn buckets(&mut self, hash_code: Option<u64>, buckets: &mut Vec<Bucket>) -> Result<()> {
        for _ in 0..u32::from_le_bytes(self.field()?) {
            let at = self.at;
            let width = u32::from_le_bytes(self.field()?);
            let len = u64::from_le_bytes(self.field()?);
            let start = self.at;
            let fits = self.end.0.saturating_sub(start.0) >= len && (OFFSET_LEN..=WIDTH_MAX).contains(&width);
            let count = len.checked_div(u64::from(width)).filter(|_| fits && len.is_multiple_of(u64::from(width)));
            let Some(count) = count else {
                return Err(bad(at, format!("a bucket of {len} bytes in entries of {width} bytes does not fit into the index")));
            };
            if buckets.len() >= BUCKETS_MAX {
                return Err(bad(at, format!("an index of more than {BUCKETS_MAX} buckets")));
            }
            buckets.push(Bucket { hash_code, width, start, count });
            self.at = start.plus(len);
        }
        Ok(())
    }
}

fn read_exact(read_at: &ReadAt<'_>, at: FileOffset, buffer: &mut [u8]) -> Result<()> {
    if read_at(at, buffer)? < buffer.len() {
        return Err(bad(at, "the index ends inside itself"));
    }
    Ok(())
}

fn bad(at: FileOffset, message: impl Into<String>) -> Error {
    Error::format(Code::BadIndex, at, message)
}
