use super::*;
use crate::limits::Limits;
use crate::unixfs::testing::{Dag, Message, cid_of};

fn describe(entry: &Entry) -> String {
    let path = String::from_utf8_lossy(&entry.path);
    let kind = match &entry.kind {
        EntryKind::File => format!("file {}", entry.size.map_or("?".into(), |size| size.to_string())),
        EntryKind::Directory => "dir".into(),
        EntryKind::Map => "map".into(),
        EntryKind::Symlink { target } => format!("symlink {}", String::from_utf8_lossy(target)),
        EntryKind::Other => "other".into(),
        EntryKind::Missing => "missing".into(),
        EntryKind::Broken(_) => "broken".into(),
    };
    format!("{} {path}: {kind}", entry.depth)
}

fn walk(dag: &Dag, root: &Cid) -> Vec<String> {
    let mut budget = Budget::new(Limits::default());
    let mut walk = Walk::new(dag, root, Strictness::Strict, RawLeaves::Read);
    std::iter::from_fn(|| walk.next_entry(&mut budget).unwrap()).map(|entry| describe(&entry)).collect()
}

#[test]
fn everything_has_its_path_and_what_is_wrong_is_an_entry() {
    let mut dag = Dag::default();
    let leaf = dag.raw(b"four");
    let link = dag.symlink("../a");
    let absent = cid_of(codec::RAW, b"absent");
    let inner = dag.directory(&[("b", absent), ("c", link)]);
    let metadata = dag.node(&[], &Message { kind: 3, ..Message::default() });
    let twice = dag.directory(&[("x", leaf), ("x", link)]);
    let other = dag.put(codec::DAG_CBOR, &[0xa0]);
    let root = dag.directory(&[("..", leaf), ("d", inner), ("m", metadata), ("o", other), ("t", twice), ("z", leaf)]);
    let expected = [
        "0 : dir",
        "1 ..: file 4",
        "1 d: dir",
        "2 d/b: missing",
        "2 d/c: symlink ../a",
        "1 m: broken",
        "1 o: other",
        "1 t: broken",
        "1 z: file 4",
    ];
    assert_eq!(walk(&dag, &root), expected);
    assert_eq!(walk(&dag, &absent), ["0 : missing"]);

    let mut budget = Budget::new(Limits::default());
    let mut walk = Walk::new(&dag, &root, Strictness::Strict, RawLeaves::Find);
    let mut seen = Vec::new();
    while let Some(mut entry) = walk.next_entry(&mut budget).unwrap() {
        if entry.depth == 1 {
            walk.skip_directory();
        }
        seen.push(describe(&entry));
        if entry.name() == b"z" {
            let mut out = Vec::new();
            let reader = entry.open(&dag, Strictness::Strict).unwrap();
            reader.chunks(&mut budget).unwrap().copy_to(&mut out).unwrap();
            assert_eq!(out, b"four");
        }
    }
    assert_eq!(seen, ["0 : dir", "1 ..: file ?", "1 d: dir", "1 m: broken", "1 o: other", "1 t: broken", "1 z: file ?"]);
}

#[test]
fn maps_are_directories_of_their_links() {
    let mut dag = Dag::default();
    let leaf = dag.raw(b"png");
    let image = dag.directory(&[("amazing art.svg", leaf)]);
    let text = format!(
        "{{\"name\":\"n\",\"image\":{{\"/\":\"{image}\"}},\"properties\":{{\"clip\":{{\"/\":\"{leaf}\"}}}},\"m.json\":{{\"/\":\"{leaf}\"}},\"..\":[{{\"/\":\"{leaf}\"}}]}}"
    );
    let root = dag.put(codec::DAG_JSON, text.as_bytes());
    let expected = [
        "0 : map",
        "1 image: dir",
        "2 image/amazing art.svg: file 3",
        "1 properties: map",
        "2 properties/clip: file 3",
        "1 m.json: file 3",
        "1 ..: map",
    ];
    assert_eq!(walk(&dag, &root), expected);
}

#[test]
fn trees_that_repeat_themselves_end_at_a_limit() {
    let mut dag = Dag::default();
    let mut node = dag.raw(b"x");
    for _ in 0..20 {
        let names: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        let entries: Vec<(&str, Cid)> = names.iter().map(|name| (&name[..], node)).collect();
        node = dag.directory(&entries);
    }
    let mut budget = Budget::new(Limits::default());
    let mut walk = Walk::new(&dag, &node, Strictness::Strict, RawLeaves::Read);
    let error = loop {
        match walk.next_entry(&mut budget) {
            Ok(entry) => assert!(entry.is_some()),
            Err(error) => break error,
        }
    };
    assert!(matches!(error.kind, ErrorKind::Limit("--max-entries")));
    assert!(budget.entries() < 100_000);
}

#[test]
fn deep_trees_end_at_a_limit() {
    let mut dag = Dag::default();
    let mut node = dag.raw(b"x");
    for _ in 0..1500 {
        node = dag.directory(&[("d", node)]);
    }
    let entries = walk(&dag, &node);
    assert_eq!(entries.len(), 1025);
    assert!(entries[1024].ends_with(": broken"));
}
