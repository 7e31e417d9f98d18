//! Requests shared out to sources: several at a time, each to one source after the other, and nobody waits for a host in vain.

use super::ask::{Said, What};
use super::fetch::Fetch;
use super::hosts::{Ticket, Turn};
use super::intake::Taken;
use super::options::Remote;
use super::want::{Failure, Status};
use crate::cid::Cid;
use crate::error::{Error, Result};
use crate::store::BlockSource;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Jobs that are looked at for one that can be done now.
const LOOKAHEAD: usize = 64;
/// Sources whose reasons are told.
const REASONS_MAX: usize = 5;

/// Something to ask for.
#[derive(Debug)]
pub(super) struct Job {
    cid: Cid,
    what: What,
    /// One for each source.
    tries: Vec<Try>,
}

/// How it went with one source.
#[derive(Debug, Default, Clone)]
struct Try {
    failures: u32,
    /// Why it is not asked again for this.
    given_up: Option<Failure>,
}

impl Job {
    pub(super) fn new(cid: Cid, what: What) -> Job {
        Job { cid, what, tries: Vec::new() }
    }

    fn give_up(&mut self, source: usize, status: Status, reason: impl Into<String>, retryable: bool) {
        if let Some(attempt) = self.tries.get_mut(source) {
            attempt.given_up = Some(Failure { status, reason: reason.into(), retryable });
        }
    }
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Job>,
    active: usize,
    error: Option<Error>,
}

/// What a worker does next.
enum Next<'h> {
    Ask(Box<Job>, usize, Ticket<'h>),
    Wait(Option<Instant>),
    End,
}

