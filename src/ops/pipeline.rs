//! Sections hashed on all cores, results taken in file order.
//!
//! Workers share one scan position under a lock: a worker fills its own buffer with the next sections, lets go of the
//! lock, works on them, and waits its turn to hand the result over. Memory is one buffer a worker, and the result is
//! the same for any number of workers.

use crate::control::Control;
use crate::error::{Error, Finding, Result};
use crate::format::{Batch, Framer, Huge};
use std::io::Read;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What is done with batches: `work` anywhere, the rest one after the other in file order, gathering into `S`.
pub(crate) trait Job<S>: Sync {
    /// What `work` makes of a batch.
    type Output: Send;

    /// Works on one batch, on any thread.
    fn work(&self, batch: &Batch) -> Self::Output;

    /// Takes one batch and what `work` made of it, in file order. May take the batch's findings.
    ///
    /// # Errors
    /// Ends the run.
    fn take(&self, state: &mut S, batch: &mut Batch, output: Self::Output) -> Result<()>;

    /// Takes a section too long to hold: `pieces` hands its data over, and gives a finding when the file ends inside.
    ///
    /// # Errors
    /// Ends the run.
    fn huge(&self, state: &mut S, huge: &Huge, pieces: &mut Pieces<'_>) -> Result<()>;
}

/// Reads all data of a [`Huge`] section into a sink, piece by piece.
pub(crate) type Pieces<'a> = dyn FnMut(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<Option<Finding>> + 'a;

struct Scan<'f, R> {
    framer: &'f mut Framer<R>,
    next: u64,
    ended: bool,
    /// How far the input has been counted as done.
    counted: u64,
}

pub(crate) struct Turns<S> {
    state: S,
    turn: u64,
    error: Option<Error>,
    /// A worker panicked: its turn never ends.
    broken: bool,
}

impl<S> Turns<S> {
    pub(crate) fn new(state: S) -> Turns<S> {
        Turns { state, turn: 0, error: None, broken: false }
    }

    /// What was gathered, when all turns are over.
    ///
    /// # Errors
    /// What ended the run.
    pub(crate) fn into_state(turns: Mutex<Turns<S>>) -> Result<S> {
        let turns = turns.into_inner().unwrap_or_else(PoisonError::into_inner);
        turns.error.map_or(Ok(turns.state), Err)
    }
}

/// Runs `job` over all sections that `framer` has left.
///
/// # Errors
/// A failed read, a request to stop, or what the job returns.
pub(crate) fn run<R: Read + Send, S: Send, J: Job<S>>(framer: &mut Framer<R>, job: &J, state: S, control: &Control) -> Result<S> {
    let scan = Mutex::new(Scan { framer, next: 0, ended: false, counted: 0 });
    let turns = Mutex::new(Turns::new(state));
    let moved = Condvar::new();
    std::thread::scope(|scope| {
        for _ in 1..control.threads.max(1) {
            scope.spawn(|| work(&scan, &turns, &moved, job, control));
        }
        work(&scan, &turns, &moved, job, control);
    });
    Turns::into_state(turns)
}

/// A worker that panics poisons a lock; the others go on to the end of the scope, which then panics too.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work<R: Read, S, J: Job<S>>(scan: &Mutex<Scan<'_, R>>, turns: &Mutex<Turns<S>>, moved: &Condvar, job: &J, control: &Control) {
    let mut batch = Batch::default();
    loop {
        let mut position = lock(scan);
        if position.ended {
            return;
        }
        let turn = Turn::new(position.next, turns, moved);
        position.next = position.next.saturating_add(1);
        let filled = control.check().and_then(|()| position.framer.next_batch(&mut batch));
        let end = batch.end().0;
        control.add_done(end.saturating_sub(position.counted));
        position.counted = position.counted.max(end);
        position.ended = !matches!(filled, Ok(true));
        if let Err(error) = filled {
            turn.take(|_| Err(error));
            return;
        }
        if let Some(huge) = batch.huge.take() {
            // Its pieces come from the scan itself, so nobody may scan on meanwhile. What was found on the way to it goes first.
            let output = job.work(&batch);
            let framer = &mut position.framer;
            let more = turn.take(|state| {
                job.take(state, &mut batch, output)?;
                job.huge(state, &huge, &mut |sink| {
                    framer.read_huge(&huge, |piece| {
                        control.check()?;
                        sink(piece)
                    })
                })
            });
            position.ended |= !more;
            continue;
        }
        drop(position);
        let output = job.work(&batch);
        if !turn.take(|state| job.take(state, &mut batch, output)) {
            lock(scan).ended = true;
            return;
        }
    }
}

