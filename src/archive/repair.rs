//! Replaces what is damaged or gone by the same bytes, or leaves it as it is.

use super::bag::{self, Payload};
use super::collect::{Run, token_id};
use super::directory::{Directory, MANIFEST, car_file};
use super::document;
use super::gather::wanted_again;
use super::holdings::{Holdings, Sound};
use super::manifest::{Archive, Item, Manifest};
use super::options::{Notice, Options, Product};
use super::products;
use crate::address::{self, Kind};
use crate::cid::parse_text;
use crate::control::Control;
use crate::error::{Error, ErrorKind, Finding, Result};
use crate::net::{self, Session, Target};
use crate::ops::build::Missing;
use crate::ops::metadata::read_file;
use crate::store::{CarFile, Existing};
use std::collections::{BTreeSet, HashMap};
use std::fs;

/// Mends the files that `findings` name, and gives those that were.
///
/// # Errors
/// When a file cannot be written, or the work is stopped. What cannot be had again stays as it is.
pub(super) fn repair(
    dir: &Directory,
    net: &net::Options,
    findings: &[(String, Finding)],
    control: &Control,
    notice: &mut dyn FnMut(Notice),
) -> Result<Vec<String>> {
    let damaged: BTreeSet<&str> = findings.iter().map(|(file, _)| file.as_str()).collect();
    let manifest = match dir.manifest() {
        Ok(Some(manifest)) if !damaged.contains(MANIFEST) => manifest,
        _ => {
            notice(Notice::Warning(format!("{MANIFEST} is damaged or gone: what it said cannot be had again")));
            return Ok(Vec::new());
        }
    };
    dir.create()?;
    let session = Session::new(net.clone(), control)?;
    let mut mend = Mend { dir, session: &session, control, known: dir.known_payload(), repaired: Vec::new() };
    for archive in manifest.archives.iter().filter(|archive| damaged.contains(archive.file.as_str())) {
        notice(Notice::Step(format!("repairing {}", archive.file)));
        if let Err(why) = mend.archive(archive)? {
            notice(Notice::Warning(format!("{}: {why}", archive.file)));
        }
    }
    let mut holdings = Holdings::new(control);
    for archive in manifest.archives.iter().filter(|archive| dir.at(&archive.file).is_file()) {
        holdings.add(&dir.at(&archive.file), control)?;
    }
    for item in &manifest.items {
        mend.item(item, &holdings, &damaged)?;
    }
    let Mend { known, mut repaired, .. } = mend;
    let products = remade(dir, &damaged, &mut repaired)?;
    let has_lost_files = products.contains(&Product::Files);
    let options = Options { products, ..Options::default() };
    let mut run = Run {
        dir,
        session: &session,
        options: &options,
        control,
        notice,
        manifest,
        known,
        holdings,
        archives: HashMap::new(),
        requests: 0,
    };
    // The directory of files is there although a file is not.
    products::make(&mut run, has_lost_files)?;
    let Run { manifest, known, .. } = run;
    reseal(dir, &manifest, known, &damaged, &mut repaired, control)?;
    let _ = fs::remove_dir(dir.at("cartool/part"));
    Ok(repaired)
}

/// Removes damaged products, which are made anew of what they were made of.
fn remade(dir: &Directory, damaged: &BTreeSet<&str>, repaired: &mut Vec<String>) -> Result<Vec<Product>> {
    let mut products = Vec::new();
    for file in damaged {
        let product = match *file {
            "data/bundle.car" => Product::Bundle,
            "data/report.html" => Product::Report,
            file if file.starts_with("data/files/") => Product::Files,
            _ => continue,
        };
        dir.remove(file)?;
        repaired.push((*file).to_owned());
        if !products.contains(&product) {
            products.push(product);
        }
    }
    Ok(products)
}

/// Tag files are made anew when nothing but them was wrong, or what was wrong is mended: never over damage that would not show then.
fn reseal(
    dir: &Directory,
    manifest: &Manifest,
    mut known: Payload,
    damaged: &BTreeSet<&str>,
    repaired: &mut Vec<String>,
    control: &Control,
) -> Result<()> {
    const TAGS: [&str; 4] = ["bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt"];
    let is_open = |file: &&&str| !TAGS.contains(file) && !repaired.iter().any(|done| done == **file);
    let tags: Vec<&&str> = damaged.iter().filter(|file| TAGS.contains(file)).collect();
    if tags.is_empty() && repaired.is_empty() || damaged.iter().any(|file| is_open(&file)) {
        return Ok(());
    }
    for archive in &manifest.archives {
        let fixity = bag::Fixity { len: archive.size, sha256: archive.sha256.clone() };
        known.insert(archive.file.clone(), fixity);
    }
    dir.seal(manifest, &mut known, control)?;
    repaired.extend(tags.into_iter().map(|file| (*file).to_owned()));
    Ok(())
}

