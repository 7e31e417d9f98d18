use super::*;
use crate::error::ErrorKind;
use crate::ops::testing::{Claimed, Files, car, contents, dag, directory, raw};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn run(files: &Files, from: &str, to: &str, selection: &Selection, missing: Missing) -> Result<Summary> {
    let options = Options { selection: selection.clone(), missing, existing: Existing::Replace, ..Options::default() };
    filter(&files.path(from), &files.path(to), &options, &Control::default(), &mut |_| {})
}

/// Roots and CIDs of what is kept.
fn kept(files: &Files, selection: &Selection) -> (Vec<Cid>, Vec<Cid>) {
    run(files, "in.car", "out.car", selection, Missing::Refuse).unwrap();
    contents(&std::fs::read(files.path("out.car")).unwrap())
}

struct Tree {
    files: Files,
    a: Claimed,
    b: Claimed,
    sub: Claimed,
    root: Claimed,
    other: Claimed,
}

/// `root` holds `a` and `sub`, which holds `b`; `other` stands alone.
fn tree() -> Tree {
    let (a, b, other) = (raw(b"a"), raw(b"b"), raw(b"other"));
    let sub = directory(&[("b", &b.0)]);
    let root = directory(&[("a", &a.0), ("sub", &sub.0)]);
    let files = Files::new();
    files.write("in.car", &car(&[root.0, other.0], &[&root, &a, &other, &sub, &b]));
    Tree { files, a, b, sub, root, other }
}

#[test]
fn by_root_path_codec_and_list() {
    let Tree { files, a, b, sub, root, other } = tree();
    let below = Selection { roots: vec![sub.0], ..Selection::default() };
    assert_eq!(kept(&files, &below), (vec![sub.0], vec![sub.0, b.0]));
    let inverse = Selection { sense: Sense::Drop, ..below };
    assert_eq!(kept(&files, &inverse), (vec![root.0, other.0], vec![root.0, a.0, other.0]));
    let segments = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect();
    let path = PathBelow { root: None, segments: segments(&["sub", "b"]) };
    let path = Selection { paths: vec![path], ..Selection::default() };
    assert_eq!(kept(&files, &path), (vec![root.0], vec![root.0, sub.0, b.0]));
    let raws = Selection { codecs: vec![0x55], ..Selection::default() };
    assert_eq!(kept(&files, &raws), (vec![other.0], vec![a.0, other.0, b.0]));
    let both = Selection { codecs: vec![0x55], ..path };
    assert_eq!(kept(&files, &both), (vec![root.0], vec![b.0]));
    let listed = Selection { cids: Some(vec![b.0, root.0]), ..Selection::default() };
    assert_eq!(kept(&files, &listed), (vec![root.0], vec![root.0, b.0]));
    let summary = run(&files, "in.car", "out.car", &listed, Missing::Refuse).unwrap();
    assert_eq!((summary.blocks, summary.left_out, summary.dropped_roots), (2, 3, vec![other.0]));
}

#[test]
fn what_is_missing_is_no_result_unless_allowed() {
    let Tree { files, b, sub, root, .. } = tree();
    files.write("in.car", &car(&[root.0], &[&root, &sub]));
    let absent = raw(b"absent");
    for selection in [
        Selection { cids: Some(vec![sub.0, absent.0]), ..Selection::default() },
        Selection { roots: vec![sub.0], ..Selection::default() },
    ] {
        let error = run(&files, "in.car", "out.car", &selection, Missing::Refuse).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Missing), "{error}");
        assert_eq!(files.names(), ["in.car"]);
        let summary = run(&files, "in.car", "out.car", &selection, Missing::Allow).unwrap();
        assert_eq!((summary.blocks, summary.missing_blocks), (1, 1));
        assert!(summary.missing == [absent.0] || summary.missing == [b.0]);
        std::fs::remove_file(files.path("out.car")).unwrap();
    }
    let path = PathBelow { root: None, segments: vec![b"no".to_vec()] };
    let nowhere = Selection { paths: vec![path], ..Selection::default() };
    assert!(matches!(run(&files, "in.car", "out.car", &nowhere, Missing::Allow).unwrap_err().kind, ErrorKind::Missing));
    let nothing = run(&files, "in.car", "out.car", &Selection::default(), Missing::Allow);
    assert!(matches!(nothing.unwrap_err().kind, ErrorKind::Usage));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn a_part_and_the_rest_make_the_whole(
        leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..8),
        directories in prop::collection::vec(prop::collection::vec(0usize..100, 0..5), 0..6),
        picked in prop::collection::vec(0usize..100, 0..8), by_root: bool,
    ) {
        let files = Files::new();
        let blocks = dag(&leaves, &directories);
        let root = blocks.last().unwrap().0;
        files.write("in.car", &car(&[root], &blocks.iter().rev().collect::<Vec<_>>()));
        let cids: Vec<Cid> = picked.iter().map(|n| blocks[n % blocks.len()].0).collect();
        let mut selection = Selection { cids: Some(cids.clone()), ..Selection::default() };
        if by_root {
            selection = Selection { roots: vec![cids.first().copied().unwrap_or(root)], ..Selection::default() };
        }
        run(&files, "in.car", "part.car", &selection, Missing::Refuse).unwrap();
        selection.sense = Sense::Drop;
        run(&files, "in.car", "rest.car", &selection, Missing::Refuse).unwrap();
        let cids = |name: &str| contents(&std::fs::read(files.path(name)).unwrap()).1.into_iter().collect::<BTreeSet<_>>();
        let (part, rest) = (cids("part.car"), cids("rest.car"));
        prop_assert!(part.is_disjoint(&rest));
        let inputs = [files.path("part.car"), files.path("rest.car")];
        let merged = crate::ops::merge::merge(&inputs, &files.path("whole.car"), &Default::default(), &Control::default(), &mut |_, _| {});
        prop_assert_eq!(merged.unwrap().blocks, (part.len() + rest.len()) as u64);
        prop_assert_eq!(cids("whole.car"), cids("in.car"));
    }
}
