//! Reads, proves, opens and joins IPFS content archives (CAR files).

pub mod cid;
pub mod error;
pub mod format;
pub mod hash;
pub mod limits;
pub mod offset;
pub mod varint;
