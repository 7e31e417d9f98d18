//! One run: from inputs to items, from items to documents, from documents to links, round by round.

use super::directory::Directory;
use super::document::{self, Follow, Place};
use super::events::{AGENT, Event, EventKind};
use super::gather::{Gather, Group, Groups, Outcome, RootKey, key, last_resort};
use super::holdings::{Holdings, Sound};
use super::input::{self, Request, TokenRequest};
use super::lock::Lock;
use super::manifest::{Archive, Completeness, Item, ItemKind, ItemStatus, Link, Manifest, SCHEMA};
use super::options::{Mode, Notice, Options, Prune};
use super::products;
use super::settle::{End, Finder, Settle, is_whole};
use super::summary::{self, Planned, Summary};
use super::tokens::{Chains, Resolve, blank};
use super::{bag::Payload, clock};
use crate::address::{self, Address, TokenId};
use crate::cid::parse_text;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::net::Session;
use crate::ops::reach::Reach;
use crate::store::CarFile;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Something that a round fetches.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The item's number.
    pub(super) item: usize,
    /// The link's number; `None` for the item's own document.
    pub(super) link: Option<usize>,
    pub(super) address: Address,
    /// How many links it is away from the token.
    pub(super) depth: u32,
}

/// Archives what `inputs` name into the directory `dir`. `notice` is told what goes on.
///
/// # Errors
/// An input that makes no sense, no sources, an endpoint of another chain: nothing is written then. A failing disk, another writer, or
/// a request to stop: what was obtained is kept. What cannot be had is no `Err` but in the [`Summary`] and the manifest.
pub fn collect(
    inputs: &[String],
    dir: &Path,
    options: &Options,
    control: &Control,
    notice: &mut dyn FnMut(Notice),
) -> Result<Summary> {
    let requests = input::parse(inputs, options)?;
    let dir = Directory::new(dir);
    dir.check_ours()?;
    let mut net = options.net.clone();
    net.from.extend(requests.iter().filter_map(|request| match request {
        Request::Car(path) => Some(path.clone()),
        _ => None,
    }));
    let session = Session::new(net, control)?;
    let before = dir.manifest()?;
    let needs_source = requests.iter().any(|request| matches!(request, Request::Tokens(_) | Request::Address(..)));
    if needs_source && !session.has_sources() && before.is_none() {
        return Err(Error::usage("from where? Name a source: --gateway URL, --kubo URL or --from FILE; none is assumed"));
    }
    // Chains are asked who they are before anything is written.
    let mut manifest = before.unwrap_or_else(new_manifest);
    let tokens = requests.iter().filter_map(tokens_of);
    let mut chains = Chains::connect(tokens, &names_of(&manifest), &manifest, options, control)?;
    let lock = match options.mode {
        Mode::DryRun => None,
        Mode::Write => {
            dir.create()?;
            let lock = Lock::take(&dir.lock())?;
            if let Some(again) = dir.manifest()? {
                manifest = again;
            }
            Some(lock)
        }
    };
    let known = dir.known_payload();
    let started = manifest.clone();
    let holdings = Holdings::new(control);
    let mut run = Run {
        dir: &dir,
        session: &session,
        options,
        control,
        notice,
        manifest,
        known,
        holdings,
        archives: HashMap::new(),
        requests: 0,
    };
    run.open_archives()?;
    let items = run.items(&requests, &mut chains)?;
    let result = run.rounds(&items).and_then(|planned| {
        let mut summary = run.finish(&started, &items)?;
        summary.planned = planned;
        Ok(summary)
    });
    if result.is_err() && options.mode == Mode::Write {
        // What was found out so far is kept; the error that stopped the work is the one to tell.
        let _ = run.checkpoint();
    }
    drop(lock);
    result
}

fn tokens_of(request: &Request) -> Option<&TokenRequest> {
    match request {
        Request::Tokens(request) => Some(request),
        _ => None,
    }
}

fn new_manifest() -> Manifest {
    let now = clock::now();
    Manifest {
        archives: Vec::new(),
        created: now.clone(),
        generator: AGENT.to_owned(),
        items: Vec::new(),
        reprovide: None,
        schema: SCHEMA.to_owned(),
        status: Completeness::Incomplete,
        updated: now,
    }
}

fn names_of(manifest: &Manifest) -> HashMap<String, usize> {
    manifest.items.iter().enumerate().map(|(at, item)| (item.id.clone(), at)).collect()
}

