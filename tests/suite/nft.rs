//! The collector's road: a token's metadata out of its archive, what it links to, and one bundle that holds it all.

use crate::harness::{cartool, shared};
use crate::make::{Small, car, cbor, raw, sha256, small};
use crate::tree::{Kind, tree};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const COMPLETE: &str = "everything this token names is inside";

fn fixture(test: &str, name: &str) -> Option<PathBuf> {
    Some(shared(test)?.join("nft").join(name))
}

#[test]
fn metadata_is_exact() {
    let Some(store) = fixture("metadata_is_exact", "nftstorage-store.car") else { return };
    let done = cartool(["metadata".as_ref(), store.as_os_str()]).run();
    done.exits(0);
    assert_eq!(done.stdout.len(), 234, "{done}");
    let digest = sha256(&done.stdout);
    assert!(digest.starts_with("59ba9da5") && digest.ends_with("01b3"), "{digest}");
    let dfs = cartool(["metadata".as_ref(), store.with_file_name("nftstorage-store.dfs.car").as_os_str()]).run();
    assert_eq!(dfs.exits(0).stdout, done.stdout, "the order of the blocks is of no matter");
}

#[test]
fn metadata_to_a_file_and_pretty() {
    let Some(store) = fixture("metadata_to_a_file_and_pretty", "nftstorage-store.car") else { return };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = dir.path().join("7.json");
    cartool(["metadata".as_ref(), store.as_os_str(), "-o".as_ref(), out.as_os_str()]).run().exits(0);
    assert_eq!(fs::read(&out).expect("written").len(), 234);
    let pretty = cartool(["metadata".as_ref(), "--pretty".as_ref(), store.as_os_str()]).run();
    pretty.exits(0);
    let (pretty_value, exact): (Value, Value) = (
        serde_json::from_slice(&pretty.stdout).expect("JSON"),
        serde_json::from_slice(&fs::read(&out).expect("written")).expect("JSON"),
    );
    assert_eq!(pretty_value, exact);
    assert!(pretty.text().lines().count() > 3, "{pretty}");
}

#[test]
fn metadata_of_a_collection_lists_candidates() {
    let Some(metadata) = fixture("metadata_of_a_collection_lists_candidates", "collection-metadata.car") else { return };
    let done = cartool(["metadata".as_ref(), metadata.as_os_str()]).run();
    done.exits(3);
    assert!(done.stdout.is_empty(), "{done}");
    assert!(done.talk().contains("7.json"), "the candidates are named\n{done}");
    let seven = cartool(["metadata".as_ref(), metadata.as_os_str(), "--path".as_ref(), "7.json".as_ref()]).run();
    let value: Value = serde_json::from_slice(&seven.exits(0).stdout).expect("JSON");
    assert_eq!(value["name"], "T #7");
}

#[test]
fn links_of_a_token() {
    let Some(store) = fixture("links_of_a_token", "nftstorage-store.car") else { return };
    let done = cartool(["links".as_ref(), store.as_os_str()]).run();
    done.exits(0);
    let image = "/ipfs/bafybeidqe4d7xwx3zunsrumkmj5eem3mb7pdxwb5ofqdd35geadzoepioq/amazing art.svg";
    let clip = "/ipfs/bafybeidmvu34ltwalc2udrgy6efnvbnklers3vg3bco3np6duj7ogtmguu/clip.mp4";
    for (pointer, address) in [("/image", image), ("/properties/videoClip", clip)] {
        let line = done.text().lines().find(|l| l.contains(pointer) && l.contains(address));
        assert!(line.is_some(), "no line with {pointer} and {address}\n{done}");
    }
    let checked = cartool(["links".as_ref(), "--check".as_ref(), store.as_os_str()]).run();
    checked.exits(0);
    assert!(says(&checked, COMPLETE), "{checked}");
}

fn says(done: &crate::harness::Done, sentence: &str) -> bool {
    done.text().contains(sentence) || done.talk().contains(sentence)
}

#[test]
fn the_images_of_a_token_extract() {
    let Some(store) = fixture("the_images_of_a_token_extract", "nftstorage-store.car") else { return };
    let done = cartool(["ls".as_ref(), "-R".as_ref(), store.as_os_str()]).run();
    done.sane().unwrap_or_else(|e| panic!("{e}\n{done}"));
    let dir = tempfile::tempdir().expect("a temporary directory");
    let done = cartool(["extract".as_ref(), store.as_os_str(), "-o".as_ref(), dir.path().as_os_str()]).run();
    done.sane().unwrap_or_else(|e| panic!("{e}\n{done}"));
    assert!(matches!(done.code, Some(0 | 1 | 3)), "{done}");
    if done.code == Some(0) {
        let found = tree(dir.path());
        let metadata = found.values().any(|e| e.len == 234 && matches!(e.kind, Kind::File(_)));
        assert!(metadata, "a success without the metadata: {:?}", found.keys());
    }
}

