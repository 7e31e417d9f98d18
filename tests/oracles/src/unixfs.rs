//! UnixFS trees, as rust-unixfs and unixfs-v1 read them. The two are a crate and the older crate it grew from: their interfaces
//! are the same, their CID types are not.

use crate::archive::{Archive, Blocks};
use crate::dag::{self, DAG_PB, RAW, Reach};
use cid::Cid;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// One thing in a tree.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    /// A directory.
    Directory,
    /// A file, by the digest of its bytes.
    File {
        /// How many bytes.
        len: u64,
        /// Their SHA-256 digest.
        sha256: [u8; 32],
    },
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
}

impl Entry {
    /// The entry for a file with these bytes.
    #[must_use]
    pub fn file(bytes: &[u8]) -> Self {
        Self::File { len: bytes.len() as u64, sha256: Sha256::digest(bytes).into() }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory => f.write_str("directory"),
            Self::File { len, sha256 } => {
                write!(f, "file of {len} bytes, SHA-256 ")?;
                sha256.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Symlink(target) => write!(f, "symlink to {:?}", String::from_utf8_lossy(target)),
        }
    }
}

/// The entries of a tree by path; the root's path is empty.
pub type Tree = BTreeMap<PathBuf, Entry>;

/// Why a tree was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A block of the tree is not in the archive.
    Incomplete,
    /// The tree holds a block that is neither dag-pb nor raw.
    OtherCodec,
    /// The tree holds a raw block, and the reader is unixfs-v1.
    RawLeaf,
    /// A link of the tree has a name that is a path, which no directory entry may have.
    NameIsPath,
    /// A dag-pb node of the tree is not UnixFS.
    NotUnixFs,
    /// The tree holds a HAMT shard that the readers do not support.
    Shard,
    /// A file node has bytes of its own beside its links: the readers drop them.
    BytesBesideLinks,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Incomplete => "a block of the tree is missing",
            Self::OtherCodec => "a block of the tree is neither dag-pb nor raw",
            Self::RawLeaf => "unixfs-v1 does not read raw leaves",
            Self::NameIsPath => "a name in the tree is a path",
            Self::NotUnixFs => "a dag-pb node of the tree is not UnixFS",
            Self::Shard => "the readers know HAMT shards of fanout 256",
            Self::BytesBesideLinks => "the readers drop the bytes of a file node that has links too",
        })
    }
}

/// A reader: what it makes of one tree of an archive.
pub type Reader = fn(&Cid, &Archive) -> Result<Tree, Refusal>;

/// Reads the tree under `root` with rust-unixfs.
///
/// # Errors
///
/// A [`Refusal`] where it cannot read a sound tree.
///
/// # Panics
///
/// When it fails for any other reason.
pub fn rust_unixfs(root: &Cid, archive: &Archive) -> Result<Tree, Refusal> {
    let blocks = archive.blocks();
    check_readable(root, archive, &blocks)?;
    guarded("rust-unixfs", root, || walk_rust_unixfs(root, &blocks))
}

/// Reads the tree under `root` with unixfs-v1.
///
/// # Errors
///
/// A [`Refusal`] where it cannot read a sound tree.
///
/// # Panics
///
/// When it fails for any other reason.
pub fn unixfs_v1(root: &Cid, archive: &Archive) -> Result<Tree, Refusal> {
    let blocks = archive.blocks();
    if check_readable(root, archive, &blocks)?.reached.iter().any(|cid| cid.codec() == RAW) {
        return Err(Refusal::RawLeaf);
    }
    guarded("unixfs-v1", root, || walk_unixfs_v1(root, &blocks))
}

/// The rules that hold for both readers and can be told from the links alone.
fn check_readable(root: &Cid, archive: &Archive, blocks: &Blocks<'_>) -> Result<Reach, Refusal> {
    let reach = dag::on_deep_stack(|| dag::reach(&[*root], archive));
    if reach.reached.iter().chain(&reach.commitments).any(|cid| ![RAW, DAG_PB].contains(&cid.codec())) {
        return Err(Refusal::OtherCodec);
    }
    if !reach.is_complete() {
        return Err(Refusal::Incomplete);
    }
    let nodes = reach.reached.iter().filter(|cid| cid.codec() == DAG_PB).filter_map(|cid| blocks.get(cid));
    if nodes.flat_map(|data| dag::link_names(&data)).any(|name| name.contains('/') || name == "." || name == "..") {
        return Err(Refusal::NameIsPath);
    }
    Ok(reach)
}

