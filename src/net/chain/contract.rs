//! Addresses of contracts: twenty bytes in hexadecimal, with the checksum that their capitals may carry (EIP-55).

use crate::hash;
use std::fmt;
use std::str::FromStr;

/// Keccak-256 as a multihash code.
const KECCAK_256: u64 = 0x1b;

/// The address of a contract. Written in lower case.
///
/// ```
/// use cartool::net::chain::{Contract, ContractError};
/// let contract: Contract = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed".parse()?;
/// assert_eq!(contract.to_string(), "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed");
/// assert_eq!("0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed".parse::<Contract>(), Err(ContractError::Checksum));
/// # Ok::<(), ContractError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contract {
    bytes: [u8; 20],
}

/// Why a text is not the address of a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContractError {
    /// Not `0x` and forty hexadecimal digits.
    Shape,
    /// The capitals are not those of the checksum (EIP-55): a digit is wrong.
    Checksum,
}

impl fmt::Display for ContractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ContractError::Shape => "a contract's address is 0x and 40 hexadecimal digits",
            ContractError::Checksum => "the contract's address does not match its checksum (EIP-55): a digit is wrong",
        })
    }
}

impl std::error::Error for ContractError {}

impl Contract {
    /// The twenty bytes.
    pub fn bytes(&self) -> &[u8; 20] {
        &self.bytes
    }
}

impl FromStr for Contract {
    type Err = ContractError;

    /// Reads an address in one case, or in mixed case with a right checksum.
    ///
    /// # Errors
    /// [`ContractError`].
    fn from_str(text: &str) -> Result<Contract, ContractError> {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).ok_or(ContractError::Shape)?;
        let decoded = decode_hex(digits).ok_or(ContractError::Shape)?;
        let contract = Contract { bytes: decoded.try_into().map_err(|_| ContractError::Shape)? };
        let is_mixed = digits.bytes().any(|b| b.is_ascii_lowercase()) && digits.bytes().any(|b| b.is_ascii_uppercase());
        if is_mixed && contract.checksummed() != digits {
            return Err(ContractError::Checksum);
        }
        Ok(contract)
    }
}

impl Contract {
    /// The forty digits with the capitals of EIP-55: those over whose place the hash of the lower-case digits has a nibble of 8 or more.
    fn checksummed(&self) -> String {
        let lower = encode_hex(&self.bytes);
        let digest = keccak(lower.as_bytes());
        let nibbles = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        lower.chars().zip(nibbles).map(|(c, nibble)| if nibble >= 8 { c.to_ascii_uppercase() } else { c }).collect()
    }
}

impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", encode_hex(&self.bytes))
    }
}

/// Keccak-256, the hash of Ethereum.
pub(super) fn keccak(bytes: &[u8]) -> [u8; 32] {
    let digest = hash::digest(KECCAK_256, bytes, 32);
    digest.ok().and_then(|digest| digest.bytes().try_into().ok()).unwrap_or_default()
}

/// Lower-case hexadecimal.
pub(super) fn encode_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The bytes of an even number of hexadecimal digits in either case.
pub(super) fn decode_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.as_bytes().chunks_exact(2).map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.last()?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_eip_55() {
        for text in [
            "0x52908400098527886E0F7030069857D2E4169EE7",
            "0xde709f2102306220921060314715629080e2fb77",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            let contract: Contract = text.parse().unwrap();
            assert_eq!(contract.to_string(), text.to_ascii_lowercase());
            assert_eq!(contract.to_string().parse(), Ok(contract));
        }
        assert_eq!("0xfb6916095ca1df60bB79Ce92cE3Ea74c37c5d359".parse::<Contract>(), Err(ContractError::Checksum));
        for wrong in
            ["", "0x", "0x1234", "de709f2102306220921060314715629080e2fb77", "0xzz709f2102306220921060314715629080e2fb77"]
        {
            assert_eq!(wrong.parse::<Contract>(), Err(ContractError::Shape), "{wrong}");
        }
    }

    #[test]
    fn hexadecimal() {
        assert_eq!(encode_hex(&[0, 0x9f, 0xff]), "009fff");
        assert_eq!(decode_hex("009FfF"), Some(vec![0, 0x9f, 0xff]));
        assert_eq!(decode_hex(""), Some(vec![]));
        for wrong in ["0", "0g", "+1", "é"] {
            assert_eq!(decode_hex(wrong), None, "{wrong}");
        }
    }
}
