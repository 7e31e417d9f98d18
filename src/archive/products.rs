//! What is made of an archive: one bundle, plain files, a page for people; and what no item needs any more.

use super::bag;
use super::collect::Run;
use super::directory::Directory;
use super::document;
use super::events::{Event, EventKind};
use super::holdings::Sound;
use super::manifest::{Archive, ArchiveScope, Item, Link, LinkStatus, Partial, Reprovide};
use super::options::{Notice, Product};
use super::report;
use crate::cid::{Cid, parse_text};
use crate::error::{Error, Result};
use crate::ops::extract::{self, Event as Extracted, Metadata, Names, Symlinks, Target};
use crate::ops::merge::{self, Blocks};
use crate::store::{BlockSource, CarFile, Existing};
use crate::unixfs::{Budget, EntryKind, EntryName, Found, RawLeaves, Strictness, Walk, resolve};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

const BUNDLE: &str = "data/bundle.car";
const REPORT: &str = "data/report.html";
const FILES: &str = "data/files";

/// What to tell a node: the DAGs that are whole, and the paths of those that are not.
pub(super) fn reprovide(archives: &[Archive]) -> Reprovide {
    let mut pin: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    for root in archives.iter().flat_map(|archive| &archive.header_roots) {
        if seen.insert(root) {
            pin.push(root.clone());
        }
    }
    let paths = archives.iter().filter(|archive| archive.scope == ArchiveScope::Paths);
    let partial = paths.map(|archive| Partial { paths: archive.paths.clone(), root: archive.root.clone() }).collect();
    Reprovide { partial, pin }
}

/// Whether something was asked for that is not there yet.
pub(super) fn is_open(run: &Run<'_>) -> bool {
    run.options.products.iter().any(|product| match product {
        Product::Bundle => !run.manifest.archives.is_empty() && !run.dir.at(BUNDLE).exists(),
        Product::Files => !run.manifest.archives.is_empty() && !run.dir.at(FILES).exists(),
        Product::Report => !run.dir.at(REPORT).exists(),
    })
}

/// Makes what was asked for, and what is there from earlier when the archive changed.
///
/// # Errors
/// When a file cannot be written. A name that this system cannot keep is a warning.
pub(super) fn make(run: &mut Run<'_>, has_changed: bool) -> Result<()> {
    let wants = |run: &Run<'_>, product: Product, file: &str| {
        let is_there = run.dir.at(file).exists();
        if is_there { has_changed } else { run.options.products.contains(&product) }
    };
    if wants(run, Product::Files, FILES) {
        files(run)?;
        link_files(run)?;
    }
    if wants(run, Product::Bundle, BUNDLE) {
        bundle(run)?;
    }
    if wants(run, Product::Report, REPORT) {
        let dir = run.dir;
        let page = report::page(&run.manifest, &|item| name_of(item, dir));
        run.dir.write(REPORT, page.as_bytes(), &mut run.known)?;
    }
    Ok(())
}

/// The name that an item has in its metadata.
fn name_of(item: &Item, dir: &Directory) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let bytes = document::read_local(&dir.at(&item.metadata.as_ref()?.file)).ok()?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    serde_json::from_slice::<Named>(text).ok().map(|named| named.name)
}

fn bundle(run: &mut Run<'_>) -> Result<()> {
    let cars: Vec<PathBuf> = run.manifest.archives.iter().map(|archive| run.dir.at(&archive.file)).collect();
    if cars.is_empty() {
        return Ok(());
    }
    (run.notice)(Notice::Step("writing the bundle".to_owned()));
    let options = merge::Options { blocks: Blocks::Canonical, existing: Existing::Replace, ..merge::Options::default() };
    let notice = &mut *run.notice;
    let bundle = run.dir.at(BUNDLE);
    let summary = merge::merge(&cars, &bundle, &options, run.control, &mut |file, finding| {
        if finding.severity > crate::error::Severity::Note {
            notice(Notice::Warning(format!("{file}: {}", finding.message)));
        }
    })?;
    run.known.insert(BUNDLE.to_owned(), bag::fixity(&bundle, run.control)?);
    let detail = format!("{} blocks of {} archives", summary.blocks, cars.len());
    Event::new(EventKind::Capture, "ok", BUNDLE, &detail).append(&run.dir.events())
}

