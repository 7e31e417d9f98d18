//! HTML and SVG, as far as links go: a scanner of tags and attributes, no parser of documents.
//!
//! One pass. What is not closed (a quote, a comment, a script) reaches to the end of the text, so nothing is searched twice.

use super::scanner::{Place, Scanner};
use super::text::Syntax;
use std::borrow::Cow;

/// The longest character reference, in bytes (`&#x10ffff;` has ten).
const ENTITY_LEN_MAX: usize = 12;

/// Reports the links of a page or picture.
pub(super) fn scan(scanner: &mut Scanner<'_>, place: &Place<'_>, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        if scanner.is_full() {
            return;
        }
        let (before, tag) = rest.split_at(at);
        let inner = tag.get(1..).unwrap_or_default();
        if let Some(comment) = inner.strip_prefix("!--") {
            scanner.prose(place, before, Syntax::Plain);
            rest = verbatim(scanner, place, comment, "-->");
        } else if let Some(data) = inner.strip_prefix("![CDATA[") {
            scanner.prose(place, before, Syntax::Plain);
            rest = verbatim(scanner, place, data, "]]>");
        } else if inner.starts_with(['!', '?', '/']) {
            scanner.prose(place, before, Syntax::Plain);
            rest = inner.split_once('>').map_or("", |(_, behind)| behind);
        } else if inner.starts_with(|c: char| c.is_ascii_alphabetic()) {
            scanner.prose(place, before, Syntax::Plain);
            rest = element(scanner, place, inner);
        } else {
            scanner.prose(place, before, Syntax::Plain);
            rest = inner;
        }
    }
    scanner.prose(place, rest, Syntax::Plain);
}

/// Text up to a mark, in which links stand as in prose. What follows the mark.
fn verbatim<'t>(scanner: &mut Scanner<'_>, place: &Place<'_>, text: &'t str, mark: &str) -> &'t str {
    let (content, rest) = text.split_once(mark).unwrap_or((text, ""));
    scanner.prose(place, content, Syntax::Css);
    rest
}

/// A tag from its name on, and the content of a style sheet or script. What follows.
fn element<'t>(scanner: &mut Scanner<'_>, place: &Place<'_>, text: &'t str) -> &'t str {
    let is_space_or_end = |c: char| c.is_ascii_whitespace() || c == '/' || c == '>';
    let (name, mut rest) = text.split_at(text.find(is_space_or_end).unwrap_or(text.len()));
    let mut closed = false;
    loop {
        let trimmed = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        closed |= rest.get(..rest.len() - trimmed.len()).is_some_and(|skipped| skipped.ends_with('/'));
        rest = match trimmed.strip_prefix('>') {
            Some(behind) => {
                rest = behind;
                break;
            }
            None if trimmed.is_empty() => return "",
            None => {
                closed = false;
                attribute(scanner, place, name, trimmed)
            }
        };
    }
    let syntax = match name {
        _ if closed => return rest,
        _ if name.eq_ignore_ascii_case("style") => Syntax::Css,
        _ if name.eq_ignore_ascii_case("script") => Syntax::Plain,
        _ => return rest,
    };
    let end = find_end_tag(rest, name).unwrap_or(rest.len());
    let (content, rest) = rest.split_at(end);
    scanner.prose(place, content, syntax);
    rest
}

fn find_end_tag(text: &str, name: &str) -> Option<usize> {
    text.match_indices("</")
        .map(|(at, _)| at)
        .find(|&at| text.get(at + 2..at + 2 + name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)))
}

/// One attribute, at least one character long. What follows it.
fn attribute<'t>(scanner: &mut Scanner<'_>, place: &Place<'_>, tag: &str, text: &'t str) -> &'t str {
    let first_len = text.chars().next().map_or(0, char::len_utf8);
    let ends_name = |c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/');
    let end = text.get(first_len..).and_then(|rest| rest.find(ends_name)).map_or(text.len(), |at| at + first_len);
    let (name, rest) = text.split_at(end);
    let Some(value) = rest.trim_start().strip_prefix('=') else { return rest };
    let value = value.trim_start();
    let (value, rest) = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let inner = value.get(1..).unwrap_or_default();
            inner.split_once(quote).unwrap_or((inner, ""))
        }
        _ => value.split_at(value.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(value.len())),
    };
    report(scanner, place, tag, &name.to_ascii_lowercase(), &decode_entities(value));
    rest
}

fn report(scanner: &mut Scanner<'_>, place: &Place<'_>, tag: &str, name: &str, value: &str) {
    let place = place.attribute(name);
    match name {
        // Names of vocabularies, not links.
        _ if name.starts_with("xmlns") => {}
        "src" | "href" | "xlink:href" | "poster" | "background" | "data-src" | "data-href" => scanner.reference(&place, value),
        "data" if tag.eq_ignore_ascii_case("object") => scanner.reference(&place, value),
        "srcset" | "imagesrcset" | "data-srcset" => source_set(scanner, &place, value),
        _ => scanner.value(&place, value, Syntax::Css),
    }
}

/// `a.png 1x, b.png 2x` (HTML, "srcset attributes").
fn source_set(scanner: &mut Scanner<'_>, place: &Place<'_>, value: &str) {
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        if rest.is_empty() || scanner.is_full() {
            return;
        }
        let (url, behind) = rest.split_at(rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len()));
        scanner.reference(place, url.trim_end_matches(','));
        rest = match url.ends_with(',') {
            true => behind,
            false => behind.split_once(',').map_or("", |(_, next)| next),
        };
    }
}

/// An attribute's value with the character references that addresses need.
fn decode_entities(value: &str) -> Cow<'_, str> {
    if !value.contains('&') {
        return Cow::Borrowed(value);
    }
    let mut decoded = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, behind)) = rest.split_once('&') {
        decoded.push_str(before);
        let head_end = behind.bytes().take(ENTITY_LEN_MAX).position(|b| b == b';');
        match head_end.and_then(|end| Some((entity(behind.get(..end)?)?, behind.get(end + 1..)?))) {
            Some((c, next)) => {
                decoded.push(c);
                rest = next;
            }
            None => {
                decoded.push('&');
                rest = behind;
            }
        }
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

fn entity(name: &str) -> Option<char> {
    let code = match name {
        "amp" => return Some('&'),
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        _ => name.strip_prefix('#')?,
    };
    let code = match code.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => code.parse(),
    };
    char::from_u32(code.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities() {
        for (value, decoded) in [
            ("a&amp;b", "a&b"),
            ("&#47;&#x2F;&#X2f;", "///"),
            ("&nope;&", "&nope;&"),
            ("&quot;é&apos;", "\"é'"),
            ("&#xd800;", "&#xd800;"),
        ] {
            assert_eq!(decode_entities(value), decoded, "{value}");
        }
    }
}
