//! `--canonical`: bytes that depend on the set of blocks and roots alone.
//!
//! First every section of every input is hashed and its place remembered. Then the blocks are written depth first from
//! the sorted roots, and the rest sorted by CID; each is read again, and hashed again on its way out.
//!
//! Memory: 32 bytes a block, a table of four-byte numbers, and eight bytes a block while the DAG is walked.

use super::InputSummary;
use super::wrap::Watch;
use crate::cid::{Cid, RawCid};
use crate::control::Control;
use crate::dag;
use crate::error::{Code, Error, ErrorKind, Finding, Result, Severity};
use crate::format::Header;
use crate::format::framer::IN_MEMORY_MAX;
use crate::hash::{Hasher, Outcome};
use crate::ops::archive_writer::ArchiveWriter;
use crate::ops::findings::Findings;
use crate::ops::scan::{Collector, SectionHead};
use crate::ops::source::{Place, Places};
use crate::store::{Key, Keyer};
use hashbrown::HashTable;

/// No entry.
const NONE: u32 = u32::MAX;

/// One distinct CID.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Fingerprint of the multihash.
    key: Key,
    place: Place,
    /// What stands before the digest: with the multihash, this is the exact CID.
    prefix: u32,
    /// Another CID with the same multihash.
    next_form: u32,
}

/// One link of a block.
enum Step {
    /// To a block that is there.
    Block(u32),
    /// To what the CID carries.
    Inline(Box<[u8]>),
}

/// Distinct beginnings of CIDs: version, codec, hash function, length of the digest.
#[derive(Debug)]
struct Prefixes {
    list: Vec<Box<[u8]>>,
    table: HashTable<u32>,
    keyer: Keyer,
}

impl Prefixes {
    fn get(&self, id: u32) -> &[u8] {
        self.list.get(id as usize).map_or(&[], |prefix| prefix)
    }

    fn intern(&mut self, prefix: &[u8]) -> u32 {
        let tag = self.keyer.bytes(prefix).tag();
        if let Some(id) = self.table.find(tag, |id| self.get(*id) == prefix) {
            return *id;
        }
        let id = self.list.len() as u32;
        self.list.push(prefix.into());
        let (keyer, list) = (self.keyer, &self.list);
        self.table.insert_unique(tag, id, |id| keyer.bytes(list.get(*id as usize).map_or(&[], |p| p)).tag());
        id
    }
}

/// The distinct CIDs of all inputs.
#[derive(Debug)]
pub(super) struct Index {
    entries: Vec<Entry>,
    /// By exact CID while inputs are read; afterwards by multihash, the first of its forms.
    table: HashTable<u32>,
    prefixes: Prefixes,
    pub(super) keyer: Keyer,
    pub(super) places: Places,
    pub(super) watch: Watch,
}

fn exact_tag(key: Key, prefix: u32) -> u64 {
    // The key is secret, so that no choice of prefixes makes these meet.
    key.tag() ^ key.0[1].wrapping_mul(u64::from(prefix).wrapping_mul(2).wrapping_add(1))
}

fn prefix_of(cid: RawCid<'_>) -> &[u8] {
    let len = cid.bytes().len().saturating_sub(cid.digest().len());
    cid.bytes().get(..len).unwrap_or_default()
}

impl Index {
    pub(super) fn new(places: Places, watch: Watch, keyer: Keyer) -> Index {
        let prefixes = Prefixes { list: Vec::new(), table: HashTable::new(), keyer };
        Index { entries: Vec::new(), table: HashTable::new(), prefixes, keyer, places, watch }
    }

    /// Remembers a section; `false` when its CID was there before.
    fn add(&mut self, key: Key, cid: RawCid<'_>, place: Place) -> Result<bool> {
        let prefix = self.prefixes.intern(prefix_of(cid));
        let entries = &self.entries;
        let is_same = |id: &u32| entries.get(*id as usize).is_some_and(|entry| entry.key == key && entry.prefix == prefix);
        if self.table.find(exact_tag(key, prefix), is_same).is_some() {
            return Ok(false);
        }
        let id = self.entries.len() as u32;
        if id >= NONE - 2 {
            return Err(Error::new(ErrorKind::Unsupported(Code::LimitReached), "more than four billion distinct blocks"));
        }
        self.entries.push(Entry { key, place, prefix, next_form: NONE });
        let entries = &self.entries;
        let hash = |id: &u32| entries.get(*id as usize).map_or(0, |entry| exact_tag(entry.key, entry.prefix));
        self.table.insert_unique(exact_tag(key, prefix), id, hash);
        Ok(true)
    }

