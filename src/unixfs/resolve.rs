//! Paths: from a root through directories and through maps and lists, one segment after the other.

use super::directory::{Checked, check_shard};
use super::hamt::{self, Shard, ShardPath, Slot};
use super::node::{Node, fault, is_leaf_codec, load, too_deep, undecodable, unknown_codec};
use super::{Kind, rules};
use crate::block::Block;
use crate::cid::{Cid, RawCid, codec};
use crate::dag::{cbor, json};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::store::BlockSource;
use std::ops::Range;

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// What is there.
    pub found: Found,
    /// The blocks that were passed through on the way, in order: they prove the result. Without the block that the path leads to,
    /// and without CIDs that carry their data.
    pub proof: Vec<Cid>,
}

/// What is at the end of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// This block; whether it is there was not looked at.
    Block(Cid),
    /// A value inside a dag-cbor or dag-json block.
    Value {
        /// The block.
        cid: Cid,
        /// The value's bytes in the block; unknown for dag-json.
        range: Option<Range<usize>>,
    },
    /// Nothing, and the blocks read prove it.
    Nothing {
        /// The first segment that names nothing, from 0.
        segment: usize,
    },
}

/// One step of the way.
enum Step {
    /// To a block, after this many more segments.
    To(Cid, usize),
    Value(Option<Range<usize>>),
    /// Nothing after this many more segments.
    Nothing(usize),
}

/// Follows `segments` from `root`: names in UnixFS directories, keys and list indexes in dag-cbor and dag-json, in any mixture.
/// Symlinks are not followed. Every block on the way is proven; in a HAMT only the shards that the name's hash leads to are read.
///
/// # Errors
/// [`ErrorKind::Missing`] with the CID when a block on the way is not there, so that nothing can be said. A fault when one is not
/// what its codec says, or a directory has the name twice. [`ErrorKind::Limit`] after `depth_max` blocks.
pub fn resolve<S: BlockSource + ?Sized>(source: &S, root: &Cid, segments: &[&[u8]], limits: &Limits) -> Result<Resolved> {
    let mut walker = Walker { source, limits, proof: Vec::new() };
    let mut cid = *root;
    let mut used = 0usize;
    let found = loop {
        let rest = segments.get(used..).unwrap_or_default();
        if rest.is_empty() {
            break Found::Block(cid);
        }
        let step = walker.step(&cid, rest).map_err(|e| on_the_way(e, segments, used))?;
        match step {
            Step::To(next, more) => {
                cid = next;
                used = used.saturating_add(more);
            }
            Step::Value(range) => break Found::Value { cid, range },
            Step::Nothing(more) => break Found::Nothing { segment: used.saturating_add(more) },
        }
    };
    Ok(Resolved { found, proof: walker.proof })
}

/// Says which path needed the block that is not there.
fn on_the_way(mut error: Error, segments: &[&[u8]], used: usize) -> Error {
    if matches!(error.kind, ErrorKind::Missing) {
        let path = segments.iter().take(used.saturating_add(1)).flat_map(|segment| [&b"/"[..], segment]);
        let path: Vec<u8> = path.flatten().copied().collect();
        error.message = format!("a block is not there that the path {} leads through", String::from_utf8_lossy(&path));
    }
    error
}

struct Walker<'a, S: ?Sized> {
    source: &'a S,
    limits: &'a Limits,
    proof: Vec<Cid>,
}

impl<S: BlockSource + ?Sized> Walker<'_, S> {
    fn load(&mut self, cid: &Cid) -> Result<Block> {
        if self.proof.len() >= self.limits.depth_max as usize {
            return Err(too_deep(cid, "a path", self.limits.depth_max));
        }
        let block = load(self.source, cid)?;
        if Block::from_identity(cid).is_none() {
            self.proof.push(*cid);
        }
        Ok(block)
    }

    /// From one block on; `rest` is not empty.
    fn step(&mut self, cid: &Cid, rest: &[&[u8]]) -> Result<Step> {
        match cid.codec() {
            codec::DAG_PB => {
                let block = self.load(cid)?;
                self.step_unixfs(&block, rest.first().copied().unwrap_or_default())
            }
            codec::DAG_CBOR => {
                let block = self.load(cid)?;
                Ok(match cbor::step(block.data(), rest).map_err(|e| undecodable(self.source, cid, &e))? {
                    cbor::Step::Link { cid, used } => Step::To(cid.to_cid(), used),
                    cbor::Step::Value { range } => Step::Value(Some(range)),
                    cbor::Step::NotFound { used } => Step::Nothing(used),
                })
            }
            codec::DAG_JSON => {
                let block = self.load(cid)?;
                Ok(match json::step(block.data(), rest).map_err(|e| undecodable(self.source, cid, &e))? {
                    json::Step::Link { cid, used } => Step::To(cid, used),
                    json::Step::Value => Step::Value(None),
                    json::Step::NotFound { used } => Step::Nothing(used),
                })
            }
            code if is_leaf_codec(code) => Ok(Step::Nothing(0)),
            _ => Err(unknown_codec(self.source, cid, "one that a path can lead through")),
        }
    }

    fn step_unixfs(&mut self, block: &Block, name: &[u8]) -> Result<Step> {
        let node = Node::parse(self.source, block)?;
        match node.unixfs.kind {
            Kind::Directory => {
                rules::check_names_differ(&node.links).map_err(|e| fault(self.source, block.cid(), e))?;
                let link = node.links.iter().find(|link| link.name() == name);
                Ok(link.map_or(Step::Nothing(0), |link| Step::To(link.cid.to_cid(), 1)))
            }
            Kind::HamtShard => self.step_hamt(block, name),
            _ => Ok(Step::Nothing(0)),
        }
    }

    /// Goes down the shards that the hash of the name leads to.
    fn step_hamt(&mut self, root: &Block, name: &[u8]) -> Result<Step> {
        let hash = hamt::hash(name);
        let mut path = ShardPath::root();
        let mut inner: Option<Block> = None;
        for level in 0usize.. {
            let block = inner.as_ref().unwrap_or(root);
            let refuse = |message: &dyn std::fmt::Display| fault(self.source, block.cid(), message);
            let node = Node::parse(self.source, block)?;
            if node.unixfs.kind != Kind::HamtShard {
                let kind = node.unixfs.kind.as_str();
                return Err(refuse(&format!("a UnixFS node of type {kind}, expected a shard of its directory")));
            }
            let Checked { fanout, used, .. } = check_shard(&node, path, level).map_err(|e| refuse(&e))?;
            let shard = Shard::new(&node.unixfs).map_err(|e| refuse(&e))?;
            let Some(bucket) = fanout.bucket(hash, used) else {
                return Err(refuse(&super::Violation::ShardTooDeep));
            };
            let mut slots = node.links.iter().filter_map(|link| Some((link.cid, shard.slot(0, link.name()).ok()?)));
            let next: RawCid<'_> = match slots.find(|(_, (held, _))| *held == bucket) {
                Some((cid, (_, Slot::Shard))) => cid,
                Some((cid, (_, Slot::Entry(held)))) if held == name => return Ok(Step::To(cid.to_cid(), 1)),
                _ => return Ok(Step::Nothing(0)),
            };
            path = path.bucket(fanout, bucket).map_err(|e| refuse(&e))?;
            let next = next.to_cid();
            if next.codec() != codec::DAG_PB {
                return Err(fault(self.source, &next, "a link to a shard leads to a block that is not dag-pb"));
            }
            inner = Some(self.load(&next)?);
        }
        Ok(Step::Nothing(0))
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
