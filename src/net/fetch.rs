//! One object: asked for as a whole first, then only for what is missing, until it is all there or nobody has more.

use super::ask::What;
use super::held::{GiverId, Held};
use super::jobs::Job;
use super::options::Remote;
use super::plan::{self, Gap, LISTED_MAX, Plan};
use super::session::Session;
use super::want::{Failure, Fetched, Giver, Scope, Status, Target, Want};
use crate::cid::{Cid, codec};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::ops::expect;
use crate::store::{BlockSource, CarFile, Key};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Blocks that are asked for in one round.
const JOBS_MAX: usize = 4096;
/// DAGs below missing blocks that are asked for as archives in one round; other blocks are asked for one by one.
const DAGS_MAX: usize = 8;
/// How often one block is asked for in answers that bring other blocks.
const ASKED_MAX: u8 = 4;
/// Threads that hash one answer: several answers come at a time, and each thread holds a batch.
const THREADS_MAX: usize = 4;
/// Remarks that are kept.
const REMARKS_MAX: usize = 100;

/// One object on its way.
#[derive(Debug)]
pub(super) struct Fetch<'s> {
    pub(super) session: &'s Session,
    /// With its paths sorted, so that the archive does not depend on their order.
    pub(super) want: Want,
    pub(super) target: &'s Target,
    pub(super) held: Held<'s>,
    /// In the order in which they are asked.
    pub(super) remotes: Vec<(Remote, GiverId)>,
    /// With the bounds that hold for blocks from the network.
    pub(super) intake_control: Control,
    pub(super) requests: AtomicU64,
    notes: Mutex<Notes>,
}

/// What was learned on the way.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Why blocks are not to be had.
    pub(super) failed: HashMap<Key, Failure>,
    asked: HashMap<Key, u8>,
    /// A source sent other bytes than it said.
    pub(super) bad: Option<String>,
    pub(super) limit: Option<String>,
    pub(super) remarks: Vec<String>,
    /// Origins that answered with archives since the last walk.
    pub(super) answered: Vec<String>,
}

impl<'s> Fetch<'s> {
    /// Opens the part file and takes what is there.
    ///
    /// # Errors
    /// When the want makes no sense or the part file cannot be used.
    pub(super) fn open(session: &'s Session, want: &Want, target: &'s Target, locals: Vec<&'s CarFile>) -> Result<Fetch<'s>> {
        if want.scope == Scope::Root && want.dag_scope != expect::Scope::All {
            return Err(Error::usage("--dag-scope and --entity-bytes go with --scope path, not with the whole root"));
        }
        let mut intake_control = session.control.clone();
        intake_control.limits.section_len_max = session.meter.section_len_max();
        intake_control.threads = session.control.threads.min(THREADS_MAX);
        let held = Held::open(&target.part, &want.root, locals, &intake_control)?;
        let mut remotes: Vec<(Remote, GiverId)> = Vec::new();
        for remote in session.options.remotes.iter().chain(&want.last) {
            if remotes.iter().all(|(known, _)| known != remote) {
                remotes.push((remote.clone(), held.giver(&Giver::Remote(remote.endpoint().clone()))));
            }
        }
        let mut want = want.clone();
        want.paths.sort();
        want.paths.dedup();
        let (requests, notes) = (AtomicU64::new(0), Mutex::default());
        Ok(Fetch { session, want, target, held, remotes, intake_control, requests, notes })
    }

    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.session.meter.add_request();
    }

    pub(super) fn key(&self, cid: &Cid) -> Key {
        self.held.keyer().key(cid.hash().code(), cid.hash().digest())
    }

    /// Keeps a remark for the reader, once.
    pub(super) fn remark(&self, text: String) {
        let remarks = &mut self.notes().remarks;
        if remarks.len() < REMARKS_MAX && !remarks.contains(&text) {
            remarks.push(text);
        }
    }

    /// Whether a limit of the run ended the asking.
    pub(super) fn is_limited(&self) -> bool {
        self.session.meter.is_reached()
    }

