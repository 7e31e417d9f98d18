//! Fetching, as the acceptance cases of the design have it; each test is named by the number of its case.

use crate::gateway::{Blocks, Gateway, Reply, Request, Sending};
use crate::harness::{Done, Run, cartool, shared};
use crate::make::{Small, raw, sha256, small};
use cartool::cid::Cid;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const STORE: &str = "bafyreib5dkrxoolnc4htwq3x6afnrbejyh2lg6lshmq75nw6dwq2wvpzme";
const IMAGES: &str = "bafybeihiaoi7qaj4jfz72ofdmmie4b4ydmu4k2iduhtxc6x6zvr7jjfqya";

pub(crate) fn nft(test: &str, name: &str) -> Option<PathBuf> {
    Some(shared(test)?.join("nft").join(name))
}

/// A directory with the output of one fetch.
pub(crate) struct Bench {
    dir: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.path("out.car")
    }

    pub(crate) fn part(&self) -> PathBuf {
        self.path("out.car.part")
    }

    /// `cartool fetch` from these gateways, with short pauses.
    pub(crate) fn fetch(&self, address: &str, gateways: &[&Gateway], more: &[&str]) -> Run {
        let out = self.out().display().to_string();
        let mut words = vec!["fetch", address, "-o", &out, "--json", "--backoff", "1ms"];
        if !more.contains(&"--retries") {
            words.extend(["--retries", "1"]);
        }
        let urls: Vec<String> = gateways.iter().map(|gateway| gateway.url()).collect();
        urls.iter().for_each(|url| words.extend(["--gateway", url]));
        words.extend(more);
        cartool(words).limit(Duration::from_secs(60))
    }

    pub(crate) fn written(&self) -> Vec<u8> {
        fs::read(self.out()).expect("the archive was written")
    }

    #[track_caller]
    pub(crate) fn nothing_written(&self) {
        assert!(!self.out().exists(), "there is an output");
    }
}

/// The small archive as blocks of the library's types.
pub(crate) fn small_blocks() -> (Small, Blocks) {
    let small = small();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("small.car");
    fs::write(&path, &small.bytes).expect("written");
    let blocks = Blocks::read(&path);
    (small, blocks)
}

pub(crate) fn document(done: &Done) -> Value {
    done.document().unwrap_or_else(|why| panic!("{why}\n{done}"))
}

#[track_caller]
pub(crate) fn has_status(done: &Done, status: &str, retryable: bool) {
    let document = document(done);
    assert_eq!((&document["status"], &document["retryable"]), (&status.into(), &retryable.into()), "{done}");
}

fn targets(gateway: &Gateway) -> Vec<String> {
    gateway.requests().into_iter().map(|request| request.target).collect()
}

#[test]
fn case_01_addresses_have_one_canonical_form() {
    let (v0, v1) =
        ("QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR", "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi");
    let k = "k2jmtxw8rjh1z69c6not3wtdxb0u3urbzhyll1t9jg6ox26dhi5sfi1m";
    let rows = [
        ("ipfs://V1", "/ipfs/V1"),
        ("IPFS://V1", "/ipfs/V1"),
        ("ipfs:V1", "/ipfs/V1"),
        ("ipfs:/V1", "/ipfs/V1"),
        ("ipfs://V0/1.json", "/ipfs/V0/1.json"),
        ("ipfs://ipfs/V0/asset.png", "/ipfs/V0/asset.png"),
        ("ipfs://V1/amazing%20art.svg", "/ipfs/V1/amazing art.svg"),
        ("/ipfs/V0/a b.png", "/ipfs/V0/a b.png"),
        ("V0", "/ipfs/V0"),
        ("V1/1.json", "/ipfs/V1/1.json"),
        ("https://any.host/ipfs/V0/x.png?filename=y#z", "/ipfs/V0/x.png"),
        ("https://V1.ipfs.dweb.link/x", "/ipfs/V1/x"),
        ("http://V1.ipfs.localhost:8080", "/ipfs/V1"),
        ("https://K.ipfs.dweb.link", "/ipfs/V1"),
        ("dweb:/ipfs/V0", "/ipfs/V0"),
        ("web+ipfs://V1", "/ipfs/V1"),
        ("fs:/ipfs/V0", "/ipfs/V0"),
    ];
    let fill = |text: &str| text.replace("V0", v0).replace("V1", v1).replace("/K.", &format!("/{k}."));
    let inputs: Vec<String> = rows.iter().map(|(input, _)| fill(input)).collect();
    let done = cartool(std::iter::once("address").chain(inputs.iter().map(String::as_str))).run();
    let expected: Vec<String> = rows.iter().map(|(_, canonical)| fill(canonical)).collect();
    assert_eq!(done.exits(0).text().lines().collect::<Vec<_>>(), expected);
    let hint = cartool(["address", "--json", &inputs[10]]).run();
    let value = document(hint.exits(0));
    assert_eq!(
        (&value["hint_host"], &value["query"], &value["fragment"]),
        (&"any.host".into(), &"filename=y".into(), &"z".into())
    );
}

