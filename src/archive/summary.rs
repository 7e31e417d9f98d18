//! What came of a run.

use super::manifest::{Completeness, Item, ItemKind, ItemStatus, LinkStatus, Manifest, Reprovide};
use super::options::Others;
use crate::net::Scope;

/// Things that are not there which are listed one by one.
const PROBLEMS_MAX: usize = 1_000;

/// What a dry run would fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The root.
    pub root: String,
    /// How much of it; [`Scope::Auto`] is decided by the size that its root declares.
    pub scope: Scope,
    /// The paths below it; none for the whole.
    pub paths: Vec<String>,
    /// Bytes of its archive, when an earlier run knows.
    pub size: Option<u64>,
}

/// Something that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The item's name.
    pub item: String,
    /// Where the link stands in its document; `None` for the item itself.
    pub pointer: Option<String>,
    /// What it leads to. Untrusted, as all text here.
    pub target: String,
    /// What became of it.
    pub status: &'static str,
    /// Why.
    pub reason: String,
    /// Whether another run may get it.
    pub retryable: bool,
}

/// What came of a run over the items that it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "something may be missing"]
pub struct Summary {
    /// Whether all items that were asked for are complete.
    pub status: Completeness,
    /// How many of them are complete.
    pub complete: usize,
    /// How many are not.
    pub incomplete: usize,
    /// Of how many nothing could be looked for.
    pub failed: usize,
    /// CAR files in the archive.
    pub archives: usize,
    /// Their bytes together.
    pub bytes: u64,
    /// Requests to gateways and nodes.
    pub requests: u64,
    /// Whether anything in the archive changed.
    pub changed: bool,
    /// Whether a damaged block was met which no source had.
    pub corrupt: bool,
    /// Whether another run may get more.
    pub retryable: bool,
    /// What is not there: the first thousand.
    pub problems: Vec<Problem>,
    /// How many things are not there.
    pub problem_count: usize,
    /// What to tell a node, so that it provides all this.
    pub reprovide: Reprovide,
    /// With [`Mode::DryRun`](super::Mode::DryRun), what would be fetched first.
    pub planned: Vec<Planned>,
}

/// Whether a link is as good as it can be.
pub(super) fn is_settled(status: LinkStatus, others: Others) -> bool {
    match status {
        LinkStatus::Archived | LinkStatus::Skipped => true,
        LinkStatus::Unsupported => others == Others::Tolerated,
        _ => false,
    }
}

/// Whether an item counts: the metadata of a contract is an extra, unless its tokens could not be listed.
pub(super) fn counts(item: &Item) -> bool {
    item.kind != ItemKind::Collection || item.status == ItemStatus::Failed
}

impl Summary {
    /// What came of these items.
    pub(super) fn of(manifest: &Manifest, items: &[usize], others: Others) -> Summary {
        let mut summary = Summary {
            status: Completeness::Complete,
            complete: 0,
            incomplete: 0,
            failed: 0,
            archives: manifest.archives.len(),
            bytes: manifest.archives.iter().map(|archive| archive.size).fold(0, u64::saturating_add),
            requests: 0,
            changed: false,
            corrupt: false,
            retryable: false,
            problems: Vec::new(),
            problem_count: 0,
            reprovide: manifest.reprovide.clone().unwrap_or_default(),
            planned: Vec::new(),
        };
        for item in items.iter().filter_map(|at| manifest.items.get(*at)) {
            match item.status {
                ItemStatus::Complete => summary.complete = summary.complete.saturating_add(1),
                ItemStatus::Incomplete => summary.incomplete = summary.incomplete.saturating_add(1),
                ItemStatus::Failed => summary.failed = summary.failed.saturating_add(1),
            }
            if item.status != ItemStatus::Complete && counts(item) {
                summary.status = Completeness::Incomplete;
            }
            summary.item(item, others);
        }
        summary
    }

    fn item(&mut self, item: &Item, others: Others) {
        if item.status == ItemStatus::Failed {
            let target = item.chain.as_ref().map_or_else(String::new, |chain| chain.uri.clone());
            self.problem(Problem {
                item: item.id.clone(),
                pointer: None,
                target,
                status: "failed",
                reason: item.reason.clone().unwrap_or_default(),
                retryable: item.retryable == Some(true),
            });
        }
        for link in item.links.iter().filter(|link| !is_settled(link.status, others)) {
            self.corrupt |= link.status == LinkStatus::Corrupt;
            self.problem(Problem {
                item: item.id.clone(),
                pointer: Some(link.pointer.clone()),
                target: link.path.clone().unwrap_or_else(|| link.raw.clone()),
                status: link.status.as_str(),
                reason: link.reason.clone().unwrap_or_default(),
                retryable: link.retryable == Some(true),
            });
        }
    }

    fn problem(&mut self, problem: Problem) {
        self.problem_count = self.problem_count.saturating_add(1);
        self.retryable |= problem.retryable;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }
}
