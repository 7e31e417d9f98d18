//! Bytes that look random, by the generator that kubo's tests use: the ChaCha20 key stream (RFC 8439) with a nonce of zeros.

use std::io::{self, Read};

/// An endless stream.
#[derive(Debug, Clone)]
pub(crate) struct ChaCha20 {
    state: [u32; 16],
    block: [u8; 64],
    used: usize,
}

impl ChaCha20 {
    pub(crate) fn new(key: [u8; 32]) -> ChaCha20 {
        let mut state = [0; 16];
        state[..4].copy_from_slice(&[0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]);
        for (word, bytes) in state[4..12].iter_mut().zip(key.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        ChaCha20 { state, block: [0; 64], used: 64 }
    }

    fn next_block(&mut self) {
        let mut x = self.state;
        let mut quarter = |a: usize, b: usize, c: usize, d: usize| {
            for (to, with, from, bits) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
                x[to] = x[to].wrapping_add(x[with]);
                x[from] = (x[from] ^ x[to]).rotate_left(bits);
            }
        };
        for _ in 0..10 {
            for i in 0..4 {
                quarter(i, 4 + i, 8 + i, 12 + i);
            }
            for i in 0..4 {
                quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
            }
        }
        for (bytes, (word, start)) in self.block.as_chunks_mut::<4>().0.iter_mut().zip(x.iter().zip(&self.state)) {
            *bytes = word.wrapping_add(*start).to_le_bytes();
        }
        self.state[12] = self.state[12].wrapping_add(1);
        self.used = 0;
    }
}

impl Read for ChaCha20 {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut rest = &mut *buffer;
        while !rest.is_empty() {
            if self.used == self.block.len() {
                self.next_block();
            }
            let n = rest.len().min(self.block.len() - self.used);
            rest[..n].copy_from_slice(&self.block[self.used..self.used + n]);
            self.used += n;
            rest = &mut rest[n..];
        }
        Ok(buffer.len())
    }
}

/// The first test vector of RFC 8439, A.1.
#[test]
fn the_key_stream_is_the_published_one() {
    let mut first = [0; 8];
    ChaCha20::new([0; 32]).read_exact(&mut first).expect("bytes");
    assert_eq!(first, [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90]);
}