#[test]
fn case_02_what_is_no_content_is_refused_and_the_rest_printed() {
    let good = "QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR";
    let folded = good.to_lowercase();
    let done = cartool(["address", "https://github.com/ipfs/js-ipfs/blob/master/README.md", good, &folded]).run();
    assert_eq!(done.exits(2).text(), format!("/ipfs/{good}\n"));
    assert!(done.talk().contains("case-folded-cidv0") && done.talk().contains("not-ipfs"), "{done}");
    assert_eq!(done.talk().lines().count(), 2, "{done}");
}

#[test]
fn case_10_a_root_sent_last_makes_the_canonical_archive() {
    let Some(store) = nft("case_10", "nftstorage-store.car") else { return };
    let gateway = Gateway::start({
        let bytes = fs::read(&store).expect("the fixture");
        move |_| Reply::car(bytes.clone())
    });
    let bench = Bench::new();
    let done = bench.fetch(&format!("ipfs://{STORE}"), &[&gateway], &[]).run();
    done.exits(0);
    let digest = sha256(&bench.written());
    assert!(digest.starts_with("963c02bd") && digest.ends_with("05f8"), "{digest}");
    assert_eq!(bench.written(), fs::read(store.with_file_name("nftstorage-store.dfs.car")).expect("the fixture"));
    assert!(!bench.part().exists());
    let request = &gateway.requests()[0];
    assert_eq!(gateway.requests().len(), 1);
    assert_eq!(request.target, format!("/ipfs/{STORE}?format=car&dag-scope=all&car-version=1&car-order=dfs&car-dups=n"));
    assert_eq!(request.header("accept"), Some("application/vnd.ipld.car; version=1; order=dfs; dups=n"));
    assert_eq!(document(&done)["sources"][0]["endpoint"], gateway.url());
}

#[test]
fn case_12_after_a_clean_early_end_only_what_is_missing_is_asked_for() {
    let Some(store) = nft("case_12", "nftstorage-store.dfs.car") else { return };
    let blocks = Blocks::read(&store);
    let front = Blocks::car(&blocks.roots, &blocks.list[..4]);
    let short =
        Gateway::start(move |request| if request.number == 0 { Reply::car(front.clone()) } else { Reply::new(404, "not found") });
    let whole = Gateway::honest(&blocks);
    let bench = Bench::new();
    let done = bench.fetch(STORE, &[&short, &whole], &[]).run();
    done.exits(0);
    assert_eq!(bench.written(), fs::read(&store).expect("the fixture"));
    let held: Vec<String> = blocks.list[..4].iter().map(|(cid, _)| cid.to_string()).collect();
    let asked = whole.requests();
    assert!(!asked.is_empty() && asked.iter().all(|request| !held.contains(&request.cid())), "{asked:?}");
}

