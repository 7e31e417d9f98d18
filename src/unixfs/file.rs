//! Files: the bytes of a DAG of chunks, in order (UnixFS specification, "File").
//!
//! Every claimed size is compared with what is found before a byte of it is delivered, so that a file never has more bytes than
//! its root says, and a range can be read without the chunks before it.

use super::node::{LinkList, Node, fault, is_leaf_codec, load, offset_in, too_deep, unknown_codec};
use super::{Budget, Mtime, Notes, Strictness};
use crate::block::Block;
use crate::cid::{Cid, codec};
use crate::error::{Error, Result};
use crate::store::BlockSource;
use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

/// A file whose root was read and checked.
pub struct FileReader<'s, S: ?Sized> {
    source: &'s S,
    root: Block,
    strictness: Strictness,
    info: FileInfo,
}

/// What the root of a file says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileInfo {
    /// Its size in bytes. Holds for the parts as well, or reading them fails; with [`Strictness::Lenient`] only a claim.
    pub size: u64,
    /// File mode; only the low twelve bits have a meaning.
    pub mode: Option<u32>,
    /// Time of last change.
    pub mtime: Option<Mtime>,
    /// What is unusual about the root.
    pub notes: Notes,
}

impl<S: ?Sized> fmt::Debug for FileReader<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReader").field("cid", self.root.cid()).field("info", &self.info).finish_non_exhaustive()
    }
}

impl<'s, S: BlockSource + ?Sized> FileReader<'s, S> {
    /// Reads the root of a file: raw bytes, or a UnixFS node of type File or Raw.
    ///
    /// # Errors
    /// [`ErrorKind::Missing`](crate::error::ErrorKind::Missing) when it is not there, and as [`FileReader::from_block`].
    pub fn open(source: &'s S, cid: &Cid, strictness: Strictness) -> Result<FileReader<'s, S>> {
        FileReader::from_block(source, load(source, cid)?, strictness)
    }

    /// As [`FileReader::open`], of a root that was read before.
    ///
    /// # Errors
    /// When it is no file, contradicts itself, or has a codec that holds no files.
    pub fn from_block(source: &'s S, root: Block, strictness: Strictness) -> Result<FileReader<'s, S>> {
        let info = match read_part(source, &root, strictness)? {
            Part::Leaf => FileInfo { size: root.data().len() as u64, ..FileInfo::default() },
            Part::Node(node, notes) => {
                FileInfo { size: node.unixfs.size().unwrap_or(u64::MAX), mode: node.unixfs.mode, mtime: node.unixfs.mtime, notes }
            }
        };
        Ok(FileReader { source, root, strictness, info })
    }

    /// What the root says.
    pub fn info(&self) -> &FileInfo {
        &self.info
    }

    /// The size in bytes.
    pub fn size(&self) -> u64 {
        self.info.size
    }

    /// What the root says, and the root.
    pub(super) fn into_root(self) -> (FileInfo, Block) {
        (self.info, self.root)
    }

    /// The whole file.
    ///
    /// # Errors
    /// As [`FileReader::range`].
    pub fn chunks<'b>(self, budget: &'b mut Budget) -> Result<Chunks<'s, 'b, S>> {
        let end = if self.strictness == Strictness::Strict { self.info.size } else { u64::MAX };
        self.range(0..end, budget)
    }

    /// The bytes from `range.start` to before `range.end`, as far as the file has them. Chunks outside are not read when their
    /// sizes can be relied on.
    ///
    /// # Errors
    /// [`ErrorKind::Limit`](crate::error::ErrorKind::Limit) with `--max-bytes` when that is more than the budget has left.
    pub fn range<'b>(self, range: Range<u64>, budget: &'b mut Budget) -> Result<Chunks<'s, 'b, S>> {
        let mut range = range;
        if self.strictness == Strictness::Strict {
            range.end = range.end.min(self.info.size);
            let len = range.end.saturating_sub(range.start);
            budget.add_bytes(len).map_err(|e| e.cid(*self.root.cid()))?;
        }
        let FileReader { source, root, strictness, info } = self;
        let root = Some((Arc::new(root), info.size));
        Ok(Chunks { source, strictness, budget, range, at: 0, root, last: None, stack: Vec::new(), ahead_len: 0, delivered: 0 })
    }
}

