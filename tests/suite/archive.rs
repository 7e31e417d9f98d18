//! `cartool archive` and `cartool check`, against a chain and a gateway of our own. Numbers are those of the acceptance cases.

use crate::chain::{BYTES_32, Chain, ERC_721, ERC_1155, NOBODY, Wire, encoded};
use crate::gateway::{Blocks, Gateway, Reply, Sending};
use crate::harness::{Done, Run, cartool, shared};
use crate::make::{self, directory, raw, sha256};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const S: &str = "bafyreib5dkrxoolnc4htwq3x6afnrbejyh2lg6lshmq75nw6dwq2wvpzme";
const I: &str = "bafybeihiaoi7qaj4jfz72ofdmmie4b4ydmu4k2iduhtxc6x6zvr7jjfqya";
const J: &str = "bafybeifoxralvfqurwwizlhv4yct2aojs3myg7enqyxfyle6kz2mkoedcu";

/// A directory to archive into, outside of which nothing may appear.
pub(crate) struct World {
    temp: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> World {
        World { temp: tempfile::tempdir().expect("a temporary directory") }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.temp.path().join("archive")
    }

    pub(crate) fn at(&self, file: &str) -> PathBuf {
        self.dir().join(file)
    }

    /// A run of `archive` that does not wait long for what is not there.
    pub(crate) fn archive(&self, inputs: &[&str], chain: Option<&str>, gateways: &[&str], more: &[&str]) -> Run {
        let mut args: Vec<String> = vec!["archive".into()];
        args.extend(inputs.iter().map(|input| (*input).to_owned()));
        args.extend(["-o".into(), self.dir().display().to_string()]);
        args.extend(chain.iter().flat_map(|url| ["--rpc".to_owned(), (*url).to_owned()]));
        args.extend(gateways.iter().flat_map(|url| ["--gateway".to_owned(), (*url).to_owned()]));
        args.extend(["--retries", "1", "--backoff", "10ms"].map(str::to_owned));
        args.extend(more.iter().map(|word| (*word).to_owned()));
        cartool(args).limit(Duration::from_secs(120)).env("TMPDIR", self.temp.path())
    }

    fn check(&self, more: &[&str]) -> Done {
        let dir = self.dir().display().to_string();
        cartool(["check", &dir].iter().chain(more)).limit(Duration::from_secs(120)).run()
    }

    pub(crate) fn manifest(&self) -> Value {
        serde_json::from_slice(&fs::read(self.at("data/manifest.json")).expect("a manifest")).expect("JSON")
    }

    fn item(&self, id: &str) -> Value {
        let manifest = self.manifest();
        let items = manifest["items"].as_array().expect("items");
        items.iter().find(|item| item["id"] == id).unwrap_or_else(|| panic!("no item {id}: {manifest:#}")).clone()
    }

    /// Every file below a directory of the archive, with its bytes.
    fn files(&self, below: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut open = vec![self.at(below)];
        let mut files = BTreeMap::new();
        while let Some(path) = open.pop() {
            for entry in fs::read_dir(&path).expect("a directory") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    files.insert(path.clone(), fs::read(&path).expect("a file"));
                }
            }
        }
        files
    }

    fn car(&self, root: &str) -> PathBuf {
        self.at(&format!("data/cars/{root}.car"))
    }
}

pub(crate) fn token(id: u64) -> String {
    format!("eip155:1/erc721:{ERC_721}/{id}")
}

pub(crate) fn store() -> Vec<(u64, String)> {
    vec![(7, format!("ipfs://{S}/metadata.json"))]
}

/// Blocks of archives, as one gateway has them.
fn blocks(files: &[PathBuf]) -> Blocks {
    let all: Vec<Blocks> = files.iter().map(|file| Blocks::read(file)).collect();
    let list = all.iter().flat_map(|blocks| blocks.list.clone()).collect();
    Blocks::new(all.iter().flat_map(|blocks| blocks.roots.clone()).collect(), list)
}

fn cars_asked(gateway: &Gateway) -> usize {
    gateway.requests().iter().filter(|request| request.wants_archive()).count()
}

