//! AVX-512, sixteen messages in a register, two registers side by side: word `i` of sixteen messages in one.
//!
//! There are rotations and three-input logic for sixteen words at once, and 32 registers. One group of sixteen still waits for
//! its own results most of the time, as one message does (an addition takes two cycles on a Zen 5), so two groups go side by
//! side where there are enough messages; what does not fit into registers is read again from the first-level cache.
//!
//! Messages come sorted by length. All lanes start together, and a lane that has ended stands still until the others are done
//! or too few are left: refilling lanes one by one costs more than it saves when the messages are short.

#![allow(unsafe_code)]

use super::constants::K;
use super::lanes::{BLOCK_LEN, Block, INITIAL, Lane, State, block_count, digest};
use std::arch::x86_64::*;

/// Messages in one register.
pub(super) const WIDTH: usize = 16;

/// When fewer lanes than this are at work, three messages at a time by other means are as fast.
const BUSY_MIN: usize = 7;

/// How far ahead of each lane memory is asked for, in bytes: more streams than processors foresee by themselves.
const AHEAD: usize = 256;

/// Proof that this processor has the instructions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx512(());

impl Avx512 {
    pub(super) fn detect() -> Option<Avx512> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")).then_some(Avx512(()))
    }

    /// Hashes messages sorted by length, the longest first. Those that are left when too few lanes are busy come back as
    /// far as they have come; `done` gets the digests of all others.
    pub(super) fn run<'a>(self, messages: &[(usize, &'a [u8])], done: &mut impl FnMut(usize, [u8; 32])) -> Vec<Lane<'a>> {
        let mut left = Vec::new();
        let (pairs, rest) = messages.as_chunks::<{ 2 * WIDTH }>();
        for pair in pairs {
            self.group::<2>(pair, &mut left, done);
        }
        let (groups, rest) = rest.as_chunks::<WIDTH>();
        for group in groups {
            self.group::<1>(group, &mut left, done);
        }
        if rest.len() < BUSY_MIN {
            left.extend(rest.iter().map(|(id, message)| Lane::new(*id, message)));
        } else {
            self.group::<1>(rest, &mut left, done);
        }
        left
    }

    /// Hashes at most `WIDTH * G` messages side by side.
    fn group<'a, const G: usize>(
        self,
        messages: &[(usize, &'a [u8])],
        left: &mut Vec<Lane<'a>>,
        done: &mut impl FnMut(usize, [u8; 32]),
    ) {
        // Lanes without a message of their own repeat the first, so that they end no block early.
        let mut lanes = [[messages.first().map_or(&[][..], |(_, message)| message); WIDTH]; G];
        for (lane, (_, message)) in lanes.as_flattened_mut().iter_mut().zip(messages) {
            *lane = message;
        }
        // Whole messages, as long as enough of them are busy; at least the first block of each.
        let busiest = messages.get(BUSY_MIN - 1).or(messages.last());
        let count = busiest.map_or(0, |(_, message)| block_count(message.len()));
        // SAFETY: an `Avx512` is made only by `detect`, where the processor was seen to have every feature that `hash` names.
        let states = unsafe { hash(&lanes, count) };
        for ((id, message), state) in messages.iter().zip(states.as_flattened()) {
            if block_count(message.len()) <= count {
                done(*id, digest(state));
            } else {
                left.push(Lane::resume(*id, message, *state, count));
            }
        }
    }
}

/// The same word of every lane.
type Word<const G: usize> = [__m512i; G];

/// The state of each lane after the first `count` blocks of its message, or after all of them when it has fewer.
#[target_feature(enable = "avx512f,avx512bw")]
fn hash<const G: usize>(lanes: &[[&[u8]; WIDTH]; G], count: usize) -> [[State; WIDTH]; G] {
    let zero = _mm512_setzero_si512();
    let mut state = [[zero; G]; 8];
    for (word, initial) in state.iter_mut().zip(INITIAL) {
        *word = [_mm512_set1_epi32(initial.cast_signed()); G];
    }
    // First the blocks that need no padding in any lane, then those that every lane has, then those that only some have.
    let plain = lanes.as_flattened().iter().map(|message| message.len() / BLOCK_LEN).min().unwrap_or(0).min(count);
    let common = lanes.as_flattened().iter().map(|message| block_count(message.len())).min().unwrap_or(0).min(count);
    for at in 0..count {
        let mut words = [[zero; 16]; G];
        for (words, lanes) in words.iter_mut().zip(lanes) {
            for (row, message) in words.iter_mut().zip(lanes) {
                *row = if at < plain { load(message, at) } else { load_padded(message, at) };
            }
            transpose(words);
        }
        let before = state;
        compress(&mut state, &words);
        for (word, before) in state.iter_mut().zip(before) {
            for (g, lanes) in lanes.iter().enumerate() {
                word[g] = if at < common {
                    _mm512_add_epi32(word[g], before[g])
                } else {
                    _mm512_mask_add_epi32(before[g], busy(lanes, at), word[g], before[g])
                };
            }
        }
    }
    let mut states = [[[0; 8]; WIDTH]; G];
    for (g, states) in states.iter_mut().enumerate() {
        let mut rows = [zero; 16];
        for (row, word) in rows.iter_mut().zip(state) {
            *row = word[g];
        }
        transpose(&mut rows);
        for (state, row) in states.iter_mut().zip(rows) {
            store(state, row);
        }
    }
    states
}

