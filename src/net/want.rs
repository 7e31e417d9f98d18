//! What is asked for, and what came of it.

use super::{Endpoint, Remote};
use crate::address::Address;
use crate::cid::Cid;
use crate::error::{Error, Result};
use crate::ops::expect;
use crate::store::Existing;
use std::path::PathBuf;

/// How much of the DAG around the paths is wanted (`--scope`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// [`Scope::Root`] when the root is no UnixFS directory or declares at most
    /// [`auto_root_max`](super::Options::auto_root_max) bytes, else [`Scope::Path`].
    #[default]
    Auto,
    /// The whole DAG below the root.
    Root,
    /// The blocks that prove the paths, and what is below their ends.
    Path,
}

impl Scope {
    /// The word on the command line and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Auto => "auto",
            Scope::Root => "root",
            Scope::Path => "path",
        }
    }
}

/// A path below the root, with its other reading.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WantPath {
    /// The names, as bytes of the directory entries.
    pub segments: Vec<Vec<u8>>,
    /// The same names read literally (or decoded), tried when the blocks prove that the first reading leads nowhere.
    pub fallback: Option<Vec<Vec<u8>>>,
}

impl WantPath {
    /// The first reading as text, with a `/` before each segment; empty for the root. May hold anything: escape before printing.
    pub fn display(&self) -> String {
        self.segments.iter().map(|segment| format!("/{}", String::from_utf8_lossy(segment))).collect()
    }
}

/// One object: a root, and perhaps paths below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// The root.
    pub root: Cid,
    /// How much around the paths.
    pub scope: Scope,
    /// The paths; none means the root itself.
    pub paths: Vec<WantPath>,
    /// How much below the end of each path (`--dag-scope`, `--entity-bytes`). Anything but all goes with the paths alone.
    pub dag_scope: expect::Scope,
    /// Sources for this object alone, asked after all others: the host of the URL that a person typed, or linked gateways.
    pub last: Vec<Remote>,
}

impl Want {
    /// The whole DAG below `root`.
    pub fn whole(root: Cid) -> Want {
        Want { root, scope: Scope::Root, paths: Vec::new(), dag_scope: expect::Scope::All, last: Vec::new() }
    }

    /// What an address names.
    ///
    /// # Errors
    /// When it names no content on IPFS.
    pub fn address(address: &Address, scope: Scope) -> Result<Want> {
        let Some(root) = address.root else {
            return Err(Error::usage(format!("an address of kind {} cannot be fetched, expected ipfs", address.kind.as_str())));
        };
        let bytes = |segments: &[String]| segments.iter().map(|segment| segment.clone().into_bytes()).collect::<Vec<_>>();
        let path = WantPath { segments: bytes(&address.segments), fallback: address.fallback.as_deref().map(bytes) };
        let paths = if path.segments.is_empty() { Vec::new() } else { vec![path] };
        Ok(Want { scope, paths, ..Want::whole(root) })
    }
}

/// Where the archive of a [`Want`] goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The archive: whole, or not there.
    pub path: PathBuf,
    /// Where verified blocks are gathered; a later run goes on from there. Kept when something is missing.
    pub part: PathBuf,
    /// Further archives to take blocks from before anything is asked for; those that do not exist are passed over.
    pub from: Vec<PathBuf>,
    /// What to do when blocks are missing.
    pub missing: crate::ops::build::Missing,
    /// What to do when the archive exists.
    pub existing: Existing,
}

impl Target {
    /// `path`, with its parts in `path.part`.
    pub fn new(path: impl Into<PathBuf>) -> Target {
        let path = path.into();
        let mut part = path.clone().into_os_string();
        part.push(".part");
        Target { path, part: part.into(), from: Vec::new(), missing: Default::default(), existing: Existing::Refuse }
    }
}

/// What became of an object, a path or a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// All of it is in the archive.
    Archived,
    /// Blocks were not obtained.
    Missing,
    /// The blocks prove that there is no such path.
    NotFound,
    /// Every source that has an opinion refuses it (HTTP 410, 451).
    Blocked,
    /// A source sent other bytes, and no other had them.
    Corrupt,
    /// A limit stopped it; the reason names the flag.
    Limit,
}

impl Status {
    /// The stable word, as in the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Archived => "archived",
            Status::Missing => "missing",
            Status::NotFound => "not-found",
            Status::Blocked => "blocked",
            Status::Corrupt => "corrupt",
            Status::Limit => "limit",
        }
    }
}

/// Why something is not in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What became of it.
    pub status: Status,
    /// One sentence; may quote a source: escape before printing.
    pub reason: String,
    /// Whether another run may get it.
    pub retryable: bool,
}

/// A block that was not obtained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its CID.
    pub cid: Cid,
    /// The path that needs it first, raw bytes; `/` for the root.
    pub needed_by: Vec<u8>,
    /// Why.
    pub failure: Failure,
}

/// What became of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathOutcome {
    /// The path as it was asked for.
    pub path: WantPath,
    /// Whether the fallback reading is the one that was found.
    pub by_fallback: bool,
    /// The block at its end, once the path could be followed.
    pub cid: Option<Cid>,
    /// Why it is not archived; `None` when it is.
    pub failure: Option<Failure>,
    /// Bytes of the file at its end, when it is a file.
    pub bytes: Option<u64>,
}

/// How many blocks of the archive a source gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Who.
    pub source: Giver,
    /// How many blocks.
    pub blocks: u64,
}

/// Where blocks came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Giver {
    /// An endpoint in the network.
    Remote(Endpoint),
    /// An archive on this machine.
    Local,
    /// What an earlier run had gathered.
    Part,
}

/// What came of a [`Want`].
#[derive(Debug, Clone)]
#[must_use = "the archive may not be there, or not be whole"]
pub struct Fetched {
    /// Why not all of it is there; `None` when it is.
    pub failure: Option<Failure>,
    /// The scope that was taken: never [`Scope::Auto`].
    pub scope: Scope,
    /// Whether the archive was written.
    pub is_written: bool,
    /// The roots in its header: of complete DAGs only.
    pub header_roots: Vec<Cid>,
    /// What became of each path, in the order of the want; of the root itself when there are none.
    pub paths: Vec<PathOutcome>,
    /// Blocks of it that are there.
    pub blocks: u64,
    /// Bytes of the archive; 0 when it was not written.
    pub bytes: u64,
    /// What is missing, in the order of the walk; at most 100,000.
    pub missing: Vec<Missing>,
    /// How many are missing, as far as could be seen.
    pub missing_blocks: u64,
    /// Who gave how many of the blocks.
    pub sources: Vec<Share>,
    /// Requests that were sent for it.
    pub requests: u64,
    /// Remarks for a person, such as a response that was cut short; may quote a source: escape before printing.
    pub remarks: Vec<String>,
}

impl Fetched {
    /// What became of it as a whole.
    pub fn status(&self) -> Status {
        self.failure.as_ref().map_or(Status::Archived, |failure| failure.status)
    }
}
