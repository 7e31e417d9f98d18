//! What became of each link of a round, and which links its documents hold.

use super::collect::{Wanted, token_id};
use super::document::{self, Files, Follow, Place};
use super::gather::{Outcome, RootKey, key};
use super::holdings::Sound;
use super::manifest::{Archive, ArchiveScope, Item, Link, LinkStatus};
use super::media;
use super::options::Options;
use crate::address::Address;
use crate::cid::{Cid, codec};
use crate::control::Control;
use crate::dag::pb::PbNode;
use crate::error::{ErrorKind, Result};
use crate::net::{Failure, Status};
use crate::ops::metadata::{self, METADATA_LEN_MAX, Search};
use crate::ops::reach::Reach;
use crate::store::BlockSource;
use crate::unixfs::{Budget, Directory, FileReader, Found, Kind, Strictness, UnixFs, resolve};
use std::collections::HashMap;

/// Where a path ends, as far as can be told from what is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// At this block; the second reading of the path was the right one or not.
    Block(Cid, Reading),
    /// Nowhere: the blocks prove it.
    Nothing,
    /// A block on the way is not here.
    Missing,
    /// A block on the way cannot be understood.
    Broken(String),
}

/// Which reading of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    First,
    Second,
}

/// Follows paths, and remembers the last large directory: thousands of tokens share one, which would be read for each of them.
#[derive(Debug)]
pub(super) struct Finder<'f, S: ?Sized> {
    source: &'f S,
    control: &'f Control,
    /// The entries of a directory in one block.
    directory: Option<(Cid, HashMap<Vec<u8>, Cid>)>,
}

impl<'f, S: BlockSource + ?Sized> Finder<'f, S> {
    pub(super) fn new(source: &'f S, control: &'f Control) -> Finder<'f, S> {
        Finder { source, control, directory: None }
    }

    /// Follows the path of an address, in its second reading when the first leads nowhere.
    pub(super) fn end(&mut self, address: &Address) -> End {
        let Some(root) = address.root else { return End::Nothing };
        for (segments, reading) in address.readings().zip([Reading::First, Reading::Second]) {
            let segments: Vec<&[u8]> = segments.iter().map(String::as_bytes).collect();
            match self.follow(&root, &segments) {
                Ok(Some(cid)) => return End::Block(cid, reading),
                Ok(None) => {}
                Err(error) if matches!(error.kind, ErrorKind::Missing) => return End::Missing,
                Err(error) => return End::Broken(error.detail().to_string()),
            }
        }
        End::Nothing
    }

    fn follow(&mut self, root: &Cid, segments: &[&[u8]]) -> Result<Option<Cid>> {
        let (mut cid, mut rest) = (*root, segments);
        while let Some((name, more)) = rest.split_first()
            && self.remember(&cid)?
        {
            match self.directory.as_ref().and_then(|(_, entries)| entries.get(*name)) {
                Some(next) => (cid, rest) = (*next, more),
                None => return Ok(None),
            }
        }
        Ok(match resolve(self.source, &cid, rest, &self.control.limits)?.found {
            Found::Block(cid) | Found::Value { cid, .. } => Some(cid),
            Found::Nothing { .. } => None,
        })
    }

    /// Whether this is a large directory in one block, which is remembered now.
    fn remember(&mut self, cid: &Cid) -> Result<bool> {
        const LARGE: usize = 16 << 10;
        if self.directory.as_ref().is_some_and(|(known, _)| known == cid) {
            return Ok(true);
        }
        if cid.codec() != codec::DAG_PB {
            return Ok(false);
        }
        let Some(block) = self.source.get(cid)?.filter(|block| block.data().len() > LARGE) else { return Ok(false) };
        let node = PbNode::parse(block.data()).ok().and_then(|node| node.info.data);
        if node.and_then(|data| UnixFs::parse(data).ok()).is_none_or(|unixfs| unixfs.kind != Kind::Directory) {
            return Ok(false);
        }
        let mut budget = Budget::new(self.control.limits);
        let mut directory = Directory::from_block(self.source, &block, &mut budget)?;
        let mut entries = HashMap::new();
        while let Some(entry) = directory.next_entry(&mut budget)? {
            entries.insert(entry.name, entry.cid);
        }
        self.directory = Some((*cid, entries));
        Ok(true)
    }
}

/// Whether everything below the end of an address is here.
///
/// # Errors
/// When the work is stopped or a file cannot be read.
pub(super) fn is_whole<S: BlockSource + ?Sized>(
    archives: &HashMap<RootKey, Archive>,
    address: &Address,
    cid: &Cid,
    reach: &mut Reach<'_, S>,
) -> Result<bool> {
    let archive = address.root.and_then(|root| archives.get(&key(&root)));
    if archive.is_some_and(|archive| archive.scope == ArchiveScope::Full && archive.complete) {
        return Ok(true);
    }
    match reach.is_complete(cid, |_| ()) {
        // What cannot be walked cannot be fetched any better.
        Err(error) if error.code().is_some() => Ok(true),
        result => result,
    }
}