/// A gateway with these blocks made by hand.
fn made(list: &[&make::Block]) -> Gateway {
    let list = list.iter().map(|block| {
        let cid = cartool::cid::parse_text(&block.cid.to_string()).expect("a CID");
        (cid, block.data.clone())
    });
    Gateway::honest(&Blocks::new(Vec::new(), list.collect()))
}

#[test]
fn case_28_a_token_of_nft_storage_in_one_request() {
    let Some(shared) = shared("case_28") else { return };
    let world = World::new();
    let gateway = Gateway::honest(&Blocks::read(&shared.join("nft/nftstorage-store.car")));
    let chain = Chain::of(1, store(), "", None);
    world.archive(&[&token(7)], Some(&chain.url()), &[&gateway.url()], &[]).run().exits(0);
    assert_eq!(gateway.requests().len(), 1, "{:?}", gateway.requests());
    assert_eq!(fs::read(world.car(S)).unwrap(), fs::read(shared.join("nft/nftstorage-store.dfs.car")).unwrap());
    let item = world.item(&token(7));
    assert_eq!(item["status"], "complete");
    assert_eq!((&item["chain"]["block_number"], item["chain"]["uri"].as_str()), (&json!(4), Some(store()[0].1.as_str())));
    assert_eq!(item["chain"]["endpoint"], chain.url());
    let links = item["links"].as_array().unwrap();
    assert!(links.iter().all(|link| link["status"] == "archived"), "{item:#}");
    let image = links.iter().find(|link| link["pointer"] == "/image").unwrap();
    assert!(image["path"].as_str().unwrap().ends_with("/amazing art.svg"));
    let metadata = fs::read(world.at(item["metadata"]["file"].as_str().unwrap())).unwrap();
    assert_eq!(sha256(&metadata), "59ba9da5bca906a12519bc7bda63693feb3838b8f91c36a385046b4dd88201b3");
    world.check(&["--deep"]).exits(0);
}

#[test]
fn case_29_contracts_that_give_no_address() {
    let Some(shared) = shared("case_29") else { return };
    let world = World::new();
    let gateway = Gateway::honest(&Blocks::read(&shared.join("nft/nftstorage-store.car")));
    let chain = Chain::of(1, store(), &format!("ipfs://{S}/{{id}}.json"), None);
    let (short, bytes32) = (format!("{ERC_1155}/5"), format!("eip155:1/erc721:{BYTES_32}/1"));
    let nobody = format!("eip155:1/erc721:{NOBODY}/1");
    let inputs = [token(8), nobody.clone(), short, bytes32.clone()];
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let done = world.archive(&inputs, Some(&chain.url()), &[&gateway.url()], &["--chain", "1"]).run();
    done.exits(3);
    for (id, reason) in [(token(8), "reverted"), (nobody, "no-contract")] {
        let item = world.item(&id);
        assert_eq!((item["status"].as_str(), item["reason"].as_str()), (Some("failed"), Some(reason)), "{item:#}");
        assert_eq!(item["retryable"], false);
    }
    let item = world.item(&format!("eip155:1/erc1155:{ERC_1155}/5"));
    assert_eq!(item["chain"]["function"], "uri(uint256)");
    let path = format!("/ipfs/{S}/{}5.json", "0".repeat(63));
    assert_eq!((&item["links"][0]["path"], &item["links"][0]["status"]), (&json!(path), &json!("not-found")));
    let item = world.item(&bytes32);
    assert_eq!((&item["chain"]["uri"], &item["links"][0]["status"]), (&json!("ipfs://not-a-dynamic-string"), &json!("invalid")));
    assert!(done.talk().contains("bytes32-string"), "{done}");
    world.check(&[]).exits(3);
}

#[test]
fn case_31_an_endpoint_of_another_chain() {
    let world = World::new();
    let gateway = Gateway::saying(404, "not found");
    let chain = Chain::of(137, store(), "", None);
    let done = world.archive(&[&token(7)], Some(&chain.url()), &[&gateway.url()], &[]).run();
    done.exits(2);
    assert!(done.one_line_error().contains("eip155:137"), "{done}");
    assert!(!world.dir().exists());
    assert_eq!(gateway.requests().len(), 0);
}

