//! The roots of an archive: those its header names, and those its links imply.

use super::check::Hashing;
use super::verify::{Depth, Options, Together};
use crate::cid::Cid;
use crate::control::Control;
use crate::error::{Finding, Result};
use crate::format::{Batch, Framer};
use crate::store::{Input, spool};
use std::collections::HashSet;

/// The roots that the header names, in order. Nothing behind the header is read, and nothing is hashed.
///
/// # Errors
/// When the input is no CAR file or cannot be read.
pub fn header(input: Input, control: &Control) -> Result<Vec<Cid>> {
    let file_len = input.file_len();
    let framer = Framer::open(input, file_len, control.limits, control.trailing_zeros)?;
    Ok(framer.header().roots().map(|root| root.to_cid()).collect())
}

/// The blocks that no other block links to, in file order, whatever order the blocks have; and what is wrong with the archive.
///
/// # Errors
/// When the input is no CAR file or cannot be read.
pub fn implicit(input: Input, hashing: Hashing, control: &Control) -> Result<(Vec<Cid>, Vec<Finding>)> {
    let (file, len) = spool(input)?;
    let rewind = || std::io::Seek::rewind(&mut &file).map_err(|e| crate::error::Error::io(e, "cannot read"));
    let mut together = Together::new(Options { depth: Depth::Dag, hashing, ..Options::default() }, control.clone());
    together.add(&file, Some(len))?;
    rewind()?;
    let mut framer = Framer::open(&file, Some(len), control.limits, control.trailing_zeros)?;
    let linked = together.graph.linked();
    let keyer = together.graph.keyer();
    let (mut roots, mut seen) = (Vec::new(), HashSet::new());
    let mut batch = Batch::default();
    let mut more = true;
    while more {
        control.check()?;
        more = framer.next_heads(&mut batch, len)?;
        for head in batch.heads() {
            let node = together.graph.find(keyer.key(head.cid.hash_code(), head.cid.digest()));
            let is_root = |node: &super::graph::NodeId| !linked.get(node.0 as usize).copied().unwrap_or(true);
            if let Some(node) = node.filter(|node| together.graph.is_present(*node)).filter(is_root)
                && seen.insert(node)
            {
                roots.push(head.cid.to_cid());
            }
        }
    }
    let findings = together.finish()?.remove(0).findings;
    Ok((roots, findings))
}
