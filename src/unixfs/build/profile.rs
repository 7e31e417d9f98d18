//! Every decision that changes a CID, and the sets of decisions that are in use.

use super::Chunker;
use crate::cid::hash_code;
use crate::error::{Error, Result};
use crate::hash;
use crate::unixfs::hamt::Fanout;

/// Fewest and most links of a file node: with more than these 16,384 a node would near the 1 MiB that others write at most.
pub const MAX_LINKS: std::ops::RangeInclusive<usize> = 2..=16 << 10;

/// Bytes around a chunk in a dag-pb leaf, at most.
const LEAF_OVERHEAD: u64 = 64;
/// Bytes of a link with a name as long as file systems allow.
const ENTRY_LEN_MAX: u64 = 320;

/// How leaves of a file become a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// All leaves are equally deep; a file of one chunk is its leaf.
    Balanced,
    /// Leaves come first at every node, behind them subtrees that grow deeper, four of each depth. Made for reading in order.
    Trickle,
}

/// What holds the bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leaves {
    /// Blocks of codec raw: the bytes and nothing else.
    Raw,
    /// dag-pb nodes.
    DagPb,
}

/// A hash function, as in a CID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HashFunction {
    /// The multicodec code.
    pub code: u64,
    /// The bytes of the digest.
    pub digest_len: usize,
}

impl HashFunction {
    /// SHA2-256.
    pub const SHA2_256: HashFunction = HashFunction { code: hash_code::SHA2_256, digest_len: 32 };

    /// The functions for new content, by their multicodec names, that kubo and other readers check too.
    pub const NAMED: [(&'static str, HashFunction); 9] = [
        ("sha2-256", HashFunction::SHA2_256),
        ("sha2-512", HashFunction { code: 0x13, digest_len: 64 }),
        ("sha3-256", HashFunction { code: 0x16, digest_len: 32 }),
        ("sha3-512", HashFunction { code: 0x14, digest_len: 64 }),
        ("keccak-256", HashFunction { code: 0x1b, digest_len: 32 }),
        ("dbl-sha2-256", HashFunction { code: 0x56, digest_len: 32 }),
        ("blake2b-256", HashFunction { code: hash_code::BLAKE2B_256, digest_len: 32 }),
        ("blake2s-256", HashFunction { code: 0xb260, digest_len: 32 }),
        ("blake3", HashFunction { code: 0x1e, digest_len: 32 }),
    ];

    /// The function of that name.
    pub fn named(name: &str) -> Option<HashFunction> {
        HashFunction::NAMED.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
    }
}

/// What is compared with the threshold above which a directory is sharded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measure {
    /// The length of the directory's block, in bytes.
    Block,
    /// The lengths of all names and CIDs, in bytes.
    Links,
    /// The number of entries.
    Entries,
}

/// Where sharding starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Start {
    /// Above the threshold.
    Above,
    /// At the threshold.
    At,
}

/// When and how a directory is sharded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sharding {
    /// What is measured.
    pub measure: Measure,
    /// Whether the threshold itself still fits one block.
    pub start: Start,
    /// In bytes or entries, as `measure` says; `None`: directories are never sharded.
    pub threshold: Option<u64>,
    /// Buckets of a shard.
    pub fanout: Fanout,
}

impl Sharding {
    const fn above(measure: Measure, threshold: u64) -> Sharding {
        Sharding { measure, start: Start::Above, threshold: Some(threshold), fanout: Fanout::DEFAULT }
    }

    const fn at(measure: Measure, threshold: u64) -> Sharding {
        Sharding { start: Start::At, ..Sharding::above(measure, threshold) }
    }
}

/// What becomes of folders without files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EmptyDirectories {
    /// They are in.
    Keep,
    /// They are left out, and those that hold nothing else.
    Drop,
}

/// What becomes of symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Symlinks {
    /// They are kept as links.
    Keep,
    /// What they lead to is in their place.
    Follow,
    /// They are left out.
    Skip,
}

/// How often an archive holds a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Repeats {
    /// Once.
    Once,
    /// As often as it was made.
    Each,
}

/// Whether folders that hold one folder and nothing else are the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Prefix {
    /// The folder that was named is the root.
    Keep,
    /// The first folder that holds more is.
    Strip,
}

/// Everything that decides which CID a file or folder gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Profile {
    /// How files are cut.
    pub chunker: Chunker,
    /// Most links of a file node, within [`MAX_LINKS`].
    pub max_links: usize,
    /// How leaves become a tree.
    pub layout: Layout,
    /// What leaves are.
    pub leaves: Leaves,
    /// 0 or 1. Raw leaves have CIDv1 even when the rest has CIDv0.
    pub cid_version: u8,
    /// What blocks are hashed with; CIDv0 is SHA2-256 alone.
    pub hash: HashFunction,
    /// When directories are sharded.
    pub sharding: Sharding,
    /// Folders without files.
    pub empty_directories: EmptyDirectories,
    /// Symbolic links.
    pub symlinks: Symlinks,
    /// Blocks that were made more than once.
    pub repeats: Repeats,
    /// Folders of one folder above the rest.
    pub prefix: Prefix,
}

