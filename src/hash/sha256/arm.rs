//! The SHA2 extension of 64-bit Arm, three messages side by side, for the reason given for x86-64: each step of one message
//! waits for the step before it. There are registers enough for three.

#![allow(unsafe_code)]

use super::constants::K;
use super::lanes::{Block, Compress, State};
use std::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;

/// Proof that this processor has the instructions.
#[derive(Debug, Clone, Copy)]
pub(super) struct ArmSha2(());

impl ArmSha2 {
    pub(super) fn detect() -> Option<ArmSha2> {
        is_aarch64_feature_detected!("sha2").then_some(ArmSha2(()))
    }
}

impl<const N: usize> Compress<N> for ArmSha2 {
    fn compress(&self, states: &mut [State; N], blocks: [&[Block]; N]) {
        // SAFETY: an `ArmSha2` is made only by `detect`, where the processor was seen to have the feature that `compress` names.
        unsafe { compress(states, blocks) }
    }
}

/// One quarter of a block, or four words of its message schedule, of each lane.
type Words<const N: usize> = [uint32x4_t; N];

/// The halves of a state: A B C D and E F G H.
type Halves<const N: usize> = [[uint32x4_t; 2]; N];

#[target_feature(enable = "sha2")]
fn compress<const N: usize>(states: &mut [State; N], blocks: [&[Block]; N]) {
    let mut halves: Halves<N> = [[vdupq_n_u32(0); 2]; N];
    for (half, state) in halves.iter_mut().zip(states.iter()) {
        let [low, high] = state.as_chunks::<4>().0 else { return };
        *half = [load_words(low), load_words(high)];
    }
    let count = blocks.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
    for at in 0..count {
        let before = halves;
        let mut w = [[vdupq_n_u32(0); N]; 4];
        for (i, quarter) in w.iter_mut().enumerate() {
            for (words, blocks) in quarter.iter_mut().zip(blocks) {
                *words = load_bytes(&blocks[at].as_chunks().0[i]);
            }
        }
        let [mut a, mut b, mut c, mut d] = w;
        four_rounds(&mut halves, &a, 0);
        four_rounds(&mut halves, &b, 1);
        four_rounds(&mut halves, &c, 2);
        four_rounds(&mut halves, &d, 3);
        for k in [4, 8, 12] {
            schedule(&mut a, &b, &c, &d);
            four_rounds(&mut halves, &a, k);
            schedule(&mut b, &c, &d, &a);
            four_rounds(&mut halves, &b, k + 1);
            schedule(&mut c, &d, &a, &b);
            four_rounds(&mut halves, &c, k + 2);
            schedule(&mut d, &a, &b, &c);
            four_rounds(&mut halves, &d, k + 3);
        }
        for (half, before) in halves.iter_mut().zip(before) {
            *half = [vaddq_u32(half[0], before[0]), vaddq_u32(half[1], before[1])];
        }
    }
    for (state, half) in states.iter_mut().zip(halves) {
        for (words, half) in state.as_chunks_mut::<4>().0.iter_mut().zip(half) {
            store_words(words, half);
        }
    }
}

/// Rounds `4k` to `4k + 3`, lane beside lane.
#[inline]
#[target_feature(enable = "sha2")]
fn four_rounds<const N: usize>(halves: &mut Halves<N>, words: &Words<N>, k: usize) {
    let constants = load_words(&K[k]);
    for (half, words) in halves.iter_mut().zip(words) {
        let sum = vaddq_u32(*words, constants);
        let [low, high] = *half;
        *half = [vsha256hq_u32(low, high, sum), vsha256h2q_u32(high, low, sum)];
    }
}

/// Replaces the oldest four words of the message schedule by the next four.
#[inline]
#[target_feature(enable = "sha2")]
fn schedule<const N: usize>(oldest: &mut Words<N>, second: &Words<N>, third: &Words<N>, newest: &Words<N>) {
    for (lane, oldest) in oldest.iter_mut().enumerate() {
        *oldest = vsha256su1q_u32(vsha256su0q_u32(*oldest, second[lane]), third[lane], newest[lane]);
    }
}

/// Four words from their big-endian bytes.
#[inline]
#[target_feature(enable = "sha2")]
fn load_bytes(bytes: &[u8; 16]) -> uint32x4_t {
    // SAFETY: the pointer comes from a reference to 16 bytes, and the load needs no alignment.
    let bytes = unsafe { vld1q_u8(bytes.as_ptr()) };
    vreinterpretq_u32_u8(vrev32q_u8(bytes))
}

#[inline]
#[target_feature(enable = "sha2")]
fn load_words(words: &[u32; 4]) -> uint32x4_t {
    // SAFETY: the pointer comes from a reference to four words.
    unsafe { vld1q_u32(words.as_ptr()) }
}

#[inline]
#[target_feature(enable = "sha2")]
fn store_words(words: &mut [u32; 4], value: uint32x4_t) {
    // SAFETY: the pointer comes from an exclusive reference to four words.
    unsafe { vst1q_u32(words.as_mut_ptr(), value) };
}
