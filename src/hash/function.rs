//! The table of hash functions: a code, an output length, an implementation.

use super::{DIGEST_LEN_MIN, Outcome, Why};
use crate::cid::{DIGEST_LEN_MAX, hash_code};
use sha2::digest::{Digest, ExtendableOutputReset, FixedOutputReset, Update};

/// A hash function that can be computed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Identity,
    Sha1,
    Sha2_224,
    Sha2_256,
    Sha2_384,
    Sha2_512,
    Sha2_512_224,
    Sha2_512_256,
    DoubleSha2_256,
    Sha3_224,
    Sha3_256,
    Sha3_384,
    Sha3_512,
    Shake128,
    Shake256,
    Keccak224,
    Keccak256,
    Keccak384,
    Keccak512,
    /// With the output length in bytes, at least [`DIGEST_LEN_MIN`]: it is a parameter of the function, not a truncation.
    Blake2b(u8),
    /// As [`Function::Blake2b`].
    Blake2s(u8),
    Blake3,
}

/// Evaluates `$body` with a fresh state of `$function` in `$state`: the one place that ties a function to its implementation.
macro_rules! with_state {
    ($function:expr, $state:ident => $body:expr) => {
        match $function {
            Function::Identity => {
                let $state = Identity::default();
                $body
            }
            Function::Sha1 => {
                let $state = Fixed::<sha1::Sha1>::default();
                $body
            }
            Function::Sha2_224 => {
                let $state = Fixed::<sha2::Sha224>::default();
                $body
            }
            Function::Sha2_256 => {
                let $state = Fixed::<sha2::Sha256>::default();
                $body
            }
            Function::Sha2_384 => {
                let $state = Fixed::<sha2::Sha384>::default();
                $body
            }
            Function::Sha2_512 => {
                let $state = Fixed::<sha2::Sha512>::default();
                $body
            }
            Function::Sha2_512_224 => {
                let $state = Fixed::<sha2::Sha512_224>::default();
                $body
            }
            Function::Sha2_512_256 => {
                let $state = Fixed::<sha2::Sha512_256>::default();
                $body
            }
            Function::DoubleSha2_256 => {
                let $state = DoubleSha256::default();
                $body
            }
            Function::Sha3_224 => {
                let $state = Fixed::<sha3::Sha3_224>::default();
                $body
            }
            Function::Sha3_256 => {
                let $state = Fixed::<sha3::Sha3_256>::default();
                $body
            }
            Function::Sha3_384 => {
                let $state = Fixed::<sha3::Sha3_384>::default();
                $body
            }
            Function::Sha3_512 => {
                let $state = Fixed::<sha3::Sha3_512>::default();
                $body
            }
            Function::Shake128 => {
                let $state = Extendable::<shake::Shake128>::default();
                $body
            }
            Function::Shake256 => {
                let $state = Extendable::<shake::Shake256>::default();
                $body
            }
            Function::Keccak224 => {
                let $state = Fixed::<sha3::Keccak224>::default();
                $body
            }
            Function::Keccak256 => {
                let $state = Fixed::<sha3::Keccak256>::default();
                $body
            }
            Function::Keccak384 => {
                let $state = Fixed::<sha3::Keccak384>::default();
                $body
            }
            Function::Keccak512 => {
                let $state = Fixed::<sha3::Keccak512>::default();
                $body
            }
            Function::Blake2b(len) => {
                let $state = blake2b_simd::Params::new().hash_length(usize::from(len)).to_state();
                $body
            }
            Function::Blake2s(len) => {
                let $state = blake2s_simd::Params::new().hash_length(usize::from(len)).to_state();
                $body
            }
            Function::Blake3 => {
                let $state = blake3::Hasher::new();
                $body
            }
        }
    };
}

impl Function {
    /// The function of a multicodec code.
    pub(super) fn from_code(code: u64) -> Result<Function, Why> {
        Ok(match code {
            hash_code::IDENTITY => Function::Identity,
            0x11 => Function::Sha1,
            hash_code::SHA2_256 => Function::Sha2_256,
            0x13 => Function::Sha2_512,
            0x14 => Function::Sha3_512,
            0x15 => Function::Sha3_384,
            0x16 => Function::Sha3_256,
            0x17 => Function::Sha3_224,
            0x18 => Function::Shake128,
            0x19 => Function::Shake256,
            0x1a => Function::Keccak224,
            0x1b => Function::Keccak256,
            0x1c => Function::Keccak384,
            0x1d => Function::Keccak512,
            0x1e => Function::Blake3,
            0x20 => Function::Sha2_384,
            0x56 => Function::DoubleSha2_256,
            0x1013 => Function::Sha2_224,
            0x1014 => Function::Sha2_512_224,
            0x1015 => Function::Sha2_512_256,
            0xb201..=0xb240 => Function::Blake2b(blake2_len(code, 0xb200)?),
            0xb241..=0xb260 => Function::Blake2s(blake2_len(code, 0xb240)?),
            // MurmurHash3 in its three forms, MD5, CRC-32.
            hash_code::MURMUR3_X64_64 | 0x23 | 0x1022 | 0xd5 | 0x0132 => return Err(Why::Insecure),
            _ => return Err(Why::Unknown),
        })
    }

