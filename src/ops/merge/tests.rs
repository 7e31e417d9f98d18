use super::*;
use crate::error::{Code, ErrorKind};
use crate::ops::testing::{Claimed, Files, car, cid_of, contents, directory, raw};

fn run(inputs: &[PathBuf], output: &Path, options: &Options) -> Result<Summary> {
    let mut results = Vec::new();
    for threads in [1, 3] {
        let mut control = Control::default();
        control.threads = threads;
        let options = Options { existing: Existing::Replace, ..options.clone() };
        let result = merge(inputs, output, &options, &control, &mut |_, _| {});
        results.push((result, std::fs::read(output).ok()));
    }
    assert_eq!(results[0].1, results[1].1, "the number of threads shows");
    results.swap_remove(0).0
}

fn forged(of: &Claimed) -> Claimed {
    (of.0, b"forged".to_vec())
}

#[test]
fn input_order_first_seen_wins() {
    let files = Files::new();
    let (a, b, c) = (raw(b"a"), raw(b"b"), raw(b"c"));
    let inputs = [files.write("1.car", &car(&[b.0, a.0], &[&b, &a, &b])), files.write("2.car", &car(&[a.0, c.0], &[&c, &a]))];
    let out = files.path("out.car");
    let summary = run(&inputs, &out, &Options::default()).unwrap();
    let bytes = std::fs::read(&out).unwrap();
    assert_eq!(contents(&bytes), (vec![b.0, a.0, c.0], vec![b.0, a.0, c.0]));
    assert_eq!((summary.blocks, summary.bytes), (3, bytes.len() as u64));
    let counts: Vec<_> = summary.inputs.iter().map(|i| (i.blocks, i.new_blocks, i.duplicate_blocks)).collect();
    assert_eq!(counts, [(3, 2, 1), (2, 1, 1)]);
    assert_eq!(files.names(), ["1.car", "2.car", "out.car"]);
}

#[test]
fn roots_as_asked() {
    let files = Files::new();
    let (a, b) = (raw(b"a"), raw(b"b"));
    let empty = crate::cid::parse_text("bafkqaaa").unwrap();
    let inputs = [files.write("1.car", &car(&[empty], &[&b])), files.write("2.car", &car(&[a.0], &[&a]))];
    let out = files.path("out.car");
    let roots = |roots: Roots| {
        run(&inputs, &out, &Options { roots, ..Options::default() }).map(|_| contents(&std::fs::read(&out).unwrap()).0)
    };
    assert_eq!(roots(Roots::Union).unwrap(), [a.0]);
    assert_eq!(roots(Roots::First).unwrap(), [empty]);
    assert_eq!(roots(Roots::None).unwrap(), []);
    assert_eq!(roots(Roots::These(vec![b.0, b.0])).unwrap(), [b.0]);
    let absent = roots(Roots::These(vec![raw(b"absent").0])).unwrap_err();
    assert!(matches!(absent.kind, ErrorKind::Missing), "{absent}");
}

#[test]
fn any_fault_leaves_nothing() {
    let files = Files::new();
    let (a, b) = (raw(b"a"), raw(b"b"));
    let good = files.write("good.car", &car(&[a.0], &[&a]));
    let whole = car(&[a.0], &[&a, &b]);
    let faulty = [
        (car(&[a.0], &[&forged(&a)]), Code::HashMismatch),
        (car(&[a.0], &[&a, &forged(&a)]), Code::HashMismatch),
        (whole[..whole.len() - 1].to_vec(), Code::Truncated),
        ([&whole[..], &whole].concat(), Code::BadCid),
        ([&whole[..], &[0, 0]].concat(), Code::ZeroLengthSection),
        (b"<!doctype html>".to_vec(), Code::NotACar),
    ];
    for (bytes, code) in faulty {
        let bad = files.write("bad.car", &bytes);
        for inputs in [[good.clone(), bad.clone()], [bad, good.clone()]] {
            for blocks in [Blocks::AsRead, Blocks::Canonical] {
                let options = Options { blocks, ..Options::default() };
                let error = run(&inputs, &files.path("out.car"), &options).unwrap_err();
                assert_eq!(error.code(), Some(code), "{error}");
                assert!(error.file.as_ref().unwrap().ends_with("bad.car") && error.at.is_some(), "{error}");
                assert_eq!(files.names(), ["bad.car", "good.car"]);
            }
        }
    }
}