/// Extracts what the archives hold: whole DAGs whole, of others the paths.
fn files(run: &mut Run<'_>) -> Result<()> {
    (run.notice)(Notice::Step("extracting the files".to_owned()));
    let archives = run.manifest.archives.clone();
    for archive in &archives {
        let Ok(root) = parse_text(&archive.root) else { continue };
        let base = run.dir.at(&format!("{FILES}/{}", super::directory::v1(&root)));
        if archive.scope == ArchiveScope::Full {
            tree(run, &root, Vec::new(), base)?;
            continue;
        }
        for path in &archive.paths {
            let segments: Vec<Vec<u8>> =
                path.split('/').filter(|segment| !segment.is_empty()).map(|segment| segment.as_bytes().to_vec()).collect();
            let Some((_, parents)) = segments.split_last() else { continue };
            let is_safe = |name: &Vec<u8>| EntryName::try_from(name.as_slice()).is_ok_and(|name| name.portable().is_ok());
            if !parents.iter().all(is_safe) {
                (run.notice)(Notice::Warning(format!("{path}: not extracted, a directory's name is not portable")));
                continue;
            }
            let place = parents.iter().fold(base.clone(), |place, name| place.join(String::from_utf8_lossy(name).as_ref()));
            tree(run, &root, vec![segments.clone()], place)?;
        }
    }
    Ok(())
}

fn tree(run: &mut Run<'_>, root: &Cid, paths: Vec<Vec<Vec<u8>>>, place: PathBuf) -> Result<()> {
    if let Some(parent) = place.parent() {
        std::fs::create_dir_all(parent).map_err(|e| Error::io(e, "cannot create").in_file(parent.display().to_string()))?;
    }
    let options = extract::Options {
        paths,
        symlinks: Symlinks::Skip,
        metadata: Metadata::Ignore,
        existing: extract::Existing::Skip,
        names: Names::Portable,
        ..extract::Options::default()
    };
    let notice = &mut *run.notice;
    let mut on_event = |event: Extracted<'_>| {
        let (path, why) = match event {
            Extracted::Failed { path, error } => (path, error.to_string()),
            Extracted::Missing { path, .. } => (path, "a block is not there".to_owned()),
            _ => return,
        };
        notice(Notice::Warning(format!("{}: not extracted: {why}", String::from_utf8_lossy(path))));
    };
    let source = Sound(&run.holdings);
    let _ = extract::extract(&source, &[*root], Target::Directory(place), &options, run.control, &mut on_event)?;
    Ok(())
}

