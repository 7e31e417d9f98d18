//! Unsigned varints (multiformats unsigned-varint): seven bits a byte, low group first, minimal, at most nine bytes.

/// The longest encoding: nine bytes, 63 bits.
pub const LEN_MAX: usize = 9;

/// Why a varint could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VarintError {
    /// The bytes end inside the varint.
    Truncated,
    /// The last byte is zero: a shorter encoding of the same number exists.
    NotMinimal,
    /// More than nine bytes.
    TooLong,
}

impl std::fmt::Display for VarintError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            VarintError::Truncated => "the bytes end inside a length",
            VarintError::NotMinimal => "a length is not in its shortest form",
            VarintError::TooLong => "a length takes more than 9 bytes",
        })
    }
}

/// Reads one varint from the front of `bytes`: the number and how many bytes it took.
///
/// # Errors
/// [`VarintError`], also for encodings that other readers let pass: a re-encoded length would move every later offset.
#[inline]
pub fn read(bytes: &[u8]) -> Result<(u64, usize), VarintError> {
    let mut value = 0u64;
    let mut shift = 0u32;
    for (i, byte) in bytes.iter().take(LEN_MAX).enumerate() {
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return if *byte == 0 && i > 0 { Err(VarintError::NotMinimal) } else { Ok((value, i.saturating_add(1))) };
        }
        shift = shift.saturating_add(7);
    }
    if bytes.len() < LEN_MAX { Err(VarintError::Truncated) } else { Err(VarintError::TooLong) }
}

/// Appends `value` to `out`.
pub fn write(mut value: u64, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes [`write()`] appends for `value`.
pub fn encoded_len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for value in [0, 1, 127, 128, 300, 16383, 16384, u64::from(u32::MAX), (1 << 63) - 1] {
            let mut bytes = Vec::new();
            write(value, &mut bytes);
            assert_eq!(bytes.len(), encoded_len(value), "{value}");
            assert_eq!(read(&bytes), Ok((value, bytes.len())));
            for cut in 0..bytes.len() {
                assert_eq!(read(&bytes[..cut]), Err(VarintError::Truncated));
            }
        }
    }

    #[test]
    fn refuses_long_forms() {
        assert_eq!(read(&[0x81, 0x00]), Err(VarintError::NotMinimal));
        assert_eq!(read(&[0x80; 12]), Err(VarintError::TooLong));
        assert_eq!(read(&[0xff; 9]), Err(VarintError::TooLong));
        assert_eq!(read(&[0xac, 0x02, 9]), Ok((300, 2)));
    }
}
