//! Rules between a UnixFS message and the links of its node.

use super::hamt;
use super::name::{EntryName, NameError};
use super::{Kind, Note, Notes, UnixFs};
use crate::dag::pb::PbLink;
use std::fmt;

/// A rule of the UnixFS specification that a node breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// A file does not have one block size for each link.
    BlocksizeCount {
        /// How many block sizes.
        blocksizes: usize,
        /// How many links.
        links: usize,
    },
    /// A file's claimed size is not the sum of its parts.
    Filesize {
        /// What it claims.
        claimed: u64,
        /// What its parts add up to.
        computed: u64,
    },
    /// A file's block sizes add up to more than 64 bits hold.
    FilesizeOverflow,
    /// A link of a file has a name.
    NamedPart {
        /// Which link, from 0.
        link: usize,
    },
    /// A symlink has links.
    SymlinkLinks {
        /// How many.
        links: usize,
    },
    /// An entry has a name that no entry may have.
    Name {
        /// Which link, from 0.
        link: usize,
        /// Why not.
        error: NameError,
    },
    /// Two entries of a directory have the same name.
    RepeatedName {
        /// The name.
        name: Box<[u8]>,
    },
    /// A shard uses another hash function than murmur3-x64-64, or names none.
    HashType {
        /// What it names.
        actual: Option<u64>,
    },
    /// A shard's fanout is absent or no power of two from 8 to 1024.
    Fanout {
        /// What it says.
        actual: Option<u64>,
    },
    /// A shard's bitfield is longer than its fanout.
    BitfieldLength {
        /// Its length in bytes.
        actual: usize,
        /// The most it may have.
        max: usize,
    },
    /// A link of a shard does not start with the uppercase hexadecimal number of one of its buckets.
    BucketPrefix {
        /// Which link, from 0.
        link: usize,
        /// What the name starts with.
        actual: Box<[u8]>,
        /// How many digits were expected.
        expected_len: usize,
    },
    /// Two links of a shard are in the same bucket.
    RepeatedBucket {
        /// Which link, from 0.
        link: usize,
        /// The bucket.
        bucket: u16,
    },
    /// A name is not in the bucket that its hash leads to, so that a lookup would not find it.
    WrongBucket {
        /// The name.
        name: Box<[u8]>,
    },
    /// Shards are nested deeper than the 64 bits of a hash reach.
    ShardTooDeep,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Violation as V;
        match self {
            V::BlocksizeCount { blocksizes, links } => {
                write!(f, "a file with links: {links}, but block sizes: {blocksizes}, expected as many")
            }
            V::Filesize { claimed, computed } => {
                write!(f, "a file that claims {claimed} bytes, but its parts add up to {computed}")
            }
            V::FilesizeOverflow => f.write_str("a file whose block sizes add up to more than 64 bits hold"),
            V::NamedPart { link } => write!(f, "link {link} of a file has a name, expected none"),
            V::SymlinkLinks { links } => write!(f, "a symlink with links: {links}, expected none"),
            V::Name { link, error } => write!(f, "link {link} of a directory: {error}"),
            V::RepeatedName { name } => write!(f, "a directory with two entries named \"{}\"", name.escape_ascii()),
            V::HashType { actual: Some(code) } => {
                write!(f, "a shard with hash function 0x{code:x}, expected murmur3-x64-64 (0x22)")
            }
            V::HashType { actual: None } => f.write_str("a shard without a hash function, expected murmur3-x64-64 (0x22)"),
            V::Fanout { actual: Some(n) } => write!(f, "a shard of fanout {n}, expected a power of two from 8 to 1024"),
            V::Fanout { actual: None } => f.write_str("a shard without a fanout, expected a power of two from 8 to 1024"),
            V::BitfieldLength { actual, max } => write!(f, "a shard's bitfield of {actual} bytes, expected at most {max}"),
            V::BucketPrefix { link, actual, expected_len } => {
                let actual = actual.escape_ascii();
                write!(
                    f,
                    "link {link} of a shard starts with \"{actual}\", expected a bucket in {expected_len} uppercase hexadecimal digits"
                )
            }
            V::RepeatedBucket { link, bucket } => {
                write!(f, "link {link} of a shard is in bucket {bucket:X}, which is taken already")
            }
            V::WrongBucket { name } => write!(f, "\"{}\" is not in the bucket that its hash leads to", name.escape_ascii()),
            V::ShardTooDeep => f.write_str("shards nested deeper than the 64 bits of a hash reach"),
        }
    }
}

