use super::*;
use crate::cid::Multihash;
use crate::ops::testing::{Claimed, directory, node, raw};
use crate::store::MemoryStore;

fn store(blocks: &[&Claimed]) -> MemoryStore {
    let mut store = MemoryStore::new();
    blocks.iter().for_each(|(cid, data)| store.insert(Block::new(*cid, data.clone()).unwrap()));
    store
}

/// A file node over parts of these sizes.
fn file(parts: &[(&Cid, u8)]) -> Claimed {
    let total: u8 = parts.iter().map(|part| part.1).sum();
    let mut data = vec![8, 2, 0x18, total];
    parts.iter().for_each(|part| data.extend([0x20, part.1]));
    node(&parts.iter().map(|part| ("", part.0)).collect::<Vec<_>>(), Some(&data))
}

fn needed(source: &MemoryStore, text: &str) -> Vec<Cid> {
    blocks(source, &text.parse().unwrap(), &Control::default()).unwrap()
}

#[test]
fn scopes_of_a_directory_and_a_file() {
    let (a, b, c) = (raw(b"aaaa"), raw(b"bbbb"), raw(b"cc"));
    let left = file(&[(&a.0, 4), (&b.0, 4)]);
    let top = file(&[(&left.0, 8), (&c.0, 2)]);
    let inner = directory(&[("f", &top.0)]);
    let root = directory(&[("d", &inner.0), ("e", &c.0)]);
    let source = store(&[&a, &b, &c, &left, &top, &inner, &root]);
    let all = [root.0, inner.0, top.0, left.0, a.0, b.0, c.0];
    assert_eq!(needed(&source, &format!("{}", root.0)), all);
    assert_eq!(needed(&source, &format!("{}?dag-scope=entity", root.0)), all[..1]);
    assert_eq!(needed(&source, &format!("{}/d", root.0)), all);
    assert_eq!(needed(&source, &format!("{}/d?dag-scope=entity", root.0)), all[..2]);
    assert_eq!(needed(&source, &format!("{}/d/f?dag-scope=block", root.0)), all[..3]);
    assert_eq!(needed(&source, &format!("{}/d/f?dag-scope=entity", root.0)), all);
    assert_eq!(needed(&source, &format!("{}/e?dag-scope=entity", root.0)), [root.0, c.0]);
    let bytes = |range: &str| needed(&source, &format!("{}?entity-bytes={range}", top.0));
    assert_eq!(bytes("0:0"), [top.0, left.0, a.0]);
    assert_eq!(bytes("3:4"), [top.0, left.0, a.0, b.0]);
    assert_eq!(bytes("5:-2"), [top.0, left.0, b.0, c.0]);
    assert_eq!(bytes("0:*"), [top.0, left.0, a.0, b.0, c.0]);
    assert_eq!(bytes("-1:*"), [top.0, c.0]);
    assert_eq!(bytes("10:*"), [top.0]);
}

#[test]
fn a_repeated_part_is_wanted_in_two_ways() {
    let (a, b) = (raw(b"aaaa"), raw(b"bbbb"));
    let half = file(&[(&a.0, 4), (&b.0, 4)]);
    let top = file(&[(&half.0, 8), (&half.0, 8)]);
    let source = store(&[&a, &b, &half, &top]);
    let bytes = |range: &str| needed(&source, &format!("{}?entity-bytes={range}", top.0));
    // The end of the first half and the start of the second are different parts of one block.
    assert_eq!(bytes("6:9"), [top.0, half.0, b.0, a.0]);
    assert_eq!(bytes("6:*"), [top.0, half.0, b.0, a.0]);
    assert_eq!(bytes("1:2"), [top.0, half.0, a.0]);
}

#[test]
fn identity_links_are_walked_through_and_other_codecs_stand_apart() {
    let leaf = raw(b"leaf");
    let inline = Cid::new_v1(0x70, Multihash::wrap(0, &directory(&[("l", &leaf.0)]).1).unwrap());
    let v0 = Cid::new_v0(*directory(&[("l", &leaf.0)]).0.hash()).unwrap();
    let sub = directory(&[("l", &leaf.0)]);
    let sub_as_raw = Cid::new_v1(0x55, *sub.0.hash());
    let root = directory(&[("a", &inline), ("b", &sub_as_raw), ("c", &v0), ("d", &sub.0)]);
    let source = store(&[&leaf, &sub, &root]);
    assert_eq!(needed(&source, &root.0.to_string()), [root.0, leaf.0, sub_as_raw, v0]);
}

