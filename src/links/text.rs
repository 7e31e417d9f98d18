//! Addresses inside running text: Markdown, style sheets, descriptions, scripts.
//!
//! One pass: what has been taken for an address is not looked at again, so the cost is the length of the text.

/// The longest CID looked for behind `/ipfs/`, in bytes.
const ROOT_LEN_MAX: usize = 300;

/// What starts an address, in lower case. Longer ones before their beginnings.
const OPENERS: [&str; 15] = [
    "ipfs:",
    "ipns://",
    "web+ipfs:",
    "web+ipns:",
    "dweb:/",
    "fs:/ip",
    "http://",
    "https://",
    "ar://",
    "bzz://",
    "web3://",
    "template-ipfs://",
    "sha256://",
    "data:",
    "onchain:",
];

/// The syntax around the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Plain,
    /// `url(…)` and `@import "…"` hold references.
    Css,
    /// `](…)` holds a reference.
    Markdown,
}

/// Something found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Text that starts like an address.
    Address(&'t str),
    /// Text where the syntax has a reference, which may be relative.
    Reference(&'t str),
}

/// The pieces of a text, in order.
pub(super) struct Pieces<'t> {
    text: &'t str,
    at: usize,
    syntax: Syntax,
}

pub(super) fn pieces(text: &str, syntax: Syntax) -> Pieces<'_> {
    Pieces { text, at: 0, syntax }
}

impl<'t> Iterator for Pieces<'t> {
    type Item = Piece<'t>;

    fn next(&mut self) -> Option<Piece<'t>> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            let here = self.at;
            let rest = bytes.get(here..).unwrap_or_default();
            self.at += 1;
            let reference = match (self.syntax, byte) {
                (Syntax::Css, b'u' | b'U') if starts_with(rest, b"url(") => Some(self.reference_at(here + 4)),
                (Syntax::Css, b'@') if starts_with(rest, b"@import") => self.import_at(here + 7),
                (Syntax::Markdown, b']') if starts_with(rest, b"](") => Some(self.reference_at(here + 2)),
                _ => None,
            };
            if let Some(reference) = reference {
                return Some(Piece::Reference(reference));
            }
            let starts_word = here.checked_sub(1).and_then(|before| bytes.get(before)).is_none_or(|b| !b.is_ascii_alphanumeric());
            if opens_path(rest) || starts_word && opens_uri(rest) {
                let end = end_of_address(self.text, here);
                self.at = end.max(here + 1);
                return Some(Piece::Address(self.text.get(here..end).unwrap_or_default()));
            }
        }
        None
    }
}

impl<'t> Pieces<'t> {
    /// The reference that starts here, quoted or not; scanning goes on behind it.
    fn reference_at(&mut self, start: usize) -> &'t str {
        let inner = self.text.get(start..).unwrap_or_default();
        let space = inner.len() - inner.trim_start().len();
        let inner = inner.trim_start();
        let start = start + space;
        let (skip, close): (usize, &[char]) = match inner.chars().next() {
            Some('"') => (1, &['"', '\n']),
            Some('\'') => (1, &['\'', '\n']),
            Some('<') if self.syntax == Syntax::Markdown => (1, &['>', '\n']),
            _ => (0, &[')', ' ', '\t', '\n', '\r', '"', '\'']),
        };
        let inner = inner.get(skip..).unwrap_or_default();
        let len = if skip == 0 && self.syntax == Syntax::Markdown {
            end_of_address(inner, 0)
        } else {
            inner.find(close).unwrap_or(inner.len())
        };
        self.at = start + skip + len;
        inner.get(..len).unwrap_or_default()
    }

    /// `@import "…"`; the form with `url(` is found as such.
    fn import_at(&mut self, start: usize) -> Option<&'t str> {
        let inner = self.text.get(start..).unwrap_or_default().trim_start();
        inner.starts_with(['"', '\'']).then(|| self.reference_at(start))
    }
}

