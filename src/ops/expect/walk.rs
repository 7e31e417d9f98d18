//! Which blocks a scope takes, depth first, without recursion.

use super::{Scope, Visit};
use crate::block::Block;
use crate::cid::{Cid, RawCid, codec, hash_code, is_commitment};
use crate::control::Control;
use crate::dag::{self, pb};
use crate::error::{Code, Error, ErrorKind, Result};
use crate::ops::completeness::{MissingBlock, PathBudget};
use crate::store::{BlockSource, Key, Keyer};
use crate::unixfs::hamt::{Shard, Slot};
use crate::unixfs::{Kind, SegmentRule, UnixFs};
use hashbrown::HashTable;
use std::ops::Range;

/// What is wanted of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Want {
    /// Itself.
    Itself,
    /// Itself and what the links of the whole DAG lead to.
    All,
    /// Whatever the entity is that it is the root of.
    Entity,
    /// The part of a file that it is.
    File,
    /// These bytes of the part of a file that it is.
    Bytes(Range<u64>),
    /// The part of a directory that it is.
    Shard,
}

/// A block to come. Its CID and the segment of its link stand on top of [`Pending::bytes`] when it is on top.
#[derive(Debug)]
struct Item {
    want: Want,
    at: usize,
    cid_len: usize,
    /// Bytes of the path that its parent has.
    path_len: usize,
    /// Bytes of [`Walk::ancestors`] up to its parent, and bytes of the parent's CID, the last of them.
    ancestors_len: usize,
    parent_len: usize,
}

/// The stack.
#[derive(Debug, Default)]
struct Pending {
    items: Vec<Item>,
    bytes: Vec<u8>,
}

/// A set of fingerprints.
#[derive(Debug, Default)]
struct KeySet(HashTable<Key>);

impl KeySet {
    fn contains(&self, key: Key) -> bool {
        self.0.find(key.tag(), |found| *found == key).is_some()
    }

    /// `false` when it was there.
    fn insert(&mut self, key: Key) -> bool {
        let new = !self.contains(key);
        if new {
            self.0.insert_unique(key.tag(), key, |key| key.tag());
        }
        new
    }
}

pub(super) struct Walk<'w, S: ?Sized> {
    source: &'w S,
    control: &'w Control,
    visit: Visit<'w>,
    on_missing: &'w mut dyn FnMut(MissingBlock) -> Result<()>,
    keyer: Keyer,
    /// Blocks with everything that is wanted below them.
    done: KeySet,
    /// Blocks of which only some bytes were wanted so far: at most two a level, where a range starts and ends.
    begun: KeySet,
    path: Vec<u8>,
    /// CIDs of the blocks that the path leads through.
    ancestors: Vec<u8>,
    pending: Pending,
    /// What may be kept of the paths of missing blocks.
    paths: PathBudget,
}

