//! The index of a CARv2 file, read as a stream (CARv2 specification, "Index format").
//!
//! Two layouts are in the world. go-car writes a count in front of the buckets of each level and the byte length of each
//! bucket; the text of the specification has no counts of buckets, and the number of entries in each bucket
//! (ipld/ipld#292). Both are read; the first 16 bytes behind the codec tell them apart.
//!
//! # Security
//! An index is a claim by whoever made the file. What it says about a block holds only after the section at its offset was
//! read and hashed, and what is not in it may still be in the archive. Reading one takes one buffer of fixed size.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

use crate::cid::DIGEST_LEN_MAX;
use crate::error::{Code, Error, Result};
use crate::offset::{FileOffset, PayloadOffset};
use crate::varint;
use std::io::Read;

/// `car-index-sorted`: digests without their hash functions.
pub const INDEX_SORTED: u64 = 0x0400;
/// `car-multihash-index-sorted`: digests under their hash functions.
pub const MULTIHASH_INDEX_SORTED: u64 = 0x0401;

/// The offset at the end of each entry, in bytes.
pub(crate) const OFFSET_LEN: u32 = 8;
/// The longest entry, in bytes: the longest digest of a CID and an offset.
pub(crate) const WIDTH_MAX: u32 = DIGEST_LEN_MAX as u32 + OFFSET_LEN;
/// The size of the one buffer.
const BUFFER_LEN: usize = 64 << 10;
/// How many bytes behind the codec tell the layouts apart.
const LAYOUT_PREFIX_LEN: usize = 16;

/// How the buckets are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// As go-car writes it, and so nearly every file.
    GoCar,
    /// As the text of the specification has it.
    SpecText,
}

/// One entry: the block with this digest is said to be at this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The hash function; an index of type [`INDEX_SORTED`] does not say.
    pub hash_code: Option<u64>,
    /// The digest.
    pub digest: &'a [u8],
    /// Where the block's section starts, from the first byte of the CARv1 payload.
    pub offset: PayloadOffset,
    /// Where this entry itself is in the file.
    pub at: FileOffset,
}

/// What there is to say about an index that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The codec at its start.
    pub codec: u64,
    /// The layout; `None` when the codec is unknown, and then nothing behind it was read.
    pub layout: Option<Layout>,
    /// How many entries there are.
    pub entry_count: u64,
    /// The first place where a code or a width is not greater, or a digest smaller, than the one before: a search misses blocks.
    pub unsorted_at: Option<FileOffset>,
    /// The first entry that repeats the one just before it. (Two entries with one digest and two offsets are no fault: the
    /// block stands in the archive twice.)
    pub duplicate_at: Option<FileOffset>,
    /// The first byte that follows the index. The layout of the specification's text has no end to find such bytes behind.
    pub trailing_at: Option<FileOffset>,
    /// How many bytes follow.
    pub trailing_len: u64,
}

