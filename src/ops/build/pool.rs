//! All sound blocks of many inputs, by multihash.

use crate::block::{Block, VerifyError};
use crate::cid::{self, Cid, RawCid, hash_code, same_block};
use crate::control::Control;
use crate::error::{Code, Error, Finding, Result, Severity};
use crate::format::Framer;
use crate::hash;
use crate::ops::findings::{Findings, Notes};
use crate::ops::scan::{self, Collector, Identify, SectionHead};
use crate::ops::source::{Place, Places, Source, changed};
use crate::store::{BlockSource, Input, Key, Keyer};
use hashbrown::HashTable;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::Path;

/// Hash functions and lengths that all files without archives are hashed with; honest DAGs use one or two.
const FUNCTIONS_MAX: usize = 16;
/// Roots that are kept to be named in a message.
const ROOTS_MAX: usize = 100;

/// The blocks. About 20 bytes each.
#[derive(Debug)]
pub(super) struct Pool {
    places: Places,
    keyer: Keyer,
    /// Half a fingerprint and a place; exact, because the CID at the place is read again.
    table: HashTable<(u64, Place)>,
    files: Files,
    roots: Vec<Cid>,
    /// Multihashes of which a copy did not match, or could not be verified.
    damaged: HashMap<Key, Code>,
    section_len_max: u64,
}

/// Inputs that are no archives, each perhaps a block.
#[derive(Debug, Default)]
struct Files {
    list: Vec<RawFile>,
    /// Fingerprints of the files under the functions tried so far.
    known: RefCell<HashMap<Key, usize>>,
    tried: RefCell<HashSet<(u64, usize)>>,
}

#[derive(Debug)]
struct RawFile {
    name: String,
    place: Place,
    len: u64,
    /// The CID that its name is.
    cid: Option<Cid>,
    /// Why it is no archive.
    why: Finding,
    is_used: Cell<bool>,
}

impl Pool {
    pub(super) fn new(control: &Control) -> Pool {
        Pool {
            places: Places::new(control.limits),
            keyer: Keyer::new(),
            table: HashTable::new(),
            files: Files::default(),
            roots: Vec::new(),
            damaged: HashMap::new(),
            section_len_max: control.limits.section_len_max,
        }
    }

    /// Adds an input.
    ///
    /// # Errors
    /// When it cannot be read. Faults are told to `on_finding`.
    pub(super) fn add(&mut self, path: &Path, control: &Control, on_finding: &mut dyn FnMut(&str, Finding)) -> Result<()> {
        let (source, input) = Source::open_at_random(path, control)?;
        let name = source.name();
        let Input::File(file, len) = input else { return Err(Error::usage("is no file").in_file(name)) };
        match Framer::open(&file, Some(len), control.limits, control.trailing_zeros) {
            Ok(framer) => self.add_archive(path, source, framer, len, control, on_finding),
            Err(error) if error.code().is_some() => {
                let mut why = Finding::new(error.code().unwrap_or(Code::NotACar), error.message);
                why.at = error.at;
                self.add_file(path, source, len, why, on_finding)
            }
            Err(error) => Err(error.in_file(name)),
        }
    }

    fn add_archive(
        &mut self,
        path: &Path,
        source: Source,
        mut framer: Framer<&File>,
        len: u64,
        control: &Control,
        on_finding: &mut dyn FnMut(&str, Finding),
    ) -> Result<()> {
        let name = source.name();
        for root in framer.header().roots().filter(|root| *root != RawCid::EMPTY) {
            self.add_root(root.to_cid());
        }
        let keyer = self.keyer;
        let base = self.places.add(source, len);
        let gather = Gather { pool: self, base, findings: Findings::default() };
        let gather = scan::scan(&mut framer, keyer, Identify::Multihash, gather, control).map_err(|e| e.in_file(&*name))?;
        gather.findings.finish(Notes::Tolerated).into_iter().for_each(|finding| on_finding(&name, finding));
        self.add_archive_as_block(path, name, base, len)
    }

