//! SHA2-256 of many messages at once, by every kernel of this machine. `README.md` says how to run it and what came out.

#[path = "shared/group.rs"]
mod group;
#[path = "shared/noise.rs"]
mod noise;

use cartool::hash::{Job, Kernel, Outcome, check_many, sha256_many, sha256_many_with};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use group::group;
use noise::noise;
use std::time::Duration;

/// The multicodec code of SHA2-256.
const SHA2_256: u64 = 0x12;

/// All messages of a batch together, in bytes: a few times the second-level cache, as the batches of `verify` are.
const BATCH_LEN: usize = 8 << 20;

/// Messages to hash at once, cut out of one piece of memory.
struct Batch {
    name: String,
    bytes: Vec<u8>,
    lens: Vec<usize>,
}

impl Batch {
    fn of(name: &str, lens: impl IntoIterator<Item = usize>) -> Batch {
        let mut total = 0;
        let fits = |len: &usize| {
            total += len;
            total <= BATCH_LEN
        };
        let lens: Vec<usize> = lens.into_iter().take_while(fits).collect();
        Batch { name: name.to_owned(), bytes: noise(1, lens.iter().sum()), lens }
    }

    fn messages(&self) -> Vec<&[u8]> {
        let mut rest = self.bytes.as_slice();
        let mut next = |len: &usize| {
            let (message, behind) = rest.split_at(*len);
            rest = behind;
            message
        };
        self.lens.iter().map(&mut next).collect()
    }

    /// One batch a length, and one of the lengths that small blocks have.
    fn all() -> Vec<Batch> {
        let lens = [64, 200, 256, 1 << 10, 4 << 10, 16 << 10, 256 << 10, 1 << 20];
        let mixed = noise(2, 128 << 10).into_iter().map(|byte| 150 + usize::from(byte) * 251 / 256);
        let equal = lens.into_iter().map(|len| Batch::of(&len.to_string(), std::iter::repeat(len)));
        equal.chain([Batch::of("150-to-400", mixed)]).collect()
    }
}

fn kernels(criterion: &mut Criterion, batches: &[Batch]) {
    let mut group = group(criterion, "sha256");
    // There are many of them: short ones.
    group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(600));
    for batch in batches {
        let messages = batch.messages();
        let (mut expected, mut digests) = (Vec::new(), Vec::new());
        sha256_many_with(Kernel::Scalar, &messages, &mut expected);
        group.throughput(Throughput::Bytes(batch.bytes.len() as u64));
        for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_available()) {
            sha256_many_with(kernel, &messages, &mut digests);
            assert!(digests == expected, "{kernel} on messages of {} bytes", batch.name);
            group.bench_function(BenchmarkId::new(kernel.as_str(), &batch.name), |b| {
                b.iter(|| sha256_many_with(kernel, &messages, &mut digests))
            });
        }
    }
}

/// What the verbs call: claimed digests compared, by the kernel of the process.
fn checks(criterion: &mut Criterion, batches: &[Batch]) {
    let mut group = group(criterion, "check-many");
    group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(600));
    for batch in batches {
        let messages = batch.messages();
        let (mut digests, mut outcomes) = (Vec::new(), Vec::new());
        sha256_many(&messages, &mut digests);
        let job = |(data, digest)| Job { hash_code: SHA2_256, digest: <[u8; 32]>::as_slice(digest), data };
        let jobs: Vec<Job<'_>> = messages.iter().copied().zip(&digests).map(job).collect();
        check_many(&jobs, &mut outcomes);
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Verified), "{}", batch.name);
        group.throughput(Throughput::Bytes(batch.bytes.len() as u64));
        group.bench_function(&batch.name, |b| b.iter(|| check_many(&jobs, &mut outcomes)));
    }
}

fn all(criterion: &mut Criterion) {
    let batches = Batch::all();
    kernels(criterion, &batches);
    checks(criterion, &batches);
}

criterion_group!(benches, all);
criterion_main!(benches);