/// One block of a file.
enum Part<'b> {
    /// Bytes alone.
    Leaf,
    /// A node of type File or Raw, checked.
    Node(Node<'b>, Notes),
}

fn read_part<'b, S: BlockSource + ?Sized>(source: &S, block: &'b Block, strictness: Strictness) -> Result<Part<'b>> {
    let cid = block.cid();
    match cid.codec() {
        code if is_leaf_codec(code) => Ok(Part::Leaf),
        codec::DAG_PB => {
            let node = Node::parse(source, block)?;
            if !node.unixfs.kind.is_file() {
                let message = format!("a UnixFS node of type {}, expected a file or a part of one", node.unixfs.kind.as_str());
                return Err(fault(source, cid, message));
            }
            let mut notes = node.unixfs.notes;
            node.check(strictness).map_err(|e| fault(source, cid, e))?.iter().for_each(|note| notes.insert(note));
            Ok(Part::Node(node, notes))
        }
        _ => Err(unknown_codec(source, cid, "a file: raw or dag-pb")),
    }
}

/// The chunks of a file, in order. Made by [`FileReader::chunks`] and [`FileReader::range`].
pub struct Chunks<'s, 'b, S: ?Sized> {
    source: &'s S,
    strictness: Strictness,
    budget: &'b mut Budget,
    range: Range<u64>,
    /// The place in the file of the next byte that the walk comes to.
    at: u64,
    root: Option<(Arc<Block>, u64)>,
    /// The last part that was read: files of zeros are one part over and over.
    last: Option<Arc<Block>>,
    /// The inner nodes that are open, the root first.
    stack: Vec<Open>,
    /// Bytes of all parts that were read ahead.
    ahead_len: u64,
    delivered: u64,
}

/// Parts that are read and hashed together, when there are as many.
const AHEAD_COUNT: usize = 64;
/// Bytes of them, at most.
const AHEAD_LEN: u64 = 24 << 20;

/// An inner node.
#[derive(Default)]
struct Open {
    /// The links that are left.
    links: LinkList,
    /// The parts that the first of them lead to, as far as they were read already.
    ahead: VecDeque<Block>,
}

/// Bytes of a file, proven, without a copy.
#[derive(Debug)]
pub struct Chunk {
    block: Arc<Block>,
    range: Range<usize>,
}

impl Chunk {
    /// The bytes; never empty.
    pub fn bytes(&self) -> &[u8] {
        self.block.data().get(self.range.clone()).unwrap_or_default()
    }
}

impl<S: ?Sized> fmt::Debug for Chunks<'_, '_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunks").field("range", &self.range).field("at", &self.at).finish_non_exhaustive()
    }
}

