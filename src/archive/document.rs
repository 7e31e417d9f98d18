//! From a document to the links of its item.

use super::bag::{self, Payload as Digests};
use super::directory::{Directory, metadata_file};
use super::manifest::{Item, ItemStatus, Link, LinkKind, LinkStatus, MetadataRecord};
use super::media;
use super::options::{Mode, Roles};
use crate::address::{self, Address, Kind, Payload, TokenId, resolve_relative};
use crate::error::{Error, ErrorKind, Result};
use crate::links::{self, Document, DocumentKind, Encoding, FoundLink, ScanError, ScanOptions};
use crate::ops::metadata::METADATA_LEN_MAX;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Characters of a `data:` URI that are kept: its bytes are a file.
const DATA_RAW_MAX: usize = 120;

/// Where a document stands.
#[derive(Debug, Clone)]
pub(super) struct Place<'p> {
    /// Its address, for relative references.
    pub(super) base: Option<&'p Address>,
    /// Its content path, if it is not the metadata.
    pub(super) found_in: Option<String>,
    /// How many links its own links are away from the token.
    pub(super) depth: u32,
    /// Fills in `{id}`.
    pub(super) token_id: Option<TokenId>,
    /// Which of its links are followed; `None`: all.
    pub(super) roles: Option<&'p Roles>,
}

/// A link to follow.
#[derive(Debug, Clone)]
pub(super) struct Follow {
    /// Its number among the item's links.
    pub(super) link: usize,
    /// Where it leads.
    pub(super) address: Address,
}

/// Saves a payload and gives its file.
pub(super) type Save<'s> = &'s mut dyn FnMut(&Payload, &'static str) -> Result<String>;

/// Finds the links of a document.
///
/// # Errors
/// When it starts like JSON and is none.
pub(super) fn scan(bytes: &[u8], place: &Place<'_>, links_max: usize) -> std::result::Result<Document, ScanError> {
    let address = address::Options { token_id: place.token_id, ..address::Options::default() };
    links::scan(bytes, &ScanOptions { address, max_links: links_max, ..ScanOptions::default() })
}

/// Adds the links of a scanned document to those of its item, at most `links_max` in all, and gives those to follow.
///
/// # Errors
/// When a payload cannot be saved.
pub(super) fn add_links(
    found: Vec<FoundLink>,
    place: &Place<'_>,
    links_max: usize,
    links: &mut Vec<Link>,
    save: Save<'_>,
) -> Result<Vec<Follow>> {
    let mut follow = Vec::new();
    for found in found {
        if links.len() >= links_max {
            break;
        }
        let is_wanted = place.roles.is_none_or(|roles| roles.has(found.role));
        let Some((mut link, address)) = link(found, place) else { continue };
        match address {
            _ if !is_wanted && link.status == LinkStatus::Missing => {
                link.status = LinkStatus::Skipped;
                link.reason = Some("left out by its role (--only, --skip)".to_owned());
            }
            Some(Address { payload: Some(payload), .. }) if link.kind == LinkKind::Data => {
                let head = payload.bytes.get(..media::HEAD_LEN).unwrap_or(&payload.bytes);
                let media_type = media::of(head);
                link.file = Some(save(&payload, media_type)?);
                link.bytes = Some(payload.bytes.len() as u64);
                link.media_type = Some(media_type.to_owned());
                link.status = LinkStatus::Archived;
            }
            Some(address) if link.kind == LinkKind::Ipfs => follow.push(Follow { link: links.len(), address }),
            _ => {}
        }
        links.push(link);
    }
    Ok(follow)
}

/// The link of an address that stands nowhere but in a contract or on a command line.
pub(super) fn own_link(raw: &str, result: std::result::Result<&Address, address::AddressError>) -> Link {
    let found = FoundLink {
        pointer: String::new(),
        field: String::new(),
        role: links::Role::Metadata,
        raw: raw.to_owned(),
        result: result.cloned(),
    };
    let place = Place { base: None, found_in: None, depth: 0, token_id: None, roles: None };
    // Only a relative reference has no link, and an address that was parsed is none.
    link(found, &place).map_or_else(|| blank(String::new(), raw, &place), |(link, _)| link)
}

fn blank(pointer: String, raw: &str, place: &Place<'_>) -> Link {
    Link {
        bytes: None,
        cid: None,
        depth: place.depth,
        field: None,
        file: None,
        found_in: place.found_in.clone(),
        kind: LinkKind::Other,
        media_type: None,
        path: None,
        pointer,
        raw: raw.to_owned(),
        reason: None,
        retryable: None,
        root: None,
        status: LinkStatus::Unsupported,
    }
}

/// A link that nothing was done about yet, and where it leads. `None` for a reference that leads nowhere from here.
fn link(found: FoundLink, place: &Place<'_>) -> Option<(Link, Option<Address>)> {
    let mut link = blank(found.pointer, &found.raw, place);
    link.field = (!found.field.is_empty()).then_some(found.field);
    let address = match found.result {
        Ok(address) if address.kind == Kind::Relative => resolve_relative(place.base?, &address.canonical())?,
        Ok(address) => address,
        Err(error) => {
            link.status = LinkStatus::Invalid;
            link.reason = Some(error.reason().to_owned());
            return Some((link, None));
        }
    };
    link.kind = kind_of(address.kind);
    match link.kind {
        LinkKind::Ipfs => {
            link.status = LinkStatus::Missing;
            link.path = Some(address.canonical());
            link.root = address.root.map(|root| root.to_string());
        }
        LinkKind::Ipns => link.path = Some(address.canonical()),
        LinkKind::Data => {
            link.status = LinkStatus::Missing;
            cut_data(&mut link);
        }
        _ => {}
    }
    if link.status == LinkStatus::Unsupported {
        link.reason = Some(format!("an address of kind {} is not archived", address.kind.as_str()));
    }
    Some((link, Some(address)))
}

fn kind_of(kind: Kind) -> LinkKind {
    match kind {
        Kind::Ipfs => LinkKind::Ipfs,
        Kind::Ipns => LinkKind::Ipns,
        Kind::Data | Kind::Inline => LinkKind::Data,
        Kind::Arweave => LinkKind::Arweave,
        Kind::Swarm => LinkKind::Swarm,
        Kind::Onchain => LinkKind::Onchain,
        Kind::Template => LinkKind::Template,
        Kind::Http => LinkKind::Http,
        Kind::Other | Kind::Relative => LinkKind::Other,
    }
}

/// Where files made of documents go.
pub(super) struct Files<'f> {
    pub(super) dir: &'f Directory,
    pub(super) known: &'f mut Digests,
    pub(super) mode: Mode,
}

