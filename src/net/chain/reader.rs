//! One chain at one block: which URIs its contracts give for their tokens.

use super::abi::{self, AbiError, AbiNote};
use super::contract::decode_hex;
use super::rpc::{Call, CallError, Rpc, Transport};
use super::{ChainId, Contract, Standard};
use crate::address::TokenId;
use crate::error::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use std::fmt;

/// ERC-165 ids of the interfaces.
const ERC_721: [u8; 4] = [0x80, 0xac, 0x58, 0xcd];
const ERC_1155: [u8; 4] = [0xd9, 0xb6, 0x7a, 0x26];

/// The function that gave a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// ERC-721 Metadata.
    TokenUri,
    /// ERC-1155 Metadata; `{id}` is still to be filled in.
    Uri,
    /// ERC-7572, of the contract itself.
    ContractUri,
}

impl Function {
    /// The signature.
    pub fn signature(self) -> &'static str {
        match self {
            Function::TokenUri => "tokenURI(uint256)",
            Function::Uri => "uri(uint256)",
            Function::ContractUri => "contractURI()",
        }
    }

    fn standard(self) -> Standard {
        if self == Function::Uri { Standard::Erc1155 } else { Standard::Erc721 }
    }

    fn of(standard: Standard) -> Function {
        match standard {
            Standard::Erc721 => Function::TokenUri,
            Standard::Erc1155 => Function::Uri,
        }
    }
}

/// The block at which the chain is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its number.
    pub number: u64,
    /// Its hash: `0x` and 64 lower-case digits.
    pub hash: String,
}

/// A URI as a contract returned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUri {
    /// The function that returned it.
    pub function: Function,
    /// The standard: as named, as the contract says, or as the function that worked.
    pub standard: Standard,
    /// The URI, verbatim and untrusted.
    pub uri: String,
    /// How it was encoded, when not as the ABI says.
    pub note: Option<AbiNote>,
    /// The block it was read at.
    pub block: Block,
}

/// Why a token has no URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The contract ended the call: no such token, or no such function.
    Reverted,
    /// There is no contract at this address.
    NoContract,
    /// The contract returns nothing, or an empty text.
    NoUri,
    /// The contract or the endpoint returns something else than text.
    BadAnswer,
    /// The URI is longer than the limit.
    Limit,
    /// The endpoint could not be asked.
    Endpoint,
}

impl Reason {
    /// The reason as a stable kebab-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Reverted => "reverted",
            Reason::NoContract => "no-contract",
            Reason::NoUri => "no-uri",
            Reason::BadAnswer => "bad-answer",
            Reason::Limit => "limit",
            Reason::Endpoint => "endpoint",
        }
    }

    /// Whether it may work later.
    pub fn is_retryable(self) -> bool {
        self == Reason::Endpoint
    }
}

/// Why a token has no URI, in words. The text is untrusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The reason.
    pub reason: Reason,
    /// One sentence.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<AbiError> for Failure {
    fn from(error: AbiError) -> Failure {
        let reason = match error {
            AbiError::Empty => Reason::NoUri,
            AbiError::TooLong => Reason::Limit,
            _ => Reason::BadAnswer,
        };
        Failure { reason, message: error.to_string() }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Failure {
        let reason = match &error {
            error if error.is_revert() => Reason::Reverted,
            CallError::TooLong => Reason::Limit,
            CallError::BadAnswer(_) => Reason::BadAnswer,
            _ => Reason::Endpoint,
        };
        Failure { reason, message: error.to_string() }
    }
}

#[derive(Deserialize)]
struct Header {
    number: String,
    hash: String,
}

/// Reads contracts of one chain at one block.
#[derive(Debug)]
pub struct Reader<T> {
    rpc: Rpc<T>,
    block: Block,
    /// The newest block, for contracts that are younger than the pinned one.
    latest: Option<Block>,
    uri_len_max: usize,
    /// What contracts say that they are (ERC-165).
    standards: HashMap<Contract, Option<Standard>>,
}

impl<T: Transport> Reader<T> {
    /// Asks the endpoint which chain it serves, and pins a block: the last final one, or the newest where none is known.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when it serves another chain; [`ErrorKind::Io`] when it cannot be asked.
    pub fn connect(transport: T, chain: ChainId, uri_len_max: usize) -> Result<Reader<T>> {
        let origin = transport.origin();
        let rpc = Rpc::new(transport, uri_len_max);
        let served = rpc.text(&Call::new("eth_chainId", json!([]))).map_err(|e| unusable(&origin, e))?;
        match quantity(&served) {
            Some(id) if id == chain.0 => {}
            Some(id) => {
                return Err(Error::usage(format!("{origin} serves {}, expected {chain}", ChainId(id))));
            }
            None => return Err(unusable(&origin, CallError::BadAnswer(format!("no chain id: {:.40}", served)))),
        }
        let block = match block(&rpc, "finalized") {
            Ok(block) => block,
            Err(CallError::Ended(error)) => return Err(error),
            Err(_) => block(&rpc, "latest").map_err(|e| unusable(&origin, e))?,
        };
        Ok(Reader { rpc, block, latest: None, uri_len_max, standards: HashMap::new() })
    }