#[test]
fn case_34_a_collection_in_two_requests() {
    let Some(shared) = shared("case_34") else { return };
    let world = World::new();
    let files = ["nft/collection-images.car", "nft/collection-metadata.car"].map(|file| shared.join(file));
    let gateway = Gateway::honest(&blocks(&files));
    let tokens = (1..=40).map(|id| (id, format!("ipfs://{J}/{id}.json"))).collect();
    let chain = Chain::of(1, tokens, "", None);
    let range = format!("eip155:1/erc721:{ERC_721}/1-40");
    world.archive(&[&range], Some(&chain.url()), &[&gateway.url()], &["--scope", "root"]).run().exits(0);
    assert_eq!((cars_asked(&gateway), gateway.requests().len()), (2, 2));
    let manifest = world.manifest();
    assert_eq!((manifest["archives"].as_array().unwrap().len(), manifest["items"].as_array().unwrap().len()), (2, 40));
    let car = fs::read(world.car(I)).unwrap();
    assert_eq!(car, fs::read(shared.join("nft/collection-images.dfs.car")).unwrap());
    let digest = sha256(&car);
    assert!(digest.starts_with("c7bd7089") && digest.ends_with("c462"), "{digest}");
    assert!(chain.requests() < 12, "{} requests for 40 tokens", chain.requests());
    world.check(&["--deep"]).exits(0);
}

#[test]
fn case_35_two_tokens_by_their_paths() {
    let Some(shared) = shared("case_35") else { return };
    let world = World::new();
    let files = ["nft/collection-images.car", "nft/collection-metadata.car"].map(|file| shared.join(file));
    let gateway = Gateway::honest(&blocks(&files));
    let tokens = (1..=40).map(|id| (id, format!("ipfs://{J}/{id}.json"))).collect();
    let chain = Chain::of(1, tokens, "", None);
    let done = world.archive(&[&token(1), &token(7)], Some(&chain.url()), &[&gateway.url()], &["--scope", "path"]).run();
    done.exits(0);
    let car = fs::read(world.car(I)).unwrap();
    assert_eq!(car, fs::read(shared.join("nft/collection-images.paths-1-7.car")).unwrap());
    let manifest = world.manifest();
    let archive = manifest["archives"].as_array().unwrap().iter().find(|archive| archive["root"] == I).unwrap();
    assert_eq!((&archive["blocks"], archive["header_roots"].as_array().unwrap().len()), (&json!(3), 2));
    assert!(manifest["reprovide"]["partial"].as_array().unwrap().iter().any(|partial| partial["root"] == I));
    assert!(done.talk().contains("--local-only") && done.talk().contains("ipfs files cp /ipfs/"), "{done}");
    world.check(&["--deep"]).exits(0);
    // One more token: the archive grows, what it had is not asked for again.
    let before = gateway.requests().len();
    world.archive(&[&token(9)], Some(&chain.url()), &[&gateway.url()], &["--scope", "path"]).run().exits(0);
    assert_eq!(world.manifest()["items"].as_array().unwrap().len(), 3);
    let again: Vec<String> = gateway.requests()[before..].iter().map(|request| request.target.clone()).collect();
    assert!(again.iter().all(|target| !target.contains("/1.") && !target.contains("/7.")), "{again:?}");
    world.check(&["--deep"]).exits(0);
}

#[test]
fn case_37_one_image_of_three_is_nowhere() {
    let Some(shared) = shared("case_37") else { return };
    let world = World::new();
    let files = ["nft/collection-images.car", "nft/collection-metadata.car"].map(|file| shared.join(file));
    let whole = blocks(&files);
    let tokens: Vec<(u64, String)> = (1..=3).map(|id| (id, format!("ipfs://{J}/{id}.json"))).collect();
    let chain = Chain::of(1, tokens, "", None);
    let range = format!("eip155:1/erc721:{ERC_721}/1-3");
    // The image of the second token is the block that the gateway lacks.
    let image = image_of(&whole, "2");
    let lacking =
        Gateway::honest(&Blocks::new(Vec::new(), whole.list.iter().filter(|(cid, _)| *cid != image).cloned().collect()));
    for scope in ["path", "auto"] {
        let done = world.archive(&[&range], Some(&chain.url()), &[&lacking.url()], &["--scope", scope]).run();
        done.exits(3);
        assert!(done.talk().contains("retryable"), "{done}");
        let statuses: Vec<Value> = (1..=3).map(|id| world.item(&token(id))["status"].clone()).collect();
        assert_eq!(statuses, ["complete", "incomplete", "complete"], "{scope}\n{done}\n{:#}", world.manifest());
        let link = &world.item(&token(2))["links"][0];
        assert_eq!((&link["pointer"], &link["status"]), (&json!("/image"), &json!("missing")));
        assert_eq!(link["cid"], image.to_string());
        assert!(!link["reason"].as_str().unwrap().is_empty());
    }
    world.check(&[]).exits(3);
    let healed = Gateway::honest(&whole);
    world.archive(&[&range], Some(&chain.url()), &[&healed.url()], &["--scope", "path"]).run().exits(0);
    assert_eq!(world.manifest()["status"], "complete");
    world.check(&["--deep"]).exits(0);
}