impl Profile {
    /// IPIP-499 `unixfs-v1-2025`: what new content should be made with.
    pub const UNIXFS_V1_2025: Profile = Profile {
        chunker: Chunker::Size(1 << 20),
        max_links: 1024,
        layout: Layout::Balanced,
        leaves: Leaves::Raw,
        cid_version: 1,
        hash: HashFunction::SHA2_256,
        sharding: Sharding::above(Measure::Block, 256 << 10),
        empty_directories: EmptyDirectories::Keep,
        symlinks: Symlinks::Keep,
        repeats: Repeats::Once,
        prefix: Prefix::Keep,
    };

    /// IPIP-499 `unixfs-v0-2015`: CIDs that start with `Qm`.
    pub const UNIXFS_V0_2015: Profile = Profile {
        chunker: Chunker::Size(256 << 10),
        max_links: 174,
        leaves: Leaves::DagPb,
        cid_version: 0,
        sharding: Sharding::above(Measure::Links, 256 << 10),
        ..Profile::UNIXFS_V1_2025
    };

    /// What kubo made with `--cid-version=1` before IPIP-499.
    pub const KUBO_CIDV1_LEGACY: Profile = Profile {
        leaves: Leaves::Raw,
        cid_version: 1,
        sharding: Sharding::at(Measure::Links, 256 << 10),
        ..Profile::UNIXFS_V0_2015
    };

    /// The same with `--raw-leaves=false`.
    pub const KUBO_CIDV1_NORAW: Profile = Profile { leaves: Leaves::DagPb, ..Profile::KUBO_CIDV1_LEGACY };

    /// The `ipfs-car` program: symlinks inside folders and empty folders are left out, blocks are not checked for repetition.
    pub const IPFS_CAR: Profile = Profile {
        sharding: Sharding::above(Measure::Entries, 1000),
        empty_directories: EmptyDirectories::Drop,
        symlinks: Symlinks::Skip,
        repeats: Repeats::Each,
        prefix: Prefix::Strip,
        ..Profile::UNIXFS_V1_2025
    };

    /// All profiles that have names, the likeliest first.
    pub const NAMED: [(&'static str, Profile); 5] = [
        ("unixfs-v1-2025", Profile::UNIXFS_V1_2025),
        ("unixfs-v0-2015", Profile::UNIXFS_V0_2015),
        ("kubo-cidv1-legacy", Profile::KUBO_CIDV1_LEGACY),
        ("kubo-cidv1-noraw", Profile::KUBO_CIDV1_NORAW),
        ("ipfs-car", Profile::IPFS_CAR),
    ];

    /// The profile of that name.
    pub fn named(name: &str) -> Option<Profile> {
        Profile::NAMED.iter().find(|(known, _)| *known == name).map(|(_, profile)| *profile)
    }

    /// The longest block that the profile makes of files and names of common lengths, in bytes.
    pub fn block_len_max(&self) -> u64 {
        let chunk = self.chunker.max_len() as u64;
        let leaf = match self.leaves {
            Leaves::Raw => chunk,
            Leaves::DagPb => chunk.saturating_add(LEAF_OVERHEAD),
        };
        let threshold = self.sharding.threshold.unwrap_or(u64::MAX);
        let directory = match self.sharding.measure {
            Measure::Block => threshold,
            // A link takes up to a half more than its name and CID.
            Measure::Links => threshold.saturating_add(threshold / 2),
            Measure::Entries => threshold.saturating_mul(ENTRY_LEN_MAX),
        };
        leaf.max(directory)
    }

    /// Checks what the types do not.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::error::ErrorKind::Usage): lengths out of bounds, a hash function that cannot be used, or one
    /// that CIDv0 does not have.
    pub fn check(&self) -> Result<()> {
        self.chunker.check().map_err(|e| Error::usage(e.to_string()))?;
        if !MAX_LINKS.contains(&self.max_links) {
            let (min, max) = (MAX_LINKS.start(), MAX_LINKS.end());
            return Err(Error::usage(format!("{} links a node, expected {min} to {max}", self.max_links)));
        }
        if self.cid_version > 1 {
            return Err(Error::usage(format!("CID version {}, expected 0 or 1", self.cid_version)));
        }
        if self.cid_version == 0 && self.hash != HashFunction::SHA2_256 {
            return Err(Error::usage("CIDv0 has sha2-256 alone: take CIDv1"));
        }
        if self.hash.code == hash_code::IDENTITY {
            return Err(Error::usage("identity is no hash function for blocks"));
        }
        hash::digest(self.hash.code, &[], self.hash.digest_len).map_err(|why| Error::usage(why.to_string()))?;
        Ok(())
    }
}