/// Settles the links of one round.
pub(super) struct Settle<'s> {
    pub(super) source: &'s Sound<'s>,
    pub(super) finder: Finder<'s, Sound<'s>>,
    pub(super) reach: Reach<'s, Sound<'s>>,
    pub(super) archives: &'s HashMap<RootKey, Archive>,
    pub(super) outcomes: &'s HashMap<RootKey, Outcome>,
    pub(super) options: &'s Options,
    pub(super) control: &'s Control,
    pub(super) files: Files<'s>,
}

/// What stands at the end of a path.
struct Entity {
    bytes: Option<u64>,
    media_type: Option<&'static str>,
}

impl Settle<'_> {
    /// Says what became of one link, and adds to `next` what its document links to.
    ///
    /// # Errors
    /// When the work is stopped, or a file cannot be read or written.
    pub(super) fn settle(&mut self, wanted: &Wanted, item: &mut Item, next: &mut Vec<Wanted>) -> Result<()> {
        let end = self.finder.end(&wanted.address);
        let at = match wanted.link {
            Some(at) => at,
            None => {
                let raw = item.chain.as_ref().map_or_else(|| item.input.clone(), |chain| chain.uri.clone());
                item.links.push(document::own_link(&raw, Ok(&wanted.address)));
                item.links.len().saturating_sub(1)
            }
        };
        let Some(link) = item.links.get_mut(at) else { return Ok(()) };
        let (cid, reading) = match end {
            End::Block(cid, reading) => (cid, reading),
            End::Nothing => {
                (link.status, link.retryable) = (LinkStatus::NotFound, Some(false));
                link.reason = Some("the blocks prove that there is no such path".to_owned());
                return Ok(());
            }
            End::Missing => {
                self.refuse(link, &wanted.address);
                return Ok(());
            }
            End::Broken(why) => {
                (link.status, link.retryable) = (LinkStatus::Invalid, Some(false));
                link.reason = Some(why);
                return Ok(());
            }
        };
        let mut address = wanted.address.clone();
        if let (Reading::Second, Some(segments)) = (reading, address.fallback.take()) {
            address.segments = segments;
        }
        link.path = Some(address.canonical());
        link.cid = Some(cid.to_string());
        if !is_whole(self.archives, &address, &cid, &mut self.reach)? {
            self.refuse(link, &address);
            return Ok(());
        }
        let entity = self.entity(&cid)?;
        link.status = LinkStatus::Archived;
        (link.reason, link.retryable) = (None, None);
        (link.bytes, link.media_type) = (entity.bytes, entity.media_type.map(str::to_owned));
        match wanted.link {
            None => self.own_document(wanted.item, item, &address, &cid, entity.media_type, next),
            Some(_) if wanted.depth < self.options.link_depth => {
                self.inner_document(wanted, item, &address, &cid, entity.media_type, next)
            }
            Some(_) => Ok(()),
        }
    }

    /// Notes why a link could not be had.
    fn refuse(&self, link: &mut Link, address: &Address) {
        let outcome = address.root.and_then(|root| self.outcomes.get(&key(&root)));
        let of_path = outcome.and_then(|outcome| {
            let is_it = |path: &&crate::net::PathOutcome| {
                path.path.segments.iter().map(Vec::as_slice).eq(address.segments.iter().map(String::as_bytes))
            };
            outcome.fetched.paths.iter().find(is_it).and_then(|path| path.failure.as_ref())
        });
        let failure = of_path.or_else(|| outcome.and_then(|outcome| outcome.fetched.failure.as_ref()));
        let (status, reason, retryable) = match failure {
            Some(Failure { status, reason, retryable }) => (status_of(*status), reason.clone(), *retryable),
            None => (LinkStatus::Missing, "blocks are missing".to_owned(), true),
        };
        (link.status, link.reason, link.retryable) = (status, Some(reason), Some(retryable));
    }

    /// Size and type of a file; neither for anything else.
    fn entity(&self, cid: &Cid) -> Result<Entity> {
        let read = || -> Result<Entity> {
            let reader = FileReader::open(self.source, cid, Strictness::Strict)?;
            let size = reader.size();
            let mut head = Vec::new();
            reader.range(0..media::HEAD_LEN as u64, &mut Budget::new(self.control.limits))?.copy_to(&mut head)?;
            Ok(Entity { bytes: Some(size), media_type: Some(media::of(&head)) })
        };
        match read() {
            // A directory, a map, or a file that contradicts itself.
            Err(error) if error.code().is_some() => Ok(Entity { bytes: None, media_type: None }),
            result => result,
        }
    }

    /// What the item's own address leads to: its metadata, or the work itself.
    fn own_document(
        &mut self,
        number: usize,
        item: &mut Item,
        address: &Address,
        cid: &Cid,
        media_type: Option<&'static str>,
        next: &mut Vec<Wanted>,
    ) -> Result<()> {
        let found = match metadata::search(self.source, cid, self.control) {
            Ok(found) => found,
            Err(error) if error.code().is_some() => Search::Candidates(Vec::new()),
            Err(error) => return Err(error),
        };
        match found {
            Search::Found(found) => {
                // The document stands in the record of the metadata, and not among the links.
                item.links.pop();
                let address = below(address, &found.path);
                let file = super::directory::metadata_file(&item.id);
                self.files.write(&file, &found.bytes)?;
                item.metadata =
                    Some(document::record(&found.bytes, file, Some(address.canonical()), Some(found.cid.to_string())));
                let place = Place {
                    base: Some(&address),
                    found_in: None,
                    depth: 1,
                    token_id: token_id(item),
                    roles: Some(&self.options.roles),
                };
                self.scan(number, item, &found.bytes, &place, next)
            }
            Search::Candidates(candidates) if candidates.is_empty() => {
                let wanted = Wanted { item: number, link: None, address: address.clone(), depth: 0 };
                self.inner_document(&wanted, item, address, cid, media_type, next)
            }
            Search::Candidates(candidates) => {
                for candidate in candidates {
                    self.control.check()?;
                    let address = below(address, &candidate.path);
                    self.document(number, item, &address, &candidate.cid, 1, next)?;
                }
                Ok(())
            }
        }
    }

    /// The links of what a link leads to: of a text, or of the page of a directory.
    fn inner_document(
        &mut self,
        wanted: &Wanted,
        item: &mut Item,
        address: &Address,
        cid: &Cid,
        media_type: Option<&'static str>,
        next: &mut Vec<Wanted>,
    ) -> Result<()> {
        let depth = wanted.depth.saturating_add(1);
        match media_type {
            Some("application/json" | "text/html" | "image/svg+xml" | "text/plain") => {
                self.document(wanted.item, item, address, cid, depth, next)
            }
            Some(_) => Ok(()),
            None => match resolve(self.source, cid, &[b"index.html"], &self.control.limits).map(|resolved| resolved.found) {
                Ok(Found::Block(page)) => self.document(wanted.item, item, &below(address, b"index.html"), &page, depth, next),
                _ => Ok(()),
            },
        }
    }

    /// Reads and scans one document, unless it is too long to be one.
    fn document(
        &mut self,
        number: usize,
        item: &mut Item,
        address: &Address,
        cid: &Cid,
        depth: u32,
        next: &mut Vec<Wanted>,
    ) -> Result<()> {
        let bytes = match FileReader::open(self.source, cid, Strictness::Strict) {
            Ok(reader) if reader.size() <= METADATA_LEN_MAX => metadata::read_file(self.source, cid, self.control),
            Ok(_) => return Ok(()),
            Err(error) => Err(error),
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) if error.code().is_some() => return Ok(()),
            Err(error) => return Err(error),
        };
        let place =
            Place { base: Some(address), found_in: Some(address.canonical()), depth, token_id: token_id(item), roles: None };
        self.scan(number, item, &bytes, &place, next)
    }

    fn scan(&mut self, number: usize, item: &mut Item, bytes: &[u8], place: &Place<'_>, next: &mut Vec<Wanted>) -> Result<()> {
        let links_max = self.options.links_max;
        let Ok(document) = document::scan(bytes, place, links_max) else {
            // Not the JSON that it starts like: it is archived as it is.
            return Ok(());
        };
        let total = document.links.len().saturating_add(item.links.len());
        let is_cut = document.truncated || total > links_max;
        let files = &mut self.files;
        let mut save = |payload: &crate::address::Payload, media_type: &'static str| files.inline(payload, media_type);
        let follow = document::add_links(document.links, place, links_max, &mut item.links, &mut save)?;
        if is_cut && let Some(last) = item.links.last_mut() {
            // The last link stands for those behind it.
            (last.status, last.retryable) = (LinkStatus::Limit, Some(false));
            last.reason = Some(format!("more than {links_max} links (--max-links moves this limit)"));
        }
        let depth = place.depth;
        next.extend(follow.into_iter().map(|Follow { link, address }| Wanted { item: number, link: Some(link), address, depth }));
        Ok(())
    }
}

/// The address of what stands below another.
fn below(address: &Address, path: &[u8]) -> Address {
    let mut segments = address.segments.clone();
    let path = String::from_utf8_lossy(path);
    segments.extend(path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned));
    match address.root {
        Some(root) => Address::ipfs(root, segments),
        None => address.clone(),
    }
}

fn status_of(status: Status) -> LinkStatus {
    match status {
        // What is archived as a whole and not in this path is missing here.
        Status::Archived | Status::Missing => LinkStatus::Missing,
        Status::NotFound => LinkStatus::NotFound,
        Status::Blocked => LinkStatus::Blocked,
        Status::Corrupt => LinkStatus::Corrupt,
        Status::Limit => LinkStatus::Limit,
    }
}
