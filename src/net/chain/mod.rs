//! What a token's contract says: its metadata's address, read over JSON-RPC at one pinned block.
//!
//! An endpoint is believed about what the chain says and about nothing else: what the address leads to is proven by its CID. Its
//! answers are hostile input all the same: bounded in length, count and depth, and never taken for more than text.
//!
//! The names follow CAIP-2 and CAIP-19 (`eip155:1/erc721:0x…/7`), the calls ERC-721, ERC-1155, ERC-165 and ERC-7572.

mod abi;
mod asset;
mod contract;
mod http;
mod reader;
mod rpc;
#[cfg(test)]
mod tests;

pub use abi::{AbiError, AbiNote};
pub use asset::{Asset, AssetError, ChainId, Ids, Standard};
pub use contract::{Contract, ContractError};
pub use http::Http;
pub use reader::{Block, Failure, Function, Reader, Reason, TokenUri};
pub use rpc::{CallError, Transport};

/// The longest URI taken from a contract, in bytes (`--max-uri`).
pub const URI_LEN_MAX: usize = 1 << 20;
