//! Walks over everything below a root: files, directories, symlinks, and what is missing or broken, each with its path.

use super::directory::Directory;
use super::file::{FileInfo, FileReader};
use super::keys::{Key, Keys};
use super::node::{Node, fault, is_leaf_codec, load, too_deep};
use super::{Budget, EntryName, Kind, Mtime, Notes, Strictness};
use crate::block::Block;
use crate::cid::{Cid, codec};
use crate::error::{Code, Error, ErrorKind, Result};
use crate::store::BlockSource;
use std::fmt;

/// Whether raw blocks are read when only their names are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RawLeaves {
    /// Yes: their sizes are known, and they are proven.
    #[default]
    Read,
    /// No: only whether they are there is looked at.
    Find,
}

/// A depth-first walk. Directories come before what is in them, entries in the order of their directory.
///
/// What is wrong with one entry is an entry, so that the others are still walked. A link is never followed twice at the same place;
/// symlinks are not followed at all.
pub struct Walk<'s, S: ?Sized> {
    source: &'s S,
    strictness: Strictness,
    raw_leaves: RawLeaves,
    root: Option<Cid>,
    path: Vec<u8>,
    levels: Vec<Level<'s, S>>,
    /// Whether the last entry opened the last level.
    entered: bool,
    late_notes: Vec<(Vec<u8>, Notes)>,
}

struct Level<'s, S: ?Sized> {
    content: Content<'s, S>,
    cid: Cid,
    path_len: usize,
}

enum Content<'s, S: ?Sized> {
    /// With the notes that its entry had.
    Directory(Directory<'s, S>, Notes),
    Keys(Keys),
}

impl<S: BlockSource + ?Sized> Level<'_, S> {
    fn held(&self) -> usize {
        match &self.content {
            Content::Directory(directory, _) => directory.held(),
            Content::Keys(keys) => keys.held(),
        }
    }
}

/// One thing that a walk came to.
#[derive(Debug)]
pub struct Entry {
    /// The names from the root, joined with `/`; raw bytes, empty for the root itself. Every name but the last is checked; the
    /// last is when the kind is not [`EntryKind::Broken`].
    pub path: Vec<u8>,
    /// Where the last name starts in the path.
    name_at: usize,
    /// How many directories it is in: 0 for the root.
    pub depth: usize,
    /// The link that led here. For a map inside a block, that block; for a missing shard, the shard, with the directory's path.
    pub cid: Cid,
    /// What it is.
    pub kind: EntryKind,
    /// The size of a file in bytes, when known.
    pub size: Option<u64>,
    /// File mode; only the low twelve bits have a meaning.
    pub mode: Option<u32>,
    /// Time of last change.
    pub mtime: Option<Mtime>,
    /// What is unusual about the node.
    pub notes: Notes,
    /// The root block of a file, so that it need not be read again.
    block: Option<Block>,
}

/// What an [`Entry`] is.
#[derive(Debug)]
pub enum EntryKind {
    /// A file.
    File,
    /// A directory; its entries follow.
    Directory,
    /// A map or list with links inside a dag-cbor or dag-json block; what it links to follows.
    Map,
    /// A symlink.
    Symlink {
        /// Where it points: raw bytes, not checked in any way.
        target: Vec<u8>,
    },
    /// A block that is no UnixFS: of another codec, and without links that are read here.
    Other,
    /// A block that is not there.
    Missing,
    /// A block or a name that is not what it should be.
    Broken(Error),
}

impl Entry {
    /// The last name of the path; empty for the root.
    pub fn name(&self) -> &[u8] {
        self.path.get(self.name_at..).unwrap_or_default()
    }

    /// Opens a file, without reading its root a second time.
    ///
    /// # Errors
    /// As [`FileReader::open`].
    pub fn open<'s, S: BlockSource + ?Sized>(&mut self, source: &'s S, strictness: Strictness) -> Result<FileReader<'s, S>> {
        match self.block.take() {
            Some(block) => FileReader::from_block(source, block, strictness),
            None => FileReader::open(source, &self.cid, strictness),
        }
    }

    fn set_info(&mut self, info: FileInfo) {
        (self.size, self.mode, self.mtime, self.notes) = (Some(info.size), info.mode, info.mtime, info.notes);
    }
}