impl<S: BlockSource + ?Sized> Chunks<'_, '_, S> {
    /// The next chunk; `None` at the end of the file or range.
    ///
    /// # Errors
    /// [`ErrorKind::Missing`](crate::error::ErrorKind::Missing) when a chunk is not there, a fault when one is not what its parent
    /// says, a limit when the parts are nested too deep or repeat too often. What was delivered before is right.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        while self.at < self.range.end {
            let (block, size) = match self.root.take() {
                Some(root) => root,
                None => match self.next_part()? {
                    Some(part) => part,
                    None => break,
                },
            };
            if let Some(chunk) = self.enter(block, size)? {
                self.delivered = self.delivered.saturating_add(chunk.range.len() as u64);
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    /// Writes all that is left to `out`: how many bytes.
    ///
    /// # Errors
    /// As [`Chunks::next_chunk`], and when writing fails.
    pub fn copy_to(mut self, out: &mut dyn Write) -> Result<u64> {
        while let Some(chunk) = self.next_chunk()? {
            out.write_all(chunk.bytes()).map_err(|e| Error::io(e, "cannot write"))?;
        }
        Ok(self.delivered)
    }

    /// The next part that holds bytes of the range.
    fn next_part(&mut self) -> Result<Option<(Arc<Block>, u64)>> {
        while let Some(open) = self.stack.last_mut() {
            let Some(link) = open.links.next() else {
                self.stack.pop();
                continue;
            };
            let size = link.size.unwrap_or_default();
            if self.strictness == Strictness::Strict {
                let end = self.at.saturating_add(size);
                // Parts of no bytes as well: there can be any number of them.
                if end <= self.range.start.max(self.at) {
                    self.at = end;
                    continue;
                }
            }
            let cid = link.cid.to_cid();
            let depth_max = self.budget.limits().depth_max;
            if self.stack.len() >= depth_max as usize {
                return Err(too_deep(&cid, "a file", depth_max));
            }
            let block = match self.last.take().filter(|last| *last.cid() == cid) {
                Some(last) => last,
                None => Arc::new(self.read(cid, size)?),
            };
            self.last = Some(Arc::clone(&block));
            return Ok(Some((block, size)));
        }
        Ok(None)
    }

    /// The part `cid` of the innermost node, of so many bytes as the node says.
    fn read(&mut self, cid: Cid, size: u64) -> Result<Block> {
        let Some(open) = self.stack.last_mut() else { return load(self.source, &cid) };
        // Parts that were passed over, or are the one before them again, are in front.
        while let Some(block) = open.ahead.pop_front() {
            self.ahead_len = self.ahead_len.saturating_sub(block.data().len() as u64);
            if *block.cid() == cid {
                return Ok(block);
            }
        }
        let room = AHEAD_LEN.saturating_sub(self.ahead_len);
        let mut cids = vec![cid];
        // What is longer than a block has parts of its own, and they come first.
        let mut end = self.at.saturating_add(size);
        for link in open.links.ahead().take(AHEAD_COUNT - 1) {
            let size = link.size.unwrap_or_default();
            if end >= self.range.end || size > self.budget.limits().section_len_max {
                break;
            }
            end = end.saturating_add(size);
            cids.push(link.cid.to_cid());
        }
        let mut blocks = self.source.get_many(&cids, room).into_iter();
        let first = blocks.next().unwrap_or_else(|| self.source.get(&cid))?;
        // A part that cannot be had is asked for again when its turn comes.
        for block in blocks.map_while(|block| block.ok().flatten()) {
            self.ahead_len = self.ahead_len.saturating_add(block.data().len() as u64);
            open.ahead.push_back(block);
        }
        first.ok_or_else(|| Error::missing("the block is not there").cid(cid))
    }

    /// Takes the bytes that a block holds itself, and opens it when it has links.
    fn enter(&mut self, block: Arc<Block>, claimed: u64) -> Result<Option<Chunk>> {
        let part = read_part(self.source, &block, self.strictness)?;
        let (bytes, actual) = match &part {
            Part::Leaf => (block.data(), block.data().len() as u64),
            Part::Node(node, _) => (node.unixfs.data.unwrap_or_default(), node.unixfs.size().unwrap_or(u64::MAX)),
        };
        if self.strictness == Strictness::Strict && actual != claimed {
            let message = format!("a part of {actual} bytes, its parent says {claimed}");
            return Err(fault(self.source, block.cid(), message));
        }
        if let Part::Node(node, _) = &part
            && !node.links.is_empty()
        {
            self.budget.visit_file(block.cid(), node.links.len()).map_err(|e| e.cid(*block.cid()))?;
            let mut links = LinkList::default();
            let mut sizes = node.unixfs.blocksizes.iter();
            for link in &node.links {
                links.push(link.cid, sizes.next(), &[]);
            }
            let held = self.stack.iter().map(|open| open.links.len()).fold(links.len(), usize::saturating_add);
            self.budget.check_held(held, block.cid())?;
            self.stack.push(Open { links, ahead: VecDeque::new() });
        }
        let start = self.range.start.saturating_sub(self.at).min(bytes.len() as u64) as usize;
        let end = self.range.end.saturating_sub(self.at).min(bytes.len() as u64) as usize;
        let first = offset_in(block.data(), bytes);
        let range = first.saturating_add(start)..first.saturating_add(end);
        self.at = self.at.saturating_add(bytes.len() as u64);
        if range.is_empty() {
            return Ok(None);
        }
        if self.strictness == Strictness::Lenient {
            self.budget.add_bytes(range.len() as u64).map_err(|e| e.cid(*block.cid()))?;
        }
        Ok(Some(Chunk { block, range }))
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
