//! Content on IPFS: roots, bare CIDs, IPNS names, and the three ways to write a path to them.

use super::error::quote;
use super::path::{self, Path, UrlParts};
use super::{Address, AddressError, Kind, Note};
use crate::cid::{self, Cid, CidError, codec, hash_code};

/// The longest text taken for a CID, in bytes: 128 bytes of digest in hexadecimal, and some. Keeps base58 cheap.
pub(super) const CID_TEXT_LEN_MAX: usize = 300;
/// The shortest digest of a bare CID, in bytes (boxo's `verifcid`).
const DIGEST_LEN_MIN: usize = 20;
/// The longest IPNS name, in bytes: that of a domain name.
const NAME_LEN_MAX: usize = 253;

/// `ipfs` or `ipns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Namespace {
    Ipfs,
    Ipns,
}

impl Namespace {
    /// The namespace of this name, in any case.
    pub(super) fn named(name: &str) -> Option<Namespace> {
        match name {
            _ if name.eq_ignore_ascii_case("ipfs") => Some(Namespace::Ipfs),
            _ if name.eq_ignore_ascii_case("ipns") => Some(Namespace::Ipns),
            _ => None,
        }
    }
}

/// How to read what follows the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Url,
    ContentPath,
}

/// Reads a CID where one must stand; any hash function will do.
///
/// # Errors
/// [`AddressError::CaseFoldedCidV0`] and [`AddressError::InvalidCid`].
pub(super) fn root_cid(text: &str) -> Result<Cid, AddressError> {
    let invalid = |error| AddressError::InvalidCid { text: quote(text), error };
    if text.len() > CID_TEXT_LEN_MAX {
        return Err(invalid(CidError::Text("too long")));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(invalid(CidError::Text("white space or a control character")));
    }
    cid::parse_text(text).map_err(|error| match error {
        CidError::CaseFolded if is_folded(text) => AddressError::CaseFoldedCidV0,
        CidError::CaseFolded => invalid(CidError::Text("not in any known base")),
        error => invalid(error),
    })
}

fn is_folded(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// Reads a CID where any word could stand: the hash function must be known and the digest as long as it makes them.
///
/// # Errors
/// [`AddressError::CaseFoldedCidV0`]; [`AddressError::NotAnAddress`] for everything else.
pub(super) fn bare_cid(text: &str) -> Result<Cid, AddressError> {
    // Numbers are read by the base with the prefix 9, and one in four billion would be an identity CID.
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(AddressError::NotAnAddress);
    }
    match root_cid(text) {
        Ok(cid) if digest_fits(&cid) => Ok(cid),
        Err(AddressError::CaseFoldedCidV0) => Err(AddressError::CaseFoldedCidV0),
        _ => Err(AddressError::NotAnAddress),
    }
}

/// Whether the hash function is known and could have made a digest of this length, whole or cut to 20 bytes and more.
fn digest_fits(cid: &Cid) -> bool {
    let len = cid.hash().digest().len();
    match digest_len(cid.hash().code()) {
        Some(full) => (DIGEST_LEN_MIN..=full).contains(&len),
        None => cid.hash().code() == hash_code::IDENTITY,
    }
}

/// The length of a content hash function's digest in bytes (multicodec table).
fn digest_len(code: u64) -> Option<usize> {
    Some(match code {
        0x11 => 20,
        0x17 | 0x1a | 0x1013 | 0x1014 => 28,
        hash_code::SHA2_256 | 0x16 | 0x18 | 0x1b | 0x1e | 0x56 | 0x1012 | 0x1015 | 0xb401 | 0xb402 => 32,
        0x15 | 0x1c | 0x20 => 48,
        0x13 | 0x14 | 0x19 | 0x1d => 64,
        0xb201..=0xb240 => (code - 0xb200) as usize,
        0xb241..=0xb260 => (code - 0xb240) as usize,
        _ => return None,
    })
}

/// `<root>[/…][?…][#…]` in a namespace. Leading slashes, empty segments and repeated namespaces (`ipfs/ipfs/`) go first.
///
/// # Errors
/// What is wrong with the root or the path.
pub(super) fn in_namespace(mut namespace: Namespace, text: &str, style: Style) -> Result<Address, AddressError> {
    let mut rest = text.trim_start_matches('/');
    let mut repeated = false;
    // `ipfs://ipfs/<CID>` and, from gateways joined with URIs, `/ipfs/ipfs://<CID>`.
    while let Some((first, behind)) = rest.split_once('/') {
        let Some(inner) = Namespace::named(first.strip_suffix(':').unwrap_or(first)) else { break };
        namespace = inner;
        rest = behind.trim_start_matches('/');
        repeated = true;
    }
    let end = rest.find('/').unwrap_or(rest.len());
    let (first, behind) = rest.split_at(end);
    let literal_root = style == Style::ContentPath && !first.contains(['?', '#', '%']);
    let mut address = if literal_root {
        let mut address = with_root(namespace, first)?;
        set_path(&mut address, path::from_content_path(behind)?);
        address
    } else {
        from_url_parts(namespace, path::split_url(rest))?
    };
    if repeated {
        address.notes.push(Note::RepeatedNamespace);
    }
    Ok(address)
}

