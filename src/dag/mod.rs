//! Links inside blocks: DAG-PB, DAG-CBOR and DAG-JSON.
//!
//! Everything here is pure: a block's bytes in, values out that borrow from them. The scanners take time linear in the block,
//! call no function of their own again for nested input, and never allocate what a length in the block asks for.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod cbor;
pub mod json;
mod notes;
pub mod pb;
pub(crate) mod protobuf;

use crate::cid::{CidError, RawCid, codec};
pub(crate) use notes::note_set;
pub use notes::{Note, Notes};
use std::fmt;

/// What is wrong inside a block, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeError {
    /// The byte of the block (or of the slice that was read) where it was noticed.
    pub at: usize,
    /// What is wrong.
    pub kind: NodeErrorKind,
}

/// What is wrong inside a block.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeErrorKind {
    /// No bytes at all, in a codec where that is no value.
    Empty,
    /// The bytes end inside this.
    Truncated(&'static str),
    /// A declared length or count is more than the bytes left can hold.
    Overrun {
        /// What declared it.
        what: &'static str,
        /// How many bytes or items it declares.
        declared: u64,
        /// How many at most can follow.
        left: u64,
    },
    /// Bytes follow where the block should end.
    TrailingBytes(usize),
    /// Nested deeper than the limit: the block may well be right.
    TooDeep {
        /// The limit.
        depth_max: u32,
    },
    /// A link is no CID.
    Cid(CidError),
    /// A protobuf number does not fit 64 bits.
    VarintOverflow,
    /// A protobuf field number outside 1..=536870911.
    FieldNumber(u64),
    /// A protobuf wire type that does not exist or is a group.
    WireType(u8),
    /// A field or a wire type that the message does not have.
    UnexpectedField {
        /// The message.
        message: &'static str,
        /// The field's number.
        field: u32,
        /// The wire type as it stands there.
        wire: u8,
    },
    /// A field that may stand once stands twice.
    RepeatedField {
        /// The message.
        message: &'static str,
        /// The field's number.
        field: u32,
    },
    /// Fields out of order.
    FieldOrder {
        /// The message.
        message: &'static str,
        /// The field's number.
        field: u32,
        /// The number of the field before it.
        after: u32,
    },
    /// A required field is absent.
    MissingField {
        /// The message.
        message: &'static str,
        /// The field's name.
        field: &'static str,
    },
    /// A field holds a number that means nothing.
    FieldValue {
        /// The field's name.
        field: &'static str,
        /// What it may hold.
        expected: &'static str,
        /// What it holds.
        actual: u64,
    },
    /// DAG-PB: a link after `Data` that itself came after links.
    SplitLinks,
    /// DAG-CBOR: a first byte that no item may have (indefinite length, reserved, or another simple value).
    CborHead(u8),
    /// DAG-CBOR: a tag other than 42.
    CborTag(u64),
    /// DAG-CBOR: a map key that is no text.
    CborKey(u8),
    /// DAG-CBOR: tag 42 is not followed by a byte string that starts with zero; the field holds the byte found.
    CborLink(Option<u8>),
    /// DAG-JSON: not JSON, in the words of the parser.
    Json(Box<str>),
}

impl NodeError {
    /// The same error in a slice that starts `by` bytes into the block.
    #[must_use]
    pub fn shifted(mut self, by: usize) -> NodeError {
        self.at = self.at.saturating_add(by);
        self
    }

    /// Whether a limit stopped the work, and not a fault of the block.
    pub fn is_limit(&self) -> bool {
        matches!(self.kind, NodeErrorKind::TooDeep { .. })
    }
}

/// An error at this byte.
pub(crate) fn error(at: usize, kind: NodeErrorKind) -> NodeError {
    NodeError { at, kind }
}

impl fmt::Display for NodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use NodeErrorKind as K;
        match self {
            K::Empty => f.write_str("an empty block, expected one value"),
            K::Truncated(what) => write!(f, "the bytes end inside {what}"),
            K::Overrun { what, declared, left } => write!(f, "{what} declares {declared}, but at most {left} can follow"),
            K::TrailingBytes(n) => write!(f, "bytes after the value: {n}, expected the end of the block"),
            K::TooDeep { depth_max } => write!(f, "nested deeper than {depth_max} levels"),
            K::Cid(e) => write!(f, "a link: {e}"),
            K::VarintOverflow => f.write_str("a protobuf number of more than 64 bits"),
            K::FieldNumber(n) => write!(f, "protobuf field number {n}, expected 1 to {}", protobuf::FIELD_NUMBER_MAX),
            K::WireType(wire) => write!(f, "protobuf wire type {wire}, expected 0, 1, 2 or 5"),
            K::UnexpectedField { message, field, wire } => {
                write!(f, "field {field} with wire type {wire}, which {message} does not have")
            }
            K::RepeatedField { message, field } => write!(f, "field {field} of {message} a second time, expected it once"),
            K::FieldOrder { message, field, after } => {
                write!(f, "field {field} of {message} after field {after}, expected ascending order")
            }
            K::MissingField { message, field } => write!(f, "{message} without {field}, which is required"),
            K::FieldValue { field, expected, actual } => write!(f, "{field} {actual}, expected {expected}"),
            K::SplitLinks => f.write_str("Data between the Links of a dag-pb node, expected it before or after them"),
            K::CborHead(byte) => write!(f, "byte 0x{byte:02x}, which starts no dag-cbor item"),
            K::CborTag(tag) => write!(f, "CBOR tag {tag}, expected 42 (a link)"),
            K::CborKey(byte) => write!(f, "a map key that starts with byte 0x{byte:02x}, expected text"),
            K::CborLink(Some(byte)) => write!(f, "tag 42 before byte 0x{byte:02x}, expected a byte string that starts with 0x00"),
            K::CborLink(None) => f.write_str("tag 42 before an empty byte string, expected one that starts with 0x00"),
            K::Json(why) => write!(f, "not JSON: {why}"),
        }
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {} of the block)", self.kind, self.at)
    }
}

