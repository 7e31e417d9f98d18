//! References inside web pages, against the place of the page.

use super::{Address, Kind, Options, PathReading, parse, path};

/// The address a reference inside a document leads to. `base` is the document's own address, file name included; a base
/// without names is a directory.
///
/// A reference that starts with `/` counts from the root, as it does under `ipfs://` and on subdomain gateways; one that
/// starts with `/ipfs/` is a content path, as on path gateways. `None` for a reference to the document itself (`#part`,
/// `?query`, nothing), for a relative one when `base` is neither on IPFS nor IPNS, and for what is no address at all.
///
/// ```
/// use cartool::address::{parse, resolve_relative, Options};
/// let cid = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
/// let page = parse(&format!("ipfs://{cid}/app/index.html"), &Options::default())?;
/// assert_eq!(resolve_relative(&page, "./main.js?v=2").unwrap().canonical(), format!("/ipfs/{cid}/app/main.js"));
/// assert_eq!(resolve_relative(&page, "../../../x").unwrap().canonical(), format!("/ipfs/{cid}/x"));
/// # Ok::<(), cartool::address::AddressError>(())
/// ```
pub fn resolve_relative(base: &Address, reference: &str) -> Option<Address> {
    let reference = super::unwrap::trim(reference);
    if let Some(host) = reference.strip_prefix("//") {
        return parse::with_options(&format!("https://{host}"), &Options::default()).ok();
    }
    if parse::split_scheme(reference).is_some() {
        return parse::with_options(reference, &Options::default()).ok();
    }
    if reference.starts_with('/') {
        let in_page = Options { paths: PathReading::Url, ..Options::default() };
        if let Ok(address) = parse::with_options(reference, &in_page) {
            return Some(address);
        }
    }
    let url = path::split_url(reference);
    if url.path.is_empty() || !matches!(base.kind, Kind::Ipfs | Kind::Ipns) {
        return None;
    }
    let directory = match base.segments.split_last() {
        Some((_, directory)) if !url.path.starts_with('/') => directory,
        _ => &[],
    };
    let path = path::from_url_below(directory, url.path);
    Some(Address {
        root: base.root,
        name: base.name.clone(),
        segments: path.segments,
        fallback: path.fallback,
        query: url.query.map(str::to_owned),
        fragment: url.fragment.map(str::to_owned),
        ..Address::new(base.kind)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_browser_would() {
        let root = "/ipfs/bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
        let page = parse::with_options(&format!("{root}/my app/index.html"), &Options::default()).unwrap();
        let resolved = |reference: &str| resolve_relative(&page, reference).map(|address| address.canonical());
        for (reference, expected) in [
            ("main.js", "/my app/main.js"),
            ("./a%20b/../c.css#x", "/my app/c.css"),
            ("../x", "/x"),
            ("/x", "/x"),
            ("..", ""),
            ("a:b/c", "(none)"),
        ] {
            let expected = (expected != "(none)").then(|| format!("{root}{expected}"));
            assert_eq!(resolved(reference), expected, "{reference}");
        }
        assert_eq!(
            resolved("/ipfs/QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR/a%20b").unwrap(),
            "/ipfs/QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR/a b"
        );
        assert_eq!(resolved("//example.com/x").unwrap(), "https://example.com/x");
        assert_eq!(resolved("https://example.com/x").unwrap(), "https://example.com/x");
        for same in ["", "#top", "?v=1", "  "] {
            assert_eq!(resolved(same), None, "{same:?}");
        }
        let site = parse::with_options("https://example.com/a", &Options::default()).unwrap();
        assert_eq!(resolve_relative(&site, "b"), None);
    }
}
