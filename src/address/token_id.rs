//! Token ids: unsigned 256-bit numbers, as contracts count.

use std::fmt;
use std::str::FromStr;

/// A token id, 0 to 2^256 - 1.
///
/// ```
/// use cartool::address::TokenId;
/// let id: TokenId = "314592".parse()?;
/// assert!(id.to_hex().ends_with("04cce0") && id.to_hex().len() == 64);
/// assert_eq!("0x4CCE0".parse::<TokenId>()?, id);
/// # Ok::<(), cartool::address::TokenIdError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TokenId {
    /// Big-endian, so that the derived order is the order of the numbers.
    bytes: [u8; 32],
}

/// Why a text is not a token id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenIdError {
    /// No digits.
    Empty,
    /// Something other than a digit, at this byte.
    NotADigit(usize),
    /// 2^256 or more.
    TooLarge,
}

impl fmt::Display for TokenIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenIdError::Empty => f.write_str("a token id needs at least one digit"),
            TokenIdError::NotADigit(at) => {
                write!(f, "byte {at} of the token id is not a digit; decimal or 0x hexadecimal is expected")
            }
            TokenIdError::TooLarge => f.write_str("a token id is at most 2^256 - 1"),
        }
    }
}

impl std::error::Error for TokenIdError {}

impl TokenId {
    /// The number whose big-endian bytes these are, as contracts encode it.
    pub fn from_be_bytes(bytes: [u8; 32]) -> TokenId {
        TokenId { bytes }
    }

    /// Big-endian bytes: the form of a call's argument.
    pub fn to_be_bytes(self) -> [u8; 32] {
        self.bytes
    }

    /// The number after this one; `None` after the last.
    pub fn next(self) -> Option<TokenId> {
        let mut id = self;
        for byte in id.bytes.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                return Some(id);
            }
        }
        None
    }

    /// 64 lower-case hexadecimal digits without `0x`: what replaces `{id}` (ERC-1155, "Metadata").
    pub fn to_hex(self) -> String {
        self.bytes
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|nibble| char::from_digit(u32::from(nibble), 16).unwrap_or('0'))
            .collect()
    }

    /// `self * factor + digit`, unless that needs more than 256 bits.
    fn push_digit(&mut self, factor: u32, digit: u32) -> Result<(), TokenIdError> {
        let mut carry = digit;
        for byte in self.bytes.iter_mut().rev() {
            // At most 255 * 16 + 255: far from overflow.
            carry += u32::from(*byte) * factor;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        if carry == 0 { Ok(()) } else { Err(TokenIdError::TooLarge) }
    }
}

impl FromStr for TokenId {
    type Err = TokenIdError;

    fn from_str(text: &str) -> Result<TokenId, TokenIdError> {
        let (digits, radix, skipped) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(hex) => (hex, 16, 2),
            None => (text, 10, 0),
        };
        if digits.is_empty() {
            return Err(TokenIdError::Empty);
        }
        let mut id = TokenId::default();
        for (at, c) in digits.char_indices() {
            let digit = c.to_digit(radix).ok_or(TokenIdError::NotADigit(skipped + at))?;
            id.push_digit(radix, digit)?;
        }
        Ok(id)
    }
}

impl From<u64> for TokenId {
    fn from(number: u64) -> TokenId {
        let mut bytes = [0; 32];
        bytes[24..].copy_from_slice(&number.to_be_bytes());
        TokenId { bytes }
    }
}

impl fmt::Display for TokenId {
    /// Decimal, without leading zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.bytes;
        let mut digits = Vec::new();
        while rest.iter().any(|&byte| byte != 0) {
            let mut remainder = 0u32;
            for byte in &mut rest {
                remainder = remainder << 8 | u32::from(*byte);
                *byte = (remainder / 10) as u8;
                remainder %= 10;
            }
            digits.push(char::from_digit(remainder, 10).unwrap_or('0'));
        }
        if digits.is_empty() {
            digits.push('0');
        }
        f.pad_integral(true, "", &digits.iter().rev().collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_number() {
        assert_eq!(TokenId::from(255).next(), Some(256.into()));
        assert_eq!(TokenId::from(u64::MAX).next().map(|id| id.to_string()), Some("18446744073709551616".to_owned()));
        assert_eq!(TokenId::from_be_bytes([0xff; 32]).next(), None);
    }
    use proptest::prelude::*;

    const MAX: &str = "115792089237316195423570985008687907853269984665640564039457584007913129639935";

    #[test]
    fn the_whole_range_and_not_one_more() {
        let max: TokenId = MAX.parse().unwrap();
        assert_eq!(max.to_hex(), "f".repeat(64));
        assert_eq!(max.to_string(), MAX);
        assert_eq!(format!("0x{}", "f".repeat(64)).parse::<TokenId>().unwrap(), max);
        let over = format!("{}6", &MAX[..77]);
        assert_eq!(over.parse::<TokenId>(), Err(TokenIdError::TooLarge));
        assert_eq!(format!("0x1{}", "0".repeat(64)).parse::<TokenId>(), Err(TokenIdError::TooLarge));
        assert_eq!(format!("0x{}1", "0".repeat(100)).parse::<TokenId>().unwrap(), TokenId::from(1));
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!("".parse::<TokenId>(), Err(TokenIdError::Empty));
        assert_eq!("0x".parse::<TokenId>(), Err(TokenIdError::Empty));
        assert_eq!("12a".parse::<TokenId>(), Err(TokenIdError::NotADigit(2)));
        assert_eq!("-1".parse::<TokenId>(), Err(TokenIdError::NotADigit(0)));
        assert_eq!("0xg".parse::<TokenId>(), Err(TokenIdError::NotADigit(2)));
    }

    proptest! {
        #[test]
        fn text_forms_agree(bytes: [u8; 32], small: u64) {
            let id = TokenId::from_be_bytes(bytes);
            prop_assert_eq!(id.to_string().parse::<TokenId>().unwrap(), id);
            prop_assert_eq!(format!("0x{}", id.to_hex()).parse::<TokenId>().unwrap(), id);
            prop_assert_eq!(TokenId::from(small).to_string(), small.to_string());
        }
    }
}
