//! Commands that read archives, given an address: what they need is fetched into a temporary place first.

use super::args::Common;
use super::fetch::{scratch, summary};
use super::network::{self, Network};
use super::term;
use cartool::address::{self, Address};
use cartool::control::Control;
use cartool::error::{Code, Error, ErrorKind, Result};
use cartool::net::{Fetched, Scope, Session, Status, Target, Want, WantPath, no_sources};
use cartool::ops::expect;
use cartool::ops::metadata::{self, Search};
use cartool::store::CarFile;
use cartool::unixfs::{Budget, RawLeaves, Strictness, Walk};
use std::path::{Path, PathBuf};

/// An archive that may stand in a temporary directory.
pub(crate) struct Opened {
    pub(crate) car: CarFile,
    /// Removes it when dropped.
    _scratch: Option<tempfile::TempDir>,
}

/// The address that a word on the command line is, unless it names a file.
pub(crate) fn address_of(word: &Path) -> Option<Address> {
    let text = word.to_str().filter(|text| *text != "-" && !word.exists())?;
    address::parse_content(text, &Default::default()).ok().filter(|address| address.root.is_some())
}

/// Opens an archive, or fetches the metadata document that an address names.
///
/// # Errors
/// As the archive or the network has it; [`ErrorKind::Missing`] when the document was not obtained.
pub(crate) fn open(
    word: &Path,
    path: Option<&str>,
    network: &Network,
    from: &[PathBuf],
    common: &Common,
    control: &Control,
) -> Result<Opened> {
    match address_of(word) {
        Some(address) => {
            let session = network.session(from, 0, common, control)?;
            let last = network::typed_host(&address);
            if !session.has_sources() && last.is_empty() {
                return Err(no_sources());
            }
            let mut want = Want { dag_scope: expect::Scope::Entity(None), last, ..Want::address(&address, Scope::Path)? };
            if let Some(path) = path {
                let more = path.split('/').filter(|segment| !segment.is_empty()).map(|segment| segment.as_bytes().to_vec());
                want = below(&want, more.collect());
            }
            Look { session: &session, common, control, scratch: scratch()?, count: 0 }.metadata(want)
        }
        None => Ok(Opened { car: CarFile::open(word, control)?, _scratch: None }),
    }
}

/// The same want, further down.
fn below(want: &Want, more: Vec<Vec<u8>>) -> Want {
    let start = want.paths.first().cloned().unwrap_or_default();
    let join = |front: Vec<Vec<u8>>| front.into_iter().chain(more.clone()).collect();
    let path = WantPath { segments: join(start.segments), fallback: start.fallback.map(join) };
    Want { paths: vec![path], ..want.clone() }
}

struct Look<'l> {
    session: &'l Session,
    common: &'l Common,
    control: &'l Control,
    scratch: tempfile::TempDir,
    count: usize,
}

impl Look<'_> {
    /// The document itself; `metadata.json` in it; the only JSON file in it.
    fn metadata(mut self, want: Want) -> Result<Opened> {
        let (car, fetched) = self.fetch(&want)?;
        let Some(car) = car else { return Err(self.failed(&fetched)) };
        let root = *car.roots().first().ok_or_else(|| Error::missing("the address leads to no block"))?;
        if self.is_document(&car, &root)? {
            return Ok(self.opened(car));
        }
        let (inner, not_there) = self.fetch(&below(&want, vec![b"metadata.json".to_vec()]))?;
        if let Some(inner) = inner {
            return Ok(self.opened(inner));
        }
        if not_there.status() != Status::NotFound {
            return Err(self.failed(&not_there));
        }
        let names = json_names(&car, &root, self.control)?;
        match names.as_slice() {
            [name] => {
                let (inner, fetched) = self.fetch(&below(&want, vec![name.clone()]))?;
                match inner {
                    Some(inner) => Ok(self.opened(inner)),
                    None => Err(self.failed(&fetched)),
                }
            }
            [] => Err(Error::missing("no metadata: there is no JSON file at this address").in_file(format!("/ipfs/{root}"))),
            several => {
                let shown: Vec<String> = several.iter().take(20).map(|name| term::escape_bytes(name)).collect();
                let more = several.len().saturating_sub(shown.len());
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let message = format!(
                    "{} JSON files, and nothing says which is the metadata; name one with --path: {}{more}",
                    several.len(),
                    shown.join(", ")
                );
                Err(Error::missing(message).in_file(format!("/ipfs/{root}")))
            }
        }
    }

    fn opened(self, car: CarFile) -> Opened {
        Opened { car, _scratch: Some(self.scratch) }
    }

    fn is_document(&self, car: &CarFile, root: &cartool::cid::Cid) -> Result<bool> {
        match metadata::search(car, root, self.control) {
            Ok(Search::Found(found)) => Ok(found.path.is_empty()),
            Ok(Search::Candidates(_)) => Ok(false),
            Err(error) if matches!(error.kind, ErrorKind::Missing) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Fetches into the next file, with those before it as sources.
    fn fetch(&mut self, want: &Want) -> Result<(Option<CarFile>, Fetched)> {
        let file = |n: usize| self.scratch.path().join(format!("{n}.car"));
        let mut target = Target::new(file(self.count));
        target.from = (0..self.count).map(file).collect();
        let path = target.path.clone();
        self.count += 1;
        let fetched = self.session.fetch(want, &target)?;
        fetched.remarks.iter().for_each(|remark| term::warn(self.common, remark));
        let car = if fetched.is_written { Some(CarFile::open(&path, self.control)?) } else { None };
        Ok((car, fetched))
    }

    fn failed(&self, fetched: &Fetched) -> Error {
        match &fetched.failure {
            Some(failure) if failure.status == Status::Corrupt => {
                Error::new(ErrorKind::Format(Code::HashMismatch), summary(fetched, failure))
            }
            Some(failure) => Error::missing(summary(fetched, failure)),
            None => Error::missing("nothing was written"),
        }
    }
}

/// The names of JSON files right below a directory, whose blocks may be missing.
fn json_names(car: &CarFile, root: &cartool::cid::Cid, control: &Control) -> Result<Vec<Vec<u8>>> {
    let mut walk = Walk::new(car, root, Strictness::Lenient, RawLeaves::Find);
    let mut budget = Budget::new(control.limits);
    let mut names = Vec::new();
    loop {
        match walk.next_entry(&mut budget) {
            Ok(Some(entry)) => {
                let is_top = !entry.path.is_empty() && !entry.path.contains(&b'/');
                if is_top && entry.name().to_ascii_lowercase().ends_with(b".json") {
                    names.push(entry.path);
                }
            }
            Ok(None) => return Ok(names),
            // Not a directory at all.
            Err(error) if matches!(error.kind, ErrorKind::Unsupported(_)) => return Ok(names),
            Err(error) => return Err(error),
        }
    }
}
