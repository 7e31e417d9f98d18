//! The CID of an archive itself: SHA2-256 over all bytes of the file, under the codec `car` (0x0202).
//!
//! Storage services name whole archives so. The framing is read on the way, so that the name goes to something that is an archive
//! from its first byte to its last; blocks are not hashed one by one, and nothing below a root is looked for: that is
//! [`verify`](super::verify).

use crate::cid::{Cid, Multihash, codec, hash_code};
use crate::control::Control;
use crate::error::{Error, Result, Severity};
use crate::format::{Batch, Framer};
use crate::hash::Hasher;
use crate::store::Input;
use std::io::{self, Read};

/// An archive's own name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveHash {
    /// The CID of the file.
    pub cid: Cid,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its sections.
    pub blocks: u64,
}

/// Hashes an archive, all of it, an index and padding included.
///
/// # Errors
/// When the input is no CAR file, its framing is broken, or it cannot be read.
pub fn archive_hash(input: Input, control: &Control) -> Result<ArchiveHash> {
    const SHA2_256_LEN: usize = 32;
    let unsupported = |why: crate::hash::Why| Error::usage(why.to_string());
    let mut tally = Tally { hasher: Hasher::new(hash_code::SHA2_256, SHA2_256_LEN).map_err(unsupported)?, bytes: 0 };
    let file_len = input.file_len();
    let mut framer = Framer::open(Hashing { input, tally: &mut tally }, file_len, control.limits, control.trailing_zeros)?;
    let mut findings = framer.take_opening_findings();
    let (mut batch, mut blocks, mut more) = (Batch::default(), 0u64, true);
    while more {
        control.check()?;
        more = framer.next_batch(&mut batch)?;
        blocks = blocks.saturating_add(batch.sections().len() as u64);
        if let Some(huge) = batch.huge.take() {
            blocks = blocks.saturating_add(1);
            findings.extend(framer.read_huge(&huge, |_| control.check())?);
        }
        findings.append(&mut batch.findings);
        if let Some(fault) = findings.drain(..).find(|finding| finding.severity > Severity::Note) {
            return Err(fault.into());
        }
    }
    // What stands behind the payload of a CARv2.
    if let Some((mut tail, _)) = framer.into_tail()? {
        io::copy(&mut tail, &mut io::sink()).map_err(|e| Error::io(e, "cannot read"))?;
    }
    let Tally { hasher, bytes } = tally;
    let digest = hasher.finish().map_err(unsupported)?;
    let hash = Multihash::wrap(hash_code::SHA2_256, digest.bytes()).map_err(|e| Error::usage(e.to_string()))?;
    Ok(ArchiveHash { cid: Cid::new_v1(codec::CAR, hash), bytes, blocks })
}

struct Tally {
    hasher: Hasher,
    bytes: u64,
}

/// Hashes what is read through it.
struct Hashing<'t> {
    input: Input,
    tally: &'t mut Tally,
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.input.read(buffer)?;
        self.tally.hasher.update(buffer.get(..got).unwrap_or_default());
        self.tally.bytes = self.tally.bytes.saturating_add(got as u64);
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cid::RawCid;
    use crate::error::Code;
    use crate::ops::testing::{Files, car, cid_of, raw};

    fn hash(bytes: &[u8]) -> Result<ArchiveHash> {
        let files = Files::new();
        archive_hash(Input::open(&files.write("x.car", bytes), &Control::default())?, &Control::default())
    }

    #[test]
    fn names_every_byte_of_the_file() {
        let one = raw(b"one");
        let v1 = car(&[one.0], &[&one, &raw(b"two")]);
        let expected = ArchiveHash { cid: cid_of(codec::CAR, &v1), bytes: v1.len() as u64, blocks: 2 };
        assert_eq!(hash(&v1).unwrap(), expected);
        let header = crate::format::Carv2Header {
            characteristics: [0; 16],
            data_offset: 60,
            data_size: v1.len() as u64,
            index_offset: 60 + v1.len() as u64,
        };
        let v2 = [&crate::format::carv2::PRAGMA[..], &header.encode(), &[0; 9], &v1, &[0x81, 8, 0, 0, 0, 0]].concat();
        assert_eq!(hash(&v2).unwrap().cid, cid_of(codec::CAR, &v2));
        assert_eq!(hash(&v2).unwrap().bytes, v2.len() as u64);
        let bytes = expected.cid.to_bytes();
        assert!(RawCid::parse(&bytes).is_ok_and(|cid| cid.codec() == 0x0202));
    }

    #[test]
    fn what_is_no_archive_has_no_name() {
        let v1 = car(&[], &[&raw(b"one")]);
        assert_eq!(hash(&v1[..v1.len() - 1]).unwrap_err().code(), Some(Code::Truncated));
        assert_eq!(hash(b"<html></html>").unwrap_err().code(), Some(Code::NotACar));
    }
}