    /// Ties the CIDs of one multihash together, for [`Index::find`].
    fn group(&mut self) {
        self.table = HashTable::new();
        for id in 0..self.entries.len() as u32 {
            let Some(entry) = self.entries.get(id as usize).copied() else { break };
            match self.find(entry.key) {
                Some(first) => {
                    let next = self.entries.get(first as usize).map_or(NONE, |first| first.next_form);
                    self.entries.get_mut(id as usize).into_iter().for_each(|entry| entry.next_form = next);
                    self.entries.get_mut(first as usize).into_iter().for_each(|first| first.next_form = id);
                }
                None => {
                    let entries = &self.entries;
                    let hash = |id: &u32| entries.get(*id as usize).map_or(0, |entry| entry.key.tag());
                    self.table.insert_unique(entry.key.tag(), id, hash);
                }
            }
        }
    }

    /// The first entry with this multihash.
    fn find(&self, key: Key) -> Option<u32> {
        self.table.find(key.tag(), |id| self.entries.get(*id as usize).is_some_and(|entry| entry.key == key)).copied()
    }

    /// Writes everything behind the header: `top` if there is one, the DAGs below the header's roots, the rest.
    ///
    /// # Errors
    /// When an input changed since it was read, or a file fails.
    pub(super) fn write(
        mut self,
        header: &Header,
        top: Option<&(Cid, Vec<u8>)>,
        mut writer: ArchiveWriter,
        control: &Control,
    ) -> Result<(ArchiveWriter, u64)> {
        self.group();
        let mut walk = Walk { pending: Pending::new(self.entries.len()), children: Vec::new(), blocks: 0 };
        if let Some((cid, data)) = top {
            let bytes = cid.to_bytes();
            if let Ok(cid) = RawCid::parse(&bytes) {
                let there = self.find(self.keyer.key(cid.hash_code(), cid.digest()));
                if there.is_none() {
                    writer.write_section(cid, data)?;
                    walk.blocks += 1;
                }
                walk.children.extend(there);
                self.children(cid.codec(), data, control.limits.depth_max, &mut walk.children);
                walk.pending.push_all(&mut walk.children);
            }
        } else {
            for root in header.roots() {
                let key = self.keyer.key(root.hash_code(), root.digest());
                walk.children.extend(self.find(key));
                if root.is_identity() {
                    self.children(root.codec(), root.digest(), control.limits.depth_max, &mut walk.children);
                }
            }
            walk.pending.push_all(&mut walk.children);
        }
        while let Some(id) = walk.pending.pop() {
            control.check()?;
            self.write_block(id, &mut walk, &mut writer, control)?;
        }
        // Freed before the rest is sorted.
        self.table = HashTable::new();
        let Walk { pending, mut blocks, .. } = walk;
        let rest = self.unreached(pending)?;
        for id in rest {
            control.check()?;
            let prefix = self.entries.get(id as usize).map_or(NONE, |entry| entry.prefix);
            self.write_forms(id, &[prefix], &mut writer)?;
            blocks += 1;
        }
        Ok((writer, blocks))
    }

    /// Writes all forms of a multihash, and notes what its block links to.
    fn write_block(&self, id: u32, walk: &mut Walk, writer: &mut ArchiveWriter, control: &Control) -> Result<()> {
        let mut forms = Vec::new();
        let mut next = id;
        while let Some(entry) = self.entries.get(next as usize) {
            forms.push(entry.prefix);
            if next != id {
                walk.pending.finish(next);
            }
            next = entry.next_form;
        }
        forms.sort_unstable_by_key(|prefix| self.prefixes.get(*prefix));
        walk.blocks += forms.len() as u64;
        if let Some(data) = self.write_forms(id, &forms, writer)? {
            for form in &forms {
                let codec = codec_of(self.prefixes.get(*form));
                self.children(codec, &data, control.limits.depth_max, &mut walk.children);
            }
            walk.pending.push_all(&mut walk.children);
        }
        Ok(())
    }

