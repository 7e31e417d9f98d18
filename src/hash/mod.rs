//! Multihash functions: does a block hash to its CID?
//!
//! There are three answers and they never mix (multiformats multihash; boxo's `verifcid` for what is safe to trust):
//! [`Outcome::Verified`], [`Outcome::Mismatch`] and [`Outcome::Unverifiable`]. "Could not check" is never "fine".
//!
//! A digest may be a truncated one: the first bytes of the function's output, at least [`DIGEST_LEN_MIN`] of them.

mod function;
mod sha256;

use crate::cid::{DIGEST_LEN_MAX, hash_code};
use crate::format::SectionRef;
use function::{Function, Run};
pub use sha256::{Kernel, KernelError};
use std::fmt;

/// The shortest digest that proves anything, in bytes: 160 bits, boxo's bound. Identity digests have none.
pub const DIGEST_LEN_MIN: usize = 20;

/// What comparing bytes with a multihash says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The bytes hash to the digest.
    Verified,
    /// They do not.
    Mismatch,
    /// Nobody can say, for this reason.
    Unverifiable(Why),
}

/// Why a multihash cannot be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// A hash function that is not implemented here.
    Unknown,
    /// A function for which anyone can make other bytes with the same digest.
    Insecure,
    /// Fewer than [`DIGEST_LEN_MIN`] bytes, which other bytes can be found for.
    DigestTooShort,
    /// More bytes than a CID carries here ([`DIGEST_LEN_MAX`]), from a function that has no output length of its own; for a
    /// digest to be made, more than the function gives.
    DigestTooLong,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Unknown => f.write_str("the hash function is not implemented"),
            Why::Insecure => f.write_str("the hash function is not collision-resistant"),
            Why::DigestTooShort => write!(f, "the digest is shorter than {DIGEST_LEN_MIN} bytes"),
            Why::DigestTooLong => f.write_str("the digest is longer than the hash function or a CID allows"),
        }
    }
}

/// One question of a batch: do these bytes hash to this digest?
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The multicodec code of the hash function.
    pub hash_code: u64,
    /// The claimed digest, perhaps truncated.
    pub digest: &'a [u8],
    /// The bytes.
    pub data: &'a [u8],
}

