//! The archive itself: a CARv1 of one DAG, children before their parents, the root's CID put into the header last.

use sha2::{Digest as _, Sha256};
use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Result, Seek as _, SeekFrom, Write as _};
use std::path::Path;

const RAW: u8 = 0x55;
const DAG_PB: u8 = 0x70;
const DAG_CBOR: u8 = 0x71;

/// The leaves of an archive and the nodes above them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Raw leaves of 1 MiB under UnixFS file nodes of 1024 links: the profile `unixfs-v1-2025`.
    Raw1M,
    /// UnixFS leaves of 256 KiB under file nodes of 174 links: the profile `unixfs-v0-2015`, with CIDv1.
    Pb256K,
    /// Leaves of 150 to 400 bytes, raw and dag-cbor in turn, under dag-cbor lists of 8 links.
    Tiny,
    /// Raw leaves of 100 bytes under UnixFS file nodes of 1024 links: a file cut into as many blocks as one likes.
    Raw100,
}

impl Kind {
    fn width(self) -> usize {
        match self {
            Self::Raw1M | Self::Raw100 => 1024,
            Self::Pb256K => 174,
            Self::Tiny => 8,
        }
    }

    /// The content of a leaf, on average.
    fn leaf_len(self) -> u64 {
        match self {
            Self::Raw1M => 1 << 20,
            Self::Pb256K => 1 << 18,
            Self::Tiny => 275,
            Self::Raw100 => 100,
        }
    }
}

/// What a parent says of its child.
struct Child {
    cid: [u8; 36],
    /// Bytes of file content below.
    content_len: u64,
    /// Bytes of blocks below, each as often as it is linked to.
    dag_len: u64,
}

/// SplitMix64: fast, and any seed will do.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn append(&mut self, bytes: &mut Vec<u8>, len: usize) {
        let end = bytes.len() + len;
        bytes.reserve(len + 8);
        while bytes.len() < end {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(end);
    }
}

fn append_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// A protobuf field of bytes.
fn append_field(bytes: &mut Vec<u8>, tag: u8, value: &[u8]) {
    bytes.push(tag);
    append_varint(bytes, value.len() as u64);
    bytes.extend_from_slice(value);
}

/// A CARv1 that grows: a header whose root is not known yet, then sections.
struct Archive {
    out: BufWriter<File>,
    len: u64,
    blocks: u64,
}

impl Archive {
    /// Where the root's CID stands: after the header's length, `a2 65 "roots" 81`, and the tag and head of a link.
    const ROOT_OFFSET: u64 = 1 + 8 + 5;

    fn create(path: &Path) -> Result<Self> {
        let mut header = vec![0xa2, 0x65];
        header.extend_from_slice(b"roots\x81\xd8\x2a\x58\x25\x00");
        header.extend_from_slice(&[0; 36]);
        header.extend_from_slice(b"\x67version\x01");
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        out.write_all(&[header.len() as u8])?;
        out.write_all(&header)?;
        Ok(Self { out, len: header.len() as u64 + 1, blocks: 0 })
    }

    fn append(&mut self, codec: u8, data: &[u8]) -> Result<[u8; 36]> {
        let mut cid = [0; 36];
        cid[..4].copy_from_slice(&[1, codec, 0x12, 0x20]);
        cid[4..].copy_from_slice(&Sha256::digest(data));
        let mut head = Vec::with_capacity(46);
        append_varint(&mut head, (cid.len() + data.len()) as u64);
        head.extend_from_slice(&cid);
        self.out.write_all(&head)?;
        self.out.write_all(data)?;
        self.len += (head.len() + data.len()) as u64;
        self.blocks += 1;
        Ok(cid)
    }

    fn finish(mut self, root: &[u8; 36]) -> Result<()> {
        self.out.seek(SeekFrom::Start(Self::ROOT_OFFSET))?;
        self.out.write_all(root)?;
        self.out.flush()
    }
}

/// A balanced DAG that grows leaf by leaf: on each level the children that have no parent yet.
struct Tree {
    kind: Kind,
    levels: Vec<Vec<Child>>,
}

impl Tree {
    /// Adds a child at a level; a level that is full gets its parent first.
    fn push(&mut self, archive: &mut Archive, mut level: usize, mut child: Child) -> Result<()> {
        loop {
            if self.levels.len() == level {
                self.levels.push(Vec::with_capacity(self.kind.width()));
            }
            if self.levels[level].len() < self.kind.width() {
                self.levels[level].push(child);
                return Ok(());
            }
            let parent = self.write_parent(archive, level)?;
            self.levels[level].push(child);
            (level, child) = (level + 1, parent);
        }
    }

    fn write_parent(&mut self, archive: &mut Archive, level: usize) -> Result<Child> {
        let children = std::mem::take(&mut self.levels[level]);
        let content_len = children.iter().map(|child| child.content_len).sum();
        let (codec, data) = match self.kind {
            Kind::Tiny => (DAG_CBOR, cbor_list(&children)),
            Kind::Raw1M | Kind::Pb256K | Kind::Raw100 => (DAG_PB, file_node(&children, content_len)),
        };
        let dag_len = data.len() as u64 + children.iter().map(|child| child.dag_len).sum::<u64>();
        Ok(Child { cid: archive.append(codec, &data)?, content_len, dag_len })
    }

    /// Gives every child its parent, a lone last one too, as balanced layouts do, up to the root.
    fn finish(mut self, archive: &mut Archive) -> Result<[u8; 36]> {
        let mut level = 0;
        loop {
            let top = level + 1 == self.levels.len();
            if let (true, [root]) = (top, self.levels[level].as_slice()) {
                return Ok(root.cid);
            }
            let parent = self.write_parent(archive, level)?;
            level += 1;
            self.push(archive, level, parent)?;
        }
    }
}

