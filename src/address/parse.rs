//! From text to address: which form is it?

use super::content::{self, Namespace, Style};
use super::expand::{self, Expanded};
use super::path;
use super::{Address, AddressError, Kind, Note, Options, PathReading, data, http, unwrap};

/// How many addresses may be inside one another: `sha256:` around a proxy around a URI, and no more.
const LEVELS_MAX: u8 = 4;
/// The longest URI scheme looked for, in bytes.
const SCHEME_LEN_MAX: usize = 24;
/// Schemes that need no `//` to be told from a word and a colon.
const PLAIN_SCHEMES: [&str; 10] =
    ["about", "blob", "file", "javascript", "magnet", "mailto", "tel", "tezos-storage", "urn", "vbscript"];

/// See [`parse`](super::parse).
pub(super) fn with_options(text: &str, options: &Options) -> Result<Address, AddressError> {
    let inner = unwrap::unwrap(text);
    let wrapped = inner.len() != text.len();
    // A payload leaves as the bytes it came in; whoever scans it expands what is inside.
    let has_payload = inner.starts_with('{') || inner.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("data:"));
    let Expanded { text: expanded, left } = match has_payload {
        true => Expanded::untouched(inner),
        false => expand::expand(inner, options),
    };
    let result = match root_relative(&expanded, options) {
        Some(result) => result,
        None => explicit(&expanded, LEVELS_MAX).or_else(|error| match error {
            AddressError::NotAnAddress => content::bare(&expanded),
            error => Err(error),
        }),
    };
    let mut address = result.map_err(|error| match error {
        AddressError::InvalidCid { .. } if left == Some(Note::UnexpandedId) => AddressError::NeedsTokenId,
        error => error,
    })?;
    address.notes.extend(left);
    if wrapped {
        address.notes.push(Note::Unwrapped);
    }
    Ok(address)
}

/// `/ipfs/…` where URLs are expected.
fn root_relative(text: &str, options: &Options) -> Option<Result<Address, AddressError>> {
    (options.paths == PathReading::Url).then(|| path_in_namespace(text, Style::Url)).flatten()
}

/// Every form but the bare CID.
///
/// # Errors
/// As [`parse`](super::parse).
pub(super) fn explicit(text: &str, levels: u8) -> Result<Address, AddressError> {
    let Some(levels) = levels.checked_sub(1) else { return Err(AddressError::TooNested) };
    if text.is_empty() {
        return Err(AddressError::Empty);
    }
    if text.starts_with('{') {
        return inline(text);
    }
    if text.starts_with('/') {
        return content_path(text);
    }
    let (scheme, rest) = split_scheme(text).ok_or(AddressError::NotAnAddress)?;
    match scheme.as_str() {
        "ipfs" | "web+ipfs" => in_scheme(Namespace::Ipfs, rest, levels),
        "ipns" | "web+ipns" => in_scheme(Namespace::Ipns, rest, levels),
        "dweb" | "fs" => {
            let path = rest.trim_start_matches('/');
            let (first, behind) = path.split_once('/').unwrap_or((path, ""));
            match Namespace::named(first) {
                Some(namespace) => content::in_namespace(namespace, behind, Style::Url),
                None => other(&scheme, rest, text),
            }
        }
        "http" => http::parse_url(text, "http", rest, levels),
        "https" => http::parse_url(text, "https", rest, levels),
        "data" => data::parse(rest),
        "ar" => of_scheme(Kind::Arweave, text),
        "bzz" | "bzz-raw" | "bzz-list" => of_scheme(Kind::Swarm, text),
        "web3" | "onchain" => of_scheme(Kind::Onchain, text),
        "template-ipfs" => of_scheme(Kind::Template, text),
        "sha256" => hashed(rest, levels),
        _ => other(&scheme, rest, text),
    }
}

