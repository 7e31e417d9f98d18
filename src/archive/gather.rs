//! One archive file for each root: what is wanted is grouped, fetched side by side, and put in its place.

use super::bag::{self, Fixity};
use super::directory::{Directory, car_file};
use super::manifest::{Archive, ArchiveScope, MissingRecord, SourceRecord};
use super::options::{LinkedGateways, Options};
use crate::address::Address;
use crate::cid::{Cid, Multihash};
use crate::control::Control;
use crate::error::{Error, ErrorKind, Result};
use crate::net::{Endpoint, Failure, Fetched, Giver, Remote, Scope, Session, Status, Target, Want, WantPath};
use crate::ops::build::Missing;
use crate::ops::expect;
use crate::store::{CarFile, Existing};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Paths of one root that are asked for one by one; for more the root itself is asked for, if it is not too large.
const PATHS_MAX: usize = 16;
/// Paths and blocks that are listed one by one in the manifest.
const LISTED_MAX: usize = 100_000;

/// What makes two CIDs the same root: CIDv0 and CIDv1 are.
pub(super) type RootKey = (u64, Multihash);

/// The key of a root.
pub(super) fn key(root: &Cid) -> RootKey {
    (root.codec(), *root.hash())
}

/// What is wanted of one root.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) want: Want,
    /// The archive that is there already.
    pub(super) old: Option<Archive>,
}

/// What came of a group.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) fetched: Fetched,
    /// The archive, when it is in its place.
    pub(super) archive: Option<Archive>,
}

/// Groups by root, in the order in which roots are first wanted.
#[derive(Debug, Default)]
pub(super) struct Groups {
    list: Vec<Group>,
    places: HashMap<RootKey, usize>,
}

impl Groups {
    /// Adds a path. One that ends in a web page takes its directory, because pages lead to what lies beside them.
    pub(super) fn add(
        &mut self,
        address: &Address,
        last: Option<Remote>,
        options: &Options,
        archives: &HashMap<RootKey, Archive>,
    ) {
        let Some(root) = address.root else { return };
        let group = self.of(root, options, archives);
        group.want.last.extend(last.filter(|remote| !group.want.last.contains(remote)));
        if group.want.scope == Scope::Root {
            return;
        }
        let path = path_of(address);
        if path.segments.is_empty() {
            group.want.scope = Scope::Root;
            group.want.paths.clear();
        } else {
            group.want.paths.push(path);
        }
    }

    /// Adds what an archive had before, for one whose file is no longer as it was.
    pub(super) fn restore(&mut self, archive: &Archive, options: &Options, archives: &HashMap<RootKey, Archive>) {
        if let Ok(root) = crate::cid::parse_text(&archive.root) {
            self.of(root, options, archives);
        }
    }

    fn of(&mut self, root: Cid, options: &Options, archives: &HashMap<RootKey, Archive>) -> &mut Group {
        let list = &mut self.list;
        let place = *self.places.entry(key(&root)).or_insert_with(|| {
            let old = archives.get(&key(&root)).cloned();
            let mut want =
                Want { root, scope: options.scope, paths: Vec::new(), dag_scope: expect::Scope::All, last: Vec::new() };
            match &old {
                Some(old) if old.scope == ArchiveScope::Full => want.scope = Scope::Root,
                Some(old) => want.paths = old.paths.iter().map(|path| plain_path(path)).collect(),
                None => {}
            }
            list.push(Group { want, old });
            list.len().saturating_sub(1)
        });
        // The place was just made or found.
        &mut list[place]
    }

    /// The groups, each path once.
    pub(super) fn finish(self) -> Vec<Group> {
        let mut list = self.list;
        for group in &mut list {
            let want = &mut group.want;
            want.paths.sort_unstable();
            want.paths.dedup_by(|a, b| a.segments == b.segments);
            if want.paths.len() > PATHS_MAX && want.scope == Scope::Path {
                want.scope = Scope::Auto;
            }
            if want.scope == Scope::Root {
                want.paths.clear();
            }
        }
        list
    }
}

