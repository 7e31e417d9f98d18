//! Reads, proves, opens and joins IPFS content archives (CAR files).

pub mod cid;
pub mod dag;
pub mod error;
pub mod hash;
pub mod limits;
pub mod offset;
pub mod unixfs;
pub mod varint;
