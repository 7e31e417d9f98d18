//! Links: every address inside a document, found by what it is and not by the key it stands under.
//!
//! Metadata standards differ in their keys, contracts differ from the standards, and a key that nobody thought of is a
//! lost picture. So every string is looked at; the key only gives a link its [`Role`]. Nothing is executed or fetched.
//!
//! ```
//! use cartool::links::{scan, ScanOptions};
//! let cid = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
//! let document = scan(format!(r#"{{"image":"ipfs://{cid}/1.png"}}"#).as_bytes(), &ScanOptions::default())?;
//! assert_eq!(document.links[0].pointer, "/image");
//! # Ok::<(), cartool::links::ScanError>(())
//! ```

mod json;
mod markup;
mod role;
mod scanner;
mod sniff;
#[cfg(test)]
mod tests;
mod text;
mod walk;

pub use crate::address::resolve_relative;
pub use role::Role;

use crate::address::{self, Address, AddressError, Kind};
use scanner::{Place, Scanner};
use std::fmt;

/// What a scan may use and how far it goes. `Default` gives the values stated at each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanOptions {
    /// What fills `{id}` and `{locale}` (nothing).
    pub address: address::Options,
    /// Most links reported (`--max-links`, 10,000).
    pub max_links: usize,
    /// Deepest nesting of JSON (128): what other parsers take.
    pub depth_max: usize,
    /// How many `data:` payloads may be inside one another (4): a token URI, its picture, a picture in that.
    pub payload_levels_max: usize,
    /// About how many bytes the result may hold (64 MiB): a long key over many links would otherwise be copied to each.
    pub output_len_max: usize,
}

impl Default for ScanOptions {
    fn default() -> ScanOptions {
        ScanOptions {
            address: address::Options::default(),
            max_links: 10_000,
            depth_max: 128,
            payload_levels_max: 4,
            output_len_max: 64 << 20,
        }
    }
}

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentKind {
    /// Starts like JSON and is JSON.
    Json,
    /// A web page or a part of one.
    Html,
    /// A picture in XML.
    Svg,
    /// A style sheet.
    Css,
    /// Text with Markdown's links or headings.
    Markdown,
    /// Other text.
    Text,
    /// No text: a picture, a video. Not searched.
    Binary,
}

impl DocumentKind {
    /// The kind as a stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            DocumentKind::Json => "json",
            DocumentKind::Html => "html",
            DocumentKind::Svg => "svg",
            DocumentKind::Css => "css",
            DocumentKind::Markdown => "markdown",
            DocumentKind::Text => "text",
            DocumentKind::Binary => "binary",
        }
    }
}

/// How the bytes of a document were read as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// UTF-8 behind a byte order mark.
    Utf8Bom,
    /// Not UTF-8, so every byte is a character.
    Latin1,
}

impl Encoding {
    /// The encoding as a stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Encoding::Utf8 => "utf-8",
            Encoding::Utf8Bom => "utf-8-bom",
            Encoding::Latin1 => "latin-1",
        }
    }
}

/// Something remarkable about a document or a payload in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentNote {
    /// Where: a pointer as in [`FoundLink::pointer`].
    pub pointer: String,
    /// What.
    pub kind: NoteKind,
}

/// What is remarkable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoteKind {
    /// A byte order mark, which JSON must not have (RFC 8259, 8.1).
    Bom,
    /// Not UTF-8; read as Latin-1.
    Latin1,
    /// A key stands twice in one object. Both values were searched.
    DuplicateKey,
    /// Half a surrogate pair was read as U+FFFD.
    LoneSurrogate,
    /// A payload starts like JSON and is none. What came before the fault was searched.
    PayloadNotJson,
    /// A payload is nested deeper than [`ScanOptions::depth_max`].
    PayloadTooDeep,
    /// A payload inside too many payloads was not searched.
    NestedPayload,
}

impl NoteKind {
    /// The note as a stable kebab-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            NoteKind::Bom => "bom",
            NoteKind::Latin1 => "latin-1",
            NoteKind::DuplicateKey => "duplicate-key",
            NoteKind::LoneSurrogate => "lone-surrogate",
            NoteKind::PayloadNotJson => "payload-not-json",
            NoteKind::PayloadTooDeep => "payload-too-deep",
            NoteKind::NestedPayload => "nested-payload",
        }
    }
}

/// A link, readable or not. All text in it is untrusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLink {
    /// Where: an RFC 6901 pointer to the string that holds it; empty in documents other than JSON. Inside a payload, the
    /// pointer of the `data:` URI, `#data`, and the pointer there: `/image#data/properties/0`.
    pub pointer: String,
    /// The nearest key around it, or the attribute in a page; empty in running text.
    pub field: String,
    /// What it is for.
    pub role: Role,
    /// The link as written, before `{id}` is filled in.
    pub raw: String,
    /// Where it leads, or why that cannot be said.
    pub result: Result<Address, AddressError>,
}

impl FoundLink {
    /// What it leads to; `None` when it cannot be read.
    pub fn kind(&self) -> Option<Kind> {
        self.result.as_ref().ok().map(|address| address.kind)
    }
}

/// A scanned document.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Document {
    /// What it is.
    pub kind: DocumentKind,
    /// How its bytes were read.
    pub encoding: Encoding,
    /// What was remarkable, in order; at most a hundred.
    pub notes: Vec<DocumentNote>,
    /// The links, in order. The same link stands here as often as in the document.
    pub links: Vec<FoundLink>,
    /// Whether a bound stopped the search, so that links are missing here.
    pub truncated: bool,
}

/// Why a document cannot be searched to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScanError {
    /// Starts like JSON and is none.
    NotJson {
        /// The byte that does not fit.
        at: usize,
        /// What was expected there.
        expected: &'static str,
    },
    /// JSON nested too deep.
    TooDeep {
        /// The bracket that is one too many.
        at: usize,
        /// The bound.
        depth_max: usize,
    },
}

impl ScanError {
    /// The byte of the document where it went wrong.
    pub fn at(&self) -> usize {
        match self {
            ScanError::NotJson { at, .. } | ScanError::TooDeep { at, .. } => *at,
        }
    }
}

impl fmt::Display for ScanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScanError::NotJson { at, expected } => write!(f, "starts like JSON but is not: expected {expected} at byte {at}"),
            ScanError::TooDeep { at, depth_max } => write!(f, "JSON nested deeper than {depth_max} levels at byte {at}"),
        }
    }
}

impl std::error::Error for ScanError {}

/// Finds every link in a document, which is told to be JSON, HTML, SVG, CSS, Markdown or text by its bytes.
///
/// Time and memory are proportional to the length of `bytes`, which the caller bounds. Text that is not UTF-8 is read as
/// Latin-1, with a note. `{id}` and `{locale}` are filled in as the options say; a `localization` object (ERC-1155) gives
/// one link for each of its locales.
///
/// # Errors
/// [`ScanError`] when the document starts like JSON and is none.
///
/// # Security
/// Links are hostile input: asking the host of one tells its owner, or reaches into a private network.
pub fn scan(bytes: &[u8], options: &ScanOptions) -> Result<Document, ScanError> {
    let mut scanner = Scanner::new(options);
    let place = Place { pointer: "", field: "", role: Role::Other, level: 0, has_base: true };
    let (kind, encoding) = scanner.document(&place, bytes)?;
    Ok(Document { kind, encoding, notes: scanner.notes, links: scanner.links, truncated: scanner.truncated })
}
