use super::*;
use crate::error::Error;
use crate::limits::Limits;
use crate::unixfs::testing::{Dag, Message, bucket, cid_of};

fn budget() -> Budget {
    Budget::new(Limits::default())
}

/// Names, and the errors between them.
fn list(dag: &Dag, root: &Cid) -> Result<(Vec<String>, Vec<Error>)> {
    let mut budget = budget();
    let mut directory = Directory::open(dag, root, &mut budget)?;
    let (mut names, mut errors) = (Vec::new(), Vec::new());
    loop {
        match directory.next_entry(&mut budget) {
            Ok(Some(entry)) => names.push(String::from_utf8_lossy(&entry.name).into_owned()),
            Ok(None) => return Ok((names, errors)),
            Err(error) => errors.push(error),
        }
    }
}

/// A HAMT of fanout 256 of these names, built by hash.
fn hamt(dag: &mut Dag, names: &[String], cid: Cid, level: u32) -> Cid {
    let mut links: Vec<(String, Cid)> = Vec::new();
    for b in 0..256 {
        let prefix = format!("{b:02X}");
        let here: Vec<String> = names.iter().filter(|name| bucket(name, level) == prefix).cloned().collect();
        match &here[..] {
            [] => {}
            [name] => links.push((format!("{prefix}{name}"), cid)),
            _ => links.push((prefix, hamt(dag, &here, cid, level + 1))),
        }
    }
    let links: Vec<(&str, Cid)> = links.iter().map(|(name, cid)| (&name[..], *cid)).collect();
    dag.shard(256, &links)
}

#[test]
fn plain_and_sharded_directories_list_the_same() {
    let mut dag = Dag::default();
    let leaf = dag.raw(b"x");
    let names: Vec<String> = (0..2000).map(|n| format!("{n}.png")).collect();
    let entries: Vec<(&str, Cid)> = names.iter().map(|name| (&name[..], leaf)).collect();
    let plain = dag.directory(&entries);
    let sharded = hamt(&mut dag, &names, leaf, 0);
    let (listed, errors) = list(&dag, &plain).unwrap();
    assert!(errors.is_empty() && listed.is_sorted() && listed.len() == 2000);
    let (mut from_shards, errors) = list(&dag, &sharded).unwrap();
    assert!(errors.is_empty());
    from_shards.sort();
    assert_eq!(from_shards, listed);
}

#[test]
fn forbidden_names_are_listed_and_told_apart() {
    let mut dag = Dag::default();
    let leaf = dag.raw(b"x");
    let root = dag.directory(&[("../evil", leaf), ("fine", leaf)]);
    let mut budget = budget();
    let mut directory = Directory::open(&dag, &root, &mut budget).unwrap();
    let first = directory.next_entry(&mut budget).unwrap().unwrap();
    assert!(first.checked_name().is_err());
    let second = directory.next_entry(&mut budget).unwrap().unwrap();
    assert_eq!((second.checked_name().map(EntryName::as_bytes), second.tsize), (Ok(&b"fine"[..]), Some(7)));
}

#[test]
fn names_stand_once() {
    let mut dag = Dag::default();
    let (a, b) = (dag.raw(b"a"), dag.raw(b"b"));
    let root = dag.directory(&[("x", a), ("x", b)]);
    assert_eq!(list(&dag, &root).unwrap_err().code(), Some(Code::BadNode));
    let evil_too = dag.directory(&[("..", a), ("x", a), ("x", b)]);
    assert_eq!(list(&dag, &evil_too).unwrap_err().code(), Some(Code::BadNode));
}

