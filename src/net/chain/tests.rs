//! A chain in memory, honest and otherwise.

use super::*;
use crate::address::TokenId;
use crate::error::ErrorKind;
use serde_json::{Value, json};
use std::cell::RefCell;

type Answer = Box<dyn Fn(&str, &Value) -> Value>;

/// Answers calls by method and parameters, batches included.
struct Stub {
    answer: Answer,
    batches: bool,
    waits: RefCell<u32>,
    posts: RefCell<u32>,
}

impl Stub {
    fn new(answer: impl Fn(&str, &Value) -> Value + 'static) -> Stub {
        Stub { answer: Box::new(answer), batches: true, waits: RefCell::default(), posts: RefCell::default() }
    }

    fn one(&self, request: &Value) -> Value {
        let mut answer = (self.answer)(request["method"].as_str().unwrap(), &request["params"]);
        answer["id"] = request["id"].clone();
        answer
    }
}

impl Transport for &Stub {
    fn post(&self, request: &[u8], answer_len_max: usize) -> Result<Vec<u8>, CallError> {
        *self.posts.borrow_mut() += 1;
        let request: Value = serde_json::from_slice(request).unwrap();
        let body = match &request {
            Value::Array(calls) if self.batches => Value::from_iter(calls.iter().rev().map(|call| self.one(call))),
            Value::Array(_) => json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32600, "message": "no batches" } }),
            call => self.one(call),
        };
        let body = body.to_string().into_bytes();
        if body.len() > answer_len_max { Err(CallError::TooLong) } else { Ok(body) }
    }

    fn wait(&self, _: u32) -> crate::error::Result<()> {
        *self.waits.borrow_mut() += 1;
        Ok(())
    }

    fn origin(&self) -> String {
        "http://stub.example".to_owned()
    }
}

const CONTRACT: &str = "0x52908400098527886e0f7030069857d2e4169ee7";

fn contract() -> Contract {
    CONTRACT.parse().unwrap()
}

fn encoded(text: &str) -> String {
    let word = |n: usize| format!("{n:064x}");
    let mut hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    while !hex.len().is_multiple_of(64) {
        hex.push('0');
    }
    format!("0x{}{}{hex}", word(32), word(text.len()))
}

/// A chain with number 1, a final block and a contract; `call` answers `eth_call`.
fn chain(call: impl Fn(&str) -> Value + 'static) -> Stub {
    Stub::new(move |method, params| match method {
        "eth_chainId" => json!({ "result": "0x1" }),
        "eth_getBlockByNumber" => json!({ "result": { "number": "0x10", "hash": format!("0x{}", "aB".repeat(32)), "size": [] } }),
        "eth_getCode" if params[0] == CONTRACT => json!({ "result": "0x60" }),
        "eth_getCode" => json!({ "result": "0x" }),
        "eth_call" if params[0]["to"] == CONTRACT => call(params[0]["data"].as_str().unwrap()),
        "eth_call" => json!({ "result": "0x" }),
        _ => json!({ "error": { "code": -32601, "message": "unknown" } }),
    })
}

fn reader(stub: &Stub) -> Reader<&Stub> {
    Reader::connect(stub, ChainId(1), URI_LEN_MAX).unwrap()
}

fn one(stub: &Stub, standard: Option<Standard>) -> Result<TokenUri, Failure> {
    reader(stub).token_uris(&contract(), standard, &[7.into()]).unwrap().remove(0)
}

#[test]
fn another_chain_is_a_usage_error() {
    let stub = chain(|_| json!({}));
    let error = Reader::connect(&stub, ChainId(137), URI_LEN_MAX).map(drop).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Usage), "{error}");
    assert_eq!(error.message, "http://stub.example serves eip155:1, expected eip155:137");
}

#[test]
fn the_final_block_or_the_newest() {
    let stub = chain(|_| json!({}));
    assert_eq!(reader(&stub).block(), &Block { number: 16, hash: format!("0x{}", "ab".repeat(32)) });
    let stub = Stub::new(|method, params| match (method, params[0].as_str()) {
        ("eth_chainId", _) => json!({ "result": "0x1" }),
        (_, Some("latest")) => json!({ "result": { "number": "0x2", "hash": format!("0x{}", "01".repeat(32)) } }),
        _ => json!({ "error": { "code": -32000, "message": "unknown block tag" } }),
    });
    assert_eq!(reader(&stub).block().number, 2);
}

