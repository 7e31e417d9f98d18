use super::*;
use crate::cid::RawCid;

const CID: [u8; 4] = [1, 0x55, 0, 0];

fn check(message: &[u8], names: &[&[u8]]) -> Result<Vec<Note>, Violation> {
    let cid = RawCid::parse(&CID).unwrap();
    let links: Vec<_> = names.iter().map(|name| PbLink { cid, name: Some(name), tsize: None }).collect();
    UnixFs::parse(message).unwrap().check_links(&links).map(|notes| notes.iter().collect())
}

#[test]
fn sizes_of_a_file_agree() {
    // Two bytes inline, parts of 3 and 4 bytes.
    let file = |filesize: &[u8]| [&[0x08, 2, 0x12, 2, b'h', b'i', 0x20, 3, 0x20, 4][..], filesize].concat();
    let parts: [&[u8]; 2] = [b"", b""];
    assert_eq!(check(&file(&[0x18, 9]), &parts), Ok(vec![]));
    assert_eq!(check(&file(&[]), &parts), Ok(vec![Note::NoFilesize]));
    assert_eq!(check(&file(&[0x18, 8]), &parts), Err(Violation::Filesize { claimed: 8, computed: 9 }));
    assert_eq!(check(&file(&[0x18, 9]), &[b""]), Err(Violation::BlocksizeCount { blocksizes: 2, links: 1 }));
    assert_eq!(check(&file(&[0x18, 9]), &[b"", b"", b""]), Err(Violation::BlocksizeCount { blocksizes: 2, links: 3 }));
    assert_eq!(check(&file(&[0x18, 9]), &[b"", b"n"]), Err(Violation::NamedPart { link: 1 }));
    let max = [&[0x20][..], &[0xff; 9], &[1]].concat();
    assert_eq!(check(&[&[0x08, 2][..], &max, &max].concat(), &parts), Err(Violation::FilesizeOverflow));
    assert_eq!(check(&[0x08, 2], &[]), Ok(vec![]));
    assert_eq!(check(&[0x08, 0, 0x12, 1, b'x', 0x18, 1], &[]), Ok(vec![]));
}

#[test]
fn a_symlink_has_no_links() {
    let symlink = [0x08, 4, 0x12, 1, b'x'];
    assert_eq!(check(&symlink, &[]), Ok(vec![]));
    assert_eq!(check(&symlink, &[b""]), Err(Violation::SymlinkLinks { links: 1 }));
}

#[test]
fn names_of_a_directory() {
    let names = |names: &[&[u8]]| check(&super::super::data::DIRECTORY, names);
    assert_eq!(names(&[b"a", b"b", b"c"]), Ok(vec![]));
    assert_eq!(names(&[b"c", b"a", b"b"]), Ok(vec![]));
    assert_eq!(names(&[b"a", b"a", b"b"]), Err(Violation::RepeatedName { name: (*b"a").into() }));
    assert_eq!(names(&[b"a", b"b", b"a"]), Err(Violation::RepeatedName { name: (*b"a").into() }));
    assert_eq!(names(&[b"a", b".."]), Err(Violation::Name { link: 1, error: NameError::Dots }));
    assert_eq!(names(&[b""]), Err(Violation::Name { link: 0, error: NameError::Empty }));
}

/// A shard of fanout 256 with this bitfield.
fn shard(bitfield: &[u8]) -> Vec<u8> {
    [&[0x08, 5, 0x28, 0x22, 0x30, 0x80, 0x02, 0x12, bitfield.len() as u8][..], bitfield].concat()
}

#[test]
fn links_of_a_shard() {
    assert_eq!(check(&shard(&[0x02, 0x01]), &[b"00x", b"09"]), Ok(vec![]));
    assert_eq!(check(&shard(&[0x02, 0x01]), &[b"09", b"00x"]), Ok(vec![]));
    assert_eq!(check(&shard(&[]), &[b"00x"]), Ok(vec![Note::BitfieldMismatch]));
    assert_eq!(check(&shard(&[0xff; 32]), &[b"00x"]), Ok(vec![Note::BitfieldMismatch]));
    assert_eq!(check(&shard(&[0; 64]), &[b"00x"]), Err(Violation::BitfieldLength { actual: 64, max: 32 }));
    assert_eq!(check(&shard(&[1]), &[b"00x", b"00y"]), Err(Violation::RepeatedBucket { link: 1, bucket: 0 }));
    assert_eq!(check(&shard(&[1]), &[b"00../x"]), Err(Violation::Name { link: 0, error: NameError::Slash }));
    for (name, actual) in [(&b"ZZx"[..], &b"ZZ"[..]), (b"0ax", b"0a"), (b"0", b"0"), (b"", b"")] {
        let expected = Violation::BucketPrefix { link: 0, actual: actual.into(), expected_len: 2 };
        assert_eq!(check(&shard(&[1]), &[name]), Err(expected));
    }
}

#[test]
fn parameters_of_a_shard() {
    for fanout in [0u64, 1, 3, 4, 7, 24, 512 + 1, 2048, 1 << 31, 1 << 62] {
        let mut message = vec![0x08, 5, 0x28, 0x22, 0x30];
        crate::varint::write(fanout, &mut message);
        assert_eq!(check(&message, &[]), Err(Violation::Fanout { actual: Some(fanout) }));
    }
    assert_eq!(check(&[0x08, 5, 0x28, 0x22], &[]), Err(Violation::Fanout { actual: None }));
    assert_eq!(check(&[0x08, 5, 0x28, 0x12, 0x30, 8], &[]), Err(Violation::HashType { actual: Some(0x12) }));
    assert_eq!(check(&[0x08, 5, 0x30, 8], &[]), Err(Violation::HashType { actual: None }));
    assert_eq!(check(&[0x08, 5, 0x28, 0x22, 0x30, 8], &[]), Ok(vec![]));
    // One digit holds up to 15, a fanout of 8 only 0 to 7.
    let eight = [0x08, 5, 0x28, 0x22, 0x30, 8, 0x12, 1, 0x80];
    assert_eq!(check(&eight, &[b"7"]), Ok(vec![]));
    assert!(matches!(check(&eight, &[b"8"]), Err(Violation::BucketPrefix { .. })));
}