struct Mend<'m> {
    dir: &'m Directory,
    session: &'m Session,
    control: &'m Control,
    known: Payload,
    repaired: Vec<String>,
}

impl Mend<'_> {
    /// Builds an archive again, of its own sound blocks and of those that sources have. The inner error says why it stays as it is.
    fn archive(&mut self, archive: &Archive) -> Result<std::result::Result<(), String>> {
        let Ok(root) = parse_text(&archive.root) else { return Ok(Err("its root is no CID".to_owned())) };
        let damaged = self.dir.at(&archive.file);
        // One whose header is damaged cannot be opened; what is in it is lost.
        let is_readable = damaged.is_file() && CarFile::open(&damaged, self.control).is_ok();
        let target = Target {
            path: self.dir.part(&root, "car"),
            part: self.dir.part(&root, "part"),
            from: if is_readable { vec![damaged] } else { vec![self.dir.part(&root, "old")] },
            missing: if archive.complete { Missing::Refuse } else { Missing::Allow },
            existing: Existing::Replace,
        };
        let fetched = match self.session.fetch(&wanted_again(archive, root), &target) {
            Ok(fetched) => fetched,
            Err(error) if error.code().is_some() || matches!(error.kind, ErrorKind::Usage) => return Ok(Err(error.to_string())),
            Err(error) => return Err(error),
        };
        if !fetched.is_written {
            let reason = fetched.failure.map_or_else(|| "nothing was written".to_owned(), |failure| failure.reason);
            return Ok(Err(format!("cannot be repaired: {reason}")));
        }
        let fixity = bag::fixity(&target.path, self.control)?;
        if fixity.sha256 != archive.sha256 {
            let _ = fs::remove_file(&target.path);
            return Ok(Err(format!(
                "was built anew, but with other bytes: sha-256 {}, expected {}",
                fixity.sha256, archive.sha256
            )));
        }
        let file = car_file(&root);
        fs::rename(&target.path, self.dir.at(&file))
            .map_err(|e| Error::io(e, "cannot name the finished file").in_file(file.clone()))?;
        let _ = fs::remove_file(&target.part);
        self.known.insert(file.clone(), fixity);
        self.repaired.push(file);
        Ok(Ok(()))
    }

    /// Metadata from its DAG or its URI; payloads from the documents that they stand in.
    fn item(&mut self, item: &Item, holdings: &Holdings, damaged: &BTreeSet<&str>) -> Result<()> {
        let own = item.chain.as_ref().and_then(|chain| address::parse(&chain.uri, &address::Options::default()).ok());
        let own = own.and_then(|address| address.payload);
        let mut document = None;
        if let Some(metadata) = &item.metadata {
            let cid = metadata.cid.as_ref().and_then(|cid| parse_text(cid).ok());
            let of_dag = cid.and_then(|cid| read_file(&Sound(holdings), &cid, self.control).ok());
            let bytes = of_dag.or_else(|| own.as_ref().map(|payload| payload.bytes.clone()));
            let bytes = bytes.filter(|bytes| bag::sha256(bytes) == metadata.sha256);
            if let Some(bytes) = bytes.as_ref().filter(|_| damaged.contains(metadata.file.as_str())) {
                self.write(&metadata.file, bytes)?;
            }
            document = bytes.or_else(|| document::read_local(&self.dir.at(&metadata.file)).ok());
        }
        let inline = item.links.iter().filter_map(|link| link.file.as_deref());
        let lost: Vec<&str> = inline.filter(|file| file.starts_with("data/inline/") && damaged.contains(file)).collect();
        if lost.is_empty() {
            return Ok(());
        }
        let mut payloads: Vec<Vec<u8>> = own.into_iter().map(|payload| payload.bytes).collect();
        let place = document::Place { base: None, found_in: None, depth: 1, token_id: token_id(item), roles: None };
        if let Some(Ok(document)) = document.as_deref().map(|bytes| document::scan(bytes, &place, usize::MAX)) {
            let data = document.links.into_iter().filter(|link| matches!(link.kind(), Some(Kind::Data | Kind::Inline)));
            payloads.extend(data.filter_map(|link| link.result.ok()?.payload).map(|payload| payload.bytes));
        }
        for file in lost {
            let is_it = |bytes: &&Vec<u8>| file.contains(&bag::sha256(bytes));
            if let Some(bytes) = payloads.iter().find(is_it) {
                self.write(file, bytes)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, file: &str, bytes: &[u8]) -> Result<()> {
        self.dir.write(file, bytes, &mut self.known)?;
        self.repaired.push(file.to_owned());
        Ok(())
    }
}