/// The path to ask for, in both readings.
fn path_of(address: &Address) -> WantPath {
    let is_page = |name: &String| {
        let name = name.to_ascii_lowercase();
        name.ends_with(".html") || name.ends_with(".htm")
    };
    let bytes = |segments: &[String]| -> Vec<Vec<u8>> {
        let segments = match segments.split_last() {
            Some((last, directory)) if is_page(last) => directory,
            _ => segments,
        };
        segments.iter().map(|segment| segment.clone().into_bytes()).collect()
    };
    WantPath { segments: bytes(&address.segments), fallback: address.fallback.as_deref().map(bytes) }
}

/// What an archive holds, to be built again.
pub(super) fn wanted_again(archive: &Archive, root: Cid) -> Want {
    let whole = Want::whole(root);
    match archive.scope {
        ArchiveScope::Full => whole,
        ArchiveScope::Paths => {
            Want { scope: Scope::Path, paths: archive.paths.iter().map(|path| plain_path(path)).collect(), ..whole }
        }
    }
}

/// A path of a manifest, which is as it was found.
fn plain_path(path: &str) -> WantPath {
    let segments = path.split('/').filter(|segment| !segment.is_empty()).map(|segment| segment.as_bytes().to_vec());
    WantPath { segments: segments.collect(), fallback: None }
}

/// The gateway that an address was written for: asked last, and only when a person typed it or allowed it.
pub(super) fn last_resort(address: &Address, is_typed: bool, options: &Options) -> Option<Remote> {
    let host = address.hint_host.as_ref()?;
    let endpoint = match (is_typed, options.linked_gateways) {
        (true, _) => format!("{}://{host}", address.hint_scheme.unwrap_or("https")).parse::<Endpoint>(),
        (false, LinkedGateways::Last) => Endpoint::linked(host),
        (false, LinkedGateways::Never) => return None,
    };
    endpoint.ok().map(Remote::Gateway)
}

/// Fetches groups.
#[derive(Debug)]
pub(super) struct Gather<'g> {
    pub(super) dir: &'g Directory,
    pub(super) session: &'g Session,
    pub(super) options: &'g Options,
    pub(super) control: &'g Control,
}

