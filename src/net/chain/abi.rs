//! The little of the contract ABI that reading an address takes: four-byte selectors, one word of argument, one string of answer.

use super::contract::{decode_hex, encode_hex, keccak};
use crate::address::TokenId;
use std::fmt;

/// The call of a function without arguments, as `data` of `eth_call`.
pub(super) fn call(signature: &str) -> String {
    format!("0x{}", encode_hex(&selector(signature)))
}

/// The call of a function of one number.
pub(super) fn call_with(signature: &str, argument: TokenId) -> String {
    format!("{}{}", call(signature), argument.to_hex())
}

/// The call of `supportsInterface(bytes4)` (ERC-165).
pub(super) fn supports_interface(interface: [u8; 4]) -> String {
    format!("{}{}{}", call("supportsInterface(bytes4)"), encode_hex(&interface), "0".repeat(56))
}

/// The first four bytes of the hash of a function's signature.
pub(super) fn selector(signature: &str) -> [u8; 4] {
    let [a, b, c, d, ..] = keccak(signature.as_bytes());
    [a, b, c, d]
}

/// Why an answer is not what the function returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AbiError {
    /// Not `0x` and an even number of hexadecimal digits.
    NotHex,
    /// No bytes at all: no contract, or a function that returns nothing.
    Empty,
    /// Not one whole word.
    NotAWord,
    /// The string would start behind the end of the answer.
    Offset,
    /// The string would end behind the end of the answer.
    Length,
    /// The string is longer than the limit (`--max-uri`).
    TooLong,
    /// Not UTF-8.
    NotText,
}

impl fmt::Display for AbiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AbiError::NotHex => "the answer is not hexadecimal",
            AbiError::Empty => "the answer is empty",
            AbiError::NotAWord => "the answer is not a word of 32 bytes",
            AbiError::Offset => "the answer's string starts behind its end",
            AbiError::Length => "the answer's string is longer than the answer",
            AbiError::TooLong => "the URI is longer than --max-uri allows",
            AbiError::NotText => "the answer's string is not UTF-8",
        })
    }
}

impl std::error::Error for AbiError {}

/// How a string was encoded, when not as the ABI says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbiNote {
    /// The last word is not filled up with zeros.
    Unpadded,
    /// The function returns `bytes32`, not `string`.
    Bytes32,
}

impl AbiNote {
    /// The note as a stable kebab-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            AbiNote::Unpadded => "unpadded-string",
            AbiNote::Bytes32 => "bytes32-string",
        }
    }
}

/// The bytes of an answer.
pub(super) fn bytes(answer: &str) -> Result<Vec<u8>, AbiError> {
    answer.strip_prefix("0x").and_then(decode_hex).ok_or(AbiError::NotHex)
}

/// Decodes an answer that is one string of at most `len_max` bytes. A word alone is read as `bytes32`.
pub(super) fn string(answer: &str, len_max: usize) -> Result<(String, Option<AbiNote>), AbiError> {
    // Checked before it is decoded: offset, length and padding add three words, and careless contracts some more.
    if answer.len() / 2 > len_max.saturating_add(1 << 10) {
        return Err(AbiError::TooLong);
    }
    let bytes = bytes(answer)?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| AbiError::NotText);
    match bytes.len() {
        0 => return Err(AbiError::Empty),
        32 => {
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
            return Ok((text(bytes.get(..end).unwrap_or_default())?, Some(AbiNote::Bytes32)));
        }
        _ => {}
    }
    let start = word(&bytes).ok_or(AbiError::Offset)?;
    let at = bytes.get(start..).filter(|rest| rest.len() >= 32).ok_or(AbiError::Offset)?;
    let len = word(at).ok_or(AbiError::Length)?;
    let rest = at.get(32..).unwrap_or_default();
    let content = rest.get(..len).ok_or(AbiError::Length)?;
    if len > len_max {
        return Err(AbiError::TooLong);
    }
    let is_padded = rest.len() >= len.next_multiple_of(32);
    Ok((text(content)?, (!is_padded).then_some(AbiNote::Unpadded)))
}