#[test]
fn shards_that_break_a_rule_end_the_listing() {
    let mut dag = Dag::default();
    let leaf = dag.raw(b"x");
    let right = format!("{}a", bucket("a", 0));
    let wrong = format!("{}b", if bucket("b", 0) == "00" { "01" } else { "00" });
    let refused = |dag: &Dag, root: &Cid| list(dag, root).unwrap_err().code() == Some(Code::BadNode);
    let two_buckets = dag.shard(256, &[(&right, leaf), (&wrong, leaf)]);
    assert!(refused(&dag, &two_buckets));
    let one_bucket = dag.shard(256, &[(&right, leaf), (&right, leaf)]);
    assert!(refused(&dag, &one_bucket));
    for fanout in [1, 3, 1 << 31, 1 << 62] {
        let message = Message { kind: 5, fanout: Some(fanout), ..Message::default() };
        let root = dag.node(&[], &message);
        assert!(refused(&dag, &root), "{fanout}");
    }
    let directory = dag.directory(&[]);
    for child in [directory, leaf] {
        let root = dag.shard(256, &[("00", child), (&right, leaf)]);
        let (_, errors) = list(&dag, &root).unwrap();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].code(), Some(Code::BadNode));
    }
    let mut chain = dag.shard(256, &[]);
    for _ in 0..200 {
        chain = dag.shard(256, &[("00", chain)]);
    }
    let (names, errors) = list(&dag, &chain).unwrap();
    assert!(names.is_empty());
    assert!(errors[0].to_string().contains("64 bits"), "{}", errors[0]);
}

#[test]
fn a_missing_shard_hides_only_its_own_names() {
    let mut dag = Dag::default();
    let leaf = dag.raw(b"x");
    let name = format!("{}a", bucket("a", 0));
    let absent = cid_of(codec::DAG_PB, b"absent");
    let root = dag.shard(256, &[("00", absent), (&name, leaf), ("FF", absent)]);
    let (names, errors) = list(&dag, &root).unwrap();
    assert_eq!(names, ["a"]);
    assert_eq!(errors.len(), 2);
    assert!(errors.iter().all(|e| matches!(e.kind, ErrorKind::Missing) && e.cid.as_deref() == Some(&absent)));
}

#[test]
fn a_second_fanout_is_remarked_and_its_bits_start_in_one_of_two_places() {
    let mut dag = Dag::default();
    let leaf = dag.raw(b"x");
    let hash = hamt::hash(b"file.txt");
    let (following, by_level) = (format!("{:X}file.txt", hash >> 52 & 15), format!("{:X}file.txt", hash >> 56 & 15));
    assert_ne!(following, by_level);
    for name in [&following, &by_level] {
        let inner = dag.shard(16, &[(name, leaf)]);
        let root = dag.shard(256, &[(&bucket("file.txt", 0), inner)]);
        let mut budget = budget();
        let mut directory = Directory::open(&dag, &root, &mut budget).unwrap();
        assert_eq!(directory.next_entry(&mut budget).unwrap().unwrap().name, b"file.txt");
        assert_eq!(directory.notes().iter().collect::<Vec<_>>(), [Note::MixedFanout]);
        let resolved = crate::unixfs::resolve(&dag, &root, &[b"file.txt"], &Limits::default()).unwrap();
        assert_eq!(resolved.found, crate::unixfs::Found::Block(leaf));
    }
    let twice = dag.shard(16, &[(&following, leaf), (&by_level, leaf)]);
    let root = dag.shard(256, &[(&bucket("file.txt", 0), twice)]);
    assert_eq!(list(&dag, &root).unwrap().1[0].code(), Some(Code::BadNode));
}

#[test]
fn shards_without_names_end_at_a_limit() {
    let mut dag = Dag::default();
    let mut shard = dag.shard(256, &[]);
    for _ in 0..7 {
        let links: Vec<(String, Cid)> = (0..256).map(|b| (format!("{b:02X}"), shard)).collect();
        let links: Vec<(&str, Cid)> = links.iter().map(|(name, cid)| (&name[..], *cid)).collect();
        shard = dag.shard(256, &links);
    }
    let (names, errors) = list(&dag, &shard).unwrap();
    assert!(names.is_empty());
    assert!(matches!(errors[0].kind, ErrorKind::Limit("--max-entries")), "{}", errors[0]);
}
