//! DAG-CBOR (DAG-CBOR specification): links found without building values.
//!
//! Relaxed where old data needs it, and said so in [`Notes`]: key order, longer forms of numbers, short floats. Text is never
//! checked for UTF-8, because Filecoin's is not always. Indefinite lengths, other tags and bytes after the value are refused.

use super::{NodeError, NodeErrorKind, Note, Notes, Path, error};
use crate::cid::RawCid;
use std::io::Write;
use std::ops::Range;

/// The tag of a link.
const TAG_LINK: u64 = 42;

/// One data item; containers are only opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item<'a> {
    Scalar,
    Link(RawCid<'a>),
    List(u64),
    Map(u64),
}

/// The first byte of an item, and the number that belongs to it.
#[derive(Debug, Clone, Copy)]
struct Head {
    major: u8,
    info: u8,
    value: u64,
}

/// Reads items one after the other.
#[derive(Debug, Clone)]
struct Reader<'a> {
    block: &'a [u8],
    at: usize,
    notes: Notes,
}

impl<'a> Reader<'a> {
    fn new(block: &'a [u8]) -> Reader<'a> {
        Reader { block, at: 0, notes: Notes::default() }
    }

    fn left(&self) -> u64 {
        self.block.len().saturating_sub(self.at) as u64
    }

    #[inline]
    fn head(&mut self, what: &'static str) -> Result<Head, NodeError> {
        let at = self.at;
        let first = *self.block.get(at).ok_or(error(at, NodeErrorKind::Truncated(what)))?;
        let (major, info) = (first >> 5, first & 0x1f);
        let value = match info {
            0..=23 => {
                self.at = at.saturating_add(1);
                return Ok(Head { major, info, value: u64::from(info) });
            }
            24 => u64::from(u8::from_be_bytes(self.number(what)?)),
            25 => u64::from(u16::from_be_bytes(self.number(what)?)),
            26 => u64::from(u32::from_be_bytes(self.number(what)?)),
            27 => u64::from_be_bytes(self.number(what)?),
            _ => return Err(error(at, NodeErrorKind::CborHead(first))),
        };
        let shorter_holds = match info {
            24 => 24,
            25 => 1 << 8,
            26 => 1 << 16,
            _ => 1 << 32,
        };
        if major != 7 && value < shorter_holds {
            self.notes.insert(Note::LongInt);
        }
        Ok(Head { major, info, value })
    }

    /// The big-endian number behind a first byte; moves behind both.
    fn number<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], NodeError> {
        let start = self.at.saturating_add(1);
        let bytes = self.block.get(start..).and_then(|rest| rest.first_chunk::<N>());
        let bytes = *bytes.ok_or(error(self.at, NodeErrorKind::Truncated(what)))?;
        self.at = start.saturating_add(N);
        Ok(bytes)
    }

    #[inline]
    fn take(&mut self, at: usize, declared: u64, what: &'static str) -> Result<&'a [u8], NodeError> {
        let rest = self.block.get(self.at..).unwrap_or_default();
        let bytes = usize::try_from(declared).ok().and_then(|len| rest.get(..len));
        let bytes = bytes.ok_or(error(at, NodeErrorKind::Overrun { what, declared, left: rest.len() as u64 }))?;
        self.at = self.at.saturating_add(bytes.len());
        Ok(bytes)
    }

    /// A count of items that take at least `bytes_each`: more than the bytes left is refused before anything is done with it.
    fn count(&self, at: usize, declared: u64, bytes_each: u64, what: &'static str) -> Result<u64, NodeError> {
        let left = self.left().checked_div(bytes_each).unwrap_or_default();
        if declared > left {
            return Err(error(at, NodeErrorKind::Overrun { what, declared, left }));
        }
        Ok(declared)
    }

    #[inline]
    fn item(&mut self) -> Result<Item<'a>, NodeError> {
        let at = self.at;
        let head = self.head("a dag-cbor item")?;
        match head.major {
            0 | 1 => Ok(Item::Scalar),
            2 => self.take(at, head.value, "a byte string").map(|_| Item::Scalar),
            3 => self.take(at, head.value, "a text").map(|_| Item::Scalar),
            4 => self.count(at, head.value, 1, "a list").map(Item::List),
            5 => self.count(at, head.value, 2, "a map").map(Item::Map),
            6 if head.value == TAG_LINK => self.link().map(Item::Link),
            6 => Err(error(at, NodeErrorKind::CborTag(head.value))),
            _ => self.simple(at, head),
        }
    }