/// The block of one image of the collection.
fn image_of(blocks: &Blocks, number: &str) -> cartool::cid::Cid {
    let root = cartool::cid::parse_text(I).unwrap();
    let block = cartool::block::Block::new(root, blocks.data(&root)).unwrap();
    let node = cartool::dag::pb::PbNode::parse(block.data()).unwrap();
    let is_it = |name: &[u8]| name.split(|byte| *byte == b'.').next() == Some(number.as_bytes());
    node.links.iter().find(|link| is_it(link.name.unwrap_or_default())).expect("an image").cid.to_cid()
}

#[test]
fn case_38_over_a_complete_archive_nobody_is_asked_and_nothing_changes() {
    let Some(shared) = shared("case_38") else { return };
    let world = World::new();
    let gateway = Gateway::honest(&Blocks::read(&shared.join("nft/nftstorage-store.car")));
    // The contract's own metadata is nowhere, which makes its tokens no less complete.
    let nowhere = "ipfs://bafkreigfvngoydofemwj5x5ioqsaqarvlprzgxinkcv3am3jpv2sysqobi";
    let chain = Chain::of(1, store(), "", Some(nowhere));
    let (rpc, url) = (chain.url(), gateway.url());
    world.archive(&[&token(7)], Some(&rpc), &[&url], &["--bundle", "--report", "--extract"]).run().exits(0);
    drop((gateway, chain));
    let before = world.files("data");
    let done = world.archive(&[&token(7)], Some(&rpc), &[&url], &["--bundle", "--report", "--extract"]).run();
    done.exits(0);
    assert!(done.talk().contains("0 requests, nothing changed"), "{done}");
    assert_eq!(world.files("data"), before);
    // Without any source, too.
    world.archive(&[&token(7)], None, &[], &[]).run().exits(0);
    assert_eq!(world.files("data"), before);
}

#[test]
fn case_39_damage_is_named_and_mended_with_the_same_bytes() {
    let Some(shared) = shared("case_39") else { return };
    let world = World::new();
    let gateway = Gateway::honest(&Blocks::read(&shared.join("nft/nftstorage-store.car")));
    let chain = Chain::of(1, store(), "", None);
    world.archive(&[&token(7)], Some(&chain.url()), &[&gateway.url()], &["--bundle", "--report", "--extract"]).run().exits(0);
    world.check(&["--deep"]).exits(0);
    let sound = world.files("data");
    let damage = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    damage(&world.car(S));
    let done = world.check(&[]);
    done.exits(1);
    assert!(done.text().contains(&format!("data/cars/{S}.car")) && done.text().contains("hash-mismatch"), "{done}");
    assert!(done.text().contains("bafkrei"), "the block is named\n{done}");
    let before = gateway.requests().len();
    world.check(&["--repair", "--gateway", &gateway.url()]).exits(0);
    assert_eq!(world.files("data"), sound);
    let asked = &gateway.requests()[before..];
    assert_eq!(asked.len(), 1, "only the damaged block is asked for: {asked:?}");
    // Every file of the payload but the manifest can be had again, damaged or gone.
    for path in sound.keys().filter(|path| !path.ends_with("data/manifest.json")) {
        damage(path);
        world.check(&["--deep"]).exits(1);
        world.check(&["--repair", "--gateway", &gateway.url()]).exits(0);
        assert_eq!(world.files("data"), sound, "{}", path.display());
        fs::remove_file(path).unwrap();
        world.check(&[]).exits(3);
        world.check(&["--repair", "--gateway", &gateway.url()]).exits(0);
        assert_eq!(world.files("data"), sound, "{}", path.display());
    }
    damage(&world.at("data/manifest.json"));
    assert_eq!(world.check(&["--repair", "--gateway", &gateway.url()]).fails(), 1);
    fs::write(world.at("data/manifest.json"), &sound[&world.at("data/manifest.json")]).unwrap();
    for tag in ["bagit.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt"] {
        damage(&world.at(tag));
        assert_eq!(world.check(&[]).fails(), 1, "{tag}");
        world.check(&["--repair"]).exits(0);
    }
    fs::write(world.at("data/stray.txt"), "x").unwrap();
    let done = world.check(&[]);
    done.exits(1);
    assert!(done.text().contains("stray-file"), "{done}");
    let events = fs::read_to_string(world.at("cartool/events.ndjson")).unwrap();
    let kinds: Vec<Value> = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["type"].clone()).collect();
    assert!(kinds.contains(&json!("capture")) && kinds.contains(&json!("fixity")) && kinds.contains(&json!("repair")));
}

