use super::*;
use crate::ops::testing::{Claimed, Files, car, contents, directory, raw};

fn run(inputs: &[PathBuf], output: &Path, options: &Options) -> (Result<Summary>, Vec<(String, Code)>) {
    let mut found = Vec::new();
    let options = Options { existing: Existing::Replace, ..options.clone() };
    let result = build(inputs, output, &options, &Control::default(), &mut |name, finding| {
        let name = Path::new(name).file_name().unwrap().to_string_lossy().into_owned();
        found.push((name, finding.code));
    });
    (result, found)
}

fn expect(text: String) -> Options {
    Options { expect: Some(text.parse().unwrap()), ..Options::default() }
}

fn forged(of: &Claimed) -> Claimed {
    (of.0, b"forged".to_vec())
}

struct Dag {
    a: Claimed,
    b: Claimed,
    c: Claimed,
    inner: Claimed,
    root: Claimed,
}

fn dag() -> Dag {
    let (a, b, c) = (raw(b"a"), raw(b"b"), raw(b"cccc"));
    let inner = directory(&[("b", &b.0), ("c", &c.0)]);
    let root = directory(&[("a", &a.0), ("i", &inner.0), ("j", &b.0)]);
    Dag { a, b, c, inner, root }
}

impl Dag {
    fn whole(&self) -> Vec<u8> {
        car(&[self.root.0], &[&self.root, &self.a, &self.inner, &self.b, &self.c])
    }
}

#[test]
fn the_same_bytes_from_any_mixture() {
    let files = Files::new();
    let dag = dag();
    let Dag { a, b, c, inner, root } = &dag;
    let whole = dag.whole();
    let out = files.path("out/x.car");
    std::fs::create_dir(files.path("out")).unwrap();
    let cut = &whole[..whole.len() - 2];
    let mut boxo = car(&[root.0], &[root]);
    boxo.extend(b"\n\n[Gateway Error: Response truncated - unable to retrieve remaining data within timeout period]\n");
    let mixtures: Vec<Vec<(&str, Vec<u8>)>> = vec![
        vec![("whole.car", whole.clone())],
        vec![("reversed.car", car(&[root.0], &[c, b, inner, a, a, root]))],
        vec![("1.car", car(&[root.0], &[root, a])), ("2.car", car(&[], &[inner, b, c, &raw(b"unrelated")]))],
        vec![("cut.car", cut.to_vec()), ("file", c.1.clone())],
        vec![("boxo.car", boxo), ("2.car", car(&[], &[c, inner])), ("a.txt", a.1.clone()), ("b", b.1.clone())],
        vec![
            ("1.car", car(&[root.0], &[&forged(a), root, inner])),
            ("2.car", car(&[root.0], &[a, &forged(b), b, &forged(c), c])),
        ],
        vec![("page.html", b"<html>404</html>".to_vec()), ("whole.car", whole.clone())],
    ];
    for mixture in mixtures {
        let mut inputs: Vec<PathBuf> = mixture.iter().map(|(name, bytes)| files.write(&format!("in/{name}"), bytes)).collect();
        for _ in 0..2 {
            let (summary, found) = run(&inputs, &out, &Options::default());
            assert_eq!(summary.unwrap().status, Status::Complete, "{mixture:?} {found:?}");
            assert_eq!(std::fs::read(&out).unwrap(), whole, "{inputs:?}");
            std::fs::remove_file(&out).unwrap();
            inputs.reverse();
        }
    }
}

