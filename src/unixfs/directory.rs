//! Directories: the entries of a plain one or of a HAMT, one after the other (UnixFS specification, "Directory" and "HAMTShard").

use super::hamt::{self, Fanout, ShardPath};
use super::node::{LinkList, Node, fault, load, unknown_codec};
use super::{Budget, EntryName, Kind, Mtime, Note, Notes, Violation, rules};
use crate::block::Block;
use crate::cid::{Cid, codec};
use crate::error::{Code, ErrorKind, Result};
use crate::store::BlockSource;
use std::fmt;

/// The entries of one directory: of a plain one in the order of the block, of a HAMT in the order of the buckets as linked.
///
/// Shards are read when the listing comes to them. Memory is bounded by the shards between the root shard and one entry.
pub struct Directory<'s, S: ?Sized> {
    source: &'s S,
    /// The open nodes, the root first. A plain directory has one.
    open: Vec<OpenNode>,
    mode: Option<u32>,
    mtime: Option<Mtime>,
    notes: Notes,
    fanout: Option<Fanout>,
}

struct OpenNode {
    links: LinkList,
    /// Of a shard: its fanout and the buckets that lead to it.
    shard: Option<(Fanout, ShardPath)>,
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// Its name: raw bytes. Checked, unless `Directory` said otherwise; see [`DirEntry::checked_name`].
    pub name: Vec<u8>,
    /// What it is.
    pub cid: Cid,
    /// What the writer claims the linked DAG takes, in bytes: a hint, never to be relied on.
    pub tsize: Option<u64>,
}

impl DirEntry {
    /// The name, when it is one that an entry may have.
    ///
    /// # Errors
    /// [`NameError`](super::name::NameError) for `..` and the like.
    pub fn checked_name(&self) -> std::result::Result<EntryName<'_>, super::name::NameError> {
        EntryName::try_from(&self.name[..])
    }
}

impl<S: ?Sized> fmt::Debug for Directory<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("levels", &self.open.len()).field("notes", &self.notes).finish_non_exhaustive()
    }
}