#[test]
fn unverifiable_blocks_only_by_name() {
    let files = Files::new();
    let md5 = Cid::new_v1(0x55, crate::cid::Multihash::wrap(0xd5, &[7; 16]).unwrap());
    let inputs = [files.write("md5.car", &car(&[md5], &[&(md5, b"who knows".to_vec())]))];
    let out = files.path("out.car");
    let error = run(&inputs, &out, &Options::default()).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unsupported(Code::UnsupportedHash)), "{error}");
    let options = Options { unverified: Unverified::Keep, ..Options::default() };
    let mut found = Vec::new();
    merge(&inputs, &out, &options, &Control::default(), &mut |_, finding| found.push(finding.code)).unwrap();
    assert_eq!(found, [Code::UnsupportedHash]);
    assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(&inputs[0]).unwrap());
}

#[test]
fn canonical_is_the_same_for_any_order() {
    let files = Files::new();
    let (a, b, c, lone) = (raw(b"a"), raw(b"b"), raw(b"c"), raw(b"lone"));
    let lone2 = raw(b"lone too");
    let inner = directory(&[("c", &c.0)]);
    let v0 = Cid::new_v0(*inner.0.hash()).unwrap();
    let inline = Cid::new_v1(0x70, crate::cid::Multihash::wrap(0, &directory(&[("b", &b.0)]).1).unwrap());
    let root = directory(&[("0", &inner.0), ("1", &inline), ("2", &a.0)]);
    let other = directory(&[("x", &a.0), ("y", &v0)]);
    let as_v0 = (v0, inner.1.clone());
    let one = files.write("1.car", &car(&[root.0], &[&lone, &a, &b, &root, &inner, &lone2]));
    let two = files.write("2.car", &car(&[other.0], &[&c, &as_v0, &a, &other]));
    let out = files.path("out.car");
    let mut outputs = Vec::new();
    for inputs in [vec![one.clone(), two.clone()], vec![two.clone(), one.clone()], vec![two.clone(), one.clone(), two]] {
        let options = Options { blocks: Blocks::Canonical, ..Options::default() };
        let summary = run(&inputs, &out, &options).unwrap();
        assert_eq!(summary.blocks, 9);
        outputs.push(std::fs::read(&out).unwrap());
    }
    assert!(outputs.windows(2).all(|pair| pair[0] == pair[1]));
    let (roots, cids) = contents(&outputs[0]);
    let mut sorted = vec![root.0, other.0];
    sorted.sort_by_key(Cid::to_bytes);
    assert_eq!(roots, sorted);
    let mut expected = Vec::new();
    let below_root = [root.0, inner.0, v0, c.0, b.0, a.0];
    let below_other = [other.0, a.0, inner.0, v0, c.0];
    for list in if roots[0] == root.0 { [&below_root[..], &below_other] } else { [&below_other[..], &below_root] } {
        expected.extend(list.iter().filter(|cid| !expected.contains(*cid)).copied().collect::<Vec<_>>());
    }
    let mut rest = [lone.0, lone2.0];
    rest.sort_by_key(Cid::to_bytes);
    expected.extend(rest);
    assert_eq!(cids, expected);
    // A canonical archive is its own canonical merge.
    let again = files.path("again.car");
    run(std::slice::from_ref(&out), &again, &Options { blocks: Blocks::Canonical, ..Options::default() }).unwrap();
    assert_eq!(std::fs::read(&again).unwrap(), outputs[0]);
}

#[test]
fn ties_between_digests_are_ordered_by_the_whole_cid() {
    let files = Files::new();
    let identity = |text: &[u8]| (Cid::new_v1(0x55, crate::cid::Multihash::wrap(0, text).unwrap()), text.to_vec());
    let blocks = [identity(b"the same 8 b"), identity(b"the same 8 a"), identity(b"the same 8 c")];
    let input = files.write("1.car", &car(&[], &blocks.iter().collect::<Vec<_>>()));
    let out = files.path("out.car");
    run(std::slice::from_ref(&input), &out, &Options { blocks: Blocks::Canonical, ..Options::default() }).unwrap();
    assert_eq!(contents(&std::fs::read(&out).unwrap()).1, [blocks[1].0, blocks[0].0, blocks[2].0]);
}

