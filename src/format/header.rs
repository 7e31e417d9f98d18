//! The CARv1 header: `uvarint(length)` and a DAG-CBOR map of exactly `roots` and `version` (CARv1 specification, "Header").
//!
//! Read strictly: shortest integers, definite lengths, no other key, no duplicate. Only the order of the two keys and
//! the length in front of a root's bytes are relaxed, because files that break those rules are in use. Nothing is nested deeper than a root's tag, so nothing recurses.

use crate::cid::{Cid, RawCid};
use crate::error::{Code, Error, Result};
use crate::offset::FileOffset;
use crate::varint;

/// A CARv1 header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    cbor: Vec<u8>,
    /// Where each root's CID stands in `cbor`.
    roots: Vec<(u32, u8)>,
    canonical: bool,
}

impl Header {
    /// The header's roots, in order, duplicates included.
    pub fn roots(&self) -> impl ExactSizeIterator<Item = RawCid<'_>> + '_ {
        self.roots.iter().map(|&(start, len)| {
            let start = start as usize;
            let bytes = self.cbor.get(start..start.saturating_add(usize::from(len))).unwrap_or_default();
            // Parsed once already; the empty fallback cannot be reached.
            RawCid::parse(bytes).unwrap_or(EMPTY)
        })
    }

    /// Bytes of the DAG-CBOR map, without its length varint.
    pub fn cbor_len(&self) -> usize {
        self.cbor.len()
    }

    /// Bytes of the whole header, length varint included.
    pub fn encoded_len(&self) -> u64 {
        (self.cbor.len() as u64).saturating_add(varint::encoded_len(self.cbor.len() as u64) as u64)
    }

    /// Whether the header is in DAG-CBOR's one form: keys in order, every number in its shortest form.
    pub fn is_canonical(&self) -> bool {
        self.canonical
    }

    /// Reads the map; `at` is where its first byte stands in the file.
    ///
    /// # Errors
    /// [`Code::BadHeader`] or [`Code::UnsupportedVersion`] at the byte concerned.
    pub fn parse(cbor: Vec<u8>, at: FileOffset) -> Result<Header> {
        let mut cursor = Cursor { bytes: &cbor, at: 0, base: at, relaxed: false };
        let pairs = cursor.head(MAP, "a map of roots and version")?;
        let (mut roots, mut version, mut version_first) = (None, None, false);
        if pairs > 2 {
            return Err(cursor.error(0, format!("the header map has {pairs} entries, expected 2 (roots and version)")));
        }
        for _ in 0..pairs {
            let key_at = cursor.at;
            let key_len = cursor.head(TEXT, "a text key")?;
            let key = cursor.take(key_len, "key")?;
            match key {
                b"roots" if roots.is_none() => roots = Some(read_roots(&mut cursor)?),
                b"version" if version.is_none() => {
                    version_first = roots.is_none();
                    let version_at = cursor.at;
                    version = Some((cursor.head(UINT, "an unsigned version number")?, version_at));
                }
                b"roots" | b"version" => return Err(cursor.error(key_at, "the header has a key twice".to_owned())),
                other => {
                    let text = String::from_utf8_lossy(other.get(..32).unwrap_or(other)).into_owned();
                    return Err(
                        cursor.error(key_at, format!("the header has an unknown key {text:?}, expected roots and version"))
                    );
                }
            }
        }
        let Some((version, version_at)) = version else { return Err(cursor.error(0, "the header has no version".to_owned())) };
        if version != 1 {
            let hint = if version == 2 { " here (a CARv2 file starts with the 11-byte pragma)" } else { "" };
            let message = format!("CAR version {version}, expected 1{hint}");
            return Err(Error::format(Code::UnsupportedVersion, at.plus(version_at as u64), message));
        }
        let Some(roots) = roots else { return Err(cursor.error(0, "the header has no roots list".to_owned())) };
        let left = cbor.len().saturating_sub(cursor.at);
        if left > 0 {
            return Err(cursor.error(cursor.at, format!("{left} bytes follow the header's map")));
        }
        let canonical = !version_first && !cursor.relaxed;
        Ok(Header { cbor, roots, canonical })
    }

    /// The header for these roots.
    pub fn new<'a>(roots: impl ExactSizeIterator<Item = RawCid<'a>>) -> Header {
        let mut cbor = vec![0xa2];
        put_head(TEXT, 5, &mut cbor);
        cbor.extend(b"roots");
        put_head(ARRAY, roots.len() as u64, &mut cbor);
        let mut spans = Vec::with_capacity(roots.len());
        for root in roots {
            put_head(TAG, 42, &mut cbor);
            put_head(BYTES, (root.bytes().len() as u64).saturating_add(1), &mut cbor);
            cbor.push(0);
            spans.push((cbor.len() as u32, root.bytes().len() as u8));
            cbor.extend(root.bytes());
        }
        put_head(TEXT, 7, &mut cbor);
        cbor.extend(b"version\x01");
        Header { cbor, roots: spans, canonical: true }
    }

    /// The header for these owned roots.
    pub fn from_cids(roots: &[Cid]) -> Header {
        let bytes: Vec<Vec<u8>> = roots.iter().map(Cid::to_bytes).collect();
        Header::new(bytes.iter().map(|b| RawCid::parse(b).unwrap_or(EMPTY)))
    }

    /// Length varint and map, as they stand at the front of a CARv1.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.cbor.len().saturating_add(varint::LEN_MAX));
        varint::write(self.cbor.len() as u64, &mut out);
        out.extend(&self.cbor);
        out
    }
}

