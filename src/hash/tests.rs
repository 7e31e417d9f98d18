use super::*;

/// Code, whole output for `abc`, first 20 bytes of the output for the 1000 bytes `i % 251`. Source: Python 3's hashlib;
/// PyCryptodome for keccak and the truncated SHA2-512; the blake3 package from PyPI. BLAKE3 and SHAKE-256 to 70 bytes, SHAKE-128 to 40.
const KNOWN: &[(u64, &str, &str)] = &[
    (0x11, "a9993e364706816aba3e25717850c26c9cd0d89d", "c9c960a0b925474fab83942cc27d504fc24ac37b"),
    (0x1013, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7", "c182669a7f6629dc7fd8a9198f15af15adbbaeff"),
    (0x12, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "4e4c294b331f7a2099a379bec34b9f9fc03dc46a"),
    (
        0x20,
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        "7a2f8c7f12344964a13cb9260492b845e56615d6",
    ),
    (
        0x13,
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "5096498d96f50f9a137c4db5b8b0cd38383ad553",
    ),
    (0x1014, "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa", "c37d5044d175f42e9993f2e3a059e14980cd85b2"),
    (0x1015, "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23", "974bc1ca87fcb8f487f65a650d1eeeebdc0cc269"),
    (0x56, "4f8b42c22dd3729b519ba6f68d2da7cc5b2d606d05daed5ad5128cc03e6c6358", "c88e98bd565d6e001a0a37ac287032e1183923f3"),
    (0x17, "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf", "51481b8dbd6b73dd110a967f438aa22facfcdce1"),
    (0x16, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532", "48e66a01861d0eadaacdb7a6ae7db6b9ac79242e"),
    (
        0x15,
        "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25",
        "43e60a7ef818a0e367fcd4ede8f5fabbdb7090cb",
    ),
    (
        0x14,
        "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
        "b8030d306ae990bc794bfb3a6100f67851889d6c",
    ),
    (0x1a, "c30411768506ebe1c2871b1ee2e87d38df342317300a9b97a95ec6a8", "bade992c46a5696b8e103d74ae6fb1fb4cddff57"),
    (0x1b, "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45", "af692982e84a5a9688359025660a7857cd28ee7c"),
    (
        0x1c,
        "f7df1165f033337be098e7d288ad6a2f74409d7a60b49c36642218de161b1f99f8c681e4afaf31a34db29fb763e3c28e",
        "f2c25e476fb2c046931f4cd056efaa2c85031876",
    ),
    (
        0x1d,
        "18587dc2ea106b9a1563e32b3312421ca164c7f1f07bc922a9c83d77cea3a1e5d0c69910739025372dc14ac9642629379540c17e2a65b19d77aa511a9d00bb96",
        "dec8169d40c30076041b00181c5fdfcc36b95f2a",
    ),
    (0xb214, "384264f676f39536840523f284921cdc68b6846b", "fc9a2426db78846a07219bc181a52bae9a62eacc"),
    (0xb220, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319", "b372d0608f720c8c3dd41e9c8eecb10143b41abe"),
    (
        0xb23f,
        "eb5324bb0b0f9ca27381f22f5e49604d7c341b77371fe5bf61fb643c8ab481c7555ef17c9b9e7c92f0daafff6c0d748cab97d2b267bf53f8225c173ea26f3e",
        "d41ccd06d64dacc74de4bab73dad8d9f13d86b46",
    ),
    (
        0xb240,
        "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
        "c11e1c0340bd7e5a1b275f1230c962fad215ecb1",
    ),
    (0xb254, "5ae3b99be29b01834c3b508521ede60438f8de17", "3e4524daf9b942e944bacc554db2f617a57ff95a"),
    (0xb25f, "6ffb901930ebaf1d3cabe0b60c20de3bc9dd26269325629f1671304fe6bb26", "b4151bb418e35624c54584ad69083b2185ad9014"),
    (0xb260, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982", "1c067a5e746fb0f6734efac9a8cdb0e11061f007"),
    (
        0x1e,
        "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d851fb250ae7393f5d02813b65d521a0d492d9ba09cf7ce7f4cffd900f23374bf0bc08a1fb0b38e",
        "b43670a52d1af24abdac5d2c3ed19ff4e62b60a6",
    ),
    (
        0x18,
        "5881092dd818bf5cf8a3ddb793fbcba74097d5c526a6d35f97b83351940f2cc844c50af32acd3f2c",
        "a72440f7f5aa7c14c8e0187420611da7e2ba62f5",
    ),
    (
        0x19,
        "483366601360a8771c6863080cc4114d8db44530f8f1e1ee4f94ea37e78b5739d5a15bef186a5386c75744c0527e1faa9f8726e462a12a4feb06bd8801e751e41385141204f3",
        "34833f03ed88bb5f083ce590c7ae5af93ede33e1",
    ),
];

fn long() -> Vec<u8> {
    (0..1000u32).map(|i| (i % 251) as u8).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

#[test]
fn known_answers() {
    for (code, abc, start) in KNOWN {
        let (abc, start, long) = (unhex(abc), unhex(start), long());
        assert_eq!(digest(*code, b"abc", abc.len()).unwrap().bytes(), abc, "{code:x}");
        assert_eq!(check(*code, &abc, b"abc"), Outcome::Verified, "{code:x}");
        assert_eq!(check(*code, &abc, b"abd"), Outcome::Mismatch, "{code:x}");
        assert_eq!(check(*code, &start, &long), Outcome::Verified, "{code:x}");
        assert_eq!(check(*code, &start, &long[1..]), Outcome::Mismatch, "{code:x}");
    }
}

#[test]
fn known_answers_for_empty_data() {
    let empty = unhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(check(0x12, &empty, b""), Outcome::Verified);
    assert_eq!(Hasher::new(0x12, 32).unwrap().finish_matches(&empty), Outcome::Verified);
    assert_eq!(check(0x00, b"", b""), Outcome::Verified);
}

/// SHA2-256 over the digests of `abc` of every length from 20 bytes, shortest first (Python's hashlib).
#[test]
fn blake2_at_every_length() {
    for (base, codes, expected) in [
        (0xb200, 0xb214..=0xb240u64, "6bcfee9e188bd459e8d27fcbf8dda217d8acf587ad2af74e20e72ab05e8f665f"),
        (0xb240, 0xb254..=0xb260, "ab22e1a4cfa5349b5c16fb38b5e728dbf5312b0eb9553690dfe20359f4cabb2b"),
    ] {
        let all: Vec<u8> =
            codes.flat_map(|code| digest(code, b"abc", (code - base) as usize).unwrap().bytes().to_vec()).collect();
        assert_eq!(check(0x12, &unhex(expected), &all), Outcome::Verified, "{base:x}");
    }
    for code in [0xb201, 0xb213, 0xb241, 0xb253] {
        assert_eq!(check(code, &[0; 32], b"abc"), Outcome::Unverifiable(Why::DigestTooShort), "{code:x}");
    }
    for code in [0xb200, 0xb261] {
        assert_eq!(check(code, &[0; 32], b"abc"), Outcome::Unverifiable(Why::Unknown), "{code:x}");
    }
}

#[test]
fn truncated_digests_count_from_20_bytes() {
    for (code, abc, _) in KNOWN {
        let abc = unhex(abc);
        for len in 0..=abc.len() {
            let cut = &abc[..len];
            let expected = if len < 20 { Outcome::Unverifiable(Why::DigestTooShort) } else { Outcome::Verified };
            assert_eq!(check(*code, cut, b"abc"), expected, "{code:x} {len}");
            assert_eq!(digest(*code, b"abc", len).is_ok(), len >= 20, "{code:x} {len}");
            assert_eq!(Hasher::new(*code, len).is_ok(), len >= 20, "{code:x} {len}");
        }
    }
}

#[test]
fn digests_longer_than_the_output() {
    for (code, abc, _) in KNOWN.iter().filter(|(code, ..)| ![0x18, 0x19, 0x1e].contains(code)) {
        let mut digest_and_zero = unhex(abc);
        digest_and_zero.push(0);
        assert_eq!(check(*code, &digest_and_zero, b"abc"), Outcome::Mismatch, "{code:x}");
        let hasher = Hasher::new(*code, digest_and_zero.len()).unwrap();
        assert_eq!(hasher.finish_matches(&digest_and_zero), Outcome::Mismatch, "{code:x}");
        assert_eq!(digest(*code, b"abc", digest_and_zero.len()).unwrap_err(), Why::DigestTooLong, "{code:x}");
    }
    for code in [0x18, 0x19, 0x1e] {
        let digest = digest(code, b"abc", 128).unwrap();
        assert_eq!(check(code, digest.bytes(), b"abc"), Outcome::Verified);
        assert_eq!(check(code, &[0; 129], b"abc"), Outcome::Unverifiable(Why::DigestTooLong));
    }
}

#[test]
fn identity_is_equality() {
    let data = long();
    for len in [0, 1, 19, 20, 127, 128] {
        let data = &data[..len];
        assert_eq!(check(0, data, data), Outcome::Verified, "{len}");
        assert_eq!(digest(0, data, 7).unwrap().bytes(), data, "{len}");
        assert_eq!(check(0, data, &long()), Outcome::Mismatch, "{len}");
    }
    assert_eq!(check(0, &data[..129], &data[..129]), Outcome::Unverifiable(Why::DigestTooLong));
    assert_eq!(digest(0, &data[..129], 129).unwrap_err(), Why::DigestTooLong);
    let mut hasher = Hasher::new(0, 0).unwrap();
    hasher.update(&data);
    assert_eq!(hasher.finish().unwrap_err(), Why::DigestTooLong);
    let mut hasher = Hasher::new(0, 128).unwrap();
    hasher.update(&data[..129]);
    assert_eq!(hasher.finish_matches(&data[..128]), Outcome::Mismatch);
}

#[test]
fn pieces_give_what_the_whole_gives() {
    let data = long();
    for code in KNOWN.iter().map(|known| known.0).chain([0]) {
        let data = if code == 0 { &data[..128] } else { &data[..] };
        let len = KNOWN.iter().find(|known| known.0 == code).map_or(128, |known| known.1.len() / 2);
        let whole = digest(code, data, len).unwrap();
        for piece in [1, 3, 7, 31, 63, 64, 65, 127, 129, 333, 1000] {
            let (mut matching, mut making) = (Hasher::new(code, len).unwrap(), Hasher::new(code, len).unwrap());
            for piece in data.chunks(piece) {
                matching.update(piece);
                making.update(piece);
            }
            assert_eq!(matching.finish_matches(whole.bytes()), Outcome::Verified, "{code:x} {piece}");
            assert_eq!(making.finish().unwrap().bytes(), whole.bytes(), "{code:x} {piece}");
        }
        let mut hasher = Hasher::new(code, len).unwrap();
        hasher.update(&data[1..]);
        assert_eq!(hasher.finish_matches(whole.bytes()), Outcome::Mismatch, "{code:x}");
    }
}

#[test]
fn what_cannot_be_checked() {
    for code in [0xd5, 0x22, 0x23, 0x1022, 0x0132] {
        assert_eq!(check(code, &[0; 20], b""), Outcome::Unverifiable(Why::Insecure), "{code:x}");
        assert_eq!(Hasher::new(code, 20).unwrap_err(), Why::Insecure);
    }
    for code in [0x01, 0x1012, 0xb401, 0xf101, u64::MAX] {
        assert_eq!(check(code, &[0; 32], b""), Outcome::Unverifiable(Why::Unknown), "{code:x}");
        assert_eq!(digest(code, b"", 32).unwrap_err(), Why::Unknown);
    }
    // The empty digest, which every block would match.
    assert_eq!(check(0x12, b"", b"anything"), Outcome::Unverifiable(Why::DigestTooShort));
}

#[test]
fn unusual_functions() {
    let unusual: Vec<u64> = (0..0x2000).chain(0xb200..0xb270).filter(|code| is_unusual(*code)).collect();
    assert_eq!(unusual, [0x18, 0x20, 0x1013, 0x1014, 0x1015]);
}

#[test]
fn a_batch_gives_one_outcome_a_job_in_order() {
    let sha = digest(0x12, b"abc", 32).unwrap();
    let job = |hash_code, data| Job { hash_code, digest: sha.bytes(), data };
    let mut outcomes = vec![Outcome::Mismatch; 9];
    check_many(&[job(0x12, b"abc"), job(0xd5, b"abc"), job(0x12, b"abd")], &mut outcomes);
    assert_eq!(outcomes, [Outcome::Verified, Outcome::Unverifiable(Why::Insecure), Outcome::Mismatch]);
    check_many(&[], &mut outcomes);
    assert_eq!(outcomes, []);
}

#[test]
fn many_digests_are_those_of_each() {
    let messages: Vec<Vec<u8>> = (0..40).map(|n: usize| vec![n as u8; n * 37]).collect();
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    for (code, len) in [(0x12, 32), (0x12, 20), (0x13, 64), (0x1e, 32)] {
        let many = digest_many(code, &messages, len).unwrap();
        for (message, found) in messages.iter().zip(&many) {
            assert_eq!(found.bytes(), digest(code, message, len).unwrap().bytes());
        }
        assert_eq!(many.len(), messages.len());
    }
    assert_eq!(digest_many(0x12, &messages, 33).unwrap_err(), Why::DigestTooLong);
    assert_eq!(digest_many(0xd5, &messages, 16).unwrap_err(), Why::Insecure);
}
