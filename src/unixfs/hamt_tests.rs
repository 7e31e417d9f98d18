use super::*;
use proptest::prelude::*;

#[test]
fn the_hash_has_known_answers() {
    let counting: Vec<u8> = (0..47).collect();
    for (name, expected) in [
        (&b""[..], 0),
        (b"a", 0x8555_5565_f659_7889),
        (b"file.txt", 0xb538_75c8_3534_fe3e),
        (b"123456789", 0x3c84_645e_db66_cca4),
        (b"0123456789abcdef", 0x4be0_6d94_cf4a_d1a7),
        (b"0123456789abcdefg", 0x8e32_612d_aa45_f9de),
        (&counting, 0x8a0f_637c_089b_4882),
        ("é…".as_bytes(), 0x7bce_4a3e_9549_dbda),
        (&[b'x'; 255], 0xd1a1_61d0_1803_9a7e),
    ] {
        assert_eq!(hash(name), expected, "{}", name.escape_ascii());
    }
}

#[test]
fn buckets_take_the_leading_bits_first() {
    let fanout = |n| Fanout::new(Some(n)).unwrap();
    let hash = 0x8555_5565_f659_7889;
    assert_eq!([8, 16, 256, 1024].map(|n| fanout(n).prefix_len()), [1, 1, 2, 3]);
    assert_eq!([8, 16, 256, 1024].map(|n| fanout(n).bits()), [3, 4, 8, 10]);
    assert_eq!(fanout(256).bucket(hash, 0), Some(0x85));
    assert_eq!(fanout(256).bucket(hash, 56), Some(0x89));
    assert_eq!(fanout(256).bucket(hash, 57), None);
    assert_eq!(fanout(16).bucket(hash, 60), Some(9));
    assert_eq!(fanout(8).bucket(hash, 0), Some(0b100));
    assert_eq!(fanout(1024).bucket(hash, 54), Some(0x089));
    assert_eq!(fanout(1024).bucket(hash, 60), None);
    assert_eq!(fanout(1024).bucket(hash, u32::MAX), None);
}

#[test]
fn a_path_follows_the_hash() {
    let fanout = Fanout::new(Some(256)).unwrap();
    let root = ShardPath::root();
    assert!(root.leads_to(b"a"));
    assert_eq!(root.check_entry(fanout, 0x85, b"a"), Ok(()));
    assert_eq!(root.check_entry(fanout, 0x84, b"a"), Err(Violation::WrongBucket { name: (*b"a").into() }));
    let mut path = root;
    for level in [0x85, 0x55, 0x55, 0x65, 0xf6, 0x59, 0x78] {
        path = path.bucket(fanout, level).unwrap();
        assert!(path.leads_to(b"a") && !path.leads_to(b"b"));
    }
    assert_eq!(path.bits(), 56);
    assert_eq!(path.check_entry(fanout, 0x89, b"a"), Ok(()));
    let whole = path.bucket(fanout, 0x89).unwrap();
    assert_eq!(whole.bucket(fanout, 0), Err(Violation::ShardTooDeep));
}

#[test]
fn a_mixed_directory_binds_no_names_but_has_an_end() {
    let [wide, narrow] = [256, 16].map(|n| Fanout::new(Some(n)).unwrap());
    let child = ShardPath::root().bucket(wide, 0x85).unwrap();
    assert!(!child.is_mixed());
    let mut path = child.bucket(narrow, 0xf).unwrap();
    assert!(path.is_mixed() && path.leads_to(b"a"));
    assert_eq!(child.check_entry(narrow, 0xf, b"a"), Ok(()));
    let mut levels = 0;
    while let Ok(next) = path.bucket(narrow, 0) {
        path = next;
        levels += 1;
    }
    assert_eq!((levels, path.is_mixed()), (13, true));
}

#[test]
fn the_bitfield_is_a_big_endian_number() {
    let fanout = Fanout::new(Some(256)).unwrap();
    let buckets = |bytes: &[u8]| {
        let bitfield = Bitfield::new(bytes, fanout).unwrap();
        (0..1024).filter(|bucket| bitfield.contains(*bucket)).collect::<Vec<_>>()
    };
    assert!(buckets(&[]).is_empty());
    assert_eq!(buckets(&[1]), [0]);
    assert_eq!(buckets(&[1, 0]), [8]);
    assert_eq!(buckets(&[0, 1]), [0]);
    assert_eq!(buckets(&[&[0x80][..], &[0; 31]].concat()), [255]);
    assert_eq!(Bitfield::new(&[0; 33], fanout), Err(Violation::BitfieldLength { actual: 33, max: 32 }));
}

proptest! {
    #[test]
    fn every_name_is_found_where_its_hash_leads(name: Vec<u8>, log in 3u32..=10) {
        let fanout = Fanout::new(Some(1 << log)).unwrap();
        let mut path = ShardPath::root();
        while let Some(bucket) = fanout.bucket(hash(&name), path.bits()) {
            prop_assert!(bucket < fanout.get());
            prop_assert_eq!(path.check_entry(fanout, bucket, &name), Ok(()));
            prop_assert!(path.check_entry(fanout, bucket ^ 1, &name).is_err());
            path = path.bucket(fanout, bucket).unwrap();
        }
        prop_assert_eq!(path.bits(), 64 / log * log);
    }

    #[test]
    fn a_set_holds_each_bucket_once(buckets: Vec<u16>) {
        let mut set = BucketSet::default();
        for bucket in &buckets {
            let new = *bucket < 1024 && !set.contains(*bucket);
            prop_assert_eq!(set.insert(*bucket), new);
            prop_assert_eq!(set.contains(*bucket), *bucket < 1024);
        }
    }
}