/// The scheme in lower case, and what follows the colon (RFC 3986, 3.1).
pub(super) fn split_scheme(text: &str) -> Option<(String, &str)> {
    let end = text.bytes().take(SCHEME_LEN_MAX + 1).position(|b| b == b':')?;
    let scheme = text.get(..end)?;
    let starts_well = scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    let goes_on_well = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    (starts_well && goes_on_well).then(|| (scheme.to_ascii_lowercase(), text.get(end + 1..).unwrap_or_default()))
}

/// Metadata returned where its address belongs.
fn inline(text: &str) -> Result<Address, AddressError> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|_| AddressError::NotAnAddress)?;
    let payload = super::Payload { media_type: "application/json".to_owned(), bytes: text.as_bytes().to_vec() };
    Ok(Address { payload: Some(payload), ..Address::new(Kind::Inline) })
}

/// `/ipfs/…` and `/ipns/…`.
///
/// # Errors
/// [`AddressError::NotAnAddress`] for other paths, and what is wrong with these.
pub(super) fn content_path(text: &str) -> Result<Address, AddressError> {
    path_in_namespace(text, Style::ContentPath).unwrap_or(Err(AddressError::NotAnAddress))
}

fn path_in_namespace(text: &str, style: Style) -> Option<Result<Address, AddressError>> {
    let path = text.strip_prefix('/')?;
    let (first, behind) = path.split_once('/')?;
    Namespace::named(first).map(|namespace| content::in_namespace(namespace, behind, style))
}

/// `ipfs:` with any number of slashes. Some writers put the scheme in front of a gateway's URL.
fn in_scheme(namespace: Namespace, rest: &str, levels: u8) -> Result<Address, AddressError> {
    let inner = rest.trim_start_matches('/');
    let is_url =
        split_scheme(inner).is_some_and(|(scheme, behind)| behind.starts_with("//") && scheme != "ipfs" && scheme != "ipns");
    if is_url {
        let mut address = explicit(inner, levels)?;
        address.notes.push(Note::RepeatedNamespace);
        return Ok(address);
    }
    content::in_namespace(namespace, inner, Style::Url)
}

/// A URI of another network: the text is the address; the fragment is taken off, and where it selects nothing the query.
fn of_scheme(kind: Kind, text: &str) -> Result<Address, AddressError> {
    let url = path::split_url(text);
    // The query is part of what is asked of a contract.
    let (address, query) = match (kind, url.query) {
        (Kind::Arweave, query) => (url.path, query),
        _ => (text.split_once('#').map_or(text, |(before, _)| before), None),
    };
    let address = unwrap::trim(address);
    if split_scheme(address).is_none_or(|(_, rest)| rest.trim_matches('/').is_empty()) {
        return Err(AddressError::NotAnAddress);
    }
    Ok(Address { query: query.map(str::to_owned), fragment: url.fragment.map(str::to_owned), ..Address::verbatim(kind, address) })
}

/// `sha256://0x<digest>/<percent-encoded URI>` (TZIP-16, "The `sha256` scheme").
fn hashed(rest: &str, levels: u8) -> Result<Address, AddressError> {
    let rest = rest.strip_prefix("//").ok_or(AddressError::NotAnAddress)?;
    let (digest, inner) = rest.split_once('/').ok_or(AddressError::InvalidHash)?;
    let digest = digest.strip_prefix("0x").unwrap_or(digest);
    let hex = digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
    let number = hex.then(|| format!("0x{digest}").parse::<super::TokenId>().ok()).flatten().ok_or(AddressError::InvalidHash)?;
    let inner = percent_encoding::percent_decode_str(inner).decode_utf8().map_err(|_| AddressError::NotAnAddress)?;
    let mut address = explicit(&inner, levels)?;
    address.sha256 = Some(number.to_be_bytes());
    Ok(address)
}

/// A URI of a scheme that leads nowhere here: reported, never followed.
fn other(scheme: &str, rest: &str, text: &str) -> Result<Address, AddressError> {
    let plausible = rest.starts_with("//") && rest.len() > 2 || PLAIN_SCHEMES.contains(&scheme) && !rest.is_empty();
    if !plausible || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(AddressError::NotAnAddress);
    }
    Ok(Address::verbatim(Kind::Other, text))
}
