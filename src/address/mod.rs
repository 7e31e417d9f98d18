//! Addresses: every form in which people and contracts write "this content on IPFS", and one canonical form.
//!
//! The canonical form is `/ipfs/<CID>[/<name>…]`: a CIDv0 stays, a CIDv1 is written in lower-case base32, names are
//! decoded, query and fragment are kept beside it. Everything is pure: nothing is looked up, nothing is fetched.
//!
//! ```
//! use cartool::address::{self, Kind, Options};
//! let address = address::parse("ipfs://bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi/a%20b.svg", &Options::default())?;
//! assert_eq!(address.kind, Kind::Ipfs);
//! assert_eq!(address.canonical(), "/ipfs/bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi/a b.svg");
//! # Ok::<(), address::AddressError>(())
//! ```

mod content;
mod data;
mod error;
mod expand;
mod http;
mod parse;
mod path;
mod relative;
#[cfg(test)]
mod tests;
mod token_id;
mod unwrap;

pub use error::{AddressError, QUOTE_LEN_MAX};
pub use relative::resolve_relative;
pub use token_id::{TokenId, TokenIdError};

use crate::cid::Cid;

/// What is known when an address is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Replaces `{id}`.
    pub token_id: Option<TokenId>,
    /// Replaces `{locale}`.
    pub locale: Option<String>,
    /// How to read `/ipfs/…`.
    pub paths: PathReading,
}

/// How to read `/ipfs/…`, which is written in two ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PathReading {
    /// A content path: every character stands for itself; the decoded reading is second.
    #[default]
    Literal,
    /// A reference in a web page: decoded first.
    Url,
}

/// What an address leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Content on IPFS, named by its root.
    Ipfs,
    /// A mutable name on IPFS.
    Ipns,
    /// A `data:` URI: the payload is inside.
    Data,
    /// The metadata itself, where its address was expected.
    Inline,
    /// A transaction on Arweave.
    Arweave,
    /// Content on Swarm.
    Swarm,
    /// A call of a contract (`web3:`, `onchain:`).
    Onchain,
    /// A template that a chain's state fills in (Algorand ARC-19).
    Template,
    /// A web address that names no content.
    Http,
    /// Any other URI, such as `file:`. Reported, never followed.
    Other,
    /// A reference relative to the document that holds it; see [`resolve_relative`].
    Relative,
}

impl Kind {
    /// The kind as a stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Ipfs => "ipfs",
            Kind::Ipns => "ipns",
            Kind::Data => "data",
            Kind::Inline => "inline",
            Kind::Arweave => "arweave",
            Kind::Swarm => "swarm",
            Kind::Onchain => "onchain",
            Kind::Template => "template",
            Kind::Http => "http",
            Kind::Other => "other",
            Kind::Relative => "relative",
        }
    }
}

/// Something remarkable about how an address was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Note {
    /// White space, NUL, quotes or angle brackets were taken off.
    Unwrapped,
    /// The address was inside the URL of a proxy.
    ViaProxy,
    /// The address was the argument of the old `/api/v0/`.
    ViaApi,
    /// `ipfs://ipfs/…` and the like.
    RepeatedNamespace,
    /// A libp2p key in the `ipfs` namespace, read as an IPNS name.
    KeyInIpfs,
    /// `{id}` is still there.
    UnexpandedId,
    /// `{locale}` is still there.
    UnexpandedLocale,
}

impl Note {
    /// The note as a stable kebab-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Note::Unwrapped => "unwrapped",
            Note::ViaProxy => "via-proxy",
            Note::ViaApi => "via-api",
            Note::RepeatedNamespace => "repeated-namespace",
            Note::KeyInIpfs => "key-in-ipfs",
            Note::UnexpandedId => "unexpanded-id",
            Note::UnexpandedLocale => "unexpanded-locale",
        }
    }
}

/// Bytes that an address carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Type and subtype in lower case, as claimed; never empty.
    pub media_type: String,
    /// The decoded bytes.
    pub bytes: Vec<u8>,
}