/// The state of one run.
pub(super) struct Run<'r> {
    pub(super) dir: &'r Directory,
    pub(super) session: &'r Session,
    pub(super) options: &'r Options,
    pub(super) control: &'r Control,
    pub(super) notice: &'r mut dyn FnMut(Notice),
    pub(super) manifest: Manifest,
    /// Digests of the payload.
    pub(super) known: Payload,
    pub(super) holdings: Holdings,
    /// The records of the archives whose files are as they were.
    pub(super) archives: HashMap<RootKey, Archive>,
    pub(super) requests: u64,
}

impl Run<'_> {
    /// Looks at what is there: archives of the manifest, and what a run that was killed left.
    fn open_archives(&mut self) -> Result<()> {
        let mut files = HashSet::new();
        for archive in &self.manifest.archives {
            let path = self.dir.at(&archive.file);
            files.insert(path.clone());
            if let Ok(root) = parse_text(&archive.root) {
                self.archives.insert(key(&root), archive.clone());
            }
            if path.is_file() {
                self.holdings.add(&path, self.control)?;
            }
        }
        if self.options.mode == Mode::DryRun {
            return Ok(());
        }
        // Archives that no manifest names were finished just before a run was killed: their blocks are used, and hashed again.
        let strays = list(&self.dir.at("data/cars"), "car")?.into_iter().filter(|path| !files.contains(path));
        let finished = list(&self.dir.at("cartool/part"), "car")?;
        for path in strays.chain(finished) {
            let Some(root) = path.file_stem().and_then(|stem| parse_text(stem.to_str()?).ok()) else { continue };
            let old = self.dir.part(&root, "old");
            fs::rename(&path, &old).map_err(|e| Error::io(e, "cannot move").in_file(path.display().to_string()))?;
        }
        list(&self.dir.at("cartool/part"), "old")?.iter().try_for_each(|path| self.holdings.add(path, self.control))
    }

    /// Makes items of what was named and gives their numbers, each once.
    fn items(&mut self, requests: &[Request], chains: &mut Chains) -> Result<Vec<usize>> {
        let mut names = names_of(&self.manifest);
        let mut items = Vec::new();
        let events = (self.options.mode == Mode::Write).then(|| self.dir.events());
        for request in requests {
            match request {
                Request::Tokens(request) => {
                    (self.notice)(Notice::Step(format!("asking {} about {}", request.chain, request.contract)));
                    let mut resolve = Resolve {
                        chains,
                        manifest: &mut self.manifest,
                        names: &mut names,
                        options: self.options,
                        events: events.as_deref(),
                        notice: self.notice,
                    };
                    let before = resolve.manifest.items.len();
                    items.extend(resolve.resolve(request)?);
                    // The metadata of a contract, found beside its tokens.
                    items.extend(before..self.manifest.items.len());
                    self.rename_versions()?;
                }
                Request::Address(address, input) => {
                    let name = match &address.payload {
                        Some(payload) => format!("data:{}", super::bag::sha256(&payload.bytes)),
                        None => address.canonical(),
                    };
                    items.push(self.item(&mut names, name, input, ItemKind::Address));
                }
                Request::Document(path) => {
                    let bytes = document::read_local(path)?;
                    let name = format!("file:{}", super::bag::sha256(&bytes));
                    let at = self.item(&mut names, name, &file_name(path), ItemKind::File);
                    self.dir_write_document(at, &bytes)?;
                    items.push(at);
                }
                Request::Car(path) => {
                    let car = CarFile::open(path, self.control)?;
                    if car.roots().is_empty() {
                        return Err(Error::usage("the header names no roots, so nothing says what it is of").in_file(car.name()));
                    }
                    for root in car.roots() {
                        items.push(self.item(&mut names, format!("/ipfs/{root}"), &file_name(path), ItemKind::File));
                    }
                }
            }
        }
        let mut seen = HashSet::new();
        items.retain(|at| seen.insert(*at));
        Ok(items)
    }

    /// Of an item that a newer version took the name from, the metadata is a file of its new name.
    fn rename_versions(&mut self) -> Result<()> {
        for item in self.manifest.items.iter_mut().filter(|item| item.id.contains('@') && item.chain.is_some()) {
            let file = super::directory::metadata_file(&item.id);
            let Some(metadata) = item.metadata.as_mut().filter(|metadata| metadata.file != file) else { continue };
            if self.options.mode == Mode::Write {
                let bytes = document::read_local(&self.dir.at(&metadata.file))?;
                self.dir.write(&file, &bytes, &mut self.known)?;
            }
            metadata.file = file;
        }
        Ok(())
    }

    fn item(&mut self, names: &mut HashMap<String, usize>, id: String, input: &str, kind: ItemKind) -> usize {
        *names.entry(id.clone()).or_insert_with(|| {
            self.manifest.items.push(blank(id, input, kind));
            self.manifest.items.len().saturating_sub(1)
        })
    }

    /// Fetches and follows, until nothing is left to follow.
    fn rounds(&mut self, items: &[usize]) -> Result<Vec<Planned>> {
        if self.options.mode == Mode::Write {
            self.checkpoint()?;
        }
        let mut wanted = Vec::new();
        let mut next = Vec::new();
        for at in items {
            self.control.check()?;
            self.start(*at, &mut wanted, &mut next)?;
        }
        for depth in 0..=self.options.link_depth {
            let groups = self.groups(&wanted, depth == 0)?;
            if self.options.mode == Mode::DryRun {
                if !groups.is_empty() {
                    return Ok(groups.iter().map(planned).collect());
                }
            } else if !groups.is_empty() {
                (self.notice)(Notice::Step(step(depth, &groups)));
            }
            let outcomes = self.fetch(&groups)?;
            let source = Sound(&self.holdings);
            let mut settle = Settle {
                reach: Reach::new(&source, self.control.clone()),
                finder: Finder::new(&source, self.control),
                source: &source,
                archives: &self.archives,
                outcomes: &outcomes,
                options: self.options,
                control: self.control,
                files: document::Files { dir: self.dir, known: &mut self.known, mode: self.options.mode },
            };
            for wanted in &wanted {
                self.control.check()?;
                if let Some(item) = self.manifest.items.get_mut(wanted.item) {
                    settle.settle(wanted, item, &mut next)?;
                }
            }
            wanted = std::mem::take(&mut next);
            if self.options.mode == Mode::Write && !groups.is_empty() {
                self.checkpoint()?;
            }
        }
        items.iter().for_each(|at| self.judge(*at));
        Ok(Vec::new())
    }

    /// What a round has to fetch: what is not here already.
    fn groups(&mut self, wanted: &[Wanted], is_first: bool) -> Result<Vec<Group>> {
        let mut groups = Groups::default();
        if is_first {
            for archive in self.manifest.archives.iter().filter(|archive| !is_as_it_was(self.dir, archive)) {
                groups.restore(archive, self.options, &self.archives);
            }
        }
        let sound = Sound(&self.holdings);
        let mut reach = Reach::new(&sound, self.control.clone());
        let mut finder = Finder::new(&sound, self.control);
        for wanted in wanted {
            self.control.check()?;
            let end = finder.end(&wanted.address);
            let is_here = match end {
                End::Block(cid, _) => is_whole(&self.archives, &wanted.address, &cid, &mut reach)?,
                End::Nothing | End::Broken(_) => true,
                End::Missing => false,
            };
            if !is_here {
                let kind = self.manifest.items.get(wanted.item).map(|item| item.kind);
                let is_typed = wanted.link.is_none() && kind == Some(ItemKind::Address);
                groups.add(&wanted.address, last_resort(&wanted.address, is_typed, self.options), self.options, &self.archives);
            }
        }
        Ok(groups.finish())
    }

    /// Fetches groups and takes their archives in; gives what could not be had, by root.
    fn fetch(&mut self, groups: &[Group]) -> Result<HashMap<RootKey, Outcome>> {
        let gather = Gather { dir: self.dir, session: self.session, options: self.options, control: self.control };
        let outcomes = gather.run(groups)?;
        let mut failures = HashMap::new();
        for (group, outcome) in groups.iter().zip(outcomes) {
            let root = key(&group.want.root);
            self.requests = self.requests.saturating_add(outcome.fetched.requests);
            for remark in &outcome.fetched.remarks {
                (self.notice)(Notice::Warning(format!("{}: {remark}", group.want.root)));
            }
            if let Some(archive) = &outcome.archive {
                self.take_in(root, archive)?;
            }
            failures.insert(root, outcome);
        }
        Ok(failures)
    }

    fn take_in(&mut self, root: RootKey, archive: &Archive) -> Result<()> {
        let fixity = super::bag::Fixity { len: archive.size, sha256: archive.sha256.clone() };
        self.known.insert(archive.file.clone(), fixity);
        self.holdings.add(&self.dir.at(&archive.file), self.control)?;
        let outcome = if archive.complete { "ok" } else { "incomplete" };
        let detail = format!("{} blocks, {} bytes, sha-256 {}", archive.blocks, archive.size, archive.sha256);
        Event::new(EventKind::Capture, outcome, &archive.file, &detail).append(&self.dir.events())?;
        self.manifest.archives.retain(|known| known.file != archive.file);
        self.manifest.archives.push(archive.clone());
        self.manifest.archives.sort_by(|a, b| a.file.cmp(&b.file));
        self.archives.insert(root, archive.clone());
        if let Ok(cid) = parse_text(&archive.root)
            && archive.complete
        {
            for what in ["old", "part"] {
                let path = self.dir.part(&cid, what);
                self.holdings.forget(&path);
                // One that stays is used again, no more.
                let _ = fs::remove_file(path);
            }
        }
        Ok(())
    }

    /// The manifest as it is now, so that a killed run loses little.
    fn checkpoint(&mut self) -> Result<()> {
        self.follow();
        self.dir.seal(&self.manifest, &mut self.known, self.control)
    }

    fn finish(&mut self, started: &Manifest, items: &[usize]) -> Result<Summary> {
        if self.options.mode == Mode::DryRun {
            return Ok(Summary { requests: self.requests, ..Summary::of(&self.manifest, items, self.options.others) });
        }
        if self.options.prune == Prune::Remove {
            products::prune(self, items)?;
        }
        self.seal(started)?;
        let items: Vec<usize> =
            if self.options.prune == Prune::Remove { (0..self.manifest.items.len()).collect() } else { items.to_vec() };
        let mut summary = Summary::of(&self.manifest, &items, self.options.others);
        summary.requests = self.requests;
        summary.changed = self.manifest != *started;
        Ok(summary)
    }

    /// What follows from items and archives.
    fn follow(&mut self) {
        let all_complete = self.manifest.items.iter().all(|item| item.status == ItemStatus::Complete || !summary::counts(item));
        self.manifest.status = if all_complete { Completeness::Complete } else { Completeness::Incomplete };
        self.manifest.reprovide = Some(products::reprovide(&self.manifest.archives));
    }

    /// Brings everything that follows from the manifest in step with it.
    fn seal(&mut self, started: &Manifest) -> Result<()> {
        self.follow();
        products::link_files(self)?;
        let has_changed = self.manifest != *started;
        if has_changed || products::is_open(self) {
            // Before the report, which says it.
            self.manifest.updated = clock::now();
            self.manifest.generator = AGENT.to_owned();
        }
        products::make(self, has_changed)?;
        self.dir.seal(&self.manifest, &mut self.known, self.control)?;
        // Gone when nothing is left to go on with.
        let _ = fs::remove_dir(self.dir.at("cartool/part"));
        Ok(())
    }

    /// What an item is, now that all its links are settled.
    fn judge(&mut self, at: usize) {
        let others = self.options.others;
        let Some(item) = self.manifest.items.get_mut(at) else { return };
        if item.status == ItemStatus::Failed {
            return;
        }
        let open: Vec<&Link> = item.links.iter().filter(|link| !summary::is_settled(link.status, others)).collect();
        let retryable = open.iter().any(|link| link.retryable == Some(true));
        let reason = match open.as_slice() {
            [] => None,
            [one] => Some(format!("1 link: {}", one.status.as_str())),
            links => Some(format!("{} links are not archived", links.len())),
        };
        item.status = if reason.is_none() { ItemStatus::Complete } else { ItemStatus::Incomplete };
        item.retryable = reason.is_some().then_some(retryable);
        item.reason = reason;
    }

    /// Looks at the address of an item: what is fetched first, or what its own payload links to.
    fn start(&mut self, at: usize, wanted: &mut Vec<Wanted>, next: &mut Vec<Wanted>) -> Result<()> {
        let Some(item) = self.manifest.items.get_mut(at) else { return Ok(()) };
        if item.kind != ItemKind::File || item.id.starts_with("/ipfs/") {
            let is_unknown_token = item.chain.is_none() && matches!(item.kind, ItemKind::Token | ItemKind::Collection);
            if is_unknown_token {
                return Ok(());
            }
        }
        item.links.clear();
        // Until it is judged: what is written meanwhile must not say more than is known.
        item.status = ItemStatus::Incomplete;
        (item.reason, item.retryable) = (Some("not finished".to_owned()), Some(true));
        let options = address::Options { token_id: token_id(item), ..address::Options::default() };
        let uri = match (&item.chain, item.kind) {
            (Some(chain), _) => chain.uri.clone(),
            (None, ItemKind::Address) => item.input.clone(),
            (None, _) if item.id.starts_with("file:") => return self.local_document(at, next),
            (None, _) => item.id.clone(),
        };
        let address = address::parse(&uri, &options);
        match &address {
            Ok(address) if address.root.is_some() => {
                wanted.push(Wanted { item: at, link: None, address: address.clone(), depth: 0 });
            }
            Ok(Address { payload: Some(payload), .. }) => {
                let bytes = payload.bytes.clone();
                self.own_payload(at, &bytes, next)?;
            }
            other => {
                let link = document::own_link(&uri, other.as_ref().map_err(Clone::clone));
                item.status = ItemStatus::Failed;
                item.reason = link.reason.clone();
                item.retryable = Some(false);
                item.links.push(link);
            }
        }
        Ok(())
    }

    /// The links of a metadata file that this machine had.
    fn local_document(&mut self, at: usize, next: &mut Vec<Wanted>) -> Result<()> {
        let Some(record) = self.manifest.items.get(at).and_then(|item| item.metadata.clone()) else { return Ok(()) };
        let bytes = document::read_local(&self.dir.at(&record.file))?;
        self.own_payload(at, &bytes, next)
    }

    /// Notes the bytes of a local metadata file as the item's metadata.
    fn dir_write_document(&mut self, at: usize, bytes: &[u8]) -> Result<()> {
        let Some(item) = self.manifest.items.get_mut(at) else { return Ok(()) };
        let file = super::directory::metadata_file(&item.id);
        item.metadata = Some(document::record(bytes, file.clone(), None, None));
        if self.options.mode == Mode::Write { self.dir.write(&file, bytes, &mut self.known).map(drop) } else { Ok(()) }
    }

    /// The links of bytes that need no fetching: a `data:` URI of a contract, or a local file.
    fn own_payload(&mut self, at: usize, bytes: &[u8], next: &mut Vec<Wanted>) -> Result<()> {
        let Some(item) = self.manifest.items.get_mut(at) else { return Ok(()) };
        let place = Place { base: None, found_in: None, depth: 1, token_id: token_id(item), roles: Some(&self.options.roles) };
        let (dir, known, mode) = (self.dir, &mut self.known, self.options.mode);
        let mut files = document::Files { dir, known, mode };
        let follow = document::own_metadata(item, bytes, &place, self.options.links_max, &mut files)?;
        next.extend(follow.into_iter().map(|Follow { link, address }| Wanted { item: at, link: Some(link), address, depth: 1 }));
        Ok(())
    }
}