    /// Reads a block again, hashes it again, and writes it under the CIDs with these prefixes. Gives its data back
    /// unless it is too long to hold.
    fn write_forms(&self, id: u32, forms: &[u32], writer: &mut ArchiveWriter) -> Result<Option<Vec<u8>>> {
        let Some(entry) = self.entries.get(id as usize) else { return Ok(None) };
        let stored = self.places.section(entry.place)?;
        let digest = stored.cid().digest().to_vec();
        let hash_code = stored.cid().hash_code();
        if self.keyer.key(hash_code, &digest) != entry.key {
            return Err(self.places.error(entry.place, crate::ops::source::changed("")));
        }
        let mut hasher = Hasher::new(hash_code, digest.len()).map_err(|why| Error::usage(why.to_string()))?;
        let data_len = stored.data_len;
        let mut data = None;
        if data_len <= IN_MEMORY_MAX {
            let held = self.places.data(stored)?;
            hasher.update(&held);
            for form in forms {
                let cid = [self.prefixes.get(*form), &digest].concat();
                writer.write_section(RawCid::parse(&cid).unwrap_or(RawCid::EMPTY), &held)?;
            }
            data = Some(held);
        } else {
            for (n, form) in forms.iter().enumerate() {
                let cid = [self.prefixes.get(*form), &digest].concat();
                writer.begin_section(RawCid::parse(&cid).unwrap_or(RawCid::EMPTY), data_len)?;
                self.places.pieces(&stored, &mut |piece| {
                    if n == 0 {
                        hasher.update(piece);
                    }
                    writer.continue_section(piece)
                })?;
            }
        }
        match hasher.finish_matches(&digest) {
            Outcome::Verified => Ok(data),
            _ => Err(self.places.error(
                entry.place,
                Error::format(Code::HashMismatch, Default::default(), "the block changed while it was read"),
            )),
        }
    }

    /// The blocks at hand that `data` links to, in the order of the links, through identity CIDs.
    fn children(&self, codec: u64, data: &[u8], depth_max: u32, found: &mut Vec<u32>) {
        let mut steps = Vec::new();
        self.steps(codec, data, depth_max, &mut steps);
        while let Some(step) = steps.pop() {
            match step {
                Step::Block(id) => found.push(id),
                // What an identity CID carries is shorter than itself, so this ends after a few steps down.
                Step::Inline(bytes) => {
                    let cid = RawCid::parse(&bytes).unwrap_or(RawCid::EMPTY);
                    self.steps(cid.codec(), cid.digest(), depth_max, &mut steps);
                }
            }
        }
    }

    /// Puts the links of one block on a stack, the first topmost.
    fn steps(&self, codec: u64, data: &[u8], depth_max: u32, steps: &mut Vec<Step>) {
        let start = steps.len();
        // A block that cannot be read has the links before its fault; verify reports the fault.
        let _ = dag::links(codec, data, depth_max, &mut |cid, _| {
            steps.extend(self.find(self.keyer.key(cid.hash_code(), cid.digest())).map(Step::Block));
            if cid.is_identity() {
                steps.push(Step::Inline(cid.bytes().into()));
            }
        });
        steps.get_mut(start..).into_iter().for_each(<[Step]>::reverse);
    }

    /// What the walk did not come to, by the bytes of the CIDs.
    fn unreached(&self, pending: Pending) -> Result<Vec<u32>> {
        let mut ids: Vec<u32> = (0..self.entries.len() as u32).filter(|id| !pending.is_done(*id)).collect();
        drop(pending);
        let mut ranks: Vec<u32> = (0..self.prefixes.list.len() as u32).collect();
        ranks.sort_unstable_by_key(|prefix| self.prefixes.get(*prefix));
        let mut rank = vec![0u32; ranks.len()];
        for (n, prefix) in (0u32..).zip(ranks) {
            rank.get_mut(prefix as usize).into_iter().for_each(|rank| *rank = n);
        }
        // Ids are in the order of the inputs here, so that the heads are read front to back.
        let mut keyed = Vec::with_capacity(ids.len());
        for id in ids.drain(..) {
            let Some(entry) = self.entries.get(id as usize) else { continue };
            let digest = self.digest_front(entry)?;
            keyed.push((rank.get(entry.prefix as usize).copied().unwrap_or(0), digest, id));
        }
        keyed.sort_unstable();
        self.sort_ties(&mut keyed)?;
        Ok(keyed.into_iter().map(|(_, _, id)| id).collect())
    }

    fn digest_front(&self, entry: &Entry) -> Result<[u8; 8]> {
        let stored = self.places.head(entry.place)?;
        let mut front = [0; 8];
        front.iter_mut().zip(stored.cid().digest()).for_each(|(to, from)| *to = *from);
        Ok(front)
    }

    /// Orders those whose CIDs begin alike: in an honest archive there are none.
    fn sort_ties(&self, keyed: &mut [(u32, [u8; 8], u32)]) -> Result<()> {
        let mut failed = None;
        for tied in keyed.chunk_by_mut(|a, b| (a.0, a.1) == (b.0, b.1)).filter(|tied| tied.len() > 1) {
            tied.sort_by(|a, b| {
                let cid = |id: u32| {
                    let entry = self.entries.get(id as usize).ok_or_else(|| Error::usage("no such block"))?;
                    self.places.head(entry.place).map(|stored| stored.cid().bytes().to_vec())
                };
                match (cid(a.2), cid(b.2)) {
                    (Ok(a), Ok(b)) => a.cmp(&b),
                    (Err(error), _) | (_, Err(error)) => {
                        failed.get_or_insert(error);
                        std::cmp::Ordering::Equal
                    }
                }
            });
        }
        failed.map_or(Ok(()), Err)
    }
}

