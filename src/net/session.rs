//! One run: sources that are shared by everything it fetches.

use super::fetch::Fetch;
use super::hosts::Hosts;
use super::http::Client;
use super::{Fetched, Options, Target, Want};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::IN_MEMORY_MAX;
use crate::format::section::CID_LEN_MAX;
use crate::store::{CarFile, Output, archives_in};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How often the stop flag is looked at while requests are under way.
const GLANCE: Duration = Duration::from_millis(50);

/// The sources of one run. Fetches may run on several threads at once; a source that misbehaves for one is barred for all.
///
/// ```no_run
/// use cartool::control::Control;
/// use cartool::net::{Options, Remote, Session, Target, Want};
/// let root = cartool::cid::parse_text("bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi")?;
/// let options = Options { remotes: vec![Remote::Gateway("https://gateway.example".parse()?)], ..Options::default() };
/// let session = Session::new(options, &Control::default())?;
/// let fetched = session.fetch(&Want::whole(root), &Target::new("token.car"))?;
/// println!("{}: {} blocks", fetched.status().as_str(), fetched.blocks);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Session {
    pub(super) options: Options,
    pub(super) control: Control,
    pub(super) client: Client,
    pub(super) hosts: Hosts,
    pub(super) meter: Meter,
    locals: Vec<CarFile>,
}

impl Session {
    /// Opens the local archives. No socket is opened before something is asked for.
    ///
    /// # Errors
    /// When a local archive cannot be read, or the limit for a block is above 15 MiB.
    pub fn new(options: Options, control: &Control) -> Result<Session> {
        if options.block_len_max > IN_MEMORY_MAX.saturating_sub(1 << 20) {
            return Err(Error::usage("--max-block is at most 15MiB: blocks are held in memory until they are verified"));
        }
        let locals = open_all(&options.from, control)?;
        let client = Client::new(&options.timeouts);
        let meter = Meter {
            block_len_max: options.block_len_max,
            bytes_max: options.bytes_max,
            blocks_max: options.blocks_max,
            bytes: AtomicU64::new(0),
            blocks: Arc::default(),
            requests: AtomicU64::new(0),
        };
        Ok(Session { hosts: Hosts::new(&options), options, control: control.clone(), client, meter, locals })
    }

    /// Whether there is anything to ask: a local archive or a source in the network.
    pub fn has_sources(&self) -> bool {
        !self.options.remotes.is_empty() || !self.options.from.is_empty()
    }

    /// Bytes received from the network so far.
    pub fn bytes_received(&self) -> u64 {
        self.meter.bytes.load(Ordering::Relaxed)
    }

    /// Blocks received and verified so far.
    pub fn blocks_received(&self) -> u64 {
        self.meter.blocks.load(Ordering::Relaxed)
    }

    /// The counter behind [`Session::blocks_received`], for a progress display.
    pub fn blocks_counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.meter.blocks)
    }

    /// Requests sent so far.
    pub fn requests_sent(&self) -> u64 {
        self.meter.requests.load(Ordering::Relaxed)
    }

    /// Fetches one object into one archive.
    ///
    /// # Errors
    /// A want that makes no sense, no sources at all, an existing file, a failing disk, a request to stop. What the sources do not
    /// have, or refuse, is no `Err` but in [`Fetched::failure`].
    pub fn fetch(&self, want: &Want, target: &Target) -> Result<Fetched> {
        self.control.check()?;
        if !self.has_sources() && want.last.is_empty() && target.from.is_empty() {
            return Err(no_sources());
        }
        // A file in the way is found out before anything is asked for.
        drop(Output::create(&target.path, target.existing, &[])?);
        let existing: Vec<PathBuf> = target.from.iter().filter(|path| path.exists()).cloned().collect();
        let own = open_all(&existing, &self.control)?;
        let locals = self.locals.iter().chain(&own).collect();
        let done = Done::default();
        std::thread::scope(|scope| {
            scope.spawn(|| done.watch(&self.control, &self.client));
            // Set in any case, also by a panic: the watcher is waited for.
            let _over = Over(&done);
            Fetch::open(self, want, target, locals).and_then(Fetch::run)
        })
    }
}

/// The error for a run that was told of no source.
pub fn no_sources() -> Error {
    Error::usage(
        "no source to fetch from, and none is assumed: name one with --gateway URL (or local, or public), --kubo URL, \
         --from FILE|DIR, or in CARTOOL_GATEWAYS",
    )
}

fn open_all(paths: &[PathBuf], control: &Control) -> Result<Vec<CarFile>> {
    let mut cars = Vec::new();
    for path in paths {
        for file in archives_in(path)? {
            cars.push(CarFile::open(&file, control)?);
        }
    }
    Ok(cars)
}

/// Set when a fetch is over.
#[derive(Debug, Default)]
struct Done {
    is_over: Mutex<bool>,
    changed: Condvar,
}

/// Sets it when dropped.
struct Over<'d>(&'d Done);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.set();
    }
}

impl Done {
    fn set(&self) {
        *self.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Ends requests that wait for a server when the work is to stop.
    fn watch(&self, control: &Control, client: &Client) {
        let mut is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_over {
            if control.is_stopped() {
                client.shut_down();
                return;
            }
            is_over = self.changed.wait_timeout(is_over, GLANCE).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// What a run received, and where it stops.
#[derive(Debug)]
pub(super) struct Meter {
    block_len_max: u64,
    bytes_max: u64,
    blocks_max: u64,
    bytes: AtomicU64,
    blocks: Arc<AtomicU64>,
    requests: AtomicU64,
}

impl Meter {
    /// Counts bytes; `false` when there are too many.
    pub(super) fn add_bytes(&self, count: u64) -> bool {
        self.bytes.fetch_add(count, Ordering::Relaxed).saturating_add(count) <= self.bytes_max
    }

    /// Counts a block; `false` when there are too many.
    pub(super) fn add_block(&self) -> bool {
        self.blocks.fetch_add(1, Ordering::Relaxed) < self.blocks_max
    }

    pub(super) fn add_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn block_len_max(&self) -> u64 {
        self.block_len_max
    }

    pub(super) fn bytes_reached(&self) -> (&'static str, String) {
        ("--max-bytes", format!("more than {} bytes were sent (--max-bytes)", self.bytes_max))
    }

    pub(super) fn blocks_reached(&self) -> (&'static str, String) {
        ("--max-blocks", format!("more than {} blocks were sent (--max-blocks)", self.blocks_max))
    }

    /// What a run may hold of one section.
    pub(super) fn section_len_max(&self) -> u64 {
        self.block_len_max.saturating_add(CID_LEN_MAX as u64)
    }

    /// Whether a limit of the whole run was reached.
    pub(super) fn is_reached(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.bytes_max || self.blocks.load(Ordering::Relaxed) > self.blocks_max
    }
}