impl<'a> Job<'a> {
    /// Does the section hold what its CID says?
    pub fn of(section: &SectionRef<'a>) -> Job<'a> {
        Job { hash_code: section.cid.hash_code(), digest: section.cid.digest(), data: section.data }
    }
}

/// Whether `data` hashes to `digest`. Allocates nothing.
///
/// A digest longer than the function's output is a mismatch: no bytes give it.
///
/// ```
/// use cartool::hash::{Outcome, Why, check};
/// assert_eq!(check(0x00, b"abc", b"abc"), Outcome::Verified);
/// assert_eq!(check(0xd5, &[0; 16], b"abc"), Outcome::Unverifiable(Why::Insecure));
/// ```
#[inline]
pub fn check(hash_code: u64, digest: &[u8], data: &[u8]) -> Outcome {
    let function = match Function::from_code(hash_code) {
        Ok(function) => function,
        Err(why) => return Outcome::Unverifiable(why),
    };
    match function.admit(digest.len()) {
        Err(outcome) => outcome,
        Ok(()) if function == Function::Identity => Outcome::of(digest == data),
        Ok(()) => {
            let mut actual = Digest::zeroed(digest.len());
            function.hash_into(data, actual.bytes_mut());
            Outcome::of(actual.bytes() == digest)
        }
    }
}

/// Answers each of `jobs` as [`check`] does. `outcomes` is cleared and then holds one outcome a job, in the order of the jobs.
///
/// Messages of SHA2-256 are hashed several at a time ([`Kernel`]), so that many jobs take less time than one after the other.
/// A caller that keeps `outcomes` between batches allocates nothing a block.
pub fn check_many(jobs: &[Job<'_>], outcomes: &mut Vec<Outcome>) {
    let is_sha256 = |job: &Job<'_>| job.hash_code == hash_code::SHA2_256 && (DIGEST_LEN_MIN..=32).contains(&job.digest.len());
    outcomes.clear();
    outcomes.extend(jobs.iter().map(|job| match is_sha256(job) {
        true => Outcome::Mismatch,
        false => check(job.hash_code, job.digest, job.data),
    }));
    let messages = jobs.iter().enumerate().filter(|(_, job)| is_sha256(job)).map(|(i, job)| (i, job.data));
    sha256::digest_many(Kernel::current(), messages, |i, actual| {
        if let (Some(job), Some(outcome)) = (jobs.get(i), outcomes.get_mut(i)) {
            *outcome = Outcome::of(actual.get(..job.digest.len()) == Some(job.digest));
        }
    });
}

/// The SHA2-256 of each of `messages`, several at a time ([`Kernel`]). `digests` is cleared and then holds one a message, in the
/// order of the messages.
///
/// ```
/// use cartool::hash::sha256_many;
/// let mut digests = Vec::new();
/// sha256_many(&[b"abc", b""], &mut digests);
/// assert_eq!(digests[0][..4], [0xba, 0x78, 0x16, 0xbf]);
/// assert_eq!(digests[1][..4], [0xe3, 0xb0, 0xc4, 0x42]);
/// ```
pub fn sha256_many(messages: &[&[u8]], digests: &mut Vec<[u8; 32]>) {
    sha256_many_with(Kernel::current(), messages, digests);
}

/// As [`sha256_many`], by a kernel of the caller's choice whatever the process uses, so that kernels can be compared. One that this
/// machine does not have ([`Kernel::is_available`]) is replaced by one that it has: the digests are the same.
///
/// ```
/// use cartool::hash::{Kernel, sha256_many, sha256_many_with};
/// let (mut usual, mut scalar) = (Vec::new(), Vec::new());
/// sha256_many(&[b"abc"], &mut usual);
/// sha256_many_with(Kernel::Scalar, &[b"abc"], &mut scalar);
/// assert_eq!(usual, scalar);
/// ```
pub fn sha256_many_with(kernel: Kernel, messages: &[&[u8]], digests: &mut Vec<[u8; 32]>) {
    digests.clear();
    digests.resize(messages.len(), [0; 32]);
    sha256::digest_many(kernel, messages.iter().copied().enumerate(), |i, actual| {
        digests.get_mut(i).into_iter().for_each(|digest| *digest = actual);
    });
}

/// The digest of `data`, cut to `len` bytes. For the identity function it is `data` itself, whatever `len` says.
///
/// # Errors
/// [`Why`] no digest of that function and length is made: one that [`check`] would not call verified.
pub fn digest(hash_code: u64, data: &[u8], len: usize) -> Result<Digest, Why> {
    let function = Function::from_code(hash_code)?;
    let len = if function == Function::Identity { data.len() } else { len };
    function.admit(len).map_err(Outcome::why_no_digest)?;
    let mut digest = Digest::zeroed(len);
    function.hash_into(data, digest.bytes_mut());
    Ok(digest)
}

/// The digest of each of `messages`, cut to `len` bytes and in their order; SHA2-256 as in [`sha256_many`].
///
/// # Errors
/// As [`digest`].
pub fn digest_many(hash_code: u64, messages: &[&[u8]], len: usize) -> Result<Vec<Digest>, Why> {
    if hash_code != hash_code::SHA2_256 {
        return messages.iter().map(|message| digest(hash_code, message, len)).collect();
    }
    Function::from_code(hash_code)?.admit(len).map_err(Outcome::why_no_digest)?;
    let mut digests = Vec::new();
    sha256_many(messages, &mut digests);
    let cut = |full: [u8; 32]| {
        let mut digest = Digest::zeroed(len);
        digest.bytes_mut().iter_mut().zip(full).for_each(|(to, from)| *to = from);
        digest
    };
    Ok(digests.into_iter().map(cut).collect())
}

/// What computes SHA2-256 on this machine, in a few words.
pub fn sha256_kernel() -> &'static str {
    match Kernel::current() {
        Kernel::Ni2 => "ni2 (SHA-NI, two messages at once)",
        Kernel::Ni3 => "ni3 (SHA-NI, three messages at once)",
        Kernel::Avx512 => "avx512 (AVX-512, sixteen messages at once)",
        Kernel::Arm3 => "arm3 (Arm SHA2, three messages at once)",
        Kernel::Scalar => "scalar (the sha2 crate)",
    }
}

/// Whether this is a function that is checked here and that other implementations refuse by default: it is on our list and
/// not on boxo's `verifcid` allowlist.
pub fn is_unusual(hash_code: u64) -> bool {
    Function::from_code(hash_code).is_ok_and(Function::is_unusual)
}

impl Outcome {
    fn of(equal: bool) -> Outcome {
        if equal { Outcome::Verified } else { Outcome::Mismatch }
    }

