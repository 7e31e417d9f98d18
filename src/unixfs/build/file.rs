//! Lays the leaves of a file out as a tree, as they come.
//!
//! Only nodes that are not full yet are held: at most [`Profile::max_links`] links a level, and a few levels.

use super::made::{self, Emit, Made};
use super::message::{Message, Metadata};
use super::{Layout, Profile};
use crate::dag::pb::PbLink;
use crate::error::Result;
use crate::unixfs::Kind;

/// Subtrees of each depth at a node of a trickle layout.
const DEPTH_REPEAT: u32 = 4;

/// Builds one file out of its leaves.
#[derive(Debug, Clone)]
pub struct FileBuilder {
    profile: Profile,
    tree: Tree,
}

#[derive(Debug, Clone)]
enum Tree {
    /// For each level the links of its node that is not full, leaves first.
    Balanced(Vec<Vec<Made>>),
    /// The nodes from the root to the one that takes the next leaf.
    Trickle(Vec<Open>),
}

/// A node of a trickle layout that more will be added to.
#[derive(Debug, Clone, Default)]
struct Open {
    links: Vec<Made>,
    /// Subtrees below are less deep than this; `None` for the root, which grows without end.
    depth_max: Option<u32>,
    /// Subtrees started so far.
    subtrees: u32,
}

impl Open {
    /// The depth of the subtree that comes next, if there is room for one.
    fn next_depth(&self) -> Option<u32> {
        let depth = (self.subtrees / DEPTH_REPEAT).saturating_add(1);
        self.depth_max.is_none_or(|max| depth < max).then_some(depth)
    }
}

impl FileBuilder {
    /// A file without leaves so far.
    pub fn new(profile: &Profile) -> FileBuilder {
        let tree = match profile.layout {
            Layout::Balanced => Tree::Balanced(vec![Vec::new()]),
            Layout::Trickle => Tree::Trickle(vec![Open::default()]),
        };
        FileBuilder { profile: *profile, tree }
    }

    /// Adds the next leaf, whose block the caller has. Nodes that are full then go to `emit`.
    ///
    /// # Errors
    /// What `emit` returns.
    pub fn push(&mut self, leaf: Made, emit: &mut Emit<'_>) -> Result<()> {
        match &mut self.tree {
            Tree::Balanced(levels) => add(&self.profile, levels, 0, leaf, emit),
            Tree::Trickle(path) => add_trickled(&self.profile, path, leaf, emit),
        }
    }

    /// Finishes the file. An empty one must have had its empty leaf in a balanced layout, and none in a trickle layout.
    ///
    /// # Errors
    /// What `emit` returns.
    pub fn finish(self, metadata: &Metadata, emit: &mut Emit<'_>) -> Result<Made> {
        match self.tree {
            Tree::Balanced(levels) => finish_balanced(&self.profile, levels, metadata, emit),
            Tree::Trickle(path) => finish_trickle(&self.profile, path, metadata, emit),
        }
    }
}

/// Adds a node to a level. A full level becomes one node of the level above, but only when more comes: a file that just fills a level
/// has no further one.
fn add(profile: &Profile, levels: &mut Vec<Vec<Made>>, level: usize, made: Made, emit: &mut Emit<'_>) -> Result<()> {
    let (mut level, mut full) = (level, made);
    loop {
        if level >= levels.len() {
            levels.push(Vec::new());
        }
        let Some(links) = levels.get_mut(level) else { return Ok(()) };
        if links.len() < profile.max_links {
            links.push(full);
            return Ok(());
        }
        let above = inner(profile, links, &Metadata::default(), emit)?;
        links.clear();
        links.push(full);
        full = above;
        level = level.saturating_add(1);
    }
}

/// Closes all levels from the leaves up: every leaf ends up equally deep, also one that is alone in its node.
fn finish_balanced(profile: &Profile, mut levels: Vec<Vec<Made>>, metadata: &Metadata, emit: &mut Emit<'_>) -> Result<Made> {
    if let [leaves] = levels.as_slice()
        && let [only] = leaves.as_slice()
    {
        return Ok(*only);
    }
    let mut level = 0;
    loop {
        let links = levels.get_mut(level).map(std::mem::take).unwrap_or_default();
        level = level.saturating_add(1);
        if level >= levels.len() {
            return inner(profile, &links, metadata, emit);
        }
        let made = inner(profile, &links, &Metadata::default(), emit)?;
        add(profile, &mut levels, level, made, emit)?;
    }
}

fn add_trickled(profile: &Profile, path: &mut Vec<Open>, leaf: Made, emit: &mut Emit<'_>) -> Result<()> {
    loop {
        let Some(open) = path.last_mut() else { return Ok(()) };
        if open.subtrees == 0 && open.links.len() < profile.max_links {
            open.links.push(leaf);
            return Ok(());
        }
        match open.next_depth() {
            Some(depth) => {
                open.subtrees = open.subtrees.saturating_add(1);
                path.push(Open { depth_max: Some(depth), ..Open::default() });
            }
            None => close_last(profile, path, emit)?,
        }
    }
}

/// Makes a node of the last open one and links it from the one before.
fn close_last(profile: &Profile, path: &mut Vec<Open>, emit: &mut Emit<'_>) -> Result<()> {
    if let Some(full) = path.pop() {
        let made = inner(profile, &full.links, &Metadata::default(), emit)?;
        path.last_mut().into_iter().for_each(|open| open.links.push(made));
    }
    Ok(())
}

fn finish_trickle(profile: &Profile, mut path: Vec<Open>, metadata: &Metadata, emit: &mut Emit<'_>) -> Result<Made> {
    while path.len() > 1 {
        close_last(profile, &mut path, emit)?;
    }
    let root = path.pop().unwrap_or_default();
    inner(profile, &root.links, metadata, emit)
}

/// A file node above others.
fn inner(profile: &Profile, parts: &[Made], metadata: &Metadata, emit: &mut Emit<'_>) -> Result<Made> {
    let size = parts.iter().fold(0u64, |sum, part| sum.saturating_add(part.size));
    let message = Message::new(Kind::File).filesize(size).blocksizes(parts.iter().map(|part| part.size)).finish(metadata);
    let links: Vec<PbLink<'_>> =
        parts.iter().map(|part| PbLink { cid: part.cid(), name: Some(b""), tsize: Some(part.tsize) }).collect();
    made::node(profile, &links, &message, size, emit)
}
