//! What a document is, told from its bytes.

use super::{DocumentKind, Encoding};
use std::borrow::Cow;

/// How far the beginning of a document is looked at, in bytes.
const HEAD_LEN: usize = 8 << 10;

/// The text of a document: UTF-8, or Latin-1 when it is not. `None` for bytes that are no text.
pub(super) fn decode(bytes: &[u8]) -> Option<(Cow<'_, str>, Encoding)> {
    if is_binary(bytes) {
        return None;
    }
    let (bytes, encoding) = match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => (rest, Encoding::Utf8Bom),
        None => (bytes, Encoding::Utf8),
    };
    Some(match std::str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text), encoding),
        Err(_) => (Cow::Owned(bytes.iter().map(|&b| char::from(b)).collect()), Encoding::Latin1),
    })
}

/// The place in the document of a place in its decoded text.
pub(super) fn document_offset(text: &str, at: usize, encoding: Encoding) -> usize {
    match encoding {
        Encoding::Utf8 => at,
        Encoding::Utf8Bom => at.saturating_add(3),
        // Every byte became one character.
        Encoding::Latin1 => text.get(..at).map_or(at, |before| before.chars().count()),
    }
}

/// Control characters that no text has, near the beginning. JSON is told by its first character and judged by its grammar.
fn is_binary(bytes: &[u8]) -> bool {
    let head = bytes.get(..HEAD_LEN).unwrap_or(bytes);
    let padding = bytes.iter().rev().take_while(|&&b| b == 0).count();
    let head = head.get(..bytes.len().saturating_sub(padding).min(head.len())).unwrap_or_default();
    let claims_json = matches!(head.trim_ascii_start().first(), Some(b'{' | b'['));
    !claims_json && head.iter().any(|&b| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x08 | 0x0c | 0x1b))
}

/// What a text is.
pub(super) fn kind_of(text: &str) -> DocumentKind {
    let text = text.trim_start();
    match text.as_bytes().first() {
        Some(b'{') => DocumentKind::Json,
        Some(b'[') if array_may_start(text.get(1..).unwrap_or_default().trim_start()) => DocumentKind::Json,
        Some(b'<') => kind_of_markup(text),
        Some(b'@' | b'/') if is_style_start(text) => DocumentKind::Css,
        _ => kind_of_prose(head(text)),
    }
}

/// Whether a value or `]` follows: a Markdown text may begin with `[` too.
fn array_may_start(rest: &str) -> bool {
    rest.is_empty()
        || rest.starts_with(['{', '[', '"', ']', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
        || ["true", "false", "null"].iter().any(|word| rest.starts_with(word))
}

fn head(text: &str) -> &str {
    let end = (0..=HEAD_LEN.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// SVG or HTML, by the first element.
fn kind_of_markup(text: &str) -> DocumentKind {
    let mut rest = text;
    while let Some(inner) = rest.strip_prefix("<?").or_else(|| rest.strip_prefix("<!")) {
        let end = if inner.starts_with("--") { inner.find("-->") } else { inner.find('>') };
        let Some(end) = end else { return DocumentKind::Html };
        rest = inner.get(end..).unwrap_or_default().trim_start_matches(['-', '>']).trim_start();
    }
    let is_svg = rest.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("<svg"));
    if is_svg || rest.starts_with("<svg:svg") {
        DocumentKind::Svg
    } else if rest.as_bytes().get(1).is_none_or(|b| b.is_ascii_alphabetic()) {
        DocumentKind::Html
    } else {
        kind_of_prose(head(text))
    }
}

fn is_style_start(text: &str) -> bool {
    text.starts_with("/*")
        || ["@import", "@charset", "@font-face", "@media", "@namespace", "@keyframes"].iter().any(|word| text.starts_with(word))
}

/// CSS when a rule comes first, Markdown when it has links or headings.
fn kind_of_prose(head: &str) -> DocumentKind {
    let rule = head.split_once('{').and_then(|(selector, rest)| Some((selector, rest.split_once('}')?.0)));
    if rule.is_some_and(|(selector, body)| {
        selector.len() < 200 && !selector.contains("://") && body.contains(':') && body.trim() != "id"
    }) {
        return DocumentKind::Css;
    }
    let has_heading = head.lines().any(|line| line.trim_start_matches('#').starts_with(' ') && line.starts_with('#'));
    if has_heading || head.contains("](") || head.contains("```") { DocumentKind::Markdown } else { DocumentKind::Text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (text, kind) in [
            (" \n{\"a\":1}", DocumentKind::Json),
            ("[]", DocumentKind::Json),
            ("{oops", DocumentKind::Json),
            ("[a link](ipfs://x)", DocumentKind::Markdown),
            ("# Title\n", DocumentKind::Markdown),
            ("<!doctype html><p>", DocumentKind::Html),
            ("<p>", DocumentKind::Html),
            ("<?xml version=\"1.0\"?>\n<!-- a > b -->\n<SVG>", DocumentKind::Svg),
            ("<svg xmlns=\"x\">", DocumentKind::Svg),
            ("@import 'a.css';", DocumentKind::Css),
            ("body { background: url(a.png) }", DocumentKind::Css),
            ("ipfs://x/{id}.json", DocumentKind::Text),
            ("<3 art", DocumentKind::Text),
            ("", DocumentKind::Text),
        ] {
            assert_eq!(kind_of(text), kind, "{text}");
        }
    }

    #[test]
    fn encodings() {
        assert_eq!(decode(b"\xef\xbb\xbf{}"), Some(("{}".into(), Encoding::Utf8Bom)));
        assert_eq!(decode(b"{\"a\":\"\xe9\"}"), Some(("{\"a\":\"é\"}".into(), Encoding::Latin1)));
        assert_eq!(decode(b"\x89PNG\r\n\x1a\n\0\0"), None);
        assert_eq!(decode(b"text\0\0"), Some(("text\0\0".into(), Encoding::Utf8)));
        assert_eq!(document_offset("é}", 2, Encoding::Latin1), 1);
    }
}
