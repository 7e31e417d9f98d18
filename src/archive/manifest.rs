//! `data/manifest.json`: what the archive is of, what it holds, what it lacks and why (schema `cartool-archive/1`).
//!
//! The fields stand in the order of their names and the writer adds nothing of its own, so the same content gives the same bytes.

use super::rules;
use crate::error::{Code, Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// The schema that this version reads and writes.
pub const SCHEMA: &str = "cartool-archive/1";
/// The longest manifest that is read, in bytes: ten thousand tokens whose metadata stands on the chain fit.
pub const MANIFEST_LEN_MAX: u64 = 2 << 30;

/// The manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// One for each root.
    pub archives: Vec<Archive>,
    /// When the archive was begun: `2026-11-22T14:00:00Z`.
    pub created: String,
    /// The program that wrote it.
    pub generator: String,
    /// What was asked for.
    pub items: Vec<Item>,
    /// What a node is to be told to provide it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reprovide: Option<Reprovide>,
    /// [`SCHEMA`].
    pub schema: String,
    /// Whether all items are complete.
    pub status: Completeness,
    /// When something in it last changed.
    pub updated: String,
}

/// Whether everything is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Completeness {
    /// Yes.
    Complete,
    /// No.
    Incomplete,
}

/// Something that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// What its contract said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainRecord>,
    /// Its name, which no other item has.
    pub id: String,
    /// How it was asked for.
    pub input: String,
    /// What it is.
    pub kind: ItemKind,
    /// What it links to, in order.
    pub links: Vec<Link>,
    /// Its metadata, once that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<MetadataRecord>,
    /// Why it is not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether another run may complete it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// Whether it is complete.
    pub status: ItemStatus,
}

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemKind {
    /// A token of a contract.
    Token,
    /// An address of content.
    Address,
    /// A contract, with its own metadata.
    Collection,
    /// A file of this machine.
    File,
}

/// Whether an item is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemStatus {
    /// Everything it names is there.
    Complete,
    /// Something is not there.
    Incomplete,
    /// Nothing could be looked for.
    Failed,
}

/// What a contract said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainRecord {
    /// The block it was read at.
    pub block_hash: String,
    /// The block's number.
    pub block_number: u64,
    /// CAIP-2.
    pub chain_id: String,
    /// In lower case.
    pub contract: String,
    /// Scheme, host and port of who was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The function that returned the URI.
    pub function: String,
    /// `erc721` or `erc1155`.
    pub standard: String,
    /// Decimal; 0 for a contract.
    pub token_id: String,
    /// Verbatim.
    pub uri: String,
}

/// Where the metadata is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetadataRecord {
    /// Its length.
    pub bytes: u64,
    /// Its CID, when it came from IPFS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cid: Option<String>,
    /// How its bytes are text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Its file in the archive.
    pub file: String,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Its content path, when it came from IPFS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Of its bytes.
    pub sha256: String,
}

/// One link, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The length of the file it leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The block at the end of its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cid: Option<String>,
    /// How many links it is away from the token: 0 is the token's URI itself.
    pub depth: u32,
    /// The nearest key around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Its file in the archive, when it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The document that holds it, if not the metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_in: Option<String>,
    /// What it leads to.
    pub kind: LinkKind,
    /// The media type of its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Canonical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Where it stands in its document.
    pub pointer: String,
    /// As written; of a `data:` URI its beginning.
    pub raw: String,
    /// Why it is not archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether another run may get it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// The root of its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// What became of it.
    pub status: LinkStatus,
}

/// What a link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// Content on IPFS.
    Ipfs,
    /// A mutable name.
    Ipns,
    /// Bytes in the link itself.
    Data,
    /// A web address.
    Http,
    /// A transaction on Arweave.
    Arweave,
    /// Content on Swarm.
    Swarm,
    /// A call of a contract.
    Onchain,
    /// A template that a chain fills in.
    Template,
    /// Anything else.
    Other,
}

/// What became of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkStatus {
    /// Everything below it is in the archive.
    Archived,
    /// Blocks were not obtained.
    Missing,
    /// The blocks prove that there is no such path.
    NotFound,
    /// Sources refuse it.
    Blocked,
    /// Only damaged copies were to be had.
    Corrupt,
    /// A limit stopped it.
    Limit,
    /// Left out as asked.
    Skipped,
    /// Of a kind that is not archived.
    Unsupported,
    /// Cannot be read.
    Invalid,
}

