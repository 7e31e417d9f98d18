//! Why a text is not an address.

use super::Kind;
use crate::cid::CidError;
use std::fmt;

/// Why a text is not an address. Texts inside are cut to [`QUOTE_LEN_MAX`] bytes and untrusted: escape before printing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// Nothing but white space.
    Empty,
    /// None of the known forms.
    NotAnAddress,
    /// An address, but not of content on IPFS.
    NotIpfs(Kind),
    /// A namespace without anything in it, such as `ipfs://`.
    MissingCid,
    /// A CIDv0 whose letters were folded to lower case.
    CaseFoldedCidV0,
    /// What stands where a CID belongs is none.
    InvalidCid {
        /// The text.
        text: String,
        /// What is wrong with it.
        error: CidError,
    },
    /// What stands where an IPNS name belongs is none.
    InvalidName(String),
    /// A content path with `.` or `..` in it.
    DotSegment,
    /// A `data:` URI whose header or payload cannot be decoded.
    InvalidData(&'static str),
    /// The address depends on `{id}` and no token id was given.
    NeedsTokenId,
    /// A `sha256:` wrapper whose digest is not 32 bytes of hexadecimal.
    InvalidHash,
    /// Addresses inside addresses, too many levels.
    TooNested,
}

/// The longest text an error quotes, in bytes.
pub const QUOTE_LEN_MAX: usize = 100;

/// At most [`QUOTE_LEN_MAX`] bytes of `text`.
pub(super) fn quote(text: &str) -> String {
    if text.len() <= QUOTE_LEN_MAX {
        return text.to_owned();
    }
    let end = (0..=QUOTE_LEN_MAX).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

impl AddressError {
    /// The reason as a stable kebab-case word.
    pub fn reason(&self) -> &'static str {
        match self {
            AddressError::Empty => "empty",
            AddressError::NotAnAddress => "not-an-address",
            AddressError::NotIpfs(_) => "not-ipfs",
            AddressError::MissingCid => "missing-cid",
            AddressError::CaseFoldedCidV0 => "case-folded-cidv0",
            AddressError::InvalidCid { .. } => "invalid-cid",
            AddressError::InvalidName(_) => "invalid-ipns-name",
            AddressError::DotSegment => "dot-segment",
            AddressError::InvalidData(_) => "invalid-data-uri",
            AddressError::NeedsTokenId => "needs-token-id",
            AddressError::InvalidHash => "invalid-hash",
            AddressError::TooNested => "too-nested",
        }
    }

    /// Whether the text meant to be an address and failed, and is not just some other text.
    pub fn is_broken_address(&self) -> bool {
        !matches!(self, AddressError::Empty | AddressError::NotAnAddress)
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressError::Empty => f.write_str("the address is empty"),
            AddressError::NotAnAddress => f.write_str("not an address: neither a CID, nor a path, nor a URI of a known form"),
            AddressError::NotIpfs(kind) => write!(f, "not an IPFS address, but of kind {}", kind.as_str()),
            AddressError::MissingCid => f.write_str("the address names no CID"),
            AddressError::CaseFoldedCidV0 => {
                f.write_str("a CIDv0 folded to lower case (case-folded-cidv0); its capital letters cannot be restored")
            }
            AddressError::InvalidCid { text, error } => write!(f, "expected a CID and found \"{text}\": {error}"),
            AddressError::InvalidName(text) => write!(f, "expected an IPNS name (a key or a domain) and found \"{text}\""),
            AddressError::DotSegment => f.write_str("a content path cannot contain \".\" or \"..\""),
            AddressError::InvalidData(why) => write!(f, "not a readable data: URI: {why}"),
            AddressError::NeedsTokenId => f.write_str("the address contains {id} where a CID belongs and no token id was given"),
            AddressError::InvalidHash => f.write_str("expected 64 hexadecimal digits after sha256://0x"),
            AddressError::TooNested => f.write_str("addresses inside addresses inside addresses, which is too deep"),
        }
    }
}

impl std::error::Error for AddressError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            AddressError::InvalidCid { error, .. } => Some(error),
            _ => None,
        }
    }
}
