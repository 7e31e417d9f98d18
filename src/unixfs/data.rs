//! The `Data` message of a UnixFS node.

use super::{Note, Notes};
use crate::dag::protobuf::{Field, Fields, Value};
use crate::dag::{NodeError, NodeErrorKind};

const MESSAGE: &str = "the UnixFS data";

/// The `Data` of a plain directory node; its entries are the node's links.
pub const DIRECTORY: [u8; 2] = [0x08, 0x01];

/// What a node is (`DataType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Bytes of a file (0); only old writers made these.
    Raw,
    /// A directory (1).
    Directory,
    /// A file or a part of one (2).
    File,
    /// Reserved (3): never in use, and means nothing.
    Metadata,
    /// A symbolic link (4).
    Symlink,
    /// One shard of a large directory (5).
    HamtShard,
}

impl Kind {
    fn from_number(number: u64) -> Option<Kind> {
        Some(match number {
            0 => Kind::Raw,
            1 => Kind::Directory,
            2 => Kind::File,
            3 => Kind::Metadata,
            4 => Kind::Symlink,
            5 => Kind::HamtShard,
            _ => return None,
        })
    }

    /// The number in a message.
    pub(super) fn number(self) -> u64 {
        match self {
            Kind::Raw => 0,
            Kind::Directory => 1,
            Kind::File => 2,
            Kind::Metadata => 3,
            Kind::Symlink => 4,
            Kind::HamtShard => 5,
        }
    }

    /// Whether the node holds bytes of a file.
    pub fn is_file(self) -> bool {
        matches!(self, Kind::Raw | Kind::File)
    }

    /// Whether the node is a directory or a part of one.
    pub fn is_directory(self) -> bool {
        matches!(self, Kind::Directory | Kind::HamtShard)
    }

    /// The name in the specification.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Raw => "Raw",
            Kind::Directory => "Directory",
            Kind::File => "File",
            Kind::Metadata => "Metadata",
            Kind::Symlink => "Symlink",
            Kind::HamtShard => "HAMTShard",
        }
    }
}

/// A time of last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mtime {
    /// Seconds since 1970 in UTC; negative before.
    pub seconds: i64,
    /// Nanoseconds after that, at most 999999999.
    pub nanos: Option<u32>,
}

/// A UnixFS message, borrowed from its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixFs<'a> {
    /// What the node is.
    pub kind: Kind,
    /// Bytes of a file, the target of a symlink, or the bitfield of a shard.
    pub data: Option<&'a [u8]>,
    /// The claimed size of the file; see [`UnixFs::size`].
    pub filesize: Option<u64>,
    /// The claimed sizes of the linked parts of a file.
    pub blocksizes: Blocksizes<'a>,
    /// The hash function that sorts names into buckets.
    pub hash_type: Option<u64>,
    /// The number of buckets of a shard.
    pub fanout: Option<u64>,
    /// File mode; only the low twelve bits have a meaning.
    pub mode: Option<u32>,
    /// Time of last change.
    pub mtime: Option<Mtime>,
    /// What is unusual.
    pub notes: Notes,
}

/// Sizes of a file's parts: read from the message each time, so a claimed count allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocksizes<'a> {
    message: &'a [u8],
    len: usize,
    sum: Option<u64>,
}

impl<'a> Blocksizes<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Their sum; `None` when it does not fit 64 bits.
    pub fn sum(&self) -> Option<u64> {
        self.sum
    }

    /// The sizes, in the order of the links they belong to.
    pub fn iter(&self) -> impl Iterator<Item = u64> + use<'a> {
        let mut fields = Fields::new(self.message, 0);
        let mut packed = Fields::new(&[], 0);
        // The whole message has been read once: it holds no errors any more.
        std::iter::from_fn(move || {
            loop {
                if let Ok(Some(size)) = packed.read_packed() {
                    return Some(size);
                }
                match fields.read().ok()?? {
                    Field { number: 4, value: Value::Varint(size), .. } => return Some(size),
                    Field { number: 4, value: Value::Bytes(bytes, at), .. } => packed = Fields::new(bytes, at),
                    _ => {}
                }
            }
        })
    }

    fn add(&mut self, size: u64) {
        self.len = self.len.saturating_add(1);
        self.sum = self.sum.and_then(|sum| sum.checked_add(size));
    }
}

