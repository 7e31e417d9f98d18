use super::*;
use crate::cid::CidError;
use proptest::prelude::*;

const CID: [u8; 6] = [1, 0x55, 0, 2, b'h', b'i'];

fn link() -> Vec<u8> {
    [&[0xd8, 0x2a, 0x47, 0][..], &CID].concat()
}

fn scan(block: &[u8], depth_max: u32) -> Result<(Vec<String>, Vec<Note>), (usize, NodeErrorKind)> {
    let mut paths = Vec::new();
    let notes = scan_links(block, depth_max, |cid, path| {
        assert_eq!(cid.bytes(), CID);
        let mut text = Vec::new();
        path.write_to(&mut text);
        paths.push(String::from_utf8(text).unwrap());
    });
    notes.map(|notes| (paths, notes.iter().collect())).map_err(|e| (e.at, e.kind))
}

/// `{"a": [link, 1, {"b": link}], "bc": link}`
fn sample() -> Vec<u8> {
    let l = link();
    [&[0xa2, 0x61, b'a', 0x83][..], &l, &[1, 0xa1, 0x61, b'b'], &l, &[0x62, b'b', b'c'], &l].concat()
}

#[test]
fn finds_links_and_the_way_to_them() {
    assert_eq!(scan(&link(), 0), Ok((vec![String::new()], vec![])));
    assert_eq!(scan(&sample(), 3), Ok((vec!["a/0".into(), "a/2/b".into(), "bc".into()], vec![])));
    assert_eq!(scan(&sample(), 2), Err((14 + 1, NodeErrorKind::TooDeep { depth_max: 2 })));
    for empty in [&[0xa0][..], &[0x80], &[0xf6], &[0x00], &[0x40], &[0x60]] {
        assert_eq!(scan(empty, 1), Ok((vec![], vec![])));
    }
}

#[test]
fn cut_anywhere_is_an_error() {
    let block = sample();
    for cut in 0..block.len() {
        assert!(scan(&block[..cut], 9).is_err(), "{cut}");
    }
    assert_eq!(scan(&[], 9), Err((0, NodeErrorKind::Empty)));
}

#[test]
fn refuses_what_dag_cbor_lacks() {
    use NodeErrorKind as K;
    let refused = |block: &[u8]| scan(block, 9).unwrap_err();
    for head in [0x1c, 0x3f, 0x5f, 0x7f, 0x9f, 0xbf, 0xdf, 0xfc, 0xff, 0xf7, 0xe0, 0xf3] {
        assert_eq!(refused(&[0x81, head, 0xff]), (1, K::CborHead(head)), "{head:x}");
    }
    assert_eq!(refused(&[0xf8, 0x20]), (0, K::CborHead(0xf8)));
    assert_eq!(refused(&[0xc0, 0x60]), (0, K::CborTag(0)));
    assert_eq!(refused(&[0xa1, 0x01, 0x01]), (1, K::CborKey(0x01)));
    assert_eq!(refused(&[0xd8, 0x2a, 0x60]), (2, K::CborLink(Some(0x60))));
    assert_eq!(refused(&[0xd8, 0x2a, 0x40]), (3, K::CborLink(None)));
    assert_eq!(refused(&[0xd8, 0x2a, 0x41, 0x01]), (3, K::CborLink(Some(1))));
    assert_eq!(refused(&[0xd8, 0x2a, 0x41, 0x00]), (4, K::Cid(CidError::Truncated("version"))));
    assert_eq!(refused(&[0x01, 0x02]), (1, K::TrailingBytes(1)));
}

#[test]
fn counts_are_held_against_the_bytes_left() {
    use NodeErrorKind as K;
    let list = [0x9b, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    assert_eq!(scan(&list, 9), Err((0, K::Overrun { what: "a list", declared: 1 << 40, left: 1 })));
    let map = [0xa2, 0x60, 0x01, 0x60];
    assert_eq!(scan(&map, 9), Err((0, K::Overrun { what: "a map", declared: 2, left: 1 })));
    let bytes = [&[0x5b, 0x7f][..], &[0xff; 7]].concat();
    assert_eq!(scan(&bytes, 9), Err((0, K::Overrun { what: "a byte string", declared: (1 << 63) - 1, left: 0 })));
}

#[test]
fn depth_is_bounded_by_the_limit_alone() {
    let mut block = vec![0x81; 300_000];
    block.push(0xf6);
    assert_eq!(scan(&block, 1024), Err((1024, NodeErrorKind::TooDeep { depth_max: 1024 })));
    assert_eq!(scan(&block, 300_000), Ok((vec![], vec![])));
    let maps = [[0xa1, 0x60].repeat(20), link()].concat();
    assert_eq!(scan(&maps, 20), Ok((vec!["/".repeat(19)], vec![])));
}

#[test]
fn old_data_is_read_with_remarks() {
    let notes = |block: &[u8]| scan(block, 9).unwrap().1;
    assert_eq!(notes(&[0xa2, 0x61, b'b', 1, 0x61, b'a', 1]), [Note::UnsortedKeys]);
    assert_eq!(notes(&[0xa2, 0x62, b'a', b'a', 1, 0x61, b'b', 1]), [Note::UnsortedKeys]);
    assert_eq!(notes(&[0xa2, 0x61, b'b', 1, 0x62, b'a', b'a', 1]), []);
    assert_eq!(notes(&[0xa2, 0x60, 1, 0x60, 1]), [Note::RepeatedKey]);
    for long in [&[0x18, 23][..], &[0x19, 0, 255], &[0x1a, 0, 0, 255, 255], &[0x1b, 0, 0, 0, 0, 255, 255, 255, 255]] {
        assert_eq!(notes(long), [Note::LongInt]);
    }
    for short in [&[0x18, 24][..], &[0x19, 1, 0], &[0x1a, 0, 1, 0, 0], &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0], &[0x61, 0xff]] {
        assert_eq!(notes(short), []);
    }
    assert_eq!(notes(&[0xf9, 0x3c, 0]), [Note::ShortFloat]);
    assert_eq!(notes(&[0xfb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]), [Note::NotFinite]);
    assert_eq!(notes(&[0xfb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0]), []);
}

