//! What a file is that is not a CAR, told from its first bytes.
//!
//! Content types and file names lie, gateways answer errors with status 200, and downloads get saved under any name. One
//! plain sentence saves its reader an hour. These are guesses: they serve messages and decide nothing.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

use super::index;
use crate::cid::RawCid;
use crate::varint;
use std::fmt;

/// The text boxo's gateway appends to a CAR that it cannot finish.
const GATEWAY_ERROR: &[u8] = b"\n\n[Gateway Error:";
const BOM: &[u8] = b"\xef\xbb\xbf";

/// What a file that is not a CAR seems to be. `Display` says it in one sentence, without a full stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Guess {
    /// No bytes at all.
    Empty,
    /// The gateway's error text and nothing before it.
    GatewayError,
    /// A web page.
    Html,
    /// JSON: an error body, or metadata.
    Json,
    /// Some other XML.
    Xml,
    /// Text.
    Text,
    /// A UTF-8 byte order mark in front of what looks like a CAR.
    BomBeforeCar,
    /// Compressed with what the field names.
    Compressed(&'static str),
    /// An archive of the kind the field names.
    Archive(&'static str),
    /// An image, film or document of the kind the field names.
    Media(&'static str),
    /// The index of a CARv2 file, on its own.
    DetachedIndex,
    /// A single DAG-PB block.
    DagPbBlock,
    /// A single DAG-CBOR block.
    DagCborBlock,
    /// Zeros.
    Zeros,
}

impl fmt::Display for Guess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Guess::Empty => f.write_str("the file is empty"),
            Guess::GatewayError => f.write_str("this is a gateway's error message, not a CAR: download it again"),
            Guess::Html => f.write_str("this is an HTML page, not a CAR: probably a gateway's error or directory page"),
            Guess::Json => f.write_str("this is JSON, not a CAR: perhaps the error message of a server, or a metadata file"),
            Guess::Xml => f.write_str("this is XML, not a CAR: perhaps the error message of a storage service"),
            Guess::Text => f.write_str("this is plain text, not a CAR"),
            Guess::BomBeforeCar => {
                f.write_str("a UTF-8 byte order mark stands before the CAR: a program treated it as text, so download it again")
            }
            Guess::Compressed(name) => write!(f, "this is {name}-compressed data: decompress it first"),
            Guess::Archive(name) => write!(f, "this is a {name} archive, not a CAR"),
            Guess::Media(name) => write!(f, "this is {name}, not a CAR"),
            Guess::DetachedIndex => f.write_str("this is the index of a CAR, without the CAR"),
            Guess::DagPbBlock => f.write_str("this looks like a single dag-pb block, not a CAR: `build` takes raw blocks"),
            Guess::DagCborBlock => f.write_str("this looks like a single dag-cbor block, not a CAR: `build` takes raw blocks"),
            Guess::Zeros => f.write_str("the file starts with nothing but zeros: perhaps a download that was never written"),
        }
    }
}

/// Guesses what a file is that could not be read as a CAR, from its first bytes: up to 1 KiB of them, all when it is shorter.
///
/// `None` when nothing fits; also for a sound CAR, which this function does not look for.
pub fn not_a_car(prefix: &[u8]) -> Option<Guess> {
    if prefix.is_empty() {
        return Some(Guess::Empty);
    }
    if is_gateway_error(prefix) {
        return Some(Guess::GatewayError);
    }
    if let Some(rest) = prefix.strip_prefix(BOM) {
        return if is_car_start(rest) { Some(Guess::BomBeforeCar) } else { text(rest) };
    }
    if is_car_start(prefix) {
        return None;
    }
    if index::is_detached(prefix) {
        return Some(Guess::DetachedIndex);
    }
    magic(prefix).or_else(|| text(prefix)).or_else(|| block(prefix))
}

/// Whether a section is no section: boxo's gateway wrote its error message there (`\n\n[Gateway Error: …]`).
///
/// `bytes` start at the section's length varint. The message's first byte reads as a section of ten bytes, so a reader must
/// look before it complains about a CID.
pub fn is_gateway_error(bytes: &[u8]) -> bool {
    bytes.starts_with(GATEWAY_ERROR)
}