#[test]
fn case_13_a_header_alone_is_nothing() {
    let (small, blocks) = small_blocks();
    let header = Blocks::car(&blocks.roots, &[]);
    let empty = Gateway::start(move |_| Reply::car(header.clone()));
    let whole = Gateway::honest(&blocks);
    let bench = Bench::new();
    bench.fetch(&small.root.cid.to_string(), &[&empty, &whole], &[]).run().exits(0);
    assert_eq!(bench.written(), small.bytes);
    let alone = Bench::new();
    let done = alone.fetch(&small.root.cid.to_string(), &[&empty], &[]).run();
    done.exits(3);
    has_status(&done, "missing", false);
    alone.nothing_written();
    let document = document(&done);
    assert_eq!((&document["blocks"], &document["missing"][0]["cid"]), (&0.into(), &small.root.cid.to_string().into()));
}

#[test]
fn case_14_the_marker_of_a_cut_response_is_named() {
    let (small, blocks) = small_blocks();
    let mut body = Blocks::car(&blocks.roots, &blocks.list[..2]);
    body.extend(b"\n\n[Gateway Error: Response truncated - unable to retrieve remaining data within timeout period]");
    let gateway = Gateway::start(move |request| {
        if request.number == 0 {
            Reply::car(body.clone()).sent(Sending::NoLastChunk)
        } else {
            Reply::new(504, "no block in time")
        }
    });
    let bench = Bench::new();
    let done = bench.fetch(&small.root.cid.to_string(), &[&gateway], &[]).run();
    done.exits(3);
    assert!(done.talk().contains("the gateway cut the response short"), "{done}");
    has_status(&done, "missing", true);
    bench.nothing_written();
    assert!(bench.part().exists());
}

#[test]
fn case_16_a_flipped_byte_bars_the_gateway() {
    let (small, blocks) = small_blocks();
    let mut wrong = blocks.list.clone();
    wrong[2].1[3] ^= 1;
    let body = Blocks::car(&blocks.roots, &wrong);
    let liar = Gateway::start(move |_| Reply::car(body.clone()));
    let whole = Gateway::honest(&blocks);
    let bench = Bench::new();
    let done = bench.fetch(&small.root.cid.to_string(), &[&liar, &whole], &[]).run();
    done.exits(0);
    assert_eq!(bench.written(), small.bytes);
    assert_eq!(liar.requests().len(), 1, "never asked again");
    assert!(done.talk().contains("is not asked any more"), "{done}");
    let alone = Bench::new();
    let done = alone.fetch(&small.root.cid.to_string(), &[&liar], &[]).run();
    done.exits(1);
    has_status(&done, "corrupt", false);
    alone.nothing_written();
}

#[test]
fn case_18_a_pause_that_a_server_asks_for_is_kept_and_holds_up_no_other() {
    let (small, blocks) = small_blocks();
    let busy_blocks = blocks.clone();
    let busy = Gateway::start(move |request| {
        if request.number < 2 { Reply::new(429, "slow down").with("Retry-After", "1") } else { busy_blocks.answer(request) }
    });
    let bench = Bench::new();
    bench.fetch(&small.root.cid.to_string(), &[&busy], &["--retries", "3"]).run().exits(0);
    let asked = busy.requests();
    assert_eq!(asked.len(), 3);
    for pair in asked.windows(2) {
        assert!(pair[1].at.duration_since(pair[0].at) >= Duration::from_millis(990), "asked again too early");
    }
    // With another host, nothing waits for the busy one.
    let patient = Gateway::start(|_| Reply::new(429, "slow down").with("Retry-After", "100"));
    let other = Gateway::honest(&blocks);
    let bench = Bench::new();
    let done = bench.fetch(&small.root.cid.to_string(), &[&patient, &other], &[]).run();
    done.exits(0);
    assert_eq!((patient.requests().len(), other.requests().len()), (1, 1));
    // A longer pause than is granted: given up at once.
    let never = Gateway::start(|_| Reply::new(503, "").with("Retry-After", "Tue, 31 Dec 2199 23:59:59 GMT"));
    let bench = Bench::new();
    let done = bench.fetch(&small.root.cid.to_string(), &[&never], &[]).run();
    done.exits(3);
    has_status(&done, "missing", true);
    assert_eq!(never.requests().len(), 1);
}

