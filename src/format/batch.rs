//! Many sections in one buffer, to be looked at without an allocation a block.

use crate::cid::RawCid;
use crate::error::Finding;
use crate::offset::FileOffset;

/// Where one section stands inside its batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) cid: u32,
    /// End of what is held: the whole section, or its head when only heads are read.
    pub(super) end: u32,
    pub(super) data_len: u64,
}

/// The head of a section: what [`Framer::next_heads`](super::Framer::next_heads) gives.
#[derive(Debug, Clone, Copy)]
pub struct HeadRef<'a> {
    /// Where its length varint stands in the file.
    pub at: FileOffset,
    /// Bytes of length varint and CID.
    pub head_len: u32,
    /// The CID it claims.
    pub cid: RawCid<'a>,
    /// Bytes of data behind it.
    pub data_len: u64,
}

/// A section as it stands in the archive: a CID and the bytes claimed for it, not yet hashed.
#[derive(Debug, Clone, Copy)]
pub struct SectionRef<'a> {
    /// Where its length varint stands in the file.
    pub at: FileOffset,
    /// Bytes of length varint and CID.
    pub head_len: u32,
    /// The CID it claims.
    pub cid: RawCid<'a>,
    /// The bytes claimed for that CID.
    pub data: &'a [u8],
}

/// A section too long to hold: its data follows in pieces, by [`Framer::read_huge`](super::Framer::read_huge).
#[derive(Debug, Clone)]
pub struct Huge {
    /// Where its length varint stands in the file.
    pub at: FileOffset,
    /// The CID it claims, as bytes.
    pub cid: Vec<u8>,
    /// Bytes of length varint and CID.
    pub head_len: u32,
    /// Bytes of data to come.
    pub data_len: u64,
}

/// A buffer and the sections found in it.
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) filled: usize,
    base: FileOffset,
    pub(super) spans: Vec<Span>,
    /// What was wrong between the sections, by place.
    pub findings: Vec<Finding>,
    /// Set when the batch holds no sections but the head of one that is too long to hold.
    pub huge: Option<Huge>,
}

impl Batch {
    /// The sections, in file order.
    pub fn sections(&self) -> impl ExactSizeIterator<Item = SectionRef<'_>> + '_ {
        self.spans.iter().map(|span| {
            let bytes = self.bytes.get(span.cid as usize..span.end as usize).unwrap_or_default();
            // The framer parsed it already; the fallback cannot be reached.
            let cid = RawCid::parse_prefix(bytes).unwrap_or(RawCid::EMPTY);
            let head_len = span.cid.saturating_sub(span.start).saturating_add(cid.bytes().len() as u32);
            let data = bytes.get(cid.bytes().len()..).unwrap_or_default();
            SectionRef { at: self.base.plus(u64::from(span.start)), head_len, cid, data }
        })
    }

    /// The heads of the sections, in file order.
    pub fn heads(&self) -> impl Iterator<Item = HeadRef<'_>> + '_ {
        self.sections().zip(&self.spans).map(|(section, span)| HeadRef {
            at: section.at,
            head_len: section.head_len,
            cid: section.cid,
            data_len: span.data_len,
        })
    }

    /// How far in the file this batch reaches.
    pub fn end(&self) -> FileOffset {
        self.base.plus(self.spans.last().map_or(0, |s| u64::from(s.end)))
    }

    pub(super) fn clear(&mut self, base: FileOffset) {
        self.filled = 0;
        self.base = base;
        self.spans.clear();
        self.findings.clear();
        self.huge = None;
    }
}
