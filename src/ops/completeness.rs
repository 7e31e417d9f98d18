//! Is everything there that a root leads to? And if not, what is missing, and which path needs it?

use super::graph::{Class, Graph, LinkCursor, NodeId};
use crate::cid::{Cid, Multihash, RawCid};
use crate::control::Control;
use crate::error::{Code, Finding, Result};
use crate::offset::FileOffset;
use std::collections::{HashMap, HashSet};

/// A block that is linked and not there.
#[derive(Debug, Clone)]
pub struct MissingBlock {
    /// Its CID, as the link names it.
    pub cid: Cid,
    /// The UnixFS path that needs it (raw bytes, `/` first), or the path of keys in dag-cbor and dag-json.
    /// A long one ends in `/…`: what is kept of all paths is bounded.
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

/// Walks a [`Graph`] from its roots, each node once under each class that leads to it.
#[derive(Debug)]
pub(crate) struct Completeness<'g> {
    graph: &'g Graph,
    /// Per node, under the class its links were read as first, or when it is not there.
    states: Vec<State>,
    /// Nodes that are linked under another class than that: other links, another answer.
    other_states: HashMap<(NodeId, Class), State>,
    /// Links to blocks that are there, but under a codec whose links were not read.
    pub(crate) unread_links: u64,
    /// Nodes that some root's list of missing blocks was made from.
    listed: HashSet<(NodeId, Class)>,
    /// How many more links may be followed again to list what is missing below a further root.
    budget: u64,
    paths: PathBudget,
    /// Parts of files that are no files or have another size than the file says: the file, its class, both sizes.
    wrong_parts: Vec<(NodeId, Class, u64, Option<u64>)>,
    /// Roots that nothing in the archive is or links to.
    absent_roots: HashSet<Multihash>,
}

/// Links followed again to list what is missing below further roots: many roots may stand above one large hole.
const REPEATED_MAX: u64 = 1_000_000;
/// Bytes of one path that are kept. A name may be as long as a block, and stand above many holes.
const PATH_MAX: usize = 4096;
/// Bytes of all paths that are kept.
const PATHS_MAX: usize = 256 << 20;

/// Wrong parts of files that are reported.
const WRONG_PARTS_MAX: usize = 1000;

struct Frame {
    node: NodeId,
    class: Class,
    cursor: LinkCursor,
    incomplete: bool,
}

/// A node on the way while missing blocks are listed.
struct Listing {
    node: NodeId,
    class: Class,
    cursor: LinkCursor,
    path_len: usize,
    /// Its missing blocks are in some list already.
    again: bool,
}

