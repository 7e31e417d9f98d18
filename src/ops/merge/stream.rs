//! Input order: every section is hashed and goes out at once, unless its CID was seen before.

use super::wrap::Watch;
use super::{InputSummary, Unverified};
use crate::cid::RawCid;
use crate::error::{Finding, Result, Severity};
use crate::ops::archive_writer::ArchiveWriter;
use crate::ops::findings::Findings;
use crate::ops::scan::{Collector, SectionHead};
use crate::store::{Key, Keyer};
use hashbrown::HashTable;

/// What is kept from input to input.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) writer: ArchiveWriter,
    /// Fingerprints of the CIDs written so far.
    pub(super) seen: HashTable<Key>,
    pub(super) watch: Watch,
    pub(super) keyer: Keyer,
    pub(super) unverified: Unverified,
    /// The name for errors of the output, which are not the input's.
    pub(super) output: String,
}

impl Stream {
    /// Whether the CID is new; it counts as seen from now on.
    pub(super) fn is_new(&mut self, key: Key) -> bool {
        if self.seen.find(key.tag(), |seen| *seen == key).is_some() {
            return false;
        }
        self.seen.insert_unique(key.tag(), key, |key| key.tag());
        true
    }
}

/// Takes the sections of one input.
#[derive(Debug)]
pub(super) struct Copy<'a> {
    pub(super) stream: &'a mut Stream,
    pub(super) summary: InputSummary,
    pub(super) remarks: Findings,
    /// The section too long to hold that is being written, if it is.
    pub(super) huge_is_new: bool,
}

impl Copy<'_> {
    fn put(&mut self, head: SectionHead<'_>, data: &[u8]) -> Result<()> {
        self.count(head);
        if !self.stream.is_new(head.key) {
            self.summary.duplicate_blocks += 1;
            return Ok(());
        }
        self.summary.new_blocks += 1;
        self.stream.writer.write_section(head.cid, data).map_err(|e| e.in_file(&*self.stream.output))
    }

    fn count(&mut self, head: SectionHead<'_>) {
        self.summary.blocks += 1;
        self.summary.bytes = self.summary.bytes.max(head.end().0);
    }

    fn see(&mut self, cid: RawCid<'_>, data: &[u8]) {
        if !self.stream.watch.is_empty() {
            self.stream.watch.see(&self.stream.keyer, cid, data);
        }
    }
}

impl Collector for Copy<'_> {
    fn sound(&mut self, head: SectionHead<'_>, data: &[u8]) -> Result<()> {
        self.see(head.cid, data);
        self.put(head, data)
    }

    fn unsound(&mut self, head: SectionHead<'_>, data: &[u8], why: Finding) -> Result<()> {
        if why.severity == Severity::Unverified && self.stream.unverified == Unverified::Keep {
            self.remarks.push(why);
            self.see(head.cid, data);
            return self.put(head, data);
        }
        Err(why.into())
    }

    fn remark(&mut self, finding: Finding) -> Result<()> {
        if finding.severity > Severity::Note {
            return Err(finding.into());
        }
        self.remarks.push(finding);
        Ok(())
    }

    fn huge(&mut self, head: SectionHead<'_>) -> Result<bool> {
        self.count(head);
        self.huge_is_new = self.stream.is_new(head.key);
        if self.huge_is_new {
            self.summary.new_blocks += 1;
            self.stream.writer.begin_section(head.cid, head.data_len).map_err(|e| e.in_file(&*self.stream.output))?;
        } else {
            self.summary.duplicate_blocks += 1;
        }
        Ok(self.huge_is_new)
    }

    fn huge_piece(&mut self, piece: &[u8]) -> Result<()> {
        self.stream.writer.continue_section(piece).map_err(|e| e.in_file(&*self.stream.output))
    }

    fn huge_end(&mut self, head: SectionHead<'_>, why: Option<Finding>) -> Result<()> {
        match why {
            // What was written stands in a file that nobody will see.
            Some(why) if why.severity != Severity::Unverified || self.stream.unverified == Unverified::Refuse => Err(why.into()),
            why => {
                self.remarks.extend(why);
                self.stream.watch.see_len(&self.stream.keyer, head.cid, head.data_len);
                Ok(())
            }
        }
    }
}
