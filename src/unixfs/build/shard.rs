//! Shards of a large directory: a trie over the hashes of the names, in which a bucket of one name holds it and a bucket of several
//! is a shard of its own.

use super::Profile;
use super::directory::{Record, records};
use super::made::{self, Emit, Made};
use super::message::{Message, Metadata};
use crate::dag::pb::PbLink;
use crate::error::{Error, Result};
use crate::unixfs::Kind;
use crate::unixfs::hamt::{self, Fanout};

/// A name's hash, and where its record is.
type Hashed = (u64, usize);

/// What is in a bucket.
struct Bucket {
    name: Vec<u8>,
    made: Made,
}

struct Builder<'a, 'e> {
    profile: &'a Profile,
    records: &'a [u8],
    emit: &'a mut Emit<'e>,
}

/// Builds the shards of the directory with these records.
pub(super) fn build(profile: &Profile, bytes: &[u8], count: usize, metadata: &Metadata, emit: &mut Emit<'_>) -> Result<Made> {
    let fanout = profile.sharding.fanout;
    // Places by the root's buckets: with the hash at every place this would take three times the memory.
    let bucket_of = |record: &Record<'_>| usize::from(fanout.bucket(hamt::hash(record.name), 0).unwrap_or_default());
    let mut ends = vec![0usize; usize::from(fanout.get())];
    records(bytes)
        .for_each(|(_, record)| ends.iter_mut().skip(bucket_of(&record)).take(1).for_each(|n| *n = n.saturating_add(1)));
    let mut end = 0usize;
    for n in &mut ends {
        end = end.saturating_add(*n);
        *n = end;
    }
    let mut starts = ends.clone();
    let mut places = vec![0usize; count];
    for (at, record) in records(bytes) {
        if let Some(next) = starts.get_mut(bucket_of(&record)) {
            *next = next.saturating_sub(1);
            places.get_mut(*next).into_iter().for_each(|place| *place = at);
        }
    }
    let mut builder = Builder { profile, records: bytes, emit };
    let mut root = Vec::new();
    let mut hashed: Vec<Hashed> = Vec::new();
    for (bucket, (start, end)) in (0u16..).zip(starts.iter().zip(&ends)) {
        hashed.clear();
        let hash_at = |at: &usize| bytes.get(*at..).and_then(Record::split).map(|(record, _)| (hamt::hash(record.name), *at));
        hashed.extend(places.get(*start..*end).unwrap_or_default().iter().filter_map(hash_at));
        hashed.sort_unstable();
        if !hashed.is_empty() {
            root.push((bucket, builder.bucket(fanout, bucket, &hashed, fanout.bits())?));
        }
    }
    builder.shard(fanout, &root, metadata)
}

impl Builder<'_, '_> {
    /// What stands in one bucket: these names, whose first `used` bits of hash are equal. As deep as a hash has bits, 21 at most.
    fn bucket(&mut self, fanout: Fanout, bucket: u16, hashed: &[Hashed], used: u32) -> Result<Bucket> {
        let mut name = format!("{bucket:0width$X}", width = fanout.prefix_len()).into_bytes();
        if let [(_, at)] = hashed {
            let record = self.records.get(*at..).and_then(Record::split).map(|(record, _)| record);
            let made = record.map_or(Made::linked(&[], 0, 0), |record| Made::linked(record.cid.bytes(), record.tsize, 0));
            name.extend_from_slice(record.map_or(&[], |record| record.name));
            return Ok(Bucket { name, made });
        }
        let mut inner = Vec::new();
        let in_bucket = |hash: u64| fanout.bucket(hash, used);
        for group in hashed.chunk_by(|a, b| in_bucket(a.0) == in_bucket(b.0)) {
            let Some(bucket) = group.first().and_then(|first| in_bucket(first.0)) else {
                return Err(Error::usage("two names of a folder have the same hash and cannot both be in shards: rename one"));
            };
            inner.push((bucket, self.bucket(fanout, bucket, group, used.saturating_add(fanout.bits()))?));
        }
        Ok(Bucket { name, made: self.shard(fanout, &inner, &Metadata::default())? })
    }

    /// The block of a shard with these buckets in use, which come in order.
    fn shard(&mut self, fanout: Fanout, buckets: &[(u16, Bucket)], metadata: &Metadata) -> Result<Made> {
        let mut bitfield = vec![0u8; usize::from(fanout.get() / 8)];
        for (bucket, _) in buckets {
            let bit = 1u8.wrapping_shl(u32::from(bucket % 8));
            bitfield.iter_mut().rev().skip(usize::from(bucket / 8)).take(1).for_each(|byte| *byte |= bit);
        }
        let zeros = bitfield.iter().take_while(|byte| **byte == 0).count();
        let bitfield = bitfield.get(zeros..).unwrap_or_default();
        let message = Message::new(Kind::HamtShard).data(bitfield).fanout(fanout).finish(metadata);
        let links: Vec<PbLink<'_>> = buckets
            .iter()
            .map(|(_, bucket)| PbLink { cid: bucket.made.cid(), name: Some(&bucket.name), tsize: Some(bucket.made.tsize) })
            .collect();
        made::node(self.profile, &links, &message, 0, self.emit)
    }
}