impl LinkStatus {
    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            LinkStatus::Archived => "archived",
            LinkStatus::Missing => "missing",
            LinkStatus::NotFound => "not-found",
            LinkStatus::Blocked => "blocked",
            LinkStatus::Corrupt => "corrupt",
            LinkStatus::Limit => "limit",
            LinkStatus::Skipped => "skipped",
            LinkStatus::Unsupported => "unsupported",
            LinkStatus::Invalid => "invalid",
        }
    }
}

/// One CAR file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// How many blocks.
    pub blocks: u64,
    /// Bytes of all blocks together.
    pub bytes: u64,
    /// Whether all that its scope takes is there.
    pub complete: bool,
    /// Its file in the archive.
    pub file: String,
    /// Whole DAGs only.
    pub header_roots: Vec<String>,
    /// What is not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingRecord>,
    /// With [`ArchiveScope::Paths`], the paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// The root.
    pub root: String,
    /// How much of its DAG.
    pub scope: ArchiveScope,
    /// Of the file.
    pub sha256: String,
    /// Length of the file in bytes.
    pub size: u64,
    /// Who gave the blocks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceRecord>,
}

/// How much of a DAG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArchiveScope {
    /// All.
    Full,
    /// Some paths.
    Paths,
}

/// A block that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissingRecord {
    /// Its CID.
    pub cid: String,
    /// The path that needs it.
    pub needed_by: String,
    /// Why.
    pub reason: String,
    /// Whether another run may get it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
}

/// Who gave how many blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceRecord {
    /// How many.
    pub blocks: u64,
    /// Scheme, host and port, or `local`.
    pub endpoint: String,
}

/// What a node is to be told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reprovide {
    /// Roots of which only paths are here.
    pub partial: Vec<Partial>,
    /// Roots of whole DAGs, which `ipfs dag import` pins.
    pub pin: Vec<String>,
}

/// Paths of a root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partial {
    /// The paths, each with `/` in front.
    pub paths: Vec<String>,
    /// The root.
    pub root: String,
}

impl Manifest {
    /// Reads a manifest and checks it against the schema.
    ///
    /// # Errors
    /// [`ErrorKind::Format`] with the place of the first fault.
    pub fn parse(bytes: &[u8]) -> Result<Manifest> {
        let bad = |message: String| Error::new(ErrorKind::Format(Code::BadManifest), message);
        let manifest: Manifest = serde_json::from_slice(bytes).map_err(|e| bad(format!("the manifest: {e}")))?;
        match rules::first_fault(&manifest) {
            Some(fault) => Err(bad(format!("the manifest: {fault}"))),
            None => Ok(manifest),
        }
    }

    /// The bytes of the file: indented by two spaces, with a line end behind.
    ///
    /// # Errors
    /// Never in practice; the type of the writer asks for it.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|e| Error::usage(e.to_string()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"{
  "archives": [],
  "created": "2026-11-22T14:00:00Z",
  "generator": "cartool 0.1.0",
  "items": [],
  "schema": "cartool-archive/1",
  "status": "complete",
  "updated": "2026-11-22T14:00:00Z"
}
"#;

    #[test]
    fn the_bytes_are_stable() {
        let manifest = Manifest::parse(SAMPLE.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(manifest.to_bytes().unwrap()).unwrap(), SAMPLE);
    }

    #[test]
    fn what_the_schema_refuses() {
        for (from, to) in [
            ("cartool-archive/1", "cartool-archive/2"),
            ("\"items\": []", "\"items\": [], \"more\": 1"),
            ("14:00:00Z", "14:00:00+01:00"),
            ("\"complete\"", "\"done\""),
            ("cartool 0", "other 0"),
        ] {
            let error = Manifest::parse(SAMPLE.replace(from, to).as_bytes()).unwrap_err();
            assert_eq!(error.code(), Some(Code::BadManifest), "{to}");
        }
        assert!(Manifest::parse(b"").is_err() && Manifest::parse(&[b'['; 100_000]).is_err());
    }
}