    /// What follows tag 42: a byte string of a zero (the multibase prefix of binary) and a CID.
    fn link(&mut self) -> Result<RawCid<'a>, NodeError> {
        let at = self.at;
        let head = self.head("a link")?;
        if head.major != 2 {
            let first = self.block.get(at).copied();
            return Err(error(at, NodeErrorKind::CborLink(first)));
        }
        let bytes = self.take(at, head.value, "a link")?;
        let start = self.at.saturating_sub(bytes.len());
        let Some((0, cid)) = bytes.split_first() else {
            return Err(error(start, NodeErrorKind::CborLink(bytes.first().copied())));
        };
        RawCid::parse(cid).map_err(|e| error(start.saturating_add(1), NodeErrorKind::Cid(e)))
    }

    /// Booleans, null and floats; no other simple value exists in DAG-CBOR.
    fn simple(&mut self, at: usize, head: Head) -> Result<Item<'a>, NodeError> {
        // An exponent of ones only means NaN or an infinity; sign and fraction do not matter here.
        let not_finite = match head.info {
            20..=22 => false,
            25 => head.value & 0x7c00 == 0x7c00,
            26 => head.value & 0x7f80_0000 == 0x7f80_0000,
            27 => head.value & 0x7ff0_0000_0000_0000 == 0x7ff0_0000_0000_0000,
            info => return Err(error(at, NodeErrorKind::CborHead(0xe0 | info))),
        };
        if matches!(head.info, 25 | 26) {
            self.notes.insert(Note::ShortFloat);
        }
        if not_finite {
            self.notes.insert(Note::NotFinite);
        }
        Ok(Item::Scalar)
    }

    #[inline]
    fn key(&mut self) -> Result<&'a [u8], NodeError> {
        let at = self.at;
        let head = self.head("a map key")?;
        if head.major != 3 {
            let first = self.block.get(at).copied().unwrap_or_default();
            return Err(error(at, NodeErrorKind::CborKey(first)));
        }
        self.take(at, head.value, "a map key")
    }

    /// Passes over the rest of an item that has been opened. Counts what is still to come instead of keeping a stack.
    fn finish(&mut self, item: Item<'a>) -> Result<(), NodeError> {
        let mut pending = inner_count(item);
        while pending > 0 {
            pending = self.count(self.at, pending, 1, "a list or map")?;
            let inner = inner_count(self.item()?);
            pending = pending.saturating_sub(1).saturating_add(inner);
        }
        Ok(())
    }

    fn skip(&mut self) -> Result<(), NodeError> {
        let item = self.item()?;
        self.finish(item)
    }
}

fn inner_count(item: Item<'_>) -> u64 {
    match item {
        Item::List(n) => n,
        Item::Map(n) => n.saturating_mul(2),
        Item::Scalar | Item::Link(_) => 0,
    }
}

/// A list or map that is open, and where in it the scanner is.
#[derive(Debug, Clone, Copy)]
struct Frame<'a> {
    /// Items (of a map: pairs) not yet begun.
    left: u64,
    total: u64,
    /// The current key of a map.
    key: Option<&'a [u8]>,
}

/// How many open containers are kept without an allocation; deeper blocks are rare.
const INLINE_DEPTH: usize = 12;

/// The open containers, outermost first.
#[derive(Debug)]
pub(crate) struct Stack<'a> {
    inline: [Frame<'a>; INLINE_DEPTH],
    inline_len: usize,
    spill: Vec<Frame<'a>>,
}