/// The right to hand over one batch, in its turn. When it is dropped by a panic, those behind it do not wait for ever.
pub(crate) struct Turn<'t, S> {
    number: u64,
    turns: &'t Mutex<Turns<S>>,
    moved: &'t Condvar,
}

impl<'t, S> Turn<'t, S> {
    pub(crate) fn new(number: u64, turns: &'t Mutex<Turns<S>>, moved: &'t Condvar) -> Turn<'t, S> {
        Turn { number, turns, moved }
    }

    /// Waits for the turn, runs `then`, and passes the turn on. `false` when the run is over.
    pub(crate) fn take(&self, then: impl FnOnce(&mut S) -> Result<()>) -> bool {
        let mut guard = lock(self.turns);
        while guard.turn != self.number && !guard.broken {
            guard = self.moved.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        let turns = &mut *guard;
        if turns.broken {
            return false;
        }
        if turns.error.is_none() {
            turns.error = then(&mut turns.state).err();
        }
        turns.turn = self.number.saturating_add(1);
        self.moved.notify_all();
        turns.error.is_none()
    }
}

impl<S> Drop for Turn<'_, S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock(self.turns).broken = true;
            self.moved.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cid::{RawCid, parse_text};
    use crate::format::{Header, TrailingZeros, Writer};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// Panics at one batch, or stops.
    struct Breaks {
        at: u64,
        how: fn() -> Result<()>,
    }

    impl Job<u64> for Breaks {
        type Output = ();

        fn work(&self, batch: &Batch) {
            let first = batch.sections().next().map_or(0, |section| section.at.0);
            if first > self.at {
                (self.how)().unwrap();
            }
        }

        fn take(&self, count: &mut u64, batch: &mut Batch, (): ()) -> Result<()> {
            *count += batch.sections().len() as u64;
            Ok(())
        }

        fn huge(&self, _: &mut u64, _: &Huge, _: &mut Pieces<'_>) -> Result<()> {
            Ok(())
        }
    }

    fn car(sections: usize) -> Vec<u8> {
        let cid = parse_text("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy").unwrap().to_bytes();
        let mut writer = Writer::new(Vec::new(), &Header::from_cids(&[])).unwrap();
        for _ in 0..sections {
            writer.write_section(RawCid::parse(&cid).unwrap(), &[7; 1 << 20]).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn every_section_is_taken_once_by_any_number_of_threads() {
        let car = car(20);
        for threads in 1..5 {
            let mut framer = Framer::open(&car[..], None, Default::default(), TrailingZeros::Reject).unwrap();
            let control = Control::default().with_threads(threads);
            let job = Breaks { at: u64::MAX, how: || Ok(()) };
            assert_eq!(run(&mut framer, &job, 0, &control).unwrap(), 20);
        }
    }

    #[test]
    fn a_panic_in_one_worker_ends_all_of_them() {
        let car = car(20);
        let mut framer = Framer::open(&car[..], None, Default::default(), TrailingZeros::Reject).unwrap();
        let control = Control::default().with_threads(3);
        let job = Breaks { at: 5 << 20, how: || Err(Error::usage("a bug")) };
        assert!(catch_unwind(AssertUnwindSafe(|| run(&mut framer, &job, 0, &control))).is_err());
    }

    #[test]
    fn a_request_to_stop_is_never_a_clean_end() {
        let car = car(20);
        let mut framer = Framer::open(&car[..], None, Default::default(), TrailingZeros::Reject).unwrap();
        let control = Control::default();
        control.stop_flag().store(true, std::sync::atomic::Ordering::Relaxed);
        let job = Breaks { at: u64::MAX, how: || Ok(()) };
        let stopped = run(&mut framer, &job, 0, &control);
        assert!(matches!(stopped.unwrap_err().kind, crate::error::ErrorKind::Interrupted));
    }
}
