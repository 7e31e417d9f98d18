//! Small archives for the tests of verbs.

use crate::cid::{Cid, Multihash, RawCid, codec, hash_code};
use crate::dag::pb::{self, PbLink};
use crate::format::{Header, Writer};
use std::path::PathBuf;

/// A CID and the bytes that stand under it, matching or not.
pub(crate) type Claimed = (Cid, Vec<u8>);

pub(crate) fn cid_of(codec: u64, data: &[u8]) -> Cid {
    let digest = crate::hash::digest(hash_code::SHA2_256, data, 32).unwrap();
    Cid::new_v1(codec, Multihash::wrap(hash_code::SHA2_256, digest.bytes()).unwrap())
}

pub(crate) fn raw(data: &[u8]) -> Claimed {
    (cid_of(codec::RAW, data), data.to_vec())
}

pub(crate) fn node(links: &[(&str, &Cid)], data: Option<&[u8]>) -> Claimed {
    let cids: Vec<Vec<u8>> = links.iter().map(|(_, cid)| cid.to_bytes()).collect();
    let links: Vec<PbLink<'_>> = links
        .iter()
        .zip(&cids)
        .map(|((name, _), cid)| PbLink { cid: RawCid::parse(cid).unwrap(), name: Some(name.as_bytes()), tsize: Some(7) })
        .collect();
    let block = pb::encode(&links, data);
    (cid_of(codec::DAG_PB, &block), block)
}

pub(crate) fn directory(links: &[(&str, &Cid)]) -> Claimed {
    node(links, Some(&crate::unixfs::data::DIRECTORY))
}

pub(crate) fn car(roots: &[Cid], blocks: &[&Claimed]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &Header::from_cids(roots)).unwrap();
    for (cid, data) in blocks {
        let cid = cid.to_bytes();
        writer.write_section(RawCid::parse(&cid).unwrap(), data).unwrap();
    }
    writer.finish().unwrap()
}

/// Raw blocks, and directories of what stands before them: each number names one of those, modulo their count.
pub(crate) fn dag(leaves: &[Vec<u8>], directories: &[Vec<usize>]) -> Vec<Claimed> {
    let mut blocks: Vec<Claimed> = leaves.iter().map(|data| raw(data)).collect();
    for links in directories {
        let targets: Vec<Cid> = links.iter().filter_map(|n| Some(blocks.get(n.checked_rem(blocks.len())?)?.0)).collect();
        let names: Vec<String> = (0..targets.len()).map(|n| format!("{n:02}")).collect();
        let links: Vec<(&str, &Cid)> = names.iter().map(String::as_str).zip(&targets).collect();
        blocks.push(directory(&links));
    }
    blocks
}

/// Roots and CIDs of an archive, in order.
pub(crate) fn contents(car: &[u8]) -> (Vec<Cid>, Vec<Cid>) {
    let mut reader = crate::format::Reader::new(car, crate::limits::Limits::default()).unwrap();
    let roots = reader.header().roots().map(|root| root.to_cid()).collect();
    let (mut section, mut cids) = (crate::format::Section::default(), Vec::new());
    while reader.read_section(&mut section).unwrap() {
        assert!(crate::block::Block::new(section.cid, section.data.clone()).is_ok());
        cids.push(section.cid);
    }
    (roots, cids)
}

/// A directory with files in it, gone at the end of the test.
pub(crate) struct Files(tempfile::TempDir);

impl Files {
    pub(crate) fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(self.0.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}
