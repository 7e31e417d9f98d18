//! Proves an archive directory, offline: the bag, the manifest, every CAR file, the metadata, and that nothing else is there.
//!
//! What this does not check: that the manifest tells the truth about the chain and the time. Digests and CIDs prove what the files
//! are, not where they came from.

use super::bag::{self, Fixity};
use super::directory::{Directory, MANIFEST};
use super::document;
use super::events::{Event, EventKind};
use super::holdings::Holdings;
use super::lock::Lock;
use super::manifest::{Archive, ArchiveScope, Item, ItemStatus, LinkStatus, Manifest};
use super::options::Notice;
use super::repair;
use super::summary;
use crate::cid::parse_text;
use crate::control::Control;
use crate::error::{Code, Error, Finding, Result, Severity};
use crate::net;
use crate::ops::expect::{self, Expect, Scope};
use crate::ops::metadata::read_file;
use crate::ops::verify::{self, Verdict};
use crate::store::CarFile;
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::path::Path;

/// How much is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// Everything that the archive is.
    #[default]
    Archives,
    /// Also what was made of it: links against the metadata, extracted files, the bundle (`--deep`).
    Deep,
}

/// Whether what is damaged is replaced.
#[derive(Debug, Clone, Default)]
pub enum Repair {
    /// No.
    #[default]
    Never,
    /// Yes, with blocks of these sources.
    Fetch(Box<net::Options>),
}

/// What to check.
#[derive(Debug, Clone, Default)]
pub struct CheckOptions {
    /// How much.
    pub depth: Depth,
    /// Whether what is damaged is replaced.
    pub repair: Repair,
}

/// What a check found.
#[derive(Debug, Clone)]
pub struct CheckSummary {
    /// What is wrong, with the file; untrusted text.
    pub findings: Vec<(String, Finding)>,
    /// What they amount to.
    pub verdict: Verdict,
    /// Files of the payload.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blocks of all CAR files.
    pub blocks: u64,
    /// Items of the manifest.
    pub items: u64,
    /// Those that were never complete, as the manifest says.
    pub incomplete_items: u64,
    /// Files that were replaced.
    pub repaired: Vec<String>,
    /// Whether the check was noted in the log of events.
    pub recorded: bool,
}

/// Checks the archive in `dir`, and mends it when `options` say so.
///
/// # Errors
/// When there is no such directory, a file cannot be read, another process writes in it, or the work is stopped. Faults are findings.
pub fn check(dir: &Path, options: &CheckOptions, control: &Control, notice: &mut dyn FnMut(Notice)) -> Result<CheckSummary> {
    if !dir.is_dir() {
        return Err(Error::usage("no directory, expected an archive directory").in_file(dir.display().to_string()));
    }
    let dir = Directory::new(dir);
    let lock = lock(&dir, &options.repair)?;
    let mut summary = Examine::new(&dir, options.depth, control).run()?;
    if let Repair::Fetch(net) = &options.repair
        && !summary.findings.is_empty()
    {
        let repaired = repair::repair(&dir, net, &summary.findings, control, notice)?;
        summary = CheckSummary { repaired, ..Examine::new(&dir, options.depth, control).run()? };
        for file in &summary.repaired {
            Event::new(EventKind::Repair, "ok", file, "replaced").append(&dir.events())?;
        }
    }
    let detail = format!(
        "{} files, {} bytes, {} blocks, {} findings",
        summary.files,
        summary.bytes,
        summary.blocks,
        summary.findings.len()
    );
    let outcome = if summary.findings.is_empty() { "ok" } else { "fail" };
    summary.recorded = lock.is_some() && Event::new(EventKind::Fixity, outcome, "data", &detail).append(&dir.events()).is_ok();
    Ok(summary)
}

/// The lock; `None` on a medium that cannot be written, where nobody else writes either.
fn lock(dir: &Directory, repair: &Repair) -> Result<Option<Lock>> {
    let made = fs::create_dir_all(dir.at("cartool"));
    let taken = made.map_err(|e| Error::io(e, "cannot create").in_file("cartool")).and_then(|()| Lock::take(&dir.lock()));
    let is_read_only = |error: &Error| {
        use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        matches!(&error.kind, crate::error::ErrorKind::Io(e) if matches!(e.kind(), PermissionDenied | ReadOnlyFilesystem))
    };
    match taken {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if is_read_only(&error) && matches!(repair, Repair::Never) => Ok(None),
        Err(error) => Err(error),
    }
}