/// A dag-cbor list of at most 23 links.
fn cbor_list(children: &[Child]) -> Vec<u8> {
    let mut data = vec![0x80 | children.len() as u8];
    for child in children {
        data.extend_from_slice(&[0xd8, 0x2a, 0x58, 0x25, 0x00]);
        data.extend_from_slice(&child.cid);
    }
    data
}

/// A dag-pb node of a UnixFS file: nameless links, then the lengths of what is behind each.
fn file_node(children: &[Child], content_len: u64) -> Vec<u8> {
    let mut data = Vec::with_capacity(children.len() * 56);
    let mut unixfs = vec![0x08, 0x02, 0x18];
    append_varint(&mut unixfs, content_len);
    for child in children {
        let mut link = Vec::with_capacity(52);
        append_field(&mut link, 0x0a, &child.cid);
        append_field(&mut link, 0x12, b"");
        link.push(0x18);
        append_varint(&mut link, child.dag_len);
        append_field(&mut data, 0x12, &link);
        unixfs.push(0x20);
        append_varint(&mut unixfs, child.content_len);
    }
    append_field(&mut data, 0x0a, &unixfs);
    data
}

/// The codec and bytes of a leaf that holds `content_len` bytes of content.
fn leaf(kind: Kind, number: u64, noise: &mut Noise, content_len: u64, data: &mut Vec<u8>) -> u8 {
    data.clear();
    match kind {
        Kind::Raw1M | Kind::Raw100 => {
            noise.append(data, content_len as usize);
            RAW
        }
        Kind::Pb256K => {
            let mut unixfs = vec![0x08, 0x02, 0x12];
            append_varint(&mut unixfs, content_len);
            noise.append(&mut unixfs, content_len as usize);
            unixfs.push(0x18);
            append_varint(&mut unixfs, content_len);
            append_field(data, 0x0a, &unixfs);
            DAG_PB
        }
        Kind::Tiny => {
            let block_len = 150 + noise.next() % 251;
            if number.is_multiple_of(2) {
                noise.append(data, block_len as usize);
                return RAW;
            }
            // One byte string, whose head is three bytes from 256 bytes on.
            let bytes_len = if block_len > 258 { block_len - 3 } else { block_len.min(257) - 2 };
            match u8::try_from(bytes_len) {
                Ok(short) => data.extend_from_slice(&[0x58, short]),
                Err(_) => data.extend_from_slice(&[0x59, (bytes_len >> 8) as u8, bytes_len as u8]),
            }
            noise.append(data, bytes_len as usize);
            DAG_CBOR
        }
    }
}

/// How many blocks a DAG of so many leaves has.
fn block_count(kind: Kind, leaves: u64) -> u64 {
    let (mut total, mut level) = (leaves, leaves);
    while level > 1 {
        level = level.div_ceil(kind.width() as u64);
        total += level;
    }
    total
}

/// The most leaves whose DAG has no more blocks than that.
fn leaf_count(kind: Kind, blocks: u64) -> u64 {
    // Parents are one in `width - 1`: fewer than a fourth.
    let mut leaves = blocks / 8 * 6;
    while block_count(kind, leaves + 1) <= blocks {
        leaves += 1;
    }
    leaves
}

/// How much to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// Bytes of content; for `tiny` what that is on average.
    Bytes(u64),
    /// Blocks, at most.
    Blocks(u64),
}

/// What to write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recipe {
    pub(crate) kind: Kind,
    pub(crate) size: Size,
    pub(crate) seed: u64,
    /// So many of a hundred leaves are the same in archives of any seed.
    pub(crate) shared_percent: u64,
}

impl Recipe {
    /// Whether a leaf is the same for any seed. Such leaves are spread evenly.
    fn is_shared(&self, number: u64) -> bool {
        let before = |number: u64| number * self.shared_percent / 100;
        before(number) != before(number + 1)
    }
}

/// What was written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    pub(crate) blocks: u64,
    pub(crate) leaves: u64,
    /// Length of the archive.
    pub(crate) len: u64,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} blocks ({} leaves), {} bytes", self.blocks, self.leaves, self.len)
    }
}

/// Writes an archive: the same bytes for the same recipe.
pub(crate) fn write(path: &Path, recipe: &Recipe) -> Result<Written> {
    let kind = recipe.kind;
    let content_len = match recipe.size {
        Size::Bytes(len) => len,
        Size::Blocks(blocks) => leaf_count(kind, blocks) * kind.leaf_len(),
    };
    let mut archive = Archive::create(path)?;
    let mut tree = Tree { kind, levels: Vec::new() };
    let mut own = Noise(recipe.seed);
    let mut data = Vec::new();
    let leaves = content_len.div_ceil(kind.leaf_len()).max(1);
    for number in 0..leaves {
        let left = content_len - number * kind.leaf_len();
        let leaf_len = left.min(kind.leaf_len());
        let mut shared = Noise(Noise(number).next());
        let noise = if recipe.is_shared(number) { &mut shared } else { &mut own };
        let codec = leaf(kind, number, noise, leaf_len, &mut data);
        let cid = archive.append(codec, &data)?;
        tree.push(&mut archive, 0, Child { cid, content_len: leaf_len, dag_len: data.len() as u64 })?;
    }
    let root = tree.finish(&mut archive)?;
    let written = Written { blocks: archive.blocks, leaves, len: archive.len };
    archive.finish(&root)?;
    Ok(written)
}