#[test]
fn a_contract_younger_than_the_final_block() {
    let stub = Stub::new(|method, params| match method {
        "eth_chainId" => json!({ "result": "0x1" }),
        "eth_getBlockByNumber" => {
            let number = if params[0] == "latest" { "0x9" } else { "0x1" };
            json!({ "result": { "number": number, "hash": format!("0x{}", "01".repeat(32)) } })
        }
        "eth_getCode" => json!({ "result": if params[1] == "0x9" { "0x60" } else { "0x" } }),
        _ => json!({ "result": if params[1] == "0x9" { encoded("ipfs://x") } else { "0x".to_owned() } }),
    });
    let uri = one(&stub, Some(Standard::Erc721)).unwrap();
    assert_eq!((uri.uri.as_str(), uri.block.number), ("ipfs://x", 9));
}

#[test]
fn many_tokens_in_few_requests_with_or_without_batches() {
    for batches in [true, false] {
        let mut stub = chain(|data| match data.get(..10) {
            Some("0xc87b56dd") => json!({ "result": encoded(&format!("ipfs://token/{}", &data[72..])) }),
            _ => json!({ "error": { "code": 3, "message": "execution reverted" } }),
        });
        stub.batches = batches;
        let ids: Vec<TokenId> = (1..=120u64).map(TokenId::from).collect();
        let mut reader = reader(&stub);
        let before = *stub.posts.borrow();
        let uris = reader.token_uris(&contract(), Some(Standard::Erc721), &ids).unwrap();
        assert_eq!(uris.len(), 120);
        assert_eq!(uris[0x62 - 1].as_ref().unwrap().uri, "ipfs://token/62", "{batches}");
        let posts = *stub.posts.borrow() - before;
        assert_eq!(posts, if batches { 1 + 3 } else { 1 + 3 + 120 });
    }
}

#[test]
fn the_standard_is_asked_for_and_else_both_are_tried() {
    let supports = |interface: &'static str| {
        move |data: &str| match data.get(..10) {
            Some("0x01ffc9a7") => json!({ "result": format!("0x{:064x}", u64::from(data[10..].starts_with(interface))) }),
            Some("0x0e89341c") => json!({ "result": encoded("ipfs://x/{id}.json") }),
            _ => {
                json!({ "error": { "code": -32000, "message": "VM Exception while processing transaction: revert", "data": "0x" } })
            }
        }
    };
    for interface in ["d9b67a26", "ffffffff"] {
        let stub = chain(supports(interface));
        let uri = one(&stub, None).unwrap();
        assert_eq!((uri.function, uri.standard, uri.uri.as_str()), (Function::Uri, Standard::Erc1155, "ipfs://x/{id}.json"));
    }
    let stub = chain(supports("80ac58cd"));
    assert_eq!(one(&stub, None).unwrap_err().reason, Reason::Reverted);
    assert_eq!(one(&stub, Some(Standard::Erc1155)).unwrap().function, Function::Uri);
}

#[test]
fn reasons() {
    let hardhat = json!({ "code": -32603, "message": "Error: VM Exception while processing transaction: reverted with an unrecognized custom error", "data": { "message": "x", "data": "0x7e27" } });
    let word = |n: u64| format!("{n:064x}");
    for (answer, reason) in [
        (json!({ "error": { "code": 3, "message": "execution reverted" } }), Reason::Reverted),
        (json!({ "error": hardhat }), Reason::Reverted),
        (json!({ "error": { "code": -32015, "message": "VM execution error." } }), Reason::Reverted),
        (json!({ "error": { "code": -32000, "message": "header not found" } }), Reason::Endpoint),
        (json!({ "result": "0x" }), Reason::NoUri),
        (json!({ "result": encoded("") }), Reason::NoUri),
        (json!({ "result": null }), Reason::BadAnswer),
        (json!({ "result": { "a": [[[[]]]] } }), Reason::BadAnswer),
        (json!({ "result": "<html>" }), Reason::BadAnswer),
        (json!({ "result": format!("0x{}{}", word(u64::MAX), word(1)) }), Reason::BadAnswer),
        (json!({ "result": format!("0x{}{}", word(32), word(u64::MAX)) }), Reason::BadAnswer),
        (json!({ "result": encoded(&"x".repeat(URI_LEN_MAX + 1)) }), Reason::Limit),
        (json!({ "result": "f".repeat(URI_LEN_MAX * 3) }), Reason::Limit),
    ] {
        let shown = answer.to_string().chars().take(100).collect::<String>();
        let stub = chain(move |_| answer.clone());
        let failure = one(&stub, Some(Standard::Erc721)).unwrap_err();
        assert_eq!(failure.reason, reason, "{shown}: {failure}");
    }
    let nobody = "0x000000000000000000000000000000000000dead".parse().unwrap();
    let stub = chain(|_| json!({}));
    let failure = reader(&stub).token_uris(&nobody, None, &[1.into()]).unwrap().remove(0).unwrap_err();
    assert_eq!(failure.reason, Reason::NoContract);
}

