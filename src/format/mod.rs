//! CAR bytes to values and back: slices, `Read` and `Write` only.

pub mod index;
pub mod sniff;