/// Whether the bytes start like a CARv1 header or a CARv2 pragma: a varint and a CBOR map with one of the two keys.
fn is_car_start(bytes: &[u8]) -> bool {
    let Ok((_, len)) = varint::read(bytes) else { return false };
    match bytes.get(len..).unwrap_or_default() {
        [0xa1..=0xb7, key @ ..] => key.starts_with(b"\x65roots") || key.starts_with(b"\x67version"),
        _ => false,
    }
}

/// What marks a format, at the front of the file.
const MAGIC: &[(&[u8], Guess)] = &[
    (b"\x1f\x8b", Guess::Compressed("gzip")),
    (b"\x28\xb5\x2f\xfd", Guess::Compressed("zstd")),
    (b"\xfd7zXZ\0", Guess::Compressed("xz")),
    (b"BZh", Guess::Compressed("bzip2")),
    (b"\x04\x22\x4d\x18", Guess::Compressed("lz4")),
    (b"PK\x03\x04", Guess::Archive("ZIP")),
    (b"PK\x05\x06", Guess::Archive("ZIP")),
    (b"7z\xbc\xaf\x27\x1c", Guess::Archive("7-Zip")),
    (b"Rar!\x1a\x07", Guess::Archive("RAR")),
    (b"\x89PNG\r\n\x1a\n", Guess::Media("a PNG image")),
    (b"\xff\xd8\xff", Guess::Media("a JPEG image")),
    (b"GIF87a", Guess::Media("a GIF image")),
    (b"GIF89a", Guess::Media("a GIF image")),
    (b"%PDF-", Guess::Media("a PDF document")),
    (b"glTF", Guess::Media("a glTF model")),
    (b"ID3", Guess::Media("an MP3 recording")),
    (b"OggS", Guess::Media("an Ogg recording")),
    (b"fLaC", Guess::Media("a FLAC recording")),
    (b"\x1a\x45\xdf\xa3", Guess::Media("a WebM or Matroska film")),
];

fn magic(bytes: &[u8]) -> Option<Guess> {
    if let Some((_, guess)) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Some(*guess);
    }
    let at = |start: usize, magic: &[u8]| bytes.get(start..).is_some_and(|rest| rest.starts_with(magic));
    if at(257, b"ustar") {
        Some(Guess::Archive("tar"))
    } else if at(0, b"RIFF") && at(8, b"WEBP") {
        Some(Guess::Media("a WebP image"))
    } else if at(0, b"RIFF") && at(8, b"WAVE") {
        Some(Guess::Media("a WAV recording"))
    } else if at(4, b"ftypavif") {
        Some(Guess::Media("an AVIF image"))
    } else if at(4, b"ftyp") {
        Some(Guess::Media("an MP4 film"))
    } else if bytes.len() >= 16 && bytes.iter().all(|byte| *byte == 0) {
        Some(Guess::Zeros)
    } else {
        None
    }
}

/// What kind of text it is, if it is text: UTF-8 (perhaps cut inside a character) without control characters.
fn text(bytes: &[u8]) -> Option<Guess> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) if e.error_len().is_none() => std::str::from_utf8(bytes.get(..e.valid_up_to())?).ok()?,
        Err(_) => return None,
    };
    let is_control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\x0c' | '\x1b');
    if text.is_empty() || text.contains(is_control) {
        return None;
    }
    let start = text.trim_start();
    let is_at_front = |tag: &str| start.get(..tag.len()).is_some_and(|front| front.eq_ignore_ascii_case(tag));
    let is_inside = |tag: &str| text.as_bytes().windows(tag.len()).any(|window| window.eq_ignore_ascii_case(tag.as_bytes()));
    Some(if is_at_front("<!doctype html") || is_at_front("<html") || (start.starts_with('<') && is_inside("<html")) {
        Guess::Html
    } else if start.starts_with('<') && is_inside("<svg") {
        Guess::Media("an SVG image")
    } else if ["<head", "<body", "<title"].into_iter().any(is_at_front) {
        Guess::Html
    } else if is_at_front("<?xml") {
        Guess::Xml
    } else if is_json(start) {
        Guess::Json
    } else {
        Guess::Text
    })
}