fn from_url_parts(namespace: Namespace, url: UrlParts<'_>) -> Result<Address, AddressError> {
    let end = url.path.find('/').unwrap_or(url.path.len());
    let (first, behind) = url.path.split_at(end);
    let mut address = with_root(namespace, &path::decode(first))?;
    let mut path = path::from_url(behind);
    // `Art #1.png`, written without encoding: the second reading takes the fragment for a part of the name.
    if let Some(fragment) = url.fragment.filter(|f| url.query.is_none() && f.contains(['.', '/'])) {
        let literal = path::from_content_path(&format!("{behind}#{fragment}"));
        path.fallback = literal.map_or(path.fallback, |path| Some(path.segments));
    }
    set_path(&mut address, path);
    address.query = url.query.map(str::to_owned);
    address.fragment = url.fragment.map(str::to_owned);
    Ok(address)
}

fn set_path(address: &mut Address, path: Path) {
    address.segments = path.segments;
    address.fallback = path.fallback;
}

/// The address of a root alone.
///
/// # Errors
/// What is wrong with the root.
pub(super) fn with_root(namespace: Namespace, text: &str) -> Result<Address, AddressError> {
    if text.is_empty() {
        return Err(AddressError::MissingCid);
    }
    match namespace {
        Namespace::Ipfs => root_cid(text).map(at_cid),
        Namespace::Ipns => Ok(Address { name: Some(ipns_name(text)?), ..Address::new(Kind::Ipns) }),
    }
}

/// A key of libp2p names no block: that is an IPNS name (in base36, by convention) in the wrong namespace.
fn at_cid(cid: Cid) -> Address {
    if cid.codec() == codec::LIBP2P_KEY {
        let name = multibase::encode(multibase::Base::Base36Lower, cid.to_bytes());
        return Address { name: Some(name), notes: vec![Note::KeyInIpfs], ..Address::new(Kind::Ipns) };
    }
    Address { root: Some(cid), ..Address::new(Kind::Ipfs) }
}

/// A key or a domain; domains in lower case.
fn ipns_name(text: &str) -> Result<String, AddressError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if text.len() > NAME_LEN_MAX || !text.bytes().all(plain) || text.bytes().all(|b| b == b'.') {
        return Err(AddressError::InvalidName(quote(text)));
    }
    Ok(if text.contains('.') { text.to_ascii_lowercase() } else { text.to_owned() })
}

/// `<CID>[/…]` without any scheme. Also `ipfs/<CID>`.
///
/// # Errors
/// [`AddressError::CaseFoldedCidV0`]; [`AddressError::NotAnAddress`] for everything else.
pub(super) fn bare(text: &str) -> Result<Address, AddressError> {
    let text = text.strip_prefix("ipfs/").unwrap_or(text);
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    let (first, _) = text.split_at(end);
    bare_cid(first)?;
    from_url_parts(Namespace::Ipfs, path::split_url(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_are_no_cids() {
        for text in ["hello", "922347776", "f00d", "zebra", "bafy", "Qm", "uploads", "mountain", "kitten", "bafkreihello", ""] {
            assert_eq!(bare_cid(text), Err(AddressError::NotAnAddress), "{text}");
        }
        // sha2-512 cut to 32 bytes, as one gateway fixture has it; the identity CID of nothing; murmur3 is no content hash.
        assert!(bare_cid("bafkrgihhyivzstcz3hhswshfjgy6ertgmnqeleynhwt4dlfsthi4hn7zge").is_ok());
        assert!(bare_cid("bafkqaaa").is_ok());
        assert!(bare_cid("f01552208d9d6ab0bf3b1a7ad").is_err());
        // A digest one byte short of twenty.
        assert!(bare_cid(&format!("f01551213{}", "ab".repeat(19))).is_err());
        assert!(bare_cid(&format!("f01551214{}", "ab".repeat(20))).is_ok());
        assert!(bare_cid(&format!("f01551221{}", "ab".repeat(33))).is_err());
    }

    #[test]
    fn a_key_is_a_name() {
        let key = "k51qzi5uqu5dlvj2baxnqndepeb86cbk3ng7n3i46uzyxzyqj2xjonzllnv0v8";
        let address = in_namespace(Namespace::Ipfs, key, Style::Url).unwrap();
        assert_eq!((address.kind, address.canonical().as_str()), (Kind::Ipns, format!("/ipns/{key}").as_str()));
    }
}
