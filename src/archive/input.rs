//! What a person named: tokens, contracts, addresses, files.

use super::{Options, Tokens};
use crate::address::{self, Address, TokenId};
use crate::error::{Error, Result};
use crate::net::chain::{Asset, AssetError, ChainId, Contract, Ids, Standard};
use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes of a file that tell a CAR from a document.
const HEAD_LEN: usize = 64;

/// Tokens of one contract, to be looked up together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenRequest {
    pub(super) chain: ChainId,
    pub(super) standard: Option<Standard>,
    pub(super) contract: Contract,
    pub(super) ids: Wanted,
    /// As it was named.
    pub(super) input: String,
}

/// Which tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// These.
    Ids(Vec<TokenId>),
    /// All that the contract lists.
    All,
}

/// One thing that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// Tokens.
    Tokens(TokenRequest),
    /// Content.
    Address(Box<Address>, String),
    /// A metadata file.
    Document(PathBuf),
    /// A CAR file, for the DAGs of its roots.
    Car(PathBuf),
}

/// Reads the inputs. A name of an existing file is that file.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::error::ErrorKind::Usage) with the input that cannot be understood.
pub(super) fn parse(inputs: &[String], options: &Options) -> Result<Vec<Request>> {
    if inputs.is_empty() {
        return Err(Error::usage("nothing to archive: name a token, an address or a file"));
    }
    let mut count = 0usize;
    inputs.iter().map(|input| one(input, options, &mut count).map_err(|e| e.in_file(input.clone()))).collect()
}

fn one(input: &str, options: &Options, count: &mut usize) -> Result<Request> {
    match input.parse::<Asset>() {
        Ok(asset) => return tokens(asset, input, options, count).map(Request::Tokens),
        Err(AssetError::NotAnAsset) => {}
        Err(error) if looks_like_asset(input) => return Err(Error::usage(error.to_string())),
        Err(_) => {}
    }
    let path = Path::new(input);
    if path.is_file() {
        return file(path);
    }
    let address = address::parse_content(input, &address::Options::default())
        .map_err(|e| Error::usage(format!("neither a token, an address nor a file: {}", e.reason())))?;
    match address.kind {
        address::Kind::Ipfs | address::Kind::Data => Ok(Request::Address(Box::new(address), input.to_owned())),
        kind => Err(Error::usage(format!("an address of kind {} cannot be archived, expected ipfs", kind.as_str()))),
    }
}

/// Whether a broken name can only have meant a token.
fn looks_like_asset(input: &str) -> bool {
    input.starts_with("0x") || input.starts_with("eip155:") || input.contains("/erc721:") || input.contains("/erc1155:")
}

fn file(path: &Path) -> Result<Request> {
    let mut head = Vec::new();
    let opened = File::open(path).and_then(|file| file.take(HEAD_LEN as u64).read_to_end(&mut head));
    opened.map_err(|e| Error::io(e, "cannot read"))?;
    let is_car = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("car"))
        || head.windows(7).take(24).any(|window| window == b"version");
    let is_text = matches!(head.trim_ascii_start().first(), Some(b'{' | b'['));
    Ok(if is_car && !is_text { Request::Car(path.to_owned()) } else { Request::Document(path.to_owned()) })
}

fn tokens(asset: Asset, input: &str, options: &Options, count: &mut usize) -> Result<TokenRequest> {
    let Some(chain) = asset.chain.or(options.chain) else {
        return Err(Error::usage("on which chain? Name it with --chain, as in --chain eip155:1"));
    };
    let ranges = match (asset.ids, &options.tokens) {
        (Ids::Range(first, last), _) => vec![(first, last)],
        (Ids::None, Tokens::Ranges(ranges)) => ranges.clone(),
        (Ids::None, Tokens::All) => Vec::new(),
        (Ids::None, Tokens::Named) => {
            return Err(Error::usage("a contract, but which of its tokens? Add /ID or /FIRST-LAST, or use --ids or --all"));
        }
    };
    let ids = if ranges.is_empty() { Wanted::All } else { Wanted::Ids(expand(&ranges, options.items_max, count)?) };
    Ok(TokenRequest { chain, standard: asset.standard, contract: asset.contract, ids, input: input.to_owned() })
}

/// Every token of the ranges, each once, in order.
fn expand(ranges: &[(TokenId, TokenId)], max: usize, count: &mut usize) -> Result<Vec<TokenId>> {
    let mut seen = HashSet::new();
    let mut ids = Vec::new();
    for (first, last) in ranges {
        let mut next = Some(*first);
        while let Some(id) = next.filter(|id| id <= last) {
            if *count >= max {
                return Err(Error::usage(format!("more than {max} tokens (--max-items moves this limit)")));
            }
            if seen.insert(id) {
                *count = count.saturating_add(1);
                ids.push(id);
            }
            next = id.next();
        }
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "0x52908400098527886e0f7030069857d2e4169ee7";

    fn parsed(input: &str, options: &Options) -> Result<Request> {
        parse(&[input.to_owned()], options).map(|mut requests| requests.remove(0))
    }

    #[test]
    fn every_kind() {
        let mut options = Options { chain: Some(ChainId(5)), ..Options::default() };
        let Ok(Request::Tokens(request)) = parsed(&format!("{ADDRESS}/3-5"), &options) else { panic!() };
        assert_eq!((request.chain, request.ids), (ChainId(5), Wanted::Ids(vec![3.into(), 4.into(), 5.into()])));
        assert!(parsed(ADDRESS, &options).unwrap_err().message.contains("--all"));
        options.tokens = Tokens::Ranges(vec![(1.into(), 2.into()), (2.into(), 2.into())]);
        let Ok(Request::Tokens(request)) = parsed(ADDRESS, &options) else { panic!() };
        assert_eq!(request.ids, Wanted::Ids(vec![1.into(), 2.into()]));
        options.tokens = Tokens::All;
        let Ok(Request::Tokens(request)) = parsed(&format!("eip155:1/erc721:{ADDRESS}"), &options) else { panic!() };
        assert_eq!((request.chain, request.ids), (ChainId(1), Wanted::All));
        assert!(matches!(parsed("testdata/token.car", &options), Ok(Request::Car(_))));
        assert!(matches!(parsed("Cargo.toml", &options), Ok(Request::Document(_))));
        let cid = "ipfs://bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi/1.json";
        assert!(matches!(parsed(cid, &options), Ok(Request::Address(..))));
    }

    #[test]
    fn what_cannot_be_archived() {
        let options = Options { items_max: 10, ..Options::default() };
        for (input, word) in [
            (format!("{ADDRESS}/7"), "--chain"),
            (format!("eip155:1/erc721:{ADDRESS}/1-100000000000000000000"), "--max-items"),
            (format!("solana:1/erc721:{ADDRESS}/7"), "eip155"),
            ("0x52908400098527886E0F7030069857D2E4169Ee7/1".to_owned(), "checksum"),
            ("https://example.com/x".to_owned(), "not-ipfs"),
            ("no-such-file.json".to_owned(), "neither"),
            ("ipns://example.com".to_owned(), "ipns"),
        ] {
            let error = parsed(&input, &options).unwrap_err();
            assert!(error.message.contains(word), "{input}: {error}");
        }
    }
}