    /// How many bytes the function gives; for those without an output length of their own, how many a CID may hold.
    pub(super) fn output_len(self) -> usize {
        match self {
            Function::Sha1 => 20,
            Function::Sha2_224 | Function::Sha2_512_224 | Function::Sha3_224 | Function::Keccak224 => 28,
            Function::Sha2_256 | Function::Sha2_512_256 | Function::DoubleSha2_256 => 32,
            Function::Sha3_256 | Function::Keccak256 => 32,
            Function::Sha2_384 | Function::Sha3_384 | Function::Keccak384 => 48,
            Function::Sha2_512 | Function::Sha3_512 | Function::Keccak512 => 64,
            Function::Blake2b(len) | Function::Blake2s(len) => usize::from(len),
            Function::Identity | Function::Shake128 | Function::Shake256 | Function::Blake3 => DIGEST_LEN_MAX,
        }
    }

    /// Whether comparing with a digest of this length proves anything; otherwise the outcome is known without hashing.
    pub(super) fn admit(self, digest_len: usize) -> Result<(), Outcome> {
        if digest_len < DIGEST_LEN_MIN && self != Function::Identity {
            Err(Outcome::Unverifiable(Why::DigestTooShort))
        } else if digest_len <= self.output_len() {
            Ok(())
        } else if matches!(self, Function::Identity | Function::Shake128 | Function::Shake256 | Function::Blake3) {
            Err(Outcome::Unverifiable(Why::DigestTooLong))
        } else {
            Err(Outcome::Mismatch)
        }
    }

    /// Whether boxo's `verifcid` leaves the function out of its allowlist.
    pub(super) fn is_unusual(self) -> bool {
        matches!(
            self,
            Function::Sha2_224 | Function::Sha2_384 | Function::Sha2_512_224 | Function::Sha2_512_256 | Function::Shake128
        )
    }

    /// Fills `out` with the first bytes of the output for `data`.
    pub(super) fn hash_into(self, data: &[u8], out: &mut [u8]) {
        fn once(mut state: impl Run, data: &[u8], out: &mut [u8]) {
            state.absorb(data);
            state.squeeze(out);
        }
        with_state!(self, state => once(state, data, out))
    }

    /// A state to be fed in pieces.
    pub(super) fn runner(self) -> Box<dyn Run + Send> {
        with_state!(self, state => Box::new(state))
    }
}

/// The output length of a BLAKE2 code: they count up from `base` in bytes.
fn blake2_len(code: u64, base: u64) -> Result<u8, Why> {
    match u8::try_from(code.saturating_sub(base)) {
        Ok(len) if usize::from(len) >= DIGEST_LEN_MIN => Ok(len),
        _ => Err(Why::DigestTooShort),
    }
}

/// A function at work.
pub(super) trait Run {
    /// Takes the next bytes.
    fn absorb(&mut self, data: &[u8]);
    /// Writes the first bytes of the output; the state is of no use afterwards. `out` is no longer than the output.
    fn squeeze(&mut self, out: &mut [u8]);
}

/// A function of fixed output length.
#[derive(Default)]
struct Fixed<D>(D);

impl<D: Digest + FixedOutputReset> Run for Fixed<D> {
    fn absorb(&mut self, data: &[u8]) {
        Digest::update(&mut self.0, data);
    }

    fn squeeze(&mut self, out: &mut [u8]) {
        copy_prefix(&self.0.finalize_fixed_reset(), out);
    }
}

/// A function that gives as many bytes as are asked for.
#[derive(Default)]
struct Extendable<X>(X);

impl<X: Update + ExtendableOutputReset> Run for Extendable<X> {
    fn absorb(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn squeeze(&mut self, out: &mut [u8]) {
        self.0.finalize_xof_reset_into(out);
    }
}

/// SHA2-256 of the SHA2-256, as Bitcoin has it.
#[derive(Default)]
struct DoubleSha256(sha2::Sha256);

impl Run for DoubleSha256 {
    fn absorb(&mut self, data: &[u8]) {
        Digest::update(&mut self.0, data);
    }

    fn squeeze(&mut self, out: &mut [u8]) {
        copy_prefix(&sha2::Sha256::digest(self.0.finalize_fixed_reset()), out);
    }
}

impl Run for blake2b_simd::State {
    fn absorb(&mut self, data: &[u8]) {
        self.update(data);
    }

    fn squeeze(&mut self, out: &mut [u8]) {
        copy_prefix(self.finalize().as_bytes(), out);
    }
}

impl Run for blake2s_simd::State {
    fn absorb(&mut self, data: &[u8]) {
        self.update(data);
    }

    fn squeeze(&mut self, out: &mut [u8]) {
        copy_prefix(self.finalize().as_bytes(), out);
    }
}

impl Run for blake3::Hasher {
    fn absorb(&mut self, data: &[u8]) {
        self.update(data);
    }

    fn squeeze(&mut self, out: &mut [u8]) {
        self.finalize_xof().fill(out);
    }
}

/// Keeps the first bytes, as many as a digest may have. Who uses it counts the bytes.
struct Identity {
    kept: [u8; DIGEST_LEN_MAX],
    len: usize,
}

impl Default for Identity {
    fn default() -> Identity {
        Identity { kept: [0; DIGEST_LEN_MAX], len: 0 }
    }
}

impl Run for Identity {
    fn absorb(&mut self, data: &[u8]) {
        copy_prefix(data, self.kept.get_mut(self.len..).unwrap_or_default());
        self.len = self.len.saturating_add(data.len()).min(DIGEST_LEN_MAX);
    }

    fn squeeze(&mut self, out: &mut [u8]) {
        copy_prefix(&self.kept, out);
    }
}

/// Copies as many bytes as both have.
fn copy_prefix(from: &[u8], to: &mut [u8]) {
    let len = from.len().min(to.len());
    if let (Some(from), Some(to)) = (from.get(..len), to.get_mut(..len)) {
        to.copy_from_slice(from);
    }
}