#[test]
fn wraps_in_both_orders() {
    let files = Files::new();
    let (a, b) = (raw(b"some bytes"), raw(b"b"));
    let dir = directory(&[("a", &a.0)]);
    let inputs =
        [files.write("one.car", &car(&[dir.0], &[&a, &dir])), files.write("two.car", &car(&[b.0, raw(b"gone").0], &[&b]))];
    let out = files.path("out.car");
    let mut tops = Vec::new();
    for blocks in [Blocks::AsRead, Blocks::Canonical] {
        let summary = run(&inputs, &out, &Options { roots: Roots::Wrap, blocks, ..Options::default() }).unwrap();
        let bytes = std::fs::read(&out).unwrap();
        let (roots, cids) = contents(&bytes);
        assert_eq!((roots.len(), cids.len() as u64, bytes.len() as u64), (1, summary.blocks, summary.bytes));
        assert!(cids.contains(&roots[0]));
        if blocks == Blocks::Canonical {
            assert_eq!(cids[..3], [roots[0], dir.0, a.0]);
        }
        tops.push(roots[0]);
    }
    assert_eq!(tops[0], tops[1]);
    let gone = format!("two-{}", raw(b"gone").0);
    let two = format!("two-{}", b.0);
    let names = [("one", dir.0, dir.1.len() as u64 + 7), (&*two, b.0, 1), (&*gone, raw(b"gone").0, 0)];
    let cids: Vec<_> = names.iter().map(|name| name.1.to_bytes()).collect();
    let links: Vec<_> = names
        .iter()
        .zip(&cids)
        .map(|((name, _, size), cid)| crate::dag::pb::PbLink {
            cid: RawCid::parse(cid).unwrap(),
            name: Some(name.as_bytes()),
            tsize: Some(*size),
        })
        .collect();
    let block = crate::dag::pb::encode(&links, Some(&[8, 1]));
    assert_eq!(tops[0], cid_of(0x70, &block));
}

#[test]
fn members_without_roots_are_said() {
    let files = Files::new();
    let (a, b) = (raw(b"a"), raw(b"b"));
    let inputs = [files.write("one.car", &car(&[a.0], &[&a])), files.write("none.car", &car(&[], &[&b]))];
    let mut found = Vec::new();
    let options = Options { roots: Roots::Wrap, ..Options::default() };
    merge(&inputs, &files.path("out.car"), &options, &Control::default(), &mut |name, finding| {
        found.push((name.ends_with("none.car"), finding.code));
    })
    .unwrap();
    assert_eq!(found, [(true, Code::NoRoots)]);
}

#[test]
fn too_many_members_for_one_directory() {
    let files = Files::new();
    let roots: Vec<Cid> = (0..20_000u32).map(|n| raw(&n.to_le_bytes()).0).collect();
    let input = files.write("many.car", &car(&roots, &[]));
    let error = run(std::slice::from_ref(&input), &files.path("out.car"), &Options { roots: Roots::Wrap, ..Options::default() })
        .unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Usage) && error.message.contains("1048576"), "{error}");
    assert_eq!(files.names(), ["many.car"]);
}

/// A CARv2 around this CARv1, with bytes behind it where an index may be.
fn carv2(payload: &[u8]) -> Vec<u8> {
    let number = |n: usize| (n as u64).to_le_bytes();
    let index = 60 + payload.len();
    let head = [&crate::format::carv2::PRAGMA[..], &[0; 16], &number(60), &number(payload.len()), &number(index), &[0; 9]];
    [&head.concat()[..], payload, b"\x81\x08\0\0\0\0"].concat()
}

#[test]
fn both_versions_are_read() {
    let files = Files::new();
    let (a, b) = (raw(b"a"), raw(b"b"));
    let one = car(&[a.0], &[&a]);
    let inputs = [files.write("1.car", &carv2(&one)), files.write("2.car", &car(&[b.0], &[&b, &a]))];
    let out = files.path("out.car");
    run(&inputs, &out, &Options::default()).unwrap();
    assert_eq!(std::fs::read(&out).unwrap(), car(&[a.0, b.0], &[&a, &b]));
    run(&inputs[..1], &out, &Options { blocks: Blocks::Canonical, ..Options::default() }).unwrap();
    assert_eq!(std::fs::read(&out).unwrap(), one);
}

