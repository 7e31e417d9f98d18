//! CARv1 archives, as iroh-car reads them.

use cid::Cid;
use futures::executor::block_on;
use iroh_car::{CarHeader, CarReader, CarWriter};
use std::collections::HashMap;
use std::fmt;

/// The eleven bytes that open every CARv2 file.
const CARV2_PRAGMA: &[u8] = b"\x0a\xa1\x67version\x02";

/// iroh-car refuses sections (CID and data) longer than this.
const SECTION_LEN_MAX: usize = 4 << 20;

/// Why iroh-car cannot read an archive that is sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It reads CARv1 only.
    CarV2,
    /// It takes a header without roots for an empty file.
    NoRoots,
    /// It reads sections of up to 4 MiB.
    SectionTooLong,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CarV2 => "iroh-car does not read CARv2",
            Self::NoRoots => "iroh-car does not read a header without roots",
            Self::SectionTooLong => "iroh-car does not read sections over 4 MiB",
        })
    }
}

/// One block with its place in the file, under the names of the specification's fixtures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The CID of the section.
    pub cid: Cid,
    /// Where the length varint starts.
    pub offset: usize,
    /// Varint, CID and data.
    pub length: usize,
    /// Where the data starts.
    pub block_offset: usize,
    /// The data.
    pub data: Vec<u8>,
}

/// What iroh-car read from one file.
#[derive(Debug)]
pub struct Archive {
    /// The roots of the header, in order.
    pub roots: Vec<Cid>,
    /// The length of the header with its length varint.
    pub header_end: usize,
    /// The sections, in file order.
    pub sections: Vec<Section>,
}

impl Archive {
    /// Reads a whole CARv1 file.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] where iroh-car cannot read a sound file.
    ///
    /// # Panics
    ///
    /// When iroh-car fails for any other reason, or leaves bytes unread: the file was said to be sound.
    pub fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.starts_with(CARV2_PRAGMA) {
            return Err(Refusal::CarV2);
        }
        block_on(Self::read_sections(bytes)).map_err(|error| match error {
            iroh_car::Error::Parsing(text) if text == "empty CAR file" => Refusal::NoRoots,
            iroh_car::Error::LdReadTooLarge(len) if len > SECTION_LEN_MAX => Refusal::SectionTooLong,
            other => panic!("iroh-car cannot read a sound archive: {other}"),
        })
    }

    async fn read_sections(bytes: &[u8]) -> Result<Self, iroh_car::Error> {
        let mut after_header = bytes;
        let roots = CarReader::new(&mut after_header).await?.header().roots().to_vec();
        let header_end = bytes.len() - after_header.len();

        let mut reader = CarReader::new(bytes).await?;
        let mut sections = Vec::new();
        let mut offset = header_end;
        while let Some((cid, data)) = reader.next_block().await? {
            let body_len = cid.encoded_len() + data.len();
            let length = varint_len(body_len) + body_len;
            let block_offset = offset + length - data.len();
            // iroh-car tells no offsets; these are right if every length varint is the shortest.
            assert!(bytes[block_offset..].starts_with(&data), "the data of {cid} is not at {block_offset}");
            sections.push(Section { cid, offset, length, block_offset, data });
            offset += length;
        }
        // It takes a file cut inside a length varint for a complete one.
        assert_eq!(offset, bytes.len(), "iroh-car stopped before the end of a sound archive");
        Ok(Self { roots, header_end, sections })
    }

    /// The blocks by CID; of equal CIDs, the first.
    #[must_use]
    pub fn blocks(&self) -> Blocks<'_> {
        let mut blocks = HashMap::with_capacity(self.sections.len());
        for section in &self.sections {
            blocks.entry(as_v1(&section.cid)).or_insert(section.data.as_slice());
        }
        Blocks(blocks)
    }
}

/// One name for a block that has two: CIDv0 and CIDv1 of a dag-pb block.
#[must_use]
pub fn as_v1(cid: &Cid) -> Cid {
    Cid::new_v1(cid.codec(), *cid.hash())
}

/// The blocks of an archive.
#[derive(Debug)]
pub struct Blocks<'a>(HashMap<Cid, &'a [u8]>);

impl Blocks<'_> {
    /// The data of `cid`: from the archive, or from the CID itself when its hash function is identity.
    #[must_use]
    pub fn get(&self, cid: &Cid) -> Option<Vec<u8>> {
        self.0.get(&as_v1(cid)).map(|data| data.to_vec()).or_else(|| is_identity(cid).then(|| cid.hash().digest().to_vec()))
    }

    /// Whether the archive holds a section for `cid`.
    #[must_use]
    pub fn holds(&self, cid: &Cid) -> bool {
        self.0.contains_key(&as_v1(cid))
    }
}

/// Whether the digest of `cid` is the data itself.
#[must_use]
pub fn is_identity(cid: &Cid) -> bool {
    cid.hash().code() == 0x00
}

/// Writes a CARv1 file with iroh-car's writer.
///
/// # Panics
///
/// When iroh-car cannot write to memory.
#[must_use]
pub fn write<'a>(roots: &[Cid], sections: impl IntoIterator<Item = &'a Section>) -> Vec<u8> {
    block_on(async {
        let mut writer = CarWriter::new(CarHeader::new_v1(roots.to_vec()), Vec::new());
        writer.write_header().await?;
        for section in sections {
            writer.write(section.cid, &section.data).await?;
        }
        writer.finish().await
    })
    .unwrap_or_else(|error: iroh_car::Error| panic!("iroh-car cannot write to memory: {error}"))
}

fn varint_len(value: usize) -> usize {
    (value.checked_ilog2().unwrap_or(0) / 7 + 1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Cid {
        text.parse().unwrap()
    }

    fn section(cid: Cid, data: &[u8]) -> Section {
        Section { cid, offset: 0, length: 0, block_offset: 0, data: data.to_vec() }
    }

    #[test]
    fn varint_lengths() {
        assert_eq!([0, 127, 128, 16_383, 16_384].map(varint_len), [1, 1, 2, 2, 3]);
    }

    #[test]
    fn what_is_written_is_read_with_its_places() {
        let root = raw("bafkqaaa");
        let other = raw("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy");
        let bytes = write(&[root], &[section(root, b""), section(other, &[7; 200])]);
        let archive = Archive::read(&bytes).unwrap();
        assert_eq!(archive.roots, [root]);
        let places: Vec<_> = archive.sections.iter().map(|s| (s.cid, s.offset, s.length, s.block_offset)).collect();
        let start = archive.header_end;
        assert_eq!(places, [(root, start, 5, start + 5), (other, start + 5, 238, start + 43)]);
        assert_eq!(&bytes[archive.sections[1].block_offset..], &[7; 200]);
        assert!(archive.blocks().holds(&other));
    }

    #[test]
    fn refusals_are_told_by_rule() {
        let no_roots = write(&[], &[]);
        assert_eq!(Archive::read(&no_roots).unwrap_err(), Refusal::NoRoots);
        let long = write(&[raw("bafkqaaa")], &[section(raw("bafkqaaa"), &vec![0; SECTION_LEN_MAX])]);
        assert_eq!(Archive::read(&long).unwrap_err(), Refusal::SectionTooLong);
        assert_eq!(Archive::read(b"\x0a\xa1\x67version\x02").unwrap_err(), Refusal::CarV2);
    }

    #[test]
    #[should_panic(expected = "stopped before the end")]
    fn a_cut_section_varint_is_not_an_end() {
        let mut bytes = write(&[raw("bafkqaaa")], &[]);
        bytes.push(0x80);
        let _ = Archive::read(&bytes);
    }
}
