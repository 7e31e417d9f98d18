use super::*;
use crate::block::Block;
use crate::cid::{RawCid, codec};
use crate::limits::Limits;
use crate::store::MemoryStore;
use crate::unixfs::hamt::Fanout;
use crate::unixfs::{Budget, Directory, EntryName, FileReader, Mtime, Strictness, data::UnixFs};
use proptest::prelude::*;

/// Keeps blocks, each proven again.
fn keep(store: &mut MemoryStore) -> impl FnMut(RawCid<'_>, &[u8]) -> crate::error::Result<()> + '_ {
    |cid, data| {
        store.insert(Block::new(cid.to_cid(), data.to_vec()).expect("the bytes of its CID"));
        Ok(())
    }
}

fn build(profile: &Profile, bytes: &[u8], metadata: &Metadata, store: &mut MemoryStore) -> Made {
    let mut file = FileBuilder::new(profile);
    let mut rest = bytes;
    while !rest.is_empty() || (bytes.is_empty() && rest.is_empty()) {
        let (chunk, behind) = rest.split_at(profile.chunker.cut(rest));
        let role = if chunk.len() == bytes.len() { Leaf::Only(metadata) } else { Leaf::Part };
        let block = leaf(profile, role, chunk);
        let made = Made::new(profile, block.codec(), &block, chunk.len() as u64).unwrap();
        keep(store)(made.cid(), &block).unwrap();
        file.push(made, &mut keep(store)).unwrap();
        rest = behind;
        if bytes.is_empty() {
            break;
        }
    }
    file.finish(metadata, &mut keep(store)).unwrap()
}

fn read(store: &MemoryStore, made: &Made) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut budget = Budget::new(Limits::default());
    let file = FileReader::open(store, &made.to_cid(), Strictness::Strict).unwrap();
    file.chunks(&mut budget).unwrap().copy_to(&mut bytes).unwrap();
    bytes
}

#[test]
fn chunkers_have_names() {
    for text in ["size-1", "size-1048576", "rabin-16-17-18", "buzhash"] {
        assert_eq!(text.parse::<Chunker>().unwrap().to_string(), text);
    }
    assert_eq!("rabin".parse::<Chunker>().unwrap().to_string(), "rabin-87381-262144-393216");
    assert_eq!("rabin-min:20-avg:30-max:40".parse(), Ok(Chunker::Rabin { min: 20, average: 30, max: 40 }));
    for (text, error) in [
        ("", ChunkerError::Unknown),
        ("size", ChunkerError::Unknown),
        ("buzhash-3", ChunkerError::Unknown),
        ("rabin-1-2", ChunkerError::Unknown),
        ("size-x", ChunkerError::Number("x".into())),
        ("size-0", ChunkerError::Length(0)),
        ("size-2097152", ChunkerError::Length(2 << 20)),
        ("rabin-15-20-30", ChunkerError::RabinMin(15)),
        ("rabin-40", ChunkerError::RabinMin(13)),
        ("rabin-30-30-40", ChunkerError::RabinOrder),
        ("rabin-20-30-2096897", ChunkerError::Length(2_096_897)),
    ] {
        assert_eq!(text.parse::<Chunker>(), Err(error), "{text}");
    }
}

#[test]
fn profiles_are_sound_and_their_bounds_are_checked() {
    for (name, profile) in Profile::NAMED {
        profile.check().unwrap();
        assert_eq!(Profile::named(name), Some(profile));
    }
    let v1 = Profile::UNIXFS_V1_2025;
    for broken in [
        Profile { chunker: Chunker::Size(0), ..v1 },
        Profile { max_links: 1, ..v1 },
        Profile { cid_version: 2, ..v1 },
        Profile { cid_version: 0, hash: HashFunction::named("blake3").unwrap(), ..v1 },
        Profile { hash: HashFunction { code: 0, digest_len: 32 }, ..v1 },
        Profile { hash: HashFunction { code: 0xd5, digest_len: 16 }, ..v1 },
        Profile { hash: HashFunction { code: 0x12, digest_len: 33 }, ..v1 },
    ] {
        assert!(broken.check().is_err(), "{broken:?}");
    }
}

