//! A chain on a loopback port: JSON-RPC as a test tells it to answer, hostile answers included.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// An ERC-721 and an ERC-1155 contract, one that returns `bytes32`, and an address without a contract.
pub(crate) const ERC_721: &str = "0xe78a0f7e598cc8b0bb87894b0f60dd2a88d6a8ab";
pub(crate) const ERC_1155: &str = "0x5b1869d9a4c187f2eaa108f3062412ecf0526b24";
pub(crate) const BYTES_32: &str = "0xcfeb869f69431e42cdb54a4f4f105c19c080a601";
pub(crate) const NOBODY: &str = "0x000000000000000000000000000000000000dead";

/// What goes back over the wire.
pub(crate) struct Wire {
    pub(crate) status: u16,
    pub(crate) headers: &'static str,
    pub(crate) body: String,
}

type Answer = Arc<dyn Fn(&Value, usize) -> Wire + Send + Sync>;

/// A server that ends when it is dropped.
pub(crate) struct Chain {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
}

impl Chain {
    /// Answers whole requests; the number says how many came before.
    pub(crate) fn start(answer: impl Fn(&Value, usize) -> Wire + Send + Sync + 'static) -> Chain {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (answer, server_stop, server_count): (Answer, _, _) = (Arc::new(answer), Arc::clone(&stop), Arc::clone(&count));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if server_stop.load(Ordering::Relaxed) {
                    return;
                }
                let (answer, count) = (Arc::clone(&answer), Arc::clone(&server_count));
                thread::spawn(move || stream.and_then(|stream| converse(stream, &answer, &count)));
            }
        });
        Chain { address, stop, count }
    }

    /// A chain whose contracts give these URIs: of tokens of the ERC-721 contract by number, of all of the ERC-1155 contract.
    pub(crate) fn of(chain_id: u64, tokens: Vec<(u64, String)>, any: &str, contract: Option<&str>) -> Chain {
        let (any, contract) = (any.to_owned(), contract.map(str::to_owned));
        let call = move |request: &Value| one(request, chain_id, &tokens, &any, contract.as_deref());
        Chain::start(move |request, _| {
            let body = match request {
                Value::Array(calls) => Value::from_iter(calls.iter().map(&call)),
                request => call(request),
            };
            Wire { status: 200, headers: "", body: body.to_string() }
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the loop, which then ends.
        drop(TcpStream::connect(self.address));
    }
}

fn converse(mut stream: TcpStream, answer: &Answer, count: &AtomicUsize) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut len = 0;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 && line.trim() != "" {
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            len = value.trim().parse().expect("a length");
        }
        line.clear();
    }
    let mut body = vec![0; len];
    reader.read_exact(&mut body)?;
    let Ok(request) = serde_json::from_slice::<Value>(&body) else { return Ok(()) };
    let Wire { status, headers, body } = answer(&request, count.fetch_add(1, Ordering::Relaxed));
    let head = format!(
        "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

/// A string as the ABI encodes it.
pub(crate) fn encoded(text: &str) -> String {
    let mut hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    while !hex.len().is_multiple_of(64) {
        hex.push('0');
    }
    format!("0x{:064x}{:064x}{hex}", 32, text.len())
}

fn one(request: &Value, chain_id: u64, tokens: &[(u64, String)], any: &str, contract: Option<&str>) -> Value {
    let params = &request["params"];
    let result = |value: Value| json!({ "jsonrpc": "2.0", "id": request["id"], "result": value });
    let revert = json!({
        "jsonrpc": "2.0",
        "id": request["id"],
        "error": { "code": -32000, "message": "VM Exception while processing transaction: revert", "data": "0x7e273289" },
    });
    match request["method"].as_str().unwrap_or_default() {
        "eth_chainId" => result(format!("0x{chain_id:x}").into()),
        "eth_getBlockByNumber" => result(json!({ "number": "0x4", "hash": format!("0x{}", "2d".repeat(32)) })),
        "eth_getCode" => result(if params[0] == NOBODY { "0x" } else { "0x6000" }.into()),
        "eth_call" => {
            let data = params[0]["data"].as_str().unwrap_or_default();
            let (function, id) = (data.get(..10).unwrap_or_default(), data.get(58..74).unwrap_or_default());
            let id = u64::from_str_radix(id, 16).unwrap_or_default();
            match (params[0]["to"].as_str().unwrap_or_default(), function) {
                (NOBODY, _) => result("0x".into()),
                (ERC_721, "0xc87b56dd") => {
                    let token = tokens.iter().find(|(number, _)| *number == id);
                    token.map_or(revert, |(_, uri)| result(encoded(uri).into()))
                }
                (ERC_721, "0x01ffc9a7") => result(format!("0x{:064x}", u8::from(data.contains("80ac58cd"))).into()),
                (ERC_721, "0x18160ddd") => result(format!("0x{:064x}", tokens.len()).into()),
                (ERC_721, "0x4f6ccce7") => {
                    let index = usize::try_from(id).unwrap_or(usize::MAX);
                    tokens.get(index).map_or(revert, |(number, _)| result(format!("0x{number:064x}").into()))
                }
                (ERC_721, "0xe8a3d485") => contract.map_or(revert, |uri| result(encoded(uri).into())),
                (ERC_1155, "0x0e89341c") => result(encoded(any).into()),
                (ERC_1155, "0x01ffc9a7") => result(format!("0x{:064x}", u8::from(data.contains("d9b67a26"))).into()),
                (BYTES_32, "0xc87b56dd") => {
                    let hex: String = "ipfs://not-a-dynamic-string".bytes().map(|byte| format!("{byte:02x}")).collect();
                    result(format!("0x{hex:0<64}").into())
                }
                _ => revert,
            }
        }
        _ => json!({ "jsonrpc": "2.0", "id": request["id"], "error": { "code": -32601, "message": "no such method" } }),
    }
}
