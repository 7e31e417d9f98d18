use super::*;
use crate::error::ErrorKind;
use crate::ops::testing::Files;
use crate::unixfs::build::{Chunker, Leaves};
use std::sync::atomic::Ordering;

/// Gives a few bytes at a time.
struct Slow<R>(R, usize);

impl<R: Read> Read for Slow<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.1 = self.1 % 100_003 + 1;
        let len = buffer.len().min(self.1);
        self.0.read(&mut buffer[..len])
    }
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 7u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn stream(bytes: impl Read + Send + 'static) -> Input {
    Input::Stream { name: None, bytes: Box::new(bytes) }
}

/// A file, a stream and a stream in small pieces are one to every chunker, for any number of threads.
#[test]
fn files_and_streams_have_one_root() {
    let files = Files::new();
    let bytes = noise(21_000_000);
    let path = files.write("large", &bytes);
    for chunker in ["size-262144", "size-1000000", "rabin", "rabin-16-5000-9000", "buzhash"] {
        let chunker: Chunker = chunker.parse().unwrap();
        let options = Options::new(Profile { chunker, leaves: Leaves::DagPb, ..Profile::UNIXFS_V1_2025 });
        let mut roots = Vec::new();
        for threads in [1, 3] {
            let control = Control::default().with_threads(threads);
            let bytes = std::io::Cursor::new(bytes.clone());
            let slow = Slow(bytes.clone(), 0);
            for input in [Input::Paths(vec![path.clone()]), stream(bytes), stream(slow)] {
                let summary = create(input, Target::OnlyHash, &options, &control).unwrap();
                assert_eq!((summary.files, summary.content_bytes), (1, 21_000_000));
                roots.push((summary.root, summary.blocks, summary.bytes));
            }
        }
        roots.dedup();
        assert_eq!(roots.len(), 1, "{chunker}");
    }
}

#[test]
fn a_request_to_stop_leaves_nothing() {
    let files = Files::new();
    let path = files.write("file", b"bytes");
    let out = path.with_file_name("out.car");
    let control = Control::default();
    control.stop_flag().store(true, Ordering::Relaxed);
    let made = create(Input::Paths(vec![path.clone()]), Target::Archive(&out), &Options::new(Profile::UNIXFS_V1_2025), &control);
    assert!(matches!(made.unwrap_err().kind, ErrorKind::Interrupted));
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_failing_stream_is_an_error() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::ConnectionReset.into())
        }
    }
    let input = stream((&b"some bytes"[..]).chain(Fails));
    let made = create(input, Target::OnlyHash, &Options::new(Profile::UNIXFS_V1_2025), &Control::default());
    assert!(matches!(made.unwrap_err().kind, ErrorKind::Io(_)));
}

/// A large file that is cut short or replaced while it is read.
#[test]
fn a_file_that_shrinks_is_an_error() {
    let files = Files::new();
    let path = files.write("large", &noise(20_000_000));
    let control = Control::default();
    let options = Options::new(Profile::UNIXFS_V1_2025);
    let mut plan = Plan::default();
    plan.add(options.profile);
    let steps = steps(Input::Paths(vec![path.clone()]), &options, Vec::new(), &control).unwrap();
    let feed = Feed::new(steps, &plan.leaves, &control);
    let mut cut = false;
    let shrink = &mut |_: crate::cid::RawCid<'_>, _: &[u8]| {
        if !cut {
            cut = true;
            std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1_000_000).unwrap();
        }
        Ok(())
    };
    let failed = run::run(feed, &mut plan, shrink, &control.with_threads(1)).unwrap_err();
    assert!(failed.message.contains("changed while it was read"), "{failed}");
}

/// One block may have a CID of another length than the rest: the header fits in any case.
#[test]
fn the_header_names_the_root_whatever_its_length() {
    let files = Files::new();
    let (one, two) = (files.write("one", b"one"), files.write("two", &[2; 600_000]));
    let options = Options::new(Profile { leaves: Leaves::Raw, ..Profile::UNIXFS_V0_2015 });
    for (path, root_len) in [(one, 36), (two, 34)] {
        let out = path.with_extension("car");
        let summary = create(Input::Paths(vec![path]), Target::Archive(&out), &options, &Control::default()).unwrap();
        let car = std::fs::read(&out).unwrap();
        let mut reader = crate::format::Reader::new(&car[..], Default::default()).unwrap();
        assert_eq!((summary.root.to_bytes().len(), car.len() as u64), (root_len, summary.bytes));
        let (mut section, mut last) = (crate::format::Section::default(), None);
        while reader.read_section(&mut section).unwrap() {
            last = Some(section.cid);
        }
        assert_eq!(last, Some(summary.root));
    }
}
