//! Sound sections on their way from one archive into others; the first fault ends the work.

use super::findings::{Findings, Notes};
use super::merge::Unverified;
use super::scan::{Collector, SectionHead};
use crate::error::{Finding, Result, Severity};

/// Where sections go.
pub(crate) trait Receiver: Send {
    /// A section comes, its bytes in pieces behind it. `false`: they are not wanted.
    ///
    /// # Errors
    /// Ends the work.
    fn begin(&mut self, head: SectionHead<'_>) -> Result<bool>;

    /// The next bytes of a wanted section.
    ///
    /// # Errors
    /// Ends the work.
    fn piece(&mut self, piece: &[u8]) -> Result<()>;
}

/// Gives every section to its receiver as soon as it was hashed, and ends at the first fault. A section too long to hold is given
/// while it is hashed: what was received is good only when the scan ended well.
#[derive(Debug)]
pub(crate) struct Copy<R> {
    pub(crate) receiver: R,
    unverified: Unverified,
    remarks: Findings,
}

impl<R: Receiver> Copy<R> {
    pub(crate) fn new(receiver: R, unverified: Unverified) -> Copy<R> {
        Copy { receiver, unverified, remarks: Findings::default() }
    }

    /// The receiver, and what is remarkable about the archive.
    pub(crate) fn finish(self) -> (R, Vec<Finding>) {
        (self.receiver, self.remarks.finish(Notes::Tolerated))
    }

    fn tolerate(&mut self, why: Finding) -> Result<()> {
        if why.severity == Severity::Unverified && self.unverified == Unverified::Keep {
            self.remarks.push(why);
            return Ok(());
        }
        Err(why.into())
    }
}

impl<R: Receiver> Collector for Copy<R> {
    fn sound(&mut self, head: SectionHead<'_>, data: &[u8]) -> Result<()> {
        if self.receiver.begin(head)? { self.receiver.piece(data) } else { Ok(()) }
    }

    fn unsound(&mut self, head: SectionHead<'_>, data: &[u8], why: Finding) -> Result<()> {
        self.tolerate(why)?;
        self.sound(head, data)
    }

    fn remark(&mut self, finding: Finding) -> Result<()> {
        if finding.severity > Severity::Note {
            return Err(finding.into());
        }
        self.remarks.push(finding);
        Ok(())
    }

    fn huge(&mut self, head: SectionHead<'_>) -> Result<bool> {
        self.receiver.begin(head)
    }

    fn huge_piece(&mut self, piece: &[u8]) -> Result<()> {
        self.receiver.piece(piece)
    }

    fn huge_end(&mut self, _: SectionHead<'_>, why: Option<Finding>) -> Result<()> {
        why.map_or(Ok(()), |why| self.tolerate(why))
    }
}