/// The codec that the CIDs of this prefix name.
fn codec_of(prefix: &[u8]) -> u64 {
    match prefix {
        [0x12, 0x20] => crate::cid::codec::DAG_PB,
        [_, rest @ ..] => crate::varint::read(rest).map_or(crate::cid::codec::RAW, |(codec, _)| codec),
        [] => crate::cid::codec::RAW,
    }
}

struct Walk {
    pending: Pending,
    children: Vec<u32>,
    blocks: u64,
}

/// The stack of a depth-first walk, as a list through all entries: an entry stands in it once, so that it never takes
/// more than eight bytes a block, however many links there are and however deep they go.
struct Pending {
    /// Per entry: what is below it in the stack, and what is above.
    links: Vec<[u32; 2]>,
    top: u32,
}

const FREE: u32 = NONE - 1;
const DONE: u32 = NONE - 2;

impl Pending {
    fn new(len: usize) -> Pending {
        Pending { links: vec![[FREE, NONE]; len], top: NONE }
    }

    fn is_done(&self, id: u32) -> bool {
        self.links.get(id as usize).is_some_and(|[below, _]| *below == DONE)
    }

    fn finish(&mut self, id: u32) {
        self.unlink(id);
        self.set(id, [DONE, NONE]);
    }

    fn set(&mut self, id: u32, to: [u32; 2]) {
        self.links.get_mut(id as usize).into_iter().for_each(|links| *links = to);
    }

    /// Takes an entry out of wherever it waits.
    fn unlink(&mut self, id: u32) {
        let Some([below, above]) = self.links.get(id as usize).copied().filter(|[below, _]| !matches!(*below, FREE | DONE))
        else {
            return;
        };
        match self.links.get_mut(above as usize) {
            Some(links) => links[0] = below,
            None => self.top = below,
        }
        self.links.get_mut(below as usize).into_iter().for_each(|links| links[1] = above);
    }

    /// Puts `children` on top, the first of them topmost, and empties the list. What waits further down already moves
    /// up: from down there it would have been found done.
    fn push_all(&mut self, children: &mut Vec<u32>) {
        for id in children.drain(..).rev() {
            if self.is_done(id) {
                continue;
            }
            self.unlink(id);
            let below = self.top;
            self.links.get_mut(below as usize).into_iter().for_each(|links| links[1] = id);
            self.set(id, [below, NONE]);
            self.top = id;
        }
    }

    fn pop(&mut self) -> Option<u32> {
        let id = self.top;
        if id == NONE {
            return None;
        }
        self.finish(id);
        Some(id)
    }
}

/// Takes the sections of one input.
#[derive(Debug)]
pub(super) struct Gather<'a> {
    pub(super) index: &'a mut Index,
    pub(super) base: Place,
    pub(super) summary: InputSummary,
    pub(super) remarks: Findings,
}

impl Gather<'_> {
    fn put(&mut self, head: SectionHead<'_>) -> Result<()> {
        self.summary.blocks += 1;
        if self.index.add(head.key, head.cid, Place(self.base.0.saturating_add(head.at.0)))? {
            self.summary.new_blocks += 1;
        } else {
            self.summary.duplicate_blocks += 1;
        }
        Ok(())
    }
}

impl Collector for Gather<'_> {
    fn sound(&mut self, head: SectionHead<'_>, data: &[u8]) -> Result<()> {
        if !self.index.watch.is_empty() {
            self.index.watch.see(&self.index.keyer, head.cid, data);
        }
        self.put(head)
    }

    fn unsound(&mut self, _: SectionHead<'_>, _: &[u8], why: Finding) -> Result<()> {
        Err(why.into())
    }

    fn remark(&mut self, finding: Finding) -> Result<()> {
        if finding.severity > Severity::Note {
            return Err(finding.into());
        }
        self.remarks.push(finding);
        Ok(())
    }

    fn huge(&mut self, _: SectionHead<'_>) -> Result<bool> {
        Ok(false)
    }

    fn huge_piece(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn huge_end(&mut self, head: SectionHead<'_>, why: Option<Finding>) -> Result<()> {
        if let Some(why) = why {
            return Err(why.into());
        }
        self.index.watch.see_len(&self.index.keyer, head.cid, head.data_len);
        self.put(head)
    }
}
