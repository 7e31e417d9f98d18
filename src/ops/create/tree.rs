//! Leaves and steps, in order, become files and directories of one profile.

use super::leaves::{Bytes, Done, LeafDone};
use super::read::Ends;
use super::walk::Step;
use crate::error::{Error, Result};
use crate::unixfs::EntryName;
use crate::unixfs::build::{self, DirectoryBuilder, Emit, EmptyDirectories, FileBuilder, Made, Metadata, Profile, Symlinks};

/// The DAG in the making.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) profile: Profile,
    /// Which set of leaves is this one's.
    set: usize,
    open: Vec<OpenDirectory>,
    file: Option<(Vec<u8>, FileBuilder)>,
    root: Option<Made>,
}

#[derive(Debug)]
struct OpenDirectory {
    name: Vec<u8>,
    metadata: Metadata,
    entries: DirectoryBuilder,
}

impl Tree {
    pub(super) fn new(profile: Profile, set: usize) -> Tree {
        Tree { profile, set, open: Vec::new(), file: None, root: None }
    }

    /// The root, once everything was taken.
    ///
    /// # Errors
    /// When nothing was.
    pub(super) fn root(&self) -> Result<Made> {
        self.root.ok_or_else(|| Error::usage("nothing is left to be packed"))
    }

    /// Takes what comes next; `data` is that of its batch.
    ///
    /// # Errors
    /// What `emit` returns.
    pub(super) fn take(&mut self, done: &Done, data: &[u8], emit: &mut Emit<'_>) -> Result<()> {
        match done {
            Done::Leaves { sets, ends, .. } => {
                let leaves = sets.get(self.set).map(Vec::as_slice).unwrap_or_default();
                self.take_leaves(leaves, ends, data, emit)
            }
            Done::Step(Step::Enter { name, metadata }) => {
                let entries = DirectoryBuilder::new(&self.profile);
                self.open.push(OpenDirectory { name: name.clone(), metadata: *metadata, entries });
                Ok(())
            }
            Done::Step(Step::Leave) => self.leave(emit),
            Done::Step(Step::Symlink { .. }) if self.profile.symlinks == Symlinks::Skip => Ok(()),
            Done::Step(Step::Symlink { name, target, metadata }) => {
                let made = build::symlink(&self.profile, target, metadata, emit)?;
                self.add(name, made)
            }
            Done::Step(Step::File(_) | Step::Stream { .. }) => Ok(()),
        }
    }

    fn take_leaves(&mut self, leaves: &[LeafDone], ends: &Ends, data: &[u8], emit: &mut Emit<'_>) -> Result<()> {
        if let Some(name) = &ends.name {
            self.file = Some((name.clone(), FileBuilder::new(&self.profile)));
        }
        let Some((_, file)) = &mut self.file else { return Ok(()) };
        for leaf in leaves {
            let made = Made::from_digest(&self.profile, leaf.codec, &leaf.digest, leaf.block_len, leaf.size);
            let block = match &leaf.bytes {
                Bytes::Batch(range) => data.get(range.clone()).unwrap_or_default(),
                Bytes::Own(bytes) => bytes,
            };
            emit(made.cid(), block)?;
            file.push(made, emit)?;
        }
        match (&ends.metadata, self.file.take()) {
            (Some(metadata), Some((name, file))) => {
                let made = file.finish(metadata, emit)?;
                self.add(&name, made)
            }
            (_, file) => {
                self.file = file;
                Ok(())
            }
        }
    }

    fn leave(&mut self, emit: &mut Emit<'_>) -> Result<()> {
        let Some(directory) = self.open.pop() else { return Ok(()) };
        let is_dropped = self.profile.empty_directories == EmptyDirectories::Drop && directory.entries.is_empty();
        if is_dropped && !self.open.is_empty() {
            return Ok(());
        }
        let made = directory.entries.finish(&directory.metadata, emit)?;
        self.add(&directory.name, made)
    }

    fn add(&mut self, name: &[u8], made: Made) -> Result<()> {
        match self.open.last_mut() {
            Some(directory) => {
                let name = EntryName::try_from(name).map_err(|e| Error::usage(e.to_string()))?;
                directory.entries.add(name, &made);
            }
            None => self.root = Some(made),
        }
        Ok(())
    }
}
