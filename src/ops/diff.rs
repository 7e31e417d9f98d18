//! What two archives have in common and what not: blocks, and UnixFS paths.

use crate::cid::Cid;
use crate::control::Control;
use crate::error::{Finding, Result, Severity};
use crate::ops::blocks;
use crate::ops::check::Hashing;
use crate::store::{CarFile, Keyer};
use crate::unixfs::{Budget, EntryKind, RawLeaves, Strictness, Walk};
use std::collections::BTreeMap;
use std::collections::HashMap;

/// Where something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Only in the first archive.
    OnlyA,
    /// Only in the second.
    OnlyB,
    /// In both, and not the same.
    Changed,
}

/// One difference between two trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathDifference {
    /// The path; raw bytes. Archives with several roots have the root's CID as the first name.
    pub path: Vec<u8>,
    /// Where it is.
    pub side: Side,
    /// What it leads to in the first archive.
    pub a: Option<Cid>,
    /// What it leads to in the second.
    pub b: Option<Cid>,
}

/// All differences.
#[derive(Debug, Clone, Default)]
pub struct Difference {
    /// CIDs only in the first archive, in file order.
    pub only_a: Vec<Cid>,
    /// CIDs only in the second, in file order.
    pub only_b: Vec<Cid>,
    /// How many distinct CIDs both have.
    pub common: u64,
    /// Paths that differ, sorted.
    pub paths: Vec<PathDifference>,
    /// What is wrong with either archive.
    pub findings: Vec<Finding>,
}

impl Difference {
    /// Whether the archives hold the same blocks and trees.
    pub fn is_empty(&self) -> bool {
        self.only_a.is_empty() && self.only_b.is_empty() && self.paths.is_empty()
    }
}

/// Compares two archives; every block is hashed.
///
/// # Errors
/// When one is no CAR file or cannot be read.
pub fn diff(a: &CarFile, b: &CarFile, control: &Control) -> Result<Difference> {
    let mut difference = Difference::default();
    let keyer = Keyer::new();
    let in_a = cids(a, control, &mut difference.findings)?;
    let in_b = cids(b, control, &mut difference.findings)?;
    let key = |cid: &Cid| keyer.bytes(&cid.to_bytes());
    let keys_b: HashMap<_, ()> = in_b.iter().map(|cid| (key(cid), ())).collect();
    let mut keys_a = HashMap::new();
    for cid in in_a {
        if keys_a.insert(key(&cid), ()).is_none() {
            match keys_b.contains_key(&key(&cid)) {
                true => difference.common = difference.common.saturating_add(1),
                false => difference.only_a.push(cid),
            }
        }
    }
    let mut seen = HashMap::new();
    difference.only_b =
        in_b.into_iter().filter(|cid| !keys_a.contains_key(&key(cid)) && seen.insert(key(cid), ()).is_none()).collect();
    difference.paths = compare(tree(a, control)?, tree(b, control)?);
    Ok(difference)
}

fn cids(car: &CarFile, control: &Control, findings: &mut Vec<Finding>) -> Result<Vec<Cid>> {
    let mut cids = Vec::new();
    let input = car.reopen()?;
    blocks::list(
        input,
        Hashing::Check,
        control,
        |block| {
            cids.push(block.cid);
            Ok(())
        },
        |finding| findings.extend((finding.severity >= Severity::Unverified).then_some(finding)),
    )?;
    Ok(cids)
}

/// What each path of an archive leads to. Directories are there by what is in them, so that one changed file is one difference.
fn tree(car: &CarFile, control: &Control) -> Result<BTreeMap<Vec<u8>, (Cid, bool)>> {
    let roots = car.roots();
    let mut paths = BTreeMap::new();
    let mut budget = Budget::new(control.limits);
    for root in &roots {
        let mut walk = Walk::new(car, root, Strictness::Lenient, RawLeaves::Find);
        while let Some(entry) = walk.next_entry(&mut budget)? {
            control.check()?;
            let mut path = if roots.len() > 1 { root.to_string().into_bytes() } else { Vec::new() };
            if !entry.path.is_empty() {
                path.push(b'/');
                path.extend_from_slice(&entry.path);
            }
            let is_directory = matches!(entry.kind, EntryKind::Directory | EntryKind::Map);
            paths.insert(path, (entry.cid, is_directory));
        }
    }
    Ok(paths)
}

fn compare(a: BTreeMap<Vec<u8>, (Cid, bool)>, mut b: BTreeMap<Vec<u8>, (Cid, bool)>) -> Vec<PathDifference> {
    let mut differences = Vec::new();
    for (path, (cid, is_directory)) in a {
        match b.remove(&path) {
            None => differences.push(PathDifference { path, side: Side::OnlyA, a: Some(cid), b: None }),
            Some((other, other_is_directory)) => {
                let both_directories = is_directory && other_is_directory;
                if !crate::cid::same_block(&cid, &other) && !both_directories {
                    differences.push(PathDifference { path, side: Side::Changed, a: Some(cid), b: Some(other) });
                }
            }
        }
    }
    differences.extend(b.into_iter().map(|(path, (cid, _))| PathDifference { path, side: Side::OnlyB, a: None, b: Some(cid) }));
    differences.sort_by(|a, b| a.path.cmp(&b.path));
    differences
}
