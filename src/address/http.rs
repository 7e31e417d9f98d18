//! `http:` and `https:` URLs: gateways by path and by subdomain, the old API, Arweave's gateway, proxies.

use super::content::{self, Namespace, Style};
use super::path::{self, UrlParts};
use super::{Address, AddressError, Kind, Note, parse};

/// Commands of the Kubo RPC whose argument is a content path; gateways once served some of them to everybody.
const API_COMMANDS: [&str; 9] =
    ["cat", "get", "ls", "block/get", "dag/get", "dag/export", "object/get", "object/data", "resolve"];

/// The parts of an `http:` URL that matter here.
struct HttpUrl<'t> {
    scheme: &'static str,
    /// Host and port in lower case, without user and password.
    host: String,
    /// As written, because a CIDv0 does not survive folding.
    labels: &'t str,
    tail: &'t str,
    url: UrlParts<'t>,
}

/// Reads what follows `http:` or `https:`; `text` is the whole.
///
/// # Errors
/// What is wrong with a gateway URL; any other URL is of kind [`Kind::Http`].
pub(super) fn parse_url(text: &str, scheme: &'static str, rest: &str, levels: u8) -> Result<Address, AddressError> {
    let url = split(scheme, rest).ok_or(AddressError::NotAnAddress)?;
    if let Some(address) = by_path(&url)? {
        return Ok(hinted(address, &url, url.host.clone()));
    }
    if let Some(address) = by_subdomain(&url)? {
        return Ok(address);
    }
    if let Some(address) = by_api(&url) {
        return Ok(hinted(address, &url, url.host.clone()));
    }
    if let Some(address) = arweave(&url) {
        return Ok(hinted(address, &url, url.host.clone()));
    }
    if let Some(mut address) = by_proxy(&url, levels) {
        address.notes.push(Note::ViaProxy);
        return Ok(address);
    }
    Ok(Address {
        query: url.url.query.map(str::to_owned),
        fragment: url.url.fragment.map(str::to_owned),
        hint_host: Some(url.host),
        hint_scheme: Some(scheme),
        ..Address::verbatim(Kind::Http, text)
    })
}

fn split<'t>(scheme: &'static str, rest: &'t str) -> Option<HttpUrl<'t>> {
    let rest = rest.strip_prefix("//")?;
    // Browsers take a backslash for a slash here, so the host must end at it too.
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let labels = if host.starts_with('[') { host } else { host.split_once(':').map_or(host, |(name, _port)| name) };
    Some(HttpUrl { scheme, host: host.to_ascii_lowercase(), labels, tail, url: path::split_url(tail) })
}

fn hinted(mut address: Address, url: &HttpUrl<'_>, host: String) -> Address {
    address.hint_host = Some(host);
    address.hint_scheme = Some(url.scheme);
    address
}

/// `https://host/ipfs/<CID>…`. A path that only looks like it is of some other web site.
fn by_path(url: &HttpUrl<'_>) -> Result<Option<Address>, AddressError> {
    let tail = url.tail.trim_start_matches('/');
    let Some((first, behind)) = tail.split_once('/') else { return Ok(None) };
    match Namespace::named(first) {
        Some(namespace) => site_path(namespace, behind),
        None => Ok(None),
    }
}

/// A path behind `/ipfs/` or `/ipns/` of a web site, if it is a content path at all.
fn site_path(namespace: Namespace, behind: &str) -> Result<Option<Address>, AddressError> {
    match content::in_namespace(namespace, behind, Style::Url) {
        Ok(address) if address.kind == Kind::Ipns && !address.name.as_deref().is_some_and(is_key_or_domain) => Ok(None),
        Ok(address) => Ok(Some(address)),
        Err(AddressError::CaseFoldedCidV0) => Err(AddressError::CaseFoldedCidV0),
        Err(_) => Ok(None),
    }
}

fn is_key_or_domain(name: &str) -> bool {
    name.contains('.') || content::root_cid(name).is_ok() || name.starts_with("12D3Koo")
}

/// `https://<CID>.ipfs.host/…` (subdomain gateway specification). Host names fold case, so the base must survive that.
fn by_subdomain(url: &HttpUrl<'_>) -> Result<Option<Address>, AddressError> {
    let folded = url.labels.to_ascii_lowercase();
    let Some((at, namespace)) = [(".ipfs.", Namespace::Ipfs), (".ipns.", Namespace::Ipns)]
        .into_iter()
        .filter_map(|(mark, namespace)| Some((folded.find(mark)?, namespace)))
        .min_by_key(|&(at, _)| at)
    else {
        return Ok(None);
    };
    let (label, rest_of_host) =
        (url.labels.get(..at).unwrap_or_default(), url.host.get(at + ".ipfs.".len()..).unwrap_or_default());
    let mut address = match namespace {
        Namespace::Ipfs => {
            match content::root_cid(label).or_else(|e| content::root_cid(&label.to_ascii_lowercase()).map_err(|_| e)) {
                Ok(cid) => content::with_root(namespace, &cid.to_string())?,
                Err(AddressError::CaseFoldedCidV0) => return Err(AddressError::CaseFoldedCidV0),
                Err(_) => return Ok(None),
            }
        }
        Namespace::Ipns => match content::with_root(namespace, &inlined_domain(label)) {
            Ok(address) => address,
            Err(_) => return Ok(None),
        },
    };
    let path = path::from_url(url.url.path);
    address.segments = path.segments;
    address.fallback = path.fallback;
    address.query = url.url.query.map(str::to_owned);
    address.fragment = url.url.fragment.map(str::to_owned);
    Ok(Some(hinted(address, url, rest_of_host.to_owned())))
}