#[test]
fn follows_a_path() {
    let block = sample();
    let go = |path: &str| {
        let segments: Vec<&[u8]> = path.split('/').filter(|s| !s.is_empty()).map(str::as_bytes).collect();
        step(&block, &segments).unwrap()
    };
    let cid = RawCid::parse(&CID).unwrap();
    assert_eq!(go("a/0"), Step::Link { cid, used: 2 });
    assert_eq!(go("a/2/b/x/y"), Step::Link { cid, used: 3 });
    assert_eq!(go("bc"), Step::Link { cid, used: 1 });
    assert_eq!(go("a/1"), Step::Value { range: 14..15 });
    assert_eq!(go(""), Step::Value { range: 0..block.len() });
    assert_eq!(go("a/3"), Step::NotFound { used: 1 });
    assert_eq!(go("a/00"), Step::NotFound { used: 1 });
    assert_eq!(go("a/+1"), Step::NotFound { used: 1 });
    assert_eq!(go("a/1/x"), Step::NotFound { used: 2 });
    assert_eq!(go("c"), Step::NotFound { used: 0 });
    // Skipping costs no memory, however deep or wide.
    let mut deep = vec![0xa2, 0x61, b'a'];
    deep.resize(300_003, 0x81);
    deep.extend([0xf6, 0x61, b'b', 0x07]);
    assert_eq!(step(&deep, &[b"b"]), Ok(Step::Value { range: 300_006..300_007 }));
}

#[test]
fn lists_the_entries_of_a_map() {
    let block = sample();
    let entries: Vec<_> = entries(&block).unwrap().unwrap().map(Result::unwrap).collect();
    assert_eq!(entries.len(), 2);
    assert_eq!((entries[0].key, entries[0].link), (&b"a"[..], None));
    assert_eq!((entries[1].key, entries[1].link.map(|l| l.bytes())), (&b"bc"[..], Some(&CID[..])));
    assert_eq!(entries[1].range, block.len() - link().len()..block.len());
    assert_eq!(super::entries(&[0x80]).map(|e| e.is_none()), Ok(true));
    let broken: Vec<_> = super::entries(&[0xa2, 0x60, 0xff, 0x60, 1]).unwrap().unwrap().collect();
    assert!(matches!(broken[..], [Err(_)]));
}

proptest! {
    #[test]
    fn never_panics(block: Vec<u8>, segments: Vec<Vec<u8>>) {
        let _ = scan_links(&block, 16, |_, path| path.write_to(&mut Vec::new()));
        let _ = step(&block, &segments.iter().map(|s| &s[..]).collect::<Vec<_>>());
        let _ = entries(&block).map(|e| e.map(Iterator::count));
    }

    #[test]
    fn never_panics_near_a_value(at in 0usize..40, byte: u8) {
        let mut block = sample();
        let len = block.len();
        block[at % len] = byte;
        let _ = scan_links(&block, 16, |_, path| path.write_to(&mut Vec::new()));
        let _ = step(&block, &[b"a", b"2", b"b"]);
    }
}

/// `{<key>: [link, …]}` with a key of `key_len` bytes and `links` links.
fn long_key(key_len: u32, links: u16) -> Vec<u8> {
    let mut block = vec![0xa1, 0x7a];
    block.extend(key_len.to_be_bytes());
    block.resize(block.len() + key_len as usize, b'k');
    block.push(0x99);
    block.extend(links.to_be_bytes());
    for _ in 0..links {
        block.extend([0xd8, 0x2a, 0x45, 0, 1, 0x55, 0, 0]);
    }
    block
}

#[test]
fn paths_of_all_links_are_bounded_by_the_block() {
    let block = long_key(1 << 20, 5000);
    let (mut room, mut paths, mut count, mut longest) = (crate::dag::PathRoom::of(&block), Vec::new(), 0, 0);
    scan_links(&block, 16, |_, path| {
        let before = paths.len();
        room.write(path, &mut paths);
        longest = longest.max(paths.len() - before);
        count += 1;
    })
    .unwrap();
    assert_eq!((count, longest), (5000, 4 << 10));
    assert!(paths.len() <= 4 * block.len(), "{}", paths.len());
    // Short keys are kept whole.
    let block = long_key(30, 3);
    let (mut room, mut paths) = (crate::dag::PathRoom::of(&block), Vec::new());
    scan_links(&block, 16, |_, path| {
        room.write(path, &mut paths);
        paths.push(b' ');
    })
    .unwrap();
    let key = "k".repeat(30);
    assert_eq!(paths, format!("{key}/0 {key}/1 {key}/2 ").into_bytes());
}
