//! One UnixFS directory above all members (`--wrap`).

use crate::cid::{Cid, RawCid, codec, hash_code};
use crate::dag::pb::{self, PbLink};
use crate::error::{Error, Result};
use crate::format::Header;
use crate::hash;
use crate::store::{Key, Keyer};
use crate::unixfs::EntryName;
use crate::unixfs::data::DIRECTORY;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// The longest directory block written: what every implementation takes.
const DIRECTORY_LEN_MAX: usize = 1 << 20;
/// Bytes of the header with one root that [`Directory`] has.
pub(super) const CID_BYTES: [u8; 36] = {
    let mut bytes = [0; 36];
    (bytes[0], bytes[1], bytes[2], bytes[3]) = (1, codec::DAG_PB as u8, hash_code::SHA2_256 as u8, 32);
    bytes
};

/// Blocks to look out for while the inputs are read, and what was seen of them.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// `None` until the block was seen; then what kubo would call its cumulative size.
    sizes: HashMap<Key, Option<u64>>,
}

impl Watch {
    pub(super) fn add(&mut self, keyer: &Keyer, cid: RawCid<'_>) {
        let size = cid.is_identity().then(|| cumulative_size(cid, cid.digest()));
        self.sizes.insert(keyer.key(cid.hash_code(), cid.digest()), size);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    /// Looks at a block that was proven.
    pub(super) fn see(&mut self, keyer: &Keyer, cid: RawCid<'_>, data: &[u8]) {
        if let Some(size) = self.sizes.get_mut(&keyer.key(cid.hash_code(), cid.digest())) {
            *size = Some(cumulative_size(cid, data));
        }
    }

    /// Notes a block of which only the length is at hand.
    pub(super) fn see_len(&mut self, keyer: &Keyer, cid: RawCid<'_>, len: u64) {
        if let Some(size) = self.sizes.get_mut(&keyer.key(cid.hash_code(), cid.digest())) {
            *size = Some(len);
        }
    }

    fn size(&self, keyer: &Keyer, cid: RawCid<'_>) -> Option<u64> {
        self.sizes.get(&keyer.key(cid.hash_code(), cid.digest())).copied().flatten()
    }

    /// Whether the block was seen.
    pub(super) fn has(&self, keyer: &Keyer, cid: RawCid<'_>) -> bool {
        self.size(keyer, cid).is_some()
    }
}

/// What kubo writes as Tsize of a link to this block: its length, for dag-pb with the Tsizes of its own links.
fn cumulative_size(cid: RawCid<'_>, data: &[u8]) -> u64 {
    let mut size = data.len() as u64;
    if cid.codec() == codec::DAG_PB {
        let mut below = 0u64;
        if pb::scan(data, |link| below = below.saturating_add(link.tsize.unwrap_or(0))).is_ok() {
            size = size.saturating_add(below);
        }
    }
    size
}

/// One root of one input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    stem: Vec<u8>,
    cid: Vec<u8>,
    /// Whether the CID is part of the name.
    long: bool,
}

impl Member {
    fn name(&self) -> Vec<u8> {
        if self.long { [&self.stem[..], b"-", self.text().as_bytes()].concat() } else { self.stem.clone() }
    }

    fn text(&self) -> String {
        RawCid::parse(&self.cid).unwrap_or(RawCid::EMPTY).to_string()
    }
}

/// The members of the directory to be.
#[derive(Debug, Default)]
pub(super) struct Directory {
    members: Vec<Member>,
    len: usize,
}

impl Directory {
    /// Adds the roots of one input.
    ///
    /// # Errors
    /// When the directory cannot fit into one block any more.
    pub(super) fn add(&mut self, path: &Path, header: &Header) -> Result<()> {
        let mut roots: Vec<RawCid<'_>> = header.roots().filter(|root| *root != RawCid::EMPTY).collect();
        roots.sort_unstable_by_key(|root| root.bytes());
        roots.dedup();
        let stem = stem(path);
        for root in &roots {
            self.len = self.len.saturating_add(root.bytes().len()).saturating_add(stem.len()).saturating_add(8);
            if self.len > DIRECTORY_LEN_MAX {
                return Err(too_large(self.len));
            }
            self.members.push(Member { stem: stem.clone(), cid: root.bytes().to_vec(), long: roots.len() > 1 });
        }
        Ok(())
    }

    /// The CIDs of all members.
    pub(super) fn cids(&self) -> impl Iterator<Item = RawCid<'_>> + '_ {
        self.members.iter().map(|member| RawCid::parse(&member.cid).unwrap_or(RawCid::EMPTY))
    }

