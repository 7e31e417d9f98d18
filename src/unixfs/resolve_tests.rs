use super::*;
use crate::error::Code;
use crate::unixfs::testing::{Dag, bucket, cid_of};

fn to(dag: &Dag, root: &Cid, path: &str) -> Result<Resolved> {
    let segments: Vec<&[u8]> = path.split('/').filter(|s| !s.is_empty()).map(str::as_bytes).collect();
    resolve(dag, root, &segments, &Limits::default())
}

fn cbor_link(cid: &Cid) -> Vec<u8> {
    let bytes = cid.to_bytes();
    [&[0xd8, 42, 0x58, bytes.len() as u8 + 1, 0][..], &bytes].concat()
}

#[test]
fn through_directories_shards_and_maps() {
    let mut dag = Dag::default();
    let leaf = dag.raw(b"x");
    let inner = dag.shard(256, &[(&format!("{}a", bucket("a", 1)), leaf)]);
    let shard = dag.shard(256, &[(&bucket("a", 0), inner)]);
    let directory = dag.directory(&[("art.svg", leaf), ("many", shard)]);
    // {"image": <directory>, "properties": {"clip": [<leaf>]}}
    let mut map = vec![0xa2, 0x65];
    map.extend(b"image");
    map.extend(cbor_link(&directory));
    map.push(0x6a);
    map.extend(b"properties");
    map.extend([0xa1, 0x64]);
    map.extend(b"clip");
    map.push(0x81);
    map.extend(cbor_link(&leaf));
    let root = dag.put(codec::DAG_CBOR, &map);

    let found = to(&dag, &root, "/image/many/a").unwrap();
    assert_eq!(found, Resolved { found: Found::Block(leaf), proof: vec![root, directory, shard, inner] });
    assert_eq!(to(&dag, &root, "").unwrap(), Resolved { found: Found::Block(root), proof: vec![] });
    assert_eq!(to(&dag, &root, "properties/clip/0").unwrap().found, Found::Block(leaf));
    assert!(matches!(to(&dag, &root, "properties/clip").unwrap().found, Found::Value { range: Some(_), .. }));
    for (path, segment) in [
        ("none", 0),
        ("image/none", 1),
        ("image/many/b", 2),
        ("image/art.svg/deeper", 2),
        ("properties/clip/1", 2),
        ("properties/none/0", 1),
    ] {
        assert_eq!(to(&dag, &root, path).unwrap().found, Found::Nothing { segment }, "{path}");
    }
    let json = dag.put(codec::DAG_JSON, format!("{{\"a\":[{{\"/\":\"{root}\"}}]}}").as_bytes());
    let found = to(&dag, &json, "a/0/image/art.svg").unwrap();
    assert_eq!(found, Resolved { found: Found::Block(leaf), proof: vec![json, root, directory] });
}

#[test]
fn a_missing_block_proves_nothing() {
    let mut dag = Dag::default();
    let absent = cid_of(codec::DAG_PB, b"absent");
    let root = dag.directory(&[("d", absent)]);
    let error = to(&dag, &root, "d/x").unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Missing));
    assert_eq!(error.cid.as_deref(), Some(&absent));
    assert!(error.to_string().contains("/d/x"), "{error}");
    assert_eq!(to(&dag, &root, "d").unwrap().found, Found::Block(absent));
}

#[test]
fn symlinks_are_not_followed_and_names_stand_once() {
    let mut dag = Dag::default();
    let leaf = dag.raw(b"x");
    let link = dag.symlink("there");
    let root = dag.directory(&[("here", link), ("there", leaf)]);
    assert_eq!(to(&dag, &root, "here").unwrap().found, Found::Block(link));
    assert_eq!(to(&dag, &root, "here/x").unwrap().found, Found::Nothing { segment: 1 });
    let twice = dag.directory(&[("a", leaf), ("a", link)]);
    assert_eq!(to(&dag, &twice, "a").unwrap_err().code(), Some(Code::BadNode));
    let misplaced = dag.shard(256, &[(if bucket("a", 0) == "00" { "01a" } else { "00a" }, leaf)]);
    assert_eq!(to(&dag, &misplaced, "a").unwrap_err().code(), Some(Code::BadNode));
}

#[test]
fn long_ways_are_a_limit() {
    let mut dag = Dag::default();
    let mut node = dag.raw(b"x");
    for _ in 0..1100 {
        node = dag.directory(&[("d", node)]);
    }
    let error = to(&dag, &node, &"d/".repeat(1100)).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Limit("--max-depth")));
    assert!(to(&dag, &node, &"d/".repeat(1000)).is_ok());
}
