//! Protobuf fields, one message at a time: what DAG-PB and UnixFS are written in.

use super::{NodeError, NodeErrorKind, error};

/// The largest field number protobuf allows.
pub(crate) const FIELD_NUMBER_MAX: u64 = (1 << 29) - 1;

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    pub(crate) value: Value<'a>,
    /// Where its tag stands in the block.
    pub(crate) at: usize,
}

/// A field's value, by wire type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    /// Length-delimited: the bytes and where they start in the block.
    Bytes(&'a [u8], usize),
    Fixed32(u32),
}

impl Field<'_> {
    /// The error of a message that has no such field.
    #[cold]
    pub(crate) fn unexpected(&self, message: &'static str) -> NodeError {
        let wire = match self.value {
            Value::Varint(_) => 0,
            Value::Fixed64(_) => 1,
            Value::Bytes(..) => 2,
            Value::Fixed32(_) => 5,
        };
        error(self.at, NodeErrorKind::UnexpectedField { message, field: self.number, wire })
    }
}

/// Reads the fields of one message, in the order of the bytes.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    at: usize,
    /// A number was in a longer form than needed: protobuf allows it, and so do other DAG-PB readers.
    pub(crate) long_varint: bool,
}

impl<'a> Fields<'a> {
    /// Reads `message`, which starts at byte `at` of the block.
    #[inline]
    pub(crate) fn new(message: &'a [u8], at: usize) -> Fields<'a> {
        Fields { rest: message, at, long_varint: false }
    }

    /// The next field; `None` at the end of the message.
    #[inline(always)]
    pub(crate) fn read(&mut self) -> Result<Option<Field<'a>>, NodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let at = self.at;
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 || number > FIELD_NUMBER_MAX {
            return Err(error(at, NodeErrorKind::FieldNumber(number)));
        }
        let value = match (tag & 7) as u8 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.fixed()?)),
            2 => {
                let declared = self.varint()?;
                let split = usize::try_from(declared).ok().and_then(|len| self.rest.split_at_checked(len));
                let Some((bytes, _)) = split else {
                    let left = self.rest.len() as u64;
                    return Err(error(at, NodeErrorKind::Overrun { what: "a protobuf field", declared, left }));
                };
                let start = self.at;
                self.advance(bytes.len());
                Value::Bytes(bytes, start)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.fixed()?)),
            wire => return Err(error(at, NodeErrorKind::WireType(wire))),
        };
        Ok(Some(Field { number: number as u32, value, at }))
    }

    /// A number alone, as in a packed field; `None` at the end.
    #[inline]
    pub(crate) fn read_packed(&mut self) -> Result<Option<u64>, NodeError> {
        if self.rest.is_empty() { Ok(None) } else { self.varint().map(Some) }
    }

    fn advance(&mut self, len: usize) {
        self.rest = self.rest.get(len..).unwrap_or_default();
        self.at = self.at.saturating_add(len);
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], NodeError> {
        let Some(bytes) = self.rest.first_chunk::<N>() else {
            return Err(error(self.at, NodeErrorKind::Truncated("a protobuf field")));
        };
        self.advance(N);
        Ok(*bytes)
    }

    /// Up to 64 bits in up to ten bytes (protobuf encoding, "Base 128 Varints"); longer forms of a number are allowed.
    #[inline(always)]
    fn varint(&mut self) -> Result<u64, NodeError> {
        if let Some(byte @ 0..=0x7f) = self.rest.first() {
            let value = u64::from(*byte);
            self.advance(1);
            return Ok(value);
        }
        self.long_form()
    }

    #[inline(never)]
    fn long_form(&mut self) -> Result<u64, NodeError> {
        let mut value = 0u64;
        for (i, byte) in self.rest.iter().take(10).enumerate() {
            let group = u64::from(byte & 0x7f);
            let shift = (i as u32).saturating_mul(7);
            if i == 9 && group > 1 {
                break;
            }
            value |= group.wrapping_shl(shift);
            if byte & 0x80 == 0 {
                self.long_varint |= *byte == 0 && i > 0;
                self.advance(i.saturating_add(1));
                return Ok(value);
            }
        }
        let kind =
            if self.rest.len() < 10 { NodeErrorKind::Truncated("a protobuf number") } else { NodeErrorKind::VarintOverflow };
        Err(error(self.at, kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(bytes: &[u8]) -> Result<Option<Field<'_>>, NodeErrorKind> {
        Fields::new(bytes, 100).read().map_err(|e| e.kind)
    }

    #[test]
    fn reads_every_wire_type_and_its_place() {
        let bytes = [0x08, 0xac, 0x02, 0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0x1a, 2, 7, 8, 0x25, 9, 0, 0, 0];
        let mut fields = Fields::new(&bytes, 100);
        let mut seen = Vec::new();
        while let Some(field) = fields.read().unwrap() {
            seen.push((field.number, field.value, field.at));
        }
        assert_eq!(
            seen,
            [
                (1, Value::Varint(300), 100),
                (2, Value::Fixed64(1), 103),
                (3, Value::Bytes(&[7, 8], 114), 112),
                (4, Value::Fixed32(9), 116),
            ]
        );
        assert!(!fields.long_varint);
    }

    #[test]
    fn numbers_up_to_64_bits() {
        let max = [&[0x08][..], &[0xff; 9], &[0x01]].concat();
        assert_eq!(one(&max).unwrap().unwrap().value, Value::Varint(u64::MAX));
        assert_eq!(one(&[&[0x08][..], &[0xff; 9], &[0x02]].concat()), Err(NodeErrorKind::VarintOverflow));
        assert_eq!(one(&[&[0x08][..], &[0x80; 10], &[0x00]].concat()), Err(NodeErrorKind::VarintOverflow));
        assert_eq!(one(&[0x08, 0x80]), Err(NodeErrorKind::Truncated("a protobuf number")));
        let mut long = Fields::new(&[0x08, 0x81, 0x00], 0);
        assert_eq!(long.read().unwrap().unwrap().value, Value::Varint(1));
        assert!(long.long_varint);
    }

    #[test]
    fn refuses_what_no_message_holds() {
        assert_eq!(one(&[0x00, 0x00]), Err(NodeErrorKind::FieldNumber(0)));
        assert_eq!(one(&[0x80, 0x80, 0x80, 0x80, 0x10, 0x00]), Err(NodeErrorKind::FieldNumber(1 << 29)));
        for wire in [3, 4, 6, 7] {
            assert_eq!(one(&[0x08 | wire, 0x00]), Err(NodeErrorKind::WireType(wire)));
        }
        assert_eq!(one(&[0x0a, 5, 1]), Err(NodeErrorKind::Overrun { what: "a protobuf field", declared: 5, left: 1 }));
        assert_eq!(one(&[0x0d, 5, 1]), Err(NodeErrorKind::Truncated("a protobuf field")));
    }
}
