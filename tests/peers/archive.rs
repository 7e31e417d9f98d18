//! `cartool archive` against real chains, and what it writes before the validators of others.

use crate::chain::Chain;
use crate::program::{Peer, cartool, cartool_exits, peer};
use crate::words;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const S: &str = "bafyreib5dkrxoolnc4htwq3x6afnrbejyh2lg6lshmq75nw6dwq2wvpzme";

/// The fixtures outside the package; a test that needs them passes without them.
fn fixtures() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/nft");
    dir.canonicalize().ok()
}

fn manifest(dir: &Path) -> Value {
    serde_json::from_slice(&fs::read(dir.join("data/manifest.json")).expect("a manifest")).expect("JSON")
}

fn item<'m>(manifest: &'m Value, end: &str) -> &'m Value {
    let items = manifest["items"].as_array().expect("items");
    let ends = |item: &&Value| item["id"].as_str().is_some_and(|id| id.ends_with(end));
    items.iter().find(ends).unwrap_or_else(|| panic!("no item {end}: {manifest:#}"))
}

/// Cases 28 and 29, whose statuses are the same on every chain.
fn tokens_of(chain: &Chain, fixtures: &Path) {
    let contracts = chain.deploy(&fixtures.join("evm"), &format!("ipfs://{S}/metadata.json"), &format!("ipfs://{S}/{{id}}.json"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (dir, rpc, from) = (folder.path().join("archive"), chain.url(), fixtures.join("nftstorage-store.car"));
    let name = |contract: &str, id: u64| format!("eip155:{}/erc721:{contract}/{id}", chain.id);
    let seven = name(&contracts.erc721, 7);
    let output =
        cartool_exits(0, words!["archive", seven, "-o", dir, "--rpc", rpc, "--from", from, "--bundle", "--report", "--json"]);
    let report: Value = serde_json::from_str(&output).expect("JSON");
    assert_eq!((&report["status"], &report["archives"]), (&"complete".into(), &1.into()), "{report:#}");
    let found = manifest(&dir);
    let token = item(&found, "/7");
    assert!(token["chain"]["block_number"].as_u64().is_some_and(|number| number > 0), "{token:#}");
    let block = chain.call(
        "eth_getBlockByNumber",
        &serde_json::json!([format!("0x{:x}", token["chain"]["block_number"].as_u64().unwrap_or_default()), false]),
    );
    assert_eq!(block["hash"], token["chain"]["block_hash"]);
    assert!(token["links"].as_array().expect("links").iter().all(|link| link["status"] == "archived"), "{token:#}");
    sound(&dir, fixtures);

    let (eight, bytes32) = (name(&contracts.erc721, 8), name(&contracts.bytes32, 1));
    let nobody = name("0x000000000000000000000000000000000000dead", 1);
    let five = format!("{}/5", contracts.erc1155);
    let id = chain.id.to_string();
    let words = words!["archive", eight, nobody, five, bytes32, "--chain", id, "-o", dir, "--rpc", rpc, "--from", from];
    assert_eq!(cartool(words).status.code(), Some(3));
    let found = manifest(&dir);
    assert_eq!(item(&found, "/8")["reason"], "reverted");
    assert_eq!(item(&found, "dead/1")["reason"], "no-contract");
    assert_eq!(item(&found, "/5")["chain"]["function"], "uri(uint256)");
    let of_bytes32 = item(&found, &bytes32);
    assert_eq!(
        (&of_bytes32["chain"]["uri"], &of_bytes32["links"][0]["status"]),
        (&"ipfs://not-a-dynamic-string".into(), &"invalid".into())
    );
    sound(&dir, fixtures);
    // ERC-721 Enumerable.
    let all = folder.path().join("all");
    let contract = format!("eip155:{}/erc721:{}", chain.id, contracts.erc721);
    cartool_exits(0, words!["archive", contract, "--all", "-o", all, "--rpc", rpc, "--from", from]);
    assert_eq!(item(&manifest(&all), "/7")["status"], "complete");
}

/// What is written stands before the reference validator of bags and a validator of JSON schemas.
fn sound(dir: &Path, fixtures: &Path) {
    if let Some(bagit) = peer("bagit.py", "python/bin") {
        let python = bagit.with_file_name("python");
        let run = |words: &[&std::ffi::OsStr]| Command::new(&python).args(words).output().expect("Python runs");
        let valid = run(words![bagit, "--validate", dir]);
        assert!(valid.status.success(), "{}", String::from_utf8_lossy(&valid.stderr));
        // Its resolver of references takes the identifier for a place to ask.
        let script = "import json, sys, jsonschema\nschema = json.load(open(sys.argv[1]))\ndel schema['$id']\n\
                      jsonschema.Draft202012Validator(schema).validate(json.load(open(sys.argv[2])))";
        let valid = run(words!["-c", script, fixtures.join("manifest.schema.json"), dir.join("data/manifest.json")]);
        assert!(valid.status.success(), "{}", String::from_utf8_lossy(&valid.stderr));
    }
}

#[test]
fn cases_28_and_29_on_ganache() {
    let (Some(fixtures), Some(chain)) = (fixtures(), Chain::ganache()) else { return };
    tokens_of(&chain, &fixtures);
}

#[test]
fn case_33_on_hardhat() {
    let (Some(fixtures), Some(chain)) = (fixtures(), Chain::hardhat()) else { return };
    tokens_of(&chain, &fixtures);
}

#[test]
fn case_39_a_flipped_byte_before_two_validators() {
    let (Some(fixtures), Some(bagit)) = (fixtures(), peer("bagit.py", "python/bin")) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (dir, from) = (folder.path().join("archive"), fixtures.join("nftstorage-store.car"));
    cartool_exits(0, words!["archive", format!("ipfs://{S}/metadata.json"), "-o", dir, "--from", from, "--extract"]);
    sound(&dir, &fixtures);
    let car = dir.join(format!("data/cars/{S}.car"));
    let before = fs::read(&car).expect("read the archive");
    let mut bytes = before.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&car, bytes).expect("damage the archive");
    let judged =
        Command::new(bagit.with_file_name("python")).args(words![bagit, "--validate", dir]).output().expect("Python runs");
    assert!(!judged.status.success());
    cartool_exits(1, words!["check", dir]);
    cartool_exits(0, words!["check", dir, "--repair", "--from", from]);
    assert_eq!(fs::read(&car).expect("read the archive"), before);
    sound(&dir, &fixtures);
}

#[test]
fn case_41_kubo_pins_every_root_of_a_bundle() {
    let (Some(fixtures), Some(ipfs)) = (fixtures(), Peer::ipfs()) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path().join("archive");
    let (store, images) = (fixtures.join("nftstorage-store.car"), fixtures.join("collection-images.car"));
    let image = "ipfs://bafybeihiaoi7qaj4jfz72ofdmmie4b4ydmu4k2iduhtxc6x6zvr7jjfqya/7.svg";
    let token = format!("ipfs://{S}/metadata.json");
    let words = words!["archive", token, image, "-o", dir, "--scope", "path", "--bundle", "--from", store, "--from", images];
    cartool_exits(0, words);
    let repository = ipfs.repository(folder.path().join("repository"));
    let said = repository.succeeds(words!["dag", "import", dir.join("data/bundle.car")]);
    let said = String::from_utf8_lossy(&said);
    let pins = manifest(&dir)["reprovide"]["pin"].as_array().expect("pins").clone();
    assert!(pins.len() >= 2);
    for pin in &pins {
        let pinned = said.lines().any(|line| line.contains(pin.as_str().expect("a CID")) && line.contains("success"));
        assert!(pinned, "{pin}\n{said}");
    }
}
