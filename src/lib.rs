//! Reads, proves, opens and joins IPFS content archives (CAR files).

pub mod address;
pub mod cid;
pub mod error;
pub mod limits;
pub mod links;
pub mod offset;
pub mod varint;
