//! What a caller may turn, watch and stop while work goes on.

use crate::format::TrailingZeros;
use crate::limits::Limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Shared by all parts of one piece of work. Clones share the stop flag and the counter.
#[derive(Debug, Clone)]
pub struct Control {
    /// Bounds on hostile input.
    pub limits: Limits,
    /// What zeros behind the last section mean.
    pub trailing_zeros: TrailingZeros,
    /// How many threads may hash, at least 1; by default all cores, at most 16. The result is the same for any number. Each
    /// takes a buffer of 2 MiB, or of the longest section.
    pub threads: usize,
    stop: Arc<AtomicBool>,
    bytes_done: Arc<AtomicU64>,
}

impl Default for Control {
    fn default() -> Control {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(16);
        Control {
            limits: Limits::default(),
            trailing_zeros: TrailingZeros::default(),
            threads,
            stop: Arc::default(),
            bytes_done: Arc::default(),
        }
    }
}

impl Control {
    /// With another number of threads; 0 counts as 1.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Control {
        self.threads = threads.max(1);
        self
    }

    /// The flag that ends the work early, with [`ErrorKind::Interrupted`](crate::error::ErrorKind::Interrupted).
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Whether the work should end.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// # Errors
    /// When the work should end.
    pub fn check(&self) -> crate::error::Result<()> {
        if self.is_stopped() {
            return Err(crate::error::Error::new(crate::error::ErrorKind::Interrupted, "interrupted"));
        }
        Ok(())
    }

    /// Bytes of input read so far, for a progress bar.
    pub fn bytes_done(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.bytes_done)
    }

    /// Counts bytes of input as read.
    pub fn add_done(&self, bytes: u64) {
        self.bytes_done.fetch_add(bytes, Ordering::Relaxed);
    }
}