#[test]
fn case_41_a_bundle_of_whole_dags() {
    let Some(shared) = shared("case_41") else { return };
    let world = World::new();
    let files = ["nft/collection-images.car", "nft/collection-metadata.car", "nft/nftstorage-store.car"];
    let gateway = Gateway::honest(&blocks(&files.map(|file| shared.join(file))));
    let tokens = vec![(1, format!("ipfs://{J}/1.json")), (7, format!("ipfs://{S}/metadata.json"))];
    let chain = Chain::of(1, tokens, "", None);
    let inputs = [token(1), token(7)];
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    world.archive(&inputs, Some(&chain.url()), &[&gateway.url()], &["--scope", "path", "--bundle"]).run().exits(0);
    let bundle = world.at("data/bundle.car").display().to_string();
    let done = cartool(["verify", "--json", &bundle]).run();
    done.exits(0);
    let document = done.document().unwrap();
    let roots = document["roots"].as_array().unwrap();
    assert!(roots.len() >= 3 && roots.iter().all(|root| root["complete"] == true), "{document:#}");
}

#[test]
fn case_42_a_web_page_takes_its_directory() {
    let world = World::new();
    let (page, script, other) = (raw(b"<!DOCTYPE html><script src=\"./main.js\"></script>"), raw(b"draw()"), raw(b"unused"));
    let app = directory(&[("index.html", &page), ("main.js", &script)]);
    let root = directory(&[("app", &app), ("other.bin", &other)]);
    let metadata = raw(format!("{{\"name\":\"x\",\"animation_url\":\"ipfs://{}/app/index.html\"}}", root.cid).as_bytes());
    let gateway = made(&[&page, &script, &other, &app, &root, &metadata]);
    let address = format!("ipfs://{}", metadata.cid);
    world.archive(&[&address], None, &[&gateway.url()], &["--scope", "path"]).run().exits(0);
    let car = world.car(&root.cid.to_string()).display().to_string();
    let listed = cartool(["blocks", &car]).run();
    let cids: Vec<&str> = listed.text().lines().collect();
    for block in [&root, &app, &page, &script] {
        assert!(cids.contains(&block.cid.to_string().as_str()), "{}\n{listed}", block.cid);
    }
    assert!(!cids.contains(&other.cid.to_string().as_str()), "{listed}");
    let item = world.item(&format!("/ipfs/{}", metadata.cid));
    let part = item["links"].as_array().unwrap().iter().find(|link| link["raw"] == "./main.js").unwrap();
    assert_eq!((&part["status"], &part["depth"]), (&json!("archived"), &json!(2)));
    assert_eq!(part["found_in"], format!("/ipfs/{}/app/index.html", root.cid));
}