impl<'w, S: BlockSource + ?Sized> Walk<'w, S> {
    pub(super) fn new(
        source: &'w S,
        control: &'w Control,
        visit: Visit<'w>,
        on_missing: &'w mut dyn FnMut(MissingBlock) -> Result<()>,
    ) -> Walk<'w, S> {
        Walk {
            source,
            control,
            visit,
            on_missing,
            keyer: Keyer::new(),
            done: KeySet::default(),
            begun: KeySet::default(),
            path: Vec::new(),
            ancestors: Vec::new(),
            pending: Pending::default(),
            paths: PathBudget::default(),
        }
    }

    /// A CIDv0 and its CIDv1 are the same here, another codec is not.
    fn key(&self, cid: &Cid) -> Key {
        let mut bytes = Vec::with_capacity(64);
        crate::varint::write(cid.codec(), &mut bytes);
        crate::varint::write(cid.hash().code(), &mut bytes);
        bytes.extend_from_slice(cid.hash().digest());
        self.keyer.bytes(&bytes)
    }

    /// Takes a block that proves the path, and nothing below it yet.
    pub(super) fn prove(&mut self, cid: &Cid) -> Result<()> {
        let key = self.key(cid);
        match self.source.get(cid)? {
            Some(block) if self.begun.insert(key) => self.tell(&block),
            Some(_) => Ok(()),
            None => (self.on_missing)(MissingBlock { cid: *cid, path: b"/".to_vec(), parent: None }),
        }
    }

    fn tell(&mut self, block: &Block) -> Result<()> {
        match &mut self.visit {
            Visit::Blocks(on_block) => on_block(block),
            Visit::Cids(on_cid) => on_cid(block.cid()),
        }
    }

    /// Tells of a block by its CID alone where that is enough: nobody wants its bytes, and it has no links.
    fn told_by_cid(&mut self, cid: &Cid, is_new: bool) -> Result<bool> {
        let Visit::Cids(on_cid) = &mut self.visit else { return Ok(false) };
        let has_links = matches!(cid.codec(), codec::DAG_PB | codec::DAG_CBOR | codec::DAG_JSON);
        if has_links || cid.hash().code() == hash_code::IDENTITY || !self.source.contains(cid)? {
            return Ok(false);
        }
        if is_new {
            on_cid(cid)?;
        }
        Ok(true)
    }

    /// Takes the blocks of `scope` from `end` on, which stands at `path`.
    pub(super) fn below(&mut self, end: &Cid, scope: Scope, path: &[u8]) -> Result<()> {
        self.path = path.to_vec();
        let want = match scope {
            Scope::Block => Want::Itself,
            Scope::All => Want::All,
            Scope::Entity(None) => Want::Entity,
            Scope::Entity(Some(range)) => match self.source.get(end)? {
                Some(block) => match file_size(&block) {
                    Some(size) if !range.within(size).is_empty() => Want::Bytes(range.within(size)),
                    // Out of range: the block proves the size.
                    Some(_) => Want::Itself,
                    None => Want::Entity,
                },
                None => Want::Itself,
            },
        };
        self.push(&end.to_bytes(), &[], want, 0);
        while let Some(item) = self.pending.items.pop() {
            self.control.check()?;
            self.take(&item)?;
        }
        Ok(())
    }

    fn push(&mut self, cid: &[u8], segment: &[u8], want: Want, parent_len: usize) {
        let at = self.pending.bytes.len();
        self.pending.bytes.extend_from_slice(cid);
        self.pending.bytes.extend_from_slice(segment);
        let (path_len, ancestors_len) = (self.path.len(), self.ancestors.len());
        self.pending.items.push(Item { want, at, cid_len: cid.len(), path_len, ancestors_len, parent_len });
    }

    fn take(&mut self, item: &Item) -> Result<()> {
        self.path.truncate(item.path_len);
        self.ancestors.truncate(item.ancestors_len);
        let (cid, segment) = self.pending.bytes.get(item.at..).and_then(|b| b.split_at_checked(item.cid_len)).unwrap_or_default();
        if !segment.is_empty() {
            self.path.push(b'/');
            self.path.extend_from_slice(segment);
        }
        let cid = RawCid::parse(cid).unwrap_or(RawCid::EMPTY).to_cid();
        self.pending.bytes.truncate(item.at);
        let key = self.key(&cid);
        if self.done.contains(key) {
            return Ok(());
        }
        let is_part = matches!(item.want, Want::Bytes(_));
        if !is_part {
            self.done.insert(key);
        }
        let is_new = if is_part { self.begun.insert(key) } else { !self.begun.contains(key) };
        if is_commitment(cid.codec()) {
            return Ok(());
        }
        if self.told_by_cid(&cid, is_new)? {
            return Ok(());
        }
        let Some(block) = self.source.get(&cid)? else {
            // Each missing block once, whichever of its bytes were wanted.
            self.done.insert(key);
            let parent = self.ancestors.len().checked_sub(item.parent_len).and_then(|start| self.ancestors.get(start..));
            let parent = parent.and_then(|bytes| RawCid::parse(bytes).ok()).map(|cid| cid.to_cid());
            let path = self.paths.keep(&self.path);
            return (self.on_missing)(MissingBlock { cid, path, parent });
        };
        if is_new && Block::from_identity(&cid).is_none() {
            self.tell(&block)?;
        }
        let start = self.ancestors.len();
        self.ancestors.extend(cid.to_bytes());
        let parent_len = self.ancestors.len().saturating_sub(start);
        self.push_links(&block, &item.want, parent_len)
    }

    /// Puts the links that are wanted of a block on the stack, the first topmost.
    fn push_links(&mut self, block: &Block, want: &Want, parent_len: usize) -> Result<()> {
        let from = self.pending.items.len();
        match want {
            Want::Itself => {}
            Want::All => self.push_all(block, parent_len)?,
            Want::Entity | Want::File | Want::Bytes(_) | Want::Shard if block.cid().codec() != codec::DAG_PB => {}
            Want::Entity | Want::File | Want::Bytes(_) | Want::Shard => self.push_unixfs(block, want, parent_len)?,
        }
        // The bytes stay where they are: only who is next changes, so the CIDs are moved with their items.
        self.pending.reverse_from(from);
        Ok(())
    }

    fn push_all(&mut self, block: &Block, parent_len: usize) -> Result<()> {
        let cid = *block.cid();
        let bad = |error: dag::NodeError| bad_node(cid, &error);
        if cid.codec() == codec::DAG_PB {
            let rule = SegmentRule::of_data(pb::scan(block.data(), |_| {}).map_err(bad)?.data);
            pb::scan(block.data(), |link| self.push(link.cid.bytes(), rule.segment(link.name()), Want::All, parent_len))
                .map_err(bad)?;
            return Ok(());
        }
        let mut segment = Vec::new();
        let mut room = dag::PathRoom::of(block.data());
        let depth_max = self.control.limits.depth_max;
        dag::links(cid.codec(), block.data(), depth_max, &mut |target, path| {
            segment.clear();
            room.write(path, &mut segment);
            self.push(target.bytes(), &segment, Want::All, parent_len);
        })
        .map_err(bad)?;
        Ok(())
    }

    fn push_unixfs(&mut self, block: &Block, want: &Want, parent_len: usize) -> Result<()> {
        let cid = *block.cid();
        let node = pb::PbNode::parse(block.data()).map_err(|e| bad_node(cid, &e))?;
        let Some(unixfs) = node.info.data.and_then(|data| UnixFs::parse(data).ok()) else {
            return match want {
                Want::Entity => Ok(()),
                _ => Err(contradiction(cid, "a part of a file or directory that is no UnixFS node")),
            };
        };
        match (want, unixfs.kind) {
            (Want::Entity | Want::File, Kind::File | Kind::Raw) => {
                node.links.iter().for_each(|link| self.push(link.cid.bytes(), &[], Want::File, parent_len));
            }
            (Want::Bytes(range), Kind::File | Kind::Raw) => {
                if unixfs.blocksizes.len() != node.links.len() {
                    let (sizes, links) = (unixfs.blocksizes.len(), node.links.len());
                    return Err(contradiction(
                        cid,
                        &format!("a file with {sizes} block sizes for {links} links, expected as many"),
                    ));
                }
                let mut start = unixfs.data.unwrap_or_default().len() as u64;
                for (link, size) in node.links.iter().zip(unixfs.blocksizes.iter()) {
                    let end = start.saturating_add(size);
                    let part = range.start.max(start)..range.end.min(end);
                    if !part.is_empty() {
                        let whole = part == (start..end);
                        let part = part.start.saturating_sub(start)..part.end.saturating_sub(start);
                        self.push(link.cid.bytes(), &[], if whole { Want::File } else { Want::Bytes(part) }, parent_len);
                    }
                    start = end;
                }
            }
            (Want::Entity | Want::Shard, Kind::HamtShard) => {
                let shard = Shard::new(&unixfs).map_err(|e| contradiction(cid, &e.to_string()))?;
                for (index, link) in node.links.iter().enumerate() {
                    let (_, slot) = shard.slot(index, link.name()).map_err(|e| contradiction(cid, &e.to_string()))?;
                    if slot == Slot::Shard {
                        self.push(link.cid.bytes(), &[], Want::Shard, parent_len);
                    }
                }
            }
            (Want::File | Want::Bytes(_) | Want::Shard, kind) => {
                return Err(contradiction(cid, &format!("a node of type {} as a part of a file or shard", kind.as_str())));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Pending {
    /// Turns the order of the items from number `from` on around, with their bytes.
    fn reverse_from(&mut self, from: usize) {
        let Some(first) = self.items.get(from) else { return };
        let base = first.at;
        let old = self.bytes.split_off(base.min(self.bytes.len()));
        let items = self.items.get_mut(from..).unwrap_or_default();
        items.reverse();
        let mut end = old.len();
        for item in items {
            let start = item.at.saturating_sub(base);
            let at = self.bytes.len();
            self.bytes.extend_from_slice(old.get(start..end).unwrap_or_default());
            item.at = at;
            end = start;
        }
    }
}

/// The size of the file that a block is the root of.
fn file_size(block: &Block) -> Option<u64> {
    match block.cid().codec() {
        codec::RAW => Some(block.data().len() as u64),
        codec::DAG_PB => {
            let info = pb::scan(block.data(), |_| {}).ok()?;
            let unixfs = info.data.and_then(|data| UnixFs::parse(data).ok())?;
            unixfs.kind.is_file().then(|| unixfs.size()).flatten()
        }
        _ => None,
    }
}

fn bad_node(cid: Cid, error: &dag::NodeError) -> Error {
    let name = crate::cid::codec_name(cid.codec());
    let kind = if error.is_limit() { ErrorKind::Limit("--max-depth") } else { ErrorKind::Format(Code::BadNode) };
    Error::new(kind, format!("not a sound {name} block: {error}")).cid(cid)
}

fn contradiction(cid: Cid, message: &str) -> Error {
    Error::new(ErrorKind::Format(Code::BadNode), format!("a UnixFS node that contradicts itself: {message}")).cid(cid)
}