    /// Asks until nothing is missing or nobody has more, and writes the archive.
    ///
    /// # Errors
    /// When the disk fails or the work is to stop.
    pub(super) fn run(self) -> Result<Fetched> {
        let is_fresh = self.held.part_blocks() == 0 && !self.held.contains(&self.want.root)?;
        let scope = match plan::decide(&self.want, &self.held, &self.session.options)? {
            Some(scope) => scope,
            None => {
                // Its size decides.
                self.work(vec![Job::new(self.want.root, What::Raw)])?;
                plan::decide(&self.want, &self.held, &self.session.options)?.unwrap_or(Scope::Path)
            }
        };
        let mut plan = self.walk(scope)?;
        if is_fresh && !plan.is_complete() && !plan.is_nothing() && !self.has_failed(&self.want.root) {
            self.work(self.first_jobs(&plan))?;
            plan = self.walk(scope)?;
        }
        while !plan.is_complete() && !plan.is_nothing() && !self.is_limited() {
            self.rank_sources();
            let jobs = self.next_jobs(&plan);
            if jobs.is_empty() {
                break;
            }
            self.work(jobs)?;
            plan = self.walk(scope)?;
        }
        self.finish(plan)
    }

    fn walk(&self, scope: Scope) -> Result<Plan> {
        self.held.flush()?;
        Plan::make(&self.want, scope, &self.held, &self.session.control)
    }

    fn has_failed(&self, cid: &Cid) -> bool {
        let key = self.key(cid);
        self.notes().failed.contains_key(&key)
    }

    /// The object as a whole.
    fn first_jobs(&self, plan: &Plan) -> Vec<Job> {
        let root = self.want.root;
        if plan.scope == Scope::Root {
            return vec![Job::new(root, What::Dag)];
        }
        let empty = vec![Default::default()];
        let paths = if self.want.paths.is_empty() { &empty } else { &self.want.paths };
        let wanted = paths.iter().zip(&plan.paths).filter(|(_, state)| !matches!(state, plan::PathState::Nothing(_)));
        wanted.map(|(path, _)| Job::new(root, What::Path(path.segments.clone(), self.want.dag_scope))).collect()
    }

    /// Sources that left blocks out come after those that did not.
    fn rank_sources(&self) {
        let answered = std::mem::take(&mut self.notes().answered);
        answered.iter().for_each(|origin| self.session.hosts.was_short(origin));
    }

    /// What is missing, as far as it may still be had.
    fn next_jobs(&self, plan: &Plan) -> Vec<Job> {
        let hosts = &self.session.hosts;
        let has_archives = self.remotes.iter().any(|(remote, _)| !hosts.sends_raw_only(&remote.endpoint().origin()));
        let mut notes = self.notes();
        let (mut jobs, mut dags) = (Vec::new(), 0usize);
        for Gap { cid, is_deep, .. } in &plan.gaps {
            let key = self.key(cid);
            if notes.failed.contains_key(&key) {
                continue;
            }
            if jobs.len() >= JOBS_MAX || notes.failed.len() >= LISTED_MAX {
                break;
            }
            let is_dag = *is_deep && has_archives && matches!(cid.codec(), codec::DAG_PB | codec::DAG_CBOR | codec::DAG_JSON);
            if is_dag && dags >= DAGS_MAX {
                // In a later round: an archive may bring what single requests would ask for one by one.
                continue;
            }
            dags = dags.saturating_add(usize::from(is_dag));
            let asked = notes.asked.entry(key).or_default();
            *asked = asked.saturating_add(1);
            if *asked > ASKED_MAX {
                let reason = "the sources sent other blocks instead".to_owned();
                notes.failed.insert(key, Failure { status: Status::Missing, reason, retryable: true });
                continue;
            }
            jobs.push(Job::new(*cid, if is_dag { What::Dag } else { What::Raw }));
        }
        jobs
    }
}
