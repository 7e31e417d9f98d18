//! What of a want is there and what is missing, by a walk from its root over verified blocks alone.

use super::held::Held;
use super::options::Options;
use super::want::{Giver, Scope, Share, Want, WantPath};
use crate::cid::{Cid, codec};
use crate::control::Control;
use crate::dag::pb;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::expect::{self, Answer, Expect, Visit};
use crate::store::BlockSource;
use crate::unixfs::{Kind, UnixFs};

/// Missing blocks that are listed one by one; the rest is counted.
pub(super) const LISTED_MAX: usize = 100_000;

/// A block that is missing.
#[derive(Debug, Clone)]
pub(super) struct Gap {
    pub(super) cid: Cid,
    /// The path that needs it.
    pub(super) needed_by: Vec<u8>,
    /// Whether all below it is wanted too.
    pub(super) is_deep: bool,
}

/// Where a path leads, as far as the blocks tell.
#[derive(Debug)]
pub(super) enum PathState {
    /// To this block; the second tells whether by the fallback reading, the third is an index into [`Plan::answers`].
    Found(Cid, bool, usize),
    /// To nothing: the blocks prove it.
    Nothing(String),
    /// Nobody knows: a block on the way is missing.
    Open,
    /// A block on the way cannot be understood, or lies deeper than allowed.
    Faulty(Error),
}

/// The state of a fetch.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) scope: Scope,
    /// What the archive must answer, as far as the paths could be followed.
    pub(super) answers: Vec<Answer>,
    /// One for each path of the want; for the root when there are none.
    pub(super) paths: Vec<PathState>,
    /// What is missing, in the order of the walk; at most [`LISTED_MAX`].
    pub(super) gaps: Vec<Gap>,
    pub(super) gap_count: u64,
    /// Blocks that are there.
    pub(super) blocks: u64,
    pub(super) shares: Vec<Share>,
    /// Whether the blocks stand in the part file in this order, under the CIDs of the links, with nothing between them.
    pub(super) is_in_order: bool,
    /// Why the walk could not go on: a block that is not what its codec says.
    pub(super) fault: Option<Error>,
}

/// The scope that an automatic one means; `None` as long as the root's block would have to be known.
///
/// # Errors
/// When the part file cannot be read.
pub(super) fn decide(want: &Want, held: &Held<'_>, options: &Options) -> Result<Option<Scope>> {
    if want.scope != Scope::Auto {
        return Ok(Some(want.scope));
    }
    if want.dag_scope != expect::Scope::All {
        return Ok(Some(Scope::Path));
    }
    if want.paths.is_empty() || want.root.codec() != codec::DAG_PB {
        return Ok(Some(Scope::Root));
    }
    let Some(root) = held.get(&want.root)? else { return Ok(None) };
    let mut declared = root.data().len() as u64;
    let scanned = pb::scan(root.data(), |link| declared = declared.saturating_add(link.tsize.unwrap_or(0)));
    let unixfs = scanned.ok().and_then(|info| info.data).and_then(|data| UnixFs::parse(data).ok());
    let is_directory = unixfs.is_some_and(|unixfs| matches!(unixfs.kind, Kind::Directory | Kind::HamtShard));
    Ok(Some(if !is_directory || declared <= options.auto_root_max { Scope::Root } else { Scope::Path }))
}

/// The paths of a want in the order of the archive; the empty one for the root.
fn paths(want: &Want) -> Vec<WantPath> {
    if want.paths.is_empty() { vec![WantPath::default()] } else { want.paths.clone() }
}

impl Plan {
    /// Walks from the root.
    ///
    /// # Errors
    /// When the part file cannot be read, or the work is to stop.
    pub(super) fn make(want: &Want, scope: Scope, held: &Held<'_>, control: &Control) -> Result<Plan> {
        let mut plan = Plan {
            scope,
            answers: Vec::new(),
            paths: Vec::new(),
            gaps: Vec::new(),
            gap_count: 0,
            blocks: 0,
            shares: Vec::new(),
            is_in_order: true,
            fault: None,
        };
        for path in &paths(want) {
            let state = plan.follow(want, path, held, control)?;
            plan.paths.push(state);
        }
        if scope == Scope::Root {
            // What stands at the ends of the paths is below the root.
            plan.answers = vec![Expect::whole(want.root).follow(held, control)?];
            plan.gaps.clear();
            plan.gap_count = 0;
        }
        plan.walk(held, control)?;
        Ok(plan)
    }