    /// Why a digest cannot be made, when comparing with one of its length has this outcome: a mismatch by length alone.
    fn why_no_digest(self) -> Why {
        match self {
            Outcome::Unverifiable(why) => why,
            Outcome::Verified | Outcome::Mismatch => Why::DigestTooLong,
        }
    }
}

/// A digest of at most [`DIGEST_LEN_MAX`] bytes.
#[derive(Clone, Copy)]
pub struct Digest {
    bytes: [u8; DIGEST_LEN_MAX],
    len: u8,
}

impl Digest {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    fn zeroed(len: usize) -> Digest {
        Digest { bytes: [0; DIGEST_LEN_MAX], len: len.min(DIGEST_LEN_MAX) as u8 }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..usize::from(self.len)).unwrap_or_default()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(")?;
        self.bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// Hashes bytes that arrive in pieces: blocks too long to hold, and whole files.
///
/// ```
/// use cartool::hash::{Hasher, Outcome, digest};
/// let claimed = digest(0x12, b"hello world", 32)?;
/// let mut hasher = Hasher::new(0x12, 32)?;
/// hasher.update(b"hello ");
/// hasher.update(b"world");
/// assert_eq!(hasher.finish_matches(claimed.bytes()), Outcome::Verified);
/// # Ok::<(), cartool::hash::Why>(())
/// ```
pub struct Hasher {
    function: Function,
    digest_len: usize,
    /// How many bytes came; the identity function keeps only the first of them.
    fed: u64,
    runner: Box<dyn Run + Send>,
}

impl Hasher {
    /// A hasher for digests of `digest_len` bytes (not used for the identity function).
    ///
    /// # Errors
    /// [`Why`] no bytes could ever be verified with this function and length. A length above the function's output is none of
    /// these reasons: such a digest is there to be a mismatch.
    pub fn new(hash_code: u64, digest_len: usize) -> Result<Hasher, Why> {
        let function = Function::from_code(hash_code)?;
        let digest_len = if function == Function::Identity { 0 } else { digest_len };
        match function.admit(digest_len) {
            Err(Outcome::Unverifiable(why)) => Err(why),
            _ => Ok(Hasher { function, digest_len, fed: 0, runner: function.runner() }),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        self.fed = self.fed.saturating_add(data.len() as u64);
        self.runner.absorb(data);
    }

    /// Whether the bytes hash to `digest`, with the same answers as [`check`].
    pub fn finish_matches(mut self, digest: &[u8]) -> Outcome {
        if let Err(outcome) = self.function.admit(digest.len()) {
            return outcome;
        }
        if self.function == Function::Identity && self.fed != digest.len() as u64 {
            return Outcome::Mismatch;
        }
        let mut actual = Digest::zeroed(digest.len());
        self.runner.squeeze(actual.bytes_mut());
        Outcome::of(actual.bytes() == digest)
    }

    /// The digest of the bytes, as long as [`Hasher::new`] was told; for the identity function the bytes themselves.
    ///
    /// # Errors
    /// [`Why::DigestTooLong`] when the function does not give that many bytes, or an identity digest would not fit into a CID.
    pub fn finish(mut self) -> Result<Digest, Why> {
        let len = match self.function {
            Function::Identity => usize::try_from(self.fed).unwrap_or(usize::MAX),
            _ => self.digest_len,
        };
        self.function.admit(len).map_err(Outcome::why_no_digest)?;
        let mut digest = Digest::zeroed(len);
        self.runner.squeeze(digest.bytes_mut());
        Ok(digest)
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("function", &self.function).field("digest_len", &self.digest_len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
