//! Small DAGs for tests.

use super::hamt;
use crate::block::Block;
use crate::cid::{Cid, Multihash, RawCid, codec, hash_code};
use crate::dag::pb::{self, PbLink};
use crate::store::{BlockSource, MemoryStore};
use crate::varint;

/// Makes nodes and keeps them.
#[derive(Debug, Default)]
pub(crate) struct Dag {
    pub(crate) store: MemoryStore,
}

impl BlockSource for Dag {
    fn get(&self, cid: &Cid) -> crate::error::Result<Option<Block>> {
        self.store.get(cid)
    }

    fn contains(&self, cid: &Cid) -> crate::error::Result<bool> {
        self.store.contains(cid)
    }
}

/// The CID of bytes that need not be in any store.
pub(crate) fn cid_of(codec: u64, data: &[u8]) -> Cid {
    let digest = crate::hash::digest(hash_code::SHA2_256, data, 32).unwrap();
    Cid::new_v1(codec, Multihash::wrap(hash_code::SHA2_256, digest.bytes()).unwrap())
}

fn field(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    varint::write(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn number(tag: u8, value: u64, out: &mut Vec<u8>) {
    out.push(tag);
    varint::write(value, out);
}

/// The `Data` message of a UnixFS node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message {
    pub(crate) kind: u64,
    pub(crate) data: Option<Vec<u8>>,
    pub(crate) filesize: Option<u64>,
    pub(crate) blocksizes: Vec<u64>,
    pub(crate) fanout: Option<u64>,
    pub(crate) mode: Option<u32>,
    pub(crate) mtime: Option<(i64, u32)>,
}

impl Message {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        number(0x08, self.kind, &mut out);
        self.data.iter().for_each(|data| field(0x12, data, &mut out));
        self.filesize.iter().for_each(|size| number(0x18, *size, &mut out));
        self.blocksizes.iter().for_each(|size| number(0x20, *size, &mut out));
        if let Some(fanout) = self.fanout {
            number(0x28, 0x22, &mut out);
            number(0x30, fanout, &mut out);
        }
        self.mode.iter().for_each(|mode| number(0x38, u64::from(*mode), &mut out));
        if let Some((seconds, nanos)) = self.mtime {
            let mut time = Vec::new();
            number(0x08, seconds as u64, &mut time);
            if nanos > 0 {
                time.push(0x15);
                time.extend(nanos.to_le_bytes());
            }
            field(0x42, &time, &mut out);
        }
        out
    }
}

impl Dag {
    pub(crate) fn put(&mut self, codec: u64, data: &[u8]) -> Cid {
        let cid = cid_of(codec, data);
        self.store.insert(Block::new(cid, data.to_vec()).unwrap());
        cid
    }

    pub(crate) fn raw(&mut self, data: &[u8]) -> Cid {
        self.put(codec::RAW, data)
    }

    pub(crate) fn node(&mut self, links: &[(&[u8], Cid)], message: &Message) -> Cid {
        let block = encode(links, message);
        self.put(codec::DAG_PB, &block)
    }

    /// A file node of these parts, with the sizes it claims for them.
    pub(crate) fn file(&mut self, parts: &[(Cid, u64)]) -> Cid {
        let blocksizes: Vec<u64> = parts.iter().map(|(_, size)| *size).collect();
        let links: Vec<(&[u8], Cid)> = parts.iter().map(|(cid, _)| (&b""[..], *cid)).collect();
        let filesize = Some(blocksizes.iter().fold(0, |sum: u64, size| sum.wrapping_add(*size)));
        self.node(&links, &Message { kind: 2, filesize, blocksizes, ..Message::default() })
    }

    pub(crate) fn directory(&mut self, entries: &[(&str, Cid)]) -> Cid {
        let links: Vec<(&[u8], Cid)> = entries.iter().map(|(name, cid)| (name.as_bytes(), *cid)).collect();
        self.node(&links, &Message { kind: 1, ..Message::default() })
    }

    pub(crate) fn symlink(&mut self, target: &str) -> Cid {
        self.node(&[], &Message { kind: 4, data: Some(target.into()), ..Message::default() })
    }

    /// A shard whose links have their bucket in front of the name already.
    pub(crate) fn shard(&mut self, fanout: u64, links: &[(&str, Cid)]) -> Cid {
        let links: Vec<(&[u8], Cid)> = links.iter().map(|(name, cid)| (name.as_bytes(), *cid)).collect();
        let width = hamt::Fanout::new(Some(fanout)).map_or(2, hamt::Fanout::prefix_len);
        let mut bitfield = vec![0u8; (fanout / 8) as usize];
        for (name, _) in &links {
            let bucket = std::str::from_utf8(&name[..width]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
            if let Some(byte) = bucket.and_then(|bucket| bitfield.iter_mut().rev().nth(bucket / 8)) {
                *byte |= 1 << (bucket.unwrap_or(0) % 8);
            }
        }
        let bitfield = bitfield.into_iter().skip_while(|byte| *byte == 0).collect();
        self.node(&links, &Message { kind: 5, data: Some(bitfield), fanout: Some(fanout), ..Message::default() })
    }
}

pub(crate) fn encode(links: &[(&[u8], Cid)], message: &Message) -> Vec<u8> {
    let cids: Vec<Vec<u8>> = links.iter().map(|(_, cid)| cid.to_bytes()).collect();
    let links: Vec<PbLink<'_>> = links
        .iter()
        .zip(&cids)
        .map(|((name, _), cid)| PbLink { cid: RawCid::parse(cid).unwrap(), name: Some(name), tsize: Some(7) })
        .collect();
    pb::encode(&links, Some(&message.encode()))
}

/// The bucket of a name, as a shard at this path of earlier buckets writes it (fanout 256).
pub(crate) fn bucket(name: &str, level: u32) -> String {
    format!("{:02X}", hamt::hash(name.as_bytes()).wrapping_shr(56 - 8 * level) & 0xff)
}
