//! What links to what, small enough for millions of blocks: about 55 bytes a block, plus the links of inner nodes.
//!
//! Blocks arrive in any order and are gone after they were looked at, so that a stream can be checked as well as a
//! file. A node is a multihash; the codec is part of the link, because it decides which links are followed.

use super::table::Table;
use crate::cid::{Cid, RawCid, codec};
use crate::store::{Key, Keyer};
use crate::varint;
use std::collections::{HashMap, HashSet};

/// How a block's links are read. Blocks of one multihash may be linked under several codecs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Class {
    /// No links by definition, or a codec whose links nobody here reads.
    Leaf,
    DagPb,
    DagCbor,
    DagJson,
}

impl Class {
    pub(crate) fn of(codec: u64) -> Class {
        match codec {
            codec::DAG_PB => Class::DagPb,
            codec::DAG_CBOR => Class::DagCbor,
            codec::DAG_JSON => Class::DagJson,
            _ => Class::Leaf,
        }
    }

    fn from_byte(byte: u8) -> Class {
        match byte {
            1 => Class::DagPb,
            2 => Class::DagCbor,
            3 => Class::DagJson,
            _ => Class::Leaf,
        }
    }
}

/// A node of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(pub(crate) u32);

const ABSENT: u64 = 1 << 63;
/// The place of a block that only links carry.
const INLINE: u64 = 1 << 62;
const NO_LINKS: u64 = u64::MAX;

#[derive(Debug, Clone, Copy)]
struct Node {
    /// What the table does not hold of the node's [`Key`], in two parts: together they would leave a gap.
    key_low: u32,
    key_high: u64,
    /// File offset of the first section; with the top bit set, where the CID stands in `wanted` instead.
    place: u64,
    /// Where the node's links stand in `links`, as read under `class`.
    links: u64,
    /// The codec's low half and the version of the first section's CID.
    codec: u32,
    version: u8,
    class: Class,
    /// The size of the file that this node is, or [`UNKNOWN`], [`NOT_A_FILE`] or [`LARGE`].
    size: u32,
}

/// Of a node that was not read.
const UNKNOWN: u32 = u32::MAX;
/// Of a node that is no file or part of one.
const NOT_A_FILE: u32 = u32::MAX - 2;
/// Of a file whose size does not fit: it is in [`Graph::large`].
const LARGE: u32 = u32::MAX - 1;

/// What a section adds to the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// A block not seen before.
    New,
    /// A known block under another version or codec of its CID.
    OtherForm,
    /// A known block under a known CID.
    Duplicate,
}

/// One link as it is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link<'g> {
    pub(crate) target: NodeId,
    pub(crate) class: Class,
    /// What the link adds to a UnixFS path; empty for chunks and inner HAMT shards.
    pub(crate) segment: &'g [u8],
    /// The size of the part of a file that the link leads to, as the file says.
    pub(crate) part_size: Option<u64>,
}

/// A link to keep.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewLink<'l> {
    pub(crate) target: NodeId,
    pub(crate) class: Class,
    pub(crate) segment: &'l [u8],
    pub(crate) part_size: Option<u64>,
}

/// In the byte of a link's class: a part size follows.
const HAS_PART_SIZE: u8 = 0x80;

/// A place in a node's list of links.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinkCursor {
    at: u64,
    left: u64,
}

/// All blocks seen and all links between them.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    keyer: Keyer,
    table: Table,
    nodes: Vec<Node>,
    /// The node of the last block and of the last link: the next is often the one behind it.
    last_block: u32,
    last_link: u32,
    /// Per list: CID length and CID of the owner, count, then target, class, perhaps a part size, segment length and segment
    /// of each link.
    links: Vec<u8>,
    /// CIDs of blocks that are linked and not seen yet: node, length, bytes.
    wanted: Vec<u8>,
    wanted_live: usize,
    /// Further versions and codecs under which a block stands in the archive.
    other_forms: HashSet<(u32, u32, u8)>,
    /// Sizes of large files.
    large: HashMap<u32, u64>,
    /// Links of a node read under a second codec.
    second: HashMap<(u32, Class), u64>,
}

impl Graph {
    pub(crate) fn keyer(&self) -> Keyer {
        self.keyer
    }

