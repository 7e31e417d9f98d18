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

struct Turns<S> {
    state: S,
    turn: u64,
    error: Option<Error>,
    /// A worker panicked: its turn will never be passed on.
    broken: bool,
}

/// Runs `job` over all sections that `framer` has left.
///
/// # Errors
/// A failed read, a request to stop, or what the job returns.
pub(crate) fn run<R: Read + Send, S: Send, J: Job<S>>(framer: &mut Framer<R>, job: &J, state: S, control: &Control) -> Result<S> {
    let scan = Mutex::new(Scan { framer, next: 0, ended: false, counted: 0 });
    let turns = Mutex::new(Turns { state, turn: 0, error: None, broken: false });
    let moved = Condvar::new();
    std::thread::scope(|scope| {
        for _ in 1..control.threads.max(1) {
            scope.spawn(|| work(&scan, &turns, &moved, job, control));
        }
        work(&scan, &turns, &moved, job, control);
    });
    let turns = turns.into_inner().unwrap_or_else(PoisonError::into_inner);
    match turns.error {
        Some(error) => Err(error),
        None => Ok(turns.state),
    }
}

/// A worker that panics poisons a lock. That is not lost: [`Alarm`] ends the run, and the scope panics in turn.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Dropped by a panicking worker, it wakes those who wait for the turn that will not come.
struct Alarm<'t, S> {
    turns: &'t Mutex<Turns<S>>,
    moved: &'t Condvar,
}

impl<S> Drop for Alarm<'_, S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock(self.turns).broken = true;
            self.moved.notify_all();
        }
    }
}

fn work<R: Read, S, J: Job<S>>(scan: &Mutex<Scan<'_, R>>, turns: &Mutex<Turns<S>>, moved: &Condvar, job: &J, control: &Control) {
    let _alarm = Alarm { turns, moved };
    let mut batch = Batch::default();
    loop {
        let mut position = lock(scan);
        if position.ended {
            return;
        }
        let turn = position.next;
        position.next = turn.saturating_add(1);
        let more = match control.check().and_then(|()| position.framer.next_batch(&mut batch)) {
            Ok(more) => more,
            Err(error) => {
                // The batch may still hold what was handed over before.
                position.ended = true;
                drop(position);
                in_turn(turns, moved, turn, |_| Err(error));
                return;
            }
        };
        control.add_done(batch.end().0.saturating_sub(position.counted));
        position.counted = position.counted.max(batch.end().0);
        position.ended = !more;
        if let Some(huge) = batch.huge.clone() {
            // Its pieces come from the scan itself, so nobody may scan on meanwhile.
            let huge_done = in_turn(turns, moved, turn, |state| {
                let framer = &mut position.framer;
                job.huge(state, &huge, &mut |sink| {
                    framer.read_huge(&huge, |piece| {
                        control.check()?;
                        sink(piece)
                    })
                })
            });
            position.ended |= !huge_done;
            continue;
        }
        drop(position);
        let output = job.work(&batch);
        if !in_turn(turns, moved, turn, |state| job.take(state, &mut batch, output)) {
            lock(scan).ended = true;
            return;
        }
    }
}

/// Waits for `turn`, runs `then`, and passes the turn on. `false` when the run is over.
fn in_turn<S>(turns: &Mutex<Turns<S>>, moved: &Condvar, turn: u64, then: impl FnOnce(&mut S) -> Result<()>) -> bool {
    let mut guard = lock(turns);
    while guard.turn != turn {
        if guard.broken {
            return false;
        }
        guard = moved.wait(guard).unwrap_or_else(PoisonError::into_inner);
    }
    let turns = &mut *guard;
    if turns.error.is_none() {
        turns.error = then(&mut turns.state).err();
    }
    turns.turn = turn.saturating_add(1);
    moved.notify_all();
    turns.error.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Header, TrailingZeros};
    use crate::limits::Limits;

    struct Panics;

    impl Job<()> for Panics {
        type Output = ();

        fn work(&self, _: &Batch) {
            panic!("on purpose")
        }

        fn take(&self, (): &mut (), _: &mut Batch, (): ()) -> Result<()> {
            Ok(())
        }

        fn huge(&self, (): &mut (), _: &Huge, _: &mut Pieces<'_>) -> Result<()> {
            Ok(())
        }
    }

    fn archive(lens: &[usize]) -> Vec<u8> {
        let mut car = Header::new(std::iter::empty()).encode();
        for len in lens {
            crate::varint::write(36 + *len as u64, &mut car);
            car.extend([1, 0x55, 0x12, 32]);
            car.resize(car.len() + 32 + len, 7);
        }
        car
    }

    fn framer(car: &[u8]) -> Framer<&[u8]> {
        let limits = Limits { section_len_max: 1 << 30, ..Limits::default() };
        Framer::open(car, None, limits, TrailingZeros::Reject).unwrap()
    }

    #[test]
    fn a_panic_in_one_worker_ends_the_run() {
        let car = archive(&[3 << 20; 8]);
        let run = std::panic::AssertUnwindSafe(|| {
            let mut control = Control::default();
            control.threads = 3;
            run(&mut framer(&car), &Panics, (), &control)
        });
        assert!(std::panic::catch_unwind(run).is_err());
    }

    #[test]
    fn a_stop_behind_a_long_section_is_not_the_end_of_the_archive() {
        let car = archive(&[17 << 20, 5]);
        let mut control = Control::default();
        control.threads = 1;
        let job = StopAtHuge(control.stop_flag());
        assert!(run(&mut framer(&car), &job, (), &control).is_err());
    }

    struct StopAtHuge(std::sync::Arc<std::sync::atomic::AtomicBool>);

    impl Job<()> for StopAtHuge {
        type Output = ();

        fn work(&self, _: &Batch) {}

        fn take(&self, (): &mut (), _: &mut Batch, (): ()) -> Result<()> {
            Ok(())
        }

        fn huge(&self, (): &mut (), _: &Huge, pieces: &mut Pieces<'_>) -> Result<()> {
            pieces(&mut |_| Ok(()))?;
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
            Ok(())
        }
    }
}
