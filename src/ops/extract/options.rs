//! What to extract, where to, and how.

use crate::unixfs::Strictness;
use std::io::Write;
use std::path::PathBuf;

/// What to do with symlinks of the archive. They are never followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Symlinks {
    /// Make them, wherever they point.
    #[default]
    Keep,
    /// Leave them out.
    Skip,
}

/// What to do with modes and times of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Metadata {
    /// Set those that are there; of the mode the nine permission bits.
    #[default]
    Restore,
    /// Set none.
    Ignore,
}

/// What to do when something has the name of an entry already. Directories are used as they are, unless they are symlinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// The entry fails.
    #[default]
    Refuse,
    /// Files and symlinks stay as they are and are not compared; anything else that has the name is refused.
    Skip,
    /// Files and symlinks are replaced, in one step, by a whole new file.
    Replace,
}

/// Which names may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Names {
    /// All that this system takes.
    #[default]
    Any,
    /// Only those that Linux, macOS and Windows can all keep side by side: see [`EntryName::portable`](crate::unixfs::EntryName::portable).
    Portable,
}

/// Whether anything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Yes.
    #[default]
    Write,
    /// No: everything is read and proven, and reported as if.
    DryRun,
}

/// What to extract, and how.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only these paths, each as its segments; empty: everything. Each is looked for under every root and placed by its last name.
    pub paths: Vec<Vec<Vec<u8>>>,
    /// Symlinks.
    pub symlinks: Symlinks,
    /// Modes and times.
    pub metadata: Metadata,
    /// Names that are taken.
    pub existing: Existing,
    /// Names that are not portable.
    pub names: Names,
    /// UnixFS nodes that contradict themselves.
    pub strictness: Strictness,
    /// Whether anything is written.
    pub mode: Mode,
}

/// Where to.
pub enum Target<'w> {
    /// Into this directory, made when it is not there. One root that is a directory fills it; any other root becomes
    /// `DIR/<cid>`, a file as well as a directory.
    Directory(PathBuf),
    /// A tar stream with the same paths. Set-id bits are left out; names are the archive's bytes.
    Tar(&'w mut dyn Write),
    /// The bytes of the one file that the roots or paths name.
    File(&'w mut dyn Write),
}

impl std::fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Directory(path) => f.debug_tuple("Directory").field(path).finish(),
            Target::Tar(_) => f.write_str("Tar"),
            Target::File(_) => f.write_str("File"),
        }
    }
}