struct Examine<'e> {
    dir: &'e Directory,
    depth: Depth,
    control: &'e Control,
    findings: Vec<(String, Finding)>,
    /// Every file of the payload that is there.
    files: BTreeMap<String, Fixity>,
    blocks: u64,
}

impl<'e> Examine<'e> {
    fn new(dir: &'e Directory, depth: Depth, control: &'e Control) -> Examine<'e> {
        Examine { dir, depth, control, findings: Vec::new(), files: BTreeMap::new(), blocks: 0 }
    }

    fn note(&mut self, file: &str, finding: Finding) {
        self.findings.push((file.to_owned(), finding));
    }

    /// Whether something is wrong with a file already.
    fn has_fault(&self, file: &str) -> bool {
        self.findings.iter().any(|(known, _)| known == file)
    }

    fn run(mut self) -> Result<CheckSummary> {
        self.bag()?;
        let (mut items, mut incomplete_items) = (0, 0);
        match self.dir.manifest() {
            Ok(Some(manifest)) => {
                items = manifest.items.len() as u64;
                let is_open = |item: &&Item| item.status != ItemStatus::Complete && summary::counts(item);
                incomplete_items = manifest.items.iter().filter(is_open).count() as u64;
                self.manifest(&manifest)?;
            }
            Ok(None) if self.has_fault(MANIFEST) => {}
            Ok(None) => self.note(MANIFEST, Finding::new(Code::MissingFile, "is not there")),
            Err(error) => self.note(MANIFEST, bag::finding(error)?),
        }
        let findings = std::mem::take(&mut self.findings);
        let verdict = Verdict::of(&findings.iter().map(|(_, finding)| finding.clone()).collect::<Vec<_>>());
        Ok(CheckSummary {
            verdict: if verdict == Verdict::Ok && incomplete_items > 0 { Verdict::Incomplete } else { verdict },
            findings,
            files: self.files.len() as u64,
            bytes: self.files.values().map(|fixity| fixity.len).fold(0, u64::saturating_add),
            blocks: self.blocks,
            items,
            incomplete_items,
            repaired: Vec::new(),
            recorded: false,
        })
    }

    /// The tag files, and every digest of the payload.
    fn bag(&mut self) -> Result<()> {
        let findings = &mut self.findings;
        let mut note = |file: &str, finding: Finding| findings.push((file.to_owned(), finding));
        bag::check_tags(self.dir.root(), &mut note)?;
        let expected = match bag::read_manifest(self.dir.root()) {
            Ok(expected) => Some(expected),
            Err(error) => {
                note("manifest-sha256.txt", bag::finding(error)?);
                None
            }
        };
        let there = bag::payload_files(self.dir.root(), &mut note)?;
        for file in there {
            let fixity = bag::fixity(&self.dir.at(&file), self.control)?;
            if let Some(expected) = &expected {
                match expected.get(&file) {
                    Some(sha256) if *sha256 == fixity.sha256 => {}
                    Some(sha256) => {
                        let message = format!("expected sha-256 {sha256}, found {}", fixity.sha256);
                        self.note(&file, Finding::new(Code::HashMismatch, message));
                    }
                    None => self.note(&file, Finding::new(Code::StrayFile, "the bag does not name it")),
                }
            }
            self.files.insert(file, fixity);
        }
        for file in expected.into_iter().flatten().map(|(file, _)| file) {
            if !self.files.contains_key(&file) {
                self.note(&file, Finding::new(Code::MissingFile, "is not there"));
            }
        }
        Ok(())
    }

    /// What the manifest says against what is there.
    fn manifest(&mut self, manifest: &Manifest) -> Result<()> {
        let mut named: HashSet<&str> = [MANIFEST, "data/bundle.car", "data/report.html"].into();
        let mut holdings = Holdings::new(self.control);
        for archive in &manifest.archives {
            named.insert(&archive.file);
            if self.files.contains_key(&archive.file) {
                holdings.add(&self.dir.at(&archive.file), self.control)?;
            }
        }
        for archive in &manifest.archives {
            self.control.check()?;
            self.archive(archive)?;
        }
        for item in &manifest.items {
            self.control.check()?;
            named.extend(item.metadata.iter().map(|metadata| metadata.file.as_str()));
            named.extend(item.links.iter().filter_map(|link| link.file.as_deref()));
            self.item(item, &holdings)?;
        }
        let is_stray = |file: &&String| !named.contains(file.as_str()) && !file.starts_with("data/files/");
        let strays: Vec<String> = self.files.keys().filter(is_stray).cloned().collect();
        for file in strays {
            if !self.has_fault(&file) {
                self.note(&file, Finding::new(Code::StrayFile, "the manifest does not name it"));
            }
        }
        if self.depth == Depth::Deep {
            self.bundle(manifest)?;
        }
        Ok(())
    }

    /// One CAR file: its record, its blocks, and that all is in it which the manifest says.
    fn archive(&mut self, archive: &Archive) -> Result<()> {
        let file = &archive.file;
        let Some(fixity) = self.files.get(file).cloned() else {
            if !self.has_fault(file) {
                self.note(file, Finding::new(Code::MissingFile, "is not there"));
            }
            return Ok(());
        };
        if (fixity.len, &fixity.sha256) != (archive.size, &archive.sha256) && !self.has_fault(file) {
            let message = format!("the manifest says sha-256 {}, found {}", archive.sha256, fixity.sha256);
            self.note(file, Finding::new(Code::BadManifest, message));
        }
        let path = self.dir.at(file);
        let opened = File::open(&path).map_err(|e| Error::io(e, "cannot read").in_file(file.clone()))?;
        let report = verify::verify(opened, Some(fixity.len), &verify::Options::default(), self.control)?;
        self.blocks = self.blocks.saturating_add(report.counts.blocks);
        let is_sound = report.verdict == Verdict::Ok;
        for finding in report.findings.into_iter().filter(|finding| finding.severity > Severity::Note) {
            self.note(file, finding);
        }
        if !is_sound {
            return Ok(());
        }
        let roots: Vec<String> = report.roots.iter().map(|root| root.cid.to_string()).collect();
        if roots != archive.header_roots {
            self.note(
                file,
                Finding::new(
                    Code::UnexpectedRoot,
                    format!("its header names other roots than the manifest: {}", roots.join(" ")),
                ),
            );
        }
        if (report.counts.blocks, report.counts.block_bytes) != (archive.blocks, archive.bytes) {
            let message = format!("the manifest says {} blocks of {} bytes", archive.blocks, archive.bytes);
            self.note(file, Finding::new(Code::BadManifest, message));
        }
        if archive.complete { self.answers(archive, &path) } else { Ok(()) }
    }

    /// Whether a complete archive has all that its scope takes.
    fn answers(&mut self, archive: &Archive, path: &Path) -> Result<()> {
        let Ok(root) = parse_text(&archive.root) else { return Ok(()) };
        let car = CarFile::open(path, self.control)?;
        let paths: Vec<Vec<Vec<u8>>> = match archive.scope {
            ArchiveScope::Full => vec![Vec::new()],
            ArchiveScope::Paths => archive.paths.iter().map(|path| segments(path)).collect(),
        };
        for path in paths {
            match expect::missing(&car, &Expect { root, path, scope: Scope::All }, self.control) {
                Ok(missing) => {
                    for missing in missing {
                        let finding =
                            Finding::new(Code::MissingBlock, "a linked block is not there").cid(missing.cid).path(missing.path);
                        self.note(&archive.file, finding);
                    }
                }
                Err(error) => self.note(&archive.file, bag::finding(error)?),
            }
        }
        Ok(())
    }

    /// The metadata of an item against its record and its DAG; payloads against their names.
    fn item(&mut self, item: &Item, holdings: &Holdings) -> Result<()> {
        for file in item.links.iter().filter_map(|link| link.file.as_ref()) {
            let expected = file.strip_prefix("data/inline/").map(|name| name.split('.').next().unwrap_or_default());
            match (self.files.get(file), expected) {
                (None, _) if !self.has_fault(file) => self.note(file, Finding::new(Code::MissingFile, "is not there")),
                (Some(fixity), Some(expected)) if fixity.sha256 != expected && !self.has_fault(file) => {
                    self.note(file, Finding::new(Code::HashMismatch, "its bytes are not those of its name"));
                }
                _ => {}
            }
        }
        let Some(metadata) = &item.metadata else { return Ok(()) };
        let file = &metadata.file;
        match self.files.get(file) {
            None if !self.has_fault(file) => self.note(file, Finding::new(Code::MissingFile, "is not there")),
            Some(fixity) if (fixity.len, &fixity.sha256) != (metadata.bytes, &metadata.sha256) && !self.has_fault(file) => {
                self.note(file, Finding::new(Code::BadManifest, "its bytes are not those of its record"));
            }
            _ => {}
        }
        if let Some(cid) = metadata.cid.as_ref().and_then(|cid| parse_text(cid).ok()) {
            match read_file(holdings, &cid, self.control) {
                Ok(bytes) if bag::sha256(&bytes) == metadata.sha256 => {}
                Ok(_) => {
                    let finding = Finding::new(Code::BadManifest, "the DAG of the metadata has other bytes than its record says");
                    self.note(file, finding.cid(cid));
                }
                // A damaged CAR file is a finding already.
                Err(error) if error.code().is_some() => {
                    if self.findings.iter().all(|(file, _)| !file.starts_with("data/cars/")) {
                        self.note(file, bag::finding(error)?);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        if self.depth == Depth::Deep { self.links(item) } else { Ok(()) }
    }

    /// Whether every link of the metadata is in the manifest, and every extracted file is what its CID says.
    fn links(&mut self, item: &Item) -> Result<()> {
        let Some(metadata) = item.metadata.as_ref().filter(|metadata| self.files.contains_key(&metadata.file)) else {
            return Ok(());
        };
        let bytes = document::read_local(&self.dir.at(&metadata.file))?;
        let token_id = super::collect::token_id(item);
        let place = document::Place { base: None, found_in: None, depth: 1, token_id, roles: None };
        let Ok(document) = document::scan(&bytes, &place, usize::MAX) else { return Ok(()) };
        let known: HashSet<&str> = item.links.iter().map(|link| link.pointer.as_str()).collect();
        let is_cut = item.links.iter().any(|link| link.status == LinkStatus::Limit);
        for link in document.links {
            if link.kind() != Some(crate::address::Kind::Relative) && !known.contains(link.pointer.as_str()) && !is_cut {
                let message = format!("the manifest does not have the metadata's link at {}", link.pointer);
                self.note(&metadata.file, Finding::new(Code::BadManifest, message));
            }
        }
        Ok(())
    }

    /// The bundle: sound, and every root of its header whole.
    fn bundle(&mut self, manifest: &Manifest) -> Result<()> {
        const BUNDLE: &str = "data/bundle.car";
        let Some(fixity) = self.files.get(BUNDLE).cloned() else { return Ok(()) };
        let opened = File::open(self.dir.at(BUNDLE)).map_err(|e| Error::io(e, "cannot read").in_file(BUNDLE))?;
        let report = verify::verify(opened, Some(fixity.len), &verify::Options::default(), self.control)?;
        for finding in report.findings.into_iter().filter(|finding| finding.severity > Severity::Note) {
            self.note(BUNDLE, finding);
        }
        let roots: HashSet<String> = report.roots.iter().map(|root| root.cid.to_string()).collect();
        let lacks = manifest.archives.iter().flat_map(|archive| &archive.header_roots).find(|root| !roots.contains(*root));
        if let Some(root) = lacks {
            self.note(BUNDLE, Finding::new(Code::UnexpectedRoot, format!("its header lacks the root {root}")));
        }
        Ok(())
    }
}

/// A path of the manifest as segments.
fn segments(path: &str) -> Vec<Vec<u8>> {
    path.split('/').filter(|segment| !segment.is_empty()).map(|segment| segment.as_bytes().to_vec()).collect()
}
