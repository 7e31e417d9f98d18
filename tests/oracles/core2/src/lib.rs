//! The two modules of the yanked crate `core2` that the oracles use. With its feature `std` that crate is nothing more.

pub use std::{error, io};
