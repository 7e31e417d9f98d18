//! The `cartool` program, run as a black box.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The program under test.
#[derive(Debug)]
pub struct Cartool(PathBuf);

impl Cartool {
    /// Finds the program: the environment's `CARTOOL`, else the release build, else the debug build.
    ///
    /// # Panics
    ///
    /// When there is none: without it nothing is compared, and that must not look like success.
    #[must_use]
    pub fn find() -> Self {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
        let candidates = match std::env::var_os("CARTOOL") {
            Some(named) => vec![PathBuf::from(named)],
            None => vec![target.join("release/cartool"), target.join("debug/cartool")],
        };
        match candidates.iter().find(|path| path.is_file()) {
            Some(path) => Self(path.clone()),
            None => panic!("no cartool to test, tried {candidates:?}: run `cargo build --release` or set CARTOOL"),
        }
    }

    /// Runs it to its end.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn output<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        let run = Command::new(&self.0).args(args).stdin(Stdio::null()).output();
        run.unwrap_or_else(|error| panic!("cannot run {}: {error}", self.0.display()))
    }

    /// Runs it and gives its standard output.
    ///
    /// # Panics
    ///
    /// When it ends with another code than 0; the message holds its standard error.
    pub fn stdout<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Vec<u8> {
        let args: Vec<_> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        let output = self.output(&args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cartool {args:?}: expected exit code 0, {}\n{stderr}", output.status);
        output.stdout
    }
}