#[cfg(unix)]
#[test]
fn streams_are_read_once() {
    let files = Files::new();
    let (a, b) = (raw(b"a"), raw(b"b"));
    let pipe = files.path("pipe");
    let made = rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    );
    if made.is_err() {
        // A file system without pipes has none to read.
        return;
    }
    let file = files.write("1.car", &car(&[a.0], &[&a]));
    let bytes = car(&[b.0], &[&b, &a]);
    let out = files.path("out.car");
    for blocks in [Blocks::AsRead, Blocks::Canonical] {
        let options = Options { blocks, existing: Existing::Replace, ..Options::default() };
        let (pipe_path, to_write) = (pipe.clone(), bytes.clone());
        let writer = std::thread::spawn(move || std::fs::write(pipe_path, to_write));
        let summary = merge(&[file.clone(), pipe.clone()], &out, &options, &Control::default(), &mut |_, _| {}).unwrap();
        writer.join().unwrap().unwrap();
        assert_eq!((summary.blocks, summary.inputs[1].bytes), (2, bytes.len() as u64));
        let (mut roots, mut cids) = contents(&std::fs::read(&out).unwrap());
        for list in [&mut roots, &mut cids] {
            list.sort_by_key(|cid| *cid == b.0);
            assert_eq!(*list, [a.0, b.0]);
        }
    }
}

#[test]
fn requests_without_sense() {
    let files = Files::new();
    let input = files.write("1.car", &car(&[], &[]));
    let out = files.path("out.car");
    let usage = |inputs: &[PathBuf], output: &Path, options: Options| {
        let error = merge(inputs, output, &options, &Control::default(), &mut |_, _| {}).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Usage), "{error}");
    };
    let canonical = Options { blocks: Blocks::Canonical, ..Options::default() };
    usage(&[], &out, Options::default());
    usage(&["-".into(), "-".into()], &out, Options::default());
    usage(std::slice::from_ref(&input), &input, Options { existing: Existing::Replace, ..Options::default() });
    usage(std::slice::from_ref(&input), &out, Options { roots: Roots::First, ..canonical.clone() });
    usage(std::slice::from_ref(&input), &out, Options { unverified: Unverified::Keep, ..canonical });
    usage(std::slice::from_ref(&input), &out, Options { manifest: Some(out.clone()), ..Options::default() });
    assert_eq!(files.names(), ["1.car"]);
}

#[test]
fn a_manifest_is_stable_json() {
    let files = Files::new();
    let a = raw(b"a");
    let input = files.write("1.car", &car(&[a.0], &[&a, &a]));
    let out = files.path("out.car");
    let manifest = files.path("m.json");
    run(std::slice::from_ref(&input), &out, &Options { manifest: Some(manifest.clone()), ..Options::default() }).unwrap();
    let text = std::fs::read_to_string(&manifest).unwrap();
    let (cid, in_len, out_len) = (a.0, std::fs::metadata(&input).unwrap().len(), std::fs::metadata(&out).unwrap().len());
    let expected = format!(
        "{{\n  \"blocks\": 1,\n  \"bytes\": {out_len},\n  \"inputs\": [\n    {{\n      \"blocks\": 2,\n      \"bytes\": {in_len},\n      \
         \"duplicate_blocks\": 1,\n      \"file\": \"{}\",\n      \"new_blocks\": 1,\n      \"roots\": [\n        \"{cid}\"\n      ]\n    }}\n  ],\n  \
         \"output\": \"{}\",\n  \"roots\": [\n    \"{cid}\"\n  ]\n}}\n",
        input.display(),
        out.display()
    );
    assert_eq!(text, expected);
}

#[test]
fn blocks_too_long_to_hold() {
    let files = Files::new();
    let mut control = Control::default();
    control.limits.section_len_max = 32 << 20;
    let big = raw(&vec![5; (16 << 20) + 100]);
    let input = files.write("1.car", &car(&[big.0], &[&big, &big]));
    let out = files.path("out.car");
    for blocks in [Blocks::AsRead, Blocks::Canonical] {
        let options = Options { blocks, existing: Existing::Replace, ..Options::default() };
        merge(std::slice::from_ref(&input), &out, &options, &control, &mut |_, _| {}).unwrap();
        assert_eq!(std::fs::read(&out).unwrap(), car(&[big.0], &[&big]));
    }
    let mut bytes = car(&[big.0], &[&big]);
    *bytes.last_mut().unwrap() ^= 1;
    let input = files.write("1.car", &bytes);
    std::fs::remove_file(&out).unwrap();
    let error = merge(std::slice::from_ref(&input), &out, &Options::default(), &control, &mut |_, _| {}).unwrap_err();
    assert_eq!(error.code(), Some(Code::HashMismatch), "{error}");
    assert_eq!(files.names(), ["1.car"]);
}
