//! Two kinds of places, so that they cannot be mixed up.

use std::fmt;

/// A place in a file, in bytes from its first byte. Every message and finding uses this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileOffset(pub u64);

/// A place in a CARv1 payload, in bytes from the payload's first byte: what a CARv2 index holds (CARv2 specification, "Index").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PayloadOffset(pub u64);

impl FileOffset {
    /// The place `len` bytes further on; stays at the largest number when that overflows.
    pub fn plus(self, len: u64) -> FileOffset {
        FileOffset(self.0.saturating_add(len))
    }

    /// This place as an index writes it, in a file whose payload starts at `payload`.
    pub fn in_payload(self, payload: FileOffset) -> PayloadOffset {
        PayloadOffset(self.0.saturating_sub(payload.0))
    }
}

impl PayloadOffset {
    /// Where this is in a file whose payload starts at `payload`; `None` when no file is that long.
    pub fn in_file(self, payload: FileOffset) -> Option<FileOffset> {
        self.0.checked_add(payload.0).map(FileOffset)
    }
}

impl fmt::Display for FileOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