#[test]
fn an_endpoint_that_is_asked_too_much_is_asked_again() {
    let left = RefCell::new(2);
    let stub = chain(move |_| {
        if *left.borrow() > 0 {
            *left.borrow_mut() -= 1;
            return json!({ "error": { "code": -32005, "message": "limit exceeded" } });
        }
        json!({ "result": encoded("ipfs://x") })
    });
    assert_eq!(one(&stub, Some(Standard::Erc721)).unwrap().uri, "ipfs://x");
    assert_eq!(*stub.waits.borrow(), 2);
    let stub = chain(|_| json!({ "error": { "code": -32005, "message": "limit exceeded" } }));
    assert_eq!(one(&stub, Some(Standard::Erc721)).unwrap_err().reason, Reason::Endpoint);
}

#[test]
fn bytes32_is_read_with_a_note() {
    let stub = chain(
        |_| json!({ "result": format!("0x{:0<64}", "ipfs://not-a-dynamic-string".bytes().map(|b| format!("{b:02x}")).collect::<String>()) }),
    );
    let uri = one(&stub, Some(Standard::Erc721)).unwrap();
    assert_eq!((uri.uri.as_str(), uri.note), ("ipfs://not-a-dynamic-string", Some(AbiNote::Bytes32)));
}

#[test]
fn all_tokens_of_a_contract() {
    let stub = chain(|data| match data.get(..10) {
        Some("0x18160ddd") => json!({ "result": format!("0x{:064x}", 3) }),
        Some("0x4f6ccce7") => json!({ "result": format!("0x{:064x}", 100 - u64::from_str_radix(&data[60..], 16).unwrap()) }),
        Some("0xe8a3d485") => json!({ "result": encoded("ipfs://contract") }),
        _ => json!({ "error": { "code": 3, "message": "execution reverted" } }),
    });
    let ids = reader(&stub).all_tokens(&contract(), 10).unwrap().unwrap();
    assert_eq!(ids, [98.into(), 99.into(), 100.into()]);
    assert_eq!(reader(&stub).all_tokens(&contract(), 2).unwrap().unwrap_err().reason, Reason::Limit);
    let uri = reader(&stub).contract_uri(&contract(), Standard::Erc721).unwrap().unwrap();
    assert_eq!((uri.uri.as_str(), uri.function), ("ipfs://contract", Function::ContractUri));
}

#[test]
fn too_many_answers_are_passed_over() {
    struct Flood;
    impl Transport for Flood {
        fn post(&self, request: &[u8], _: usize) -> Result<Vec<u8>, CallError> {
            let request: Value = serde_json::from_slice(request).unwrap();
            Ok(match request {
                Value::Array(_) => format!("[{}{{}}]", "{},".repeat(100_000)).into_bytes(),
                call if call["method"] == "eth_chainId" => br#"{"id":1,"result":"0x1"}"#.to_vec(),
                call if call["method"] == "eth_getBlockByNumber" => {
                    format!(r#"{{"id":1,"result":{{"number":"0x1","hash":"0x{}"}}}}"#, "00".repeat(32)).into_bytes()
                }
                _ => format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes(),
            })
        }

        fn wait(&self, _: u32) -> crate::error::Result<()> {
            Ok(())
        }

        fn origin(&self) -> String {
            String::new()
        }
    }
    let mut reader = Reader::connect(Flood, ChainId(1), URI_LEN_MAX).unwrap();
    let results = reader.token_uris(&contract(), Some(Standard::Erc721), &[1.into(), 2.into()]).unwrap();
    assert!(
        results.iter().all(|result| result.as_ref().is_err_and(|failure| failure.reason == Reason::BadAnswer)),
        "{results:?}"
    );
}