impl<'g> Completeness<'g> {
    pub(crate) fn new(graph: &'g Graph) -> Completeness<'g> {
        let states = vec![State::New; graph.node_count()];
        Completeness {
            graph,
            states,
            other_states: HashMap::new(),
            unread_links: 0,
            listed: HashSet::new(),
            budget: REPEATED_MAX,
            paths: PathBudget::default(),
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
        let reached: HashSet<NodeId> = self.other_states.keys().map(|(node, _)| *node).collect();
        let new = self.states.iter().zip(0..).filter(|(state, _)| **state == State::New).map(|(_, id)| NodeId(id));
        for id in new.filter(|id| !reached.contains(id)) {
            if let Some(place) = self.graph.place(id).filter(|_| self.graph.is_section(id)) {
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
                Some(node) => self.set(node, Class::of(cid.codec()), State::Incomplete),
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

    /// Whether `states` is where the state of this node under this class is kept.
    fn is_first_class(&self, node: NodeId, class: Class) -> bool {
        self.graph.first_class(node) == class || !self.graph.is_present(node)
    }

    fn state(&self, node: NodeId, class: Class) -> State {
        if self.is_first_class(node, class) {
            return self.states.get(node.0 as usize).copied().unwrap_or(State::Complete);
        }
        self.other_states.get(&(node, class)).copied().unwrap_or(State::New)
    }

    fn set(&mut self, node: NodeId, class: Class, state: State) {
        if !self.is_first_class(node, class) {
            self.other_states.insert((node, class), state);
        } else if let Some(entry) = self.states.get_mut(node.0 as usize) {
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
                    match self.state(link.target, link.class) {
                        State::New => self.enter(link.target, link.class, &mut stack),
                        State::Incomplete => frame.incomplete = true,
                        // Open would be a cycle, which no sound hash allows.
                        _ => {}
                    }
                }
                None => {
                    let Some(done) = stack.pop() else { break };
                    self.set(done.node, done.class, if done.incomplete { State::Incomplete } else { State::Complete });
                    if let Some(parent) = stack.last_mut() {
                        parent.incomplete |= done.incomplete;
                    }
                }
            }
        }
        Ok(self.state(root, class))
    }

    fn enter(&mut self, node: NodeId, class: Class, stack: &mut Vec<Frame>) {
        if self.state(node, class) != State::New {
            return;
        }
        if !self.graph.is_present(node) {
            self.set(node, class, State::Incomplete);
            if let Some(parent) = stack.last_mut() {
                parent.incomplete = true;
            }
            return;
        }
        if !self.graph.is_read(node, class) {
            self.unread_links += 1;
        }
        self.set(node, class, State::Open);
        stack.push(Frame { node, class, cursor: self.graph.links(node, class), incomplete: false });
    }

    /// Where a node's state under this class is kept: classes of a block that is not there are all one.
    fn slot(&self, node: NodeId, class: Class) -> (NodeId, Class) {
        (node, if self.is_first_class(node, class) { self.graph.first_class(node) } else { class })
    }

    /// Lists each block that is missing below an incomplete root, once, with the first path that needs it.
    fn list_missing(&mut self, root: NodeId, class: Class, report: &mut RootReport, control: &Control) -> Result<()> {
        let mut seen = HashSet::new();
        let mut path = Vec::new();
        let again = !self.listed.insert(self.slot(root, class));
        let mut stack = vec![Listing { node: root, class, cursor: self.graph.links(root, class), path_len: 0, again }];
        while let Some(frame) = stack.last_mut() {
            path.truncate(frame.path_len);
            let Some(link) = self.graph.next_link(&mut frame.cursor) else {
                stack.pop();
                continue;
            };
            if frame.again {
                // What is below was listed for an earlier root, so that all roots together still name every hole.
                let Some(left) = self.budget.checked_sub(1) else {
                    report.missing_cut = true;
                    stack.pop();
                    continue;
                };
                self.budget = left;
            }
            let slot = self.slot(link.target, link.class);
            if self.state(link.target, link.class) != State::Incomplete || !seen.insert(slot) {
                continue;
            }
            if seen.len().is_multiple_of(65_536) {
                control.check()?;
            }
            if !link.segment.is_empty() {
                path.push(b'/');
                path.extend_from_slice(link.segment);
            }
            let again = !self.listed.insert(slot);
            if self.graph.is_present(link.target) {
                let cursor = self.graph.links(link.target, link.class);
                stack.push(Listing { node: link.target, class: link.class, cursor, path_len: path.len(), again });
            } else if let Ok(cid) = RawCid::parse(self.graph.wanted_cid(link.target)) {
                let parent = RawCid::parse(self.graph.owner_cid(frame.node, frame.class)).ok().map(|cid| cid.to_cid());
                let path = self.paths.keep(&path);
                report.missing.push(MissingBlock { cid: cid.to_cid(), path, parent });
            }
        }
        Ok(())
    }
}

/// How many more bytes of paths may be kept.
#[derive(Debug)]
pub(super) struct PathBudget(usize);

impl Default for PathBudget {
    fn default() -> PathBudget {
        PathBudget(PATHS_MAX)
    }
}

impl PathBudget {
    /// As much of a path as there is room for, as [`MissingBlock::path`] has it.
    pub(super) fn keep(&mut self, path: &[u8]) -> Vec<u8> {
        let room = PATH_MAX.min(self.0);
        let kept = match path.get(..room).filter(|front| front.len() < path.len()) {
            _ if path.is_empty() => b"/".to_vec(),
            // Whole characters, so that a name that was text stays text.
            Some(front) => {
                let half = front.utf8_chunks().last().map_or(0, |chunk| chunk.invalid().len());
                [front.get(..room.saturating_sub(half)).unwrap_or_default(), "/…".as_bytes()].concat()
            }
            None => path.to_vec(),
        };
        self.0 = self.0.saturating_sub(kept.len());
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cid::codec;
    use crate::ops::testing::{car, cid_of, directory, node, raw};
    use crate::ops::verify::{Options, Report, Verdict, verify};

    fn report(car: &[u8]) -> Report {
        verify(car, None, &Options::default(), &Control::default()).unwrap()
    }

    #[test]
    fn a_block_seen_as_raw_is_still_walked_as_a_directory() {
        let (gone, _) = raw(b"gone");
        let folder = directory(&[("gone", &gone)]);
        let as_raw = (cid_of(codec::RAW, &folder.1), folder.1.clone());
        let top = node(&[("a", &as_raw.0), ("b", &folder.0)], None);
        let archives = [
            car(&[top.0], &[&top, &as_raw, &folder]),
            car(&[top.0], &[&top, &folder]),
            car(&[as_raw.0, folder.0], &[&as_raw, &folder]),
            car(&[as_raw.0, folder.0], &[&folder]),
        ];
        for (n, archive) in archives.iter().enumerate() {
            let report = report(archive);
            assert_eq!(
                (report.verdict, report.missing_blocks, report.unreachable_blocks),
                (Verdict::Incomplete, Some(1), Some(0)),
                "{n}"
            );
        }
        // Asked for as bytes only, it is whole, and all of the archive was reached.
        let alone = report(&car(&[as_raw.0], &[&folder]));
        assert_eq!((alone.verdict, alone.missing_blocks, alone.unreachable_blocks), (Verdict::Ok, Some(0), Some(0)));
    }

    #[test]
    fn long_names_above_many_holes_are_not_kept_whole() {
        let holes: Vec<Cid> = (0..100u8).map(|n| raw(&[n]).0).collect();
        let below = directory(&holes.iter().map(|cid| ("x", cid)).collect::<Vec<_>>());
        let top = directory(&[("ä".repeat(PATH_MAX).as_str(), &below.0)]);
        let report = report(&car(&[top.0], &[&top, &below]));
        let missing = &report.roots[0].missing;
        assert_eq!(missing.len(), 100);
        for block in missing {
            assert!(block.path.len() <= PATH_MAX + 4 && block.path.starts_with("/ää".as_bytes()));
            assert!(std::str::from_utf8(&block.path).unwrap().ends_with("ä/…"));
        }
        let mut budget = PathBudget(3);
        assert_eq!(budget.keep(b"/abcdef"), "/ab/…".as_bytes());
        assert_eq!(budget.keep(b"/abcdef"), "/…".as_bytes());
    }

    #[test]
    fn many_roots_above_one_hole_list_it_a_bounded_number_of_times() {
        let (gone, _) = raw(b"gone");
        let top = directory(&[("gone", &gone)]);
        let archive = car(&vec![top.0; 3], &[&top]);
        let mut together = crate::ops::verify::Together::new(Options::default(), Control::default());
        together.add(archive.as_slice(), None).unwrap();
        let mut walk = Completeness::new(&together.graph);
        walk.budget = 1;
        let cuts: Vec<(usize, bool)> = (0..3)
            .map(|_| walk.root(top.0, &Control::default()).map(|root| (root.missing.len(), root.missing_cut)).unwrap())
            .collect();
        assert_eq!(cuts, [(1, false), (1, false), (0, true)]);
    }

    #[test]
    fn a_root_that_is_its_own_block_is_walked() {
        let (gone, _) = raw(b"gone");
        let inner = directory(&[("gone", &gone)]);
        let root = Cid::new_v1(codec::DAG_PB, Multihash::wrap(0, &inner.1).unwrap());
        let incomplete = report(&car(&[root], &[]));
        assert_eq!((incomplete.verdict, incomplete.missing_blocks), (Verdict::Incomplete, Some(1)));
        assert_eq!(incomplete.roots[0].missing[0].path, b"/gone");
        let complete = report(&car(&[root], &[&raw(b"gone")]));
        assert_eq!((complete.verdict, complete.unreachable_blocks), (Verdict::Ok, Some(0)));
        let broken = Cid::new_v1(codec::DAG_PB, Multihash::wrap(0, b"no node").unwrap());
        assert_eq!(report(&car(&[broken], &[])).verdict, Verdict::Corrupt);
    }

    /// A file of one part of `size` bytes.
    fn file_of(part: Cid, size: u64) -> crate::ops::testing::Claimed {
        let mut data = vec![0x08, 2, 0x18];
        crate::varint::write(size, &mut data);
        data.push(0x20);
        crate::varint::write(size, &mut data);
        node(&[("", &part)], Some(&data))
    }

    #[test]
    fn parts_too_long_to_hold_have_their_size() {
        let long = raw(&vec![5; 17 << 20]);
        let mut control = Control::default();
        control.limits.section_len_max = 32 << 20;
        for (size, expected) in [(17 << 20, Verdict::Ok), (16 << 20, Verdict::Corrupt)] {
            let file = file_of(long.0, size);
            // Something behind it, so that it is not all that is left.
            let archive = car(&[file.0], &[&file, &long, &file]);
            let report = verify(archive.as_slice(), None, &Options::default(), &control).unwrap();
            assert_eq!(report.verdict, expected, "{:?}", report.findings);
        }
    }

    #[test]
    fn a_part_that_cannot_be_verified_is_not_called_wrong() {
        let unknown = Cid::new_v1(codec::RAW, Multihash::wrap(0x999, &[7; 32]).unwrap());
        let file = file_of(unknown, 5);
        let report = report(&car(&[file.0], &[&file, &(unknown, b"hello".to_vec())]));
        assert_eq!(report.verdict, Verdict::Unverified, "{:?}", report.findings);
    }

    #[test]
    fn a_part_that_is_stored_as_raw_first_keeps_that_size() {
        let inner = file_of(raw(b"hello").0, 5);
        let as_raw = (cid_of(codec::RAW, &inner.1), inner.1.clone());
        let file = file_of(as_raw.0, inner.1.len() as u64);
        let hello = raw(b"hello");
        let report = report(&car(&[file.0, inner.0], &[&file, &as_raw, &inner, &hello]));
        assert_eq!(report.verdict, Verdict::Ok, "{:?}", report.findings);
    }
}