/// A bit for each lane whose message has block `at`.
fn busy(lanes: &[&[u8]; WIDTH], at: usize) -> u16 {
    lanes.iter().rev().fold(0, |mask, message| mask << 1 | u16::from(at < block_count(message.len())))
}

/// The 64 rounds over one block of each lane; `words[g][i]` is word `i` of group `g`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn compress<const G: usize>(state: &mut [Word<G>; 8], words: &[[__m512i; 16]; G]) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    let mut w = [[_mm512_setzero_si512(); G]; 16];
    for i in 0..16 {
        for g in 0..G {
            w[i][g] = words[g][i];
        }
    }
    // The names of the eight words move on by one place a round instead of the words.
    macro_rules! round {
        ($k:expr, $is_scheduled:expr, $i:expr, $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident) => {
            if $is_scheduled {
                w[$i] = next_word(&w[$i], &w[($i + 1) % 16], &w[($i + 9) % 16], &w[($i + 14) % 16]);
            }
            let constant = [_mm512_set1_epi32($k[$i].cast_signed()); G];
            let sum =
                add(&add(&$h, &add(&w[$i], &constant)), &add(&logic::<0xca, G>(&$e, &$f, &$g), &sigma::<6, 11, 25, G>(&$e)));
            $d = add(&$d, &sum);
            $h = add(&sum, &add(&sigma::<2, 13, 22, G>(&$a), &logic::<0xe8, G>(&$a, &$b, &$c)));
        };
    }
    macro_rules! eight_rounds {
        ($k:expr, $is_scheduled:expr, $i:literal) => {
            round!($k, $is_scheduled, $i, a b c d e f g h);
            round!($k, $is_scheduled, $i + 1, h a b c d e f g);
            round!($k, $is_scheduled, $i + 2, g h a b c d e f);
            round!($k, $is_scheduled, $i + 3, f g h a b c d e);
            round!($k, $is_scheduled, $i + 4, e f g h a b c d);
            round!($k, $is_scheduled, $i + 5, d e f g h a b c);
            round!($k, $is_scheduled, $i + 6, c d e f g h a b);
            round!($k, $is_scheduled, $i + 7, b c d e f g h a);
        };
    }
    let (first, rest) = K.as_flattened().split_at(16);
    eight_rounds!(first, false, 0);
    eight_rounds!(first, false, 8);
    for k in rest.as_chunks::<16>().0 {
        eight_rounds!(k, true, 0);
        eight_rounds!(k, true, 8);
    }
    *state = [a, b, c, d, e, f, g, h];
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn add<const G: usize>(a: &Word<G>, b: &Word<G>) -> Word<G> {
    let mut sum = *a;
    for (sum, b) in sum.iter_mut().zip(b) {
        *sum = _mm512_add_epi32(*sum, *b);
    }
    sum
}

/// A function of three bits on every bit, from its truth table: Ch is 0xca, Maj is 0xe8 (FIPS 180-4, section 4.1.2).
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn logic<const TABLE: i32, const G: usize>(a: &Word<G>, b: &Word<G>, c: &Word<G>) -> Word<G> {
    let mut word = *a;
    for (g, word) in word.iter_mut().enumerate() {
        *word = _mm512_ternarylogic_epi32::<TABLE>(*word, b[g], c[g]);
    }
    word
}

/// Three rotations to the right, xored: Σ0 and Σ1.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn sigma<const X: i32, const Y: i32, const Z: i32, const G: usize>(word: &Word<G>) -> Word<G> {
    let mut sum = *word;
    for word in &mut sum {
        *word = xor3(_mm512_ror_epi32::<X>(*word), _mm512_ror_epi32::<Y>(*word), _mm512_ror_epi32::<Z>(*word));
    }
    sum
}