    pub(crate) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The node of this key, and whether it is new. `guess` is looked at first.
    fn entry(&mut self, key: Key, guess: u32) -> (u32, bool) {
        let (tag, rest) = split(key);
        if self.nodes.get(guess as usize).is_some_and(|node| (node.key_low, node.key_high) == rest) {
            return (guess, false);
        }
        let id = self.nodes.len() as u32;
        let nodes = &self.nodes;
        let same = |id: u32| nodes.get(id as usize).is_some_and(|node| (node.key_low, node.key_high) == rest);
        if let Some(id) = self.table.find_or_insert(tag, id, same) {
            return (id, false);
        }
        let (key_low, key_high) = rest;
        let (place, links, class) = (ABSENT, NO_LINKS, Class::Leaf);
        self.nodes.push(Node { key_low, key_high, place, links, codec: 0, version: 0, class, size: UNKNOWN });
        (id, true)
    }

    fn lookup(&self, tag: u32, rest: (u32, u64)) -> Option<u32> {
        self.table.find(tag, |id| self.nodes.get(id as usize).is_some_and(|node| (node.key_low, node.key_high) == rest))
    }

    /// Brings the places of keys into the cache that will be looked up soon.
    pub(crate) fn warm(&self, keys: impl Iterator<Item = Key>) {
        std::hint::black_box(keys.fold(0, |sum, key| sum ^ self.table.warm(split(key).0)));
    }

    /// Notes that the block is there, at this file offset.
    pub(crate) fn add_block(&mut self, key: Key, at: u64, codec: u64, version: u8) -> (NodeId, Arrival) {
        let (id, new) = self.entry(key, self.last_block.wrapping_add(1));
        self.last_block = id;
        let Some(node) = self.nodes.get_mut(id as usize) else { return (NodeId(id), Arrival::Duplicate) };
        if node.place & ABSENT == 0 && node.place != INLINE {
            let form = (codec as u32, version);
            let known = (node.codec, node.version) == form || !self.other_forms.insert((id, form.0, form.1));
            return (NodeId(id), if known { Arrival::Duplicate } else { Arrival::OtherForm });
        }
        if !new && node.place != INLINE {
            let cid_len = self.wanted.get((node.place & !ABSENT) as usize + 4).map_or(0, |len| usize::from(*len));
            self.wanted_live = self.wanted_live.saturating_sub(cid_len + 5);
        }
        (node.place, node.codec, node.version) = (at, codec as u32, version);
        if self.wanted.len() > 2 * self.wanted_live + (1 << 20) {
            self.compact_wanted();
        }
        (NodeId(id), Arrival::New)
    }

    /// Notes a block that some link carries in itself.
    pub(crate) fn add_inline(&mut self, key: Key) -> NodeId {
        let (id, _) = self.entry(key, u32::MAX);
        match self.place(NodeId(id)) {
            Some(_) => NodeId(id),
            None => self.add_block(key, INLINE, 0, 0).0,
        }
    }

    /// Whether the block stands in the archive as a section.
    pub(crate) fn is_section(&self, id: NodeId) -> bool {
        self.place(id).is_some_and(|place| place != INLINE)
    }

    /// The node a link leads to, there or not.
    pub(crate) fn want(&mut self, key: Key, cid: &[u8]) -> NodeId {
        let (id, new) = self.entry(key, self.last_link.wrapping_add(1));
        self.last_link = id;
        if new && let Some(node) = self.nodes.get_mut(id as usize) {
            node.place = ABSENT | self.wanted.len() as u64;
            self.wanted.extend(id.to_le_bytes());
            self.wanted.push(cid.len() as u8);
            self.wanted.extend(cid);
            self.wanted_live += cid.len() + 5;
        }
        NodeId(id)
    }

    /// Drops the CIDs of blocks that have arrived.
    fn compact_wanted(&mut self) {
        let mut kept = Vec::with_capacity(self.wanted_live);
        let mut at = 0;
        while let Some(entry) = self.wanted.get(at..).filter(|rest| rest.len() >= 5) {
            let id = read_u32(entry);
            let len = 5 + entry.get(4).map_or(0, |len| usize::from(*len));
            if let Some(node) = self.nodes.get_mut(id as usize).filter(|node| node.place == ABSENT | at as u64) {
                node.place = ABSENT | kept.len() as u64;
                kept.extend_from_slice(entry.get(..len).unwrap_or_default());
            }
            at += len;
        }
        self.wanted = kept;
    }

    /// Notes the size of the file that a node is; `None` when it is no file.
    pub(crate) fn set_file_size(&mut self, id: NodeId, size: Option<u64>) {
        let short = match size {
            None => NOT_A_FILE,
            Some(size) => u32::try_from(size).ok().filter(|size| *size < NOT_A_FILE).unwrap_or(LARGE),
        };
        if let Some(size) = size.filter(|_| short == LARGE) {
            self.large.insert(id.0, size);
        }
        if let Some(node) = self.nodes.get_mut(id.0 as usize) {
            node.size = short;
        }
    }

