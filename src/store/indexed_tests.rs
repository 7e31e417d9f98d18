//! Archives read through their index: little is read, and an index that lies is found out.

use super::{BlockSource, CarFile};
use crate::cid::{Cid, Multihash, RawCid, codec, hash_code};
use crate::control::Control;
use crate::error::Code;
use crate::format::carv2::PRAGMA;
use crate::format::{Carv2Header, Header, Identities, IndexCodec, IndexWriter, Writer};
use crate::offset::PayloadOffset;
use crate::varint;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

fn cid_of(data: &[u8]) -> Cid {
    let digest = crate::hash::digest(hash_code::SHA2_256, data, 32).unwrap();
    Cid::new_v1(codec::RAW, Multihash::wrap(hash_code::SHA2_256, digest.bytes()).unwrap())
}

/// For each section, its CID and offset.
type Entries = Vec<(Cid, u64)>;

/// Payload and entries.
fn payload(sections: &[(Cid, &[u8])]) -> (Vec<u8>, Entries) {
    let mut writer = Writer::new(Vec::new(), &Header::from_cids(&[])).unwrap();
    let mut places = Vec::new();
    for (cid, data) in sections {
        places.push((*cid, writer.written()));
        writer.write_section(RawCid::parse(&cid.to_bytes()).unwrap(), data).unwrap();
    }
    (writer.finish().unwrap(), places)
}

fn index(codec: IndexCodec, places: &[(Cid, u64)]) -> Vec<u8> {
    let mut writer = IndexWriter::new(codec, Identities::LeaveOut);
    for (cid, offset) in places {
        writer.add(RawCid::parse(&cid.to_bytes()).unwrap(), PayloadOffset(*offset));
    }
    let mut bytes = Vec::new();
    writer.write(&mut bytes).unwrap();
    bytes
}

/// The front of a CARv2 whose payload starts at byte 60.
fn front(data_size: u64) -> Vec<u8> {
    let header = Carv2Header { characteristics: [0; 16], data_offset: 60, data_size, index_offset: 60 + data_size };
    [&PRAGMA[..], &header.encode(), &[0; 9]].concat()
}

struct Archive {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Archive {
    fn new(payload: &[u8], index: &[u8]) -> Archive {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.car");
        std::fs::write(&path, [&front(payload.len() as u64), payload, index].concat()).unwrap();
        Archive { _dir: dir, path }
    }