/// The next word of the schedule from those 16, 15, 7 and 2 places before it (FIPS 180-4, section 6.2.2).
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn next_word<const G: usize>(w16: &Word<G>, w15: &Word<G>, w7: &Word<G>, w2: &Word<G>) -> Word<G> {
    let mut next = *w16;
    for (g, next) in next.iter_mut().enumerate() {
        let sigma0 = xor3(_mm512_ror_epi32::<7>(w15[g]), _mm512_ror_epi32::<18>(w15[g]), _mm512_srli_epi32::<3>(w15[g]));
        let sigma1 = xor3(_mm512_ror_epi32::<17>(w2[g]), _mm512_ror_epi32::<19>(w2[g]), _mm512_srli_epi32::<10>(w2[g]));
        *next = _mm512_add_epi32(_mm512_add_epi32(*next, sigma0), _mm512_add_epi32(w7[g], sigma1));
    }
    next
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn xor3(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0x96>(a, b, c)
}

/// Rows to columns: word `i` of row `j` becomes word `j` of row `i`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transpose(rows: &mut [__m512i; WIDTH]) {
    let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13, r14, r15] = *rows;
    // Four by four inside each quarter of a register, then the quarters themselves.
    let [a0, a1, a2, a3] = transpose_quarters(r0, r1, r2, r3);
    let [b0, b1, b2, b3] = transpose_quarters(r4, r5, r6, r7);
    let [c0, c1, c2, c3] = transpose_quarters(r8, r9, r10, r11);
    let [d0, d1, d2, d3] = transpose_quarters(r12, r13, r14, r15);
    let [w0, w4, w8, w12] = transpose_whole(a0, b0, c0, d0);
    let [w1, w5, w9, w13] = transpose_whole(a1, b1, c1, d1);
    let [w2, w6, w10, w14] = transpose_whole(a2, b2, c2, d2);
    let [w3, w7, w11, w15] = transpose_whole(a3, b3, c3, d3);
    *rows = [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15];
}

/// Transposes the four by four words in each quarter of the registers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transpose_quarters(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> [__m512i; 4] {
    let (ab_low, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let (cd_low, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    [
        _mm512_unpacklo_epi64(ab_low, cd_low),
        _mm512_unpackhi_epi64(ab_low, cd_low),
        _mm512_unpacklo_epi64(ab_high, cd_high),
        _mm512_unpackhi_epi64(ab_high, cd_high),
    ]
}

/// Transposes the four by four quarters of the registers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transpose_whole(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> [__m512i; 4] {
    let (ab_low, ab_high) = (_mm512_shuffle_i32x4::<0x44>(a, b), _mm512_shuffle_i32x4::<0xee>(a, b));
    let (cd_low, cd_high) = (_mm512_shuffle_i32x4::<0x44>(c, d), _mm512_shuffle_i32x4::<0xee>(c, d));
    [
        _mm512_shuffle_i32x4::<0x88>(ab_low, cd_low),
        _mm512_shuffle_i32x4::<0xdd>(ab_low, cd_low),
        _mm512_shuffle_i32x4::<0x88>(ab_high, cd_high),
        _mm512_shuffle_i32x4::<0xdd>(ab_high, cd_high),
    ]
}

/// Sixteen words from their big-endian bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn swap_bytes(words: __m512i) -> __m512i {
    _mm512_shuffle_epi8(words, _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203)))
}

/// Block `at` of a message, which is whole.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load(message: &[u8], at: usize) -> __m512i {
    let block: &Block = &message.as_chunks().0[at];
    if let Some(ahead) = message.get(at * BLOCK_LEN + AHEAD) {
        _mm_prefetch::<_MM_HINT_T0>((&raw const *ahead).cast());
    }
    // SAFETY: the pointer comes from a reference to 64 bytes, and the load needs no alignment.
    swap_bytes(unsafe { _mm512_loadu_si512(block.as_ptr().cast()) })
}

/// Block `at` of the padded message: its bytes, then a bit and zeros, and the length in bits at the end of the last block (FIPS
/// 180-4, section 5.1.1). Behind the last block, anything.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_padded(message: &[u8], at: usize) -> __m512i {
    let start = at * BLOCK_LEN;
    let rest = message.get(start..).unwrap_or_default();
    let held = u64::MAX.checked_shr((BLOCK_LEN.saturating_sub(rest.len())) as u32).unwrap_or(0);
    // SAFETY: only bytes in the mask are read, which are the first `rest.len()` behind the pointer, or the first 64 of more.
    let bytes = unsafe { _mm512_maskz_loadu_epi8(held, rest.as_ptr().cast()) };
    let end_bit = if start <= message.len() { 1_u64.checked_shl(rest.len().min(BLOCK_LEN) as u32).unwrap_or(0) } else { 0 };
    let bytes = _mm512_mask_mov_epi8(bytes, end_bit, _mm512_set1_epi8(0x80_u8.cast_signed()));
    let words = swap_bytes(bytes);
    let is_last = u8::from(at + 1 == block_count(message.len()));
    // The last two words, the high half first: swapped halves of one number.
    let bit_len = (message.len() as u64).wrapping_mul(8).rotate_left(32);
    _mm512_mask_mov_epi64(words, is_last << 7, _mm512_set1_epi64(bit_len.cast_signed()))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn store(state: &mut State, row: __m512i) {
    // SAFETY: the pointer comes from an exclusive reference to 32 bytes, and the store needs no alignment.
    unsafe { _mm256_storeu_si256(state.as_mut_ptr().cast(), _mm512_castsi512_si256(row)) };
}
