//! Blocks: bytes that match their CID. Nothing above this module handles bytes that do not.

use crate::cid::{Cid, hash_name};
use crate::error::{Code, Error, ErrorKind};
use crate::hash::{self, Outcome, Why};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Bytes proven to match their CID. A clone shares them.
#[derive(Clone)]
pub struct Block {
    cid: Cid,
    buffer: Arc<Buffer>,
    range: Range<usize>,
}

/// Memory for the data of one block or many.
struct Buffer {
    bytes: Vec<u8>,
    home: Weak<Pool>,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade() {
            home.give_back(std::mem::take(&mut self.bytes));
        }
    }
}

/// Memory that is used again: getting fresh pages from the system takes longer than to read and hash what goes into them.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    spare: Mutex<Vec<Vec<u8>>>,
}

/// Buffers that wait for use, at most.
const SPARE_MAX: usize = 4;

impl Pool {
    /// At least `len` bytes of any content.
    pub(crate) fn take(&self, len: usize) -> Vec<u8> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut bytes = spare.unwrap_or_default();
        if bytes.len() < len {
            bytes.resize(len, 0);
        }
        bytes
    }

    fn give_back(&self, bytes: Vec<u8>) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_MAX {
            spare.push(bytes);
        }
    }
}

impl Block {
    /// Hashes `data` and compares: the only way to make a block.
    ///
    /// ```
    /// use cartool::{block::Block, cid::parse_text};
    /// let cid = parse_text("bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am")?;
    /// assert!(Block::new(cid, b"hello\n".to_vec()).is_ok());
    /// assert!(Block::new(cid, b"hullo\n".to_vec()).is_err());
    /// # Ok::<(), cartool::cid::CidError>(())
    /// ```
    ///
    /// # Errors
    /// [`VerifyError`]; "cannot be checked" is kept apart from "does not match".
    pub fn new(cid: Cid, data: Vec<u8>) -> Result<Block, VerifyError> {
        match hash::check(cid.hash().code(), cid.hash().digest(), &data) {
            Outcome::Verified => Ok(Block::of_proven(cid, data)),
            outcome => Err(VerifyError::new(outcome, cid.hash().code(), cid.hash().digest(), &data)),
        }
    }

    /// As [`Block::new`] of several that stand in `bytes`, hashed at once; `None` where the bytes do not match. The memory goes back to
    /// `home` with the last of them.
    pub(crate) fn many(bytes: Vec<u8>, places: &[(Cid, Range<usize>)], home: &Arc<Pool>) -> Vec<Option<Block>> {
        let data = |range: &Range<usize>| bytes.get(range.clone()).unwrap_or_default();
        let jobs = places.iter().map(|(cid, range)| hash::Job {
            hash_code: cid.hash().code(),
            digest: cid.hash().digest(),
            data: data(range),
        });
        let mut outcomes = Vec::with_capacity(places.len());
        hash::check_many(&jobs.collect::<Vec<_>>(), &mut outcomes);
        let buffer = Arc::new(Buffer { bytes, home: Arc::downgrade(home) });
        let block = |(cid, range): &(Cid, Range<usize>)| Block { cid: *cid, buffer: Arc::clone(&buffer), range: range.clone() };
        places.iter().zip(outcomes).map(|(place, outcome)| (outcome == Outcome::Verified).then(|| block(place))).collect()
    }

    fn of_proven(cid: Cid, data: Vec<u8>) -> Block {
        let range = 0..data.len();
        Block { cid, buffer: Arc::new(Buffer { bytes: data, home: Weak::new() }), range }
    }

    /// The block that an identity CID carries in itself; `None` for any other CID.
    pub fn from_identity(cid: &Cid) -> Option<Block> {
        (cid.hash().code() == crate::cid::hash_code::IDENTITY).then(|| Block::of_proven(*cid, cid.hash().digest().to_vec()))
    }

    /// Its CID.
    pub fn cid(&self) -> &Cid {
        &self.cid
    }

    /// Its bytes.
    pub fn data(&self) -> &[u8] {
        self.buffer.bytes.get(self.range.clone()).unwrap_or_default()
    }

    /// Its bytes, owned; copied when they are shared.
    pub fn into_data(self) -> Vec<u8> {
        match Arc::try_unwrap(self.buffer) {
            Ok(mut buffer) if self.range == (0..buffer.bytes.len()) => std::mem::take(&mut buffer.bytes),
            Ok(buffer) => buffer.bytes.get(self.range).unwrap_or_default().to_vec(),
            Err(buffer) => buffer.bytes.get(self.range).unwrap_or_default().to_vec(),
        }
    }
}

impl PartialEq for Block {
    fn eq(&self, other: &Block) -> bool {
        self.cid == other.cid && self.data() == other.data()
    }
}

impl Eq for Block {}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("cid", &self.cid).field("len", &self.range.len()).finish_non_exhaustive()
    }
}

/// Why bytes are not a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifyError {
    /// The bytes hash to something else.
    DigestMismatch {
        /// The hash function's code.
        hash_code: u64,
        /// What the CID says.
        expected: Vec<u8>,
        /// What the bytes give.
        actual: Vec<u8>,
    },
    /// The hash function cannot be computed, proves nothing, or its digest is too short to.
    UnsupportedHash {
        /// The hash function's code.
        hash_code: u64,
        /// Why.
        why: Why,
    },
}

impl VerifyError {
    /// What an outcome other than `Verified` means for these bytes.
    pub fn new(outcome: Outcome, hash_code: u64, digest: &[u8], data: &[u8]) -> VerifyError {
        match outcome {
            Outcome::Unverifiable(why) => VerifyError::UnsupportedHash { hash_code, why },
            _ => {
                let actual = hash::digest(hash_code, data, digest.len()).map(|d| d.bytes().to_vec()).unwrap_or_default();
                VerifyError::DigestMismatch { hash_code, expected: digest.to_vec(), actual }
            }
        }
    }

    /// The code a check reports.
    pub fn code(&self) -> Code {
        match self {
            VerifyError::DigestMismatch { .. } => Code::HashMismatch,
            VerifyError::UnsupportedHash { .. } => Code::UnsupportedHash,
        }
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VerifyError::DigestMismatch { hash_code, expected, actual } => {
                let name = hash_name(*hash_code);
                write!(f, "the bytes do not match their CID: expected {name} {}, found {}", Hex(expected), Hex(actual))
            }
            VerifyError::UnsupportedHash { hash_code, why } => {
                let name = hash_name(*hash_code);
                match why {
                    Why::Insecure => write!(f, "cannot be verified: {name} is no security hash, a match proves nothing"),
                    Why::DigestTooShort => write!(f, "cannot be verified: its {name} digest has fewer than 20 bytes"),
                    _ => write!(f, "cannot be verified: hash function {name} is not supported"),
                }
            }
        }
    }
}

impl std::error::Error for VerifyError {}

impl From<VerifyError> for Error {
    fn from(error: VerifyError) -> Error {
        let kind = match error {
            VerifyError::DigestMismatch { .. } => ErrorKind::Format(Code::HashMismatch),
            VerifyError::UnsupportedHash { .. } => ErrorKind::Unsupported(Code::UnsupportedHash),
        };
        Error::new(kind, error.to_string())
    }
}

/// Bytes as lower-case hexadecimal, at most 64 of them.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(64).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        if self.0.is_empty() {
            f.write_str("nothing")?;
        }
        f.write_str(if self.0.len() > 64 { "…" } else { "" })
    }
}
