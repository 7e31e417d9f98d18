//! SHA2-256 of many messages at once.
//!
//! An archive is a heap of independent messages, and one stream of SHA2-256 leaves most of a processor idle: every round waits
//! for the one before it. The kernels here hash several messages side by side on one core. All of them give what the `sha2`
//! crate gives, which is also what runs where there is no kernel.

#[cfg(target_arch = "aarch64")]
mod arm;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod constants;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod lanes;
#[cfg(target_arch = "x86_64")]
mod sha_ni;
#[cfg(test)]
mod tests;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use lanes::Lane;
use sha2::Digest;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// A way to compute SHA2-256 of many messages on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kernel {
    /// The `sha2` crate, one message after the other. There on every machine.
    Scalar,
    /// The SHA extensions of x86-64, two messages side by side.
    Ni2,
    /// The same with three.
    Ni3,
    /// AVX-512, sixteen side by side; the last few of a batch as [`Kernel::Ni3`].
    Avx512,
    /// The SHA2 extension of 64-bit Arm, three messages side by side.
    Arm3,
}

/// What [`Kernel::choose`] was told.
static CHOSEN: OnceLock<Kernel> = OnceLock::new();

impl Kernel {
    /// Every kernel of every processor; of those that one machine can run, the slowest first.
    pub const ALL: [Kernel; 5] = [Kernel::Scalar, Kernel::Ni2, Kernel::Ni3, Kernel::Avx512, Kernel::Arm3];

    /// Whether this machine can run it.
    pub fn is_available(self) -> bool {
        match self {
            Kernel::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Kernel::Ni2 | Kernel::Ni3 => sha_ni::ShaNi::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => sha_ni::ShaNi::detect().is_some() && avx512::Avx512::detect().is_some(),
            #[cfg(target_arch = "aarch64")]
            Kernel::Arm3 => arm::ArmSha2::detect().is_some(),
            _ => false,
        }
    }

    /// The kernel that this process uses: the one that was chosen, or the fastest available.
    pub fn current() -> Kernel {
        *CHOSEN.get_or_init(|| Kernel::ALL.into_iter().rev().find(|kernel| kernel.is_available()).unwrap_or(Kernel::Scalar))
    }

    /// Makes this the kernel of the process. It changes the speed of everything and the result of nothing.
    ///
    /// # Errors
    /// [`KernelError`] when this machine does not have it, or something was hashed already by another.
    pub fn choose(self) -> Result<(), KernelError> {
        if !self.is_available() {
            return Err(KernelError::Unavailable(self));
        }
        match *CHOSEN.get_or_init(|| self) {
            kernel if kernel == self => Ok(()),
            kernel => Err(KernelError::InUse(kernel)),
        }
    }

    /// The name that [`Kernel::from_str`] takes.
    pub fn as_str(self) -> &'static str {
        match self {
            Kernel::Scalar => "scalar",
            Kernel::Ni2 => "ni2",
            Kernel::Ni3 => "ni3",
            Kernel::Avx512 => "avx512",
            Kernel::Arm3 => "arm3",
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kernel {
    type Err = KernelError;

    fn from_str(name: &str) -> Result<Kernel, KernelError> {
        Kernel::ALL.into_iter().find(|kernel| kernel.as_str() == name).ok_or(KernelError::Unknown)
    }
}

/// Why a kernel cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KernelError {
    /// No kernel has this name.
    Unknown,
    /// This machine cannot run it.
    Unavailable(Kernel),
    /// Another one is in use already.
    InUse(Kernel),
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KernelError::Unknown => {
                f.write_str("no such SHA2-256 kernel, expected auto")?;
                Kernel::ALL.iter().try_for_each(|kernel| write!(f, ", {kernel}"))
            }
            KernelError::Unavailable(kernel) => write!(f, "this processor does not have what the SHA2-256 kernel {kernel} needs"),
            KernelError::InUse(kernel) => write!(f, "the SHA2-256 kernel {kernel} is in use already"),
        }
    }
}

impl std::error::Error for KernelError {}

/// Hashes all `messages`, each with a number of its own; `done` gets number and digest, in no order.
pub(super) fn digest_many<'a>(
    kernel: Kernel,
    messages: impl Iterator<Item = (usize, &'a [u8])>,
    mut done: impl FnMut(usize, [u8; 32]),
) {
    // A processor without the instructions cannot come to this: the kernel was not available then. If it did, `sha2` is right.
    #[cfg(target_arch = "x86_64")]
    if let (Kernel::Ni2 | Kernel::Ni3 | Kernel::Avx512, Some(sha_ni)) = (kernel, sha_ni::ShaNi::detect()) {
        if let Some(avx512) = avx512::Avx512::detect().filter(|_| kernel == Kernel::Avx512) {
            let left = avx512.run(&longest_first(messages), &mut done);
            return lanes::run_three(&sha_ni, &mut left.into_iter(), &mut done);
        }
        let mut lanes = messages.map(|(id, message)| Lane::new(id, message));
        return match kernel {
            Kernel::Ni2 => lanes::run_two(&sha_ni, &mut lanes, &mut done),
            _ => lanes::run_three(&sha_ni, &mut lanes, &mut done),
        };
    }
    #[cfg(target_arch = "aarch64")]
    if let (Kernel::Arm3, Some(sha2)) = (kernel, arm::ArmSha2::detect()) {
        let mut lanes = messages.map(|(id, message)| Lane::new(id, message));
        return lanes::run_three(&sha2, &mut lanes, &mut done);
    }
    messages.for_each(|(id, message)| done(id, sha2::Sha256::digest(message).into()));
}

/// Messages of fewer blocks than this are sorted by counting.
#[cfg(target_arch = "x86_64")]
const COUNTED_MAX: usize = 64;

/// The messages by their length in blocks, the longest first.
#[cfg(target_arch = "x86_64")]
fn longest_first<'a>(messages: impl Iterator<Item = (usize, &'a [u8])>) -> Vec<(usize, &'a [u8])> {
    let unsorted: Vec<(usize, &[u8])> = messages.collect();
    let shortness = |message: &[u8]| COUNTED_MAX - lanes::block_count(message.len()).min(COUNTED_MAX);
    let mut places = [0; COUNTED_MAX + 2];
    for (_, message) in &unsorted {
        places[shortness(message) + 1] += 1;
    }
    let long_count = places[1];
    for i in 1..places.len() {
        places[i] += places[i - 1];
    }
    let mut sorted = vec![(0, &[][..]); unsorted.len()];
    for message in unsorted {
        let place = &mut places[shortness(message.1)];
        sorted[*place] = message;
        *place += 1;
    }
    sorted[..long_count].sort_unstable_by_key(|(_, message)| std::cmp::Reverse(message.len()));
    sorted
}
