//! Files and folders to archives, from files in the page cache. `README.md` says how to run it and what came out.

#[path = "shared/files.rs"]
mod files;
#[path = "shared/group.rs"]
mod group;
#[path = "shared/noise.rs"]
mod noise;

use cartool::control::Control;
use cartool::ops::create::{Input, Options, Target, create};
use cartool::unixfs::build::Profile;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use files::write_many;
use group::group;
use noise::noise;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What is packed, how many files it has, and how many bytes.
struct Source {
    name: &'static str,
    path: PathBuf,
    files: u64,
    bytes: u64,
}

fn sources(dir: &Path) -> std::io::Result<Vec<Source>> {
    let large = dir.join("large");
    fs::write(&large, noise(1, 256 << 20))?;
    let small = dir.join("small");
    write_many(&small, 10_000, 4096, 100)?;
    Ok(vec![
        Source { name: "one-256m", path: large, files: 1, bytes: 256 << 20 },
        Source { name: "10000-4k", path: small, files: 10_000, bytes: 10_000 * 4096 },
    ])
}

fn create_archives(criterion: &mut Criterion) {
    // Cargo's own folder for this: below `target`, not the small temporary file system of the machine.
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder below target");
    let sources = sources(dir.path()).expect("files are written below target");
    let control = Control::default();
    let mut group = group(criterion, "create");
    for Source { name, path, files, bytes } in &sources {
        group.throughput(Throughput::Bytes(*bytes));
        for (profile_name, profile) in [("unixfs-v1-2025", Profile::UNIXFS_V1_2025), ("unixfs-v0-2015", Profile::UNIXFS_V0_2015)]
        {
            let options = Options::new(profile);
            let run = |target: Target<'_>| {
                let summary = create(Input::Paths(vec![path.clone()]), target, &options, &control).expect("packed");
                assert_eq!((summary.files, summary.content_bytes), (*files, *bytes), "{name}");
            };
            group.bench_function(BenchmarkId::new(*name, format!("{profile_name}-only-hash")), |b| {
                b.iter(|| run(Target::OnlyHash))
            });
            let fresh = || TempDir::new_in(dir.path()).expect("a folder below target");
            let write = |dir: TempDir| {
                run(Target::Archive(&dir.path().join("out.car")));
                dir
            };
            group
                .bench_function(BenchmarkId::new(*name, profile_name), |b| b.iter_batched(fresh, write, BatchSize::PerIteration));
        }
    }
}

criterion_group!(benches, create_archives);
criterion_main!(benches);