    /// The block that is pinned.
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// Scheme, host and port of the endpoint.
    pub fn origin(&self) -> String {
        self.rpc.transport.origin()
    }

    fn at_block(&self, contract: &Contract, data: String) -> Call {
        Call::new("eth_call", json!([{ "to": contract.to_string(), "data": data }, format!("0x{:x}", self.block.number)]))
    }

    /// The URIs of many tokens of one contract, in order. Without a standard, the contract is asked for it (ERC-165); if it does not say,
    /// both functions are tried.
    ///
    /// # Errors
    /// Only when the work is stopped. Why one token has no URI is its own result.
    pub fn token_uris(
        &mut self,
        contract: &Contract,
        standard: Option<Standard>,
        ids: &[TokenId],
    ) -> Result<Vec<std::result::Result<TokenUri, Failure>>> {
        self.pin_for(contract)?;
        let functions = match standard {
            Some(standard) => vec![Function::of(standard)],
            None => match self.standard_of(contract)? {
                Some(standard) => vec![Function::of(standard)],
                None => vec![Function::TokenUri, Function::Uri],
            },
        };
        let mut results: Vec<std::result::Result<TokenUri, Failure>> = Vec::with_capacity(ids.len());
        for (round, function) in functions.into_iter().enumerate() {
            let open: Vec<usize> = match round {
                0 => (0..ids.len()).collect(),
                _ => results.iter().enumerate().filter(|(_, result)| result.is_err()).map(|(at, _)| at).collect(),
            };
            let calls: Vec<Call> = open
                .iter()
                .filter_map(|at| ids.get(*at))
                .map(|id| self.at_block(contract, abi::call_with(function.signature(), *id)))
                .collect();
            for (at, answer) in open.into_iter().zip(self.rpc.texts(&calls)?) {
                let result = self.decode(function, function.standard(), answer);
                match results.get_mut(at) {
                    // Of two failures the first is kept: it is of the likelier function.
                    Some(known) => drop(result.map(|uri| *known = Ok(uri))),
                    None => results.push(result),
                }
            }
        }
        for result in &mut results {
            self.explain(contract, result)?;
        }
        Ok(results)
    }

    /// The URI of the contract's own metadata (ERC-7572); `None` when it has none.
    ///
    /// # Errors
    /// Only when the work is stopped.
    pub fn contract_uri(&mut self, contract: &Contract, standard: Standard) -> Result<Option<TokenUri>> {
        self.pin_for(contract)?;
        let call = self.at_block(contract, abi::call(Function::ContractUri.signature()));
        match self.rpc.text(&call) {
            Err(CallError::Ended(error)) => Err(error),
            answer => Ok(self.decode(Function::ContractUri, standard, answer).ok()),
        }
    }