/// Both readers have panics of their own: one names its reader and tree here.
fn guarded(reader: &str, root: &Cid, walk: impl FnOnce() -> Result<Tree, Refusal>) -> Result<Tree, Refusal> {
    catch_unwind(AssertUnwindSafe(walk)).unwrap_or_else(|_| panic!("{reader} failed on the tree {root}; its message is above"))
}

/// A file while its segments come in.
#[derive(Default)]
struct OpenFile {
    hasher: Sha256,
    len: u64,
}

impl OpenFile {
    fn take(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
    }

    /// The entry of a file whose root node declares `declared_len` bytes.
    fn close(&mut self, declared_len: u64) -> Result<Entry, Refusal> {
        let Self { hasher, len } = std::mem::take(self);
        if len < declared_len {
            return Err(Refusal::BytesBesideLinks);
        }
        Ok(Entry::File { len, sha256: hasher.finalize().into() })
    }
}

/// One walk for two crates with the same names and different types.
macro_rules! walk_with {
    ($walk:ident, $reader:ident) => {
        fn $walk(root: &Cid, blocks: &Blocks<'_>) -> Result<Tree, Refusal> {
            use ::$reader::walk::{ContinuedWalk, Error, Walker};
            let first = root.to_bytes().as_slice().try_into();
            let first = first.unwrap_or_else(|error| panic!("{} cannot read the CID {root}: {error}", stringify!($reader)));
            let mut walker = Walker::new(first, String::new());
            let mut tree = Tree::new();
            let mut open = OpenFile::default();
            while walker.should_continue() {
                let next = walker.pending_links().0.to_bytes();
                let next = Cid::try_from(next.as_slice()).unwrap_or_else(|error| panic!("not a CID: {error}"));
                let data = blocks.get(&next).ok_or(Refusal::Incomplete)?;
                let step = walker.next(&data, &mut None).map_err(|error| match error {
                    Error::EmptyDagPbNode | Error::UnixFsParsingFailed(_) => Refusal::NotUnixFs,
                    Error::UnsupportedHAMTShard(_) => Refusal::Shard,
                    other => panic!("cannot read the block {next}: {other}"),
                })?;
                match step {
                    ContinuedWalk::Bucket(..) => {}
                    ContinuedWalk::Directory(_, path, _) | ContinuedWalk::RootDirectory(_, path, _) => {
                        tree.insert(path.to_owned(), Entry::Directory);
                    }
                    ContinuedWalk::Symlink(target, _, path, _) => {
                        tree.insert(path.to_owned(), Entry::Symlink(target.to_vec()));
                    }
                    ContinuedWalk::File(segment, _, path, _, declared_len) => {
                        open.take(segment.as_bytes());
                        if segment.is_last() {
                            tree.insert(path.to_owned(), open.close(declared_len)?);
                        }
                    }
                }
            }
            Ok(tree)
        }
    };
}

walk_with!(walk_rust_unixfs, rust_unixfs);
walk_with!(walk_unixfs_v1, unixfs_v1);

/// The tree of a directory on disk, the directory itself left out. Links are not followed.
///
/// # Errors
///
/// When something cannot be read.
pub fn on_disk(dir: &std::path::Path) -> std::io::Result<Tree> {
    let mut tree = Tree::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(parent) = pending.pop() {
        for item in std::fs::read_dir(dir.join(&parent))? {
            let item = item?;
            let path = parent.join(item.file_name());
            let kind = item.file_type()?;
            let entry = if kind.is_dir() {
                pending.push(path.clone());
                Entry::Directory
            } else if kind.is_symlink() {
                Entry::Symlink(std::fs::read_link(item.path())?.as_os_str().as_bytes().to_vec())
            } else {
                Entry::file(&std::fs::read(item.path())?)
            };
            tree.insert(path, entry);
        }
    }
    Ok(tree)
}
