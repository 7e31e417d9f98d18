//! UnixFS (UnixFS specification): what a dag-pb node means as a file, a directory, a symlink or a shard of a large directory.
//!
//! [`data`], [`hamt`] and [`name`] are pure: one node at a time, nothing about the nodes it links to. On them stand the readers that
//! take blocks from a [`BlockSource`](crate::store::BlockSource): [`FileReader`], [`Directory`], [`Walk`] and [`resolve`], none of
//! which calls itself, and all of which count their work in a [`Budget`]. [`build`] goes the other way: from bytes to nodes.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod budget;
pub mod build;
pub mod data;
mod directory;
mod file;
pub mod hamt;
mod keys;
pub mod name;
mod node;
mod resolve;
mod rules;
#[cfg(test)]
pub(crate) mod testing;
mod walk;

use crate::dag::note_set;
pub use budget::Budget;
pub use data::{Kind, Mtime, UnixFs};
pub use directory::{DirEntry, Directory};
pub use file::{Chunk, Chunks, FileInfo, FileReader};
pub use name::EntryName;
pub use resolve::{Found, Resolved, resolve};
pub use rules::Violation;
pub use walk::{Entry, EntryKind, RawLeaves, Walk};

note_set! {
    /// A remark about a UnixFS node.
    Note, Notes {
        /// A file or symlink has bytes and does not say how many.
        NoFilesize = "the file has no filesize; the sum of its parts counts",
        /// `mode` does not fit 32 bits and is left out.
        LongMode = "the mode does not fit 32 bits and is ignored",
        /// `mtime` has no seconds and is left out.
        NoSeconds = "the mtime has no seconds and is ignored",
        /// The nanoseconds of `mtime` are present and zero, which the specification forbids.
        ZeroNanos = "the mtime has nanoseconds of 0, expected none",
        /// The nanoseconds of `mtime` are a second or more and are left out.
        LongNanos = "the mtime has nanoseconds above 999999999, which are ignored",
        /// `mtime` is outside the years 1 to 9999.
        FarTime = "the mtime is outside the years 1 to 9999",
        /// A field that the specification does not have.
        UnknownField = "the UnixFS data has an unknown field",
        /// A field that may stand once stands twice; the last counts.
        RepeatedField = "the UnixFS data repeats a field",
        /// A number in a longer form than needed.
        LongVarint = "a number in the UnixFS data is not in its shortest form",
        /// The bitfield of a HAMT shard does not agree with its links; the links count.
        BitfieldMismatch = "the shard's bitfield does not match its links",
        /// Shards of one directory have different fanouts.
        MixedFanout = "a shard has another fanout than its directory's root shard",
    }
}

/// Whether UnixFS nodes that contradict themselves are faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strictness {
    /// As the specification says: they must be rejected.
    #[default]
    Strict,
    /// Sizes that do not add up are tolerated (`--lenient-unixfs`): what the blocks hold counts.
    Lenient,
}

/// What the name of a node's links adds to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentRule {
    /// The whole name.
    Name,
    /// What follows the bucket number; nothing for an inner shard.
    BehindPrefix(usize),
}

impl SegmentRule {
    /// The rule of a dag-pb node with this `Data` field.
    pub fn of_data(data: Option<&[u8]>) -> SegmentRule {
        SegmentRule::of(data.map(UnixFs::parse).and_then(Result::ok).as_ref())
    }

    /// The rule of a dag-pb node that is this in UnixFS, or nothing.
    pub fn of(node: Option<&UnixFs<'_>>) -> SegmentRule {
        match node {
            Some(node) if node.kind == Kind::HamtShard => {
                hamt::Fanout::new(node.fanout).map_or(SegmentRule::Name, |fanout| SegmentRule::BehindPrefix(fanout.prefix_len()))
            }
            _ => SegmentRule::Name,
        }
    }

    /// The segment that a link of this name adds.
    pub fn segment(self, name: &[u8]) -> &[u8] {
        match self {
            SegmentRule::Name => name,
            SegmentRule::BehindPrefix(len) => name.get(len..).unwrap_or_default(),
        }
    }
}
