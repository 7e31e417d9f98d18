//! Paths: how text becomes names, in a URL and in a content path.
//!
//! In a URL `%20` is a space and `?` starts a query; in a content path (`/ipfs/…`) every character stands for itself.
//! Writers confuse the two, so each gives a first reading and, where it differs, a second one to try.

use super::AddressError;
use super::unwrap::{is_padding, trim};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// A path in its first and, where it differs, second reading.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) segments: Vec<String>,
    pub(super) fallback: Option<Vec<String>>,
}

/// The parts of a URL behind its authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UrlParts<'t> {
    pub(super) path: &'t str,
    pub(super) query: Option<&'t str>,
    pub(super) fragment: Option<&'t str>,
}

/// Splits at the first `#`, then at the first `?` (RFC 3986, 3).
pub(super) fn split_url(text: &str) -> UrlParts<'_> {
    let (text, fragment) = match text.split_once('#') {
        Some((before, fragment)) => (before, Some(fragment)),
        None => (text, None),
    };
    match text.split_once('?') {
        Some((path, query)) => UrlParts { path, query: Some(query), fragment },
        None => UrlParts { path: text, query: None, fragment },
    }
}

/// One percent-decoded name. What a path cannot hold stays as it is written: `%2F`, `%00`, bytes that are not UTF-8.
pub(super) fn decode(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    match percent_decode_str(segment).decode_utf8() {
        Ok(name) if name.contains('\0') => Cow::Borrowed(segment),
        Ok(name) if name.contains('/') => Cow::Owned(name.replace('/', "%2F")),
        Ok(name) => name,
        Err(_) => Cow::Borrowed(segment),
    }
}

/// Both readings of the path of a URL: decoded first, as written second. Empty and dot segments go, never above the root.
pub(super) fn from_url(path: &str) -> Path {
    from_url_below(&[], path)
}

/// [`from_url`], starting in a directory; `..` leads out of it.
pub(super) fn from_url_below(directory: &[String], path: &str) -> Path {
    let mut segments = directory.to_vec();
    let mut literals = directory.to_vec();
    for literal in path.split('/') {
        let name = decode(literal);
        match name.as_ref() {
            "" | "." => {}
            ".." => {
                segments.pop();
                literals.pop();
            }
            // An encoded space at the end would be lost when the canonical path is read again: keep the code.
            _ if name.ends_with(is_padding) && !literal.ends_with(is_padding) => {
                segments.push(literal.to_owned());
                literals.push(name.into_owned());
            }
            _ => {
                segments.push(name.into_owned());
                literals.push(literal.to_owned());
            }
        }
    }
    settle(&mut segments);
    let fallback = (segments != literals).then_some(literals);
    Path { segments, fallback }
}

/// Both readings of a content path: as written first, then as a URL.
///
/// # Errors
/// [`AddressError::DotSegment`].
pub(super) fn from_content_path(path: &str) -> Result<Path, AddressError> {
    let mut segments: Vec<String> = path.split('/').filter(|s| !s.is_empty()).map(str::to_owned).collect();
    if segments.iter().any(|s| s == "." || s == "..") {
        return Err(AddressError::DotSegment);
    }
    settle(&mut segments);
    let as_url = from_url(split_url(path).path).segments;
    let fallback = (as_url != segments && !as_url.is_empty()).then_some(as_url);
    Ok(Path { segments, fallback })
}

/// Takes white space from the end, where it cannot be told from padding around the address.
fn settle(segments: &mut Vec<String>) {
    while let Some(last) = segments.last_mut() {
        let len = trim(last).len();
        if len == last.len() {
            return;
        }
        last.truncate(last.trim_end_matches(is_padding).len());
        if !last.is_empty() {
            return;
        }
        segments.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(path: &str) -> (Vec<String>, Option<Vec<String>>) {
        let path = from_url(path);
        (path.segments, path.fallback)
    }

    #[test]
    fn urls_are_decoded_once() {
        let owned = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>();
        assert_eq!(url("/a//b/"), (owned(&["a", "b"]), None));
        assert_eq!(url("a%20b+c"), (owned(&["a b+c"]), Some(owned(&["a%20b+c"]))));
        assert_eq!(url("a%2fb%20c").0, owned(&["a%2Fb c"]));
        assert_eq!(url("%2520").0, owned(&["%20"]));
        assert_eq!(url("%FF/%00"), (owned(&["%FF", "%00"]), None));
        assert_eq!(url("100%").0, owned(&["100%"]));
        assert_eq!(url("a/./b/../../../c").0, owned(&["c"]));
        assert_eq!(url("a/%2e%2E/c").0, owned(&["c"]));
        assert_eq!(url("a%20"), (owned(&["a%20"]), Some(owned(&["a "]))));
    }

    #[test]
    fn content_paths_are_literal() {
        let path = from_content_path("a%20b/c?d").unwrap();
        assert_eq!(path.segments, ["a%20b", "c?d"]);
        assert_eq!(path.fallback.unwrap(), ["a b", "c"]);
        assert_eq!(from_content_path("a/../b"), Err(AddressError::DotSegment));
        assert_eq!(from_content_path("a /b / ").unwrap().segments, ["a ", "b"]);
    }
}
