//! Files out of an archive: to a directory, as a tar stream, or one file to a stream.
//!
//! Every byte was hashed against the CID that named it. What is wrong with one entry is reported and the others go on; files appear
//! whole or not at all.

#[cfg(unix)]
mod jail;
mod options;
mod report;
mod run;
#[cfg(unix)]
mod sparse;
mod tar;

use crate::cid::Cid;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::store::BlockSource;
use crate::unixfs::{Budget, EntryName, FileReader, Found, Mtime, resolve};
pub use options::{Existing, Metadata, Mode, Names, Options, Symlinks, Target};
pub use report::{Event, Failed, Missing, Summary};
use run::Run;
use std::collections::HashSet;
use std::io::Write;

/// Mode and time to restore.
#[derive(Debug, Clone, Copy, Default)]
struct Attributes {
    mode: Option<u32>,
    mtime: Option<Mtime>,
}

/// Delivers all bytes of one file to a closure; can be called again.
type Content<'c> = &'c mut dyn FnMut(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>;

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placed {
    Written,
    Skipped,
}

/// Where entries go. Names are single components, checked.
trait Sink {
    /// Goes into a directory, which is made if need be; without a name into the one that holds everything.
    fn enter(&mut self, name: Option<EntryName<'_>>, attributes: Attributes) -> Result<()>;
    /// Goes back out of it.
    fn leave(&mut self) -> Result<()>;
    /// Makes a file in the current directory.
    fn file(&mut self, name: EntryName<'_>, attributes: Attributes, content: Content<'_>) -> Result<Placed>;
    /// Makes a symlink in the current directory.
    fn symlink(&mut self, name: EntryName<'_>, target: &[u8], attributes: Attributes) -> Result<Placed>;
}

/// Reads everything and writes nothing.
struct DryRun;

impl Sink for DryRun {
    fn enter(&mut self, _: Option<EntryName<'_>>, _: Attributes) -> Result<()> {
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        Ok(())
    }

    fn file(&mut self, _: EntryName<'_>, _: Attributes, content: Content<'_>) -> Result<Placed> {
        content(&mut |_| Ok(())).map(|()| Placed::Written)
    }

    fn symlink(&mut self, _: EntryName<'_>, _: &[u8], _: Attributes) -> Result<Placed> {
        Ok(Placed::Written)
    }
}

/// Extracts what `options` names of the DAGs under `roots`. Equal roots count once.
///
/// Without paths, blocks that no root leads to are not read: [`Recorder`](crate::store::Recorder) and
/// [`CarFile::verify_rest`](crate::store::CarFile::verify_rest) check those.
///
/// # Errors
/// Only what ends the work: a failed read, a full disk, [`ErrorKind::Limit`](crate::error::ErrorKind::Limit) with `--max-entries`, [`ErrorKind::Interrupted`](crate::error::ErrorKind::Interrupted), or a
/// request that makes no sense. Everything else is in the [`Summary`]. No file is half written in either case.
///
/// # Security
/// With [`Target::Directory`], nothing outside the directory is created, changed or followed, whatever the archive holds and
/// whatever stands in the directory already: see the `jail` module. The directory's own path is the caller's and is followed.
pub fn extract<S: BlockSource + ?Sized>(
    source: &S,
    roots: &[Cid],
    target: Target<'_>,
    options: &Options,
    control: &Control,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<Summary> {
    let mut seen = HashSet::new();
    let roots: Vec<Cid> = roots.iter().copied().filter(|root| seen.insert(root.to_bytes())).collect();
    if roots.is_empty() {
        return Err(Error::usage("no root to extract"));
    }
    let mut sink: Box<dyn Sink + '_> = match (options.mode, target) {
        (_, Target::File(out)) => return single_file(source, &roots, out, options, control),
        (Mode::DryRun, _) => Box::new(DryRun),
        (Mode::Write, Target::Tar(out)) => Box::new(tar::Tar::new(out)),
        #[cfg(unix)]
        (Mode::Write, Target::Directory(path)) => Box::new(jail::Jail::new(path, options)),
        #[cfg(not(unix))]
        (Mode::Write, Target::Directory(_)) => {
            return Err(Error::usage("cannot extract to a directory on this system; a tar stream can be written"));
        }
    };
    let mut run = Run::new(source, options, control, &mut *sink, on_event);
    if options.paths.is_empty() {
        run.roots(&roots)?
    } else {
        run.paths(&roots)?
    }
    let summary = run.finish();
    sink.leave()?;
    Ok(summary)
}

/// The one file that roots or paths name, to a stream.
fn single_file<S: BlockSource + ?Sized>(
    source: &S,
    roots: &[Cid],
    out: &mut dyn Write,
    options: &Options,
    control: &Control,
) -> Result<Summary> {
    let [root] = roots else {
        return Err(Error::usage(format!("{} roots, expected one file", roots.len())));
    };
    let cid = match &options.paths[..] {
        [] => *root,
        [path] => match locate(source, root, path, control)? {
            Some(cid) => cid,
            None => return Err(not_there(path)),
        },
        paths => return Err(Error::usage(format!("{} paths, expected one file", paths.len()))),
    };
    let mut budget = Budget::new(control.limits);
    let reader = FileReader::open(source, &cid, options.strictness)?;
    let mut chunks = reader.chunks(&mut budget)?;
    let mut bytes = 0u64;
    while let Some(chunk) = chunks.next_chunk()? {
        control.check()?;
        if options.mode == Mode::Write {
            out.write_all(chunk.bytes()).map_err(|e| Error::io(e, "cannot write"))?;
        }
        bytes = bytes.saturating_add(chunk.bytes().len() as u64);
        control.add_done(chunk.bytes().len() as u64);
    }
    Ok(Summary { files: 1, bytes, ..Summary::default() })
}

fn not_there(path: &[Vec<u8>]) -> Error {
    let path = path.iter().map(|segment| String::from_utf8_lossy(segment)).collect::<Vec<_>>().join("/");
    Error::missing(format!("no root has the path {path}"))
}

fn locate<S: BlockSource + ?Sized>(source: &S, root: &Cid, path: &[Vec<u8>], control: &Control) -> Result<Option<Cid>> {
    let segments: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
    match resolve(source, root, &segments, &control.limits)?.found {
        Found::Block(cid) => Ok(Some(cid)),
        Found::Nothing { .. } => Ok(None),
        Found::Value { cid, .. } => Err(Error::usage("a value inside a block, no file or directory").cid(cid)),
    }
}

#[cfg(all(test, unix))]
#[path = "extract/tests.rs"]
mod tests;