#[test]
fn case_50_names_that_are_markup() {
    let world = World::new();
    let evil = "<script>alert(1)</script>";
    let picture = raw(b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(2)</script></svg>");
    let pictures = directory(&[("a\"onerror=x.svg", &picture), ("b.svg", &picture)]);
    let metadata = json!({
        "name": evil,
        evil: format!("ipfs://{}/b.svg", pictures.cid),
        "image": "https://example.com/\"><script src=https://example.com/x.js></script>",
        "onchain": "data:text/html,<script>alert(3)</script>",
        "picture": "data:image/svg+xml,<svg><script>alert(4)</script></svg>",
    });
    let metadata = raw(metadata.to_string().as_bytes());
    let gateway = made(&[&picture, &pictures, &metadata]);
    let address = format!("ipfs://{}", metadata.cid);
    world.archive(&[&address], None, &[&gateway.url()], &["--report", "--extract"]).run().exits(0);
    let report = fs::read_to_string(world.at("data/report.html")).unwrap();
    assert!(report.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{report}");
    for forbidden in ["<script", "<svg", "onerror=", "src=\"http", "href=", "url(", "<iframe"] {
        assert!(!report.contains(forbidden), "{forbidden}\n{report}");
    }
    assert!(report.contains("Content-Security-Policy") && report.contains("<img src=\"files/"), "{report}");
    world.check(&["--deep"]).exits(0);
}

#[test]
fn a_killed_run_goes_on_where_it_was_and_nobody_else_writes_meanwhile() {
    let Some(shared) = shared("a_killed_run") else { return };
    let world = World::new();
    let whole = Blocks::read(&shared.join("nft/nftstorage-store.car"));
    let half = Blocks::car(&whole.roots, &whole.list[..4]);
    let (reached, told) = mpsc::sync_channel::<()>(16);
    let stalling = Gateway::start(move |_| {
        // One that nobody waits for any more.
        let _ = reached.try_send(());
        Reply::car(half.clone()).sent(Sending::Stall)
    });
    let address = format!("ipfs://{S}/metadata.json");
    let dir = world.dir().display().to_string();
    let mut child = Command::new(env!("CARGO_BIN_EXE_cartool"))
        .args(["archive", &address, "-o", &dir, "--gateway", &stalling.url()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    told.recv().expect("the gateway is asked");
    let second = world.archive(&[&address], None, &[&stalling.url()], &[]).run();
    second.exits(4);
    assert!(second.talk().contains("another cartool"), "{second}");
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    let gateway = Gateway::honest(&whole);
    world.archive(&[&address], None, &[&gateway.url()], &[]).run().exits(0);
    assert_eq!(fs::read(world.car(S)).unwrap(), fs::read(shared.join("nft/nftstorage-store.dfs.car")).unwrap());
    assert!(!world.at("cartool/part").exists() && !world.at("cartool/lock").exists());
    world.check(&["--deep"]).exits(0);
}

#[test]
fn hostile_endpoints_of_chains() {
    let answer = |body: String| Wire { status: 200, headers: "", body };
    let ok = |request: &Value, result: Value| json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }).to_string();
    type Hostile = fn(&Value) -> String;
    let cases: [(&str, Hostile); 6] = [
        ("bad-answer", |_| format!("0x{:064x}{:064x}", u128::MAX, 1)),
        ("bad-answer", |_| format!("0x{:064x}{:064x}", 32, u128::MAX)),
        ("limit", |_| format!("0x{}", "20".repeat(3 << 20))),
        ("limit", |_| encoded(&"x".repeat((1 << 20) + 1))),
        ("bad-answer", |_| "<html>\u{1b}[31m".to_owned()),
        ("no-uri", |_| encoded("")),
    ];
    for (reason, hostile) in cases {
        let world = World::new();
        let chain = Chain::start(move |request, _| {
            let result = match request["method"].as_str() {
                Some("eth_chainId") => json!("0x1"),
                Some("eth_getBlockByNumber") => json!({ "number": "0x4", "hash": format!("0x{}", "2d".repeat(32)) }),
                Some("eth_getCode") => json!("0x60"),
                _ => json!(hostile(request)),
            };
            answer(ok(request, result))
        });
        let done = world.archive(&[&token(7)], Some(&chain.url()), &["http://127.0.0.1:9"], &[]).run();
        done.exits(3);
        assert_eq!(world.item(&token(7))["reason"], reason, "{done}");
        assert!(done.peak_kib < 64 << 10, "{done}");
    }
    for wire in ["<html>not JSON</html>", "[", "{}", "null", "\"0x1\""] {
        let world = World::new();
        let chain = Chain::start(move |_, _| answer(wire.to_owned()));
        let done = world.archive(&[&token(7)], Some(&chain.url()), &["http://127.0.0.1:9"], &[]).run();
        assert_eq!(done.fails(), 4, "{wire}\n{done}");
        assert!(!world.dir().exists(), "{wire}");
    }
}

#[test]
fn a_busy_endpoint_is_asked_again_and_keys_do_not_show() {
    let Some(shared) = shared("a_busy_endpoint") else { return };
    let world = World::new();
    let gateway = Gateway::honest(&Blocks::read(&shared.join("nft/nftstorage-store.car")));
    let uri = format!("ipfs://{S}/metadata.json");
    let chain = Chain::start(move |request, number| {
        let result = match request["method"].as_str() {
            _ if number % 2 == 0 => return Wire { status: 429, headers: "Retry-After: 0\r\n", body: String::new() },
            Some("eth_chainId") => json!("0x1"),
            Some("eth_getBlockByNumber") => json!({ "number": "0x4", "hash": format!("0x{}", "2d".repeat(32)) }),
            Some("eth_getCode") => json!("0x60"),
            _ => json!(encoded(&uri)),
        };
        Wire { status: 200, headers: "", body: json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }).to_string() }
    });
    let url = chain.url().replace("http://", "http://user:hidden@") + "/v3/hidden?key=hidden";
    let gateway_url = gateway.url().replace("http://", "http://user:hidden@");
    world.archive(&[&token(7)], Some(&url), &[&gateway_url], &[]).run().exits(0);
    for (path, bytes) in world.files("data").into_iter().chain(world.files("cartool")) {
        assert!(!String::from_utf8_lossy(&bytes).contains("hidden"), "{}", path.display());
    }
}

