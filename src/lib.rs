//! Reads, proves, opens and joins IPFS content archives (CAR files).

pub mod address;
pub mod block;
pub mod cid;
pub mod control;
pub mod dag;
pub mod error;
pub mod format;
pub mod hash;
pub mod limits;
pub mod links;
pub mod offset;
pub mod ops;
pub mod store;
pub mod unixfs;
pub mod varint;