    /// The names and CIDs of the entries: each name once, whatever the order of the inputs.
    fn entries(&mut self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        loop {
            let mut entries: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
            let mut clashes = Vec::new();
            for member in &self.members {
                let name = member.name();
                match entries.get(&name) {
                    Some(cid) if *cid != member.cid => clashes.push(name),
                    _ => drop(entries.insert(name, member.cid.clone())),
                }
            }
            if clashes.is_empty() {
                return entries;
            }
            // A long name ends with its own CID, so two that are equal name the same: every round lengthens at least one.
            clashes.sort_unstable();
            for member in &mut self.members {
                member.long |= clashes.binary_search(&member.name()).is_ok();
            }
        }
    }

    /// The directory's block and its CID.
    ///
    /// # Errors
    /// When the block would be longer than every implementation takes.
    pub(super) fn block(mut self, watch: &Watch, keyer: &Keyer) -> Result<(Cid, Vec<u8>)> {
        let entries = self.entries();
        let links: Vec<PbLink<'_>> = entries
            .iter()
            .map(|(name, cid)| {
                let cid = RawCid::parse(cid).unwrap_or(RawCid::EMPTY);
                PbLink { cid, name: Some(name), tsize: watch.size(keyer, cid) }
            })
            .collect();
        let data = pb::encode(&links, Some(&DIRECTORY));
        if data.len() > DIRECTORY_LEN_MAX {
            return Err(too_large(data.len()));
        }
        let digest = hash::digest(hash_code::SHA2_256, &data, 32).map_err(|why| Error::usage(why.to_string()))?;
        let mut bytes = CID_BYTES;
        if let Some((_, rest)) = bytes.split_first_chunk_mut::<4>() {
            rest.copy_from_slice(digest.bytes());
        }
        Ok((RawCid::parse(&bytes).unwrap_or(RawCid::EMPTY).to_cid(), data))
    }
}

fn too_large(len: usize) -> Error {
    Error::usage(format!(
        "the directory of all members takes {len} bytes or more, one block holds at most {DIRECTORY_LEN_MAX}: merge fewer inputs, or without --wrap"
    ))
}

/// The name of a member after its file.
fn stem(path: &Path) -> Vec<u8> {
    if path == Path::new("-") {
        return b"stdin".to_vec();
    }
    let stem = path.file_stem().unwrap_or(path.as_os_str()).as_encoded_bytes();
    // `..` and the like have no stem; nothing else on a disk can be no name of an entry.
    EntryName::try_from(stem).map_or_else(|_| b"input".to_vec(), |_| stem.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cid(letter: u8) -> Cid {
        RawCid::parse(&[1, 0x55, 0, 1, letter]).unwrap().to_cid()
    }

    fn header(letters: &[u8]) -> Header {
        Header::from_cids(&letters.iter().map(|letter| cid(*letter)).collect::<Vec<_>>())
    }

    fn names(inputs: &[(&str, &[u8])]) -> Vec<(String, Cid)> {
        let mut directory = Directory::default();
        for (path, letters) in inputs {
            directory.add(Path::new(path), &header(letters)).unwrap();
        }
        let owned = |bytes: Vec<u8>| RawCid::parse(&bytes).unwrap().to_cid();
        directory.entries().into_iter().map(|(name, cid)| (String::from_utf8(name).unwrap(), owned(cid))).collect()
    }

    #[test]
    fn names_are_unique_in_any_order() {
        let (a, b) = (cid(b'a'), cid(b'b'));
        let same = [("x/m.car", &b"a"[..]), ("y/m.car", b"a"), ("n.car", b"ba")];
        assert_eq!(names(&same), [("m".to_owned(), a), (format!("n-{a}"), a), (format!("n-{b}"), b)]);

        let taken = format!("m-{b}.car");
        let mut clash = vec![("x/m.car", &b"a"[..]), ("y/m.car", b"b"), ("-", b"b"), (&*taken, b"a")];
        let expected = [(format!("m-{a}"), a), (format!("m-{b}"), b), (format!("m-{b}-{a}"), a), ("stdin".to_owned(), b)];
        assert_eq!(names(&clash), expected);
        clash.reverse();
        assert_eq!(names(&clash), expected);
    }

    #[test]
    fn the_block_is_a_directory_with_sizes() {
        let keyer = Keyer::new();
        let mut directory = Directory::default();
        directory.add(Path::new("a.car"), &header(b"a")).unwrap();
        let mut watch = Watch::default();
        directory.cids().for_each(|cid| watch.add(&keyer, cid));
        let (cid, data) = directory.block(&watch, &keyer).unwrap();
        let node = pb::PbNode::parse(&data).unwrap();
        assert_eq!((node.links[0].name(), node.links[0].tsize, node.info.data), (&b"a"[..], Some(1), Some(&DIRECTORY[..])));
        assert!(crate::block::Block::new(cid, data).is_ok());
    }
}