    fn open(&self) -> CarFile {
        CarFile::open_indexed(&self.path, &Control::default()).unwrap()
    }
}

const THREE: [&[u8]; 3] = [b"one", b"two", b"three"];

fn three() -> Vec<(Cid, &'static [u8])> {
    THREE.iter().map(|data| (cid_of(data), *data)).collect()
}

#[test]
fn a_sound_index_is_enough() {
    let mut sections = three();
    sections.push((cid_of(b"two"), b"two"));
    let (payload, places) = payload(&sections);
    for codec in [IndexCodec::Sorted, IndexCodec::MultihashSorted] {
        let archive = Archive::new(&payload, &index(codec, &places));
        let car = archive.open();
        for data in THREE {
            assert_eq!(car.get(&cid_of(data)).unwrap().unwrap().data(), data);
        }
        assert!(car.section_count().is_none() && car.bypass().is_none());
        // Only a walk can tell that a block is absent; the index is then found to be right.
        assert_eq!(car.get(&cid_of(b"four")).unwrap(), None);
        assert!(car.section_count() == Some(4) && car.bypass().is_none() && car.findings().is_empty());
    }
}

#[test]
fn many_look_ups_are_worth_a_walk() {
    let blocks: Vec<Vec<u8>> = (0..2000u32).map(|n| n.to_le_bytes().to_vec()).collect();
    let sections: Vec<(Cid, &[u8])> = blocks.iter().map(|data| (cid_of(data), &data[..])).collect();
    let (payload, places) = payload(&sections);
    let archive = Archive::new(&payload, &index(IndexCodec::MultihashSorted, &places));
    let car = archive.open();
    let mut by_index = 0;
    for (cid, data) in &sections {
        assert_eq!(car.get(cid).unwrap().unwrap().data(), *data);
        by_index += u32::from(car.section_count().is_none());
    }
    assert!((200..600).contains(&by_index) && car.bypass().is_none(), "{by_index}");
}

/// Every block is found whatever the index says, and what is wrong with the index is told.
#[track_caller]
fn found_out(payload: &[u8], index: &[u8], asked: &[u8], code: Code) {
    let archive = Archive::new(payload, index);
    let car = archive.open();
    assert_eq!(car.get(&cid_of(asked)).unwrap().unwrap().data(), asked);
    assert_eq!(car.bypass().and_then(crate::error::Error::code), Some(code), "{:?}", car.bypass());
    assert!(car.section_count().is_some());
    for data in THREE {
        assert_eq!(car.get(&cid_of(data)).unwrap().unwrap().data(), data);
    }
}

#[test]
fn an_index_that_lies_is_bypassed() {
    let (payload, places) = payload(&three());
    for codec in [IndexCodec::Sorted, IndexCodec::MultihashSorted] {
        let with = |edit: &dyn Fn(&mut Entries)| {
            let mut places = places.clone();
            edit(&mut places);
            index(codec, &places)
        };
        let mismatch = |index: &[u8]| found_out(&payload, index, b"two", Code::IndexMismatch);
        mismatch(&with(&|places| places[1].1 = places[2].1));
        mismatch(&with(&|places| places[1].1 += 1));
        mismatch(&with(&|places| places[1].1 = 0));
        mismatch(&with(&|places| places[1].1 = 1 << 40));
        mismatch(&with(&|places| places[1].1 = u64::MAX));
        mismatch(&with(&|places| places.truncate(1)));
        let sound = with(&|_| {});
        for len in 0..sound.len() {
            found_out(&payload, &sound[..len], b"two", Code::BadIndex);
        }
        let mut unknown = sound.clone();
        unknown[0] ^= 2;
        found_out(&payload, &unknown, b"two", Code::UnknownCodec);
    }
}

#[test]
fn an_unsorted_index_is_bypassed() {
    let blocks: Vec<Vec<u8>> = (0..1000u32).map(|n| n.to_le_bytes().to_vec()).collect();
    let mut sections = three();
    sections.extend(blocks.iter().map(|data| (cid_of(data), &data[..])));
    let (payload, places) = payload(&sections);
    let mut bytes = index(IndexCodec::MultihashSorted, &places);
    let entries = bytes.len() - 1003 * 40;
    let mut reversed: Vec<u8> = bytes[entries..].chunks(40).rev().flatten().copied().collect();
    bytes.truncate(entries);
    bytes.append(&mut reversed);
    // The middle entry alone is where it should be.
    let archive = Archive::new(&payload, &bytes);
    let car = archive.open();
    for data in &blocks {
        assert_eq!(car.get(&cid_of(data)).unwrap().unwrap().data(), data);
    }
    assert_eq!(car.bypass().and_then(crate::error::Error::code), Some(Code::IndexMismatch));
}

/// A forged section inside the data of another block, with an entry that leads to it.
#[test]
fn a_smuggled_section_is_found_out() {
    let two = cid_of(b"two").to_bytes();
    let mut carrier = Vec::new();
    varint::write(two.len() as u64 + 3, &mut carrier);
    carrier.extend(&two);
    carrier.extend(b"TWO");
    let mut sections = three();
    sections.insert(0, (cid_of(&carrier), &carrier));
    let (payload, mut places) = payload(&sections);
    let inside = payload.windows(carrier.len()).position(|window| window == carrier).unwrap();
    places[2].1 = inside as u64;
    found_out(&payload, &index(IndexCodec::MultihashSorted, &places), b"two", Code::IndexMismatch);
}

#[test]
fn a_forged_block_is_no_block() {
    let mut sections = three();
    sections[1].1 = b"TWO";
    let (payload, places) = payload(&sections);
    let archive = Archive::new(&payload, &index(IndexCodec::MultihashSorted, &places));
    let error = archive.open().get(&cid_of(b"two")).unwrap_err();
    assert_eq!(error.code(), Some(Code::HashMismatch));
}

#[test]
fn claims_of_very_many_buckets_end_soon() {
    let (payload, _) = payload(&three());
    let empty = [9u32.to_le_bytes().to_vec(), 0u64.to_le_bytes().to_vec()].concat();
    let many = [&[0x80, 8, 0xff, 0xff, 0xff, 0x7f][..], &empty.repeat(300)].concat();
    found_out(&payload, &many, b"one", Code::BadIndex);
    let function = [0x12u64.to_le_bytes().to_vec(), vec![0; 4]].concat();
    let many = [&[0x81, 8, 0xff, 0xff, 0xff, 0x7f][..], &function.repeat(300)].concat();
    found_out(&payload, &many, b"one", Code::BadIndex);
}

/// What this thread has read so far, in calls and bytes.
fn reads() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/thread-self/io").ok()?;
    let number = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    Some((number("syscr:")?, number("rchar:")?))
}