/// The domain that a single label stands for: `--` is `-` and `-` is `.` (subdomain gateway specification, "DNSLink").
fn inlined_domain(label: &str) -> String {
    if label.contains('.') || content::root_cid(label).is_ok() {
        return label.to_owned();
    }
    label.split("--").map(|part| part.replace('-', ".")).collect::<Vec<_>>().join("-")
}

/// `https://host/api/v0/cat?arg=<CID>` and `https://host/api/v0/cat/<CID>`.
fn by_api(url: &HttpUrl<'_>) -> Option<Address> {
    let command = url.tail.trim_start_matches('/').strip_prefix("api/v0/")?;
    let parts = path::split_url(command);
    let name = API_COMMANDS
        .into_iter()
        .find(|name| parts.path.strip_prefix(name).is_some_and(|behind| behind.is_empty() || behind.starts_with('/')))?;
    let behind = parts.path.get(name.len()..).unwrap_or_default().trim_start_matches('/');
    let mut address = if behind.is_empty() {
        let arg = query_values(parts.query?).find(|(key, _)| *key == "arg")?.1;
        let arg = percent_encoding::percent_decode_str(arg).decode_utf8().ok()?;
        parse::content_path(&arg).or_else(|_| content::bare(&arg)).ok()?
    } else {
        content::bare(behind).or_else(|_| parse::content_path(&format!("/{behind}"))).ok()?
    };
    address.notes.push(Note::ViaApi);
    Some(address)
}

fn query_values(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// `https://arweave.net/<transaction>`: 43 characters of base64url.
fn arweave(url: &HttpUrl<'_>) -> Option<Address> {
    if url.host != "arweave.net" && !url.host.ends_with(".arweave.net") {
        return None;
    }
    let path = url.url.path.trim_matches('/');
    let transaction = path.split('/').next().unwrap_or_default();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (transaction.len() == 43 && transaction.bytes().all(plain)).then(|| Address {
        query: url.url.query.map(str::to_owned),
        fragment: url.url.fragment.map(str::to_owned),
        ..Address::verbatim(Kind::Arweave, &format!("ar://{path}"))
    })
}

/// An address inside the URL of a thumbnail or CORS proxy: in a query value, or further down the path.
fn by_proxy(url: &HttpUrl<'_>, levels: u8) -> Option<Address> {
    let of_content = |text: &str| {
        let address = parse::explicit(text, levels).ok()?;
        matches!(address.kind, Kind::Ipfs | Kind::Ipns).then_some(address)
    };
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().ok().and_then(|text| of_content(&text));
    let in_query = url.url.query.into_iter().flat_map(query_values).map(|(_, value)| value);
    if let Some(address) = in_query.filter(|value| mentions_ipfs(value)).find_map(decoded) {
        return Some(address);
    }
    let mut rest = url.tail;
    while let Some((segment, behind)) = rest.split_once('/') {
        // The root first, because it is short: a path of nothing but `/ipfs/` must not be read to its end from each place.
        let next = behind.get(..behind.find(['/', '?', '#']).unwrap_or(behind.len())).unwrap_or_default();
        if segment.eq_ignore_ascii_case("ipfs") && content::root_cid(next).is_ok() {
            return content::in_namespace(Namespace::Ipfs, behind, Style::Url).ok();
        }
        rest = behind;
    }
    url.url.path.split('/').filter(|segment| segment.contains('%') && mentions_ipfs(segment)).find_map(decoded)
}

fn mentions_ipfs(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.windows(4).any(|four| four.eq_ignore_ascii_case(b"ipfs") || four.eq_ignore_ascii_case(b"ipns"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_come_out_of_labels() {
        assert_eq!(inlined_domain("en-wikipedia--on--ipfs-org"), "en.wikipedia-on-ipfs.org");
        assert_eq!(inlined_domain("docs.ipfs.tech"), "docs.ipfs.tech");
        assert_eq!(inlined_domain("a---b"), "a-.b");
    }

    #[test]
    fn a_password_is_no_hint() {
        let v1 = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
        let text = format!("https://user:secret@Host.example:8443/ipfs/{v1}");
        let address = crate::address::parse(&text, &Default::default()).unwrap();
        assert_eq!(address.hint_host.as_deref(), Some("host.example:8443"));
        assert_eq!(address.hint_scheme, Some("https"));
    }
}
