//! Is everything there that a root leads to? And if not, what is missing, and which path needs it?

use super::graph::{Class, Graph, LinkCursor, NodeId};
use crate::cid::{Cid, Multihash, RawCid};
use crate::control::Control;
use crate::error::{Code, Finding, Result};
use crate::offset::FileOffset;
use std::collections::HashSet;

/// A block that is linked and not there.
#[derive(Debug, Clone)]
pub struct MissingBlock {
    /// Its CID, as the link names it.
    pub cid: Cid,
    /// The UnixFS path that needs it (raw bytes, `/` first), or the path of keys in dag-cbor and dag-json.
    pub path: Vec<u8>,
    /// The block that links to it; `None` for a root.
    pub parent: Option<Cid>,
}

/// What is known about one root.
#[derive(Debug, Clone)]
pub struct RootReport {
    /// The root.
    pub cid: Cid,
    /// Whether its block is there.
    pub present: bool,
    /// Whether everything it leads to is there; `None` when that was not looked at.
    pub complete: Option<bool>,
    /// What is missing below it, in the order of the links.
    pub missing: Vec<MissingBlock>,
    /// Whether `missing` was cut short because too many roots share what is missing.
    pub missing_cut: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Complete,
    Incomplete,
}

/// Walks a [`Graph`] from its roots, each node once.
#[derive(Debug)]
pub(crate) struct Completeness<'g> {
    graph: &'g Graph,
    states: Vec<State>,
    /// Links to blocks that are there, but under a codec whose links were not read.
    pub(crate) unread_links: u64,
    pub(crate) reached: u64,
    /// How many more nodes may be visited to list what is missing.
    budget: u64,
    /// Parts of files that are no files or have another size than the file says: the file, its class, both sizes.
    wrong_parts: Vec<(NodeId, Class, u64, Option<u64>)>,
    /// Roots that nothing in the archive is or links to.
    absent_roots: HashSet<Multihash>,
}

/// Wrong parts of files that are reported.
const WRONG_PARTS_MAX: usize = 1000;

struct Frame {
    node: NodeId,
    class: Class,
    cursor: LinkCursor,
    incomplete: bool,
}

impl<'g> Completeness<'g> {
    pub(crate) fn new(graph: &'g Graph) -> Completeness<'g> {
        let states = vec![State::New; graph.node_count()];
        // Enough for every root of an honest archive; a hostile one has many roots above one large hole.
        Completeness {
            graph,
            states,
            unread_links: 0,
            reached: 0,
            budget: 20_000_000,
            wrong_parts: Vec::new(),
            absent_roots: HashSet::new(),
        }
    }

    /// Distinct blocks that the walks so far came to and that are not there.
    pub(crate) fn missing(&self) -> u64 {
        let nodes = self.states.iter().zip(0..).filter(|(state, _)| **state == State::Incomplete);
        nodes.filter(|(_, id)| !self.graph.is_present(NodeId(*id))).count() as u64 + self.absent_roots.len() as u64
    }

    /// What is wrong with the parts of files that the walks so far came to.
    pub(crate) fn wrong_parts(&self) -> impl Iterator<Item = Finding> + '_ {
        self.wrong_parts.iter().map(|(file, class, expected, actual)| {
            let message = match actual {
                Some(actual) => format!("a file whose part has {actual} bytes, expected {expected}"),
                None => format!("a file with a part that is no file, expected one of {expected} bytes"),
            };
            let mut finding = Finding::new(Code::BadNode, message);
            finding.at = self.graph.place(*file).filter(|_| self.graph.is_section(*file)).map(FileOffset);
            finding.cid = RawCid::parse(self.graph.owner_cid(*file, *class)).ok().map(|cid| Box::new(cid.to_cid()));
            finding
        })
    }

    /// Distinct blocks that the walks so far did not come to, and where the first of them stands.
    pub(crate) fn unreachable(&self) -> (u64, Option<u64>) {
        let mut count = 0;
        let mut first: Option<u64> = None;
        for (_, id) in self.states.iter().zip(0..).filter(|(state, _)| **state == State::New) {
            if let Some(place) = self.graph.place(NodeId(id)).filter(|_| self.graph.is_section(NodeId(id))) {
                count += 1;
                first = Some(first.map_or(place, |first| first.min(place)));
            }
        }
        (count, first)
    }

