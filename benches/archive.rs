//! The verbs over whole archives, from files in the page cache. `README.md` says how to run it and what came out.

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

use archive::{Kind, Recipe, Size, Written};
use cartool::control::Control;
use cartool::format::{Batch, Framer, TrailingZeros};
use cartool::limits::Limits;
use cartool::ops::create::{self, create};
use cartool::ops::extract::{self, Target};
use cartool::ops::merge;
use cartool::ops::verify::{self, Verdict, verify};
use cartool::store::CarFile;
use cartool::unixfs::build::Profile;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use files::write_many;
use group::group;
use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// An archive to measure.
struct Input {
    name: &'static str,
    path: PathBuf,
    written: Written,
}

/// Folders that go when the bench ends: the archives, and what is made of them on the same file system.
struct Bench {
    dir: TempDir,
    inputs: Vec<Input>,
}

impl Bench {
    fn new() -> Outcome<Bench> {
        // Cargo's own folder for this: below `target`, not the small temporary file system of the machine.
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        let sizes = [
            ("raw-1m", Kind::Raw1M, Size::Bytes(256 << 20)),
            ("pb-256k", Kind::Pb256K, Size::Bytes(256 << 20)),
            ("tiny", Kind::Tiny, Size::Blocks(250_000)),
        ];
        let mut inputs = Vec::new();
        for (name, kind, size) in sizes {
            let path = dir.path().join(name).with_extension("car");
            let written = archive::write(&path, &Recipe { kind, size, seed: 1, shared_percent: 0 })?;
            println!("{name}: {written}");
            inputs.push(Input { name, path, written });
        }
        Ok(Bench { dir, inputs })
    }

    fn fresh_dir(&self) -> TempDir {
        TempDir::new_in(self.dir.path()).expect("a folder below target")
    }
}

/// All heads, without the data where that is not needed.
fn heads(path: &Path) -> Outcome<u64> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut framer = Framer::open(file, Some(len), Limits::default(), TrailingZeros::Reject)?;
    let (mut batch, mut count, mut more) = (Batch::default(), 0, true);
    while more {
        more = framer.next_heads(&mut batch, len)?;
        count += batch.heads().count() as u64;
    }
    Ok(count)
}

/// All sections with their data, not hashed.
fn sections(path: &Path) -> Outcome<u64> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut framer = Framer::open(file, Some(len), Limits::default(), TrailingZeros::Reject)?;
    let (mut batch, mut count, mut more) = (Batch::default(), 0, true);
    while more {
        more = framer.next_batch(&mut batch)?;
        count += batch.sections().len() as u64;
    }
    Ok(count)
}