impl std::error::Error for Violation {}

impl UnixFs<'_> {
    /// Checks the links of the same node against the message: everything the specification asks of one node alone.
    ///
    /// Does not check what the links lead to, their Tsize, or that names are in the bucket their hash leads to (see
    /// [`hamt::ShardPath`]). The reserved type `Metadata` has no rules.
    ///
    /// # Errors
    /// The first [`Violation`]. Otherwise further remarks beside [`UnixFs::notes`].
    pub fn check_links(&self, links: &[PbLink<'_>]) -> Result<Notes, Violation> {
        match self.kind {
            Kind::Raw | Kind::File => self.check_file(links),
            Kind::Directory => check_directory(links).map(|()| Notes::default()),
            Kind::Symlink if !links.is_empty() => Err(Violation::SymlinkLinks { links: links.len() }),
            Kind::Symlink | Kind::Metadata => Ok(Notes::default()),
            Kind::HamtShard => self.check_shard(links),
        }
    }

    fn check_file(&self, links: &[PbLink<'_>]) -> Result<Notes, Violation> {
        if self.blocksizes.len() != links.len() {
            return Err(Violation::BlocksizeCount { blocksizes: self.blocksizes.len(), links: links.len() });
        }
        if let Some(link) = links.iter().position(|link| !link.name().is_empty()) {
            return Err(Violation::NamedPart { link });
        }
        let computed = self.size().ok_or(Violation::FilesizeOverflow)?;
        let mut notes = Notes::default();
        match self.filesize {
            Some(claimed) if claimed != computed => return Err(Violation::Filesize { claimed, computed }),
            None if computed != 0 => notes.insert(Note::NoFilesize),
            _ => {}
        }
        Ok(notes)
    }

    fn check_shard(&self, links: &[PbLink<'_>]) -> Result<Notes, Violation> {
        let (_, notes) = self.scan_shard(links, |link, _, _, name| {
            EntryName::try_from(name).map(drop).map_err(|error| Violation::Name { link, error })
        })?;
        Ok(notes)
    }

    /// Checks a shard and its links; `check` gets the number, bucket and name of each that is an entry.
    pub(super) fn scan_shard(
        &self,
        links: &[PbLink<'_>],
        mut check: impl FnMut(usize, hamt::Fanout, u16, &[u8]) -> Result<(), Violation>,
    ) -> Result<(hamt::Fanout, Notes), Violation> {
        let shard = hamt::Shard::new(self)?;
        let mut seen = hamt::BucketSet::default();
        for (link, pb) in links.iter().enumerate() {
            let (bucket, slot) = shard.slot(link, pb.name())?;
            if !seen.insert(bucket) {
                return Err(Violation::RepeatedBucket { link, bucket });
            }
            if let hamt::Slot::Entry(name) = slot {
                check(link, shard.fanout, bucket, name)?;
            }
        }
        let mut notes = Notes::default();
        if (0..shard.fanout.get()).any(|bucket| shard.bitfield.contains(bucket) != seen.contains(bucket)) {
            notes.insert(Note::BitfieldMismatch);
        }
        Ok((shard.fanout, notes))
    }
}

/// Names an entry may have, each once.
fn check_directory(links: &[PbLink<'_>]) -> Result<(), Violation> {
    for (link, pb) in links.iter().enumerate() {
        EntryName::try_from(pb.name()).map_err(|error| Violation::Name { link, error })?;
    }
    check_names_differ(links)
}

/// Each name once. Sorted directories take no allocation.
pub(super) fn check_names_differ(links: &[PbLink<'_>]) -> Result<(), Violation> {
    let repeated = |pair: &[&[u8]]| match pair {
        [a, b] if a == b => Err(Violation::RepeatedName { name: (*a).into() }),
        _ => Ok(()),
    };
    if links.is_sorted_by_key(|link| link.name()) {
        return links.iter().zip(links.iter().skip(1)).try_for_each(|(a, b)| repeated(&[a.name(), b.name()]));
    }
    let mut names: Vec<&[u8]> = links.iter().map(|link| link.name()).collect();
    names.sort_unstable();
    names.windows(2).try_for_each(repeated)
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