#[test]
fn a_collection_lists_and_extracts() {
    let Some(images) = fixture("a_collection_lists_and_extracts", "collection-images.car") else { return };
    let done = cartool(["ls".as_ref(), images.as_os_str()]).run();
    assert_eq!(done.exits(0).text().lines().count(), 40, "{done}");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let args = ["extract".as_ref(), images.as_os_str(), "7.svg".as_ref(), "-o".as_ref(), dir.path().as_os_str()];
    cartool(args).run().exits(0);
    let found = tree(dir.path());
    let files: Vec<_> = found.iter().filter(|(_, e)| matches!(e.kind, Kind::File(_))).collect();
    assert_eq!(files.len(), 1, "{found:?}");
    assert_eq!(files[0].1.kind, Kind::File("9a3834055926e5e40285850a978d9aac728a4f2f215d4211d1262508502ba770".into()));
}

fn bundle(dir: &Path, inputs: &[PathBuf]) -> PathBuf {
    let out = dir.join("bundle.car");
    let merge = cartool(
        ["merge".as_ref()].into_iter().chain(inputs.iter().map(|p| p.as_os_str())).chain(["-o".as_ref(), out.as_os_str()]),
    );
    merge.run().exits(0);
    out
}

#[test]
fn a_bundle_holds_everything_its_token_names() {
    let Some(store) = fixture("a_bundle_holds_everything", "nftstorage-store.car") else { return };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (metadata, images) = (store.with_file_name("collection-metadata.car"), store.with_file_name("collection-images.car"));
    let check = |bundle: &Path| {
        let args = ["links".as_ref(), "--check".as_ref(), bundle.as_os_str(), "--path".as_ref(), "7.json".as_ref()];
        cartool(args).run()
    };
    let whole = check(&bundle(dir.path(), &[metadata.clone(), images]));
    whole.exits(0);
    assert!(says(&whole, COMPLETE), "{whole}");
    let apart = tempfile::tempdir().expect("a temporary directory");
    let partial = check(&bundle(apart.path(), &[metadata]));
    partial.exits(3);
    assert!(!says(&partial, COMPLETE), "{partial}");
    assert!(partial.text().contains("absent") || partial.talk().contains("absent"), "{partial}");
}

/// The same with a token made here: metadata in one archive, its two assets in two others.
#[test]
fn a_bundle_of_separate_archives() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let Small { root, a, bytes: art, .. } = small();
    let clip = raw(b"clip");
    let json = format!(r#"{{"name":"T","image":"ipfs://{}/a.txt","animation_url":"ipfs://{}"}}"#, root.cid, clip.cid);
    let token = raw(json.as_bytes());
    let write = |name: &str, bytes: Vec<u8>| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).expect("written");
        path
    };
    let (meta, art) = (write("meta.car", car(&[&token], &[&token])), write("art.car", art));
    let clip = write("clip.car", car(&[&clip], &[&clip]));
    let out = bundle(dir.path(), &[meta.clone(), art.clone(), clip]);
    let whole = cartool(["links".as_ref(), "--check".as_ref(), out.as_os_str()]).run();
    whole.exits(0);
    assert!(says(&whole, COMPLETE), "{whole}");
    assert_eq!(cartool(["metadata".as_ref(), out.as_os_str()]).run().exits(0).stdout, json.as_bytes());
    fs::remove_file(&out).expect("removed");
    let out = bundle(dir.path(), &[meta, art]);
    cartool(["links".as_ref(), "--check".as_ref(), out.as_os_str()]).run().exits(3);
    assert_eq!(sha256(&a.data), sha256(b"hello\n"));
}

/// An ERC-1155 token: `{id}` becomes 64 hexadecimal digits wherever it stands.
#[test]
fn token_ids_are_filled_in() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let cid = raw(b"x").cid;
    let json = format!(r#"{{"image":"ipfs:\/\/{cid}\/{{id}}.png","properties":{{"big":"ipfs://{cid}/{{id}}-big.png"}}}}"#);
    let path = dir.path().join("token.json");
    fs::write(&path, json).expect("written");
    let done = cartool(["links".as_ref(), path.as_os_str(), "--token-id".as_ref(), "314592".as_ref()]).run();
    done.exits(0);
    let id = format!("{:064x}", 314_592);
    for (pointer, name) in [("/image", format!("{id}.png")), ("/properties/big", format!("{id}-big.png"))] {
        assert!(done.text().lines().any(|l| l.contains(pointer) && l.contains(&name)), "{pointer} {name}\n{done}");
    }
}

/// A node that is no map at all has no metadata: said, not guessed.
#[test]
fn no_metadata_is_incomplete() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let root = cbor(&[0x80]);
    let path = dir.path().join("none.car");
    fs::write(&path, car(&[&root], &[&root])).expect("written");
    let done = cartool(["metadata".as_ref(), path.as_os_str()]).run();
    done.exits(3);
    assert!(done.stdout.is_empty(), "{done}");
}