impl<'a> UnixFs<'a> {
    /// Reads the `Data` field of a dag-pb node. Of a repeated field the last counts, as protobuf has it.
    ///
    /// Sizes, counts and the meaning of the links are not checked here: [`UnixFs::check_links`] does that.
    ///
    /// # Errors
    /// [`NodeError`] with the byte in `message`, when it is no protobuf message, has no type or an unknown one, or a field has
    /// another wire type than the specification gives it.
    pub fn parse(message: &'a [u8]) -> Result<UnixFs<'a>, NodeError> {
        let mut kind = None;
        let mut node = UnixFs {
            kind: Kind::Raw,
            data: None,
            filesize: None,
            blocksizes: Blocksizes { message, len: 0, sum: Some(0) },
            hash_type: None,
            fanout: None,
            mode: None,
            mtime: None,
            notes: Notes::default(),
        };
        let mut seen = 0u16;
        let mut fields = Fields::new(message, 0);
        while let Some(field) = fields.read()? {
            if matches!(field.number, 1..=3 | 5..=8) {
                let bit = 1u16.wrapping_shl(field.number);
                if seen & bit != 0 {
                    node.notes.insert(Note::RepeatedField);
                }
                seen |= bit;
            }
            match (field.number, field.value) {
                (1, Value::Varint(number)) => kind = Some(read_kind(number, field.at)?),
                (2, Value::Bytes(bytes, _)) => node.data = Some(bytes),
                (3, Value::Varint(size)) => node.filesize = Some(size),
                (4, Value::Varint(size)) => node.blocksizes.add(size),
                (4, Value::Bytes(bytes, at)) => node.read_packed(bytes, at)?,
                (5, Value::Varint(code)) => node.hash_type = Some(code),
                (6, Value::Varint(fanout)) => node.fanout = Some(fanout),
                (7, Value::Varint(mode)) => node.set_mode(mode),
                (8, Value::Bytes(bytes, at)) => node.read_mtime(bytes, at)?,
                (1..=8, _) => return Err(field.unexpected(MESSAGE)),
                _ => node.notes.insert(Note::UnknownField),
            }
        }
        if fields.long_varint {
            node.notes.insert(Note::LongVarint);
        }
        let missing = NodeError { at: 0, kind: NodeErrorKind::MissingField { message: MESSAGE, field: "Type" } };
        node.kind = kind.ok_or(missing)?;
        Ok(node)
    }

    /// How many bytes the file has by its parts: its own and the sum of the block sizes. `None` when that does not fit 64 bits.
    pub fn size(&self) -> Option<u64> {
        self.blocksizes.sum()?.checked_add(self.data.unwrap_or_default().len() as u64)
    }

    fn read_packed(&mut self, bytes: &'a [u8], at: usize) -> Result<(), NodeError> {
        let mut packed = Fields::new(bytes, at);
        while let Some(size) = packed.read_packed()? {
            self.blocksizes.add(size);
        }
        if packed.long_varint {
            self.notes.insert(Note::LongVarint);
        }
        Ok(())
    }

    fn set_mode(&mut self, mode: u64) {
        self.mode = u32::try_from(mode).ok();
        if self.mode.is_none() {
            self.notes.insert(Note::LongMode);
        }
    }

    /// The message `UnixTime`.
    fn read_mtime(&mut self, message: &'a [u8], at: usize) -> Result<(), NodeError> {
        // Seconds of the first day of year 1 and of the last day of year 9999.
        const FAR: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
        const NANOS_MAX: u32 = 999_999_999;
        let (mut seconds, mut nanos) = (None, None);
        let mut fields = Fields::new(message, at);
        while let Some(field) = fields.read()? {
            match (field.number, field.value) {
                (1, Value::Varint(value)) => seconds = Some(value as i64),
                (2, Value::Fixed32(value)) => nanos = Some(value),
                (1 | 2, _) => return Err(field.unexpected("the mtime")),
                _ => self.notes.insert(Note::UnknownField),
            }
        }
        if fields.long_varint {
            self.notes.insert(Note::LongVarint);
        }
        match nanos {
            Some(0) => self.notes.insert(Note::ZeroNanos),
            Some(value) if value > NANOS_MAX => {
                self.notes.insert(Note::LongNanos);
                nanos = None;
            }
            _ => {}
        }
        match seconds {
            None => self.notes.insert(Note::NoSeconds),
            Some(seconds) if !FAR.contains(&seconds) => self.notes.insert(Note::FarTime),
            Some(_) => {}
        }
        self.mtime = seconds.map(|seconds| Mtime { seconds, nanos });
        Ok(())
    }
}

fn read_kind(number: u64, at: usize) -> Result<Kind, NodeError> {
    let kind = NodeErrorKind::FieldValue { field: "the UnixFS type", expected: "0 to 5", actual: number };
    Kind::from_number(number).ok_or(NodeError { at, kind })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn notes(message: &[u8]) -> Vec<Note> {
        UnixFs::parse(message).unwrap().notes.iter().collect()
    }

    #[test]
    fn reads_the_examples_of_the_specification() {
        let file = UnixFs::parse(&[0x08, 2, 0x18, 0]).unwrap();
        assert_eq!((file.kind, file.filesize, file.data, file.size()), (Kind::File, Some(0), None, Some(0)));
        let directory = UnixFs::parse(&DIRECTORY).unwrap();
        assert_eq!((directory.kind, directory.notes.is_empty()), (Kind::Directory, true));
        let symlink = UnixFs::parse(&[0x08, 4, 0x12, 3, b'f', b'o', b'o']).unwrap();
        assert_eq!((symlink.kind, symlink.data), (Kind::Symlink, Some(&b"foo"[..])));
        let shard = UnixFs::parse(&[0x08, 5, 0x12, 1, 1, 0x28, 0x22, 0x30, 0x80, 0x02]).unwrap();
        assert_eq!((shard.kind, shard.hash_type, shard.fanout), (Kind::HamtShard, Some(0x22), Some(256)));
    }

    #[test]
    fn block_sizes_packed_or_not() {
        for message in
            [&[0x08, 2, 0x20, 3, 0x20, 0xac, 2][..], &[0x08, 2, 0x22, 3, 3, 0xac, 2], &[0x22, 1, 3, 0x20, 0xac, 2, 0x08, 2]]
        {
            let sizes = UnixFs::parse(message).unwrap().blocksizes;
            assert_eq!(sizes.iter().collect::<Vec<_>>(), [3, 300]);
            assert_eq!((sizes.len(), sizes.sum(), sizes.is_empty()), (2, Some(303), false));
        }
        let max = [&[0x20][..], &[0xff; 9], &[1]].concat();
        let over = [&[0x08, 2][..], &max, &max].concat();
        let node = UnixFs::parse(&over).unwrap();
        assert_eq!((node.blocksizes.len(), node.blocksizes.sum(), node.size()), (2, None, None));
    }

    #[test]
    fn mode_and_mtime() {
        let node = UnixFs::parse(&[0x08, 1, 0x38, 0xed, 3, 0x42, 7, 0x08, 5, 0x15, 9, 0, 0, 0]).unwrap();
        assert_eq!((node.mode, node.mtime), (Some(0o755), Some(Mtime { seconds: 5, nanos: Some(9) })));
        assert!(node.notes.is_empty());
        let before_1970 = [&[0x08, 1, 0x42, 11, 0x08][..], &[0xff; 9], &[1]].concat();
        assert_eq!(UnixFs::parse(&before_1970).unwrap().mtime, Some(Mtime { seconds: -1, nanos: None }));
        let min = [&[0x08, 1, 0x42, 11, 0x08][..], &[0x80; 9], &[1]].concat();
        assert_eq!(UnixFs::parse(&min).unwrap().mtime.unwrap().seconds, i64::MIN);
        assert_eq!(notes(&min), [Note::FarTime]);
    }

    #[test]
    fn oddities_are_remarked() {
        assert_eq!(notes(&[0x08, 1, 0x38, 0x80, 0x80, 0x80, 0x80, 0x10]), [Note::LongMode]);
        assert_eq!(notes(&[0x08, 1, 0x42, 7, 0x08, 5, 0x15, 0, 0, 0, 0]), [Note::ZeroNanos]);
        assert_eq!(notes(&[0x08, 1, 0x42, 7, 0x08, 5, 0x15, 0, 0xca, 0x9a, 0x3b]), [Note::LongNanos]);
        assert_eq!(notes(&[0x08, 1, 0x42, 5, 0x15, 1, 0, 0, 0]), [Note::NoSeconds]);
        assert_eq!(notes(&[0x08, 1, 0x48, 1]), [Note::UnknownField]);
        assert_eq!(notes(&[0x08, 1, 0x08, 2]), [Note::RepeatedField]);
        assert_eq!(UnixFs::parse(&[0x08, 1, 0x08, 2]).unwrap().kind, Kind::File);
        assert_eq!(notes(&[0x08, 0x82, 0x00]), [Note::LongVarint]);
    }

    #[test]
    fn refuses_what_is_no_unixfs() {
        use NodeErrorKind as K;
        let refused = |message: &[u8]| UnixFs::parse(message).map_err(|e| (e.at, e.kind)).unwrap_err();
        assert_eq!(refused(&[]), (0, K::MissingField { message: MESSAGE, field: "Type" }));
        assert_eq!(refused(&[0x18, 0]), (0, K::MissingField { message: MESSAGE, field: "Type" }));
        assert_eq!(refused(&[0x18, 0, 0x08, 6]).0, 2);
        assert!(matches!(refused(&[0x08, 6]).1, K::FieldValue { actual: 6, .. }));
        assert_eq!(refused(&[0x0a, 0]), (0, K::UnexpectedField { message: MESSAGE, field: 1, wire: 2 }));
        assert_eq!(refused(&[0x08, 1, 0x42, 2, 0x10, 1]).0, 4);
        assert_eq!(refused(&[0x08, 2, 0x22, 1, 0x80]), (4, K::Truncated("a protobuf number")));
    }

    proptest! {
        #[test]
        fn never_panics_and_sizes_agree(message: Vec<u8>) {
            if let Ok(node) = UnixFs::parse(&message) {
                prop_assert_eq!(node.blocksizes.iter().count(), node.blocksizes.len());
            }
        }
    }
}