    /// What is wrong with a part of a file: its real size, or `None` when it is no file. No answer when it is not there, was
    /// not read, or is stored under another codec.
    pub(crate) fn wrong_part(&self, part: NodeId, class: Class, expected: u64) -> Option<Option<u64>> {
        let node = self.node(part).filter(|_| self.is_present(part))?;
        if Class::of(u64::from(node.codec)) != class {
            return None;
        }
        let actual = match node.size {
            UNKNOWN => return None,
            NOT_A_FILE => None,
            LARGE => self.large.get(&part.0).copied(),
            size => Some(u64::from(size)),
        };
        (actual != Some(expected)).then_some(actual)
    }

    /// The class under which the node's links were read first; [`Class::Leaf`] when they were not.
    pub(crate) fn first_class(&self, id: NodeId) -> Class {
        self.node(id).map_or(Class::Leaf, |node| node.class)
    }

    /// Whether links of this node were read under this codec class.
    pub(crate) fn is_read(&self, id: NodeId, class: Class) -> bool {
        class == Class::Leaf || self.list(id, class).is_some() || self.node(id).is_some_and(|n| n.class == class)
    }

    /// Keeps the links of a node.
    pub(crate) fn add_links<'l>(
        &mut self,
        owner: NodeId,
        class: Class,
        cid: RawCid<'_>,
        links: impl ExactSizeIterator<Item = NewLink<'l>>,
    ) {
        if self.is_read(owner, class) {
            return;
        }
        let start = if links.len() == 0 { NO_LINKS } else { self.links.len() as u64 };
        if links.len() > 0 {
            self.links.push(cid.bytes().len() as u8);
            self.links.extend(cid.bytes());
            varint::write(links.len() as u64, &mut self.links);
            for link in links {
                self.links.extend(link.target.0.to_le_bytes());
                match link.part_size {
                    Some(size) => {
                        self.links.push(link.class as u8 | HAS_PART_SIZE);
                        varint::write(size, &mut self.links);
                    }
                    None => self.links.push(link.class as u8),
                }
                varint::write(link.segment.len() as u64, &mut self.links);
                self.links.extend(link.segment);
            }
        }
        match self.nodes.get_mut(owner.0 as usize) {
            Some(node) if node.class == Class::Leaf => {
                node.class = class;
                node.links = start;
            }
            _ => {
                self.second.insert((owner.0, class), start);
            }
        }
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0 as usize)
    }

    fn list(&self, id: NodeId, class: Class) -> Option<u64> {
        let node = self.node(id)?;
        let start = if node.class == class { node.links } else { *self.second.get(&(id.0, class))? };
        (start != NO_LINKS).then_some(start)
    }

    /// Where the first section of this block stands; `None` when it is not there.
    pub(crate) fn place(&self, id: NodeId) -> Option<u64> {
        self.node(id).map(|node| node.place).filter(|place| place & ABSENT == 0)
    }

    pub(crate) fn is_present(&self, id: NodeId) -> bool {
        self.place(id).is_some()
    }

    /// The CID of a node that is not there, as its first link names it.
    pub(crate) fn wanted_cid(&self, id: NodeId) -> &[u8] {
        let Some(node) = self.node(id).filter(|node| node.place & ABSENT != 0) else { return &[] };
        let entry = self.wanted.get((node.place & !ABSENT) as usize..).unwrap_or_default();
        let len = entry.get(4).map_or(0, |len| usize::from(*len));
        entry.get(5..5 + len).unwrap_or_default()
    }

    /// The CID under which a node's links were read; empty for a node without links.
    pub(crate) fn owner_cid(&self, id: NodeId, class: Class) -> &[u8] {
        let Some(start) = self.list(id, class) else { return &[] };
        let list = self.links.get(start as usize..).unwrap_or_default();
        let len = list.first().map_or(0, |len| usize::from(*len));
        list.get(1..1 + len).unwrap_or_default()
    }

    /// The start of a node's links.
    pub(crate) fn links(&self, id: NodeId, class: Class) -> LinkCursor {
        let Some(start) = self.list(id, class) else { return LinkCursor { at: 0, left: 0 } };
        let list = self.links.get(start as usize..).unwrap_or_default();
        let head = 1 + list.first().map_or(0, |len| usize::from(*len));
        let (left, len) = varint::read(list.get(head..).unwrap_or_default()).unwrap_or((0, 0));
        LinkCursor { at: start + (head + len) as u64, left }
    }

    /// The link at the cursor, which moves on.
    pub(crate) fn next_link(&self, cursor: &mut LinkCursor) -> Option<Link<'_>> {
        cursor.left = cursor.left.checked_sub(1)?;
        let entry = self.links.get(cursor.at as usize..)?;
        let class = *entry.get(4)?;
        let (mut start, mut part_size) = (5, None);
        if class & HAS_PART_SIZE != 0 {
            let (size, len) = varint::read(entry.get(start..)?).ok()?;
            (part_size, start) = (Some(size), start + len);
        }
        let (segment_len, len) = varint::read(entry.get(start..)?).ok()?;
        start += len;
        let segment = entry.get(start..start + segment_len as usize)?;
        cursor.at += start as u64 + segment_len;
        let class = Class::from_byte(class & !HAS_PART_SIZE);
        Some(Link { target: NodeId(read_u32(entry)), class, segment, part_size })
    }

    /// Whether the block stands in the archive only under the other CID version.
    pub(crate) fn has_other_version(&self, cid: &Cid) -> bool {
        let version = u8::from(cid.version() != ::cid::Version::V0);
        let id = self.find(self.keyer.key(cid.hash().code(), cid.hash().digest()));
        let node = id.filter(|id| self.is_section(*id)).and_then(|id| Some((id, self.node(id)?)));
        node.is_some_and(|(id, node)| node.version != version && !self.other_forms.contains(&(id.0, cid.codec() as u32, version)))
    }

    /// For each node whether some block links to it.
    pub(crate) fn linked(&self) -> Vec<bool> {
        let mut linked = vec![false; self.nodes.len()];
        for id in (0..self.nodes.len() as u32).map(NodeId) {
            for class in [Class::DagPb, Class::DagCbor, Class::DagJson] {
                let mut cursor = self.links(id, class);
                while let Some(link) = self.next_link(&mut cursor) {
                    linked.get_mut(link.target.0 as usize).into_iter().for_each(|entry| *entry = true);
                }
            }
        }
        linked
    }

    /// The node of this multihash, if anything was ever said of it.
    pub(crate) fn find(&self, key: Key) -> Option<NodeId> {
        let (tag, rest) = split(key);
        self.lookup(tag, rest).map(NodeId)
    }
}

