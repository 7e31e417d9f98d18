//! Names of tokens: CAIP-19 on EVM chains, the short `0x…/7`, and ranges of both.

use super::{Contract, ContractError};
use crate::address::{TokenId, TokenIdError};
use std::fmt;
use std::str::FromStr;

/// A chain of the `eip155` namespace (CAIP-2): its chain id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(pub u64);

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "eip155:{}", self.0)
    }
}

impl FromStr for ChainId {
    type Err = AssetError;

    /// Reads `eip155:1`, or `1`.
    ///
    /// # Errors
    /// [`AssetError::Chain`].
    fn from_str(text: &str) -> Result<ChainId, AssetError> {
        let digits = text.strip_prefix("eip155:").unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(AssetError::Chain);
        }
        digits.parse().map(ChainId).map_err(|_| AssetError::Chain)
    }
}

/// The standard that a contract follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standard {
    /// ERC-721.
    Erc721,
    /// ERC-1155.
    Erc1155,
}

impl Standard {
    /// The asset namespace of CAIP-19.
    pub fn as_str(self) -> &'static str {
        match self {
            Standard::Erc721 => "erc721",
            Standard::Erc1155 => "erc1155",
        }
    }
}

/// Which tokens of a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// The contract itself.
    None,
    /// From the first to the last, both included; one token when they are the same.
    Range(TokenId, TokenId),
}

/// Tokens of one contract.
///
/// ```
/// use cartool::net::chain::{Asset, AssetError, Standard};
/// let asset: Asset = "eip155:1/erc721:0x52908400098527886e0f7030069857d2e4169ee7/7".parse()?;
/// assert_eq!(asset.standard, Some(Standard::Erc721));
/// let short: Asset = "0x52908400098527886e0f7030069857d2e4169ee7/1-100".parse()?;
/// assert_eq!(short.chain, None);
/// # Ok::<(), AssetError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    /// The chain, unless the name is short.
    pub chain: Option<ChainId>,
    /// The standard, unless the name is short.
    pub standard: Option<Standard>,
    /// The contract.
    pub contract: Contract,
    /// Its tokens.
    pub ids: Ids,
}

/// Why a text is not the name of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssetError {
    /// Not the shape of one: something else may be meant.
    NotAnAsset,
    /// The chain is not `eip155:` and a number.
    Chain,
    /// An asset namespace other than `erc721` and `erc1155`.
    Namespace,
    /// The contract's address.
    Contract(ContractError),
    /// A token's number.
    TokenId(TokenIdError),
    /// A range that ends before it starts.
    EmptyRange,
}

impl fmt::Display for AssetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AssetError::NotAnAsset => f.write_str("not the name of a token: expected eip155:CHAIN/erc721:0xADDR/ID or 0xADDR/ID"),
            AssetError::Chain => f.write_str("expected a chain as eip155:NUMBER; other chains cannot be read"),
            AssetError::Namespace => f.write_str("expected erc721 or erc1155 before the contract's address"),
            AssetError::Contract(error) => error.fmt(f),
            AssetError::TokenId(error) => error.fmt(f),
            AssetError::EmptyRange => f.write_str("the range of token ids ends before it starts"),
        }
    }
}

impl std::error::Error for AssetError {}

impl FromStr for Asset {
    type Err = AssetError;

    /// Reads `eip155:1/erc721:0x…/7`, `…/1-100`, the same without ids, `0x…/7` and its like, and `did:nft:eip155:1_erc721:0x…_7`.
    ///
    /// # Errors
    /// [`AssetError`]; [`AssetError::NotAnAsset`] when the text is something else.
    fn from_str(text: &str) -> Result<Asset, AssetError> {
        if let Some(did) = text.strip_prefix("did:nft:") {
            return did.replace('_', "/").parse();
        }
        if text.starts_with("0x") || text.starts_with("0X") {
            let (contract, ids) = text.split_once('/').map_or((text, None), |(contract, ids)| (contract, Some(ids)));
            let contract = contract.parse().map_err(AssetError::Contract)?;
            return Ok(Asset { chain: None, standard: None, contract, ids: ids_of(ids)? });
        }
        let (chain, rest) = text.split_once('/').ok_or(AssetError::NotAnAsset)?;
        if !chain.contains(':') || chain.contains("//") || chain.ends_with(':') {
            return Err(AssetError::NotAnAsset);
        }
        let (namespace, rest) = rest.split_once(':').ok_or(AssetError::NotAnAsset)?;
        let (contract, ids) = rest.split_once('/').map_or((rest, None), |(contract, ids)| (contract, Some(ids)));
        if !chain.starts_with("eip155:") {
            return Err(AssetError::Chain);
        }
        let standard = match namespace {
            "erc721" => Standard::Erc721,
            "erc1155" => Standard::Erc1155,
            _ => return Err(AssetError::Namespace),
        };
        Ok(Asset {
            chain: Some(chain.parse()?),
            standard: Some(standard),
            contract: contract.parse().map_err(AssetError::Contract)?,
            ids: ids_of(ids)?,
        })
    }
}

fn ids_of(text: Option<&str>) -> Result<Ids, AssetError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Ids::None) };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let first: TokenId = first.parse().map_err(AssetError::TokenId)?;
    let last = last.parse().map_err(AssetError::TokenId)?;
    if last < first { Err(AssetError::EmptyRange) } else { Ok(Ids::Range(first, last)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "0x52908400098527886e0f7030069857d2e4169ee7";

    #[test]
    fn every_form() {
        let range = |first: u64, last: u64| Ids::Range(first.into(), last.into());
        for (text, chain, standard, ids) in [
            (format!("eip155:1/erc721:{ADDRESS}/7"), Some(1), Some(Standard::Erc721), range(7, 7)),
            (format!("eip155:137/erc1155:{ADDRESS}/1-100"), Some(137), Some(Standard::Erc1155), range(1, 100)),
            (format!("eip155:1/erc721:{ADDRESS}"), Some(1), Some(Standard::Erc721), Ids::None),
            (format!("did:nft:eip155:1_erc721:{ADDRESS}_771769"), Some(1), Some(Standard::Erc721), range(771_769, 771_769)),
            (format!("{ADDRESS}/0x10"), None, None, range(16, 16)),
            (format!("{ADDRESS}/"), None, None, Ids::None),
            (ADDRESS.to_owned(), None, None, Ids::None),
        ] {
            let asset: Asset = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!((asset.chain, asset.standard, asset.ids), (chain.map(ChainId), standard, ids), "{text}");
            assert_eq!(asset.contract.to_string(), ADDRESS);
        }
    }

    #[test]
    fn what_is_none() {
        let error = |text: &str| text.parse::<Asset>().unwrap_err();
        for text in ["", "ipfs://bafy/x", "token.car", "https://example.com/a:b", "dir/file.json", "data:a/b;base64,xx:y"] {
            assert!(matches!(error(text), AssetError::NotAnAsset | AssetError::Chain), "{text}: {:?}", error(text));
        }
        assert_eq!(error(&format!("solana:1/erc721:{ADDRESS}/7")), AssetError::Chain);
        assert_eq!(error(&format!("eip155:x/erc721:{ADDRESS}/7")), AssetError::Chain);
        assert_eq!(error(&format!("eip155:1/erc20:{ADDRESS}/7")), AssetError::Namespace);
        assert_eq!(error(&format!("{ADDRESS}/9-3")), AssetError::EmptyRange);
        assert!(matches!(error(&format!("{ADDRESS}/seven")), AssetError::TokenId(_)));
        assert_eq!(error("0x12/7"), AssetError::Contract(ContractError::Shape));
    }
}
