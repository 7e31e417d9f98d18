//! A gateway on a loopback port that answers as a test tells it to, faults included, and remembers what it was asked.
//!
//! Every connection has a thread of its own and carries one request. Nothing here sleeps: a stall lasts until the client goes.

use cartool::block::Block;
use cartool::cid::{Cid, RawCid};
use cartool::control::Control;
use cartool::format::{Header, Reader, Section, Writer};
use cartool::ops::expect::{self, Expect};
use cartool::store::{BlockSource, MemoryStore};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query as sent.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) at: Instant,
    /// How many requests came before it.
    pub(crate) number: usize,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The path without the query.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The CID in `/ipfs/CID/…`, or in `arg=CID`.
    pub(crate) fn cid(&self) -> String {
        let after = |mark: &str| self.target.split_once(mark).map(|(_, rest)| rest.to_owned());
        let rest = after("/ipfs/").or_else(|| after("arg=")).unwrap_or_default();
        rest.split(['/', '?', '&']).next().unwrap_or_default().to_owned()
    }

    pub(crate) fn wants_archive(&self) -> bool {
        self.target.contains("format=car") || self.target.contains("/dag/export")
    }
}

/// How the bytes of a body are sent.
pub(crate) enum Sending {
    /// With their length.
    Whole,
    /// With a length that is longer than they are, then the end of the connection.
    Short,
    /// In chunks, with the last one.
    Chunked,
    /// In chunks, without the last one.
    NoLastChunk,
    /// In chunks, with a trailer behind the last one.
    Trailer(&'static str, &'static str),
    /// Without a length, until the connection ends.
    UntilClose,
    /// In chunks, then silence until the client goes.
    Stall,
    /// One byte a chunk.
    Drip,
    /// These bytes, and then what this gives, until the client goes.
    Endless(Box<dyn FnMut() -> Vec<u8> + Send>),
}

/// What is answered.
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    sending: Sending,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        Reply { status, headers: Vec::new(), body: body.into(), sending: Sending::Whole }
    }

    /// 200 with an archive.
    pub(crate) fn car(body: impl Into<Vec<u8>>) -> Reply {
        Reply::new(200, body)
            .with("Content-Type", "application/vnd.ipld.car; version=1; order=dfs; dups=n")
            .sent(Sending::Chunked)
    }

    /// 200 with one block.
    pub(crate) fn raw(body: impl Into<Vec<u8>>) -> Reply {
        Reply::new(200, body).with("Content-Type", "application/vnd.ipld.raw")
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Reply {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn sent(mut self, sending: Sending) -> Reply {
        self.sending = sending;
        self
    }
}

type Log = Arc<Mutex<Vec<Request>>>;

/// A server that ends when it is dropped.
pub(crate) struct Gateway {
    address: SocketAddr,
    log: Log,
    stop: Arc<AtomicBool>,
}

impl Gateway {
    /// Starts a server on a free port; `answer` is called on the thread of each connection.
    pub(crate) fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Gateway {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (log, stop) = (Log::default(), Arc::new(AtomicBool::new(false)));
        let (answer, server_log, server_stop) = (Arc::new(answer), Arc::clone(&log), Arc::clone(&stop));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if server_stop.load(Ordering::Relaxed) {
                    return;
                }
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&server_log));
                // A client that goes away early is part of the game.
                thread::spawn(move || stream.and_then(|stream| converse(&stream, &*answer, &log)));
            }
        });
        Gateway { address, log, stop }
    }

    /// One that has these blocks and answers every request from them as it should.
    pub(crate) fn honest(blocks: &Blocks) -> Gateway {
        let blocks = blocks.clone();
        Gateway::start(move |request| blocks.answer(request))
    }

    /// One that always says the same.
    pub(crate) fn saying(status: u16, body: &'static str) -> Gateway {
        Gateway::start(move |_| Reply::new(status, body))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.log.lock().expect("no connection panics while it writes the log").clone()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the loop, which then ends.
        drop(TcpStream::connect(self.address));
    }
}

fn converse(stream: &TcpStream, answer: &dyn Fn(&Request) -> Reply, log: &Log) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut words = first.split(' ').map(str::to_owned);
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(()) };
    let mut headers = Vec::new();
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let request = {
        let mut log = log.lock().expect("no connection panics while it writes the log");
        let number = log.len();
        log.push(Request { method, target, headers, at: Instant::now(), number });
        log.last().cloned().expect("just written")
    };
    send(stream, answer(&request))?;
    stream.shutdown(Shutdown::Write)?;
    wait_for_end(stream);
    Ok(())
}

/// Reads until the client closes the connection.
fn wait_for_end(mut stream: &TcpStream) {
    let mut rest = [0; 256];
    while stream.read(&mut rest).is_ok_and(|got| got > 0) {}
}