/// Whether the text starts as a JSON object or array does, and as little else does.
fn is_json(text: &str) -> bool {
    let Some(inner) = text.strip_prefix(['{', '[']) else { return false };
    matches!(inner.trim_start().chars().next(), Some('"' | '{' | '[' | '}' | ']' | '-' | '0'..='9'))
}

/// Whether it is a block by itself: what a gateway gives for `format=raw`.
fn block(bytes: &[u8]) -> Option<Guess> {
    // DAG-PB: field 2 is a link, whose field 1 is a CID. Without links there is only field 1, UnixFS data, whose type is first.
    let is_link = field(bytes, 0x12).and_then(|link| field(link, 0x0a)).is_some_and(|cid| RawCid::parse_prefix(cid).is_ok());
    let is_unixfs = matches!(field(bytes, 0x0a), Some([0x08, 0..=5, ..]));
    if is_link || is_unixfs {
        return Some(Guess::DagPbBlock);
    }
    // DAG-CBOR: a map whose first key is text, or a list whose first element is a link (tag 42).
    match bytes {
        [0xa1..=0xb7, 0x60..=0x79, ..] | [0xb8, _, 0x60..=0x79, ..] | [0xb9, _, _, 0x60..=0x79, ..] => Some(Guess::DagCborBlock),
        [0x81..=0x97, 0xd8, 0x2a, ..] => Some(Guess::DagCborBlock),
        _ => None,
    }
}

