//! From the walk over a DAG to the entries of a sink.

use super::{Attributes, Event, Failed, Metadata, Missing, Names, Options, Placed, Sink, Summary, Symlinks, locate, not_there};
use crate::cid::{Cid, codec_name};
use crate::control::Control;
use crate::error::{Code, Error, ErrorKind, Result};
use crate::store::BlockSource;
use crate::unixfs::{Budget, Entry, EntryKind, EntryName, Notes, RawLeaves, Walk, name};
use std::collections::HashSet;
use std::io;

/// How many missing blocks and failed entries are kept one by one.
const LISTED_MAX: usize = 10_000;

/// One extraction.
pub(super) struct Run<'r, S: ?Sized> {
    source: &'r S,
    options: &'r Options,
    control: &'r Control,
    budget: Budget,
    sink: &'r mut dyn Sink,
    on_event: &'r mut dyn FnMut(Event<'_>),
    summary: Summary,
    /// With [`Names::Portable`], the names in the open directories, in lower case.
    portable: Vec<HashSet<String>>,
}

/// Where a tree goes.
#[derive(Clone, Copy)]
enum Place<'p> {
    /// A directory fills the current one, anything else gets this name.
    Fill(&'p [u8]),
    /// Under this name.
    Named(&'p [u8]),
}

impl<'r, S: BlockSource + ?Sized> Run<'r, S> {
    pub(super) fn new(
        source: &'r S,
        options: &'r Options,
        control: &'r Control,
        sink: &'r mut dyn Sink,
        on_event: &'r mut dyn FnMut(Event<'_>),
    ) -> Run<'r, S> {
        let (budget, summary) = (Budget::new(control.limits), Summary::default());
        Run { source, options, control, budget, sink, on_event, summary, portable: Vec::new() }
    }

    pub(super) fn finish(self) -> Summary {
        self.summary
    }

    pub(super) fn roots(&mut self, roots: &[Cid]) -> Result<()> {
        if let [root] = roots {
            return self.tree(root, Place::Fill(root.to_string().as_bytes()), &[]);
        }
        self.sink.enter(None, Attributes::default())?;
        self.portable.push(HashSet::new());
        for root in roots {
            self.tree(root, Place::Named(root.to_string().as_bytes()), &[])?;
        }
        Ok(())
    }

    /// With several roots, each path goes below `DIR/<cid>` of its root.
    pub(super) fn paths(&mut self, roots: &[Cid]) -> Result<()> {
        let mut names = HashSet::new();
        for path in &self.options.paths {
            if !names.insert(path.last()) {
                return Err(Error::usage("two of the paths have the same last name, and would be placed under it"));
            }
        }
        self.sink.enter(None, Attributes::default())?;
        self.portable.push(HashSet::new());
        let mut found = vec![false; self.options.paths.len()];
        for root in roots {
            let root_name = root.to_string();
            let mut inside = false;
            for (path, found) in self.options.paths.iter().zip(&mut found) {
                let cid = match locate(self.source, root, path, self.control) {
                    Ok(None) => continue,
                    Ok(Some(cid)) => cid,
                    Err(error) => {
                        *found = true;
                        self.fail(&path.join(&b'/'), error)?;
                        continue;
                    }
                };
                *found = true;
                if roots.len() > 1 && !std::mem::replace(&mut inside, true) {
                    let name = EntryName::try_from(root_name.as_bytes()).map_err(|e| Error::usage(e.to_string()))?;
                    self.sink.enter(Some(name), Attributes::default())?;
                    self.portable.push(HashSet::new());
                }
                let name = path.last().map_or(root_name.as_bytes(), Vec::as_slice);
                let prefix = if inside { root_name.as_bytes() } else { &[] };
                self.tree(&cid, Place::Named(name), prefix)?;
            }
            if inside {
                self.portable.pop();
                self.sink.leave()?;
            }
        }
        for (path, found) in self.options.paths.iter().zip(found) {
            if !found {
                self.fail(&path.join(&b'/'), not_there(path))?;
            }
        }
        Ok(())
    }

    /// Extracts everything below one CID.
    fn tree(&mut self, cid: &Cid, place: Place<'_>, prefix: &[u8]) -> Result<()> {
        let mut walk = Walk::new(self.source, cid, self.options.strictness, RawLeaves::Read);
        let mut open = 0usize;
        let mut top: &[u8] = &[];
        let full = |top: &[u8], path: &[u8]| {
            [prefix, top, path].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(&b'/')
        };
        loop {
            let next = walk.next_entry(&mut self.budget)?;
            for (path, notes) in walk.take_late_notes() {
                self.remark(&full(top, &path), notes);
            }
            let Some(mut entry) = next else { break };
            self.control.check()?;
            while open > entry.depth {
                self.leave()?;
                open = open.saturating_sub(1);
            }
            let is_directory = matches!(entry.kind, EntryKind::Directory | EntryKind::Map);
            if entry.depth == 0 {
                top = match place {
                    Place::Fill(_) if is_directory => &[],
                    Place::Fill(name) | Place::Named(name) => name,
                };
            }
            let path = full(top, &entry.path);
            let name = if entry.depth == 0 { top.to_vec() } else { entry.name().to_vec() };
            match self.entry(&mut entry, &path, &name) {
                Ok(()) if is_directory => open = open.saturating_add(1),
                Ok(()) => {}
                Err(error) => {
                    walk.skip_directory();
                    self.fail(&path, error)?;
                }
            }
        }
        for _ in 0..open {
            self.leave()?;
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        self.portable.pop();
        self.sink.leave()
    }

    /// Extracts one entry; an empty name stands for the directory that holds everything.
    fn entry(&mut self, entry: &mut Entry, path: &[u8], name: &[u8]) -> Result<()> {
        match std::mem::replace(&mut entry.kind, EntryKind::Other) {
            EntryKind::Missing => {
                let error = Error::missing("the block is not there").cid(entry.cid);
                return Err(error);
            }
            EntryKind::Broken(error) => return Err(error),
            EntryKind::Other => {
                let message = format!("a block of codec {}, which holds no file", codec_name(entry.cid.codec()));
                return Err(Error::new(ErrorKind::Unsupported(Code::UnknownCodec), message).cid(entry.cid));
            }
            EntryKind::Directory | EntryKind::Map => {
                let attributes = self.attributes(entry);
                let name = if name.is_empty() { None } else { Some(self.name(name)?) };
                // The directory that holds everything is the caller's, unless one directory fills it.
                if name.is_some() || self.portable.is_empty() {
                    self.sink.enter(name, attributes)?;
                }
                self.portable.push(HashSet::new());
                self.summary.directories = self.summary.directories.saturating_add(1);
                (self.on_event)(Event::Directory { path });
            }
            EntryKind::File => self.file(entry, path, name)?,
            EntryKind::Symlink { target } => self.symlink(entry, path, name, &target)?,
        }
        self.remark(path, entry.notes);
        Ok(())
    }

    fn file(&mut self, entry: &mut Entry, path: &[u8], name: &[u8]) -> Result<()> {
        self.enter_base()?;
        let name = self.name(name)?;
        let (source, control, strictness) = (self.source, self.control, self.options.strictness);
        let attributes = self.attributes(entry);
        let budget = &mut self.budget;
        let (mut claimed, mut delivered) = (0u64, 0u64);
        let mut content = |write: &mut dyn FnMut(&[u8]) -> Result<()>| {
            budget.return_bytes(std::mem::take(&mut claimed));
            delivered = 0;
            let before = budget.bytes();
            let mut copy = || -> Result<()> {
                let mut chunks = entry.open(source, strictness)?.chunks(budget)?;
                while let Some(chunk) = chunks.next_chunk()? {
                    control.check()?;
                    write(chunk.bytes())?;
                    delivered = delivered.saturating_add(chunk.bytes().len() as u64);
                    control.add_done(chunk.bytes().len() as u64);
                }
                Ok(())
            };
            let copied = copy();
            claimed = budget.bytes().saturating_sub(before);
            copied
        };
        match self.sink.file(name, attributes, &mut content)? {
            Placed::Written => {
                self.summary.files = self.summary.files.saturating_add(1);
                self.summary.bytes = self.summary.bytes.saturating_add(delivered);
                (self.on_event)(Event::File { path, len: delivered });
            }
            Placed::Skipped => self.skip(path),
        }
        Ok(())
    }

    fn symlink(&mut self, entry: &Entry, path: &[u8], name: &[u8], target: &[u8]) -> Result<()> {
        if self.options.symlinks == Symlinks::Skip {
            self.skip(path);
            return Ok(());
        }
        self.enter_base()?;
        let name = self.name(name)?;
        match self.sink.symlink(name, target, self.attributes(entry))? {
            Placed::Written => {
                self.summary.symlinks = self.summary.symlinks.saturating_add(1);
                (self.on_event)(Event::Symlink { path, target });
                if leads_outside(path, target) {
                    self.warn(path, "a symlink that leads outside; it was made and is not followed");
                }
            }
            Placed::Skipped => self.skip(path),
        }
        Ok(())
    }

    /// A single root that is no directory stands in the directory that holds everything.
    fn enter_base(&mut self) -> Result<()> {
        if self.portable.is_empty() {
            self.sink.enter(None, Attributes::default())?;
            self.portable.push(HashSet::new());
        }
        Ok(())
    }

    fn attributes(&self, entry: &Entry) -> Attributes {
        match self.options.metadata {
            Metadata::Restore => Attributes { mode: entry.mode.map(|mode| mode & 0o777), mtime: entry.mtime },
            Metadata::Ignore => Attributes::default(),
        }
    }

    /// The name as one component, portable if that is asked for.
    fn name<'n>(&mut self, name: &'n [u8]) -> Result<EntryName<'n>> {
        let refuse = |why: String| Error::new(ErrorKind::Format(Code::BadNode), why);
        let name = EntryName::try_from(name).map_err(|e: name::NameError| refuse(e.to_string()))?;
        if self.options.names == Names::Portable {
            name.portable().map_err(|e| refuse(e.to_string()))?;
            let folded = String::from_utf8_lossy(name.as_bytes()).to_lowercase();
            if self.portable.last_mut().is_some_and(|names| !names.insert(folded)) {
                return Err(refuse("a name that differs from another only in case".to_owned()));
            }
        }
        Ok(name)
    }

    fn remark(&mut self, path: &[u8], notes: Notes) {
        notes.iter().for_each(|note| self.warn(path, note.as_str()));
    }

    fn warn(&mut self, path: &[u8], message: &str) {
        self.summary.warnings = self.summary.warnings.saturating_add(1);
        (self.on_event)(Event::Warning { path, message });
    }

    fn skip(&mut self, path: &[u8]) {
        self.summary.skipped = self.summary.skipped.saturating_add(1);
        (self.on_event)(Event::Skipped { path });
    }

    /// Notes what is wrong with one entry.
    ///
    /// # Errors
    /// The same, when it ends the work.
    fn fail(&mut self, path: &[u8], error: Error) -> Result<()> {
        if ends_work(&error.kind) {
            return Err(error);
        }
        let summary = &mut self.summary;
        match (&error.kind, error.cid.as_deref()) {
            (ErrorKind::Missing, Some(cid)) => {
                summary.missing_count = summary.missing_count.saturating_add(1);
                (self.on_event)(Event::Missing { path, cid });
                if summary.missing.len() < LISTED_MAX {
                    summary.missing.push(Missing { path: path.to_vec(), cid: *cid });
                }
            }
            _ => {
                summary.failed_count = summary.failed_count.saturating_add(1);
                (self.on_event)(Event::Failed { path, error: &error });
                if summary.failed.len() < LISTED_MAX {
                    summary.failed.push(Failed { path: path.to_vec(), error });
                }
            }
        }
        Ok(())
    }
}

/// Errors behind which the other entries would fail as well.
fn ends_work(kind: &ErrorKind) -> bool {
    match kind {
        ErrorKind::Interrupted | ErrorKind::Limit("--max-entries") => true,
        ErrorKind::Io(error) => !matches!(
            error.kind(),
            io::ErrorKind::AlreadyExists
                | io::ErrorKind::PermissionDenied
                | io::ErrorKind::InvalidFilename
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::IsADirectory
        ),
        _ => false,
    }
}

/// Whether a symlink at `path` points out of the tree, by its text alone: other symlinks on its way may lead elsewhere.
fn leads_outside(path: &[u8], target: &[u8]) -> bool {
    if target.first() == Some(&b'/') {
        return true;
    }
    let mut depth = path.iter().filter(|byte| **byte == b'/').count();
    for name in target.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." if depth == 0 => return true,
            b".." => depth = depth.saturating_sub(1),
            _ => depth = depth.saturating_add(1),
        }
    }
    false
}
