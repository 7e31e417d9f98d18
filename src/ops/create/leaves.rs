//! The chunks of a batch as leaves: cut, encoded, and hashed all at once.

use super::read::{Batch, Ends, OpenFile, Piece, read_whole};
use super::walk::Step;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::hash::{self, Digest};
use crate::unixfs::build::{Layout, Leaf, LeafBlock, Metadata, Profile, leaf};
use std::ops::Range;
use std::sync::Arc;

/// What a batch became.
#[derive(Debug)]
pub(super) enum Done {
    Step(Step),
    /// Leaves of one file; a set for each profile that was asked for.
    Leaves {
        sets: Vec<Vec<LeafDone>>,
        ends: Ends,
        file: Option<Arc<OpenFile>>,
        len: u64,
    },
}

/// A leaf, hashed.
#[derive(Debug)]
pub(super) struct LeafDone {
    pub(super) codec: u64,
    pub(super) digest: Digest,
    /// Bytes of the block, and of the file in it.
    pub(super) block_len: u64,
    pub(super) size: u64,
    pub(super) bytes: Bytes,
}

/// Where the bytes of a leaf's block are.
#[derive(Debug)]
pub(super) enum Bytes {
    /// In the data of the batch.
    Batch(Range<usize>),
    Own(Vec<u8>),
}

/// A leaf before it is hashed.
struct Pending<'d> {
    block: LeafBlock<'d>,
    chunk: Range<usize>,
}

/// Reads what is still to be read, then makes the leaves for each of `profiles`.
///
/// # Errors
/// When a file cannot be read or is not what it was.
pub(super) fn work(batch: &mut Batch, profiles: &[Profile], control: &Control) -> Result<Vec<Done>> {
    for (piece, range) in &batch.pieces {
        control.check()?;
        let buffer = batch.data.get_mut(range.clone()).unwrap_or_default();
        match piece {
            Piece::Whole(found) => read_whole(found, buffer)?,
            Piece::Part { file, at, .. } => file.read_exact_at(buffer, *at)?,
            Piece::Step(_) | Piece::Cut { .. } => {}
        }
        control.add_done(range.len() as u64);
    }
    let pieces = std::mem::take(&mut batch.pieces);
    let data = &batch.data;
    let mut pending: Vec<Vec<Vec<Pending<'_>>>> = Vec::with_capacity(pieces.len());
    for (piece, range) in &pieces {
        let sets = profiles.iter().map(|profile| chunks(profile, piece, range, data));
        pending.push(if matches!(piece, Piece::Step(_)) { Vec::new() } else { sets.collect() });
    }
    let mut hashed = Vec::with_capacity(profiles.len());
    for (i, profile) in profiles.iter().enumerate() {
        let blocks: Vec<&[u8]> = pending.iter().filter_map(|sets| sets.get(i)).flatten().map(|leaf| &*leaf.block).collect();
        hashed.push(hash_all(profile, &blocks)?.into_iter());
    }
    let mut done = Vec::with_capacity(pieces.len());
    for ((piece, range), sets) in pieces.into_iter().zip(pending) {
        let sets = sets.into_iter().zip(&mut hashed).map(|(set, digests)| finish(set, digests)).collect();
        let len = range.len() as u64;
        done.push(match piece {
            Piece::Step(step) => Done::Step(step),
            Piece::Whole(found) => {
                let ends = Ends { name: Some(found.name), metadata: Some(found.metadata) };
                Done::Leaves { sets, ends, file: None, len }
            }
            Piece::Part { file, ends, .. } => Done::Leaves { sets, ends, file: Some(file), len },
            Piece::Cut { file, ends, .. } => Done::Leaves { sets, ends, file, len },
        });
    }
    Ok(done)
}

/// Hashes the leaves of a batch, which are independent messages: many at once.
fn hash_all(profile: &Profile, blocks: &[&[u8]]) -> Result<Vec<Digest>> {
    hash::digest_many(profile.hash.code, blocks, profile.hash.digest_len).map_err(|why| Error::usage(why.to_string()))
}

/// The leaves of one piece.
fn chunks<'d>(profile: &Profile, piece: &Piece, range: &Range<usize>, data: &'d [u8]) -> Vec<Pending<'d>> {
    let bytes = data.get(range.clone()).unwrap_or_default();
    let (metadata, lengths) = match piece {
        Piece::Step(_) => return Vec::new(),
        Piece::Whole(found) => (Some(&found.metadata), None),
        Piece::Part { ends, .. } => (ends.name.as_ref().and(ends.metadata.as_ref()), None),
        Piece::Cut { ends, chunks, .. } => (ends.name.as_ref().and(ends.metadata.as_ref()), Some(chunks)),
    };
    if bytes.is_empty() {
        // An empty file is one empty leaf, or a root without leaves.
        let only =
            |metadata: &Metadata| Pending { block: leaf(profile, Leaf::Only(metadata), &[]), chunk: range.start..range.start };
        return metadata.filter(|_| profile.layout == Layout::Balanced).map(only).into_iter().collect();
    }
    let mut leaves = Vec::new();
    let (mut start, mut rest) = (range.start, bytes);
    while !rest.is_empty() {
        let given = lengths.and_then(|lengths| lengths.get(leaves.len())).copied();
        let len = given.unwrap_or_else(|| profile.chunker.cut(rest)).clamp(1, rest.len());
        let (chunk, behind) = rest.split_at(len);
        let role = match metadata {
            Some(metadata) if leaves.is_empty() && behind.is_empty() => Leaf::Only(metadata),
            _ => Leaf::Part,
        };
        let end = start.saturating_add(len);
        leaves.push(Pending { block: leaf(profile, role, chunk), chunk: start..end });
        (start, rest) = (end, behind);
    }
    leaves
}

fn finish(set: Vec<Pending<'_>>, digests: &mut impl Iterator<Item = Digest>) -> Vec<LeafDone> {
    set.into_iter()
        .zip(digests)
        .map(|(leaf, digest)| LeafDone {
            codec: leaf.block.codec(),
            digest,
            block_len: leaf.block.len() as u64,
            size: leaf.chunk.len() as u64,
            bytes: leaf.block.into_owned().map_or(Bytes::Batch(leaf.chunk), Bytes::Own),
        })
        .collect()
}