#[test]
fn case_19_each_answer_has_its_status() {
    let (small, _) = small_blocks();
    let rows = [
        (404, "not found", "missing", 1),
        (410, "gone", "blocked", 1),
        (451, "for legal reasons", "blocked", 1),
        (403, "ERR_ID:00024", "missing", 1),
        (412, "not cached", "missing", 1),
        (500, "ipld: could not find node", "missing", 1),
        (200, "<html><body>Welcome</body></html>", "missing", 2),
        (400, "bad request", "missing", 2),
    ];
    for (status, body, expected, requests) in rows {
        let gateway = Gateway::saying(status, body);
        let bench = Bench::new();
        let done = bench.fetch(&small.root.cid.to_string(), &[&gateway], &["--retries", "3"]).run();
        done.exits(3);
        has_status(&done, expected, false);
        assert_eq!(gateway.requests().len(), requests, "{status} {body}: {:?}", targets(&gateway));
        bench.nothing_written();
    }
    for status in [408, 425, 500, 502, 504] {
        let gateway = Gateway::saying(status, "later");
        let done = Bench::new().fetch(&small.root.cid.to_string(), &[&gateway], &["--retries", "2"]).run();
        done.exits(3);
        has_status(&done, "missing", true);
        assert_eq!(gateway.requests().len(), 3, "{status}");
        assert!(done.talk().contains("another run may help"), "{done}");
    }
}

#[test]
fn case_20_redirects_are_followed_with_their_accept() {
    let (small, blocks) = small_blocks();
    let inner = Gateway::honest(&blocks);
    let port = inner.port();
    let v1 = small.root.cid.to_string();
    let front = Gateway::start(move |request: &Request| {
        let query = request.target.split_once('?').map_or("", |(_, query)| query);
        // The harness knows paths of the other form only.
        Reply::new(301, "").with("Location", format!("http://{v1}.ipfs.localhost:{port}/ipfs/{v1}?{query}"))
    });
    let bench = Bench::new();
    bench.fetch(&small.root.cid.to_string(), &[&front], &[]).run().exits(0);
    let request = &inner.requests()[0];
    assert!(request.header("accept").is_some_and(|accept| accept.starts_with("application/vnd.ipld.car")));
    assert_eq!(request.header("host"), Some(format!("{}.ipfs.localhost:{port}", small.root.cid).as_str()));
    let circle = Gateway::start(|request| Reply::new(302, "").with("Location", request.target.clone()));
    let done = Bench::new().fetch(&small.root.cid.to_string(), &[&circle], &[]).run();
    done.exits(3);
    assert_eq!(circle.requests().len(), 11, "ten redirects are followed");
    assert!(done.talk().contains("more than 10 redirects"), "{done}");
}

#[test]
fn case_22_proof_that_a_path_is_not_there_ends_the_search() {
    let (small, blocks) = small_blocks();
    let proof = Blocks::car(&[cartool::cid::parse_text("bafkqaaa").expect("a CID")], &blocks.list[..1]);
    let first = Gateway::start(move |_| Reply::car(proof.clone()));
    let second = Gateway::honest(&blocks);
    let bench = Bench::new();
    let address = format!("{}/none.txt", small.root.cid);
    let done = bench.fetch(&address, &[&first, &second], &["--scope", "path"]).run();
    done.exits(3);
    has_status(&done, "not-found", false);
    assert_eq!(second.requests().len(), 0);
    bench.nothing_written();
    // A plain 404 proves nothing: the blocks of the path are asked for instead, and prove it.
    let bench = Bench::new();
    let done = bench.fetch(&address, &[&second], &["--scope", "path"]).run();
    done.exits(3);
    has_status(&done, "not-found", false);
}