    /// A block may itself be an archive. Its name says so: not `<cid>.car`, which is an archive of that DAG.
    fn add_archive_as_block(&mut self, path: &Path, name: String, base: Place, len: u64) -> Result<()> {
        let is_archive = path.extension().is_some_and(|extension| extension == "car");
        let Some(cid) = cid_of_name(path).filter(|_| !is_archive && len <= self.section_len_max) else { return Ok(()) };
        let data = self.bytes(base, len)?;
        if Block::new(cid, data).is_ok() {
            let why = Finding::new(Code::NotACar, "a block").severity(Severity::Note);
            self.remember_file(name, base, len, Some(cid), why, self.keyer.key(cid.hash().code(), cid.hash().digest()));
        }
        Ok(())
    }

    /// Of the forms of one CID the same is kept in any order of the inputs.
    fn add_root(&mut self, root: Cid) {
        let room = self.roots.len() < ROOTS_MAX;
        match self.roots.iter_mut().find(|known| same_block(known, &root)) {
            Some(known) if root.to_bytes() < known.to_bytes() => *known = root,
            None if room => self.roots.push(root),
            _ => {}
        }
    }

    /// The distinct roots that headers name.
    pub(super) fn roots(&self) -> &[Cid] {
        &self.roots
    }

    fn add_file(
        &mut self,
        path: &Path,
        source: Source,
        len: u64,
        why: Finding,
        on_finding: &mut dyn FnMut(&str, Finding),
    ) -> Result<()> {
        let name = source.name();
        if len > self.section_len_max {
            let message = format!(
                "{}; as a block it is too long: {len} bytes, the limit is {} (--max-section)",
                why.message, self.section_len_max
            );
            on_finding(&name, Finding::new(Code::SectionTooLarge, message));
            return Ok(());
        }
        let place = self.places.add(source, len);
        let data = self.bytes(place, len)?;
        let mut cid = cid_of_name(path);
        if let Some(named) = cid {
            let key = self.keyer.key(named.hash().code(), named.hash().digest());
            match Block::new(named, data) {
                Ok(_) => {
                    self.remember_file(name, place, len, cid, why, key);
                    return Ok(());
                }
                Err(error) => {
                    // An archive is often named by its root: that it does not hash to its name says nothing then.
                    if path.extension().is_none_or(|extension| extension != "car") {
                        on_finding(&name, fault(&error, named));
                        self.damaged.entry(key).or_insert(error.code());
                    }
                    cid = None;
                }
            }
        }
        let data = self.bytes(place, len)?;
        if let Ok(digest) = hash::digest(hash_code::SHA2_256, &data, 32) {
            let key = self.keyer.key(hash_code::SHA2_256, digest.bytes());
            self.remember_file(name, place, len, cid, why, key);
        }
        Ok(())
    }

    fn remember_file(&mut self, name: String, place: Place, len: u64, cid: Option<Cid>, why: Finding, key: Key) {
        self.files.known.get_mut().entry(key).or_insert(self.files.list.len());
        self.files.list.push(RawFile { name, place, len, cid, why, is_used: Cell::new(false) });
    }

    /// Tells about each file that is no archive and no block that was wanted.
    pub(super) fn report_unused(&self, on_finding: &mut dyn FnMut(&str, Finding)) {
        for file in self.files.list.iter().filter(|file| !file.is_used.get() && file.why.severity > Severity::Note) {
            let mut finding = file.why.clone();
            finding.message = format!("{}, and no block that is wanted", finding.message);
            on_finding(&file.name, finding);
        }
    }

    /// What is wrong with the copies of a block that is not here; `None` when there are none.
    pub(super) fn damage(&self, cid: &Cid) -> Option<Code> {
        self.damaged.get(&self.keyer.key(cid.hash().code(), cid.hash().digest())).copied()
    }

    /// The CIDs of all blocks whose CID is known, in no order.
    pub(super) fn for_each_cid(&self, each: &mut dyn FnMut(&Cid) -> Result<()>) -> Result<()> {
        for (_, place) in &self.table {
            each(&self.places.head(*place)?.cid().to_cid())?;
        }
        self.files.list.iter().filter_map(|file| file.cid.as_ref()).try_for_each(each)
    }