fn send(mut stream: &TcpStream, reply: Reply) -> std::io::Result<()> {
    let Reply { status, headers, body, sending } = reply;
    let mut head = format!("HTTP/1.1 {status} Whatever\r\nConnection: close\r\n");
    headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    let framing = match &sending {
        Sending::Whole => format!("Content-Length: {}\r\n", body.len()),
        Sending::Short => format!("Content-Length: {}\r\n", body.len() + 100),
        Sending::UntilClose => String::new(),
        Sending::Trailer(name, _) => format!("Trailer: {name}\r\nTransfer-Encoding: chunked\r\n"),
        _ => "Transfer-Encoding: chunked\r\n".to_owned(),
    };
    stream.write_all(format!("{head}{framing}\r\n").as_bytes())?;
    let chunk = |mut stream: &TcpStream, bytes: &[u8]| {
        if bytes.is_empty() {
            return Ok(());
        }
        stream.write_all(&[format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat())
    };
    match sending {
        Sending::Whole | Sending::Short | Sending::UntilClose => stream.write_all(&body),
        Sending::Chunked => chunk(stream, &body).and_then(|()| stream.write_all(b"0\r\n\r\n")),
        Sending::NoLastChunk => chunk(stream, &body),
        Sending::Trailer(name, value) => {
            chunk(stream, &body).and_then(|()| stream.write_all(format!("0\r\n{name}: {value}\r\n\r\n").as_bytes()))
        }
        Sending::Stall => chunk(stream, &body).map(|()| wait_for_end(stream)),
        Sending::Drip => body.iter().try_for_each(|byte| chunk(stream, &[*byte])).and_then(|()| stream.write_all(b"0\r\n\r\n")),
        Sending::Endless(mut next) => {
            chunk(stream, &body)?;
            loop {
                chunk(stream, &next())?;
            }
        }
    }
}

/// The blocks of an archive, in its order.
#[derive(Debug, Clone)]
pub(crate) struct Blocks {
    pub(crate) roots: Vec<Cid>,
    pub(crate) list: Vec<(Cid, Vec<u8>)>,
    store: Arc<MemoryStore>,
}

impl Blocks {
    pub(crate) fn read(path: &Path) -> Blocks {
        let file = std::fs::File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut reader = Reader::new(std::io::BufReader::new(file), Default::default()).expect("an archive");
        let roots = reader.header().roots().map(|root| root.to_cid()).collect();
        let (mut section, mut list) = (Section::default(), Vec::new());
        while reader.read_section(&mut section).expect("a sound archive") {
            list.push((section.cid, std::mem::take(&mut section.data)));
        }
        Blocks::new(roots, list)
    }

    pub(crate) fn new(roots: Vec<Cid>, list: Vec<(Cid, Vec<u8>)>) -> Blocks {
        let mut store = MemoryStore::new();
        for (cid, data) in &list {
            store.insert(Block::new(*cid, data.clone()).expect("a sound block"));
        }
        Blocks { roots, list, store: Arc::new(store) }
    }

    /// An archive of these blocks, as they are: what they hash to does not matter here.
    pub(crate) fn car(roots: &[Cid], blocks: &[(Cid, Vec<u8>)]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), &Header::from_cids(roots)).expect("memory");
        for (cid, data) in blocks {
            let cid = cid.to_bytes();
            writer.write_section(RawCid::parse(&cid).expect("a CID"), data).expect("memory");
        }
        writer.finish().expect("memory")
    }

    /// The whole archive, in its own order.
    pub(crate) fn whole(&self) -> Vec<u8> {
        Blocks::car(&self.roots, &self.list)
    }

    /// The answer of a gateway, or of Kubo, that has these blocks.
    pub(crate) fn answer(&self, request: &Request) -> Reply {
        let Ok(cid) = cartool::cid::parse_text(&request.cid()) else { return Reply::new(400, "no CID") };
        if !request.wants_archive() {
            return match self.store.get(&cid) {
                Ok(Some(block)) => Reply::raw(block.data()),
                _ => Reply::new(404, "not found"),
            };
        }
        let text = match request.target.split_once("/ipfs/") {
            Some((_, text)) => text.to_owned(),
            None => request.cid(),
        };
        let expect: Expect = text.parse().expect("a request as the specification has it");
        match expect::blocks(&*self.store, &expect, &Control::default()) {
            Ok(cids) => {
                let blocks: Vec<(Cid, Vec<u8>)> = cids.iter().map(|cid| (*cid, self.data(cid))).collect();
                Reply::car(Blocks::car(&[cid], &blocks))
            }
            Err(_) => Reply::new(404, "not found"),
        }
    }

    pub(crate) fn data(&self, cid: &Cid) -> Vec<u8> {
        self.store.get(cid).ok().flatten().expect("a block of the archive").into_data()
    }
}
