//! One section after the other, for programs that want no batches.

use super::batch::Batch;
use super::framer::{Framer, TrailingZeros};
use super::header::Header;
use crate::cid::Cid;
use crate::error::{Code, Error, Result, Severity};
use crate::limits::Limits;
use crate::offset::FileOffset;
use std::io::Read;

/// A section as it stands in the archive: a claim, not yet a block. [`Block::new`](crate::block::Block::new) proves it.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// Where it stands in the file.
    pub at: FileOffset,
    /// The CID it claims.
    pub cid: Cid,
    /// The bytes claimed for that CID.
    pub data: Vec<u8>,
}

/// Reads a CAR file of either version, strictly: the first fault is an error.
///
/// ```
/// use cartool::{format::{Reader, Section}, block::Block, limits::Limits};
/// let file = std::fs::File::open("testdata/token.car")?;
/// let mut reader = Reader::new(file, Limits::default())?;
/// let mut section = Section::default();
/// while reader.read_section(&mut section)? {
///     let block = Block::new(section.cid, section.data.clone())?;
///     println!("{} {}", block.cid(), block.data().len());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Reader<R> {
    framer: Framer<R>,
    batch: Batch,
    next: usize,
    more: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// When the input is no CAR file or cannot be read.
    pub fn new(input: R, limits: Limits) -> Result<Reader<R>> {
        let framer = Framer::open(input, None, limits, TrailingZeros::Reject)?;
        Ok(Reader { framer, batch: Batch::default(), next: 0, more: true })
    }

    /// The CARv1 header.
    pub fn header(&self) -> &Header {
        self.framer.header()
    }

    /// Reads the next section into `section`; `false` at the end of the archive. A CARv2 index is not read.
    ///
    /// # Errors
    /// The first fault of the archive, with its place, or a failed read.
    pub fn read_section(&mut self, section: &mut Section) -> Result<bool> {
        loop {
            if let Some(found) = self.batch.sections().nth(self.next) {
                self.next = self.next.saturating_add(1);
                section.at = found.at;
                section.cid = found.cid.to_cid();
                section.data.clear();
                section.data.extend_from_slice(found.data);
                return Ok(true);
            }
            if let Some(huge) = self.batch.huge.take() {
                let message = format!("a block of {} bytes is too long to hold; read it with Framer", huge.data_len);
                return Err(Error::format(Code::SectionTooLarge, huge.at, message));
            }
            let fault = self.batch.findings.iter().position(|f| f.severity > Severity::Note);
            if let Some(fault) = fault {
                return Err(self.batch.findings.swap_remove(fault).into());
            }
            if !self.more {
                return Ok(false);
            }
            self.more = self.framer.next_batch(&mut self.batch)?;
            self.next = 0;
        }
    }
}
