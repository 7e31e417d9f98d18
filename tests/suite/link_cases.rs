//! Links in the metadata of each standard, and the metadata itself: the acceptance cases of the design by their numbers.

use crate::fetch::nft;
use crate::harness::{Done, Stdin, cartool};
use crate::make::sha256;
use serde_json::Value;

const V1: &str = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";

/// `cartool links --json` of this text, a value a line.
fn links(metadata: &str, more: &[&str]) -> Vec<Value> {
    let words = ["links", "--json", "-"].iter().chain(more);
    let done: Done = cartool(words).stdin(Stdin::Pipe(metadata.replace("V1", V1).into_bytes())).run();
    done.exits(0).documents().unwrap_or_else(|why| panic!("{why}\n{done}"))
}

/// Pointer and canonical address of each.
fn rows(links: &[Value]) -> Vec<(&str, String)> {
    let text = |value: &Value| value["canonical"].as_str().unwrap_or_default().replace(V1, "V1");
    links.iter().map(|link| (link["pointer"].as_str().unwrap_or_default(), text(link))).collect()
}

#[test]
fn case_04_the_token_id_is_filled_in_wherever_it_stands() {
    let metadata = r#"{"name":"x","image":"ipfs:\/\/V1\/{id}.png","properties":{"big":{"value":"ipfs:\/\/V1\/big\/{id}.png"}}}"#;
    let found = links(metadata, &["--token-id", "314592"]);
    let id = "000000000000000000000000000000000000000000000000000000000004cce0";
    let expected = [("/image", format!("/ipfs/V1/{id}.png")), ("/properties/big/value", format!("/ipfs/V1/big/{id}.png"))];
    assert_eq!(rows(&found), expected);
}

#[test]
fn case_05_each_locale_is_a_document() {
    let metadata = r#"{"name":"x","localization":{"uri":"ipfs://V1/{locale}.json","default":"en","locales":["en","es","fr"]}}"#;
    let found = links(metadata, &[]);
    let addresses: Vec<String> = rows(&found).into_iter().map(|(_, address)| address).collect();
    assert_eq!(addresses, ["/ipfs/V1/en.json", "/ipfs/V1/es.json", "/ipfs/V1/fr.json"]);
}

#[test]
fn case_06_the_fields_of_each_standard_have_their_roles() {
    let metaplex = r#"{"image":"ipfs://V1/a.png","animation_url":"ipfs://V1/b.mp4",
        "properties":{"files":[{"uri":"ipfs://V1/c.png","type":"image/png","cdn":true},{"uri":"ipfs://V1/d.mp4","type":"video/mp4"}]}}"#;
    let tzip21 = r#"{"artifactUri":"ipfs://V1/a","displayUri":"ipfs://V1/b","thumbnailUri":"ipfs://V1/c",
        "formats":[{"uri":"ipfs://V1/a","mimeType":"image/png"}]}"#;
    let zora = r#"{"content":{"mime":"image/png","uri":"ipfs://V1/z"}}"#;
    let found = links(metaplex, &[]);
    let pointers: Vec<&str> = rows(&found).into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(pointers, ["/image", "/animation_url", "/properties/files/0/uri", "/properties/files/1/uri"]);
    let roles: Vec<&str> = found.iter().map(|link| link["role"].as_str().unwrap_or_default()).collect();
    assert_eq!(roles[..2], ["image", "animation"], "{roles:?}");
    let found = links(tzip21, &[]);
    let roles: Vec<&str> = found.iter().map(|link| link["role"].as_str().unwrap_or_default()).collect();
    assert_eq!(roles, ["animation", "image", "thumbnail", "file"]);
    assert_eq!(rows(&links(zora, &[])), [("/content/uri", "/ipfs/V1/z".to_owned())]);
}

#[test]
fn case_09_metadata_below_a_dag_cbor_root_that_comes_last() {
    let Some(store) = nft("case_09", "nftstorage-store.car") else { return };
    let done = cartool(["metadata".as_ref(), store.as_os_str()]).run();
    let digest = sha256(&done.exits(0).stdout);
    assert_eq!(done.stdout.len(), 234, "{done}");
    assert!(digest.starts_with("59ba9da5") && digest.ends_with("01b3"), "{digest}");
}