#[test]
fn metadata_is_read_back_as_it_was() {
    let metadata = Metadata { mode: Some(0o4755), mtime: Some(Mtime { seconds: -1, nanos: Some(999_999_999) }) };
    for profile in
        [Profile::UNIXFS_V1_2025, Profile::UNIXFS_V0_2015, Profile { layout: Layout::Trickle, ..Profile::UNIXFS_V1_2025 }]
    {
        for bytes in [&b""[..], b"short", &[7; 3 << 20]] {
            let mut store = MemoryStore::new();
            let made = build(&profile, bytes, &metadata, &mut store);
            assert_eq!(made.cid().codec(), codec::DAG_PB);
            let file = FileReader::open(&store, &made.to_cid(), Strictness::Strict).unwrap();
            assert_eq!((file.info().mode, file.info().mtime), (metadata.mode, metadata.mtime));
            assert_eq!(read(&store, &made), bytes);
        }
    }
    let zero = message::Message::new(crate::unixfs::Kind::File)
        .finish(&Metadata { mode: Some(0), mtime: Some(Mtime { seconds: 0, nanos: Some(0) }) });
    let zero = UnixFs::parse(&zero).unwrap();
    assert_eq!((zero.mode, zero.mtime, zero.notes.is_empty()), (Some(0), Some(Mtime { seconds: 0, nanos: None }), true));
}

#[test]
fn a_directory_is_measured_as_it_is_written() {
    let mut profile =
        Profile { sharding: Sharding { threshold: None, ..Profile::UNIXFS_V1_2025.sharding }, ..Profile::UNIXFS_V1_2025 };
    let metadata = Metadata { mode: Some(0o755), mtime: None };
    let block_len = |profile: &Profile, count: usize| {
        let (mut directory, mut len) = (DirectoryBuilder::new(profile), 0);
        for i in 0..count {
            let made = Made::new(profile, codec::RAW, &vec![0; i * 97], (i * 97) as u64).unwrap();
            directory.add(EntryName::try_from("n".repeat(i + 1).as_bytes()).unwrap(), &made);
        }
        let mut blocks = 0;
        let emit = &mut |_: RawCid<'_>, data: &[u8]| {
            (len, blocks) = (data.len() as u64, blocks + 1);
            Ok(())
        };
        directory.finish(&metadata, emit).unwrap();
        (len, blocks)
    };
    for count in [1, 2, 100, 300] {
        let (len, _) = block_len(&profile, count);
        profile.sharding.threshold = Some(len);
        assert_eq!(block_len(&profile, count), (len, 1));
        profile.sharding.start = Start::At;
        assert!(block_len(&profile, count).0 != len);
        (profile.sharding.start, profile.sharding.threshold) = (Start::Above, Some(len - 1));
        assert!(block_len(&profile, count).0 != len);
        profile.sharding.threshold = None;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn chunks_are_within_bounds_and_depend_on_nothing_behind(data in prop::collection::vec(any::<u8>(), 0..5000), min in 16..200usize, more in 1..300usize) {
        let chunker = Chunker::Rabin { min, average: min + more, max: min + 2 * more }.check().unwrap();
        let len = chunker.cut(&data);
        prop_assert!(len == data.len() || (min..=chunker.max_len()).contains(&len));
        if len < data.len() {
            prop_assert_eq!(chunker.cut(&data[..len]), len);
        }
        for short in [Chunker::Buzhash, Chunker::Size(5000)] {
            prop_assert_eq!(short.cut(&data), data.len());
        }
    }

    #[test]
    fn files_are_read_back(data in prop::collection::vec(any::<u8>(), 0..2000), chunk in 1..50usize, max_links in 2..9usize, trickle: bool, raw: bool) {
        let profile = Profile {
            chunker: Chunker::Size(chunk),
            max_links,
            layout: if trickle { Layout::Trickle } else { Layout::Balanced },
            leaves: if raw { Leaves::Raw } else { Leaves::DagPb },
            ..Profile::UNIXFS_V1_2025
        };
        let mut store = MemoryStore::new();
        let made = build(&profile, &data, &Metadata::default(), &mut store);
        prop_assert_eq!(made.size, data.len() as u64);
        prop_assert_eq!(read(&store, &made), data);
    }

    #[test]
    fn shards_are_read_back(names in prop::collection::btree_set("[a-z0-9]{1,20}", 1..300), bits in 3..11u32) {
        let mut profile = Profile::UNIXFS_V0_2015;
        profile.sharding.threshold = Some(0);
        profile.sharding.fanout = Fanout::new(Some(1 << bits)).unwrap();
        let mut store = MemoryStore::new();
        let mut directory = DirectoryBuilder::new(&profile);
        for name in names.iter().rev() {
            let made = build(&profile, name.as_bytes(), &Metadata::default(), &mut store);
            directory.add(EntryName::try_from(name.as_bytes()).unwrap(), &made);
        }
        prop_assert_eq!(directory.len(), names.len());
        let root = directory.finish(&Metadata::default(), &mut keep(&mut store)).unwrap();
        let mut budget = Budget::new(Limits::default());
        let mut read = Directory::open(&store, &root.to_cid(), &mut budget).unwrap();
        let mut found = std::collections::BTreeSet::new();
        while let Some(entry) = read.next_entry(&mut budget).unwrap() {
            found.insert(String::from_utf8(entry.name.clone()).unwrap());
        }
        prop_assert_eq!(found, names);
    }
}
