//! Fingerprints of multihashes under a key made for this run.
//!
//! An archive chooses its CIDs, so it could choose them to collide in any table whose hash it knows. The key is not
//! known to it; 128 bits leave a chance of about 1e-23 for one collision among 77 million honest blocks.

use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::{BuildHasher, Hasher, RandomState};

/// The fingerprint of one multihash. CIDs that differ only in version or codec have the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub [u64; 2]);

impl Key {
    /// The half that tables hash by.
    pub fn tag(self) -> u64 {
        self.0[0]
    }
}

/// Makes [`Key`]s, all under one random key.
#[derive(Debug, Clone, Copy)]
pub struct Keyer {
    seed: (u64, u64),
}

impl Keyer {
    /// With a fresh random key.
    pub fn new() -> Keyer {
        let random = || RandomState::new().build_hasher().finish();
        Keyer { seed: (random(), random()) }
    }

    /// The fingerprint of a multihash.
    #[inline]
    pub fn key(&self, hash_code: u64, digest: &[u8]) -> Key {
        let hasher = SipHasher13::new_with_keys(self.seed.0, self.seed.1);
        let hash = match <&[u8; 32]>::try_from(digest) {
            // The usual length in one piece: half the time of two.
            Ok(digest) => {
                let mut bytes = [0; 40];
                bytes[..8].copy_from_slice(&hash_code.to_le_bytes());
                bytes[8..].copy_from_slice(digest);
                hasher.hash(&bytes)
            }
            Err(_) => {
                let mut hasher = hasher;
                hasher.write(&hash_code.to_le_bytes());
                hasher.write(digest);
                hasher.finish128()
            }
        };
        Key([hash.h1, hash.h2])
    }

    /// The fingerprint of any bytes, apart from those of multihashes.
    #[inline]
    pub fn bytes(&self, bytes: &[u8]) -> Key {
        self.key(u64::MAX, bytes)
    }
}

impl Default for Keyer {
    fn default() -> Keyer {
        Keyer::new()
    }
}