/// One way to read an archive: its name, and the sections it finds.
type Scan = (&'static str, fn(&Path) -> Outcome<u64>);

fn scan(criterion: &mut Criterion, bench: &Bench) {
    let scans: [Scan; 2] = [("scan-heads", heads), ("scan-sections", sections)];
    for (name, scan) in scans {
        let mut group = group(criterion, name);
        for Input { name, path, written } in &bench.inputs {
            assert_eq!(scan(path).expect("a sound archive"), written.blocks, "{name}");
            group.throughput(Throughput::Bytes(written.len));
            group.bench_function(*name, |b| b.iter(|| scan(path)));
        }
    }
}

fn verify_archives(criterion: &mut Criterion, bench: &Bench) {
    let mut group = group(criterion, "verify");
    let all = Control::default().threads;
    for Input { name, path, written } in &bench.inputs {
        for threads in if all > 1 { vec![1, all] } else { vec![1] } {
            let mut control = Control::default();
            control.threads = threads;
            let run = || {
                let file = File::open(path).expect("the archive is there");
                verify(file, Some(written.len), &verify::Options::default(), &control).expect("the archive can be read")
            };
            let report = run();
            assert_eq!((report.verdict, report.counts.blocks), (Verdict::Ok, written.blocks), "{name}");
            group.throughput(Throughput::Bytes(written.len));
            let threads = if threads == 1 { "1-thread" } else { "all-threads" };
            group.bench_function(BenchmarkId::new(*name, threads), |b| b.iter(run));
        }
    }
}

/// One large file, as two archives hold it, and many small ones, each a block: written to disk.
fn extract_archives(criterion: &mut Criterion, bench: &Bench) {
    let large = bench.inputs.iter().filter(|input| input.name != "tiny");
    let mut archives: Vec<_> = large.map(|input| (input.name, input.path.clone(), 1, 256 << 20)).collect();
    archives.push(("10000-4k", many_files(bench), 10_000, 10_000 * 4096));
    let mut group = group(criterion, "extract");
    let control = Control::default();
    for (name, path, files, bytes) in archives {
        let run = |dir: TempDir| {
            let car = CarFile::open(&path, &control).expect("a sound archive");
            let target = Target::Directory(dir.path().join("out"));
            let options = extract::Options::default();
            let summary = extract::extract(&car, &car.roots(), target, &options, &control, &mut |_| ()).expect("extracted");
            assert_eq!((summary.files, summary.bytes), (files, bytes), "{name}");
            dir
        };
        group.throughput(Throughput::Bytes(bytes));
        group.bench_function(name, |b| b.iter_batched(|| bench.fresh_dir(), run, BatchSize::PerIteration));
    }
}

/// An archive of 10,000 files in a hundred folders.
fn many_files(bench: &Bench) -> PathBuf {
    let (files, path) = (bench.dir.path().join("files"), bench.dir.path().join("10000-4k.car"));
    write_many(&files, 10_000, 4096, 100).expect("files are written below target");
    let options = create::Options::new(Profile::UNIXFS_V1_2025);
    let target = create::Target::Archive(&path);
    create(create::Input::Paths(vec![files]), target, &options, &Control::default()).expect("packed");
    path
}

/// Each archive and itself: every block of the second is read, hashed and left out.
fn merge_archives(criterion: &mut Criterion, bench: &Bench) {
    let mut group = group(criterion, "merge");
    let control = Control::default();
    for Input { name, path, written } in &bench.inputs {
        let copy = bench.dir.path().join(name).with_extension("copy.car");
        fs::copy(path, &copy).expect("copied");
        let inputs = [path.clone(), copy];
        let run = |dir: TempDir| {
            let options = merge::Options::default();
            let summary = merge::merge(&inputs, &dir.path().join("out.car"), &options, &control, &mut |_, _| ()).expect("merged");
            assert_eq!(summary.blocks, written.blocks, "{name}");
            dir
        };
        group.throughput(Throughput::Bytes(2 * written.len));
        group.bench_function(*name, |b| b.iter_batched(|| bench.fresh_dir(), run, BatchSize::PerIteration));
    }
}

/// Ten archives that have thirty leaves of a hundred in common: those of all but the first are left out.
fn merge_overlapping(criterion: &mut Criterion, bench: &Bench) {
    let mut group = group(criterion, "merge-30-percent");
    let control = Control::default();
    let kinds = [("pb-256k", Kind::Pb256K, Size::Bytes(25 << 20)), ("tiny", Kind::Tiny, Size::Blocks(25_000))];
    for (name, kind, size) in kinds {
        let input = |seed| {
            let path = bench.dir.path().join(format!("{name}-{seed}.car"));
            let written = archive::write(&path, &Recipe { kind, size, seed, shared_percent: 30 }).expect("written below target");
            (path, written)
        };
        let (inputs, written): (Vec<_>, Vec<_>) = (1..=10).map(input).unzip();
        let shared = written[0].leaves * 30 / 100;
        let blocks = written.iter().map(|written| written.blocks).sum::<u64>() - 9 * shared;
        let run = |dir: TempDir| {
            let options = merge::Options::default();
            let summary = merge::merge(&inputs, &dir.path().join("out.car"), &options, &control, &mut |_, _| ()).expect("merged");
            assert_eq!(summary.blocks, blocks, "{name}");
            dir
        };
        group.throughput(Throughput::Bytes(written.iter().map(|written| written.len).sum()));
        group.bench_function(name, |b| b.iter_batched(|| bench.fresh_dir(), run, BatchSize::PerIteration));
    }
}

fn all(criterion: &mut Criterion) {
    let bench = Bench::new().expect("archives are written below target");
    scan(criterion, &bench);
    verify_archives(criterion, &bench);
    extract_archives(criterion, &bench);
    merge_archives(criterion, &bench);
    merge_overlapping(criterion, &bench);
}

criterion_group!(benches, all);
criterion_main!(benches);