#[test]
fn raw_files_by_name_and_by_hash() {
    let files = Files::new();
    let data = b"hashed with another function".to_vec();
    let digest = crate::hash::digest(0xb220, &data, 32).unwrap();
    let other = Cid::new_v1(0x55, crate::cid::Multihash::wrap(0xb220, digest.bytes()).unwrap());
    let root = directory(&[("o", &other)]);
    let out = files.path("out.car");
    let expected = car(&[root.0], &[&root, &(other, data.clone())]);
    for (root_name, data_name) in
        [("root", "data"), ("root", &*format!("{other}.bin")), (&*format!("{}.car", root.0), &*format!("{other}"))]
    {
        let inputs = [files.write(&format!("in/{root_name}"), &root.1), files.write(&format!("in/{data_name}"), &data)];
        let (summary, found) = run(&inputs, &out, &expect(root.0.to_string()));
        assert_eq!((summary.unwrap().status, found), (Status::Complete, vec![]));
        assert_eq!(std::fs::read(&out).unwrap(), expected);
    }
    // Named by its CID, and no header to say more.
    let inputs = [files.write(&format!("in/{}.raw", root.0), &root.1), files.write("in/data", &data)];
    assert_eq!(run(&inputs, &out, &Options::default()).0.unwrap().status, Status::Complete);
    // A name that lies.
    let inputs = [files.write(&format!("in/{}.raw", root.0), &root.1), files.write(&format!("in/{other}.raw"), b"other")];
    let (summary, found) = run(&inputs, &out, &Options::default());
    assert_eq!(summary.unwrap().status, Status::Damaged(Code::HashMismatch));
    assert!(found.iter().any(|f| f.1 == Code::HashMismatch), "{found:?}");
}

#[test]
fn incomplete_is_refused_unless_allowed() {
    let files = Files::new();
    let Dag { a, b, c, inner, root } = dag();
    let out = files.path("out.car");
    let input = files.write("1.car", &car(&[root.0], &[&root, &inner, &b]));
    let (summary, _) = run(std::slice::from_ref(&input), &out, &Options::default());
    let summary = summary.unwrap();
    assert_eq!((summary.status, summary.missing_blocks), (Status::Missing, 2));
    let missing: Vec<_> = summary.missing.iter().map(|m| (m.cid, m.path.clone(), m.parent)).collect();
    assert_eq!(missing, [(a.0, b"/a".to_vec(), Some(root.0)), (c.0, b"/i/c".to_vec(), Some(inner.0))]);
    assert!(matches!(summary.error().unwrap().kind, ErrorKind::Missing));
    assert_eq!(files.names(), ["1.car"]);

    let allowed = Options { missing: Missing::Allow, ..Options::default() };
    let summary = run(std::slice::from_ref(&input), &out, &allowed).0.unwrap();
    let bytes = std::fs::read(&out).unwrap();
    assert_eq!((summary.status, summary.bytes, summary.blocks), (Status::Partial, bytes.len() as u64, 3));
    assert_eq!(bytes, car(&[], &[&root, &inner, &b]));
    std::fs::remove_file(&out).unwrap();

    let forged = files.write("2.car", &car(&[root.0], &[&forged(&a)]));
    for inputs in [[input.clone(), forged.clone()], [forged, input.clone()]] {
        let summary = run(&inputs, &out, &Options::default()).0.unwrap();
        assert_eq!(summary.status, Status::Damaged(Code::HashMismatch));
        assert_eq!(summary.error().unwrap().code(), Some(Code::HashMismatch));
        assert!(!out.exists());
    }
    let absent = run(std::slice::from_ref(&input), &out, &expect(raw(b"elsewhere").0.to_string())).0.unwrap();
    assert_eq!((absent.status, absent.missing[0].cid), (Status::Missing, raw(b"elsewhere").0));
}

#[test]
fn a_path_gives_the_proof_and_its_end() {
    let files = Files::new();
    let dag = dag();
    let input = files.write("1.car", &dag.whole());
    let out = files.path("out.car");
    let got = |query: &str| {
        let summary = run(std::slice::from_ref(&input), &out, &expect(format!("{}{query}", dag.root.0))).0.unwrap();
        assert_eq!(summary.status, Status::Complete);
        contents(&std::fs::read(&out).unwrap())
    };
    assert_eq!(got("/i/c"), (vec![dag.c.0], vec![dag.root.0, dag.inner.0, dag.c.0]));
    assert_eq!(got("/i"), (vec![dag.inner.0], vec![dag.root.0, dag.inner.0, dag.b.0, dag.c.0]));
    assert_eq!(got("/i?dag-scope=block"), (vec![dag.inner.0], vec![dag.root.0, dag.inner.0]));
    assert_eq!(got("?dag-scope=entity"), (vec![dag.root.0], vec![dag.root.0]));
    let error = run(std::slice::from_ref(&input), &out, &expect(format!("{}/nope", dag.root.0))).0.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Missing), "{error}");
}

