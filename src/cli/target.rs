//! What a PATH on the command line means in an archive.

use super::args::Common;
use super::term;
use cartool::address::{self, PathReading};
use cartool::cid::Cid;
use cartool::control::Control;
use cartool::error::{Error, ErrorKind, Result};
use cartool::store::CarFile;
use cartool::unixfs::{Found, resolve};

/// A path, taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The root it names: `/ipfs/CID/…`, `ipfs://CID/…` or `CID/…`.
    pub(crate) root: Option<Cid>,
    /// The names below the root.
    pub(crate) segments: Vec<Vec<u8>>,
}

impl Target {
    /// Reads a PATH: below a root of the archive, or an address that names the root itself.
    pub(crate) fn parse(path: &str) -> Target {
        let options = address::Options { paths: PathReading::Literal, ..address::Options::default() };
        if let Ok(address) = address::parse_content(path, &options)
            && let Some(root) = address.root
        {
            return Target { root: Some(root), segments: address.segments.into_iter().map(String::into_bytes).collect() };
        }
        let segments = path.split('/').filter(|segment| !segment.is_empty()).map(|segment| segment.as_bytes().to_vec());
        Target { root: None, segments: segments.collect() }
    }

    /// The roots it may be meant below: the one it names, or all of the archive.
    pub(crate) fn roots(&self, car: &CarFile) -> Result<Vec<Cid>> {
        match self.root {
            Some(root) => Ok(vec![root]),
            None => roots_of(car),
        }
    }

    pub(crate) fn segments(&self) -> Vec<&[u8]> {
        self.segments.iter().map(Vec::as_slice).collect()
    }

    /// What the path leads to, below the first root that has it.
    pub(crate) fn resolve(&self, car: &CarFile, control: &Control) -> Result<Cid> {
        let mut missing = None;
        for root in self.roots(car)? {
            match resolve(car, &root, &self.segments(), &control.limits) {
                Ok(resolved) => match resolved.found {
                    Found::Block(cid) => return Ok(cid),
                    Found::Value { cid, .. } => {
                        let message = "the path leads to a value inside a block, not to a file (get-block --as json shows it)";
                        return Err(Error::new(ErrorKind::Usage, message).cid(cid).in_file(car.name()));
                    }
                    Found::Nothing { .. } => {}
                },
                Err(error) if matches!(error.kind, ErrorKind::Missing) => missing = Some(error.in_file(car.name())),
                Err(error) => return Err(error.in_file(car.name())),
            }
        }
        let path = String::from_utf8_lossy(&self.segments.join(&b'/')).into_owned();
        Err(missing.unwrap_or_else(|| Error::missing(format!("there is no {path:?} in the archive")).in_file(car.name())))
    }
}

/// The archive's roots; with none in the header there is nothing to start from.
pub(crate) fn roots_of(car: &CarFile) -> Result<Vec<Cid>> {
    let roots = car.roots();
    if roots.is_empty() {
        let message = "the header names no roots: name one as /ipfs/CID/… (`cartool roots --implicit` finds candidates)";
        return Err(Error::usage(message).in_file(car.name()));
    }
    Ok(roots)
}

/// Says what was wrong with an index that could not be used: what was asked for was found without it.
pub(crate) fn note_bypass(car: &CarFile, common: &Common) {
    if let Some(why) = car.bypass() {
        term::warn(common, &format!("{why}; the archive was searched without its index"));
    }
}

/// Faults of the framing that reading blocks one by one would not notice, as an error.
pub(crate) fn check(car: &CarFile) -> Result<()> {
    car.first_fault().map_or(Ok(()), Err)
}
