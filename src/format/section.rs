//! One section: `uvarint(length) CID data`, where the length counts CID and data (CARv1 specification, "Data").

use crate::cid::{CidError, RawCid};
use crate::limits::Limits;
use crate::varint::{self, VarintError};

/// The first bytes of a section, understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    /// Bytes of the length varint.
    pub varint_len: usize,
    /// The CID the section claims.
    pub cid: RawCid<'a>,
    /// Length of the data behind the CID, in bytes.
    pub data_len: u64,
}

impl Head<'_> {
    /// Bytes from the section's first byte to its data.
    pub fn len(&self) -> usize {
        self.varint_len.saturating_add(self.cid.bytes().len())
    }

    /// Never: a section has at least a varint and a CID.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Bytes of the whole section.
    pub fn section_len(&self) -> u64 {
        (self.len() as u64).saturating_add(self.data_len)
    }
}

/// Why the bytes at hand are not the head of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadError {
    /// More bytes are needed to tell.
    NeedMore,
    /// The length is zero.
    Zero,
    /// The length is not a varint.
    Varint(VarintError),
    /// The length is over `--max-section`; the whole section has `section_len` bytes.
    TooLarge {
        /// What the varint says.
        declared: u64,
        /// Varint and declared bytes together.
        section_len: u64,
    },
    /// No CID at the section's start; the whole section has `section_len` bytes.
    Cid {
        /// What is wrong with it.
        error: CidError,
        /// Varint and declared bytes together.
        section_len: u64,
    },
}

/// A CID takes at most this many bytes: version, three varints and the digest.
pub const CID_LEN_MAX: usize = 1 + 3 * varint::LEN_MAX + crate::cid::DIGEST_LEN_MAX;
/// With this many bytes in hand, or all there are, [`head`] never needs more.
pub const HEAD_LEN_MAX: usize = varint::LEN_MAX + CID_LEN_MAX;

/// Reads the head of the section at the front of `bytes`.
///
/// # Errors
/// [`HeadError`]; `NeedMore` only when fewer than [`HEAD_LEN_MAX`] bytes are at hand.
#[inline]
pub fn head<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Head<'a>, HeadError> {
    let (declared, varint_len) = varint::read(bytes).map_err(|e| match e {
        VarintError::Truncated => HeadError::NeedMore,
        e => HeadError::Varint(e),
    })?;
    if declared == 0 {
        return Err(HeadError::Zero);
    }
    let section_len = declared.saturating_add(varint_len as u64);
    if declared > limits.section_len_max {
        return Err(HeadError::TooLarge { declared, section_len });
    }
    let rest = bytes.get(varint_len..).unwrap_or_default();
    // The CID must end inside its own section, whatever bytes come after it.
    let own = rest.get(..declared.min(rest.len() as u64) as usize).unwrap_or(rest);
    match RawCid::parse_prefix(own) {
        Ok(cid) => Ok(Head { varint_len, cid, data_len: declared.saturating_sub(cid.bytes().len() as u64) }),
        Err(CidError::Truncated(_)) if (own.len() as u64) < declared && own.len() < CID_LEN_MAX => Err(HeadError::NeedMore),
        Err(error) => Err(HeadError::Cid { error, section_len }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_heads_and_asks_for_more() {
        let limits = Limits::default();
        let mut bytes = vec![38, 0x01, 0x55, 0x12, 0x20];
        bytes.extend([5; 32]);
        bytes.extend(*b"hi");
        let found = head(&bytes, &limits).unwrap();
        assert_eq!((found.varint_len, found.len(), found.data_len, found.section_len()), (1, 37, 2, 39));
        for cut in 0..37 {
            assert_eq!(head(&bytes[..cut], &limits), Err(HeadError::NeedMore), "{cut}");
        }
        bytes[0] = 36;
        assert_eq!(head(&bytes, &limits).unwrap().data_len, 0);
        bytes[0] = 35;
        assert!(matches!(head(&bytes, &limits), Err(HeadError::Cid { error: CidError::Truncated("digest"), section_len: 36 })));
        assert_eq!(head(&[0, 1, 2], &limits), Err(HeadError::Zero));
        assert!(matches!(head(&[0x80, 0x80, 0x80, 0x10, 1], &limits), Err(HeadError::TooLarge { .. })));
        assert_eq!(head(&[0x81, 0], &limits), Err(HeadError::Varint(VarintError::NotMinimal)));
    }
}