#[test]
fn case_25_long_blocks_are_refused_unless_allowed() {
    let long = raw(&vec![7; (2 << 20) + 1]);
    let cid = Cid::try_from(long.cid.to_bytes()).expect("a CID");
    let blocks = Blocks::new(vec![cid], vec![(cid, long.data.clone())]);
    let gateway = Gateway::honest(&blocks);
    let bench = Bench::new();
    let done = bench.fetch(&cid.to_string(), &[&gateway], &[]).run();
    done.exits(3);
    has_status(&done, "limit", false);
    assert!(done.talk().contains("--max-block"), "{done}");
    bench.nothing_written();
    bench.fetch(&cid.to_string(), &[&gateway], &["--max-block", "4MiB"]).run().exits(0);
    assert_eq!(bench.written(), blocks.whole());
}

#[test]
fn case_48_without_a_source_nothing_is_asked() {
    let bench = Bench::new();
    let done = bench.fetch(STORE, &[], &[]).run();
    done.exits(2);
    let line = done.one_line_error();
    assert!(["--gateway", "--kubo", "--from"].iter().all(|flag| line.contains(flag)), "{done}");
    bench.nothing_written();
    assert!(!bench.part().exists());
}

#[test]
fn a_path_takes_its_proof_and_what_is_below() {
    let Some(images) = nft("a_path_takes_its_proof", "collection-images.dfs.car") else { return };
    let gateway = Gateway::honest(&Blocks::read(&images));
    let bench = Bench::new();
    let name = cartool(["ls".as_ref(), images.as_os_str()]).run();
    let first = name.exits(0).text().lines().next().expect("an entry").to_owned();
    let done = bench.fetch(&format!("ipfs://{IMAGES}/{first}"), &[&gateway], &["--scope", "path"]).run();
    done.exits(0);
    let document = document(&done);
    assert_eq!((&document["scope"], &document["blocks"], &document["requests"]), (&"path".into(), &2.into(), &1.into()));
    assert_eq!(document["header_roots"][0], document["paths"][0]["cid"]);
    let verified = cartool(["verify".as_ref(), bench.out().as_os_str()]).run();
    verified.exits(0);
    // All of it, because it is small: one look at the root, and one request for the rest.
    let bench = Bench::new();
    let done = bench.fetch(&format!("ipfs://{IMAGES}/{first}"), &[&gateway], &[]).run();
    done.exits(0);
    assert_eq!(sha256(&bench.written()), sha256(&fs::read(&images).expect("the fixture")));
    let bench = Bench::new();
    let done = bench.fetch(&format!("ipfs://{IMAGES}/{first}"), &[&gateway], &["--auto-root-max", "10"]).run();
    assert_eq!(self::document(done.exits(0))["scope"], "path");
}

#[test]
fn local_archives_come_first_and_may_be_enough() {
    let (small, blocks) = small_blocks();
    let dir = Bench::new();
    fs::create_dir(dir.path("cars")).expect("a directory");
    fs::write(dir.path("cars/a.car"), Blocks::car(&[], &blocks.list[1..3])).expect("written");
    fs::write(dir.path("cars/b.car"), Blocks::car(&[], &blocks.list[..1])).expect("written");
    let cars = dir.path("cars").display().to_string();
    let gateway = Gateway::honest(&blocks);
    let done = dir.fetch(&small.root.cid.to_string(), &[&gateway], &["--from", &cars]).run();
    done.exits(0);
    assert_eq!(dir.written(), small.bytes);
    let asked: Vec<String> = gateway.requests().iter().map(Request::cid).collect();
    assert_eq!(asked, [small.b.cid.to_string()], "the one block that was missing");
    fs::write(dir.path("cars/c.car"), Blocks::car(&[], &blocks.list[3..])).expect("written");
    fs::remove_file(dir.out()).expect("removed");
    let done = dir.fetch(&small.root.cid.to_string(), &[&gateway], &["--from", &cars]).run();
    assert_eq!((document(done.exits(0))["requests"].as_u64(), dir.written()), (Some(0), small.bytes));
    // An output is never replaced by accident.
    dir.fetch(&small.root.cid.to_string(), &[&gateway], &["--from", &cars]).run().exits(2);
}

