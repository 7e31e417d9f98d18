//! A directory with small archives in it, and runs there.

use crate::harness::{Done, Run, Stdin, cartool};
use crate::make::{Small, car, raw, small};
use std::fs;
use std::path::PathBuf;

/// Holds `small.car`, which is [`Small`], and `one.car` and `two.car`, which share a block.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) small: Small,
}

/// The names in a new [`Place`].
pub(crate) const INPUTS: [&str; 3] = ["one.car", "small.car", "two.car"];

impl Place {
    pub(crate) fn new() -> Place {
        let place = Place { dir: tempfile::tempdir().expect("a temporary directory"), small: small() };
        let (one, two, both) = (raw(b"one"), raw(b"two"), raw(b"both"));
        place.write("small.car", &place.small.bytes);
        place.write("one.car", &car(&[&one], &[&one, &both]));
        place.write("two.car", &car(&[&two], &[&both, &two]));
        place
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.at(name), bytes).expect("written");
    }

    #[track_caller]
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.at(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// A run in this directory, which holds the temporary files too, so that none can stay unseen.
    pub(crate) fn cartool(&self, args: &[&str]) -> Run {
        cartool(args).cwd(self.dir.path()).env("TMPDIR", self.dir.path())
    }

    pub(crate) fn run(&self, args: &[&str]) -> Done {
        self.cartool(args).run()
    }

    /// With the small archive on standard input.
    pub(crate) fn piped(&self, args: &[&str]) -> Done {
        self.cartool(args).stdin(Stdin::Pipe(self.small.bytes.clone())).run()
    }

    /// Writes `partial.car`, the small archive without its last block.
    pub(crate) fn write_partial(&self) {
        let Small { root, sub, a, .. } = &self.small;
        self.write("partial.car", &car(&[root], &[root, a, sub]));
    }

    /// The names in the directory, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.dir.path()).expect("a directory").map(|e| e.expect("an entry").file_name());
        let mut names: Vec<_> = names.map(|n| n.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}
