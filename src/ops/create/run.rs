//! Batches on all cores, results in the order of the files: the same bytes for any number of threads.

use super::Skipped;
use super::leaves::{self, Done};
use super::read::{Batch, Feed};
use super::tree::Tree;
use crate::control::Control;
use crate::error::Result;
use crate::ops::pipeline::{Turn, Turns, lock};
use crate::unixfs::build::{Emit, Layout, Leaves, Profile};
use std::sync::{Condvar, Mutex};

/// What was taken so far.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) files: u64,
    pub(super) directories: u64,
    pub(super) symlinks: u64,
    /// Bytes of all files.
    pub(super) bytes: u64,
    pub(super) skipped: Vec<Skipped>,
}

impl Counts {
    fn add(&mut self, done: &Done) {
        use super::walk::Step;
        match done {
            Done::Step(Step::Enter { .. }) => self.directories += 1,
            Done::Step(Step::Symlink { .. }) => self.symlinks += 1,
            Done::Step(Step::Leave | Step::File(_) | Step::Stream { .. }) => {}
            Done::Leaves { ends, len, .. } => {
                self.files += u64::from(ends.name.is_some());
                self.bytes = self.bytes.saturating_add(*len);
            }
        }
    }
}

/// Several profiles over one reading: those that agree on the leaves share them.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// One profile for each kind of leaf.
    pub(super) leaves: Vec<Profile>,
    pub(super) trees: Vec<Tree>,
}

impl Plan {
    pub(super) fn add(&mut self, profile: Profile) {
        let set = self.leaves.iter().position(|known| has_same_leaves(known, &profile)).unwrap_or_else(|| {
            self.leaves.push(profile);
            self.leaves.len().saturating_sub(1)
        });
        self.trees.push(Tree::new(profile, set));
    }
}

/// Whether the leaves of both have the same bytes and digests: only their CIDs may differ in version.
fn has_same_leaves(a: &Profile, b: &Profile) -> bool {
    let form = |profile: &Profile| (profile.leaves, profile.leaves == Leaves::DagPb && profile.layout == Layout::Trickle);
    // Metadata and empty files make even raw leaves depend on the layout.
    a.chunker == b.chunker && a.hash == b.hash && form(a) == form(b) && a.layout == b.layout
}

struct Scan {
    feed: Feed,
    next: u64,
    ended: bool,
}

struct State<'t, 'e> {
    trees: &'t mut [Tree],
    counts: Counts,
    emit: &'t mut (dyn FnMut(crate::cid::RawCid<'_>, &[u8]) -> Result<()> + Send + 'e),
}

/// Reads all that `feed` has and builds the trees of the plan. Blocks of all of them go to `emit`.
///
/// # Errors
/// The first failure in the order of the files, whatever thread met it; a request to stop; what `emit` returns.
pub(super) fn run(
    feed: Feed,
    plan: &mut Plan,
    emit: &mut (dyn FnMut(crate::cid::RawCid<'_>, &[u8]) -> Result<()> + Send),
    control: &Control,
) -> Result<Counts> {
    let profiles = &plan.leaves;
    let scan = Mutex::new(Scan { feed, next: 0, ended: false });
    let turns = Mutex::new(Turns::new(State { trees: &mut plan.trees, counts: Counts::default(), emit }));
    let moved = Condvar::new();
    std::thread::scope(|scope| {
        for _ in 1..control.threads.max(1) {
            scope.spawn(|| work(&scan, &turns, &moved, profiles, control));
        }
        work(&scan, &turns, &moved, profiles, control);
    });
    Turns::into_state(turns).map(|state| state.counts)
}

fn work(scan: &Mutex<Scan>, turns: &Mutex<Turns<State<'_, '_>>>, moved: &Condvar, profiles: &[Profile], control: &Control) {
    let mut batch = Batch::default();
    loop {
        let mut position = lock(scan);
        if position.ended {
            return;
        }
        let turn = Turn::new(position.next, turns, moved);
        position.next = position.next.saturating_add(1);
        let filled = control.check().and_then(|()| position.feed.fill(&mut batch));
        position.ended = !matches!(filled, Ok(true));
        drop(position);
        let done = filled.and_then(|_| leaves::work(&mut batch, profiles, control));
        if !turn.take(|state| take(state, &mut batch, done?)) {
            lock(scan).ended = true;
            return;
        }
    }
}

fn take(state: &mut State<'_, '_>, batch: &mut Batch, done: Vec<Done>) -> Result<()> {
    state.counts.skipped.append(&mut batch.skipped);
    for done in done {
        state.counts.add(&done);
        for tree in state.trees.iter_mut() {
            let emit: &mut Emit<'_> = &mut |cid, data| (state.emit)(cid, data);
            tree.take(&done, &batch.data, emit)?;
        }
        // All parts of the file were read by now: they come in order.
        if let Done::Leaves { ends, file: Some(file), .. } = &done
            && ends.metadata.is_some()
        {
            file.check_unchanged()?;
        }
    }
    Ok(())
}