    /// Walks from one root and says what is missing below it.
    pub(crate) fn root(&mut self, cid: Cid, control: &Control) -> Result<RootReport> {
        let key = self.graph.keyer().key(cid.hash().code(), cid.hash().digest());
        let mut report = RootReport { cid, present: false, complete: Some(false), missing: Vec::new(), missing_cut: false };
        let is_identity = cid.hash().code() == crate::cid::hash_code::IDENTITY;
        let found = self.graph.find(key);
        let Some(node) = found.filter(|node| self.graph.is_present(*node)) else {
            if is_identity {
                // Its data is in the CID itself.
                (report.present, report.complete) = (true, Some(true));
                return Ok(report);
            }
            match found {
                Some(node) => self.set(node, State::Incomplete),
                None => drop(self.absent_roots.insert(*cid.hash())),
            }
            report.missing.push(MissingBlock { cid, path: b"/".to_vec(), parent: None });
            return Ok(report);
        };
        report.present = true;
        let class = Class::of(cid.codec());
        let complete = self.visit(node, class, control)? == State::Complete;
        report.complete = Some(complete);
        if !complete {
            self.list_missing(node, class, &mut report, control)?;
        }
        Ok(report)
    }

    fn state(&self, node: NodeId) -> State {
        self.states.get(node.0 as usize).copied().unwrap_or(State::Complete)
    }

    fn set(&mut self, node: NodeId, state: State) {
        if let Some(entry) = self.states.get_mut(node.0 as usize) {
            *entry = state;
        }
    }

    /// Visits everything below `root`; on return its state is `Complete` or `Incomplete`.
    fn visit(&mut self, root: NodeId, class: Class, control: &Control) -> Result<State> {
        let mut stack: Vec<Frame> = Vec::new();
        self.enter(root, class, &mut stack);
        let mut steps = 0u64;
        while let Some(frame) = stack.last_mut() {
            steps += 1;
            if steps.is_multiple_of(65_536) {
                control.check()?;
            }
            match self.graph.next_link(&mut frame.cursor) {
                Some(link) => {
                    if let Some(expected) = link.part_size
                        && self.wrong_parts.len() < WRONG_PARTS_MAX
                        && let Some(actual) = self.graph.wrong_part(link.target, link.class, expected)
                    {
                        self.wrong_parts.push((frame.node, frame.class, expected, actual));
                    }
                    match self.states.get(link.target.0 as usize) {
                        Some(State::New) => self.enter(link.target, link.class, &mut stack),
                        Some(State::Incomplete) => frame.incomplete = true,
                        // Open would be a cycle, which no sound hash allows.
                        _ => {}
                    }
                }
                None => {
                    let Some(done) = stack.pop() else { break };
                    self.set(done.node, if done.incomplete { State::Incomplete } else { State::Complete });
                    if let Some(parent) = stack.last_mut() {
                        parent.incomplete |= done.incomplete;
                    }
                }
            }
        }
        Ok(self.state(root))
    }

    fn enter(&mut self, node: NodeId, class: Class, stack: &mut Vec<Frame>) {
        if self.state(node) != State::New {
            return;
        }
        if !self.graph.is_present(node) {
            self.set(node, State::Incomplete);
            if let Some(parent) = stack.last_mut() {
                parent.incomplete = true;
            }
            return;
        }
        self.reached += 1;
        if !self.graph.is_read(node, class) {
            self.unread_links += 1;
        }
        self.set(node, State::Open);
        stack.push(Frame { node, class, cursor: self.graph.links(node, class), incomplete: false });
    }

    /// Lists each block that is missing below an incomplete root, once, with the first path that needs it.
    fn list_missing(&mut self, root: NodeId, class: Class, report: &mut RootReport, control: &Control) -> Result<()> {
        let mut seen = HashSet::new();
        let mut path = Vec::new();
        let mut stack = vec![(root, class, self.graph.links(root, class), 0usize)];
        while let Some((node, class, cursor, path_len)) = stack.last_mut() {
            path.truncate(*path_len);
            let Some(link) = self.graph.next_link(cursor) else {
                stack.pop();
                continue;
            };
            if self.state(link.target) != State::Incomplete || !seen.insert(link.target.0) {
                continue;
            }
            if self.budget == 0 {
                report.missing_cut = true;
                break;
            }
            self.budget -= 1;
            if self.budget.is_multiple_of(65_536) {
                control.check()?;
            }
            if !link.segment.is_empty() {
                path.push(b'/');
                path.extend_from_slice(link.segment);
            }
            if self.graph.is_present(link.target) {
                stack.push((link.target, link.class, self.graph.links(link.target, link.class), path.len()));
            } else if let Ok(cid) = RawCid::parse(self.graph.wanted_cid(link.target)) {
                let parent = RawCid::parse(self.graph.owner_cid(*node, *class)).ok().map(|cid| cid.to_cid());
                let path = if path.is_empty() { b"/".to_vec() } else { path.clone() };
                report.missing.push(MissingBlock { cid: cid.to_cid(), path, parent });
            }
        }
        Ok(())
    }
}