impl<S: ?Sized> fmt::Debug for Walk<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walk").field("path", &self.path.escape_ascii().to_string()).finish_non_exhaustive()
    }
}

/// Errors behind which nothing more can be read: everything else concerns one entry.
fn ends_walk(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Io(_) | ErrorKind::Interrupted | ErrorKind::Limit("--max-entries" | "--max-bytes"))
}

impl<'s, S: BlockSource + ?Sized> Walk<'s, S> {
    /// A walk over what is below `root`, and `root` itself. Nothing is read yet.
    pub fn new(source: &'s S, root: &Cid, strictness: Strictness, raw_leaves: RawLeaves) -> Walk<'s, S> {
        let (path, levels, late_notes) = (Vec::new(), Vec::new(), Vec::new());
        Walk { source, strictness, raw_leaves, root: Some(*root), path, levels, entered: false, late_notes }
    }

    /// Leaves out what is in the directory that was the last entry.
    pub fn skip_directory(&mut self) {
        if std::mem::take(&mut self.entered) {
            self.levels.pop();
        }
    }

    /// Notes on directories that became known only behind their entry, in a shard; each with the directory's path.
    pub fn take_late_notes(&mut self) -> Vec<(Vec<u8>, Notes)> {
        std::mem::take(&mut self.late_notes)
    }

    /// The next entry; `None` at the end.
    ///
    /// # Errors
    /// Only what ends the walk: a failed read, or [`ErrorKind::Limit`] with `--max-entries`.
    pub fn next_entry(&mut self, budget: &mut Budget) -> Result<Option<Entry>> {
        self.entered = false;
        if let Some(root) = self.root.take() {
            budget.add_entry()?;
            return self.visit(root, 0, budget).map(Some);
        }
        while let Some(level) = self.levels.last_mut() {
            self.path.truncate(level.path_len);
            let next = match &mut level.content {
                Content::Directory(directory, _) => directory.next_entry(budget).map(|e| e.map(|e| (e.name, Key::Link(e.cid)))),
                Content::Keys(keys) => Ok(keys.next()),
            };
            let parent = level.cid;
            match next {
                Ok(None) => {
                    if let Content::Directory(directory, known) = &level.content
                        && directory.notes() != *known
                    {
                        self.late_notes.push((self.path.clone(), directory.notes()));
                    }
                    self.levels.pop();
                }
                Ok(Some((name, key))) => {
                    budget.add_entry()?;
                    return self.child(parent, &name, key, budget).map(Some);
                }
                Err(error) if ends_walk(&error.kind) => return Err(error),
                Err(error) => {
                    budget.add_entry()?;
                    let cid = error.cid.as_deref().copied().unwrap_or(parent);
                    let mut entry = self.entry(cid, self.path.len());
                    entry.fail(error);
                    return Ok(Some(entry));
                }
            }
        }
        Ok(None)
    }

    fn child(&mut self, parent: Cid, name: &[u8], key: Key, budget: &mut Budget) -> Result<Entry> {
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        let name_at = self.path.len();
        self.path.extend_from_slice(name);
        if let Err(why) = EntryName::try_from(name) {
            let cid = if let Key::Link(cid) = key { cid } else { parent };
            let mut entry = self.entry(cid, name_at);
            entry.fail(fault(self.source, &parent, format!("{why}, in a directory")));
            return Ok(entry);
        }
        match key {
            Key::Link(cid) => self.visit(cid, name_at, budget),
            Key::Inner(keys) => {
                let mut entry = self.entry(parent, name_at);
                match self.descend(Content::Keys(keys), parent, budget) {
                    Ok(()) => entry.kind = EntryKind::Map,
                    Err(error) => entry.fail(error),
                }
                Ok(entry)
            }
        }
    }

    fn entry(&self, cid: Cid, name_at: usize) -> Entry {
        Entry {
            path: self.path.clone(),
            name_at,
            depth: self.levels.len(),
            cid,
            kind: EntryKind::Other,
            size: None,
            mode: None,
            mtime: None,
            notes: Notes::default(),
            block: None,
        }
    }

    /// Finds out what a link leads to.
    fn visit(&mut self, cid: Cid, name_at: usize, budget: &mut Budget) -> Result<Entry> {
        let mut entry = self.entry(cid, name_at);
        match self.read(&mut entry, budget) {
            Err(error) if ends_walk(&error.kind) => return Err(error),
            Err(error) => entry.fail(error),
            Ok(()) => {}
        }
        Ok(entry)
    }

    fn read(&mut self, entry: &mut Entry, budget: &mut Budget) -> Result<()> {
        let (source, cid) = (self.source, entry.cid);
        match cid.codec() {
            code if is_leaf_codec(code) => {
                if self.raw_leaves == RawLeaves::Find {
                    entry.kind = if source.contains(&cid)? { EntryKind::File } else { EntryKind::Missing };
                    return Ok(());
                }
                let block = load(source, &cid)?;
                entry.kind = EntryKind::File;
                entry.set_info(FileInfo { size: block.data().len() as u64, ..FileInfo::default() });
                entry.block = Some(block);
                Ok(())
            }
            codec::DAG_PB => self.read_unixfs(entry, load(source, &cid)?, budget),
            codec::DAG_CBOR | codec::DAG_JSON => {
                let keys = Keys::read(source, &load(source, &cid)?, budget)?;
                if !keys.is_empty() {
                    self.descend(Content::Keys(keys), cid, budget)?;
                    entry.kind = EntryKind::Map;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn read_unixfs(&mut self, entry: &mut Entry, block: Block, budget: &mut Budget) -> Result<()> {
        let node = Node::parse(self.source, &block)?;
        let unixfs = node.unixfs;
        entry.set_info(FileInfo { size: 0, mode: unixfs.mode, mtime: unixfs.mtime, notes: unixfs.notes });
        entry.size = None;
        match unixfs.kind {
            Kind::Directory | Kind::HamtShard => {
                let directory = Directory::from_node(self.source, &block, &node, budget)?;
                entry.notes = directory.notes();
                let content = Content::Directory(directory, entry.notes);
                self.descend(content, entry.cid, budget)?;
                entry.kind = EntryKind::Directory;
            }
            Kind::Symlink => {
                node.check(self.strictness).map_err(|e| fault(self.source, block.cid(), e))?;
                entry.kind = EntryKind::Symlink { target: unixfs.data.unwrap_or_default().to_vec() };
            }
            Kind::File | Kind::Raw => {
                drop(node);
                let (info, block) = FileReader::from_block(self.source, block, self.strictness)?.into_root();
                entry.set_info(info);
                entry.kind = EntryKind::File;
                entry.block = Some(block);
            }
            Kind::Metadata => {
                return Err(fault(self.source, block.cid(), "a UnixFS node of the reserved type Metadata"));
            }
        }
        Ok(())
    }

    fn descend(&mut self, content: Content<'s, S>, cid: Cid, budget: &Budget) -> Result<()> {
        let depth_max = budget.limits().depth_max;
        if self.levels.len() >= depth_max as usize {
            return Err(too_deep(&cid, "directories", depth_max));
        }
        let level = Level { content, cid, path_len: self.path.len() };
        let held = self.levels.iter().map(Level::held).fold(level.held(), usize::saturating_add);
        budget.check_held(held, &cid)?;
        self.levels.push(level);
        self.entered = true;
        Ok(())
    }
}

impl Entry {
    fn fail(&mut self, error: Error) {
        self.kind = match error.code() {
            // The block itself; a fault that something else is missing keeps its message.
            Some(Code::MissingBlock) => EntryKind::Missing,
            _ => EntryKind::Broken(error),
        };
    }
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