impl<'s, S: BlockSource + ?Sized> Directory<'s, S> {
    /// Reads the root of a directory.
    ///
    /// # Errors
    /// [`ErrorKind::Missing`] when it is not there, and as [`Directory::from_block`].
    pub fn open(source: &'s S, cid: &Cid, budget: &mut Budget) -> Result<Directory<'s, S>> {
        Directory::from_block(source, &load(source, cid)?, budget)
    }

    /// As [`Directory::open`], of a root that was read before.
    ///
    /// # Errors
    /// When it is no directory, when two entries have one name, when a shard breaks a rule, or at a limit.
    pub fn from_block(source: &'s S, root: &Block, budget: &mut Budget) -> Result<Directory<'s, S>> {
        if root.cid().codec() != codec::DAG_PB {
            return Err(unknown_codec(source, root.cid(), "a directory: dag-pb"));
        }
        Directory::from_node(source, root, &Node::parse(source, root)?, budget)
    }

    pub(super) fn from_node(source: &'s S, root: &Block, node: &Node<'_>, budget: &mut Budget) -> Result<Directory<'s, S>> {
        let (mode, mtime, notes) = (node.unixfs.mode, node.unixfs.mtime, node.unixfs.notes);
        let mut directory = Directory { source, open: Vec::new(), mode, mtime, notes, fanout: None };
        directory.enter(root, node, ShardPath::root(), budget)?;
        Ok(directory)
    }

    /// File mode; only the low twelve bits have a meaning.
    pub fn mode(&self) -> Option<u32> {
        self.mode
    }

    /// Time of last change.
    pub fn mtime(&self) -> Option<Mtime> {
        self.mtime
    }

    /// What is unusual about the nodes read so far.
    pub fn notes(&self) -> Notes {
        self.notes
    }

    /// Bytes held for the nodes that are open.
    pub(super) fn held(&self) -> usize {
        self.open.iter().map(|node| node.links.len()).fold(0, usize::saturating_add)
    }

    /// The next entry; `None` at the end. Entries with forbidden names are listed as well: see [`DirEntry::checked_name`].
    ///
    /// # Errors
    /// A shard that is missing or damaged: the listing goes on behind it. Any other error (a shard that breaks a rule, a failed
    /// read, a limit) ends the listing, because the names behind it could not be trusted to be the only ones.
    pub fn next_entry(&mut self, budget: &mut Budget) -> Result<Option<DirEntry>> {
        while let Some(node) = self.open.last_mut() {
            let Some(link) = node.links.next() else {
                self.open.pop();
                continue;
            };
            let prefix_len = node.shard.map_or(0, |(fanout, _)| fanout.prefix_len());
            let (prefix, name) = link.name.split_at_checked(prefix_len).unwrap_or_default();
            let cid = link.cid.to_cid();
            match node.shard {
                Some((fanout, path)) if name.is_empty() => {
                    // Both were checked when the shard was opened.
                    let bucket = hamt::parse_bucket(prefix).unwrap_or_default();
                    let inner = path.bucket(fanout, bucket).map_err(|e| fault(self.source, &cid, e));
                    if let Err(error) = inner.and_then(|path| self.enter_shard(&cid, path, budget)) {
                        if !is_damage(&error.kind) {
                            self.open.clear();
                        }
                        return Err(error);
                    }
                }
                _ => return Ok(Some(DirEntry { name: name.to_vec(), cid, tsize: link.size })),
            }
        }
        Ok(None)
    }

    fn enter_shard(&mut self, cid: &Cid, path: ShardPath, budget: &mut Budget) -> Result<()> {
        if cid.codec() != codec::DAG_PB {
            return Err(fault(self.source, cid, "a link to a shard leads to a block that is not dag-pb"));
        }
        let block = load(self.source, cid)?;
        let node = Node::parse(self.source, &block)?;
        if node.unixfs.kind != Kind::HamtShard {
            let message = format!("a UnixFS node of type {}, expected a shard of its directory", node.unixfs.kind.as_str());
            return Err(fault(self.source, cid, message));
        }
        self.enter(&block, &node, path, budget)
    }

    /// Checks a node of the directory and opens it.
    fn enter(&mut self, block: &Block, node: &Node<'_>, path: ShardPath, budget: &mut Budget) -> Result<()> {
        let cid = block.cid();
        budget.visit_directory(cid, node.links.len()).map_err(|e| e.cid(*cid))?;
        let shard = match node.unixfs.kind {
            Kind::Directory => rules::check_names_differ(&node.links).map(|()| None),
            Kind::HamtShard => check_shard(node, path, self.open.len()).map(|checked| {
                checked.notes.iter().for_each(|note| self.notes.insert(note));
                Some((checked.fanout, path))
            }),
            kind => {
                let message = format!("a UnixFS node of type {}, expected a directory", kind.as_str());
                return Err(fault(self.source, cid, message));
            }
        };
        let shard = shard.map_err(|e| fault(self.source, cid, e))?;
        if let Some((fanout, _)) = shard
            && *self.fanout.get_or_insert(fanout) != fanout
        {
            self.notes.insert(Note::MixedFanout);
        }
        let mut links = LinkList::default();
        node.links.iter().for_each(|link| links.push(link.cid, link.tsize, link.name()));
        budget.check_held(self.held().saturating_add(links.len()), cid)?;
        self.open.push(OpenNode { links, shard });
        Ok(())
    }
}

/// Faults of single blocks, behind which the other shards still hold the names they should.
fn is_damage(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Missing | ErrorKind::Unsupported(_) | ErrorKind::Format(Code::HashMismatch | Code::Truncated))
}

/// A shard that was checked.
pub(super) struct Checked {
    pub(super) fanout: Fanout,
    /// How many bits of a name's hash are used up before this shard's own.
    pub(super) used: u32,
    pub(super) notes: Notes,
}

/// Everything the specification asks of a shard at this place, `level` shards below the root; forbidden names are left to the caller.
///
/// When fanouts differ, the specification does not say whether a shard's bits follow those used above it or start at its level times
/// its own width. Both are taken, but one for the whole shard, so that a name still has one place only.
pub(super) fn check_shard(node: &Node<'_>, path: ShardPath, level: usize) -> std::result::Result<Checked, Violation> {
    let check = |used: u32| {
        let scanned = node.unixfs.scan_shard(&node.links, |_, fanout, bucket, name| {
            let is_right = path.leads_to(name) && fanout.bucket(hamt::hash(name), used) == Some(bucket);
            if is_right { Ok(()) } else { Err(Violation::WrongBucket { name: name.into() }) }
        });
        scanned.map(|(fanout, notes)| Checked { fanout, used, notes })
    };
    let wrong = match check(path.bits()) {
        Err(wrong @ Violation::WrongBucket { .. }) => wrong,
        checked => return checked,
    };
    let by_level = Fanout::new(node.unixfs.fanout)?.bits().saturating_mul(u32::try_from(level).unwrap_or(u32::MAX));
    if by_level == path.bits() { Err(wrong) } else { check(by_level).map_err(|_| wrong) }
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;
