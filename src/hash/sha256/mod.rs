//! SHA2-256 of many messages at once.
//!
//! An archive is a heap of independent messages, and one stream of SHA2-256 leaves most of a processor idle: every round waits
//! for the one before it. The kernels here hash several messages side by side on one core. All of them give what the `sha2`
//! crate gives, which is also what runs where there is no kernel.

#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod constants;
mod lanes;
#[cfg(target_arch = "x86_64")]
mod sha_ni;
#[cfg(test)]
mod tests;

use lanes::Lane;
use sha2::Digest;
use std::cmp::Reverse;
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
}

/// What [`Kernel::choose`] was told.
static CHOSEN: OnceLock<Kernel> = OnceLock::new();

impl Kernel {
    /// Every kernel that is compiled in, the slowest first.
    pub const ALL: [Kernel; 4] = [Kernel::Scalar, Kernel::Ni2, Kernel::Ni3, Kernel::Avx512];

    /// Whether this machine can run it.
    pub fn is_available(self) -> bool {
        match self {
            Kernel::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Kernel::Ni2 | Kernel::Ni3 => sha_ni::ShaNi::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => sha_ni::ShaNi::detect().is_some() && avx512::Avx512::detect().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
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
    #[cfg(target_arch = "x86_64")]
    if kernel != Kernel::Scalar
        && let Some(sha_ni) = sha_ni::ShaNi::detect()
    {
        // When too few messages are left for all lanes, those go on in fewer lanes.
        if let Some(avx512) = avx512::Avx512::detect().filter(|_| kernel == Kernel::Avx512) {
            let left = avx512.run(&longest_first(messages), &mut done);
            let left = lanes::run::<3>(&sha_ni, &mut left.into_iter(), &mut done);
            let left = lanes::run::<2>(&sha_ni, &mut left.into_iter().flatten(), &mut done);
            lanes::run::<1>(&sha_ni, &mut left.into_iter().flatten(), &mut done);
            return;
        }
        let mut lanes = messages.map(|(id, message)| Lane::new(id, message));
        let left = if kernel == Kernel::Ni2 { [None; 3] } else { lanes::run::<3>(&sha_ni, &mut lanes, &mut done) };
        let left = lanes::run::<2>(&sha_ni, &mut left.into_iter().flatten().chain(lanes), &mut done);
        lanes::run::<1>(&sha_ni, &mut left.into_iter().flatten(), &mut done);
        return;
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
    sorted[..long_count].sort_unstable_by_key(|(_, message)| Reverse(message.len()));
    sorted
}
