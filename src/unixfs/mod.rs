//! UnixFS (UnixFS specification): what a dag-pb node means as a file, a directory, a symlink or a shard of a large directory.
//!
//! Pure and local: one node at a time, nothing about the nodes it links to.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod data;
pub mod hamt;
pub mod name;
mod rules;

use crate::dag::note_set;
pub use data::{Kind, Mtime, UnixFs};
pub use name::EntryName;
pub use rules::Violation;

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
    }
}
