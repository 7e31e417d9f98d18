//! Single blocks by their CIDs, and a walk over a sharded directory. `README.md` says how to run it and what came out.

// The bench needs the same archives as the example that writes them.
#[path = "../examples/generate-car/archive.rs"]
#[expect(dead_code, reason = "it makes more kinds than are measured here")]
mod archive;
#[path = "shared/files.rs"]
mod files;
#[path = "shared/group.rs"]
mod group;
#[path = "shared/noise.rs"]
mod noise;

use archive::{Kind, Recipe, Size};
use cartool::cid::Cid;
use cartool::control::Control;
use cartool::ops::archive_writer::{V2Options, Version};
use cartool::ops::blocks::BlockInfo;
use cartool::ops::create::{self, create};
use cartool::ops::{Hashing, blocks, convert};
use cartool::store::{BlockSource as _, CarFile, Input};
use cartool::unixfs::build::Profile;
use cartool::unixfs::{Budget, EntryKind, Found, RawLeaves, Strictness, Walk, resolve};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use files::write_many;
use group::group;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Entries of the sharded directory: several levels of shards.
const ENTRIES: u64 = 10_000;

/// Blocks of the archive that is searched.
const BLOCKS: u64 = 250_000;

/// Look-ups a run.
const LOOK_UPS: usize = 1000;

/// An archive with an index, and CIDs from all over it.
fn indexed(dir: &Path, control: &Control) -> (PathBuf, Vec<Cid>) {
    let (plain, path) = (dir.join("tiny.car"), dir.join("tiny.v2.car"));
    let recipe = Recipe { kind: Kind::Tiny, size: Size::Blocks(BLOCKS), seed: 1, shared_percent: 0 };
    let written = archive::write(&plain, &recipe).expect("an archive below target");
    println!("tiny: {written}");
    let options = convert::Options { version: Version::V2(V2Options::default()), ..convert::Options::default() };
    convert::convert(&plain, &path, &options, control, &mut |_| ()).expect("converted");
    let mut cids = Vec::new();
    let input = Input::open(&path, control).expect("the archive is there");
    let on_block = |block: &BlockInfo| {
        cids.push(block.cid);
        Ok(())
    };
    blocks::list(input, Hashing::Skip, control, on_block, |finding| panic!("{finding:?}")).expect("a sound archive");
    assert_eq!(cids.len() as u64, written.blocks);
    let step = cids.len() / LOOK_UPS;
    // From the end to the start, so that no look-up is helped by the read before it.
    (path, cids.into_iter().rev().step_by(step).take(LOOK_UPS).collect())
}

/// Blocks by their CIDs, hashed. With an index nothing but it and the blocks is read; without one the table of all sections is
/// made when the archive is opened.
fn look_ups(criterion: &mut Criterion, dir: &Path) {
    let control = Control::default();
    let (path, cids) = indexed(dir, &control);
    let get_all = |car: &CarFile, cids: &[Cid]| {
        for cid in cids {
            assert!(car.get(cid).expect("a sound archive").is_some(), "{cid}");
        }
    };
    let mut group = group(criterion, "look-up");
    for count in [1, LOOK_UPS] {
        let cids = &cids[..count];
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("open-by-index-and-get-{count}"), |b| {
            b.iter(|| {
                let car = CarFile::open_indexed(&path, &control).expect("a sound archive");
                get_all(&car, cids);
                assert!(car.bypass().is_none());
            })
        });
    }
    let car = CarFile::open(&path, &control).expect("a sound archive");
    group.bench_function(format!("get-{LOOK_UPS}-by-table"), |b| b.iter(|| get_all(&car, &cids)));
}

/// Everything in a directory of many shards, then single names in it.
fn sharded(criterion: &mut Criterion, dir: &Path) {
    let control = Control::default();
    let (files, path) = (dir.join("files"), dir.join("sharded.car"));
    write_many(&files, ENTRIES, 4096, 1).expect("files are written below target");
    let options = create::Options::new(Profile::UNIXFS_V1_2025);
    let summary = create(create::Input::Paths(vec![files.join("00")]), create::Target::Archive(&path), &options, &control);
    let summary = summary.expect("packed");
    assert!(
        summary.blocks > ENTRIES + 256,
        "one block a file, one for the root, and a shard for most of its buckets: {summary:?}"
    );
    let car = CarFile::open(&path, &control).expect("a sound archive");
    let mut group = group(criterion, "hamt");
    group.throughput(Throughput::Elements(ENTRIES));
    group.bench_function(format!("walk-{ENTRIES}"), |b| {
        b.iter(|| {
            let mut walk = Walk::new(&car, &summary.root, Strictness::Strict, RawLeaves::Find);
            let (mut budget, mut files) = (Budget::new(control.limits), 0);
            while let Some(entry) = walk.next_entry(&mut budget).expect("a sound archive") {
                files += u64::from(matches!(entry.kind, EntryKind::File));
            }
            assert_eq!(files, ENTRIES);
        })
    });
    let names: Vec<String> = (0..ENTRIES).step_by(ENTRIES as usize / LOOK_UPS).map(|number| number.to_string()).collect();
    group.throughput(Throughput::Elements(LOOK_UPS as u64));
    group.bench_function(format!("resolve-{LOOK_UPS}"), |b| {
        b.iter(|| {
            for name in &names {
                let resolved = resolve(&car, &summary.root, &[name.as_bytes()], &control.limits).expect("a sound archive");
                assert!(matches!(resolved.found, Found::Block(_)), "{name}");
            }
        })
    });
}

fn all(criterion: &mut Criterion) {
    // Cargo's own folder for this: below `target`, not the small temporary file system of the machine.
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder below target");
    look_ups(criterion, dir.path());
    sharded(criterion, dir.path());
}

criterion_group!(benches, all);
criterion_main!(benches);
