//! `cartool/events.ndjson`: what happened, a line an event; lines are only ever added.

use super::clock;
use crate::error::{Error, Result};
use serde::Serialize;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// What kind of event (PREMIS names them so).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// A CAR file, a metadata file or a payload was written.
    Capture,
    /// A chain was asked.
    Resolve,
    /// The archive was checked.
    Fixity,
    /// Something damaged was replaced.
    Repair,
}

/// One event. Fields stand in the order of their names.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Event<'e> {
    agent: &'static str,
    detail: &'e str,
    object: &'e str,
    outcome: &'e str,
    time: String,
    #[serde(rename = "type")]
    kind: EventKind,
}

/// This program.
pub(super) const AGENT: &str = concat!("cartool ", env!("CARGO_PKG_VERSION"));

impl<'e> Event<'e> {
    /// An event of now.
    pub(super) fn new(kind: EventKind, outcome: &'e str, object: &'e str, detail: &'e str) -> Event<'e> {
        Event { agent: AGENT, detail, object, outcome, time: clock::now(), kind }
    }

    /// Adds a line to the log.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub(super) fn append(&self, log: &Path) -> Result<()> {
        let mut line = serde_json::to_vec(self).map_err(|e| Error::usage(e.to_string()))?;
        line.push(b'\n');
        let write = || {
            let mut file = OpenOptions::new().create(true).append(true).open(log)?;
            file.write_all(&line)?;
            file.sync_data()
        };
        write().map_err(|e| Error::io(e, "cannot write").in_file(log.display().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_an_event() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("events.ndjson");
        for outcome in ["ok", "fault"] {
            Event::new(EventKind::Fixity, outcome, "data/x", "a \"b\"\nc").append(&log).unwrap();
        }
        let text = std::fs::read_to_string(&log).unwrap();
        assert_eq!(text.lines().count(), 2);
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!((value["type"].as_str(), value["detail"].as_str()), (Some("fixity"), Some("a \"b\"\nc")));
        }
    }
}