    /// Every token of an ERC-721 contract that can list them (ERC-721 Enumerable), at most `count_max`.
    ///
    /// # Errors
    /// When the work is stopped. Why they cannot be listed is the inner error.
    pub fn all_tokens(&mut self, contract: &Contract, count_max: usize) -> Result<std::result::Result<Vec<TokenId>, Failure>> {
        self.pin_for(contract)?;
        let answer = self.rpc.texts(&[self.at_block(contract, abi::call("totalSupply()"))])?.pop();
        let supply = match answer.unwrap_or_else(|| Err(CallError::BadAnswer("no answer".to_owned()))) {
            Ok(answer) => abi::number(&answer).map_err(Failure::from),
            Err(error) => Err(error.into()),
        };
        let supply = match supply {
            Ok(supply) => supply,
            Err(mut failure) => {
                self.explain_failure(contract, &mut failure)?;
                return Ok(Err(failure));
            }
        };
        if supply > TokenId::from(count_max as u64) {
            let message = format!("the contract counts {supply} tokens, at most {count_max} are taken (--max-items)");
            return Ok(Err(Failure { reason: Reason::Limit, message }));
        }
        let [.., a, b, c, d, e, f, g, h] = supply.to_be_bytes();
        let mut ids = Vec::new();
        let indexes: Vec<u64> = (0..u64::from_be_bytes([a, b, c, d, e, f, g, h])).collect();
        for indexes in indexes.chunks(1000) {
            let call = |index: &u64| self.at_block(contract, abi::call_with("tokenByIndex(uint256)", (*index).into()));
            let calls: Vec<Call> = indexes.iter().map(call).collect();
            for answer in self.rpc.texts(&calls)? {
                match answer.map_err(Failure::from).and_then(|answer| Ok(abi::number(&answer)?)) {
                    Ok(id) => ids.push(id),
                    Err(failure) => return Ok(Err(failure)),
                }
            }
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(Ok(ids))
    }

    fn decode(
        &self,
        function: Function,
        standard: Standard,
        answer: std::result::Result<String, CallError>,
    ) -> std::result::Result<TokenUri, Failure> {
        let (uri, note) = abi::string(&answer?, self.uri_len_max)?;
        if uri.trim().is_empty() {
            return Err(Failure { reason: Reason::NoUri, message: "the contract's URI is empty".to_owned() });
        }
        Ok(TokenUri { function, standard, uri, note, block: self.block.clone() })
    }

    /// What the contract says that it is.
    fn standard_of(&mut self, contract: &Contract) -> Result<Option<Standard>> {
        if let Some(known) = self.standards.get(contract) {
            return Ok(*known);
        }
        let interfaces = [(ERC_721, Standard::Erc721), (ERC_1155, Standard::Erc1155)];
        let calls = interfaces.map(|(interface, _)| self.at_block(contract, abi::supports_interface(interface)));
        let answers = self.rpc.texts(&calls)?;
        let yes = |answer: &std::result::Result<String, CallError>| {
            answer.as_ref().is_ok_and(|answer| abi::number(answer) == Ok(TokenId::from(1)))
        };
        let mut said = interfaces.iter().zip(&answers).filter(|(_, answer)| yes(answer)).map(|((_, standard), _)| *standard);
        let standard = match (said.next(), said.next()) {
            (Some(one), None) => Some(one),
            // Neither, or both: what works decides.
            _ => None,
        };
        self.standards.insert(*contract, standard);
        Ok(standard)
    }

    /// A contract may be younger than the last final block: then the newest block is pinned in its place.
    fn pin_for(&mut self, contract: &Contract) -> Result<()> {
        if self.latest.as_ref() == Some(&self.block) || self.has_code(contract)? {
            return Ok(());
        }
        match block(&self.rpc, "latest") {
            Ok(latest) => {
                self.latest = Some(latest.clone());
                let final_block = std::mem::replace(&mut self.block, latest);
                if !self.has_code(contract)? {
                    self.block = final_block;
                }
                Ok(())
            }
            Err(CallError::Ended(error)) => Err(error),
            Err(_) => Ok(()),
        }
    }

    /// Whether there is a contract; also when the endpoint does not say.
    fn has_code(&self, contract: &Contract) -> Result<bool> {
        let params = json!([contract.to_string(), format!("0x{:x}", self.block.number)]);
        match self.rpc.text(&Call::new("eth_getCode", params)) {
            Ok(code) => Ok(code != "0x"),
            Err(CallError::Ended(error)) => Err(error),
            Err(_) => Ok(true),
        }
    }

    /// An answer of nothing is usual where there is no contract.
    fn explain(&self, contract: &Contract, result: &mut std::result::Result<TokenUri, Failure>) -> Result<()> {
        match result {
            Err(failure) => self.explain_failure(contract, failure),
            Ok(_) => Ok(()),
        }
    }

    fn explain_failure(&self, contract: &Contract, failure: &mut Failure) -> Result<()> {
        if failure.reason == Reason::NoUri && !self.has_code(contract)? {
            *failure = Failure { reason: Reason::NoContract, message: format!("there is no contract at {contract}") };
        }
        Ok(())
    }
}

fn unusable(origin: &str, error: CallError) -> Error {
    match error {
        CallError::Ended(error) => error,
        error => Error::new(ErrorKind::Io(std::io::ErrorKind::Other.into()), format!("{origin}: {error}")),
    }
}

fn block<T: Transport>(rpc: &Rpc<T>, tag: &str) -> std::result::Result<Block, CallError> {
    let header: Option<Header> = rpc.call(&Call::new("eth_getBlockByNumber", json!([tag, false])))?;
    let bad = |what: &str| CallError::BadAnswer(format!("the block has no {what}"));
    let header = header.ok_or_else(|| bad("content"))?;
    let number = quantity(&header.number).ok_or_else(|| bad("number"))?;
    let hash = header.hash.to_ascii_lowercase();
    let is_hash = hash.strip_prefix("0x").and_then(decode_hex).is_some_and(|bytes| bytes.len() == 32);
    if is_hash { Ok(Block { number, hash }) } else { Err(bad("hash")) }
}

/// A number as JSON-RPC writes it.
fn quantity(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x")?;
    if digits.starts_with('+') { None } else { u64::from_str_radix(digits, 16).ok() }
}
