//! Gathers findings: faults one by one, notes once a kind with a count, all of it bounded.

use crate::error::{Code, Finding, Severity};
use crate::offset::FileOffset;
use std::collections::BTreeMap;

/// Faults of one code that are kept one by one; the rest is counted.
const LISTED_MAX: u64 = 10_000;

/// Whether notes are as bad as errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Notes {
    /// They change no verdict.
    #[default]
    Tolerated,
    /// Every note is an error (`--strict`).
    Errors,
}

#[derive(Debug, Default)]
pub(crate) struct Findings {
    listed: Vec<Finding>,
    counts: BTreeMap<Code, u64>,
    /// Notes that many blocks may deserve: how many, and the first.
    tallies: BTreeMap<Code, (u64, Finding)>,
}

impl Findings {
    pub(crate) fn push(&mut self, finding: Finding) {
        let count = self.counts.entry(finding.code).or_default();
        *count += 1;
        if *count <= LISTED_MAX {
            self.listed.push(finding);
        }
    }

    pub(crate) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }

    /// Counts one more of a kind; `first` describes the kind and is asked for once.
    pub(crate) fn tally(&mut self, code: Code, at: FileOffset, first: impl FnOnce() -> String) {
        self.tallies.entry(code).or_insert_with(|| (0, Finding::new(code, first()).at(at))).0 += 1;
    }

    /// Takes the tallies of what comes behind.
    pub(crate) fn absorb(&mut self, later: Findings) {
        for (code, (count, first)) in later.tallies {
            self.tallies.entry(code).or_insert_with(|| (0, first)).0 += count;
        }
        self.extend(later.listed);
    }

    /// Everything, by place in the file.
    pub(crate) fn finish(mut self, notes: Notes) -> Vec<Finding> {
        for (count, mut finding) in self.tallies.into_values() {
            if count > 1 {
                finding.message = format!("{} ({count} of them, the first is here)", finding.message);
            }
            self.listed.push(finding);
        }
        for (code, count) in self.counts {
            if let Some(more) = count.checked_sub(LISTED_MAX).filter(|more| *more > 0) {
                self.listed.push(Finding::new(code, format!("{more} more findings of this kind are not listed")));
            }
        }
        if notes == Notes::Errors {
            self.listed.iter_mut().filter(|f| f.severity == Severity::Note).for_each(|f| f.severity = Severity::Error);
        }
        self.listed.sort_by_key(|finding| (finding.at.map_or(u64::MAX, |at| at.0), finding.code));
        self.listed
    }
}
