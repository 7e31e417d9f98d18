//! CAR bytes to values and back. Pure: slices, [`Read`](std::io::Read) and [`Write`](std::io::Write) only.
//!
//! Nothing here hashes: what comes out is what the archive claims. [`block`](crate::block) proves it.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod carv2;
pub mod framer;
pub mod header;
pub mod index;
mod opener;
pub mod reader;
pub mod section;
pub mod sniff;
pub mod writer;

pub use carv2::Carv2Header;
pub use framer::{Batch, Framer, HeadRef, Huge, IN_MEMORY_MAX, SectionRef, TrailingZeros};
pub use header::Header;
pub use reader::{Reader, Section};
pub use writer::Writer;