/// Reads the index that starts at `at` in its file and ends where `reader` ends, and gives every entry to `on_entry`.
///
/// An unknown codec is no error: the [`Summary`] holds it and no layout. Only neighbours are compared, so an unsorted index
/// may hold duplicates that are not reported.
///
/// # Errors
/// [`Code::BadIndex`] with the place, also after some entries were given; whatever `reader` or `on_entry` fails with.
pub fn read<R, F>(reader: R, at: FileOffset, on_entry: F) -> Result<Summary>
where
    R: Read,
    F: FnMut(Entry<'_>) -> Result<()>,
{
    let mut source = Source { reader, at, buffer: vec![0; BUFFER_LEN], start: 0, end: 0 };
    let (codec, codec_len) =
        varint::read(source.peek(varint::LEN_MAX)?).map_err(|e| bad(at, format!("the index codec cannot be read: {e}")))?;
    source.consume(codec_len);
    let summary = Summary {
        codec,
        layout: None,
        entry_count: 0,
        unsorted_at: None,
        duplicate_at: None,
        trailing_at: None,
        trailing_len: 0,
    };
    if !matches!(codec, INDEX_SORTED | MULTIHASH_INDEX_SORTED) {
        return Ok(summary);
    }
    let layout = layout(codec, source.peek(LAYOUT_PREFIX_LEN)?);
    let mut parser = Parser { source, on_entry, summary: Summary { layout: Some(layout), ..summary }, previous: Previous::new() };
    match (layout, codec) {
        (Layout::GoCar, MULTIHASH_INDEX_SORTED) => parser.go_multihash()?,
        (Layout::GoCar, _) => parser.go_widths(None)?,
        (Layout::SpecText, _) => parser.spec_buckets()?,
    }
    parser.trailing()?;
    Ok(parser.summary)
}

/// Whether a file that starts with `prefix` is an index on its own, as `car detach-index` writes it.
///
/// A CARv1 whose header takes 1024 or 1025 bytes starts with the same two bytes; what follows tells them apart. Twenty bytes
/// of `prefix` are enough.
pub fn is_detached(prefix: &[u8]) -> bool {
    let Ok((codec @ (INDEX_SORTED | MULTIHASH_INDEX_SORTED), len)) = varint::read(prefix) else { return false };
    let rest = prefix.get(len..).unwrap_or_default();
    // A CARv1 header is a CBOR map there, whose first bytes are a count beyond any number of hash functions or widths.
    match layout(codec, rest) {
        Layout::SpecText => true,
        Layout::GoCar => u32_at(rest, 0).is_some_and(|count| count <= u32::from(u16::MAX)),
    }
}

/// Tells the layouts apart by the bytes behind the codec. Hash function codes fit into 32 bits and buckets hold less than
/// 2^32 entries, so each layout has zeros where the other has a width or a length. What fits neither is read as go-car's.
pub(crate) fn layout(codec: u64, prefix: &[u8]) -> Layout {
    let word = |at| u32_at(prefix, at);
    // Spec text, 0x0401: u64 hash code, u32 width, … where go-car has i32 count, u64 hash code, ….
    // Spec text, 0x0400: u32 width, u64 entries, … where go-car has i32 count, u32 width, u64 byte length, ….
    let (width, zero) = if codec == MULTIHASH_INDEX_SORTED { (word(8), word(4)) } else { (word(0), word(8)) };
    let is_spec = width.is_some_and(|width| (OFFSET_LEN..=WIDTH_MAX).contains(&width)) && zero == Some(0);
    if is_spec { Layout::SpecText } else { Layout::GoCar }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
}

fn bad(at: FileOffset, message: impl Into<String>) -> Error {
    Error::format(Code::BadIndex, at, message)
}

/// Reads ahead into one buffer and knows where in the file it is.
struct Source<R> {
    reader: R,
    at: FileOffset,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl<R: Read> Source<R> {
    /// The next `len` bytes, fewer only at the end. `len` is at most [`BUFFER_LEN`].
    fn peek(&mut self, len: usize) -> Result<&[u8]> {
        if self.end.saturating_sub(self.start) < len {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end = self.end.saturating_sub(self.start);
            self.start = 0;
            while self.end < len {
                let free = self.buffer.get_mut(self.end..).unwrap_or_default();
                match self.reader.read(free).map_err(|e| Error::io(e, "reading the index"))? {
                    0 => break,
                    got => self.end = self.end.saturating_add(got).min(BUFFER_LEN),
                }
            }
        }
        let end = self.end.min(self.start.saturating_add(len));
        Ok(self.buffer.get(self.start..end).unwrap_or_default())
    }

    fn consume(&mut self, len: usize) {
        self.start = self.start.saturating_add(len).min(self.end);
        self.at = self.at.plus(len as u64);
    }

    /// The next `N` bytes, which are a field called `what`.
    fn field<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let at = self.at;
        let bytes = self.peek(N)?;
        let Some(field) = bytes.first_chunk::<N>().copied() else { return Err(cut(at, what, N, bytes.len())) };
        self.consume(N);
        Ok(field)
    }

    fn count(&mut self, what: &str) -> Result<u32> {
        let at = self.at;
        let count = i32::from_le_bytes(self.field(what)?);
        u32::try_from(count).map_err(|_| bad(at, format!("the {what} is {count}, expected 0 or more")))
    }

    fn u32(&mut self, what: &str) -> Result<u32> {
        self.field(what).map(u32::from_le_bytes)
    }

    fn u64(&mut self, what: &str) -> Result<u64> {
        self.field(what).map(u64::from_le_bytes)
    }
}

fn cut(at: FileOffset, what: &str, expected: usize, actual: usize) -> Error {
    bad(at, format!("the index ends inside the {what}: expected {expected} bytes, {actual} are there"))
}

/// What the next code, width or entry is compared with.
struct Previous {
    code: Option<u64>,
    width: u32,
    digest: [u8; DIGEST_LEN_MAX],
    offset: PayloadOffset,
}

impl Previous {
    fn new() -> Previous {
        Previous { code: None, width: 0, digest: [0; DIGEST_LEN_MAX], offset: PayloadOffset(0) }
    }
}

struct Parser<R, F> {
    source: Source<R>,
    on_entry: F,
    summary: Summary,
    previous: Previous,
}

impl<R: Read, F: FnMut(Entry<'_>) -> Result<()>> Parser<R, F> {
    fn go_multihash(&mut self) -> Result<()> {
        for _ in 0..self.source.count("count of hash functions")? {
            let code = self.hash_code()?;
            self.go_widths(Some(code))?;
        }
        Ok(())
    }

    fn go_widths(&mut self, hash_code: Option<u64>) -> Result<()> {
        for _ in 0..self.source.count("count of widths")? {
            let width = self.width()?;
            let at = self.source.at;
            let byte_len = self.source.u64("length of a bucket")?;
            if byte_len.checked_rem(u64::from(width)) != Some(0) {
                let message = format!("a bucket of {byte_len} bytes, expected a multiple of its width, {width} bytes");
                return Err(bad(at, message));
            }
            self.bucket(hash_code, width, byte_len.checked_div(u64::from(width)).unwrap_or_default())?;
        }
        Ok(())
    }

    fn spec_buckets(&mut self) -> Result<()> {
        while !self.source.peek(1)?.is_empty() {
            let hash_code = if self.summary.codec == MULTIHASH_INDEX_SORTED { Some(self.hash_code()?) } else { None };
            let width = self.width()?;
            let entry_count = self.source.u64("count of entries")?;
            self.bucket(hash_code, width, entry_count)?;
        }
        Ok(())
    }

    /// Reads a hash function's code. Under the next one the widths start over.
    fn hash_code(&mut self) -> Result<u64> {
        let at = self.source.at;
        let code = self.source.u64("hash function code")?;
        // In the specification's layout each width of a function repeats its code; in go-car's a code stands once.
        let is_repeated = self.previous.code == Some(code);
        let is_smaller = self.previous.code.is_some_and(|previous| previous > code);
        if is_smaller || (is_repeated && self.summary.layout == Some(Layout::GoCar)) {
            self.summary.unsorted_at.get_or_insert(at);
        }
        if !is_repeated {
            self.previous.width = 0;
        }
        self.previous.code = Some(code);
        Ok(code)
    }

    fn width(&mut self) -> Result<u32> {
        let at = self.source.at;
        let width = self.source.u32("width of a bucket")?;
        if !(OFFSET_LEN..=WIDTH_MAX).contains(&width) {
            return Err(bad(at, format!("entries of {width} bytes, expected {OFFSET_LEN} to {WIDTH_MAX}")));
        }
        if self.previous.width >= width {
            self.summary.unsorted_at.get_or_insert(at);
        }
        self.previous.width = width;
        Ok(width)
    }

    /// Reads the entries of one bucket. The count is only a claim: the loop ends with the bytes.
    fn bucket(&mut self, hash_code: Option<u64>, width: u32, entry_count: u64) -> Result<()> {
        let digest_len = width.saturating_sub(OFFSET_LEN) as usize;
        let width = width as usize;
        for nth in 0..entry_count {
            let at = self.source.at;
            let bytes = self.source.peek(width)?;
            let parts = bytes.split_at_checked(digest_len);
            let Some((digest, Ok(offset))) = parts.map(|(digest, offset)| (digest, <[u8; 8]>::try_from(offset))) else {
                let what = format!("bucket's entry {} of {entry_count}", nth.saturating_add(1));
                return Err(cut(at, &what, width, bytes.len()));
            };
            let offset = PayloadOffset(u64::from_le_bytes(offset));
            (self.on_entry)(Entry { hash_code, digest, offset, at })?;
            self.summary.entry_count = self.summary.entry_count.saturating_add(1);
            if let Some(previous) = self.previous.digest.get_mut(..digest_len) {
                if nth > 0 && digest < &*previous {
                    self.summary.unsorted_at.get_or_insert(at);
                }
                if nth > 0 && digest == &*previous && offset == self.previous.offset {
                    self.summary.duplicate_at.get_or_insert(at);
                }
                previous.copy_from_slice(digest);
            }
            self.previous.offset = offset;
            self.source.consume(width);
        }
        Ok(())
    }

    fn trailing(&mut self) -> Result<()> {
        let at = self.source.at;
        loop {
            let len = self.source.peek(BUFFER_LEN)?.len();
            if len == 0 {
                return Ok(());
            }
            self.source.consume(len);
            self.summary.trailing_at = Some(at);
            self.summary.trailing_len = self.summary.trailing_len.saturating_add(len as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 195;

    /// Gives one byte a call.
    struct Slowly<'a>(&'a [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let len = self.0.len().min(buffer.len()).min(1);
            self.0.read(&mut buffer[..len])
        }
    }

    type Entries = Vec<(Option<u64>, Vec<u8>, u64)>;

    fn collect(bytes: &[u8]) -> Result<(Summary, Entries)> {
        let mut entries = Entries::new();
        let take = |entry: Entry<'_>| {
            let at = (entry.at.0 - BASE) as usize;
            assert!(bytes[at..].starts_with(entry.digest), "an entry that is not where it says");
            entries.push((entry.hash_code, entry.digest.to_vec(), entry.offset.0));
            Ok(())
        };
        let summary = read(Slowly(bytes), FileOffset(BASE), take)?;
        let mut again = 0;
        let whole = read(bytes, FileOffset(BASE), |_| {
            again += 1;
            Ok(())
        })?;
        assert_eq!((&whole, again), (&summary, entries.len()));
        Ok((summary, entries))
    }

    fn fails_at(bytes: &[u8]) -> (u64, String) {
        let error = collect(bytes).unwrap_err();
        assert_eq!(error.code(), Some(Code::BadIndex), "{error}");
        (error.at.unwrap().0 - BASE, error.message)
    }

    fn bytes(parts: &[&[u8]]) -> Vec<u8> {
        parts.concat()
    }

    fn entry(fill: u8, digest_len: usize, offset: u64) -> Vec<u8> {
        bytes(&[&vec![fill; digest_len], &offset.to_le_bytes()])
    }

    /// go-car's layout with one function and one width, 40.
    fn go(code: u64, entries: &[Vec<u8>]) -> Vec<u8> {
        let body = entries.concat();
        let len = (body.len() as u64).to_le_bytes();
        bytes(&[&[0x81, 8], &[1, 0, 0, 0], &code.to_le_bytes(), &[1, 0, 0, 0], &[40, 0, 0, 0], &len, &body])
    }

    #[test]
    fn go_car_multihash_layout() {
        let (summary, entries) = collect(&go(0x12, &[entry(5, 32, 59), entry(9, 32, 102)])).unwrap();
        assert_eq!(entries, [(Some(0x12), vec![5; 32], 59), (Some(0x12), vec![9; 32], 102)]);
        assert_eq!((summary.codec, summary.layout, summary.entry_count), (0x0401, Some(Layout::GoCar), 2));
        assert_eq!((summary.unsorted_at, summary.duplicate_at, summary.trailing_at), (None, None, None));
    }

    #[test]
    fn go_car_plain_layout_with_two_widths() {
        let index = bytes(&[
            &[0x80, 8, 2, 0, 0, 0],
            &[8, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0],
            &entry(0, 0, 7),
            &[28, 0, 0, 0, 56, 0, 0, 0, 0, 0, 0, 0],
            &entry(1, 20, 1),
            &entry(2, 20, 2),
        ]);
        let (summary, entries) = collect(&index).unwrap();
        assert_eq!(entries, [(None, vec![], 7), (None, vec![1; 20], 1), (None, vec![2; 20], 2)]);
        assert_eq!((summary.codec, summary.layout, summary.unsorted_at), (0x0400, Some(Layout::GoCar), None));
    }

    #[test]
    fn identity_digests_come_first() {
        let index = bytes(&[
            &[0x81, 8, 2, 0, 0, 0],
            &[0; 8],
            &[1, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0],
            &entry(3, 1, 4),
            &[0x12, 0, 0, 0, 0, 0, 0, 0],
            &[1, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0],
            &entry(3, 1, 4),
        ]);
        let (summary, entries) = collect(&index).unwrap();
        assert_eq!(entries, [(Some(0), vec![3], 4), (Some(0x12), vec![3], 4)]);
        assert_eq!((summary.unsorted_at, summary.duplicate_at), (None, None));
    }

    #[test]
    fn layout_of_the_specification_text() {
        let bucket = bytes(&[&[40, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0], &entry(5, 32, 59), &entry(9, 32, 102)]);
        let wider = bytes(&[&[72, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], &entry(7, 64, 1)]);
        let code = 0x12u64.to_le_bytes();
        for (index, hash_code) in
            [(bytes(&[&[0x81, 8], &code, &bucket, &code, &wider]), Some(0x12)), (bytes(&[&[0x80, 8], &bucket, &wider]), None)]
        {
            let (summary, entries) = collect(&index).unwrap();
            assert_eq!((summary.layout, summary.unsorted_at, summary.trailing_len), (Some(Layout::SpecText), None, 0));
            assert_eq!(entries, [(hash_code, vec![5; 32], 59), (hash_code, vec![9; 32], 102), (hash_code, vec![7; 64], 1)]);
            assert!(is_detached(&index));
        }
        assert_eq!(fails_at(&bytes(&[&[0x80, 8], &bucket, &[40, 0]])).0, 94);
    }

    #[test]
    fn empty_and_unknown_indexes() {
        assert_eq!(collect(&[0x81, 8, 0, 0, 0, 0]).unwrap().0.entry_count, 0);
        assert_eq!(collect(&[0x80, 8, 0, 0, 0, 0]).unwrap().0.layout, Some(Layout::GoCar));
        // The pre-release layout of the specification's own example file, and a code nobody has defined.
        for (index, codec) in [(&[1u8, 40, 0, 0, 0, 200, 0][..], 1), (&[0xe6, 0x0c, 0, 0], 0x666)] {
            let (summary, entries) = collect(index).unwrap();
            assert_eq!((summary.codec, summary.layout, entries.len(), summary.trailing_len), (codec, None, 0, 0));
        }
    }

    #[test]
    fn reports_disorder_duplicates_and_what_follows() {
        let (a, c) = (entry(5, 32, 59), entry(9, 32, 102));
        let place = |nth: u64| Some(FileOffset(BASE + 30 + 40 * nth));
        let summary = collect(&go(0x12, &[c.clone(), a.clone()])).unwrap().0;
        assert_eq!((summary.unsorted_at, summary.duplicate_at), (place(1), None));
        let summary = collect(&go(0x12, &[a.clone(), a.clone(), c.clone(), c.clone()])).unwrap().0;
        assert_eq!((summary.unsorted_at, summary.duplicate_at, summary.entry_count), (None, place(1), 4));
        let summary = collect(&go(0x12, &[a.clone(), entry(5, 32, 60)])).unwrap().0;
        assert_eq!((summary.unsorted_at, summary.duplicate_at), (None, None));
        let summary = collect(&bytes(&[&go(0x12, &[a, c]), b"junk"])).unwrap().0;
        assert_eq!((summary.trailing_at, summary.trailing_len), (place(2), 4));
        let long_tail = bytes(&[&[0x81, 8, 0, 0, 0, 0], &vec![0; 200_000]]);
        assert_eq!(collect(&long_tail).unwrap().0.trailing_len, 200_000);
    }

    #[test]
    fn codes_and_widths_must_rise() {
        let empty = |width: u8| [width, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        for (first, second, unsorted) in [(28, 40, None), (40, 28, Some(18)), (40, 40, Some(18))] {
            let index = bytes(&[&[0x80, 8, 2, 0, 0, 0], &empty(first), &empty(second)]);
            assert_eq!(collect(&index).unwrap().0.unsorted_at.map(|at| at.0 - BASE), unsorted);
        }
        for (first, second, unsorted) in [(0x12, 0x13, None), (0x13, 0x12, Some(18)), (0x12, 0x12, Some(18))] {
            let code = |code: u64| bytes(&[&code.to_le_bytes(), &[0; 4]]);
            let index = bytes(&[&[0x81, 8, 2, 0, 0, 0], &code(first), &code(second)]);
            assert_eq!(collect(&index).unwrap().0.unsorted_at.map(|at| at.0 - BASE), unsorted);
        }
    }

    #[test]
    fn refuses_what_no_index_holds() {
        assert_eq!(fails_at(&[]).0, 0);
        assert_eq!(fails_at(&[0x80]).0, 0);
        assert_eq!(fails_at(&[0x81, 0x88, 0x00]).0, 0);
        assert_eq!(
            fails_at(&[0x81, 8, 0xff, 0xff, 0xff, 0xff]),
            (2, "the count of hash functions is -1, expected 0 or more".into())
        );
        assert_eq!(fails_at(&[0x80, 8, 0, 0, 0, 0x80]).0, 2);
        let with_width =
            |width: u32, len: u64| bytes(&[&[0x80, 8, 1, 0, 0, 0], &width.to_le_bytes(), &len.to_le_bytes(), &[0; 400]]);
        assert_eq!(fails_at(&with_width(7, 7)), (6, "entries of 7 bytes, expected 8 to 136".into()));
        assert_eq!(fails_at(&with_width(0, 0)).0, 6);
        assert_eq!(fails_at(&with_width(137, 137)).0, 6);
        assert_eq!(fails_at(&with_width(u32::MAX, u64::MAX)).0, 6);
        assert_eq!(
            fails_at(&with_width(40, 41)),
            (10, "a bucket of 41 bytes, expected a multiple of its width, 40 bytes".into())
        );
        let (at, message) = fails_at(&with_width(40, 40 << 50));
        assert_eq!(at, 18 + 400);
        assert_eq!(message, "the index ends inside the bucket's entry 11 of 1125899906842624: expected 40 bytes, 0 are there");
        assert!(collect(&with_width(136, 136)).is_ok());
    }

    #[test]
    fn a_cut_is_never_a_shorter_index() {
        let index = go(0x12, &[entry(5, 32, 59), entry(9, 32, 102)]);
        for len in 0..index.len() {
            assert!(fails_at(&index[..len]).0 <= len as u64, "{len}");
        }
    }

    #[test]
    fn the_callback_can_stop() {
        let stop = |_: Entry<'_>| Err(Error::usage("enough"));
        let error = read(&go(0x12, &[entry(5, 32, 59)])[..], FileOffset(0), stop).unwrap_err();
        assert_eq!(error.message, "enough");
    }

    #[test]
    fn an_index_is_told_from_a_header_of_its_length() {
        assert!(is_detached(&go(0x12, &[])[..20]));
        assert!(is_detached(&[0x80, 8, 0, 0, 0, 0]));
        // A CARv1 whose header takes 1024 bytes.
        assert!(!is_detached(b"\x80\x08\xa2erootsX\x98\x18"));
        for other in [&b""[..], b"\x80", b"\x80\x08", b"\x3a\xa2eroots", b"<html>"] {
            assert!(!is_detached(other));
        }
    }
}