/// 25 GB, nearly all of it holes: sections of 8 MiB that nobody reads.
fn sparse(path: &Path) -> Vec<Vec<u8>> {
    const LEN: u64 = (8 << 20) - 1;
    let file = File::create(path).unwrap();
    let header = Header::from_cids(&[]).encode();
    file.write_all_at(&header, 60).unwrap();
    let mut index = IndexWriter::new(IndexCodec::MultihashSorted, Identities::LeaveOut);
    let (mut at, mut wanted) = (header.len() as u64, Vec::new());
    for n in 0..3000u64 {
        // A claim that nobody could prove, and that nobody looks at.
        let filler = Cid::new_v1(
            codec::RAW,
            Multihash::wrap(hash_code::SHA2_256, &cid_of(&n.to_le_bytes()).hash().digest()[..32]).unwrap(),
        );
        let mut section = Vec::new();
        let mut cid = filler.to_bytes();
        let mut end = at;
        if n % 1000 == 500 {
            wanted.push(format!("block {n}").into_bytes());
            let data = wanted.last().unwrap();
            cid = cid_of(data).to_bytes();
            varint::write((cid.len() + data.len()) as u64, &mut section);
            section.extend([&cid[..], data].concat());
            end += section.len() as u64;
        } else {
            varint::write(LEN, &mut section);
            end += section.len() as u64 + LEN;
            section.extend(&cid);
        }
        index.add(RawCid::parse(&cid).unwrap(), PayloadOffset(at));
        file.write_all_at(&section, 60 + at).unwrap();
        at = end;
    }
    let mut bytes = Vec::new();
    index.write(&mut bytes).unwrap();
    file.write_all_at(&front(at), 0).unwrap();
    file.set_len(60 + at + bytes.len() as u64).unwrap();
    file.write_all_at(&bytes, 60 + at).unwrap();
    wanted
}

#[test]
fn a_large_archive_opens_and_answers_with_few_reads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.car");
    let wanted = sparse(&path);
    let before = reads();
    let car = CarFile::open_indexed(&path, &Control::default()).unwrap();
    for data in &wanted {
        assert_eq!(car.get(&cid_of(data)).unwrap().unwrap().data(), data);
    }
    assert!(car.section_count().is_none() && car.bypass().is_none());
    if let (Some(before), Some(after)) = (before, reads()) {
        let (calls, bytes) = (after.0 - before.0, after.1 - before.1);
        // Headers byte by byte, then for each block a search, its head, and one read of 64 KiB.
        assert!(calls < 150 && bytes < 300 << 10, "{calls} reads, {bytes} bytes");
    }
}