impl Files<'_> {
    /// Saves the payload of a `data:` address under its digest.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn inline(&mut self, payload: &Payload, media_type: &str) -> Result<String> {
        let file = format!("data/inline/{}.{}", bag::sha256(&payload.bytes), media::extension(media_type));
        self.write(&file, &payload.bytes)?;
        Ok(file)
    }

    /// Writes a file of the payload, unless nothing is to be written.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&mut self, file: &str, bytes: &[u8]) -> Result<()> {
        if self.mode == Mode::Write { self.dir.write(file, bytes, self.known).map(drop) } else { Ok(()) }
    }
}

/// Reads a metadata file of this machine.
///
/// # Errors
/// When it cannot be read, or is longer than metadata may be.
pub(super) fn read_local(path: &Path) -> Result<Vec<u8>> {
    let name = || path.display().to_string();
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(METADATA_LEN_MAX.saturating_add(1)).read_to_end(&mut bytes));
    read.map_err(|e| Error::io(e, "cannot read").in_file(name()))?;
    if bytes.len() as u64 > METADATA_LEN_MAX {
        let message = format!("longer than metadata may be: {METADATA_LEN_MAX} bytes");
        return Err(Error::new(ErrorKind::Limit("--max-metadata"), message).in_file(name()));
    }
    Ok(bytes)
}

/// The record of metadata with these bytes.
pub(super) fn record(bytes: &[u8], file: String, path: Option<String>, cid: Option<String>) -> MetadataRecord {
    let encoding = match (bytes.starts_with(b"\xef\xbb\xbf"), std::str::from_utf8(bytes)) {
        (true, Ok(_)) => Encoding::Utf8Bom,
        (false, Ok(_)) => Encoding::Utf8,
        (_, Err(_)) => Encoding::Latin1,
    };
    MetadataRecord {
        bytes: bytes.len() as u64,
        cid,
        encoding: Some(encoding.as_str().to_owned()),
        file,
        media_type: Some("application/json".to_owned()),
        path,
        sha256: bag::sha256(bytes),
    }
}

/// Takes bytes that are not on IPFS as the document of an item: JSON is its metadata, anything else a file that it links to.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn own_metadata(
    item: &mut Item,
    bytes: &[u8],
    place: &Place<'_>,
    links_max: usize,
    files: &mut Files<'_>,
) -> Result<Vec<Follow>> {
    let Ok(document) = scan(bytes, place, links_max) else {
        item.status = ItemStatus::Failed;
        item.reason = Some("the metadata starts like JSON and is none".to_owned());
        item.retryable = Some(false);
        return Ok(Vec::new());
    };
    let mut place = place.clone();
    if document.kind == DocumentKind::Json {
        let file = metadata_file(&item.id);
        item.metadata = Some(record(bytes, file.clone(), None, None));
        files.write(&file, bytes)?;
    } else {
        let media_type = media::of(bytes.get(..media::HEAD_LEN).unwrap_or(bytes));
        let raw = item.chain.as_ref().map_or(item.input.as_str(), |chain| chain.uri.as_str());
        let payload = Payload { media_type: media_type.to_owned(), bytes: bytes.to_vec() };
        let mut own = blank(String::new(), raw, &Place { depth: 0, ..place.clone() });
        cut_data(&mut own);
        (own.kind, own.status) = (LinkKind::Data, LinkStatus::Archived);
        (own.bytes, own.media_type) = (Some(bytes.len() as u64), Some(media_type.to_owned()));
        own.file = Some(files.inline(&payload, media_type)?);
        item.links.push(own);
        place.roles = None;
    }
    add_links(document.links, &place, links_max, &mut item.links, &mut |payload, media_type| files.inline(payload, media_type))
}

/// Of a `data:` URI the beginning is kept: its bytes are a file.
fn cut_data(link: &mut Link) {
    if let Some((at, _)) = link.raw.char_indices().nth(DATA_RAW_MAX) {
        link.raw.truncate(at);
        link.raw.push('…');
    }
}
