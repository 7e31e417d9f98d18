use super::*;
use crate::error::ErrorKind;
use crate::ops::reach::links_of;
use crate::ops::testing::{Files, car, contents, dag, directory, raw};
use crate::store::{BlockSource, CarFile};
use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};
use std::collections::BTreeSet;

fn run(files: &Files, part_len_max: u64, strategy: Strategy) -> Result<Vec<Part>> {
    let options = Options { part_len_max, strategy, ..Options::default() };
    split(&files.path("in.car"), &files.path("part"), &options, &Control::default(), &mut |_| {})
}

/// The least length that the error for parts too short names.
fn least(files: &Files, strategy: Strategy) -> u64 {
    let error = run(files, 1, strategy).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Usage), "{error}");
    error.message.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Everything in the part is the root or linked from what stands in front of it, the root first.
fn stands_alone(part: &Part) {
    let (roots, cids) = contents(&std::fs::read(&part.file).unwrap());
    let Some(root) = roots.first() else { return };
    assert_eq!((roots.len(), cids.first()), (1, Some(root)));
    let car = CarFile::open(&part.file, &Control::default()).unwrap();
    let mut linked = BTreeSet::from([*root]);
    for cid in cids {
        assert!(linked.contains(&cid), "{cid} in {}", part.file.display());
        let block = car.get(&cid).unwrap().unwrap();
        linked.extend(links_of(&cid, block.data(), &Control::default()).unwrap().into_iter().map(|(link, _)| link));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn parts_make_the_whole_again(
        leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..12),
        directories in prop::collection::vec(prop::collection::vec(0usize..100, 0..6), 0..8),
        roots in prop::collection::vec(0usize..100, 0..3), repeated in 0usize..3, more in 0u64..600, is_tree: bool,
    ) {
        let files = Files::new();
        let blocks = dag(&leaves, &directories);
        let roots: BTreeSet<Cid> = roots.iter().filter_map(|n| Some(blocks.get(n.checked_rem(blocks.len())?)?.0)).collect();
        let in_file: Vec<_> = blocks.iter().rev().chain(blocks.iter().take(repeated)).collect();
        files.write("in.car", &car(&roots.iter().copied().collect::<Vec<_>>(), &in_file));
        let strategy = if is_tree { Strategy::Tree } else { Strategy::Simple };
        let least = least(&files, strategy);
        prop_assert!(run(&files, least - 1, strategy).is_err());
        prop_assert_eq!(files.names(), ["in.car"]);
        let parts = run(&files, least + more, strategy).unwrap();
        for part in &parts {
            prop_assert!(part.bytes <= least + more);
            prop_assert_eq!(std::fs::metadata(&part.file).unwrap().len(), part.bytes);
            if is_tree {
                stands_alone(part);
            }
        }
        let inputs: Vec<_> = parts.iter().map(|part| part.file.clone()).collect();
        crate::ops::merge::merge(&inputs, &files.path("whole.car"), &Default::default(), &Control::default(), &mut |_, _| {}).unwrap();
        let (merged_roots, merged) = contents(&std::fs::read(files.path("whole.car")).unwrap());
        let set = |cids: Vec<Cid>| cids.into_iter().collect::<BTreeSet<_>>();
        prop_assert_eq!(set(merged), blocks.iter().map(|block| block.0).collect());
        prop_assert_eq!(set(merged_roots), roots);
    }
}

#[test]
fn the_way_from_the_root_stands_in_each_part() {
    let (a, b, c) = (raw(&[1; 100]), raw(&[2; 100]), raw(&[3; 100]));
    let sub = directory(&[("b", &b.0), ("c", &c.0)]);
    let root = directory(&[("a", &a.0), ("sub", &sub.0)]);
    let stray = raw(b"stray");
    let files = Files::new();
    files.write("in.car", &car(&[root.0], &[&stray, &a, &b, &c, &sub, &root]));
    let parts = run(&files, least(&files, Strategy::Tree), Strategy::Tree).unwrap();
    let cids: Vec<_> = parts.iter().map(|part| contents(&std::fs::read(&part.file).unwrap()).1).collect();
    let ways = [vec![root.0, a.0, sub.0], vec![root.0, sub.0, b.0], vec![root.0, sub.0, c.0], vec![stray.0]];
    assert_eq!(cids, ways);
    assert!(parts[3].roots.is_empty() && parts[0].file.ends_with("part-00001.car"));
    stands_alone(&parts[2]);
}

#[test]
fn the_block_that_needs_most_is_named() {
    let files = Files::new();
    let large = raw(&[7; 500]);
    files.write("in.car", &car(&[], &[&raw(b"x"), &large, &raw(b"y")]));
    for strategy in [Strategy::Simple, Strategy::Tree] {
        let error = run(&files, 100, strategy).unwrap_err();
        assert_eq!(error.cid.as_deref(), Some(&large.0), "{error}");
    }
}

#[test]
fn no_part_without_all() {
    let files = Files::new();
    let mut bytes = car(&[], &[&raw(b"one"), &raw(b"two"), &raw(b"three")]);
    *bytes.last_mut().unwrap() ^= 1;
    files.write("in.car", &bytes);
    assert!(run(&files, 70, Strategy::Simple).is_err());
    assert_eq!(files.names(), ["in.car"]);
    files.write("in.car", &car(&[], &[&raw(b"one"), &raw(b"two"), &raw(b"three")]));
    files.write("part-00002.car", b"mine");
    let error = run(&files, 70, Strategy::Simple).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Usage), "{error}");
    assert_eq!(files.names(), ["in.car", "part-00002.car"]);
}