impl Gather<'_> {
    /// Fetches all groups, several at a time; the results are in the same order.
    ///
    /// # Errors
    /// The first error that ends the work: a full disk, a request to stop.
    pub(super) fn run(&self, groups: &[Group]) -> Result<Vec<Outcome>> {
        let threads = self.options.net.concurrency.clamp(1, groups.len().max(1));
        let next = AtomicUsize::new(0);
        let results: Mutex<Vec<Option<Result<Outcome>>>> = Mutex::new(groups.iter().map(|_| None).collect());
        let put = |at: usize, result: Result<Outcome>| {
            let mut results = results.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(place) = results.get_mut(at) {
                *place = Some(result);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(group) = groups.get(at) else { return };
                        let result = self.one(group);
                        if result.is_err() {
                            next.store(groups.len(), Ordering::Relaxed);
                        }
                        put(at, result);
                    }
                });
            }
        });
        let results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let stopped = || Error::new(ErrorKind::Interrupted, "interrupted");
        let (done, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(|result| matches!(result, Some(Ok(_))));
        match failed.into_iter().flatten().find_map(std::result::Result::err) {
            Some(error) => Err(error),
            None if done.len() < groups.len() => Err(stopped()),
            None => done.into_iter().map(|result| result.unwrap_or_else(|| Err(stopped()))).collect(),
        }
    }

    fn one(&self, group: &Group) -> Result<Outcome> {
        let root = &group.want.root;
        if !self.session.has_sources() && group.want.last.is_empty() && group.old.is_none() {
            return Ok(Outcome { fetched: nothing(&group.want, no_source()), archive: None });
        }
        let mut fetched = self.fetch(self.session, &group.want, root)?;
        let is_empty_handed = fetched.failure.is_some() && fetched.header_roots.is_empty();
        if is_empty_handed && !group.want.paths.is_empty() && fetched.scope == Scope::Root {
            // Not all of the DAG can be had; some of the paths may be whole all the same. Nobody is asked a second time.
            let local = crate::net::Options { remotes: Vec::new(), from: Vec::new(), ..self.options.net.clone() };
            let local = Session::new(local, self.control)?;
            let want = Want { scope: Scope::Path, last: Vec::new(), ..group.want.clone() };
            let again = self.fetch(&local, &want, root)?;
            if !again.header_roots.is_empty() {
                fetched = Fetched { missing: fetched.missing, sources: fetched.sources, ..again };
            }
        }
        let archive =
            if fetched.is_written && !fetched.header_roots.is_empty() { Some(self.place(group, &fetched)?) } else { None };
        Ok(Outcome { fetched, archive })
    }

    fn fetch(&self, session: &Session, want: &Want, root: &Cid) -> Result<Fetched> {
        let from = vec![self.dir.at(&car_file(root)), self.dir.part(root, "old")];
        let target = Target {
            path: self.dir.part(root, "car"),
            part: self.dir.part(root, "part"),
            from,
            missing: Missing::Allow,
            existing: Existing::Replace,
        };
        match session.fetch(want, &target) {
            Err(error) if matches!(error.kind, ErrorKind::Usage) => Ok(nothing(want, no_source())),
            result => result,
        }
    }

    /// Gives a fetched archive its place and its record.
    fn place(&self, group: &Group, fetched: &Fetched) -> Result<Archive> {
        let root = &group.want.root;
        let part = self.dir.part(root, "car");
        let car = CarFile::open(&part, self.control)?;
        let (blocks, bytes) = (car.section_count().unwrap_or(0), car.data_len().unwrap_or(0));
        drop(car);
        let Fixity { len, sha256 } = bag::fixity(&part, self.control)?;
        let file = car_file(root);
        fs::rename(&part, self.dir.at(&file)).map_err(|e| Error::io(e, "cannot name the finished file").in_file(file.clone()))?;
        let complete = fetched.failure.is_none();
        let scope = if complete && fetched.scope == Scope::Root { ArchiveScope::Full } else { ArchiveScope::Paths };
        let paths = match scope {
            ArchiveScope::Full => Vec::new(),
            ArchiveScope::Paths => fetched.paths.iter().take(LISTED_MAX).map(found_path).collect(),
        };
        let text = |cid: &Cid| cid.to_string();
        let missing = |missing: &crate::net::Missing| MissingRecord {
            cid: text(&missing.cid),
            needed_by: String::from_utf8_lossy(&missing.needed_by).into_owned(),
            reason: missing.failure.reason.clone(),
            retryable: Some(missing.failure.retryable),
        };
        Ok(Archive {
            blocks,
            bytes,
            complete,
            file,
            header_roots: fetched.header_roots.iter().map(text).collect(),
            missing: if complete { Vec::new() } else { fetched.missing.iter().take(LISTED_MAX).map(missing).collect() },
            paths,
            root: root.to_string(),
            scope,
            sha256,
            size: len,
            sources: sources(group.old.as_ref(), fetched),
        })
    }
}

/// A path as it was found, as text.
fn found_path(outcome: &crate::net::PathOutcome) -> String {
    let path = &outcome.path;
    match (&path.fallback, outcome.by_fallback) {
        (Some(fallback), true) => WantPath { segments: fallback.clone(), fallback: None }.display(),
        _ => path.display(),
    }
}

/// Who gave how many blocks, of earlier runs too.
fn sources(old: Option<&Archive>, fetched: &Fetched) -> Vec<SourceRecord> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for source in old.into_iter().flat_map(|old| &old.sources) {
        counts.insert(source.endpoint.clone(), source.blocks);
    }
    for share in &fetched.sources {
        let name = match &share.source {
            Giver::Remote(endpoint) => endpoint.origin(),
            // What the archive had is counted already.
            Giver::Local if old.is_some() => continue,
            Giver::Local => "local".to_owned(),
            Giver::Part => "earlier run".to_owned(),
        };
        let count = counts.entry(name).or_default();
        *count = count.saturating_add(share.blocks);
    }
    counts.into_iter().filter(|(_, blocks)| *blocks > 0).map(|(endpoint, blocks)| SourceRecord { blocks, endpoint }).collect()
}

fn no_source() -> Failure {
    let reason = "no source was named (--gateway, --kubo, --from)".to_owned();
    Failure { status: Status::Missing, reason, retryable: true }
}

/// What came of a want that nobody was asked for.
pub(super) fn nothing(want: &Want, failure: Failure) -> Fetched {
    Fetched {
        failure: Some(failure),
        scope: want.scope,
        is_written: false,
        header_roots: Vec::new(),
        paths: Vec::new(),
        blocks: 0,
        bytes: 0,
        missing: Vec::new(),
        missing_blocks: 0,
        sources: Vec::new(),
        requests: 0,
        remarks: Vec::new(),
    }
}
