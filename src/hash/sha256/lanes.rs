//! Keeps the lanes of a kernel full: one message a lane, and a lane that ends takes the next message at once.
//!
//! The blocks of one message wait for each other, those of several do not. A kernel therefore advances `N` messages by the
//! same number of blocks; which messages, and how many blocks, is decided here, without `unsafe`.

use std::array;

/// Bytes that one step of the compression function takes (FIPS 180-4, section 5.2.1).
pub(super) const BLOCK_LEN: usize = 64;

/// The chaining value between two blocks.
pub(super) type State = [u32; 8];

/// A block of a message.
pub(super) type Block = [u8; BLOCK_LEN];

/// The first chaining value (FIPS 180-4, section 5.3.3).
pub(super) const INITIAL: State =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Blocks of a message of `len` bytes with its padding: at least a bit and the length in eight bytes.
pub(super) fn block_count(len: usize) -> usize {
    len / BLOCK_LEN + if len % BLOCK_LEN < BLOCK_LEN - 8 { 1 } else { 2 }
}

/// The last state as bytes (FIPS 180-4, section 6.2.2).
pub(super) fn digest(state: &State) -> [u8; 32] {
    let mut digest = [0; 32];
    for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

/// The compression function over `N` independent messages.
pub(super) trait Compress<const N: usize> {
    /// Advances each state by the blocks of its own slice. All slices are of one length.
    fn compress(&self, states: &mut [State; N], blocks: [&[Block]; N]);
}

/// A message that is being hashed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lane<'a> {
    /// Whose message it is.
    id: usize,
    state: State,
    /// Whole blocks still to come.
    body: &'a [Block],
    /// What follows them: the last bytes and the padding, in the last `tail_count` of these.
    tail: [Block; 2],
    tail_count: usize,
}

impl<'a> Lane<'a> {
    pub(super) fn new(id: usize, message: &'a [u8]) -> Lane<'a> {
        let (body, rest) = message.as_chunks::<BLOCK_LEN>();
        let mut tail = [[0; BLOCK_LEN]; 2];
        // A bit, zeros, and the length in bits in the last eight bytes (FIPS 180-4, section 5.1.1).
        let tail_count = block_count(message.len()) - body.len();
        let padded = tail.as_flattened_mut();
        let start = padded.len() - tail_count * BLOCK_LEN;
        padded[start..start + rest.len()].copy_from_slice(rest);
        padded[start + rest.len()] = 0x80;
        let bit_len = (message.len() as u64).wrapping_mul(8);
        padded[2 * BLOCK_LEN - 8..].copy_from_slice(&bit_len.to_be_bytes());
        Lane { id, state: INITIAL, body, tail, tail_count }
    }

    /// A message of which the first `count` blocks were hashed already, but not all.
    pub(super) fn resume(id: usize, message: &'a [u8], state: State, count: usize) -> Lane<'a> {
        let mut lane = Lane::new(id, message);
        lane.state = state;
        lane.tail_count -= count.saturating_sub(lane.body.len());
        lane.body = &lane.body[count.min(lane.body.len())..];
        lane
    }

    /// The blocks that can be taken in one go. None when the message is done.
    fn blocks(&self) -> &[Block] {
        if self.body.is_empty() { &self.tail[2 - self.tail_count..] } else { self.body }
    }

    fn advance(&mut self, state: State, count: usize) {
        self.state = state;
        if self.body.is_empty() {
            self.tail_count -= count;
        } else {
            self.body = &self.body[count..];
        }
    }

    fn is_done(&self) -> bool {
        self.body.is_empty() && self.tail_count == 0
    }
}

/// Hashes messages until fewer than `N` are left, which are given back as far as they have come. `done` gets each digest.
pub(super) fn run<'a, const N: usize>(
    kernel: &impl Compress<N>,
    messages: &mut impl Iterator<Item = Lane<'a>>,
    done: &mut impl FnMut(usize, [u8; 32]),
) -> [Option<Lane<'a>>; N] {
    let first: [Option<Lane<'a>>; N] = array::from_fn(|_| messages.next());
    if first.iter().any(Option::is_none) {
        return first;
    }
    // Every place is taken: the message put in for none is never hashed.
    let mut lanes = first.map(|lane| lane.unwrap_or_else(|| Lane::new(0, &[])));
    loop {
        let count = lanes.iter().map(|lane| lane.blocks().len()).min().unwrap_or(0);
        let mut states = array::from_fn(|i| lanes[i].state);
        kernel.compress(&mut states, array::from_fn(|i| &lanes[i].blocks()[..count]));
        let mut is_short = false;
        for (lane, state) in lanes.iter_mut().zip(states) {
            lane.advance(state, count);
            if lane.is_done() {
                done(lane.id, digest(&lane.state));
                match messages.next() {
                    Some(next) => *lane = next,
                    None => is_short = true,
                }
            }
        }
        if is_short {
            return lanes.map(|lane| (!lane.is_done()).then_some(lane));
        }
    }
}
