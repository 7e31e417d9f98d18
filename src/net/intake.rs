//! The way in: bytes from the network become verified blocks, or nothing.

use super::held::{GiverId, Held};
use super::http::describe_body;
use super::session::Meter;
use crate::control::Control;
use crate::error::{Code, Error, ErrorKind, Finding, Result, Severity};
use crate::format::{Framer, TrailingZeros};
use crate::ops::scan::{self, Collector, Identify, SectionHead};
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

/// What came of one body.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Blocks that were not there before.
    pub(super) new_blocks: u64,
    /// Why the body ended early, if it did.
    pub(super) cut: Option<String>,
    /// The gateway itself said so inside the body.
    pub(super) is_marked: bool,
    /// A block that does not match its CID.
    pub(super) bad: Option<String>,
    /// A limit that was reached: its flag, and a sentence.
    pub(super) limit: Option<(&'static str, String)>,
}

/// Reads an archive from the network into `held`, however it ends.
///
/// # Errors
/// When the disk fails or the work is to stop. What is wrong with the archive is in [`Taken`].
pub(super) fn archive(
    body: impl Read + Send,
    held: &Held<'_>,
    giver: GiverId,
    meter: &Meter,
    control: &Control,
) -> Result<Taken> {
    let end = Mutex::new(None);
    let reader = Metered { inner: body, meter, control, end: &end };
    let mut taken = Taken::default();
    let result = match Framer::open(reader, None, control.limits, TrailingZeros::Reject) {
        Ok(mut framer) => {
            let intake = Intake { held, giver, meter, taken: &mut taken };
            scan::scan(&mut framer, held.keyer(), Identify::Multihash, intake, control).map(drop)
        }
        Err(error) => Err(error),
    };
    match end.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(End::Limit) => drop(taken.limit.get_or_insert_with(|| meter.bytes_reached())),
        // Truer than what it did to the framing.
        Some(End::Failed(why)) if !taken.is_marked => taken.cut = Some(why),
        _ => {}
    }
    match result {
        Err(error) if matches!(error.kind, ErrorKind::Io(_) | ErrorKind::Interrupted) => Err(error),
        Err(_) if taken.bad.is_some() || taken.limit.is_some() => Ok(taken),
        Err(error) => {
            taken.cut.get_or_insert(error.message);
            Ok(taken)
        }
        Ok(()) => Ok(taken),
    }
}

/// Reads one block, as its bytes alone: at most `len_max` of them. `Err` inside says why there are none.
///
/// # Errors
/// When the work is to stop.
pub(super) fn bytes(
    body: impl Read,
    len_max: u64,
    meter: &Meter,
    control: &Control,
) -> Result<std::result::Result<Vec<u8>, Taken>> {
    let end = Mutex::new(None);
    let reader = Metered { inner: body, meter, control, end: &end };
    let mut data = Vec::new();
    let read = reader.take(len_max.saturating_add(1)).read_to_end(&mut data);
    control.check()?;
    let mut taken = Taken::default();
    match end.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(End::Limit) => taken.limit = Some(meter.bytes_reached()),
        Some(End::Failed(why)) => taken.cut = Some(why),
        None if read.is_err() => taken.cut = Some("the answer could not be read".to_owned()),
        None if data.len() as u64 > len_max => taken.limit = Some(too_long(len_max)),
        None => {
            control.add_done(data.len() as u64);
            return Ok(Ok(data));
        }
    }
    Ok(Err(taken))
}

/// A block over the limit.
fn too_long(len_max: u64) -> (&'static str, String) {
    ("--max-block", format!("a block of more than {len_max} bytes was sent (--max-block)"))
}

/// How a body ended, when it was not by itself.
#[derive(Debug)]
enum End {
    Limit,
    Failed(String),
}

/// Counts what is received, and turns a failure into an end, so that what came before it is not lost.
struct Metered<'m, R> {
    inner: R,
    meter: &'m Meter,
    control: &'m Control,
    end: &'m Mutex<Option<End>>,
}

impl<R> Metered<'_, R> {
    fn end(&self, end: End) -> io::Result<usize> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(end);
        Ok(0)
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.end.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(0);
        }
        if self.control.is_stopped() {
            return self.end(End::Failed("interrupted".to_owned()));
        }
        match self.inner.read(buffer) {
            Ok(got) if self.meter.add_bytes(got as u64) => Ok(got),
            Ok(_) => self.end(End::Limit),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => self.end(End::Failed(describe_body(&error))),
        }
    }
}

/// Takes the sections of one body.
struct Intake<'i, 'l> {
    held: &'i Held<'l>,
    giver: GiverId,
    meter: &'i Meter,
    taken: &'i mut Taken,
}

impl Intake<'_, '_> {
    /// Ends the body: the reason stands in `taken`.
    fn end(&self) -> Result<()> {
        Err(Error::new(ErrorKind::Missing, "not read any further"))
    }

    fn refuse_long(&mut self) -> Result<()> {
        self.taken.limit = Some(too_long(self.meter.block_len_max()));
        self.end()
    }
}

impl Collector for Intake<'_, '_> {
    fn sound(&mut self, head: SectionHead<'_>, data: &[u8]) -> Result<()> {
        if head.data_len > self.meter.block_len_max() {
            return self.refuse_long();
        }
        if !self.held.put(head.cid, head.key, data, self.giver)? {
            return Ok(());
        }
        self.taken.new_blocks = self.taken.new_blocks.saturating_add(1);
        if !self.meter.add_block() {
            self.taken.limit = Some(self.meter.blocks_reached());
            return self.end();
        }
        Ok(())
    }

    fn unsound(&mut self, _: SectionHead<'_>, _: &[u8], why: Finding) -> Result<()> {
        // What cannot be checked is no lie, but of no use either.
        if why.code == Code::HashMismatch {
            let cid = why.cid.as_ref().map(|cid| format!(" [{cid}]")).unwrap_or_default();
            self.taken.bad = Some(format!("{}{cid}", why.message));
            return self.end();
        }
        Ok(())
    }

    fn remark(&mut self, finding: Finding) -> Result<()> {
        match finding.code {
            Code::SectionTooLarge => self.refuse_long(),
            Code::GatewayErrorText => {
                self.taken.is_marked = true;
                self.taken.cut = Some(format!("the gateway cut the response short: {}", finding.message));
                Ok(())
            }
            // An index that is missing or wrong is never used.
            _ if finding.severity < Severity::Error || matches!(finding.code, Code::BadIndex | Code::IndexMismatch) => Ok(()),
            _ => {
                self.taken.cut.get_or_insert(finding.message);
                Ok(())
            }
        }
    }

    fn huge(&mut self, _: SectionHead<'_>) -> Result<bool> {
        self.refuse_long().map(|()| false)
    }

    fn huge_piece(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn huge_end(&mut self, _: SectionHead<'_>, _: Option<Finding>) -> Result<()> {
        Ok(())
    }
}
