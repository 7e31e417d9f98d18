//! What the readers of this module share: nodes out of a source, errors that say where, links kept small.

use super::{Strictness, UnixFs, Violation};
use crate::block::Block;
use crate::cid::{Cid, RawCid, codec, codec_name};
use crate::dag::NodeError;
use crate::dag::pb::{PbLink, PbNode};
use crate::error::{Code, Error, ErrorKind, Result};
use crate::store::BlockSource;
use std::fmt::Display;

/// Reads the block of `cid`.
///
/// # Errors
/// [`ErrorKind::Missing`] when it is not there, and whatever the source says.
pub(super) fn load<S: BlockSource + ?Sized>(source: &S, cid: &Cid) -> Result<Block> {
    source.get(cid)?.ok_or_else(|| Error::missing("the block is not there").cid(*cid))
}

/// A node that is not what it should be, with its place when the source knows it.
pub(super) fn fault<S: BlockSource + ?Sized>(source: &S, cid: &Cid, message: impl Display) -> Error {
    located(source, cid, Error::new(ErrorKind::Format(Code::BadNode), message.to_string()))
}

/// A block of a codec that is not read here.
pub(super) fn unknown_codec<S: BlockSource + ?Sized>(source: &S, cid: &Cid, expected: &str) -> Error {
    let message = format!("a block of codec {}, expected {expected}", codec_name(cid.codec()));
    located(source, cid, Error::new(ErrorKind::Unsupported(Code::UnknownCodec), message))
}

/// A node that cannot be decoded, or nests deeper than allowed.
pub(super) fn undecodable<S: BlockSource + ?Sized>(source: &S, cid: &Cid, error: &NodeError) -> Error {
    if error.is_limit() {
        return located(source, cid, Error::new(ErrorKind::Limit("--max-depth"), error.to_string()));
    }
    fault(source, cid, error)
}

fn located<S: BlockSource + ?Sized>(source: &S, cid: &Cid, error: Error) -> Error {
    let error = error.cid(*cid);
    match source.place(cid) {
        Ok(Some(at)) => error.at(at),
        _ => error,
    }
}

/// More levels than allowed.
pub(super) fn too_deep(cid: &Cid, what: &str, depth_max: u32) -> Error {
    Error::new(ErrorKind::Limit("--max-depth"), format!("{what} more than {depth_max} levels deep")).cid(*cid)
}

/// Whether blocks of this codec are bytes of a file by themselves.
pub(super) fn is_leaf_codec(code: u64) -> bool {
    matches!(code, codec::RAW | codec::JSON | codec::CBOR)
}

/// A dag-pb node with its UnixFS message.
pub(super) struct Node<'b> {
    pub(super) links: Vec<PbLink<'b>>,
    pub(super) unixfs: UnixFs<'b>,
}

impl<'b> Node<'b> {
    /// Decodes a dag-pb block. Rules between message and links are not checked yet.
    pub(super) fn parse<S: BlockSource + ?Sized>(source: &S, block: &'b Block) -> Result<Node<'b>> {
        let cid = block.cid();
        let node = PbNode::parse(block.data()).map_err(|e| undecodable(source, cid, &e))?;
        let message = node.info.data.ok_or_else(|| fault(source, cid, "a dag-pb node without Data, expected a UnixFS node"))?;
        let unixfs = UnixFs::parse(message).map_err(|e| undecodable(source, cid, &e.shifted(node.info.data_at)))?;
        Ok(Node { links: node.links, unixfs })
    }

    /// Checks message against links; with [`Strictness::Lenient`] sizes may disagree.
    pub(super) fn check(&self, strictness: Strictness) -> std::result::Result<super::Notes, Violation> {
        let checked = self.unixfs.check_links(&self.links);
        match (strictness, checked) {
            (
                Strictness::Lenient,
                Err(Violation::BlocksizeCount { .. } | Violation::Filesize { .. } | Violation::FilesizeOverflow),
            ) => Ok(super::Notes::default()),
            (_, checked) => checked,
        }
    }
}

/// Links of a node without the node, one after the other: about as long as the block was.
///
/// An entry is the CID's length and bytes, a size, the name's length and bytes.
#[derive(Debug, Default)]
pub(super) struct LinkList {
    bytes: Vec<u8>,
    at: usize,
}

/// One link of a [`LinkList`].
#[derive(Debug)]
pub(super) struct Link<'l> {
    pub(super) cid: RawCid<'l>,
    /// The part's size in a file, the Tsize in a directory.
    pub(super) size: Option<u64>,
    pub(super) name: &'l [u8],
}

/// Stands for an absent size: as a claim it would be refused anyway.
const NO_SIZE: u64 = u64::MAX;

impl LinkList {
    pub(super) fn push(&mut self, cid: RawCid<'_>, size: Option<u64>, name: &[u8]) {
        // A CID has at most 149 bytes, a name as many as a section.
        self.bytes.push(cid.bytes().len() as u8);
        self.bytes.extend_from_slice(cid.bytes());
        self.bytes.extend_from_slice(&size.unwrap_or(NO_SIZE).to_le_bytes());
        self.bytes.extend_from_slice(&(name.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(name);
    }

    /// Bytes held.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The next link; `None` at the end.
    pub(super) fn next(&mut self) -> Option<Link<'_>> {
        let (link, end) = read_link(&self.bytes, self.at)?;
        self.at = end;
        Some(link)
    }

    /// The links that [`LinkList::next`] will give.
    pub(super) fn ahead(&self) -> impl Iterator<Item = Link<'_>> {
        let mut at = self.at;
        std::iter::from_fn(move || {
            let (link, end) = read_link(&self.bytes, at)?;
            at = end;
            Some(link)
        })
    }
}

/// The link at a place in the bytes of a [`LinkList`], and where the next one is.
fn read_link(bytes: &[u8], at: usize) -> Option<(Link<'_>, usize)> {
    let rest = bytes.get(at..)?;
    let (cid_len, rest) = rest.split_first()?;
    let (cid, rest) = rest.split_at_checked(usize::from(*cid_len))?;
    let (size, rest) = rest.split_first_chunk::<8>()?;
    let (name_len, rest) = rest.split_first_chunk::<8>()?;
    let (name, rest) = rest.split_at_checked(u64::from_le_bytes(*name_len) as usize)?;
    let size = Some(u64::from_le_bytes(*size)).filter(|size| *size != NO_SIZE);
    Some((Link { cid: RawCid::parse(cid).ok()?, size, name }, bytes.len().saturating_sub(rest.len())))
}

/// Where `inner`, a part of `outer`, starts in it.
pub(super) fn offset_in(outer: &[u8], inner: &[u8]) -> usize {
    (inner.as_ptr() as usize).saturating_sub(outer.as_ptr() as usize)
}
