//! CARv2: an 11-byte pragma, 40 bytes of header, a CARv1 payload and an optional index (CARv2 specification).

use super::index_writer::Identities;
use crate::error::{Code, Error, Finding, Result};
use crate::offset::FileOffset;

/// The first 11 bytes of every CARv2 file: a CARv1-shaped header with version 2 and no roots.
pub const PRAGMA: [u8; 11] = *b"\x0a\xa1\x67version\x02";
/// Where the payload may start at the earliest: behind pragma and header.
pub const DATA_OFFSET_MIN: u64 = 51;
const FULLY_INDEXED: u8 = 0x80;

/// The CARv2 header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carv2Header {
    /// 128 bits of characteristics; bit 7 of the first byte says that the index holds every section.
    pub characteristics: [u8; 16],
    /// Where the CARv1 payload starts.
    pub data_offset: u64,
    /// Bytes of the payload.
    pub data_size: u64,
    /// Where the index starts; 0 for none.
    pub index_offset: u64,
}

impl Carv2Header {
    /// Reads the 40 bytes behind the pragma.
    pub fn parse(bytes: &[u8; 40]) -> Carv2Header {
        let number = |at: usize| bytes.iter().skip(at).take(8).rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
        let mut characteristics = [0; 16];
        characteristics.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Carv2Header { characteristics, data_offset: number(16), data_size: number(24), index_offset: number(32) }
    }

    /// The 40 bytes behind the pragma.
    pub fn encode(&self) -> [u8; 40] {
        let numbers = [self.data_offset, self.data_size, self.index_offset];
        let bytes = self.characteristics.into_iter().chain(numbers.into_iter().flat_map(u64::to_le_bytes));
        let mut encoded = [0; 40];
        encoded.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        encoded
    }

    /// Characteristics that say whether the index holds every section.
    pub fn characteristics(identities: Identities) -> [u8; 16] {
        let mut characteristics = [0; 16];
        if identities == Identities::Index {
            characteristics.iter_mut().take(1).for_each(|first| *first = FULLY_INDEXED);
        }
        characteristics
    }

    /// Whether the index claims to hold identity CIDs too.
    pub fn is_fully_indexed(&self) -> bool {
        self.characteristics.first().is_some_and(|b| b & FULLY_INDEXED != 0)
    }

    /// Where the payload ends: the first byte behind it.
    pub fn data_end(&self) -> u64 {
        self.data_offset.saturating_add(self.data_size)
    }

    /// Checks the numbers against each other and, when known, against the length of the file. What leaves the payload
    /// readable comes back as findings.
    ///
    /// # Errors
    /// [`Code::BadCarv2Header`] at the field concerned.
    pub fn check(&self, file_len: Option<u64>) -> Result<Vec<Finding>> {
        let fault = |at: u64, message: String| Error::format(Code::BadCarv2Header, FileOffset(at), message);
        if self.data_offset < DATA_OFFSET_MIN {
            let message = format!("the payload starts at byte {}, expected {DATA_OFFSET_MIN} or later", self.data_offset);
            return Err(fault(27, message));
        }
        if self.data_size == 0 {
            return Err(fault(35, "the payload has 0 bytes, expected at least a header".to_owned()));
        }
        let end = self.data_offset.checked_add(self.data_size).filter(|end| *end <= i64::MAX as u64);
        let Some(end) = end else {
            let message = format!("a payload of {} bytes at byte {} ends past any file", self.data_size, self.data_offset);
            return Err(fault(27, message));
        };
        if let Some(len) = file_len.filter(|len| self.data_offset >= *len) {
            return Err(fault(27, format!("the payload starts at byte {}, the file has {len} bytes", self.data_offset)));
        }
        let mut findings = Vec::new();
        let mut find = |code, at, message: String| findings.push(Finding::new(code, message).at(FileOffset(at)));
        if let Some(len) = file_len.filter(|len| end > *len) {
            find(Code::BadCarv2Header, 35, format!("the payload should end at byte {end}, the file has {len} bytes"));
        }
        let mut known = self.characteristics;
        if let Some(first) = known.first_mut() {
            *first &= !FULLY_INDEXED;
        }
        if known != [0; 16] {
            find(Code::NonCanonical, 11, "reserved characteristic bits are set, expected zeros".to_owned());
        }
        if self.index_offset != 0 && self.index_offset < end {
            let message = format!("the index starts at byte {}, inside the payload that ends at {end}", self.index_offset);
            find(Code::BadCarv2Header, 43, message);
        } else if let Some(len) = file_len.filter(|len| self.index_offset >= *len) {
            find(Code::BadCarv2Header, 43, format!("the index starts at byte {}, the file has {len} bytes", self.index_offset));
        }
        Ok(findings)
    }

    /// Where a usable index starts.
    pub fn index_start(&self) -> Option<u64> {
        (self.index_offset >= self.data_end() && self.index_offset != 0).then_some(self.index_offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(data_offset: u64, data_size: u64, index_offset: u64) -> Carv2Header {
        Carv2Header { characteristics: [0; 16], data_offset, data_size, index_offset }
    }

    #[test]
    fn reads_back_what_it_writes() {
        for identities in [Identities::LeaveOut, Identities::Index] {
            let characteristics = Carv2Header::characteristics(identities);
            let written =
                Carv2Header { characteristics, data_offset: 51, data_size: 1 << 40, index_offset: 0x0102_0304_0506_0708 };
            assert_eq!(Carv2Header::parse(&written.encode()), written);
            assert_eq!(written.is_fully_indexed(), identities == Identities::Index);
        }
    }

    #[test]
    fn numbers_are_checked_without_overflow() {
        assert!(header(51, 100, 151).check(Some(200)).unwrap().is_empty());
        assert!(header(50, 100, 0).check(None).is_err());
        assert!(header(51, 0, 0).check(None).is_err());
        assert!(header(51, u64::MAX - 10, 0).check(None).is_err());
        assert!(header(u64::MAX - 1365, 479907, 0).check(Some(521859)).is_err());
        assert!(header(300, 10, 0).check(Some(200)).is_err());
        assert_eq!(header(51, 100, 0).check(Some(100)).unwrap()[0].code, Code::BadCarv2Header);
        assert_eq!(header(51, 100, 60).check(None).unwrap()[0].code, Code::BadCarv2Header);
        assert_eq!(header(51, 100, 200).check(Some(200)).unwrap()[0].code, Code::BadCarv2Header);
    }
}
