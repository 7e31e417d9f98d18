//! Ways to compute SHA2-256 and numbers of threads: all of them say the same about the same archives.

use crate::harness::{Done, cartool};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

const KERNELS: [&str; 6] = ["", "auto", "scalar", "ni2", "ni3", "avx512"];

fn verify(file: &Path, kernel: &str, threads: &str) -> Done {
    let args: [&OsStr; 5] = ["verify".as_ref(), "--json".as_ref(), "--threads".as_ref(), threads.as_ref(), file.as_os_str()];
    cartool(args).env("CARTOOL_SHA256", kernel).run()
}

/// Whether this machine has the kernel: it says so itself.
fn is_available(kernel: &str) -> bool {
    let done = cartool(["--version"]).env("CARTOOL_SHA256", kernel).run();
    if done.code != Some(0) {
        assert_eq!(done.code, Some(2), "{done}");
        assert!(done.one_line_error().contains("does not have"), "{done}");
    }
    done.code == Some(0)
}

fn samples() -> Vec<PathBuf> {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let in_dir = |dir: PathBuf| fs::read_dir(dir).expect("testdata").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = in_dir(testdata.clone()).chain(in_dir(testdata.join("broken"))).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "car"));
    files.sort();
    assert!(files.len() > 5, "{files:?}");
    files
}

#[test]
fn the_same_answer_from_every_kernel_and_any_number_of_threads() {
    let kernels: Vec<&str> = KERNELS.into_iter().filter(|kernel| is_available(kernel)).collect();
    assert!(kernels.contains(&"scalar"));
    for file in samples() {
        let expected = verify(&file, "scalar", "1");
        for kernel in &kernels {
            for threads in ["1", "2", "7"] {
                let done = verify(&file, kernel, threads);
                let case = format!("{} with {kernel:?} and {threads} threads", file.display());
                assert_eq!((done.code, &done.stdout), (expected.code, &expected.stdout), "{case}");
            }
        }
    }
}

#[test]
fn the_kernel_in_use_is_named() {
    for kernel in KERNELS.into_iter().skip(2).filter(|kernel| is_available(kernel)) {
        let done = cartool(["--version"]).env("CARTOOL_SHA256", kernel).run();
        assert!(done.exits(0).text().contains(&format!("sha2-256 by {kernel} (")), "{done}");
    }
    let unknown = cartool(["roots", "x.car"]).env("CARTOOL_SHA256", "fast").run();
    let error = unknown.exits(2).one_line_error();
    assert!(error.contains("CARTOOL_SHA256=fast") && error.contains("ni3"), "{error}");
}
