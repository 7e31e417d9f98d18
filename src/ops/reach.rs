//! Is everything there below a CID? Reads and proves each block once, however many roots are asked about.

use super::completeness::{MissingBlock, PathBudget};
use crate::cid::{Cid, Multihash, is_commitment};
use crate::control::Control;
use crate::dag;
use crate::error::{Code, Error, ErrorKind, Result};
use crate::store::BlockSource;
use crate::unixfs::SegmentRule;
use std::collections::HashMap;

/// Remembers what was found complete, and what is missing.
#[derive(Debug)]
pub struct Reach<'s, S: ?Sized> {
    source: &'s S,
    control: Control,
    /// `true`: everything below is there.
    known: HashMap<(u64, Multihash), bool>,
    paths: PathBudget,
}

struct Frame {
    key: (u64, Multihash),
    cid: Cid,
    /// The links not yet looked at, in reverse order.
    links: Vec<(Cid, Vec<u8>)>,
    path_len: usize,
    complete: bool,
}

impl<'s, S: BlockSource + ?Sized> Reach<'s, S> {
    /// Nothing is read yet.
    pub fn new(source: &'s S, control: Control) -> Reach<'s, S> {
        Reach { source, control, known: HashMap::new(), paths: PathBudget::default() }
    }

    /// Whether everything below `root` is there, `root` included. The first missing block found is given to `on_missing`, and every
    /// other that was not reported before.
    ///
    /// # Errors
    /// A block that does not match its CID or its codec, a failed read, or more levels than `--max-depth`.
    pub fn is_complete(&mut self, root: &Cid, mut on_missing: impl FnMut(MissingBlock)) -> Result<bool> {
        let mut path = Vec::new();
        let mut stack: Vec<Frame> = Vec::new();
        if let Some(known) = self.enter(root, None, &path, &mut stack, &mut on_missing)? {
            return Ok(known);
        }
        loop {
            self.control.check()?;
            let Some(frame) = stack.last_mut() else { return Ok(true) };
            path.truncate(frame.path_len);
            match frame.links.pop() {
                Some((cid, segment)) => {
                    if !segment.is_empty() {
                        path.push(b'/');
                        path.extend_from_slice(&segment);
                    }
                    let parent = frame.cid;
                    if self.enter(&cid, Some(parent), &path, &mut stack, &mut on_missing)? == Some(false) {
                        stack.iter_mut().next_back().into_iter().for_each(|frame| frame.complete = false);
                    }
                }
                None => {
                    let Some(done) = stack.pop() else { return Ok(true) };
                    self.known.insert(done.key, done.complete);
                    match stack.last_mut() {
                        Some(parent) => parent.complete &= done.complete,
                        None => return Ok(done.complete),
                    }
                }
            }
        }
    }

    /// Looks at one block: `Some` when its answer is known at once, `None` when it was pushed.
    fn enter(
        &mut self,
        cid: &Cid,
        parent: Option<Cid>,
        path: &[u8],
        stack: &mut Vec<Frame>,
        on_missing: &mut dyn FnMut(MissingBlock),
    ) -> Result<Option<bool>> {
        let key = (cid.codec(), *cid.hash());
        if is_commitment(cid.codec()) {
            return Ok(Some(true));
        }
        if let Some(known) = self.known.get(&key) {
            return Ok(Some(*known));
        }
        let Some(block) = self.source.get(cid)? else {
            self.known.insert(key, false);
            let path = self.paths.keep(path);
            on_missing(MissingBlock { cid: *cid, path, parent });
            return Ok(Some(false));
        };
        if stack.len() >= self.control.limits.depth_max as usize {
            return Err(
                Error::new(ErrorKind::Limit("--max-depth"), format!("more than {} levels of links", stack.len())).cid(*cid)
            );
        }
        let mut links = links_of(cid, block.data(), &self.control)?;
        if links.is_empty() {
            self.known.insert(key, true);
            return Ok(Some(true));
        }
        links.reverse();
        stack.push(Frame { key, cid: *cid, links, path_len: path.len(), complete: true });
        Ok(None)
    }
}

/// The links of a block, with what each adds to a path.
pub(crate) fn links_of(cid: &Cid, data: &[u8], control: &Control) -> Result<Vec<(Cid, Vec<u8>)>> {
    let mut links = Vec::new();
    let bad = |error: dag::NodeError| {
        let kind = if error.is_limit() { ErrorKind::Limit("--max-depth") } else { ErrorKind::Format(Code::BadNode) };
        Error::new(kind, format!("not a sound {} block: {error}", crate::cid::codec_name(cid.codec()))).cid(*cid)
    };
    if cid.codec() == crate::cid::codec::DAG_PB {
        let node = dag::pb::PbNode::parse(data).map_err(bad)?;
        let rule = SegmentRule::of_data(node.info.data);
        links.extend(node.links.iter().map(|link| (link.cid.to_cid(), rule.segment(link.name()).to_vec())));
    } else {
        let mut room = dag::PathRoom::of(data);
        dag::links(cid.codec(), data, control.limits.depth_max, &mut |target, path| {
            let mut segment = Vec::new();
            room.write(path, &mut segment);
            links.push((target.to_cid(), segment));
        })
        .map_err(bad)?;
    }
    Ok(links)
}