/// The part of a key that the table holds, and the rest.
fn split(key: Key) -> (u32, (u32, u64)) {
    let [first, second] = key.0;
    (first as u32, ((first >> 32) as u32, second))
}

fn read_u32(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).rev().fold(0, |n, byte| n << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cid::hash_code;

    #[test]
    fn remembers_links_and_forgets_cids_that_arrived() {
        let mut graph = Graph::default();
        let keyer = graph.keyer();
        let cid = |n: u32| [&[1, 0x55, 0x12, 32][..], &n.to_le_bytes(), &[7; 28]].concat();
        let key = |n: u32| keyer.key(hash_code::SHA2_256, &cid(n)[4..]);
        let mut wanted = Vec::new();
        for n in 0..200_000 {
            let target = graph.want(key(n), &cid(n));
            wanted.push(NewLink { target, class: Class::Leaf, segment: b"name", part_size: Some(u64::from(n)) });
        }
        let (root, arrival) = graph.add_block(key(1_000_000), 59, 0x70, 1);
        assert_eq!(arrival, Arrival::New);
        let root_cid = cid(1_000_000);
        graph.add_links(root, Class::DagPb, RawCid::parse(&root_cid).unwrap(), wanted.iter().copied());
        for n in 0..199_999 {
            assert_eq!(graph.add_block(key(n), u64::from(n), 0x55, 1), (wanted[n as usize].target, Arrival::New));
        }
        assert_eq!(graph.add_block(key(5), 1, 0x55, 1).1, Arrival::Duplicate);
        assert_eq!(graph.add_block(key(5), 1, 0x70, 1).1, Arrival::OtherForm);
        assert_eq!(graph.add_block(key(5), 1, 0x70, 1).1, Arrival::Duplicate);
        assert!(graph.wanted.len() < 3 << 20, "{}", graph.wanted.len());
        assert_eq!(graph.wanted_cid(wanted[199_999].target), cid(199_999));
        assert_eq!(graph.owner_cid(root, Class::DagPb), root_cid);
        let mut cursor = graph.links(root, Class::DagPb);
        let mut count = 0;
        while let Some(link) = graph.next_link(&mut cursor) {
            assert_eq!((link.target, link.segment), (wanted[count].target, &b"name"[..]));
            assert_eq!(link.part_size, Some(count as u64));
            count += 1;
        }
        assert_eq!(count, 200_000);
        assert!(graph.links(root, Class::DagCbor).left == 0 && !graph.is_read(root, Class::DagCbor));
    }
}