/// Notes for each archived link which extracted file it is: the one of its CID, whatever DAG it was extracted from.
///
/// # Errors
/// When a block cannot be read.
pub(super) fn link_files(run: &mut Run<'_>) -> Result<()> {
    if !run.dir.at(FILES).is_dir() {
        return Ok(());
    }
    let is_open = |link: &Link| link.file.is_none() && link.status == LinkStatus::Archived;
    let links = || run.manifest.items.iter().flat_map(|item| &item.links);
    let wanted: HashSet<String> = links().filter(|link| is_open(link)).filter_map(|link| link.cid.clone()).collect();
    let mut files: HashMap<String, String> = HashMap::new();
    let source = Sound(&run.holdings);
    for archive in &run.manifest.archives {
        let Ok(root) = parse_text(&archive.root) else { continue };
        let base = format!("{FILES}/{}", super::directory::v1(&root));
        let places: Vec<(Cid, String)> = match archive.scope {
            ArchiveScope::Full => vec![(root, base)],
            ArchiveScope::Paths => archive
                .paths
                .iter()
                .filter_map(|path| {
                    let segments: Vec<&[u8]> = path.split('/').filter(|s| !s.is_empty()).map(str::as_bytes).collect();
                    match resolve(&source, &root, &segments, &run.control.limits).ok()?.found {
                        Found::Block(cid) => Some((cid, format!("{base}{path}"))),
                        _ => None,
                    }
                })
                .collect(),
        };
        for (cid, place) in places {
            let mut walk = Walk::new(&source, &cid, Strictness::Lenient, RawLeaves::Find);
            let mut budget = Budget::new(run.control.limits);
            while let Some(entry) = walk.next_entry(&mut budget)? {
                let (name, entry_path) = (entry.cid.to_string(), String::from_utf8_lossy(&entry.path).into_owned());
                if !matches!(entry.kind, EntryKind::File) || !wanted.contains(&name) {
                    continue;
                }
                // A root that is a file has its own CID as its name.
                let file = match (entry_path.is_empty(), archive.scope) {
                    (true, ArchiveScope::Full) => format!("{place}/{cid}"),
                    (true, ArchiveScope::Paths) => place.clone(),
                    (false, _) => format!("{place}/{entry_path}"),
                };
                if super::rules::is_file(&file) && run.dir.at(&file).is_file() {
                    files.entry(name).or_insert(file);
                }
            }
        }
    }
    for link in run.manifest.items.iter_mut().flat_map(|item| &mut item.links).filter(|link| is_open(link)) {
        link.file = link.cid.as_ref().and_then(|cid| files.get(cid)).cloned();
    }
    Ok(())
}

/// Removes items that were not named this time, and files that no item needs then.
///
/// # Errors
/// When a file cannot be removed.
pub(super) fn prune(run: &mut Run<'_>, items: &[usize]) -> Result<()> {
    let named: HashSet<usize> = items.iter().copied().collect();
    let mut number = 0usize;
    run.manifest.items.retain(|_| {
        let is_named = named.contains(&number);
        number = number.saturating_add(1);
        is_named
    });
    let mut roots = HashSet::new();
    for item in &run.manifest.items {
        roots.extend(item.links.iter().filter_map(|link| link.root.clone()));
        let path = item.metadata.as_ref().and_then(|metadata| metadata.path.as_deref());
        let root = path.and_then(|path| path.strip_prefix("/ipfs/")).and_then(|rest| rest.split('/').next());
        roots.extend(root.map(str::to_owned));
    }
    let cids: Vec<Cid> = roots.iter().filter_map(|root| parse_text(root).ok()).collect();
    let mut kept = Vec::new();
    for archive in std::mem::take(&mut run.manifest.archives) {
        // What an item names may stand inside the archive of another root.
        let path = run.dir.at(&archive.file);
        let holds_one = || -> Result<bool> {
            let car = CarFile::open(&path, run.control)?;
            cids.iter().try_fold(false, |found, cid| Ok(found || car.contains(cid)?))
        };
        if roots.contains(&archive.root) || (path.is_file() && holds_one()?) {
            kept.push(archive);
        }
    }
    run.manifest.archives = kept;
    let mut needed: HashSet<String> = run.manifest.archives.iter().map(|archive| archive.file.clone()).collect();
    for item in &run.manifest.items {
        needed.extend(item.metadata.iter().map(|metadata| metadata.file.clone()));
        needed.extend(item.links.iter().filter_map(|link| link.file.clone()));
    }
    for file in bag::payload_files(run.dir.root(), &mut |_, _| ())? {
        let is_own = ["data/cars/", "data/metadata/", "data/inline/"].iter().any(|prefix| file.starts_with(prefix));
        if is_own && !needed.contains(&file) {
            (run.notice)(Notice::Step(format!("removing {file}")));
            run.holdings.forget(&run.dir.at(&file));
            run.dir.remove(&file)?;
            run.known.remove(&file);
        }
    }
    Ok(())
}
