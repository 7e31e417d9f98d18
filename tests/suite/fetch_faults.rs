//! How responses break off, and that a run goes on where the last one was.

use crate::fetch::{Bench, STORE, document, has_status, nft, small_blocks};
use crate::gateway::{Blocks, Gateway, Reply, Sending};
use crate::harness::cartool;
use cartool::block::Block;
use cartool::cid::{Cid, Multihash, RawCid, codec};
use cartool::dag::pb::{PbLink, encode};
use cartool::hash;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

fn cid(code: u64, data: &[u8]) -> Cid {
    let digest = hash::digest(0x12, data, 32).expect("sha2-256");
    Cid::new_v1(code, Multihash::wrap(0x12, digest.bytes()).expect("32 bytes fit"))
}

/// Its name, how the body is sent, and whether all of it is.
type Way = (&'static str, fn() -> Sending, bool);

#[test]
fn every_way_a_response_ends_early_is_noticed_and_mended() {
    let (small, blocks) = small_blocks();
    let whole = blocks.whole();
    let cut_at = whole.len() - 3;
    let ways: [Way; 7] = [
        ("clean", || Sending::Chunked, false),
        ("no last chunk", || Sending::NoLastChunk, false),
        ("short length", || Sending::Short, false),
        ("close", || Sending::UntilClose, false),
        ("stall", || Sending::Stall, false),
        ("trailer", || Sending::Trailer("X-Stream-Error", "block was not found"), false),
        ("drip", || Sending::Drip, true),
    ];
    for (name, sending, is_whole) in ways {
        let body = if is_whole { whole.clone() } else { whole[..cut_at].to_vec() };
        let honest = blocks.clone();
        let gateway = Gateway::start(move |request| match request.number {
            0 => Reply::car(body.clone()).sent(sending()),
            _ => honest.answer(request),
        });
        let bench = Bench::new();
        let done = bench.fetch(&small.root.cid.to_string(), &[&gateway], &["--idle-timeout", "300ms"]).run();
        done.exits(0);
        assert_eq!(bench.written(), small.bytes, "{name}");
        let asked: Vec<String> = gateway.requests()[1..].iter().map(|request| request.cid()).collect();
        let expected = if is_whole { Vec::new() } else { vec![small.b.cid.to_string()] };
        assert_eq!(asked, expected, "{name}: only what was cut off is asked for again");
    }
}

#[test]
fn order_copies_versions_and_foreign_blocks_do_not_matter() {
    let Some(store) = nft("order_copies_versions", "nftstorage-store.dfs.car") else { return };
    let blocks = Blocks::read(&store);
    let mut reversed = blocks.list.clone();
    reversed.reverse();
    let twice = [blocks.list.clone(), blocks.list.clone()].concat();
    let foreign = (cid(codec::RAW, b"foreign"), b"foreign".to_vec());
    let mixed = std::iter::once(foreign).chain(blocks.list.clone()).collect::<Vec<_>>();
    let v2 = {
        let mut bytes = b"\x0a\xa1gversion\x02".to_vec();
        let inner = blocks.whole();
        bytes.extend([0; 16]);
        bytes.extend(51u64.to_le_bytes());
        bytes.extend((inner.len() as u64).to_le_bytes());
        bytes.extend(0u64.to_le_bytes());
        bytes.extend(inner);
        bytes
    };
    let bodies = [
        ("reversed", Blocks::car(&blocks.roots, &reversed)),
        ("twice", Blocks::car(&blocks.roots, &twice)),
        ("foreign", Blocks::car(&[], &mixed)),
        ("CARv2", v2),
        ("canonical", blocks.whole()),
    ];
    for (name, body) in bodies {
        let gateway = Gateway::start(move |_| Reply::car(body.clone()));
        let bench = Bench::new();
        bench.fetch(STORE, &[&gateway], &[]).run().exits(0);
        assert_eq!(gateway.requests().len(), 1, "{name}");
        assert_eq!(bench.written(), fs::read(&store).expect("the fixture"), "{name}");
        assert!(!bench.part().exists(), "{name}");
    }
}

#[test]
fn a_gateway_of_single_blocks_is_enough() {
    let (small, blocks) = small_blocks();
    let raw_blocks = blocks.clone();
    let gateway =
        Gateway::start(
            move |request| {
                if request.wants_archive() { Reply::new(406, "no archives here") } else { raw_blocks.answer(request) }
            },
        );
    let bench = Bench::new();
    bench.fetch(&small.root.cid.to_string(), &[&gateway], &[]).run().exits(0);
    assert_eq!(bench.written(), small.bytes);
    assert_eq!(gateway.requests().iter().filter(|request| request.wants_archive()).count(), 1, "asked for an archive once");
    // A block that is not what it says bars the gateway as well.
    let liar = Gateway::start(|request| if request.wants_archive() { Reply::new(406, "") } else { Reply::raw("other") });
    let bench = Bench::new();
    let done = bench.fetch(&small.root.cid.to_string(), &[&liar], &[]).run();
    done.exits(1);
    has_status(&done, "corrupt", false);
}

#[test]
fn a_host_that_refuses_three_times_is_left_alone() {
    let (root, list) = wide(8, 4);
    let body = Blocks::car(&[root], &list[..1]);
    let gateway = Gateway::start(move |request| match request.number {
        0 => Reply::car(body.clone()),
        _ => Reply::new(403, "ERR_ID:00024"),
    });
    let done = Bench::new().fetch(&root.to_string(), &[&gateway], &["--concurrency", "1"]).run();
    done.exits(3);
    assert_eq!(gateway.requests().len(), 4);
    assert!(done.text().contains("not asked any more"), "{done}");
}

/// A directory of `count` files of one block of `len` bytes each, all different.
fn wide(count: u32, len: usize) -> (Cid, Vec<(Cid, Vec<u8>)>) {
    let file = |n: u32| {
        let mut data = vec![n as u8; len];
        data[..4].copy_from_slice(&n.to_le_bytes());
        (cid(codec::RAW, &data), data)
    };
    let files: Vec<(Cid, Vec<u8>)> = (0..count).map(file).collect();
    let named: Vec<(String, Vec<u8>)> =
        (0..count).map(|n| format!("{n:08}")).zip(files.iter().map(|(cid, _)| cid.to_bytes())).collect();
    let links: Vec<_> = named
        .iter()
        .map(|(name, cid)| PbLink {
            cid: RawCid::parse(cid).expect("a CID"),
            name: Some(name.as_bytes()),
            tsize: Some(len as u64),
        })
        .collect();
    let node = encode(&links, Some(&[0x08, 0x01]));
    let root = cid(codec::DAG_PB, &node);
    (root, std::iter::once((root, node)).chain(files).collect())
}

#[test]
fn case_24_an_endless_stream_ends_at_the_limit() {
    let (small, _) = small_blocks();
    let gateway = Gateway::start(|_| {
        let mut n = 0u64;
        let next = move || {
            let mut bytes = Vec::new();
            for _ in 0..16 {
                let mut data = vec![0; 64 << 10];
                data[..8].copy_from_slice(&n.to_le_bytes());
                n += 1;
                let section = Blocks::car(&[], &[(cid(codec::RAW, &data), data)]);
                bytes.extend_from_slice(&section[Blocks::car(&[], &[]).len()..]);
            }
            bytes
        };
        Reply::car(Blocks::car(&[], &[])).sent(Sending::Endless(Box::new(next)))
    });
    let bench = Bench::new();
    let done = bench.fetch(&small.root.cid.to_string(), &[&gateway], &["--max-bytes", "100MiB"]).run();
    done.exits(3);
    has_status(&done, "limit", false);
    assert!(done.talk().contains("--max-bytes"), "{done}");
    assert!(done.peak_kib < 64 << 10, "{} KiB\n{done}", done.peak_kib);
    assert_eq!(gateway.requests().len(), 1);
    bench.nothing_written();
    let done = Bench::new().fetch(&small.root.cid.to_string(), &[&gateway], &["--max-blocks", "100"]).run();
    done.exits(3);
    assert!(done.talk().contains("--max-blocks"), "{done}");
}

/// Megabytes of the file that is killed half way.
const MEGABYTES: usize = 200;

#[test]
fn case_26_a_killed_run_goes_on_where_it_was() {
    let (root, list) = wide(MEGABYTES as u32, 1 << 20);
    let blocks = Blocks::new(vec![root], list);
    let whole = blocks.whole();
    let half = Arc::new(whole[..whole.len() / 2].to_vec());
    let (stalled, has_stalled) = mpsc::channel();
    let first = Gateway::start(move |_| {
        stalled.send(()).expect("the test waits");
        Reply::car(half.to_vec()).sent(Sending::Stall)
    });
    let bench = Bench::new();
    let mut killed = Command::new(env!("CARGO_BIN_EXE_cartool"))
        .args(["fetch", &root.to_string(), "-q", "-o"])
        .arg(bench.out())
        .args(["--gateway", &first.url()])
        .env_remove("CARTOOL_GATEWAYS")
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    has_stalled.recv().expect("a request");
    // Killed once half of it, without what waits in buffers, is in the part file.
    let enough = (MEGABYTES as u64 / 2 - 10) << 20;
    while fs::metadata(bench.part()).map_or(0, |metadata| metadata.len()) < enough {
        assert!(killed.try_wait().expect("a child").is_none(), "it ended by itself");
        std::thread::yield_now();
    }
    killed.kill().expect("it runs");
    killed.wait().expect("it ends");
    bench.nothing_written();
    // The last section of the part file may be cut anywhere.
    let part = fs::OpenOptions::new().write(true).open(bench.part()).expect("the part file");
    part.set_len(part.metadata().expect("metadata").len() - 100).expect("cut");
    drop(part);

    let second = Gateway::honest(&blocks);
    let done = bench.fetch(&root.to_string(), &[&second], &[]).run();
    done.exits(0);
    assert!(bench.written() == whole, "the bytes of an unbroken run");
    let asked = second.requests();
    assert!(asked.iter().all(|request| request.target.ends_with("?format=raw")), "{:?}", asked[0]);
    let document = document(&done);
    let kept = document["sources"].as_array().expect("a list").iter().find(|share| share["endpoint"] == "part");
    let kept = kept.and_then(|share| share["blocks"].as_u64()).expect("blocks of the killed run");
    assert_eq!(asked.len() as u64, MEGABYTES as u64 + 1 - kept, "only what was missing");
    assert!(kept as usize >= MEGABYTES / 2 - 12, "{kept}");
}

#[test]
fn case_27_what_kubo_says_is_shown() {
    let (small, blocks) = small_blocks();
    let message = r#"{"Message":"block was not found locally (offline): ipld: could not find x","Code":0,"Type":"error"}"#;
    let bench = Bench::new();
    let out = bench.out().display().to_string();
    let fetch = |kubo: &Gateway| {
        let words = ["fetch", &small.root.cid.to_string(), "-o", &out, "--json", "--backoff", "1ms", "--kubo", &kubo.url()];
        cartool(words).run()
    };
    let refuses = Gateway::start(move |_| Reply::new(500, message).with("Content-Type", "application/json"));
    let done = fetch(&refuses);
    done.exits(3);
    assert!(done.talk().contains("block was not found locally"), "{done}");
    assert_eq!(refuses.requests().len(), 1);
    let request = &refuses.requests()[0];
    assert_eq!((request.method.as_str(), request.path()), ("POST", "/api/v0/dag/export"));

    let cut = Blocks::car(&blocks.roots, &blocks.list[..2]);
    let trailer = Gateway::start(move |request| {
        if request.wants_archive() && request.number == 0 {
            Reply::car(cut.clone()).sent(Sending::Trailer("X-Stream-Error", "ipld: could not find x"))
        } else {
            Reply::new(500, message)
        }
    });
    let done = fetch(&trailer);
    done.exits(3);
    assert!(done.talk().contains("block was not found locally"), "{done}");
    assert!(bench.part().exists());

    // The same node with its blocks back: the rest, and no more.
    let kubo = Gateway::honest(&blocks);
    fetch(&kubo).exits(0);
    assert_eq!(bench.written(), small.bytes);
    assert!(kubo.requests().iter().all(|request| request.cid() != small.root.cid.to_string()));
}

#[test]
fn an_interrupt_ends_a_silent_request_and_keeps_what_came() {
    let (small, blocks) = small_blocks();
    let front = Blocks::car(&blocks.roots, &blocks.list[..2]);
    let gateway = Gateway::start(move |_| Reply::car(front.clone()).sent(Sending::Stall));
    let bench = Bench::new();
    let run = bench.fetch(&small.root.cid.to_string(), &[&gateway], &[]).interrupt_after(Duration::from_millis(500));
    let done = run.limit(Duration::from_secs(20)).run();
    done.exits(130);
    bench.nothing_written();
    assert!(bench.part().exists());
}

#[test]
fn a_foreign_file_is_not_taken_for_parts() {
    let (small, blocks) = small_blocks();
    let gateway = Gateway::honest(&blocks);
    let bench = Bench::new();
    let notes = "my own notes, ".repeat(100);
    fs::write(bench.part(), &notes).expect("written");
    bench.fetch(&small.root.cid.to_string(), &[&gateway], &[]).run().exits(2);
    assert_eq!(fs::read_to_string(bench.part()).expect("still there"), notes);
    // What a run killed at its start leaves is no obstacle.
    fs::write(bench.part(), &small.bytes[..20]).expect("written");
    bench.fetch(&small.root.cid.to_string(), &[&gateway], &[]).run().exits(0);
    assert_eq!(bench.written(), small.bytes);
}

#[test]
fn metadata_and_links_of_an_address_fetch_no_more_than_they_need() {
    let Some(store) = nft("metadata_and_links_of_an_address", "nftstorage-store.car") else { return };
    let blocks = Blocks::read(&store);
    let sent = Arc::new(AtomicUsize::new(0));
    let gateway = Gateway::start({
        let (blocks, sent) = (blocks.clone(), Arc::clone(&sent));
        move |request| {
            sent.fetch_add(1, Ordering::Relaxed);
            blocks.answer(request)
        }
    });
    for address in [format!("ipfs://{STORE}"), format!("ipfs://{STORE}/metadata.json")] {
        let done = cartool(["metadata", &address, "--gateway", &gateway.url()]).run();
        done.exits(0);
        assert_eq!(done.stdout.len(), 234, "{done}");
    }
    let done = cartool(["links", &format!("ipfs://{STORE}/metadata.json"), "--gateway", &gateway.url()]).run();
    assert!(done.exits(0).text().contains("amazing art.svg"), "{done}");
    assert!(sent.load(Ordering::Relaxed) <= 6, "{:?}", gateway.requests());
    assert!(gateway.requests().iter().all(|request| !request.target.contains("dag-scope=all")), "the file alone");
    let done = cartool(["metadata", &format!("ipfs://{STORE}")]).run();
    assert_eq!(done.fails(), 2, "no source is assumed\n{done}");
}

#[test]
fn blocks_of_the_harness_are_sound() {
    let (root, list) = wide(3, 4);
    assert_eq!(list.len(), 4);
    assert!(list.into_iter().all(|(cid, data)| Block::new(cid, data).is_ok()) && root.codec() == codec::DAG_PB);
}
