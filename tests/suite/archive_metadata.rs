//! `metadata` of an archive directory.

use crate::archive::{World, store, token};
use crate::chain::Chain;
use crate::gateway::{Blocks, Gateway};
use crate::harness::{Done, cartool, shared};
use crate::make::sha256;
use std::fs;

/// What `metadata` says of the directory.
fn metadata(world: &World, more: &[&str]) -> Done {
    let dir = world.dir().display().to_string();
    cartool(["metadata", &dir].iter().chain(more)).run()
}

/// The 234 bytes of the NFT.Storage fixture.
const STORE_METADATA: &str = "59ba9da5bca906a12519bc7bda63693feb3838b8f91c36a385046b4dd88201b3";

#[test]
fn the_metadata_of_an_archive_directory() {
    let Some(shared) = shared("the_metadata_of_an_archive_directory") else { return };
    let world = World::new();
    let gateway = Gateway::honest(&Blocks::read(&shared.join("nft/nftstorage-store.car")));
    let chain = Chain::of(1, store(), "", None);
    world.archive(&[&token(7)], Some(&chain.url()), &[&gateway.url()], &[]).run().exits(0);
    assert_eq!(sha256(&metadata(&world, &[]).exits(0).stdout), STORE_METADATA);
    assert_eq!(sha256(&metadata(&world, &["--item", &token(7)]).exits(0).stdout), STORE_METADATA);
    assert!(metadata(&world, &["--item", "other"]).exits(3).one_line_error().contains("other"));

    // An address that holds its document, beside the token.
    let inline = "data:application/json,{%22name%22:%22x%22}";
    world.archive(&[inline], None, &[&gateway.url()], &[]).run().exits(0);
    let manifest = world.manifest();
    let items = manifest["items"].as_array().unwrap();
    let item = items.iter().find(|item| item["input"] == inline).expect("the item");
    let several = metadata(&world, &[]);
    assert!(several.exits(3).talk().contains(&token(7)), "{several}");
    let id = item["id"].as_str().unwrap();
    assert_eq!(metadata(&world, &["--item", id]).exits(0).stdout, b"{\"name\":\"x\"}");
    let file = world.at(item["metadata"]["file"].as_str().unwrap());
    fs::write(&file, b"{\"name\":\"y\"}").unwrap();
    let damaged = metadata(&world, &["--item", id]);
    assert!(damaged.exits(1).stdout.is_empty());
    assert!(damaged.one_line_error().contains("SHA-256"), "{damaged}");
}