#[test]
fn secrets_of_an_endpoint_reach_its_server_alone() {
    let (small, blocks) = small_blocks();
    let other = Gateway::honest(&blocks);
    let (url, target) = (other.url(), small.root.cid.to_string());
    let gateway = Gateway::start(move |_| Reply::new(302, "").with("Location", format!("{url}/ipfs/{target}?format=car")));
    let bench = Bench::new();
    let out = bench.out().display().to_string();
    let endpoint = format!("http://me:geheim@127.0.0.1:{}?key=geheim", gateway.port());
    let words = ["fetch", &small.root.cid.to_string(), "-o", &out, "--json", "--gateway", &endpoint];
    let done = cartool(words).run();
    done.exits(0);
    let request = &gateway.requests()[0];
    assert!(request.target.ends_with("&key=geheim") && request.header("authorization").is_some(), "{request:?}");
    let request = &other.requests()[0];
    assert!(!request.target.contains("geheim") && request.header("authorization").is_none(), "{request:?}");
    assert!(!done.text().contains("geheim") && !done.talk().contains("geheim"), "{done}");
    drop((gateway, other));
    fs::remove_file(bench.out()).expect("removed");
    let done = cartool(words.iter().copied().chain(["--retries", "0"])).run();
    assert!(done.fails() == 3 && !done.text().contains("geheim") && !done.talk().contains("geheim"), "{done}");
}

#[test]
fn the_built_in_list_is_printed_and_dated() {
    let done = cartool(["gateways"]).run();
    assert!(done.exits(0).text().lines().all(|line| line.starts_with("https://")), "{done}");
    assert!(done.talk().contains("2026-08-21"), "{done}");
    assert_eq!(document(cartool(["gateways", "--json"]).run().exits(0))["listed_on"], "2026-08-21");
}

#[test]
fn the_environment_names_gateways_and_a_typed_host_is_asked_last() {
    let (small, blocks) = small_blocks();
    let (typed, named) = (Gateway::honest(&blocks), Gateway::saying(404, "not found"));
    let bench = Bench::new();
    let address = format!("{}/ipfs/{}", typed.url(), small.root.cid);
    bench.fetch(&address, &[], &[]).env("CARTOOL_GATEWAYS", named.url()).run().exits(0);
    assert_eq!((named.requests().len(), typed.requests().len()), (1, 1));
    assert_eq!(bench.written(), small.bytes);
}

#[test]
fn standard_output_gets_the_archive_when_it_is_whole() {
    let (small, blocks) = small_blocks();
    let gateway = Gateway::honest(&blocks);
    let done = cartool(["fetch", &small.root.cid.to_string(), "-o", "-", "--gateway", &gateway.url()]).run();
    assert_eq!(done.exits(0).stdout, small.bytes);
}

fn count_of(path: &Path) -> u64 {
    let done = cartool(["blocks".as_ref(), path.as_os_str()]).run();
    done.exits(0).text().lines().count() as u64
}

#[test]
fn what_was_obtained_may_be_written_without_the_rest() {
    let (small, blocks) = small_blocks();
    let front = Blocks::car(&blocks.roots, &blocks.list[..3]);
    let gateway =
        Gateway::start(move |request| if request.number == 0 { Reply::car(front.clone()) } else { Reply::new(404, "not found") });
    let bench = Bench::new();
    let done = bench.fetch(&small.root.cid.to_string(), &[&gateway], &["--allow-missing"]).run();
    done.exits(0);
    assert_eq!(count_of(&bench.out()), 3);
    assert!(document(&done)["header_roots"].as_array().is_some_and(Vec::is_empty), "{done}");
    assert!(done.talk().contains("--allow-missing"), "{done}");
}
