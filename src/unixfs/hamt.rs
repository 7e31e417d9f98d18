//! Shards of a large directory (UnixFS specification, "HAMTShard").
//!
//! The bitfield is a big-endian number without leading zeros, and hash bits are used from the most significant on: the text of the
//! specification said otherwise for a long time, every written file is like this.

use super::rules::Violation;
use super::{Kind, UnixFs};
use crate::cid::hash_code;

/// The first 64 bits of MurmurHash3 x64 128 with seed 0: what sorts names into buckets. Not a cryptographic hash.
pub fn hash(name: &[u8]) -> u64 {
    const C1: u64 = 0x87c3_7b91_1142_53d5;
    const C2: u64 = 0x4cf5_ad43_2745_937f;
    let mix1 = |k: u64| k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let mix2 = |k: u64| k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    let (mut h1, mut h2) = (0u64, 0u64);
    let (blocks, tail) = name.as_chunks::<16>();
    for block in blocks {
        let (k1, k2) = halves(block);
        h1 = (h1 ^ mix1(k1)).rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 = (h2 ^ mix2(k2)).rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let mut padded = [0u8; 16];
    for (to, from) in padded.iter_mut().zip(tail) {
        *to = *from;
    }
    // Zero bytes mix to zero, so an absent tail changes nothing.
    let (k1, k2) = halves(&padded);
    h1 ^= mix1(k1);
    h2 ^= mix2(k2);
    h1 ^= name.len() as u64;
    h2 ^= name.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    finish(h1).wrapping_add(finish(h2))
}

fn halves(block: &[u8; 16]) -> (u64, u64) {
    let both = u128::from_le_bytes(*block);
    (both as u64, (both >> 64) as u64)
}

fn finish(mut k: u64) -> u64 {
    k = (k ^ (k >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    k = (k ^ (k >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ (k >> 33)
}

/// The number of buckets of a shard: a power of two from 8 to 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fanout(u16);

impl Fanout {
    /// 256, which every writer takes unless told otherwise.
    pub const DEFAULT: Fanout = Fanout(256);

    /// Checks a claimed fanout.
    ///
    /// # Errors
    /// [`Violation::Fanout`].
    pub fn new(claimed: Option<u64>) -> Result<Fanout, Violation> {
        match claimed {
            Some(n @ 8..=1024) if n.is_power_of_two() => Ok(Fanout(n as u16)),
            actual => Err(Violation::Fanout { actual }),
        }
    }

    /// The number itself.
    pub fn get(self) -> u16 {
        self.0
    }

    /// How many hash bits choose a bucket.
    pub fn bits(self) -> u32 {
        self.0.trailing_zeros()
    }

    /// How many hexadecimal digits a bucket's number takes in front of a name.
    pub fn prefix_len(self) -> usize {
        self.bits().div_ceil(4) as usize
    }

    /// The bucket of `hash` in a shard reached by `used` bits of it; `None` when fewer bits are left than the fanout needs.
    pub fn bucket(self, hash: u64, used: u32) -> Option<u16> {
        let shift = 64u32.checked_sub(used.checked_add(self.bits())?)?;
        Some((hash.wrapping_shr(shift) & u64::from(self.0.saturating_sub(1))) as u16)
    }
}

/// The buckets that lead from the root shard to a shard, as the leading bits of every hash in it.
///
/// The specification does not say how shards of different fanouts share the bits of a hash, and writers disagree. So a path
/// through a [mixed](ShardPath::is_mixed) directory says nothing about names: only its depth stays bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShardPath {
    prefix: u64,
    bits: u32,
    fanout: Option<Fanout>,
    mixed: bool,
}

impl ShardPath {
    /// The root shard's: empty.
    pub fn root() -> ShardPath {
        ShardPath::default()
    }

    /// How many bits of a hash the path takes.
    pub fn bits(self) -> u32 {
        self.bits
    }

    /// Whether shards on the path differ in fanout, which is worth a remark.
    pub fn is_mixed(self) -> bool {
        self.mixed
    }

    /// The path of what is in this bucket of a shard with this path.
    ///
    /// # Errors
    /// [`Violation::ShardTooDeep`] when the hash has no bits left: at fanout 256 below eight levels.
    pub fn bucket(self, fanout: Fanout, bucket: u16) -> Result<ShardPath, Violation> {
        let bits = self.bits.saturating_add(fanout.bits());
        if bits > 64 {
            return Err(Violation::ShardTooDeep);
        }
        let prefix = self.prefix.wrapping_shl(fanout.bits()) | u64::from(bucket);
        let mixed = self.mixed || self.fanout.is_some_and(|above| above != fanout);
        Ok(ShardPath { prefix, bits, fanout: Some(fanout), mixed })
    }

    /// Whether a name belongs here; in a mixed directory every name may.
    pub fn leads_to(self, name: &[u8]) -> bool {
        // A shift by 64, for the empty path, must leave nothing.
        let leading = hash(name).checked_shr(64u32.saturating_sub(self.bits)).unwrap_or_default();
        self.mixed || leading == self.prefix
    }

    /// Checks that an entry in this bucket is where a lookup would search it.
    ///
    /// # Errors
    /// [`Violation::WrongBucket`], or [`Violation::ShardTooDeep`].
    pub fn check_entry(self, fanout: Fanout, bucket: u16, name: &[u8]) -> Result<(), Violation> {
        if self.bucket(fanout, bucket)?.leads_to(name) { Ok(()) } else { Err(Violation::WrongBucket { name: name.into() }) }
    }
}

/// Which buckets of a shard are in use, as the shard says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bitfield<'a>(&'a [u8]);

impl<'a> Bitfield<'a> {
    /// Takes the `Data` of a shard.
    ///
    /// # Errors
    /// [`Violation::BitfieldLength`] when it has more bytes than the fanout needs.
    pub fn new(bytes: &'a [u8], fanout: Fanout) -> Result<Bitfield<'a>, Violation> {
        let max = usize::from(fanout.get() / 8);
        if bytes.len() > max {
            return Err(Violation::BitfieldLength { actual: bytes.len(), max });
        }
        Ok(Bitfield(bytes))
    }

    /// Whether the bucket is in use.
    pub fn contains(self, bucket: u16) -> bool {
        let byte = self.0.iter().rev().nth(usize::from(bucket / 8)).copied().unwrap_or_default();
        byte.wrapping_shr(u32::from(bucket % 8)) & 1 == 1
    }
}

/// A set of the buckets of one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BucketSet([u64; 16]);

impl BucketSet {
    /// Adds a bucket; `false` when it was there already, or is none (1024 and above).
    pub fn insert(&mut self, bucket: u16) -> bool {
        let bit = 1u64.wrapping_shl(u32::from(bucket % 64));
        match self.0.get_mut(usize::from(bucket / 64)) {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                true
            }
            _ => false,
        }
    }

    /// Whether the bucket is in the set.
    pub fn contains(&self, bucket: u16) -> bool {
        let word = self.0.get(usize::from(bucket / 64)).copied().unwrap_or_default();
        word.wrapping_shr(u32::from(bucket % 64)) & 1 == 1
    }
}

/// What a link of a shard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot<'a> {
    /// A shard of the next level.
    Shard,
    /// An entry of the directory, by this name.
    Entry(&'a [u8]),
}

/// The checked parameters of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard<'a> {
    /// The number of buckets.
    pub fanout: Fanout,
    /// The buckets it says are in use.
    pub bitfield: Bitfield<'a>,
}

impl<'a> Shard<'a> {
    /// Checks hash function, fanout and bitfield of a node of [`Kind::HamtShard`].
    ///
    /// # Errors
    /// [`Violation`] with the first that is wrong.
    pub fn new(node: &UnixFs<'a>) -> Result<Shard<'a>, Violation> {
        debug_assert_eq!(node.kind, Kind::HamtShard);
        if node.hash_type != Some(hash_code::MURMUR3_X64_64) {
            return Err(Violation::HashType { actual: node.hash_type });
        }
        let fanout = Fanout::new(node.fanout)?;
        Ok(Shard { fanout, bitfield: Bitfield::new(node.data.unwrap_or_default(), fanout)? })
    }

    /// Splits the name of link number `link` into its bucket and what the link is.
    ///
    /// # Errors
    /// [`Violation::BucketPrefix`] when it does not start with the uppercase hexadecimal number of a bucket.
    pub fn slot<'n>(&self, link: usize, name: &'n [u8]) -> Result<(u16, Slot<'n>), Violation> {
        let expected_len = self.fanout.prefix_len();
        let split = name.split_at_checked(expected_len);
        let bucket = split.and_then(|(prefix, _)| parse_bucket(prefix)).filter(|bucket| *bucket < self.fanout.get());
        match (bucket, split) {
            (Some(bucket), Some((_, []))) => Ok((bucket, Slot::Shard)),
            (Some(bucket), Some((_, name))) => Ok((bucket, Slot::Entry(name))),
            _ => {
                let actual = name.get(..expected_len).unwrap_or(name).into();
                Err(Violation::BucketPrefix { link, actual, expected_len })
            }
        }
    }
}

/// At most three uppercase hexadecimal digits.
pub(super) fn parse_bucket(prefix: &[u8]) -> Option<u16> {
    prefix.iter().try_fold(0u16, |bucket, digit| {
        let value = match digit {
            b'0'..=b'9' => digit.wrapping_sub(b'0'),
            b'A'..=b'F' => digit.wrapping_sub(b'A').wrapping_add(10),
            _ => return None,
        };
        bucket.checked_mul(16)?.checked_add(u16::from(value))
    })
}

#[cfg(test)]
#[path = "hamt_tests.rs"]
mod tests;