/// Decodes an answer that is one number.
pub(super) fn number(answer: &str) -> Result<TokenId, AbiError> {
    let bytes = bytes(answer)?;
    if bytes.is_empty() {
        return Err(AbiError::Empty);
    }
    bytes.try_into().map(TokenId::from_be_bytes).map_err(|_| AbiError::NotAWord)
}

/// The number of the first word, when it can be a length or a place.
fn word(bytes: &[u8]) -> Option<usize> {
    let (high, low) = bytes.get(..32)?.split_at_checked(24)?;
    if high.iter().any(|byte| *byte != 0) {
        return None;
    }
    usize::try_from(u64::from_be_bytes(low.try_into().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_of_the_standards() {
        for (signature, expected) in [
            ("tokenURI(uint256)", "0xc87b56dd"),
            ("uri(uint256)", "0x0e89341c"),
            ("supportsInterface(bytes4)", "0x01ffc9a7"),
            ("contractURI()", "0xe8a3d485"),
            ("totalSupply()", "0x18160ddd"),
            ("tokenByIndex(uint256)", "0x4f6ccce7"),
        ] {
            assert_eq!(call(signature), expected, "{signature}");
        }
        assert_eq!(call_with("tokenURI(uint256)", 7.into()), format!("0xc87b56dd{}7", "0".repeat(63)));
    }

    fn words(parts: &[&[u8]]) -> String {
        format!("0x{}", encode_hex(&parts.concat()))
    }

    fn number_word(n: u64) -> Vec<u8> {
        [[0; 24].as_slice(), &n.to_be_bytes()].concat()
    }

    #[test]
    fn strings() {
        let padded = |text: &[u8]| [text, &vec![0; text.len().next_multiple_of(32) - text.len()]].concat();
        let uri = b"ipfs://bafy/metadata.json that is over one word long";
        let good = words(&[&number_word(32), &number_word(uri.len() as u64), &padded(uri)]);
        assert_eq!(string(&good, 1000), Ok((String::from_utf8(uri.to_vec()).unwrap(), None)));
        assert_eq!(string(&good, 10), Err(AbiError::TooLong));
        let unpadded = words(&[&number_word(32), &number_word(uri.len() as u64), uri]);
        assert_eq!(string(&unpadded, 1000).unwrap().1, Some(AbiNote::Unpadded));
        let empty = words(&[&number_word(32), &number_word(0)]);
        assert_eq!(string(&empty, 1000), Ok((String::new(), None)));
        let moved = words(&[&number_word(64), &[7; 32], &number_word(2), &padded(b"ab")]);
        assert_eq!(string(&moved, 1000).unwrap().0, "ab");
        let short = words(&[&padded(b"ipfs://x")]);
        assert_eq!(string(&short, 1000), Ok(("ipfs://x".into(), Some(AbiNote::Bytes32))));
    }

    #[test]
    fn hostile_answers() {
        let huge = [0xff; 32];
        for (answer, error) in [
            ("".to_owned(), AbiError::NotHex),
            ("0xabc".to_owned(), AbiError::NotHex),
            ("<html>".to_owned(), AbiError::NotHex),
            ("0x".to_owned(), AbiError::Empty),
            (words(&[&huge, &huge]), AbiError::Offset),
            (words(&[&number_word(64), &huge]), AbiError::Offset),
            (words(&[&number_word(33), &huge]), AbiError::Offset),
            (words(&[&number_word(u64::MAX), &huge]), AbiError::Offset),
            (words(&[&number_word(32), &huge]), AbiError::Length),
            (words(&[&number_word(32), &number_word(u64::MAX)]), AbiError::Length),
            (words(&[&number_word(32), &number_word(33), &[0; 32]]), AbiError::Length),
            (words(&[&number_word(32), &number_word(2), &[0xff; 32]]), AbiError::NotText),
            (format!("0x{}", "00".repeat(4096)), AbiError::TooLong),
        ] {
            assert_eq!(string(&answer, 1000), Err(error), "{answer}");
        }
        assert_eq!(number("0x"), Err(AbiError::Empty));
        assert_eq!(number("0x01"), Err(AbiError::NotAWord));
        assert_eq!(number(&words(&[&number_word(9)])), Ok(9.into()));
    }
}