/// The content of the protobuf field at the front, and whatever follows it, when its key is `key` (length-delimited).
fn field(bytes: &[u8], key: u8) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(&[key])?;
    let (_, len) = varint::read(rest).ok()?;
    rest.get(len..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(bytes: impl AsRef<[u8]>) -> Option<Guess> {
        not_a_car(bytes.as_ref())
    }

    #[test]
    fn pages_and_texts() {
        let html = Some(Guess::Html);
        for page in [
            "<!DOCTYPE html><p>",
            "\r\n  <HTML lang=en>",
            "<!-- cached -->\n<html>",
            "<head><title>504",
            "\u{feff}<!doctype html>",
        ] {
            assert_eq!(guess(page), html, "{page}");
        }
        let xhtml = "<?xml version=\"1.0\"?><!DOCTYPE html><html xmlns=\"http://www.w3.org/1999/xhtml\">";
        assert_eq!(guess(xhtml), html);
        for json in ["{\"error\":\"not found\"}", "[{\"name\": 1}]", " {\n  \"name\"", "{}", "[]", "[-1]", "[1,2"] {
            assert_eq!(guess(json), Some(Guess::Json), "{json}");
        }
        assert_eq!(guess("<?xml version=\"1.0\"?><Error><Code>NoSuchKey"), Some(Guess::Xml));
        assert_eq!(guess("<svg xmlns=\"http://www.w3.org/2000/svg\">"), Some(Guess::Media("an SVG image")));
        assert_eq!(guess("<?xml version='1.0'?>\n<!-- x -->\n<svg>"), Some(Guess::Media("an SVG image")));
        for text in ["failed to resolve /ipfs/bafy: no link", "404", "{not json", "[note] x", "Gr\u{fc}\u{df}e", "<", "q"] {
            assert_eq!(guess(text), Some(Guess::Text), "{text}");
        }
        // Cut inside a character, as a prefix may be.
        assert_eq!(guess(b"Gr\xc3"), Some(Guess::Text));
    }

    #[test]
    fn marks() {
        let cases: &[(&[u8], Guess)] = &[
            (b"", Guess::Empty),
            (b"\x1f\x8b\x08\0\0\0\0\0", Guess::Compressed("gzip")),
            (b"\x28\xb5\x2f\xfd\x24\x00", Guess::Compressed("zstd")),
            (b"\xfd7zXZ\0\0", Guess::Compressed("xz")),
            (b"BZh91AY&SY", Guess::Compressed("bzip2")),
            (b"PK\x03\x04\x14\0", Guess::Archive("ZIP")),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Guess::Media("a PNG image")),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", Guess::Media("a JPEG image")),
            (b"GIF89a\x01\0", Guess::Media("a GIF image")),
            (b"RIFF\x24\0\0\0WEBPVP8 ", Guess::Media("a WebP image")),
            (b"\0\0\0\x20ftypisom", Guess::Media("an MP4 film")),
            (b"%PDF-1.7\n%\xe2\xe3", Guess::Media("a PDF document")),
            (&[0; 64], Guess::Zeros),
        ];
        for (bytes, expected) in cases {
            assert_eq!(guess(bytes), Some(*expected));
        }
        let mut tar = vec![0; 512];
        tar[..5].copy_from_slice(b"a.car");
        tar[257..262].copy_from_slice(b"ustar");
        assert_eq!(guess(tar), Some(Guess::Archive("tar")));
    }

    #[test]
    fn cars_get_no_guess_unless_text_tools_touched_them() {
        let v1 = b"\x3a\xa2\x65roots\x81\xd8\x2a\x58\x25\0\x01\x71\x12\x20";
        let v2 = b"\x0a\xa1\x67version\x02\0\0";
        for car in [&v1[..], v2, b"\x19\xa2\x67version\x01\x65roots"] {
            assert_eq!(guess(car), None);
            assert_eq!(guess([BOM, car].concat()), Some(Guess::BomBeforeCar));
        }
        assert_eq!(guess(b"\x81\x08\x01\0\0\0\x12\0\0\0\0\0\0\0\x01\0\0\0\x28\0\0\0"), Some(Guess::DetachedIndex));
        assert_eq!(guess(b"\x9c\xfe\x00\x01"), None);
    }

    #[test]
    fn bare_blocks() {
        let cid = b"\x01\x55\x00\x03abc";
        let link = [b"\x12\x0b\x0a\x07", &cid[..], b"\x12\x00"].concat();
        for node in [&link[..], b"\x0a\x04\x08\x02\x18\x00", b"\x0a\x02\x08\x01", b"\x0a\x80\x80\x10\x08\x02\x12\xfa\xff\x0f"] {
            assert_eq!(guess(node), Some(Guess::DagPbBlock), "{node:?}");
        }
        for node in [&b"\xa1\x65hello\x65world"[..], b"\xb8\x20\x61a\x01", b"\x82\xd8\x2a\x58\x25\x00\x01"] {
            assert_eq!(guess(node), Some(Guess::DagCborBlock), "{node:?}");
        }
    }

    #[test]
    fn gateway_errors() {
        let text = b"\n\n[Gateway Error: Response truncated - failed to read block]";
        assert!(is_gateway_error(text));
        assert_eq!(guess(text), Some(Guess::GatewayError));
        for other in [&b"\n[Gateway Error:"[..], b"\n\n[Gateway Error", b"\n\n", b"", b"\x0a\x01\x55\0\0"] {
            assert!(!is_gateway_error(other));
        }
    }

    #[test]
    fn every_guess_is_one_plain_sentence() {
        for (_, guess) in MAGIC.iter().copied().chain([(&b""[..], Guess::Empty), (b"", Guess::DagPbBlock), (b"", Guess::Zeros)]) {
            let text = guess.to_string();
            assert!(text.is_ascii() && !text.ends_with('.') && text.len() < 120, "{text}");
        }
        assert_eq!(Guess::Media("a PNG image").to_string(), "this is a PNG image, not a CAR");
    }

    #[test]
    fn no_prefix_of_anything_panics() {
        for (bytes, _) in MAGIC {
            for len in 0..=bytes.len() {
                not_a_car(&bytes[..len]);
            }
        }
        for byte in 0..=255u8 {
            for len in 1..40 {
                not_a_car(&vec![byte; len]);
            }
        }
    }
}
