//! Blocks that were made, and what a link to one needs.

use super::message::{Message, Metadata};
use super::{Layout, Leaves, Profile};
use crate::cid::{Cid, RawCid, codec, hash_code};
use crate::dag::pb::{self, PbLink};
use crate::error::{Error, Result};
use crate::hash::{self, Digest};
use crate::unixfs::Kind;
use crate::varint;
use std::borrow::Cow;
use std::fmt;

/// Takes finished blocks: their CID and their bytes, which it was made of.
pub type Emit<'e> = dyn FnMut(RawCid<'_>, &[u8]) -> Result<()> + 'e;

/// Longest CID made here: version, codec, hash function, length, and a digest of 64 bytes.
const CID_LEN_MAX: usize = 72;

/// A file, a directory or a part of one, finished: what its parent needs to know.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Made {
    cid: [u8; CID_LEN_MAX],
    cid_len: u8,
    /// Bytes of the block and all below it, repetitions counted: what a link states as Tsize.
    pub tsize: u64,
    /// Bytes of the file; 0 for what is none.
    pub size: u64,
}

impl Made {
    /// Hashes a block that links to nothing and holds `size` bytes of a file.
    ///
    /// # Errors
    /// When the profile's hash function cannot be used.
    pub fn new(profile: &Profile, codec: u64, data: &[u8], size: u64) -> Result<Made> {
        let digest =
            hash::digest(profile.hash.code, data, profile.hash.digest_len).map_err(|why| Error::usage(why.to_string()))?;
        Ok(Made::from_digest(profile, codec, &digest, data.len() as u64, size))
    }

    /// The same for a digest made elsewhere, of a block of `len` bytes.
    pub fn from_digest(profile: &Profile, codec: u64, digest: &Digest, len: u64, size: u64) -> Made {
        let mut bytes = Vec::with_capacity(CID_LEN_MAX);
        if profile.cid_version == 0 && codec == codec::DAG_PB {
            bytes.extend_from_slice(&[hash_code::SHA2_256 as u8, 32]);
        } else {
            bytes.push(1);
            varint::write(codec, &mut bytes);
            varint::write(profile.hash.code, &mut bytes);
            varint::write(digest.bytes().len() as u64, &mut bytes);
        }
        bytes.extend_from_slice(digest.bytes());
        Made::linked(&bytes, len, size)
    }

    /// What is known from a link.
    pub(super) fn linked(cid: &[u8], tsize: u64, size: u64) -> Made {
        let mut made = Made { cid: [0; CID_LEN_MAX], cid_len: cid.len().min(CID_LEN_MAX) as u8, tsize, size };
        made.cid.iter_mut().zip(cid).for_each(|(to, from)| *to = *from);
        made
    }

    /// The CID.
    pub fn cid(&self) -> RawCid<'_> {
        // Written above: it parses.
        RawCid::parse(self.cid_bytes()).unwrap_or(RawCid::EMPTY)
    }

    /// The bytes of the CID.
    pub fn cid_bytes(&self) -> &[u8] {
        self.cid.get(..usize::from(self.cid_len)).unwrap_or_default()
    }

    /// An owned CID.
    pub fn to_cid(&self) -> Cid {
        self.cid().to_cid()
    }
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Made({}, tsize {}, size {})", self.cid(), self.tsize, self.size)
    }
}

/// Makes the node with these links, hands it over, and gives what links to it; `size` is that of the file.
pub(super) fn node(profile: &Profile, links: &[PbLink<'_>], data: &[u8], size: u64, emit: &mut Emit<'_>) -> Result<Made> {
    let block = pb::encode(links, Some(data));
    let mut made = Made::new(profile, codec::DAG_PB, &block, size)?;
    emit(made.cid(), &block)?;
    made.tsize = links.iter().fold(made.tsize, |sum, link| sum.saturating_add(link.tsize.unwrap_or_default()));
    Ok(made)
}

/// What a chunk is to its file.
#[derive(Debug, Clone, Copy)]
pub enum Leaf<'m> {
    /// All of it. In a balanced layout the leaf is the file then, and has its metadata.
    Only(&'m Metadata),
    /// One of several.
    Part,
}

/// The block of a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafBlock<'d> {
    codec: u64,
    bytes: Cow<'d, [u8]>,
}

impl LeafBlock<'_> {
    /// Raw or dag-pb.
    pub fn codec(&self) -> u64 {
        self.codec
    }

    /// The bytes, unless they are the chunk itself.
    pub fn into_owned(self) -> Option<Vec<u8>> {
        match self.bytes {
            Cow::Borrowed(_) => None,
            Cow::Owned(bytes) => Some(bytes),
        }
    }
}

impl std::ops::Deref for LeafBlock<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Encodes a chunk as a leaf. Metadata does not fit a raw block: a file of one chunk that has some is a dag-pb node under any profile.
pub fn leaf<'d>(profile: &Profile, role: Leaf<'_>, chunk: &'d [u8]) -> LeafBlock<'d> {
    let none = Metadata::default();
    let metadata = match role {
        Leaf::Only(metadata) if profile.layout == Layout::Balanced => metadata,
        _ => &none,
    };
    if profile.leaves == Leaves::Raw && metadata.is_empty() {
        return LeafBlock { codec: codec::RAW, bytes: Cow::Borrowed(chunk) };
    }
    // kubo writes the leaves of a trickle tree as Raw, all others as File.
    let kind = if profile.layout == Layout::Trickle { Kind::Raw } else { Kind::File };
    let mut message = Message::new(kind);
    if !chunk.is_empty() {
        message = message.data(chunk);
    }
    let message = message.filesize(chunk.len() as u64).finish(metadata);
    LeafBlock { codec: codec::DAG_PB, bytes: Cow::Owned(pb::encode(&[], Some(&message))) }
}

/// Makes a symlink, hands it over, and gives what links to it. As in kubo, its mode is not kept.
///
/// # Errors
/// What `emit` returns.
pub fn symlink(profile: &Profile, target: &[u8], metadata: &Metadata, emit: &mut Emit<'_>) -> Result<Made> {
    let message = Message::new(Kind::Symlink).data(target).finish(&Metadata { mode: None, ..*metadata });
    node(profile, &[], &message, 0, emit)
}