impl std::error::Error for NodeError {}

/// The way from the top of a block to one of its links. Costs nothing until it is written.
#[derive(Clone, Copy)]
pub struct Path<'p>(PathKind<'p>);

#[derive(Clone, Copy)]
enum PathKind<'p> {
    Frames(&'p cbor::Stack<'p>),
    Text(&'p [u8]),
}

impl<'p> Path<'p> {
    pub(crate) fn frames(stack: &'p cbor::Stack<'p>) -> Path<'p> {
        Path(PathKind::Frames(stack))
    }

    pub(crate) fn text(text: &'p [u8]) -> Path<'p> {
        Path(PathKind::Text(text))
    }

    /// Appends map keys, list indexes or the link's name, joined with `/`. Keys are raw bytes and may hold a `/` themselves.
    /// Nothing is appended for an unnamed dag-pb link or a link that is the whole block.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        self.write_at_most(usize::MAX, out);
    }

    /// As [`Path::write_to`], but no more than the first `max` bytes. No more is touched either: a long key above many links would
    /// otherwise be copied for each of them.
    pub fn write_at_most(&self, max: usize, out: &mut Vec<u8>) {
        match self.0 {
            PathKind::Frames(stack) => stack.write_path(max, out),
            PathKind::Text(text) => out.extend_from_slice(text.get(..max).unwrap_or(text)),
        }
    }
}

/// Bounds what the paths of one block's links take in memory together: four times the block, where a link alone takes some 40 bytes.
///
/// Honest blocks have short keys above their links. Of others the paths are cut, in the end to nothing; the links are all there.
#[derive(Debug)]
pub struct PathRoom {
    left: usize,
}

impl PathRoom {
    /// The longest part of one link's path that is kept, in bytes.
    const PATH_LEN_MAX: usize = 4 << 10;

    /// The room for the links of this block.
    pub fn of(block: &[u8]) -> PathRoom {
        PathRoom { left: block.len().saturating_mul(4) }
    }

    /// Appends a path, as far as there is room.
    pub fn write(&mut self, path: Path<'_>, out: &mut Vec<u8>) {
        let before = out.len();
        path.write_at_most(self.left.min(Self::PATH_LEN_MAX), out);
        self.left = self.left.saturating_sub(out.len().saturating_sub(before));
    }
}

impl fmt::Debug for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        self.write_to(&mut text);
        write!(f, "Path({})", text.escape_ascii())
    }
}

/// How far [`links`] looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// The whole block was read, every link reported.
    Read,
    /// Blocks of this codec have no links by definition.
    Leaf,
    /// This codec may have links, and they are not read here.
    Unread,
}

/// What [`links`] found out beside the links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// How far it looked.
    pub coverage: Coverage,
    /// What it noticed.
    pub notes: Notes,
}

/// Reports every link of a block, in the order of the bytes. Nothing is hashed here: the caller has proven the block.
///
/// # Errors
/// [`NodeError`] when the bytes are not what the codec says, or nest deeper than `depth_max`. Links before the fault have
/// been reported by then.
pub fn links(
    codec: u64,
    block: &[u8],
    depth_max: u32,
    on_link: &mut dyn FnMut(RawCid<'_>, Path<'_>),
) -> Result<Outcome, NodeError> {
    let (coverage, notes) = match codec {
        codec::DAG_PB => {
            let info = pb::scan(block, |link| on_link(link.cid, Path::text(link.name.unwrap_or_default())))?;
            (Coverage::Read, info.notes)
        }
        codec::DAG_CBOR => (Coverage::Read, cbor::scan_links(block, depth_max, on_link)?),
        codec::DAG_JSON => {
            let notes = json::scan_links(block, depth_max, |cid, path| {
                let bytes = cid.to_bytes();
                if let Ok(cid) = RawCid::parse(&bytes) {
                    on_link(cid, path);
                }
            })?;
            (Coverage::Read, notes)
        }
        codec::RAW | codec::JSON | codec::CBOR => (Coverage::Leaf, Notes::default()),
        _ => (Coverage::Unread, Notes::default()),
    };
    Ok(Outcome { coverage, notes })
}

#[cfg(test)]
mod tests;
