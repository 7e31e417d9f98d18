//! Chunks by Rabin fingerprints, with the polynomial, window and start that kubo uses.
//!
//! A fingerprint is the polynomial over GF(2) whose coefficients are the bits of the last 16 bytes, modulo a fixed irreducible
//! polynomial of degree 53. A chunk ends behind a byte where its low bits are all zero.

/// Bytes that a fingerprint covers.
pub(super) const WINDOW_LEN: usize = 16;

/// `boxo/chunker`'s polynomial, x^53 + …; bit n is the coefficient of x^n.
const POLYNOMIAL: u64 = 17_437_180_132_763_653;
const DEGREE: u32 = POLYNOMIAL.ilog2();

static TABLES: Tables = Tables::new();

/// What a byte adds to a fingerprint when it stands in front of the window, and what the eight bits above the degree leave.
struct Tables {
    leaving: [u64; 256],
    overflow: [u64; 256],
}

impl Tables {
    // Runs when the program is compiled: it can neither index out of bounds nor overflow in a way that would go unseen.
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
    const fn new() -> Tables {
        let mut tables = Tables { leaving: [0; 256], overflow: [0; 256] };
        let mut byte = 0;
        while byte < 256 {
            let mut fingerprint = reduce(byte as u64);
            let mut zeros = 1;
            while zeros < WINDOW_LEN {
                fingerprint = reduce(fingerprint << 8);
                zeros += 1;
            }
            tables.leaving[byte] = fingerprint;
            let above = (byte as u64) << DEGREE;
            tables.overflow[byte] = reduce(above) | above;
            byte += 1;
        }
        tables
    }
}

/// The remainder modulo the polynomial.
#[allow(clippy::arithmetic_side_effects)]
const fn reduce(mut value: u64) -> u64 {
    while value >= 1 << DEGREE {
        value ^= POLYNOMIAL << (value.ilog2() - DEGREE);
    }
    value
}

/// The fingerprint with one more byte behind.
#[inline(always)]
fn append(fingerprint: u64, byte: u8) -> u64 {
    let above = (fingerprint >> (DEGREE.wrapping_sub(8))) as u8;
    let overflow = TABLES.overflow.get(usize::from(above)).copied().unwrap_or_default();
    (fingerprint << 8 | u64::from(byte)) ^ overflow
}

#[inline(always)]
fn without(fingerprint: u64, byte: u8) -> u64 {
    fingerprint ^ TABLES.leaving.get(usize::from(byte)).copied().unwrap_or_default()
}

/// The length of the first chunk of `data`.
pub(super) fn cut(data: &[u8], min: usize, average: usize, max: usize) -> usize {
    let data = data.get(..max).unwrap_or(data);
    let mask = 1u64.checked_shl(average.max(1).ilog2()).unwrap_or_default().wrapping_sub(1);
    // The window starts fifteen zeros and a one, as it does in the original; it is filled from 16 bytes before the shortest chunk.
    let start = min.saturating_sub(WINDOW_LEN);
    let Some((first, rest)) = data.get(start..).and_then(|window| window.split_first_chunk::<WINDOW_LEN>()) else {
        return data.len();
    };
    let mut fingerprint = append(0, 1);
    let (last, before) = (first.last().copied().unwrap_or_default(), first.iter().take(WINDOW_LEN.saturating_sub(1)));
    for byte in before {
        fingerprint = append(fingerprint, *byte);
    }
    fingerprint = append(without(fingerprint, 1), last);
    if fingerprint & mask == 0 {
        return min;
    }
    for (i, (entering, leaving)) in rest.iter().zip(first.iter().chain(rest)).enumerate() {
        fingerprint = append(without(fingerprint, *leaving), *entering);
        if fingerprint & mask == 0 {
            return min.saturating_add(i).saturating_add(1);
        }
    }
    data.len()
}