fn starts_with(bytes: &[u8], start: &[u8]) -> bool {
    bytes.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

fn opens_uri(rest: &[u8]) -> bool {
    // The first letters of the openers: most places fail here.
    matches!(rest.first().map(u8::to_ascii_lowercase), Some(b'a' | b'b' | b'd' | b'f' | b'h' | b'i' | b'o' | b's' | b't' | b'w'))
        && OPENERS.iter().any(|opener| starts_with(rest, opener.as_bytes()))
}

/// `/ipfs/<CID>` and `/ipns/<name>`. The root is looked at first, so that a text of nothing but `/ipfs/` stays cheap.
fn opens_path(rest: &[u8]) -> bool {
    if rest.first() != Some(&b'/') {
        return false;
    }
    let Some(behind) = rest.strip_prefix(b"/ipfs/").or_else(|| rest.strip_prefix(b"/ipns/")) else { return false };
    let root_len = behind.iter().take(ROOT_LEN_MAX).take_while(|b| b.is_ascii_alphanumeric()).count();
    let root = behind.get(..root_len).and_then(|root| std::str::from_utf8(root).ok());
    root.is_some_and(|root| crate::cid::parse_text(root).is_ok())
}

/// Where the address that starts here ends: at what URLs cannot hold, a bracket that was not opened in it, or the comma
/// of a list; without the punctuation of the sentence.
fn end_of_address(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut open) = (start, 0usize);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            0..=b' ' | 0x7f | b'"' | b'\'' | b'<' | b'>' | b'`' | b'|' | b'\\' | b'^' | b'[' | b']' => break,
            b'{' => match placeholder_len(bytes.get(at..).unwrap_or_default()) {
                Some(len) => at += len - 1,
                None => break,
            },
            b'}' => break,
            b'(' => open += 1,
            b')' if open == 0 => break,
            b')' => open -= 1,
            b',' | b';' if next_opens(bytes.get(at + 1..).unwrap_or_default()) => break,
            _ => {}
        }
        at += 1;
    }
    let address = text.get(start..at).unwrap_or_default();
    start + address.trim_end_matches(['.', ',', ';', ':', '!', '?', '*']).len()
}

fn next_opens(rest: &[u8]) -> bool {
    opens_uri(rest) && !starts_with(rest, b"data:") || opens_path(rest)
}

fn placeholder_len(rest: &[u8]) -> Option<usize> {
    ["{id}", "{locale}"].into_iter().find(|placeholder| rest.starts_with(placeholder.as_bytes())).map(str::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";

    fn found(text: &str, syntax: Syntax) -> Vec<String> {
        let text = text.replace("V1", V1);
        let show = |piece| match piece {
            Piece::Address(text) => text.replace(V1, "V1"),
            Piece::Reference(text) => format!("ref {}", text.replace(V1, "V1")),
        };
        pieces(&text, syntax).map(show).collect()
    }

    #[test]
    fn addresses_in_sentences() {
        for (text, expected) in [
            ("See ipfs://V1/a.png, and (https://x.y/z).", &["ipfs://V1/a.png", "https://x.y/z"][..]),
            ("ipfs://V1/a,ipfs://V1/b;/ipfs/V1/c", &["ipfs://V1/a", "ipfs://V1/b", "/ipfs/V1/c"]),
            ("host.io/ipfs/V1/a(1).png \"IPFS://V1\"", &["/ipfs/V1/a(1).png", "IPFS://V1"]),
            ("xipfs://V1 /ipfs/nothing dweb:/ipfs/V1", &["dweb:/ipfs/V1"]),
            ("ipfs://V1/{id}.json{x}", &["ipfs://V1/{id}.json"]),
            ("V1", &[]),
        ] {
            assert_eq!(found(text, Syntax::Plain), expected, "{text}");
        }
    }

    #[test]
    fn references_of_style_sheets() {
        let css = "@import 'a.css'; @import url(b.css);\nx { y: url( \"c d.png\" ), URL('/e'); z: url(";
        assert_eq!(found(css, Syntax::Css), ["ref a.css", "ref b.css", "ref c d.png", "ref /e", "ref "]);
    }

    #[test]
    fn references_of_markdown() {
        let text = "![x](a(1).png \"title\") [y](<b c.md>) [z](ipfs://V1) ipfs://V1/d";
        assert_eq!(found(text, Syntax::Markdown), ["ref a(1).png", "ref b c.md", "ref ipfs://V1", "ipfs://V1/d"]);
    }
}