#[test]
fn a_changed_address_is_a_further_version() {
    let world = World::new();
    let (old, new) = (raw(b"{\"name\":\"old\"}"), raw(b"{\"name\":\"new\"}"));
    let gateway = made(&[&old, &new]);
    let first = Chain::of(1, vec![(7, format!("ipfs://{}", old.cid))], "", None);
    world.archive(&[&token(7)], Some(&first.url()), &[&gateway.url()], &[]).run().exits(0);
    let second = Chain::of(1, vec![(7, format!("ipfs://{}", new.cid))], "", None);
    world.archive(&[&token(7)], Some(&second.url()), &[&gateway.url()], &[]).run().exits(0);
    assert_eq!(second.requests(), 0, "what is known is not asked again");
    world.archive(&[&token(7)], Some(&second.url()), &[&gateway.url()], &["--refresh"]).run().exits(0);
    let (now, before) = (world.item(&token(7)), world.item(&format!("{}@4", token(7))));
    assert_eq!((&now["metadata"]["cid"], &before["metadata"]["cid"]), (&json!(new.cid.to_string()), &json!(old.cid.to_string())));
    world.check(&["--deep"]).exits(0);
    world.archive(&[&token(7)], Some(&second.url()), &[&gateway.url()], &["--prune"]).run().exits(0);
    assert_eq!(world.manifest()["items"].as_array().unwrap().len(), 1);
    assert!(!world.car(&old.cid.to_string()).exists() && world.car(&new.cid.to_string()).exists());
    world.check(&["--deep"]).exits(0);
}

