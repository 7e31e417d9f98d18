use super::*;
use crate::error::{Code, ErrorKind};
use crate::limits::Limits;
use crate::unixfs::testing::{Dag, Message, cid_of};

fn read(dag: &Dag, cid: &Cid, strictness: Strictness) -> Result<Vec<u8>> {
    let mut budget = Budget::new(Limits::default());
    let mut out = Vec::new();
    FileReader::open(dag, cid, strictness)?.chunks(&mut budget)?.copy_to(&mut out)?;
    Ok(out)
}

fn strict(dag: &Dag, cid: &Cid) -> Result<Vec<u8>> {
    read(dag, cid, Strictness::Strict)
}

#[test]
fn chunks_come_in_order_from_every_kind_of_part() {
    let mut dag = Dag::default();
    let a = dag.raw(b"aaa");
    let identity = crate::cid::parse_text("bafkqabtimvwgy3yk").unwrap();
    let old = dag.node(&[], &Message { kind: 0, data: Some(b"old".to_vec()), filesize: Some(3), ..Message::default() });
    let inner = dag.file(&[(old, 3), (identity, 6)]);
    let both = Message {
        kind: 2,
        data: Some(b"own".to_vec()),
        filesize: Some(15),
        blocksizes: vec![3, 9],
        mode: Some(0o640),
        mtime: Some((-5, 9)),
        ..Message::default()
    };
    let root = dag.node(&[(b"", a), (b"", inner)], &both);
    assert_eq!(strict(&dag, &root).unwrap(), b"ownaaaoldhello\n");
    let info = *FileReader::open(&dag, &root, Strictness::Strict).unwrap().info();
    assert_eq!((info.size, info.mode, info.mtime), (15, Some(0o640), Some(Mtime { seconds: -5, nanos: Some(9) })));
    assert_eq!(strict(&dag, &a).unwrap(), b"aaa");
    assert_eq!(strict(&dag, &identity).unwrap(), b"hello\n");

    let whole = b"ownaaaoldhello\n";
    for from in 0..=16 {
        for to in 0..=17 {
            let mut budget = Budget::new(Limits::default());
            let mut out = Vec::new();
            let reader = FileReader::open(&dag, &root, Strictness::Strict).unwrap();
            reader.range(from as u64..to as u64, &mut budget).unwrap().copy_to(&mut out).unwrap();
            assert_eq!(out, whole.get(from..to.min(15)).unwrap_or_default(), "{from}..{to}");
            assert_eq!(budget.bytes(), out.len() as u64);
        }
    }
}

#[test]
fn a_range_does_not_need_the_chunks_outside() {
    let mut dag = Dag::default();
    let (absent, here) = (cid_of(codec::RAW, b"gone"), dag.raw(b"here"));
    let inner = cid_of(codec::DAG_PB, b"gone as well");
    let root = dag.file(&[(absent, 4), (here, 4), (inner, 1 << 40)]);
    let mut budget = Budget::new(Limits::default());
    let mut out = Vec::new();
    let open = || FileReader::open(&dag, &root, Strictness::Strict).unwrap();
    open().range(5..8, &mut budget).unwrap().copy_to(&mut out).unwrap();
    assert_eq!(out, b"ere");
    let error = open().range(3..8, &mut budget).unwrap().copy_to(&mut out).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Missing));
    assert_eq!(error.cid.as_deref(), Some(&absent));
}

#[test]
fn sizes_that_disagree_are_refused_before_the_bytes() {
    let mut dag = Dag::default();
    let leaf = dag.raw(b"six by");
    let node = |dag: &mut Dag, links: usize, blocksizes: &[u64], filesize| {
        let links: Vec<(&[u8], Cid)> = vec![(&b""[..], leaf); links];
        dag.node(&links, &Message { kind: 2, blocksizes: blocksizes.to_vec(), filesize, ..Message::default() })
    };
    for (links, sizes, filesize) in
        [(1, &[3][..], Some(3)), (1, &[1000], Some(1000)), (2, &[6], Some(6)), (1, &[6, 6], Some(12)), (1, &[6], Some(1 << 62))]
    {
        let root = node(&mut dag, links, sizes, filesize);
        let mut budget = Budget::new(Limits::default());
        let mut out = Vec::new();
        let reader = FileReader::open(&dag, &root, Strictness::Strict);
        let error = reader.and_then(|r| r.chunks(&mut budget)?.copy_to(&mut out)).unwrap_err();
        assert_eq!(error.code(), Some(Code::BadNode), "{error}");
        assert!(out.is_empty());
        assert_eq!(read(&dag, &root, Strictness::Lenient).unwrap(), b"six by".repeat(links));
    }
    let no_filesize = node(&mut dag, 1, &[6], None);
    assert_eq!(strict(&dag, &no_filesize).unwrap(), b"six by");
}

#[test]
fn parts_must_be_parts_of_files() {
    let mut dag = Dag::default();
    let directory = dag.directory(&[]);
    let symlink = dag.symlink("x");
    let cbor = dag.put(codec::DAG_CBOR, &[0xa0]);
    for part in [directory, symlink, cbor] {
        let root = dag.file(&[(part, 1)]);
        let error = strict(&dag, &root).unwrap_err();
        assert_eq!(error.cid.as_deref(), Some(&part), "{error}");
        assert!(FileReader::open(&dag, &part, Strictness::Strict).is_err());
    }
    let leaf = dag.raw(b"x");
    let message = Message { kind: 2, filesize: Some(1), blocksizes: vec![1], ..Message::default() };
    let named = dag.node(&[(b"name", leaf)], &message);
    assert_eq!(strict(&dag, &named).unwrap_err().code(), Some(Code::BadNode));
}

#[test]
fn bombs_end() {
    let mut dag = Dag::default();
    // 256^16 empty leaves: nothing to visit.
    let mut node = dag.raw(b"");
    for _ in 0..16 {
        node = dag.file(&vec![(node, 0); 256]);
    }
    assert_eq!(strict(&dag, &node).unwrap(), b"");
    let error = read(&dag, &node, Strictness::Lenient).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Limit("--max-entries")), "{error}");

    // 174^8 bytes are refused before the first.
    let mut node = dag.raw(b"x");
    let mut size = 1;
    for _ in 0..8 {
        node = dag.file(&vec![(node, size); 174]);
        size *= 174;
    }
    let mut budget = Budget::new(Limits::default());
    let reader = FileReader::open(&dag, &node, Strictness::Strict).unwrap();
    assert_eq!(reader.size(), size);
    assert!(matches!(reader.chunks(&mut budget).unwrap_err().kind, ErrorKind::Limit("--max-bytes")));

    let mut node = dag.raw(b"x");
    for _ in 0..1025 {
        node = dag.file(&[(node, 1)]);
    }
    assert!(matches!(strict(&dag, &node).unwrap_err().kind, ErrorKind::Limit("--max-depth")));
}