    fn follow(&mut self, want: &Want, path: &WantPath, held: &Held<'_>, control: &Control) -> Result<PathState> {
        let mut nothing = None;
        let readings = std::iter::once((&path.segments, false)).chain(path.fallback.as_ref().map(|other| (other, true)));
        for (segments, is_fallback) in readings {
            let expect = Expect { root: want.root, path: segments.clone(), scope: want.dag_scope };
            match expect.follow(held, control) {
                Ok(answer) => {
                    let index = self.answers.len();
                    let end = answer.end;
                    self.answers.push(answer);
                    return Ok(PathState::Found(end, is_fallback, index));
                }
                Err(Error { kind: ErrorKind::Missing, cid: Some(cid), .. }) => {
                    let needed_by = segments.iter().flat_map(|segment| [&b"/"[..], segment]).flatten().copied().collect();
                    self.add_gap(Gap { cid: *cid, needed_by, is_deep: false });
                    return Ok(PathState::Open);
                }
                Err(error) if matches!(error.kind, ErrorKind::Missing) => drop(nothing.get_or_insert(error.message)),
                Err(error) if error.code().is_some() => return Ok(PathState::Faulty(error)),
                Err(error) => return Err(error),
            }
        }
        Ok(PathState::Nothing(nothing.unwrap_or_default()))
    }

    fn add_gap(&mut self, gap: Gap) {
        self.gap_count = self.gap_count.saturating_add(1);
        if self.gaps.len() < LISTED_MAX {
            self.gaps.push(gap);
        }
    }

    /// Walks below the ends of all paths.
    fn walk(&mut self, held: &Held<'_>, control: &Control) -> Result<()> {
        let (mut expected, part_len) = held.part_lens();
        let (mut in_order, mut blocks) = (true, 0u64);
        let mut shares: Vec<Share> = Vec::new();
        let mut on_cid = |cid: &Cid| {
            blocks = blocks.saturating_add(1);
            let source = match held.section(cid) {
                Some((at, len, is_same_cid, giver)) => {
                    in_order &= at == expected && is_same_cid;
                    expected = at.saturating_add(len);
                    giver
                }
                None => {
                    in_order = false;
                    Giver::Local
                }
            };
            match shares.iter_mut().find(|share| share.source == source) {
                Some(share) => share.blocks = share.blocks.saturating_add(1),
                None => shares.push(Share { source, blocks: 1 }),
            }
            Ok(())
        };
        let mut gaps = Vec::new();
        let mut gap_count = 0u64;
        let is_deep = self.answers.iter().all(Answer::is_whole);
        let mut on_missing = |missing: crate::ops::MissingBlock| {
            gap_count = gap_count.saturating_add(1);
            if gaps.len() < LISTED_MAX {
                let needed_by = if missing.path.is_empty() { b"/".to_vec() } else { missing.path };
                gaps.push(Gap { cid: missing.cid, needed_by, is_deep });
            }
            Ok(())
        };
        match expect::visit(&self.answers, held, control, Visit::Cids(&mut on_cid), &mut on_missing) {
            Ok(()) => {}
            Err(error) if error.code().is_some() => self.fault = Some(error),
            Err(error) => return Err(error),
        }
        self.is_in_order = in_order && expected == part_len;
        (self.blocks, self.shares) = (blocks, shares);
        let listed = gaps.len() as u64;
        gaps.into_iter().for_each(|gap| self.add_gap(gap));
        self.gap_count = self.gap_count.saturating_add(gap_count.saturating_sub(listed));
        Ok(())
    }

    /// Whether the blocks prove that none of the paths is there.
    pub(super) fn is_nothing(&self) -> bool {
        self.paths.iter().all(|path| matches!(path, PathState::Nothing(_)))
    }

    /// Whether no block is missing.
    pub(super) fn is_complete(&self) -> bool {
        self.gap_count == 0 && self.fault.is_none()
    }
}