    fn bytes(&self, place: Place, len: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.places.stream(place, len, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// The place of the section with this multihash.
    fn place(&self, tag: u64, hash_code: u64, digest: &[u8]) -> Result<Option<Place>> {
        for (_, place) in self.table.iter_hash(tag).filter(|(found, _)| *found == tag) {
            let stored = self.places.head(*place)?;
            if stored.cid().hash_code() == hash_code && stored.cid().digest() == digest {
                return Ok(Some(*place));
            }
        }
        Ok(None)
    }

    /// The file that is this block.
    fn file(&self, key: Key, cid: &Cid) -> Result<Option<&RawFile>> {
        let (code, len) = (cid.hash().code(), cid.hash().digest().len());
        let new = {
            let mut tried = self.files.tried.borrow_mut();
            // Every file has its SHA2-256 known.
            !self.files.list.is_empty()
                && (code, len) != (hash_code::SHA2_256, 32)
                && tried.len() < FUNCTIONS_MAX
                && tried.insert((code, len))
        };
        if new {
            for (index, file) in self.files.list.iter().enumerate() {
                let data = self.bytes(file.place, file.len)?;
                let Ok(digest) = hash::digest(code, &data, len) else { break };
                let key = self.keyer.key(code, digest.bytes());
                self.files.known.borrow_mut().entry(key).or_insert(index);
            }
        }
        let index = self.files.known.borrow().get(&key).copied();
        Ok(index.and_then(|index| self.files.list.get(index)))
    }

    /// A sound block that does not match any more.
    fn block(&self, place: Place, cid: &Cid, data: Vec<u8>) -> Result<Block> {
        Block::new(*cid, data).map_err(|_| changed(&self.places.describe(place).0))
    }
}

impl BlockSource for Pool {
    fn get(&self, cid: &Cid) -> Result<Option<Block>> {
        if let Some(block) = Block::from_identity(cid) {
            return Ok(Some(block));
        }
        let key = self.keyer.key(cid.hash().code(), cid.hash().digest());
        if let Some(place) = self.place(key.tag(), cid.hash().code(), cid.hash().digest())? {
            let data = self.places.data(self.places.section(place)?)?;
            return self.block(place, cid, data).map(Some);
        }
        let Some(file) = self.file(key, cid)? else { return Ok(None) };
        file.is_used.set(true);
        let data = self.bytes(file.place, file.len)?;
        self.block(file.place, cid, data).map(Some)
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        Ok(Block::from_identity(cid).is_some() || self.get(cid)?.is_some())
    }
}

fn fault(error: &VerifyError, cid: Cid) -> Finding {
    Finding::new(error.code(), error.to_string()).cid(cid)
}

/// The CID that a file is named by: `<cid>`, `<cid>.bin`, `<cid>.raw`, `<cid>.car`.
fn cid_of_name(path: &Path) -> Option<Cid> {
    let name = path.file_name()?.to_str()?;
    let stem = [".bin", ".raw", ".car"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    cid::parse_text(stem).ok()
}

/// Takes the sections of one archive.
struct Gather<'p> {
    pool: &'p mut Pool,
    base: Place,
    findings: Findings,
}

impl Gather<'_> {
    fn put(&mut self, head: SectionHead<'_>) -> Result<()> {
        if head.cid.is_identity() || self.pool.place(head.key.tag(), head.cid.hash_code(), head.cid.digest())?.is_some() {
            return Ok(());
        }
        let place = Place(self.base.0.saturating_add(head.at.0));
        self.pool.table.insert_unique(head.key.tag(), (head.key.tag(), place), |slot| slot.0);
        Ok(())
    }

    fn refuse(&mut self, head: SectionHead<'_>, why: Finding) {
        // A block that is cut short is missing, not damaged.
        if why.code != Code::Truncated {
            self.pool.damaged.entry(head.key).or_insert(why.code);
        }
        self.findings.push(why);
    }
}

impl Collector for Gather<'_> {
    fn sound(&mut self, head: SectionHead<'_>, _: &[u8]) -> Result<()> {
        self.put(head)
    }

    fn unsound(&mut self, head: SectionHead<'_>, _: &[u8], why: Finding) -> Result<()> {
        self.refuse(head, why);
        Ok(())
    }

    fn remark(&mut self, finding: Finding) -> Result<()> {
        self.findings.push(finding);
        Ok(())
    }

    fn huge(&mut self, _: SectionHead<'_>) -> Result<bool> {
        Ok(false)
    }

    fn huge_piece(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn huge_end(&mut self, head: SectionHead<'_>, why: Option<Finding>) -> Result<()> {
        match why {
            Some(why) => {
                self.refuse(head, why);
                Ok(())
            }
            None => self.put(head),
        }
    }
}
