//! Small archives made by hand, so that the tests that need no fixtures need none.

use cid::Cid;
use multihash::Multihash;
use sha2::{Digest, Sha256};

/// A block: its CID and its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) cid: Cid,
    pub(crate) data: Vec<u8>,
}

/// Lower-case hex of the SHA-256 of the bytes.
pub(crate) fn sha256(data: &[u8]) -> String {
    hex(&Sha256::digest(data))
}

/// Lower-case hex.
pub(crate) fn hex(data: &[u8]) -> String {
    data.iter().map(|b| format!("{b:02x}")).collect()
}

fn block(codec: u64, data: Vec<u8>) -> Block {
    let digest = Multihash::wrap(0x12, &Sha256::digest(&data)).expect("32 bytes fit");
    Block { cid: Cid::new_v1(codec, digest), data }
}

/// A raw block.
pub(crate) fn raw(data: &[u8]) -> Block {
    block(0x55, data.to_vec())
}

/// A dag-cbor block of one of the small values used here.
pub(crate) fn cbor(data: &[u8]) -> Block {
    block(0x71, data.to_vec())
}

/// A UnixFS directory of these entries, which must come sorted.
pub(crate) fn directory(entries: &[(&str, &Block)]) -> Block {
    let mut node = Vec::new();
    for (name, child) in entries {
        let mut link = Vec::new();
        field(&mut link, 1, &child.cid.to_bytes());
        field(&mut link, 2, name.as_bytes());
        link.push(3 << 3);
        varint(&mut link, child.data.len() as u64);
        field(&mut node, 2, &link);
    }
    field(&mut node, 1, &[0x08, 0x01]);
    block(0x70, node)
}

fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A CARv1 of at most 23 roots, all of 36 bytes, and these sections.
pub(crate) fn car(roots: &[&Block], blocks: &[&Block]) -> Vec<u8> {
    let mut header = b"\xa2\x65roots".to_vec();
    header.push(0x80 + roots.len() as u8);
    for root in roots {
        header.extend_from_slice(b"\xd8\x2a\x58\x25\x00");
        header.extend_from_slice(&root.cid.to_bytes());
    }
    header.extend_from_slice(b"\x67version\x01");
    let mut out = Vec::new();
    varint(&mut out, header.len() as u64);
    out.extend_from_slice(&header);
    for block in blocks {
        out.extend_from_slice(&section(block));
    }
    out
}

/// One section.
pub(crate) fn section(block: &Block) -> Vec<u8> {
    let cid = block.cid.to_bytes();
    let mut out = Vec::new();
    varint(&mut out, (cid.len() + block.data.len()) as u64);
    out.extend_from_slice(&cid);
    out.extend_from_slice(&block.data);
    out
}

/// A whole small archive: one directory of two files, `a.txt` and `sub/b.bin`.
#[derive(Debug)]
pub(crate) struct Small {
    pub(crate) root: Block,
    pub(crate) sub: Block,
    pub(crate) a: Block,
    pub(crate) b: Block,
    pub(crate) bytes: Vec<u8>,
}

/// Builds [`Small`].
pub(crate) fn small() -> Small {
    let (a, b) = (raw(b"hello\n"), raw(&[0, 1, 2, 3, 4, 5, 6, 7]));
    let sub = directory(&[("b.bin", &b)]);
    let root = directory(&[("a.txt", &a), ("sub", &sub)]);
    let bytes = car(&[&root], &[&root, &a, &sub, &b]);
    Small { root, sub, a, b, bytes }
}
