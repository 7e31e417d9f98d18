//! Real chains: Ganache and Hardhat, each on a loopback port, with the fixtures' contracts deployed.

use crate::program::installed;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A chain, which ends when it is dropped.
pub(crate) struct Chain {
    child: Child,
    port: u16,
    pub(crate) id: u64,
    folder: tempfile::TempDir,
}

/// Addresses of the contracts.
pub(crate) struct Contracts {
    pub(crate) erc721: String,
    pub(crate) erc1155: String,
    pub(crate) bytes32: String,
}

impl Chain {
    /// Ganache, as chain 1.
    pub(crate) fn ganache() -> Option<Chain> {
        Chain::start("ganache", 1, |command, port, _| {
            command.args(["--chain.chainId", "1", "--server.port", port]);
        })
    }

    /// Hardhat's node.
    pub(crate) fn hardhat() -> Option<Chain> {
        Chain::start("hardhat", 31337, |command, port, folder| {
            let config = "module.exports = { networks: { hardhat: { hardfork: 'cancun', chainId: 31337 } } };\n";
            fs::write(folder.join("hardhat.config.js"), config).expect("write the configuration");
            std::os::unix::fs::symlink(installed().join("node_modules"), folder.join("node_modules")).expect("link the modules");
            command.args(["node", "--port", port]).env("HARDHAT_DISABLE_TELEMETRY_PROMPT", "true").env("CI", "true");
        })
    }

    fn start(name: &'static str, id: u64, arrange: impl Fn(&mut Command, &str, &Path)) -> Option<Chain> {
        let program = crate::program::peer(name, "node_modules/.bin")?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        // Free a moment ago; neither program says which port it got when it is asked for any.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
        let mut command = Command::new(program);
        arrange(&mut command, &port.to_string(), folder.path());
        command.current_dir(folder.path()).env("HOME", folder.path());
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the chain starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let is_ready = |line: &String| line.contains("RPC Listening on") || line.contains("JSON-RPC server at");
        let ready = lines.by_ref().map_while(Result::ok).find(is_ready);
        assert!(ready.is_some(), "{name} ended before it listened");
        // What it says later is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Chain { child, port, id, folder })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The result of a call.
    pub(crate) fn call(&self, method: &str, params: &Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the chain listens");
        let head = format!(
            "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            request.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(request.as_bytes())).expect("send");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        let json = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") { joined(body) } else { body.to_owned() };
        let value: Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{method}: {error}: {answer}"));
        assert!(value["error"].is_null(), "{method}: {value}");
        value["result"].clone()
    }

    fn transact(&self, mut transaction: Value) -> Value {
        transaction["from"] = self.call("eth_accounts", &json!([]))[0].clone();
        transaction["gas"] = "0x5b8d80".into();
        let hash = self.call("eth_sendTransaction", &json!([transaction]));
        self.call("eth_getTransactionReceipt", &json!([hash]))
    }

    /// Deploys the fixtures' contracts and mints token 7 with this URI.
    pub(crate) fn deploy(&self, evm: &Path, uri: &str, uri_1155: &str) -> Contracts {
        let compiled: Value = serde_json::from_slice(&fs::read(evm.join("out.json")).expect("out.json")).expect("JSON");
        let code = |name: &str| format!("0x{}", compiled[name]["evm"]["bytecode"]["object"].as_str().expect("bytecode"));
        let address = |receipt: Value| receipt["contractAddress"].as_str().expect("a contract").to_owned();
        let string = |text: &str| {
            let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            format!("{:064x}{hex:0<width$}", text.len(), width = hex.len().next_multiple_of(64))
        };
        let erc721 = address(self.transact(json!({ "data": code("N721") })));
        let mint = compiled["N721"]["evm"]["methodIdentifiers"]["mint(uint256,string)"].as_str().expect("a selector");
        self.transact(json!({ "to": erc721, "data": format!("0x{mint}{:064x}{:064x}{}", 7, 64, string(uri)) }));
        let erc1155 = address(self.transact(json!({ "data": format!("{}{:064x}{}", code("M1155"), 32, string(uri_1155)) })));
        let bytes32 = address(self.transact(json!({ "data": code("Bytes32URI") })));
        Contracts { erc721, erc1155, bytes32 }
    }
}

/// The content of a body in chunks.
fn joined(body: &str) -> String {
    let (mut rest, mut content) = (body, String::new());
    while let Some((len, chunk)) = rest.split_once("\r\n") {
        let len = usize::from_str_radix(len.trim(), 16).expect("the length of a chunk");
        if len == 0 {
            break;
        }
        content.push_str(&chunk[..len]);
        rest = chunk[len..].trim_start_matches("\r\n");
    }
    content
}

impl Drop for Chain {
    fn drop(&mut self) {
        // One that has ended by itself is as good.
        drop(self.child.kill());
        drop(self.child.wait());
        let _ = &self.folder;
    }
}
