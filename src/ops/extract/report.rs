//! What an extraction says while it goes on, and at its end.

use crate::cid::Cid;
use crate::error::Error;

/// Something that happened. Paths are raw bytes of the archive, below the directory that is filled.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'e> {
    /// A directory is there now.
    Directory {
        /// Its path.
        path: &'e [u8],
    },
    /// A file is whole.
    File {
        /// Its path.
        path: &'e [u8],
        /// Its length in bytes.
        len: u64,
    },
    /// A symlink was made.
    Symlink {
        /// Its path.
        path: &'e [u8],
        /// Where it points.
        target: &'e [u8],
    },
    /// Something was left out as asked: a symlink, or a file whose name is taken.
    Skipped {
        /// Its path.
        path: &'e [u8],
    },
    /// Something remarkable that changes no verdict.
    Warning {
        /// The path concerned.
        path: &'e [u8],
        /// One sentence.
        message: &'e str,
    },
    /// A block that is not in the archive.
    Missing {
        /// The path that needs it.
        path: &'e [u8],
        /// Its CID.
        cid: &'e Cid,
    },
    /// An entry that could not be extracted.
    Failed {
        /// Its path.
        path: &'e [u8],
        /// Why.
        error: &'e Error,
    },
}

/// A block that is not there.
#[derive(Debug, Clone)]
pub struct Missing {
    /// The path that needs it.
    pub path: Vec<u8>,
    /// Its CID.
    pub cid: Cid,
}

/// An entry that could not be extracted.
#[derive(Debug)]
pub struct Failed {
    /// Its path.
    pub path: Vec<u8>,
    /// Why. [`ErrorKind::Io`](crate::error::ErrorKind::Io) when the target refused it (a name that is taken as well), [`ErrorKind::Missing`](crate::error::ErrorKind::Missing) for a path that
    /// was asked for and is not in the archive, otherwise a fault of the archive or a limit.
    pub error: Error,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Summary {
    /// Files that were written.
    pub files: u64,
    /// Directories that were made or used.
    pub directories: u64,
    /// Symlinks that were made.
    pub symlinks: u64,
    /// Bytes of all files that were written.
    pub bytes: u64,
    /// Entries left out as asked.
    pub skipped: u64,
    /// Remarks and warnings.
    pub warnings: u64,
    /// Blocks that are not there, at most 10,000 of them.
    pub missing: Vec<Missing>,
    /// How many there are.
    pub missing_count: u64,
    /// Entries that could not be extracted, at most 10,000 of them.
    pub failed: Vec<Failed>,
    /// How many there are.
    pub failed_count: u64,
}

impl Summary {
    /// Whether everything asked for is there now.
    pub fn is_complete(&self) -> bool {
        self.missing_count == 0 && self.failed_count == 0
    }
}
