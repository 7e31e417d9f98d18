//! Writes the `Data` message of a UnixFS node, its fields in the order of their numbers.

use crate::cid::hash_code;
use crate::unixfs::data::{Kind, Mtime};
use crate::unixfs::hamt::Fanout;
use crate::varint;

/// What UnixFS 1.5 keeps of a file beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Permissions: the low twelve bits of the mode.
    pub mode: Option<u32>,
    /// Time of last change. Nanoseconds of 0 are written as none, which is what the specification asks for.
    pub mtime: Option<Mtime>,
}

impl Metadata {
    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.mode.is_none() && self.mtime.is_none()
    }
}

/// A message in the making.
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn new(kind: Kind) -> Message {
        let mut message = Message(Vec::new());
        message.number(0x08, kind.number());
        message
    }

    /// Bytes of a file, the target of a symlink, or the bitfield of a shard.
    pub(super) fn data(mut self, data: &[u8]) -> Message {
        self.bytes(0x12, data);
        self
    }

    pub(super) fn filesize(mut self, size: u64) -> Message {
        self.number(0x18, size);
        self
    }

    /// One number a field, not packed: not every reader takes those.
    pub(super) fn blocksizes(mut self, sizes: impl Iterator<Item = u64>) -> Message {
        sizes.for_each(|size| self.number(0x20, size));
        self
    }

    pub(super) fn fanout(mut self, fanout: Fanout) -> Message {
        self.number(0x28, hash_code::MURMUR3_X64_64);
        self.number(0x30, u64::from(fanout.get()));
        self
    }

    pub(super) fn finish(mut self, metadata: &Metadata) -> Vec<u8> {
        if let Some(mode) = metadata.mode {
            self.number(0x38, u64::from(mode & 0o7777));
        }
        if let Some(mtime) = metadata.mtime {
            let mut time = Message(Vec::new());
            // Negative seconds are written as the 64 bits they are.
            time.number(0x08, mtime.seconds.cast_unsigned());
            if let Some(nanos @ 1..) = mtime.nanos {
                time.0.push(0x15);
                time.0.extend_from_slice(&nanos.to_le_bytes());
            }
            self.bytes(0x42, &time.0);
        }
        self.0
    }

    fn number(&mut self, tag: u8, value: u64) {
        self.0.push(tag);
        varint::write(value, &mut self.0);
    }

    fn bytes(&mut self, tag: u8, bytes: &[u8]) {
        self.number(tag, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }
}