#[test]
fn all_tokens_roles_and_a_dry_run() {
    let world = World::new();
    let (image, film) = (raw(b"\x89PNG\r\n\x1a\nimage"), raw(b"film"));
    let metadata = raw(json!({ "image": format!("ipfs://{}", image.cid), "animation_url": format!("ipfs://{}", film.cid) })
        .to_string()
        .as_bytes());
    let about = raw(b"{\"name\":\"collection\"}");
    let gateway = made(&[&image, &metadata, &about]);
    let tokens = vec![(3, format!("ipfs://{}", metadata.cid)), (9, format!("ipfs://{}", metadata.cid))];
    let chain = Chain::of(1, tokens, "", Some(&format!("ipfs://{}", about.cid)));
    let contract = format!("eip155:1/erc721:{ERC_721}");
    let (rpc, url) = (chain.url(), gateway.url());
    let done = world.archive(&[&contract], Some(&rpc), &[&url], &["--all", "--dry-run", "--json"]).run();
    done.exits(0);
    assert!(!world.dir().exists() && gateway.requests().is_empty());
    assert!(
        done.document().unwrap()["planned"].as_array().unwrap().iter().any(|p| p["root"] == metadata.cid.to_string()),
        "{done}"
    );
    world.archive(&[&contract], Some(&rpc), &[&url], &["--all", "--only", "image"]).run().exits(0);
    let item = world.item(&format!("{contract}/9"));
    assert_eq!((&item["links"][0]["status"], &item["links"][1]["status"]), (&json!("archived"), &json!("skipped")));
    assert_eq!(world.item(&contract)["metadata"]["cid"], about.cid.to_string());
    let asked = (chain.requests(), gateway.requests().len());
    world.archive(&[&contract], Some(&rpc), &[&url], &["--all", "--only", "image"]).run().exits(0);
    assert_eq!((chain.requests(), gateway.requests().len()), asked);
    world.archive(&[&contract], Some(&rpc), &[&url], &["--all"]).run().exits(3);
    world.check(&[]).exits(3);
}

#[test]
fn usage_errors_write_nothing() {
    let world = World::new();
    for (inputs, more, word) in [
        (vec![token(7)], vec!["--gateway", "http://127.0.0.1:9"], "--rpc"),
        (vec![format!("ipfs://{S}")], vec![], "--gateway"),
        (vec![format!("{ERC_721}/7")], vec![], "--chain"),
        (vec!["nonsense".to_owned()], vec![], "neither"),
        (vec![token(7).replace("0xe78a0f", "0xE78a0f")], vec![], "checksum"),
    ] {
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let done = world.archive(&inputs, None, &[], &more).run();
        done.exits(2);
        assert!(done.talk().contains(word), "{word}\n{done}");
        assert!(!world.dir().exists(), "{word}");
    }
    fs::create_dir(world.dir()).unwrap();
    fs::write(world.at("letter.txt"), "mine").unwrap();
    world.archive(&["ipfs://bafkqaaa"], None, &["http://127.0.0.1:9"], &[]).run().exits(2);
    assert_eq!(fs::read_dir(world.dir()).unwrap().count(), 1);
}

#[test]
fn ten_thousand_tokens_in_bounded_memory() {
    const COUNT: usize = 10_000;
    let world = World::new();
    let images: Vec<make::Block> = (0..COUNT).map(|n| raw(format!("\u{89}PNG image of token {n}").as_bytes())).collect();
    let names: Vec<String> = (0..COUNT).map(|n| format!("{n:05}.png")).collect();
    let pictures = directory(&names.iter().map(String::as_str).zip(&images).collect::<Vec<_>>());
    let documents: Vec<make::Block> = names
        .iter()
        .map(|name| raw(json!({ "name": name, "image": format!("ipfs://{}/{name}", pictures.cid) }).to_string().as_bytes()))
        .collect();
    let names: Vec<String> = (0..COUNT).map(|n| format!("{n:05}.json")).collect();
    let folder = directory(&names.iter().map(String::as_str).zip(&documents).collect::<Vec<_>>());
    let all: Vec<&make::Block> = images.iter().chain(&documents).chain([&pictures, &folder]).collect();
    let gateway = made(&all);
    let tokens = (0..COUNT as u64).map(|n| (n, format!("ipfs://{}/{n:05}.json", folder.cid))).collect();
    let chain = Chain::of(1, tokens, "", None);
    let range = format!("eip155:1/erc721:{ERC_721}/0-{}", COUNT - 1);
    let done = world.archive(&[&range], Some(&chain.url()), &[&gateway.url()], &[]).run();
    done.exits(0);
    assert_eq!(cars_asked(&gateway), 2, "one request a root");
    assert!(done.peak_kib < 128 << 10, "{} KiB", done.peak_kib);
    assert_eq!(world.manifest()["items"].as_array().unwrap().len(), COUNT);
}