#[test]
fn the_root_is_found_or_asked_for() {
    let files = Files::new();
    let dag = dag();
    let Dag { a, b, c, inner, root } = &dag;
    let out = files.path("out.car");
    let empty = crate::cid::parse_text("bafkqaaa").unwrap();
    let rootless = files.write("1.car", &car(&[empty], &[c, b, inner, a, root]));
    assert_eq!(run(&[rootless], &out, &Options::default()).0.unwrap().root, root.0);
    assert_eq!(std::fs::read(&out).unwrap(), dag.whole());
    let usage = |inputs: &[PathBuf], names: &[&Cid]| {
        let error = run(inputs, &out, &Options::default()).0.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Usage), "{error}");
        assert!(names.iter().all(|cid| error.message.contains(&cid.to_string())), "{error}");
    };
    usage(&[files.write("2.car", &car(&[], &[inner, &raw(b"lone")]))], &[&inner.0, &raw(b"lone").0]);
    usage(&[files.write("3.car", &car(&[a.0, b.0], &[a, b]))], &[&a.0, &b.0]);
    usage(&[files.write("4", b"some bytes")], &[]);
    // CIDv0 and CIDv1 of one block are one root, named alike in any order.
    let v0 = Cid::new_v0(*root.0.hash()).unwrap();
    let mut inputs = [files.write("5.car", &car(&[v0], &[root, inner])), files.write("6.car", &car(&[root.0], &[a, b, c]))];
    for _ in 0..2 {
        assert_eq!(run(&inputs, &out, &Options::default()).0.unwrap().status, Status::Complete);
        assert_eq!(std::fs::read(&out).unwrap(), dag.whole());
        inputs.reverse();
    }
}

#[test]
fn an_empty_answer() {
    let files = Files::new();
    let probe = files.write("probe.car", &car(&[crate::cid::parse_text("bafkqaaa").unwrap()], &[]));
    let out = files.path("out.car");
    let summary = run(std::slice::from_ref(&probe), &out, &expect("bafkqaaa".to_owned())).0.unwrap();
    assert_eq!((summary.status, summary.blocks), (Status::Complete, 0));
    assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(&probe).unwrap());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 24, ..Default::default() })]

    /// Any DAG, its blocks dealt out to any archives and files in any order: the bytes are those of a canonical merge.
    #[test]
    fn no_partition_shows(shape: Vec<Vec<u8>>, deal: Vec<u8>) {
        let mut blocks = vec![raw(b"first")];
        for links in &shape {
            let names: Vec<String> = (0..links.len()).map(|n| n.to_string()).collect();
            let target = |link: &u8| blocks[usize::from(*link) % blocks.len()].0;
            let targets: Vec<Cid> = links.iter().map(target).collect();
            blocks.push(directory(&names.iter().map(String::as_str).zip(&targets).collect::<Vec<_>>()));
        }
        let root = blocks.last().unwrap().0;
        let all = Files::new();
        let whole = all.path("whole.car");
        let everything = all.write("in.car", &car(&[root], &blocks.iter().collect::<Vec<_>>()));
        run(std::slice::from_ref(&everything), &whole, &Options::default()).0.unwrap().error().map_or(Ok(()), Err).unwrap();
        let merged = all.path("merged.car");
        let options = crate::ops::merge::Options { blocks: crate::ops::merge::Blocks::Canonical, ..Default::default() };
        crate::ops::merge::merge(std::slice::from_ref(&whole), &merged, &options, &Control::default(), &mut |_, _| {}).unwrap();
        proptest::prop_assert_eq!(std::fs::read(&merged).unwrap(), std::fs::read(&whole).unwrap());

        let mut parts: Vec<Vec<&Claimed>> = vec![Vec::new(); 3];
        let mut inputs = Vec::new();
        for (n, block) in blocks.iter().enumerate() {
            match deal.get(n).copied().unwrap_or(0) % 4 {
                3 => inputs.push(all.write(&format!("parts/block{n}"), &block.1)),
                part => parts[usize::from(part)].insert(0, block),
            }
        }
        inputs.extend(parts.iter().enumerate().map(|(n, part)| all.write(&format!("parts/{n}.car"), &car(&[], part))));
        let out = all.path("out.car");
        let summary = run(&inputs, &out, &expect(root.to_string())).0.unwrap();
        proptest::prop_assert_eq!(summary.status, Status::Complete);
        proptest::prop_assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(&whole).unwrap());
    }
}
