//! The moods of hosts: who is busy, who wants to be left alone, who is not asked again in this run.

use super::options::Options;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Refusals (401, 403) after which a host is left alone.
const REFUSALS_MAX: u32 = 3;
/// The longest wait without a look at the stop flag.
const GLANCE: Duration = Duration::from_millis(50);

/// Shared by all fetches of a run.
#[derive(Debug)]
pub(super) struct Hosts {
    state: Mutex<State>,
    changed: Condvar,
    active_max: usize,
    host_active_max: usize,
    wait_max: Duration,
    backoff: Duration,
}

#[derive(Debug, Default)]
struct State {
    active: usize,
    hosts: HashMap<String, Host>,
}

#[derive(Debug, Default)]
struct Host {
    active: usize,
    cool_until: Option<Instant>,
    refusals: u32,
    barred: Option<String>,
    sends_raw_only: bool,
    /// Answers that left blocks out.
    short_answers: u32,
}

/// Whether a host may be asked.
#[derive(Debug)]
pub(super) enum Turn<'h> {
    /// Now, while the ticket lives.
    Now(Ticket<'h>),
    /// Not before this moment; without one, when another request has ended.
    Later(Option<Instant>),
    /// Not in this run.
    Never(String),
    /// It asks for a longer pause than is granted.
    TooLate(String),
}

/// The right to send one request.
#[derive(Debug)]
pub(super) struct Ticket<'h> {
    hosts: &'h Hosts,
    origin: String,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut state = self.hosts.lock();
        state.active = state.active.saturating_sub(1);
        let host = state.host(&self.origin);
        host.active = host.active.saturating_sub(1);
        self.hosts.changed.notify_all();
    }
}

impl State {
    fn host(&mut self, origin: &str) -> &mut Host {
        self.hosts.entry(origin.to_owned()).or_default()
    }
}

impl Hosts {
    pub(super) fn new(options: &Options) -> Hosts {
        Hosts {
            state: Mutex::default(),
            changed: Condvar::new(),
            active_max: options.concurrency.max(1),
            host_active_max: options.host_concurrency.max(1),
            wait_max: options.wait_max,
            backoff: options.backoff,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for the right to send a request.
    pub(super) fn take(&self, origin: &str) -> Turn<'_> {
        let mut state = self.lock();
        let is_full = state.active >= self.active_max;
        let host = state.host(origin);
        if let Some(why) = &host.barred {
            return Turn::Never(why.clone());
        }
        if let Some(until) = host.cool_until {
            let wait = until.saturating_duration_since(Instant::now());
            if wait > self.wait_max {
                return Turn::TooLate(format!("it asks to be left alone for {} s (--max-wait)", wait.as_secs()));
            }
            if !wait.is_zero() {
                return Turn::Later(Some(until));
            }
            host.cool_until = None;
        }
        if is_full || host.active >= self.host_active_max {
            return Turn::Later(None);
        }
        host.active = host.active.saturating_add(1);
        state.active = state.active.saturating_add(1);
        Turn::Now(Ticket { hosts: self, origin: origin.to_owned() })
    }

    /// Waits until something may have changed: a request ended, `until` came, or it is time to look at the stop flag.
    pub(super) fn wait(&self, until: Option<Instant>) {
        let wait = until.map_or(GLANCE, |until| until.saturating_duration_since(Instant::now()).min(GLANCE));
        drop(self.changed.wait_timeout(self.lock(), wait));
    }

    /// Wakes those that wait.
    pub(super) fn wake(&self) {
        self.changed.notify_all();
    }

    /// Leaves the host alone for as long as it asks, or for a random part of a pause that doubles with each failure in a row.
    pub(super) fn cool(&self, origin: &str, asked: Option<Duration>, failures: u32) {
        let pause = asked.unwrap_or_else(|| {
            let whole = self.backoff.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(self.wait_max);
            whole.mul_f64(random())
        });
        // A pause that cannot be counted is as good as for ever.
        let until = Instant::now().checked_add(pause).or_else(|| Instant::now().checked_add(Duration::from_secs(1 << 30)));
        let mut state = self.lock();
        let host = state.host(origin);
        host.cool_until = host.cool_until.max(until);
    }

    /// Never asks the host again in this run.
    pub(super) fn bar(&self, origin: &str, why: &str) {
        self.lock().host(origin).barred.get_or_insert_with(|| why.to_owned());
    }

    /// Counts a refusal.
    pub(super) fn refused(&self, origin: &str, why: &str) {
        let mut state = self.lock();
        let host = state.host(origin);
        host.refusals = host.refusals.saturating_add(1);
        if host.refusals >= REFUSALS_MAX {
            host.barred.get_or_insert_with(|| why.to_owned());
        }
    }

    /// Notes that the host sends no archives.
    pub(super) fn set_raw_only(&self, origin: &str) {
        self.lock().host(origin).sends_raw_only = true;
    }

    /// Whether the host sends no archives.
    pub(super) fn sends_raw_only(&self, origin: &str) -> bool {
        self.lock().host(origin).sends_raw_only
    }

    /// Notes that the host left blocks out: others come before it from now on.
    pub(super) fn was_short(&self, origin: &str) {
        let mut state = self.lock();
        let host = state.host(origin);
        host.short_answers = host.short_answers.saturating_add(1);
    }

    /// How often the host left blocks out.
    pub(super) fn short_answers(&self, origin: &str) -> u32 {
        self.lock().host(origin).short_answers
    }
}

/// A number from 0 to 1, different for every run.
fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_busy_or_cool_host_holds_up_no_other() {
        let hosts = Hosts::new(&Options { concurrency: 3, ..Options::default() });
        let taken: Vec<Turn<'_>> = (0..2).map(|_| hosts.take("a")).collect();
        assert!(taken.iter().all(|turn| matches!(turn, Turn::Now(_))));
        assert!(matches!(hosts.take("a"), Turn::Later(None)));
        let third = hosts.take("b");
        assert!(matches!(third, Turn::Now(_)) && matches!(hosts.take("c"), Turn::Later(None)));
        drop(taken);
        hosts.cool("a", Some(Duration::from_secs(100)), 1);
        assert!(matches!(hosts.take("a"), Turn::Later(Some(_))) && matches!(hosts.take("c"), Turn::Now(_)));
        hosts.cool("a", Some(Duration::MAX), 1);
        assert!(matches!(hosts.take("a"), Turn::TooLate(_)));
        hosts.bar("c", "because");
        assert!(matches!(hosts.take("c"), Turn::Never(_)));
    }

    #[test]
    fn three_refusals_bar_a_host() {
        let hosts = Hosts::new(&Options::default());
        for n in 0..REFUSALS_MAX {
            assert!(matches!(hosts.take("a"), Turn::Now(_)), "{n}");
            hosts.refused("a", "HTTP 403");
        }
        assert!(matches!(hosts.take("a"), Turn::Never(_)));
    }
}