/// `bafkqaaa`, the empty identity CID.
const EMPTY: RawCid<'static> = RawCid::EMPTY;

const UINT: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;

fn put_head(major: u8, value: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    match value {
        0..=23 => out.push(major | value as u8),
        24..=0xff => out.extend([major | 24, value as u8]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend((value as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend((value as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend(value.to_be_bytes());
        }
    }
}

fn read_roots(cursor: &mut Cursor<'_>) -> Result<Vec<(u32, u8)>> {
    let count = cursor.head(ARRAY, "a list of roots")?;
    // No capacity from the claim: the list grows with the roots actually found.
    let mut roots = Vec::new();
    for n in 0..count {
        let at = cursor.at;
        let tag = cursor.head(TAG, "a root's link (tag 42)")?;
        if tag != 42 {
            return Err(cursor.error(at, format!("root {n} has tag {tag}, expected 42")));
        }
        let len = cursor.head(BYTES, "a root's CID as bytes")?;
        let bytes = cursor.take(len, "root")?;
        let Some((0, cid)) = bytes.split_first() else {
            return Err(cursor.error(at, format!("root {n} is not a link: its bytes do not start with 0x00")));
        };
        let cid = RawCid::parse(cid).map_err(|e| cursor.error(at, format!("root {n}: {e}")))?;
        let start = cursor.at.saturating_sub(cid.bytes().len());
        roots.push((start as u32, cid.bytes().len() as u8));
    }
    Ok(roots)
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    base: FileOffset,
    /// Whether something was not in its shortest form.
    relaxed: bool,
}

impl<'a> Cursor<'a> {
    fn error(&self, at: usize, message: String) -> Error {
        Error::format(Code::BadHeader, self.base.plus(at as u64), message)
    }

    fn take(&mut self, len: u64, what: &str) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if len > rest.len() as u64 {
            let message = format!("a {what} of {len} bytes in a header with {} bytes left", rest.len());
            return Err(self.error(self.at, message));
        }
        let taken = rest.get(..len as usize).unwrap_or_default();
        self.at = self.at.saturating_add(taken.len());
        Ok(taken)
    }

    /// Reads an item head of this major type and returns its number.
    fn head(&mut self, major: u8, expected: &str) -> Result<u64> {
        let at = self.at;
        let first = *self.take(1, "CBOR item")?.first().unwrap_or(&0);
        if first >> 5 != major {
            return Err(self.error(at, format!("expected {expected}, found a CBOR item of type {} (0x{first:02x})", first >> 5)));
        }
        let (len, least) = match first & 31 {
            value @ 0..=23 => return Ok(u64::from(value)),
            24 => (1, 24),
            25 => (2, 0x100),
            26 => (4, 0x1_0000),
            27 => (8, 0x1_0000_0000),
            _ => return Err(self.error(at, format!("expected {expected} of definite length, found 0x{first:02x}"))),
        };
        let value = self.take(len, "CBOR number")?.iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
        if value < least {
            // Files with a longer head in front of a root's bytes are in use; a version or a count in such a form is not.
            if major != BYTES {
                return Err(self.error(at, format!("the number {value} is not in its shortest form")));
            }
            self.relaxed = true;
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cid::parse_text;

    #[test]
    fn writes_and_reads_back() {
        let a = parse_text("bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi").unwrap();
        let b = parse_text("QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR").unwrap();
        for roots in [vec![], vec![a], vec![a, b, a], vec![a; 300]] {
            let header = Header::from_cids(&roots);
            let read = Header::parse(header.cbor.clone(), FileOffset(1)).unwrap();
            assert_eq!(read, header);
            assert_eq!(read.roots().map(|r| r.to_cid()).collect::<Vec<_>>(), roots);
            assert_eq!(header.encode().len() as u64, header.encoded_len());
        }
    }

    #[test]
    fn every_cut_is_an_error() {
        let a = parse_text("bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi").unwrap();
        let cbor = Header::from_cids(&[a, a]).cbor;
        for cut in 0..cbor.len() {
            assert!(Header::parse(cbor[..cut].to_vec(), FileOffset(0)).is_err(), "{cut}");
        }
    }

    #[test]
    fn version_before_roots_is_read_and_noted() {
        let cbor = b"\xa2\x67version\x01\x65roots\x80".to_vec();
        assert!(!Header::parse(cbor, FileOffset(0)).unwrap().is_canonical());
    }
}