impl<'a> Stack<'a> {
    fn new() -> Stack<'a> {
        Stack { inline: [Frame { left: 0, total: 0, key: None }; INLINE_DEPTH], inline_len: 0, spill: Vec::new() }
    }

    fn len(&self) -> usize {
        self.inline_len.saturating_add(self.spill.len())
    }

    fn push(&mut self, frame: Frame<'a>) {
        match self.inline.get_mut(self.inline_len) {
            Some(slot) => {
                *slot = frame;
                self.inline_len = self.inline_len.saturating_add(1);
            }
            None => self.spill.push(frame),
        }
    }

    fn pop(&mut self) {
        if self.spill.pop().is_none() {
            self.inline_len = self.inline_len.saturating_sub(1);
        }
    }

    #[inline]
    fn top(&mut self) -> Option<&mut Frame<'a>> {
        match self.spill.last_mut() {
            Some(frame) => Some(frame),
            None => self.inline.get_mut(self.inline_len.checked_sub(1)?),
        }
    }

    /// Appends the current key or index of every open container, joined with `/`; of all that the first `max` bytes.
    pub(crate) fn write_path(&self, max: usize, out: &mut Vec<u8>) {
        let end = out.len().saturating_add(max);
        let inline = self.inline.get(..self.inline_len).unwrap_or_default();
        for (i, frame) in inline.iter().chain(&self.spill).enumerate() {
            if i > 0 {
                out.push(b'/');
            }
            match frame.key {
                Some(key) => out.extend_from_slice(key.get(..end.saturating_sub(out.len())).unwrap_or(key)),
                // Writing to memory does not fail.
                None => drop(write!(out, "{}", frame.total.saturating_sub(frame.left).saturating_sub(1))),
            }
            if out.len() >= end {
                out.truncate(end);
                return;
            }
        }
    }
}

/// Reports every link of a block, in the order of the bytes, with the map keys and list indexes that lead to it.
///
/// The whole block is read. Memory is bounded by `depth_max` open containers; up to 12 take no allocation.
///
/// # Errors
/// [`NodeError`] when the bytes are not one DAG-CBOR value; [`NodeErrorKind::TooDeep`] when it nests deeper than `depth_max`.
pub fn scan_links<'a>(
    block: &'a [u8],
    depth_max: u32,
    mut on_link: impl FnMut(RawCid<'a>, Path<'_>),
) -> Result<Notes, NodeError> {
    if block.is_empty() {
        return Err(error(0, NodeErrorKind::Empty));
    }
    let mut reader = Reader::new(block);
    let mut stack = Stack::new();
    loop {
        let at = reader.at;
        match reader.item()? {
            Item::Scalar => {}
            Item::Link(cid) => on_link(cid, Path::frames(&stack)),
            item @ (Item::List(total) | Item::Map(total)) => {
                if stack.len() >= depth_max as usize {
                    return Err(error(at, NodeErrorKind::TooDeep { depth_max }));
                }
                let key = matches!(item, Item::Map(_)).then_some(&[][..]);
                stack.push(Frame { left: total, total, key });
            }
        }
        if !advance(&mut reader, &mut stack)? {
            break;
        }
    }
    match reader.left() {
        0 => Ok(reader.notes),
        n => Err(error(reader.at, NodeErrorKind::TrailingBytes(n as usize))),
    }
}

/// Moves to the next item of the innermost container that has one, past its key; `false` at the end of the value.
#[inline]
fn advance<'a>(reader: &mut Reader<'a>, stack: &mut Stack<'a>) -> Result<bool, NodeError> {
    while let Some(top) = stack.top() {
        if top.left == 0 {
            stack.pop();
            continue;
        }
        if let Some(last) = top.key {
            let key = reader.key()?;
            if top.left != top.total {
                match (last.len(), last).cmp(&(key.len(), key)) {
                    std::cmp::Ordering::Less => {}
                    std::cmp::Ordering::Equal => reader.notes.insert(Note::RepeatedKey),
                    std::cmp::Ordering::Greater => reader.notes.insert(Note::UnsortedKeys),
                }
            }
            top.key = Some(key);
        }
        top.left = top.left.saturating_sub(1);
        return Ok(true);
    }
    Ok(false)
}

