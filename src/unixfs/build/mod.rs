//! Makes UnixFS DAGs (UnixFS specification, "Importing"; CID profiles of IPIP-499): bytes to chunks, chunks to leaves, leaves to files,
//! files to directories.
//!
//! Everything here is a value or a stream: no files, no threads. A [`Profile`] has every decision that changes a CID. [`Chunker`]
//! says where chunks end, [`leaf`] encodes them, a [`FileBuilder`] lays leaves out as a tree and a [`DirectoryBuilder`] makes a
//! directory or, when it is large, shards. Builders hand finished blocks to an [`Emit`] function, children before parents, and keep
//! no more than the links of the nodes that are still open.
//!
//! ```
//! use cartool::unixfs::build::{FileBuilder, Leaf, Made, Metadata, Profile, leaf};
//!
//! let profile = Profile::UNIXFS_V1_2025;
//! let mut blocks = 0;
//! let mut file = FileBuilder::new(&profile);
//! let bytes = b"hello world";
//! let data = leaf(&profile, Leaf::Only(&Metadata::default()), bytes);
//! let made = Made::new(&profile, data.codec(), &data, bytes.len() as u64)?;
//! file.push(made, &mut |_, _| { blocks += 1; Ok(()) })?;
//! let root = file.finish(&Metadata::default(), &mut |_, _| { blocks += 1; Ok(()) })?;
//! assert_eq!(root.cid().to_string(), "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e");
//! // The only leaf is the file: nothing is built above it.
//! assert_eq!(blocks, 0);
//! # Ok::<(), cartool::error::Error>(())
//! ```

mod buzhash;
mod chunker;
mod directory;
mod file;
mod made;
mod message;
mod profile;
mod rabin;
mod shard;

pub use chunker::{CHUNK_LEN_MAX, Chunker, ChunkerError};
pub use directory::DirectoryBuilder;
pub use file::FileBuilder;
pub use made::{Emit, Leaf, LeafBlock, Made, leaf, symlink};
pub use message::Metadata;
pub use profile::{
    EmptyDirectories, HashFunction, Layout, Leaves, MAX_LINKS, Measure, Prefix, Profile, Repeats, Sharding, Start, Symlinks,
};

#[cfg(test)]
mod tests;