impl Fetch<'_> {
    /// Does all jobs, as far as there is a source for them. Why one came to nothing stands in the notes.
    ///
    /// # Errors
    /// When the disk fails or the work is to stop.
    pub(super) fn work(&self, jobs: Vec<Job>) -> Result<()> {
        let workers = jobs.len().min(self.session.options.concurrency.max(1));
        let queue = Mutex::new(Queue { waiting: jobs.into(), ..Queue::default() });
        std::thread::scope(|scope| {
            for _ in 1..workers {
                scope.spawn(|| self.worker(&queue));
            }
            self.worker(&queue);
        });
        let queue = queue.into_inner().unwrap_or_else(PoisonError::into_inner);
        queue.error.map_or(Ok(()), Err)
    }

    fn worker(&self, queue: &Mutex<Queue>) {
        loop {
            // By itself, so that the queue is free again.
            let next = self.next(&mut lock(queue));
            match next {
                Next::End => return,
                Next::Wait(until) => self.session.hosts.wait(until),
                Next::Ask(mut job, source, ticket) => {
                    let said = match self.remotes.get(source) {
                        Some((remote, giver)) => self
                            .ask(remote, *giver, &job.cid, &job.what)
                            .and_then(|said| self.settle(&mut job, source, remote, said)),
                        None => Ok(Settled::Done),
                    };
                    let mut queue = lock(queue);
                    queue.active = queue.active.saturating_sub(1);
                    match said {
                        Ok(Settled::Done) => {}
                        Ok(Settled::Open) => queue.waiting.push_front(*job),
                        Err(error) => drop(queue.error.get_or_insert(error)),
                    }
                    drop(queue);
                    // Dropping it wakes those that wait for this host.
                    drop(ticket);
                }
            }
        }
    }

    /// The first job with a source that may be asked now.
    fn next(&self, queue: &mut Queue) -> Next<'_> {
        if let Err(error) = self.session.control.check() {
            queue.error.get_or_insert(error);
        }
        if queue.error.is_some() || self.is_limited() {
            self.session.hosts.wake();
            return Next::End;
        }
        let mut earliest: Option<Instant> = None;
        let mut at = 0;
        while let Some(job) = queue.waiting.get_mut(at).filter(|_| at < LOOKAHEAD) {
            match self.turn(job) {
                Turned::Now(source, ticket) => {
                    let Some(job) = queue.waiting.remove(at) else { return Next::Wait(None) };
                    queue.active = queue.active.saturating_add(1);
                    return Next::Ask(Box::new(job), source, ticket);
                }
                Turned::Later(until) => {
                    earliest = [earliest, until].into_iter().flatten().min();
                    at = at.saturating_add(1);
                }
                Turned::Never => {
                    let job = queue.waiting.remove(at);
                    job.into_iter().for_each(|job| self.fail(&job));
                }
            }
        }
        if queue.waiting.is_empty() && queue.active == 0 {
            self.session.hosts.wake();
            return Next::End;
        }
        Next::Wait(earliest)
    }

    /// The source whose turn it is for a job.
    fn turn(&self, job: &mut Job) -> Turned<'_> {
        let hosts = &self.session.hosts;
        job.tries.resize(self.remotes.len(), Try::default());
        let mut order: Vec<usize> = (0..self.remotes.len()).collect();
        let origin = |source: &usize| self.remotes.get(*source).map(|(remote, _)| remote.endpoint().origin()).unwrap_or_default();
        order.sort_by_cached_key(|source| hosts.short_answers(&origin(source)));
        let (mut earliest, mut is_open) = (None, false);
        for source in order {
            if job.tries.get(source).is_none_or(|attempt| attempt.given_up.is_some()) {
                continue;
            }
            match hosts.take(&origin(&source)) {
                Turn::Now(ticket) => return Turned::Now(source, ticket),
                Turn::Later(until) => {
                    is_open = true;
                    earliest = [earliest, until].into_iter().flatten().min();
                }
                Turn::Never(why) => job.give_up(source, Status::Missing, format!("not asked any more: {why}"), false),
                Turn::TooLate(why) => job.give_up(source, Status::Missing, why, true),
            }
        }
        if is_open { Turned::Later(earliest) } else { Turned::Never }
    }

    /// What an answer means for a job, and for everything else that its source is asked.
    ///
    /// # Errors
    /// When the part file cannot be read.
    fn settle(&self, job: &mut Job, source: usize, remote: &Remote, said: Said) -> Result<Settled> {
        let hosts = &self.session.hosts;
        let origin = remote.endpoint().origin();
        match said {
            Said::Sent(taken) => return self.settle_sent(job, source, &origin, taken),
            Said::Absent(why) => job.give_up(source, Status::Missing, why, false),
            Said::Refused(why) => {
                hosts.refused(&origin, &why);
                job.give_up(source, Status::Missing, format!("refused: {why}"), false);
            }
            Said::Blocked(why) => job.give_up(source, Status::Blocked, why, false),
            Said::Unsuitable(why) => {
                if job.what == What::Raw || hosts.sends_raw_only(&origin) {
                    job.give_up(source, Status::Missing, why, false);
                } else {
                    self.remark(format!("{origin} is asked for single blocks: {why}"));
                    hosts.set_raw_only(&origin);
                }
            }
            Said::Again(why, wait) => self.again(job, source, &origin, why, wait),
            Said::Bad(why) => self.bar(job, source, &origin, why),
        }
        Ok(Settled::Open)
    }

    fn settle_sent(&self, job: &mut Job, source: usize, origin: &str, taken: Taken) -> Result<Settled> {
        let has_new = taken.new_blocks > 0;
        if job.what != What::Raw {
            self.notes().answered.push(origin.to_owned());
        }
        if let Some(why) = taken.bad {
            self.bar(job, source, origin, why);
            return Ok(if has_new { Settled::Done } else { Settled::Open });
        }
        if let Some((flag, why)) = taken.limit {
            self.notes().limit.get_or_insert_with(|| why.clone());
            if flag == "--max-block" {
                self.session.hosts.bar(origin, &why);
            }
            job.give_up(source, Status::Limit, why, false);
            return Ok(if has_new { Settled::Done } else { Settled::Open });
        }
        let is_served = has_new || matches!(job.what, What::Path(..)) && self.held.contains(&job.cid)?;
        match taken.cut {
            Some(why) => {
                self.remark(format!("{origin}: {why}"));
                if is_served {
                    // What is still missing is asked for by itself; meanwhile the host gets a rest.
                    self.session.hosts.cool(origin, None, 1);
                    return Ok(Settled::Done);
                }
                self.again(job, source, origin, why, None);
            }
            None if is_served || job.what == What::Raw => return Ok(Settled::Done),
            None => job.give_up(source, Status::Missing, "it sent an archive without the blocks asked for", false),
        }
        Ok(Settled::Open)
    }

    /// A failure that may pass.
    fn again(&self, job: &mut Job, source: usize, origin: &str, why: String, wait: Option<Duration>) {
        let options = &self.session.options;
        let Some(attempt) = job.tries.get_mut(source) else { return };
        attempt.failures = attempt.failures.saturating_add(1);
        let failures = attempt.failures;
        if failures > options.retries {
            job.give_up(source, Status::Missing, why, true);
        } else {
            self.session.hosts.cool(origin, wait, failures);
        }
    }

    /// A source that lies is not asked again.
    fn bar(&self, job: &mut Job, source: usize, origin: &str, why: String) {
        self.remark(format!("{origin} is not asked any more: {why}"));
        self.session.hosts.bar(origin, "it sent bytes that do not match their CID");
        self.notes().bad.get_or_insert_with(|| format!("{origin}: {why}"));
        job.give_up(source, Status::Corrupt, why, false);
    }

    /// Notes why nobody gave what a job asked for.
    fn fail(&self, job: &Job) {
        let failures = || job.tries.iter().filter_map(|attempt| attempt.given_up.as_ref());
        let worst = failures().max_by_key(|failure| match failure.status {
            Status::Corrupt => 4,
            Status::Limit => 3,
            _ if failure.retryable => 2,
            Status::Blocked => 1,
            _ => 0,
        });
        let Some(worst) = worst else {
            let reason = "the archives at hand do not have it, and no other source was named".to_owned();
            let failure = Failure { status: Status::Missing, reason, retryable: false };
            self.notes().failed.insert(self.key(&job.cid), failure);
            return;
        };
        // Where a path is not served, its blocks may be: they would prove whether there is such a path.
        if matches!(&job.what, What::Path(path, _) if !path.is_empty()) && worst.status == Status::Missing && !worst.retryable {
            return;
        }
        let mut reasons: Vec<String> = Vec::new();
        for ((remote, _), attempt) in self.remotes.iter().zip(&job.tries) {
            if let Some(failure) = &attempt.given_up {
                reasons.push(format!("{}: {}", remote.endpoint(), failure.reason));
            }
        }
        if reasons.len() > REASONS_MAX {
            let more = reasons.len().saturating_sub(REASONS_MAX);
            reasons.truncate(REASONS_MAX);
            reasons.push(format!("and {more} more sources"));
        }
        let failure = Failure { status: worst.status, reason: reasons.join("; "), retryable: worst.retryable };
        self.notes().failed.insert(self.key(&job.cid), failure);
    }
}

/// Whose turn it is.
enum Turned<'h> {
    Now(usize, Ticket<'h>),
    Later(Option<Instant>),
    Never,
}

/// Whether a job is over.
enum Settled {
    /// As far as requests go.
    Done,
    /// It has further sources.
    Open,
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}