/// The number that fills in `{id}` in the metadata of an item.
pub(super) fn token_id(item: &Item) -> Option<TokenId> {
    let chain = item.chain.as_ref().filter(|_| item.kind == ItemKind::Token)?;
    chain.token_id.parse().ok()
}

/// Whether the file of an archive is there, and as long as it was.
fn is_as_it_was(dir: &Directory, archive: &Archive) -> bool {
    fs::metadata(dir.at(&archive.file)).is_ok_and(|metadata| metadata.is_file() && metadata.len() == archive.size)
}

fn planned(group: &Group) -> Planned {
    let paths = group.want.paths.iter().map(crate::net::WantPath::display).collect();
    Planned { root: group.want.root.to_string(), scope: group.want.scope, paths, size: group.old.as_ref().map(|old| old.size) }
}

fn step(depth: u32, groups: &[Group]) -> String {
    let what = if depth == 0 { "the metadata".to_owned() } else { format!("links, round {depth}") };
    let roots = if groups.len() == 1 { "1 root".to_owned() } else { format!("{} roots", groups.len()) };
    format!("fetching {what}: {roots}")
}

/// The files of a directory with this extension, sorted; none when it is not there.
fn list(dir: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io(e, "cannot read").in_file(dir.display().to_string())),
    };
    let mut files: Vec<PathBuf> = entries.filter_map(std::result::Result::ok).map(|entry| entry.path()).collect();
    files.retain(|path| path.is_file() && path.extension().is_some_and(|found| found == extension));
    files.sort();
    Ok(files)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
