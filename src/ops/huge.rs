//! Proves a section that is too long to hold, from the pieces it comes in.

use super::pipeline::Pieces;
use crate::block::VerifyError;
use crate::cid::RawCid;
use crate::error::{Finding, Result};
use crate::format::Huge;
use crate::hash::{Hasher, Outcome};

/// What the pieces gave.
pub(crate) enum Proof {
    /// They match the CID.
    Sound,
    /// They do not, or that cannot be said.
    Unsound(Outcome, Finding),
    /// The file ends inside them.
    Cut(Finding),
}

/// Hashes all pieces, each handed to `on_piece` as well.
///
/// # Errors
/// A failed read, a request to stop, or what `on_piece` returns.
pub(crate) fn prove(
    huge: &Huge,
    cid: RawCid<'_>,
    pieces: &mut Pieces<'_>,
    on_piece: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<Proof> {
    let (hash_code, expected) = (cid.hash_code(), cid.digest());
    let mut hasher = Hasher::new(hash_code, expected.len());
    let cut = pieces(&mut |piece| {
        hasher.iter_mut().for_each(|hasher| hasher.update(piece));
        on_piece(piece)
    })?;
    if let Some(cut) = cut {
        return Ok(Proof::Cut(cut.cid(cid.to_cid())));
    }
    let error = match hasher.and_then(Hasher::finish) {
        Ok(actual) if actual.bytes() == expected => return Ok(Proof::Sound),
        Ok(actual) => {
            let (expected, actual) = (expected.to_vec(), actual.bytes().to_vec());
            (Outcome::Mismatch, VerifyError::DigestMismatch { hash_code, expected, actual })
        }
        Err(why) => (Outcome::Unverifiable(why), VerifyError::UnsupportedHash { hash_code, why }),
    };
    let (outcome, error) = error;
    let message = format!("a block of {} bytes: {error}", huge.data_len);
    Ok(Proof::Unsound(outcome, Finding::new(error.code(), message).at(huge.at).cid(cid.to_cid())))
}