/// Where a path leads inside a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<'a> {
    /// To a link, after this many segments; the others go on in the linked block.
    Link {
        /// The linked block.
        cid: RawCid<'a>,
        /// How many segments lead to it.
        used: usize,
    },
    /// To a value that is no link: all segments are used, and the value's bytes are here in the block.
    Value {
        /// The value's bytes in the block.
        range: Range<usize>,
    },
    /// Nowhere: the segment after this many names nothing.
    NotFound {
        /// How many segments were found.
        used: usize,
    },
}

/// Follows map keys and list indexes (decimal, no leading zeros) from the top of the block until a link or the last segment.
///
/// Of a repeated key the first counts. Only what lies before the result is read; nothing behind it is checked.
///
/// # Errors
/// [`NodeError`] when the bytes on the way are not DAG-CBOR.
pub fn step<'a>(block: &'a [u8], segments: &[&[u8]]) -> Result<Step<'a>, NodeError> {
    let mut reader = Reader::new(block);
    let mut used = 0usize;
    loop {
        let start = reader.at;
        let item = reader.item()?;
        if let Item::Link(cid) = item {
            return Ok(Step::Link { cid, used });
        }
        let Some(segment) = segments.get(used) else {
            reader.finish(item)?;
            return Ok(Step::Value { range: start..reader.at });
        };
        let found = match item {
            Item::List(n) => enter_list(&mut reader, n, segment)?,
            Item::Map(n) => enter_map(&mut reader, n, segment)?,
            Item::Scalar | Item::Link(_) => false,
        };
        if !found {
            return Ok(Step::NotFound { used });
        }
        used = used.saturating_add(1);
    }
}

fn enter_list(reader: &mut Reader<'_>, count: u64, segment: &[u8]) -> Result<bool, NodeError> {
    match list_index(segment) {
        Some(index) if index < count => {
            for _ in 0..index {
                reader.skip()?;
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn enter_map(reader: &mut Reader<'_>, count: u64, segment: &[u8]) -> Result<bool, NodeError> {
    for _ in 0..count {
        if reader.key()? == segment {
            return Ok(true);
        }
        reader.skip()?;
    }
    Ok(false)
}

/// A path segment as a list index: decimal digits without a sign or leading zeros.
pub(crate) fn list_index(segment: &[u8]) -> Option<u64> {
    match segment {
        [b'0'] => Some(0),
        [b'1'..=b'9', ..] if segment.iter().all(u8::is_ascii_digit) => std::str::from_utf8(segment).ok()?.parse().ok(),
        _ => None,
    }
}

/// One entry of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its key; raw bytes.
    pub key: &'a [u8],
    /// The link, if the value is one.
    pub link: Option<RawCid<'a>>,
    /// The value's bytes in the block.
    pub range: Range<usize>,
}

/// The entries of a map, in the order of the bytes. Made by [`entries`]; ends after the first error.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    reader: Reader<'a>,
    left: u64,
}

/// The entries of the map that the block is; `None` when it is something else. To list a map further inside, give its bytes.
///
/// # Errors
/// [`NodeError`] when the block does not start with a DAG-CBOR item; the entries themselves can fail too.
pub fn entries(block: &[u8]) -> Result<Option<Entries<'_>>, NodeError> {
    let mut reader = Reader::new(block);
    match reader.item()? {
        Item::Map(left) => Ok(Some(Entries { reader, left })),
        _ => Ok(None),
    }
}

impl<'a> Entries<'a> {
    fn entry(&mut self) -> Result<Entry<'a>, NodeError> {
        let key = self.reader.key()?;
        let start = self.reader.at;
        let item = self.reader.item()?;
        self.reader.finish(item)?;
        let link = if let Item::Link(cid) = item { Some(cid) } else { None };
        Ok(Entry { key, link, range: start..self.reader.at })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, NodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let entry = self.entry();
        if entry.is_err() {
            self.left = 0;
        }
        Some(entry)
    }
}

#[cfg(test)]
#[path = "cbor_tests.rs"]
mod tests;
