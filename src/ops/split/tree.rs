//! Parts that can each be read alone: depth first, with the way from the root in front of each.

use super::{Parts, Sequence, deal};
use crate::cid::{Cid, RawCid, is_commitment};
use crate::control::Control;
use crate::error::{Error, ErrorKind, Finding, Result};
use crate::format::{Framer, Header};
use crate::ops::reach::links_of;
use crate::store::{BlockSource, CarFile, Key, Keyer};
use crate::varint;
use std::collections::HashSet;
use std::path::Path;

/// Splits an archive. Memory: about 90 bytes a block, and what a [`CarFile`] takes.
pub(super) fn split<'a>(
    input: &Path,
    parts: Parts<'a>,
    control: &Control,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<Parts<'a>> {
    let car = CarFile::open(input, control)?;
    let named = |e: Error| e.in_file(car.name());
    let keyer = Keyer::new();
    let mut tree = Tree {
        car: &car,
        control,
        keyer,
        parts,
        header: Header::new(std::iter::empty()),
        written: HashSet::new(),
        met: HashSet::new(),
        way: Vec::new(),
    };
    for root in car.roots() {
        tree.walk(&root).map_err(named)?;
    }
    let Tree { mut parts, written, .. } = tree;
    // What no root leads to, in parts of its own.
    parts.end()?;
    let input = car.reopen()?;
    let len = input.file_len();
    let mut framer = Framer::open(input, len, control.limits, control.trailing_zeros).map_err(named)?;
    let rest = Sequence { header: Header::new(std::iter::empty()), parts, written: Some(written) };
    deal(&mut framer, keyer, rest, control, on_finding).map_err(named)
}

struct Tree<'c, 'a> {
    car: &'c CarFile,
    control: &'c Control,
    keyer: Keyer,
    parts: Parts<'a>,
    /// Names the root that is being walked.
    header: Header,
    /// CIDs of sections that were written.
    written: HashSet<Key>,
    /// What was met, as each codec: links depend on it.
    met: HashSet<(u64, Key)>,
    /// The blocks from the root to the one at hand.
    way: Vec<Step>,
}

/// A block with links that are not all followed yet.
struct Step {
    cid: Cid,
    /// The CID that its section has, as bytes; `None` for a block that its CID carries.
    stored: Option<Vec<u8>>,
    /// Bytes of the section.
    len: u64,
    links: std::vec::IntoIter<(Cid, Vec<u8>)>,
}

impl Tree<'_, '_> {
    fn walk(&mut self, root: &Cid) -> Result<()> {
        self.header = Header::from_cids(&[*root]);
        if self.parts.require(self.header.encoded_len(), None) {
            self.parts.begin(&self.header)?;
        }
        self.visit(root)?;
        while let Some(step) = self.way.last_mut() {
            self.control.check()?;
            match step.links.next() {
                Some((link, _)) => self.visit(&link)?,
                None => drop(self.way.pop()),
            }
        }
        Ok(())
    }

    /// Writes a block unless that was done, and goes into it unless that was done.
    fn visit(&mut self, cid: &Cid) -> Result<()> {
        let is_root = self.way.is_empty();
        let key = (cid.codec(), self.keyer.key(cid.hash().code(), cid.hash().digest()));
        let is_new = !is_commitment(cid.codec()) && self.met.insert(key);
        // A root that was met below another has a part all the same, so that no root is lost.
        if !is_new && !is_root {
            return Ok(());
        }
        let Some(block) = self.car.get(cid)? else { return Ok(()) };
        let mut step = Step { cid: *cid, stored: None, len: 0, links: Vec::new().into_iter() };
        if let Some(at) = self.car.place(cid)? {
            let stored = self.car.stored_cid(at)?.to_bytes();
            let inside = (block.data().len() as u64).saturating_add(stored.len() as u64);
            step.len = inside.saturating_add(varint::encoded_len(inside) as u64);
            if self.written.insert(self.keyer.bytes(&stored)) || is_root {
                self.put(&stored, block.data(), step.len)?;
            }
            step.stored = Some(stored);
        }
        if is_new {
            let links = links_of(cid, block.data(), self.control)?;
            if !links.is_empty() {
                if self.way.len() >= self.control.limits.depth_max as usize {
                    let message = format!("more than {} levels of links", self.way.len());
                    return Err(Error::new(ErrorKind::Limit("--max-depth"), message).cid(*cid));
                }
                step.links = links.into_iter();
                self.way.push(step);
            }
        }
        Ok(())
    }

    /// Writes a section, in a new part if this one is full.
    fn put(&mut self, cid: &[u8], data: &[u8], len: u64) -> Result<()> {
        let cid = RawCid::parse(cid).unwrap_or(RawCid::EMPTY);
        let way_len = self.way.iter().fold(self.header.encoded_len(), |sum, step| sum.saturating_add(step.len));
        if !self.parts.require(way_len.saturating_add(len), Some(cid)) {
            return Ok(());
        }
        if !self.parts.fits(len) {
            self.parts.begin(&self.header)?;
            for step in &self.way {
                let Some(stored) = &step.stored else { continue };
                let block = self.car.get(&step.cid)?.ok_or_else(|| Error::missing("the block is gone").cid(step.cid))?;
                self.parts.begin_section(RawCid::parse(stored).unwrap_or(RawCid::EMPTY), block.data().len() as u64)?;
                self.parts.continue_section(block.data())?;
            }
        }
        self.parts.begin_section(cid, data.len() as u64)?;
        self.parts.continue_section(data)
    }
}
