//! What stands before the first section: a CARv2's pragma and header, and the CARv1 header.

use super::carv2::{Carv2Header, PRAGMA};
use super::framer::read_some;
use super::header::Header;
use crate::error::{Code, Error, Finding, Result};
use crate::limits::Limits;
use crate::offset::FileOffset;
use crate::varint::{self, VarintError};
use std::io::Read;

/// The headers, read.
pub(super) struct Opened {
    pub(super) header: Header,
    pub(super) carv2: Option<Carv2Header>,
    pub(super) opening: Vec<Finding>,
    pub(super) payload_start: FileOffset,
    pub(super) payload_end: Option<u64>,
}

/// Reads what stands before the first section.
pub(super) struct Opener<R> {
    pub(super) input: R,
    pub(super) at: u64,
    /// The file's first bytes, to say what it is if it is no CAR.
    pub(super) seen: Vec<u8>,
    pub(super) limits: Limits,
}

impl<R: Read> Opener<R> {
    /// Up to `len` bytes; fewer only at the end of the input. The buffer grows with the bytes that arrive.
    fn take(&mut self, len: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        while (bytes.len() as u64) < len {
            let n = len.saturating_sub(bytes.len() as u64).min(piece.len() as u64) as usize;
            let got = read_some(&mut self.input, piece.get_mut(..n).unwrap_or_default())?;
            if got == 0 {
                break;
            }
            bytes.extend_from_slice(piece.get(..got).unwrap_or_default());
            self.at = self.at.saturating_add(got as u64);
        }
        if self.seen.len() < 1024 {
            self.seen.extend_from_slice(bytes.get(..bytes.len().min(1024)).unwrap_or(&bytes));
        }
        Ok(bytes)
    }

    pub(super) fn open(&mut self, file_len: Option<u64>) -> Result<Opened> {
        let mut front = self.varint_bytes()?;
        let mut carv2 = None;
        let mut opening = Vec::new();
        if front == PRAGMA.get(..1).unwrap_or_default() {
            front.extend(self.take((PRAGMA.len() as u64).saturating_sub(1))?);
            if front == PRAGMA {
                let header = self.carv2_header(file_len, &mut opening)?;
                front = self.varint_bytes_before(header.data_end())?;
                carv2 = Some(header);
            }
        }
        let payload_start = carv2.map_or(FileOffset(0), |c| FileOffset(c.data_offset));
        let payload_end = carv2.map(|c| c.data_end());
        let result = self.header(&front, payload_start, payload_end);
        if result.is_err() {
            // A little more of the file tells an HTML page from a broken header.
            self.take(1024)?;
        }
        let header = result?;
        if !header.is_canonical() {
            let message = "the header is not in the one form that DAG-CBOR gives it (order of the keys, lengths of the roots)";
            opening.push(Finding::new(Code::NonCanonical, message).at(payload_start));
        }
        Ok(Opened { header, carv2, opening, payload_start, payload_end })
    }

    fn varint_bytes_before(&mut self, end: u64) -> Result<Vec<u8>> {
        if self.at >= end { Ok(Vec::new()) } else { self.varint_bytes() }
    }

    /// The bytes of one varint, finished or not.
    fn varint_bytes(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() < varint::LEN_MAX {
            let next = self.take(1)?;
            bytes.extend(&next);
            if next.first().is_none_or(|b| b & 0x80 == 0) {
                break;
            }
        }
        Ok(bytes)
    }

    fn carv2_header(&mut self, file_len: Option<u64>, opening: &mut Vec<Finding>) -> Result<Carv2Header> {
        let bytes = self.take(40)?;
        let Ok(fixed) = <&[u8; 40]>::try_from(bytes.as_slice()) else {
            let message = format!("a CARv2 header of 40 bytes, the file has {} of them", bytes.len());
            return Err(Error::format(Code::Truncated, FileOffset(11), message));
        };
        let header = Carv2Header::parse(fixed);
        opening.extend(header.check(file_len)?);
        let mut left = header.data_offset.saturating_sub(self.at);
        while left > 0 {
            let got = self.take(left.min(64 << 10))?.len() as u64;
            if got == 0 {
                let message = format!("the payload starts at byte {}, the file has {} bytes", header.data_offset, self.at);
                return Err(Error::format(Code::BadCarv2Header, FileOffset(27), message));
            }
            left = left.saturating_sub(got);
        }
        Ok(header)
    }

    /// The CARv1 header whose first bytes are `front`: its length varint, or the eleven bytes that were no pragma.
    fn header(&mut self, front: &[u8], start: FileOffset, end: Option<u64>) -> Result<Header> {
        let (len, varint_len) = match varint::read(front) {
            Ok(read) => read,
            Err(VarintError::Truncated) => {
                let message = format!("the file ends after {} bytes, inside the header's length", front.len());
                return Err(Error::format(Code::Truncated, start, message));
            }
            Err(error) => return Err(Error::format(Code::BadVarint, start, format!("the header's length: {error}"))),
        };
        if len == 0 {
            return Err(Error::format(Code::BadHeader, start, "a header of 0 bytes, expected a map of roots and version"));
        }
        if len > self.limits.header_len_max {
            let message = format!("a header of {len} bytes, the limit is {} (--max-header)", self.limits.header_len_max);
            return Err(Error::format(Code::HeaderTooLarge, start, message));
        }
        let mut cbor = front.get(varint_len..).unwrap_or_default().to_vec();
        let left = end.map_or(u64::MAX, |end| end.saturating_sub(self.at));
        cbor.extend(self.take(len.saturating_sub(cbor.len() as u64).min(left))?);
        if (cbor.len() as u64) < len {
            let message = format!("a header of {len} bytes, {} are there", cbor.len());
            return Err(Error::format(Code::Truncated, start, message));
        }
        Header::parse(cbor, start.plus(varint_len as u64))
    }
}