/// An address, taken apart. All text in it is untrusted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Address {
    /// What it leads to.
    pub kind: Kind,
    /// The root; always there for [`Kind::Ipfs`], never for another kind.
    pub root: Option<Cid>,
    /// The key or domain of [`Kind::Ipns`].
    pub name: Option<String>,
    /// The names below root or name. Never empty, `.` or `..`, and without `/`.
    pub segments: Vec<String>,
    /// The same names in the other reading (literal for decoded, decoded for literal), where it differs. To be tried when
    /// [`segments`](Self::segments) are not found.
    pub fallback: Option<Vec<String>>,
    /// What followed `?`.
    pub query: Option<String>,
    /// What followed `#`.
    pub fragment: Option<String>,
    /// Host and port of the web address it was in; never user or password.
    pub hint_host: Option<String>,
    /// `http` or `https`, with [`hint_host`](Self::hint_host).
    pub hint_scheme: Option<&'static str>,
    /// The SHA-256 digest that a `sha256:` wrapper (TZIP-16) promised for the content.
    pub sha256: Option<[u8; 32]>,
    /// What was remarkable.
    pub notes: Vec<Note>,
    /// The bytes of [`Kind::Data`] and [`Kind::Inline`].
    pub payload: Option<Payload>,
    /// The address itself, for the kinds that have no parts.
    text: String,
}

impl Address {
    fn new(kind: Kind) -> Address {
        Address {
            kind,
            root: None,
            name: None,
            segments: Vec::new(),
            fallback: None,
            query: None,
            fragment: None,
            hint_host: None,
            hint_scheme: None,
            sha256: None,
            notes: Vec::new(),
            payload: None,
            text: String::new(),
        }
    }

    /// An address that is its own text.
    fn verbatim(kind: Kind, text: &str) -> Address {
        Address { text: text.to_owned(), ..Address::new(kind) }
    }

    /// The address of a root and the names below it.
    pub fn ipfs(root: Cid, segments: Vec<String>) -> Address {
        Address { root: Some(root), segments, ..Address::new(Kind::Ipfs) }
    }

    /// A reference relative to the document that holds it.
    pub fn relative(reference: &str) -> Address {
        let url = path::split_url(reference);
        Address {
            query: url.query.map(str::to_owned),
            fragment: url.fragment.map(str::to_owned),
            ..Address::verbatim(Kind::Relative, reference)
        }
    }

    /// The canonical form. Reading it again gives the same, except for [`Kind::Relative`].
    pub fn canonical(&self) -> String {
        if let Some(payload) = &self.payload {
            return data::to_uri(payload);
        }
        let mut text = match (&self.root, &self.name) {
            (Some(root), _) => format!("/ipfs/{root}"),
            (None, Some(name)) => format!("/ipns/{name}"),
            (None, None) => return self.text.clone(),
        };
        for segment in &self.segments {
            text.push('/');
            text.push_str(segment);
        }
        text
    }

    /// The names below the root in each reading, the likelier first.
    pub fn readings(&self) -> impl Iterator<Item = &[String]> {
        std::iter::once(self.segments.as_slice()).chain(self.fallback.as_deref())
    }
}

/// Reads any address. Web addresses that name no content are of kind [`Kind::Http`], other URIs [`Kind::Other`].
///
/// # Errors
/// [`AddressError`] with a stable [`reason`](AddressError::reason).
///
/// # Security
/// The result says what is written, not what is safe: never open a [`Kind::Other`], and ask no host of a document without being told to.
pub fn parse(text: &str, options: &Options) -> Result<Address, AddressError> {
    parse::with_options(text, options)
}

/// Reads an address where content is expected: as [`parse`], but web addresses and unknown URIs are errors.
///
/// # Errors
/// [`AddressError::NotIpfs`] for [`Kind::Http`] and [`Kind::Other`]; else as [`parse`].
pub fn parse_content(text: &str, options: &Options) -> Result<Address, AddressError> {
    match parse(text, options)? {
        Address { kind: kind @ (Kind::Http | Kind::Other), .. } => Err(AddressError::NotIpfs(kind)),
        address => Ok(address),
    }
}
