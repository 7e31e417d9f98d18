//! Every kernel against the `sha2` crate.

use super::*;
use proptest::prelude::*;

fn kernels() -> impl Iterator<Item = Kernel> {
    Kernel::ALL.into_iter().filter(|kernel| kernel.is_available())
}

/// Hashes `messages` with every kernel and compares.
fn compare(messages: &[&[u8]]) {
    let expected: Vec<[u8; 32]> = messages.iter().map(|message| sha2::Sha256::digest(message).into()).collect();
    for kernel in kernels() {
        let mut actual = vec![None; messages.len()];
        digest_many(kernel, messages.iter().copied().enumerate(), |i, digest| {
            assert_eq!(actual[i].replace(digest), None, "message {i} was hashed twice by {kernel}");
        });
        for (i, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
            assert_eq!(actual.as_ref(), Some(expected), "message {i} of {} bytes by {kernel}", messages[i].len());
        }
    }
}

/// Bytes without a pattern that blocks could share.
fn bytes(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn every_length_in_ragged_batches() {
    let bytes = bytes(4_300);
    let messages: Vec<&[u8]> = (0..=4_200).map(|len| &bytes[len % 97..len % 97 + len]).collect();
    compare(&messages);
    let falling: Vec<&[u8]> = messages.iter().rev().copied().collect();
    compare(&falling);
    let mixed: Vec<&[u8]> = (0..4_201).map(|i| messages[i * 1_009 % 4_201]).collect();
    compare(&mixed);
}

#[test]
fn every_count_of_messages() {
    let bytes = bytes(1_000);
    for count in 0..40 {
        let equal = vec![&bytes[..]; count];
        compare(&equal);
        let ragged: Vec<&[u8]> = (0..count).map(|i| &bytes[..i * 331 % 1_000]).collect();
        compare(&ragged);
    }
}

#[test]
fn every_alignment() {
    let bytes = bytes(64 + 1_500);
    for len in [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1_000, 1_500] {
        let messages: Vec<&[u8]> = (0..64).map(|at| &bytes[at..at + len]).collect();
        compare(&messages);
    }
}

/// FIPS 180-4's examples, and the million letters of its long one.
#[test]
fn published_vectors() {
    let million = vec![b'a'; 1_000_000];
    let vectors: [(&[u8], &str); 4] = [
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (&million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ];
    for kernel in kernels() {
        let mut hashed = 0;
        let messages = vectors.iter().cycle().take(40).map(|vector| vector.0).enumerate();
        digest_many(kernel, messages, |i, digest| {
            let text: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(text, vectors[i % 4].1, "{kernel}");
            hashed += 1;
        });
        assert_eq!(hashed, 40);
    }
}

proptest! {
    #[test]
    fn any_batch(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..700), 0..60)) {
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        compare(&messages);
    }
}

#[test]
fn a_kernel_has_one_name() {
    for kernel in Kernel::ALL {
        assert_eq!(kernel.as_str().parse(), Ok(kernel));
    }
    assert_eq!("avx".parse::<Kernel>(), Err(KernelError::Unknown));
    assert!(Kernel::Scalar.is_available());
}