#[test]
fn missing_blocks_are_named_once_with_their_path() {
    let (a, b) = (raw(b"a"), raw(b"b"));
    let inner = directory(&[("x", &b.0), ("y", &a.0)]);
    let root = directory(&[("1", &a.0), ("2", &inner.0), ("3", &inner.0)]);
    let source = store(&[&root, &inner]);
    let list = |text: &str| -> Vec<(Cid, String, Option<Cid>)> {
        let list = missing(&source, &text.parse().unwrap(), &Control::default()).unwrap();
        list.into_iter().map(|m| (m.cid, String::from_utf8(m.path).unwrap(), m.parent)).collect()
    };
    let expected = [(a.0, "/1".to_owned(), Some(root.0)), (b.0, "/2/x".to_owned(), Some(inner.0))];
    assert_eq!(list(&root.0.to_string()), expected);
    assert_eq!(list(&format!("{}/2/x", root.0)), [(b.0, "/2/x".to_owned(), None)]);
    assert_eq!(list(&a.0.to_string()), [(a.0, "/".to_owned(), None)]);
    assert_eq!(list(&format!("{}/2?dag-scope=entity", root.0)), []);
    let error = missing(&source, &format!("{}/2/z", root.0).parse().unwrap(), &Control::default()).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Missing) && error.cid.is_none(), "{error}");
}

#[test]
fn a_long_chain_takes_no_recursion() {
    let mut last = raw(b"end");
    let mut blocks = vec![last.clone()];
    for _ in 0..5_000 {
        last = directory(&[("d", &last.0)]);
        blocks.push(last.clone());
    }
    let source = store(&blocks.iter().collect::<Vec<_>>());
    let mut expected: Vec<Cid> = blocks.iter().map(|block| block.0).collect();
    expected.reverse();
    assert_eq!(needed(&source, &last.0.to_string()), expected);
}

#[test]
fn an_entity_is_all_shards_and_no_entry() {
    let (a, b) = (raw(b"a"), raw(b"b"));
    let shard = [8, 5, 0x28, 0x22, 0x30, 0x80, 2];
    let inner = node(&[("05deep", &b.0)], Some(&shard));
    let root = node(&[("00", &inner.0), ("01flat", &a.0)], Some(&shard));
    let source = store(&[&root, &inner]);
    assert_eq!(needed(&source, &format!("{}?dag-scope=entity", root.0)), [root.0, inner.0]);
    assert_eq!(needed(&source, &format!("{}?dag-scope=block", root.0)), [root.0]);
    let list = missing(&source, &Expect::whole(root.0), &Control::default()).unwrap();
    let list: Vec<_> = list.into_iter().map(|m| (m.cid, m.path)).collect();
    assert_eq!(list, [(b.0, b"/deep".to_vec()), (a.0, b"/flat".to_vec())]);
}

#[test]
fn a_block_that_is_not_what_its_codec_says_is_a_fault() {
    let garbage = (crate::ops::testing::cid_of(0x70, b"no protobuf"), b"no protobuf".to_vec());
    let root = directory(&[("g", &garbage.0)]);
    let source = store(&[&root, &garbage]);
    let error = blocks(&source, &Expect::whole(root.0), &Control::default()).unwrap_err();
    assert_eq!((error.code(), error.cid.as_deref()), (Some(crate::error::Code::BadNode), Some(&garbage.0)));
    // Bytes are wanted of a file whose part is a directory.
    let odd = file(&[(&root.0, 4), (&raw(b"x").0, 1)]);
    let source = store(&[&root, &odd]);
    let expect = format!("{}?entity-bytes=0:1", odd.0).parse().unwrap();
    assert_eq!(blocks(&source, &expect, &Control::default()).unwrap_err().code(), Some(crate::error::Code::BadNode));
}
