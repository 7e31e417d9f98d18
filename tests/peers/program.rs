//! The programs under test: `cartool`, and the peers it is compared with.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

/// Words of a command line, each a string or a path.
#[macro_export]
macro_rules! words {
    ($($word:expr),* $(,)?) => { &[$(::std::convert::AsRef::<::std::ffi::OsStr>::as_ref(&$word)),*] };
}

/// Runs cartool and gives back its exit code, output and talk.
pub(crate) fn cartool(words: &[&OsStr]) -> Output {
    run(Command::new(env!("CARGO_BIN_EXE_cartool")).args(words))
}

/// Runs cartool, which must end with the given exit code, and gives back its output.
pub(crate) fn cartool_exits(code: i32, words: &[&OsStr]) -> String {
    let output = cartool(words);
    assert_eq!(output.status.code(), Some(code), "cartool {words:?}\n{}", talk(&output));
    String::from_utf8(output.stdout).expect("cartool prints UTF-8")
}

fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn talk(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&text[..text.len().min(4096)]).into_owned()
}

/// Where `.ci/run` installs the peers.
fn installed() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("peers")
}

/// The program of that name in PATH, or else at a place under the installed peers.
fn find(name: &str, place: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&path).map(|folder| folder.join(name)).collect::<Vec<_>>();
    candidates.push(installed().join(place).join(name));
    candidates.into_iter().find(|candidate| candidate.is_file())
}

/// Says once that a peer is absent. The test harness captures `println!` of a test that passes; this is seen.
fn skipped(name: &'static str) {
    static SAID: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    if SAID.lock().expect("no test panics while it says this").insert(name) {
        let _ = writeln!(std::io::stderr(), "skipped: no {name} in PATH");
    }
}

fn require(name: &'static str) {
    let required = std::env::var_os("CARTOOL_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(!required, "CARTOOL_REQUIRE_PEERS is 1, but there is no {name} in PATH or {}", installed().display());
    skipped(name);
}

/// A program that answers to the `ipfs` command line: Kubo, or its libraries behind our own front end.
pub(crate) struct Ipfs {
    program: PathBuf,
}

impl Ipfs {
    /// Every such program on this machine. Ours must be there when peers are required; Kubo itself is used when found.
    pub(crate) fn all() -> Vec<Self> {
        let ours = find("boxo", "bin");
        if ours.is_none() {
            require("boxo");
        }
        let kubo = find("ipfs", "bin");
        if kubo.is_none() {
            skipped("ipfs");
        }
        [ours, kubo].into_iter().flatten().map(|program| Self { program }).collect()
    }

    /// A new, empty, offline repository.
    pub(crate) fn repository(&self, folder: PathBuf) -> Repository<'_> {
        let repository = Repository { ipfs: self, folder };
        repository.succeeds(words!["init", "--empty-repo", "--profile=test"]);
        repository
    }

    /// go-car, which stands behind our own front end only.
    pub(crate) fn go_car(&self, words: &[&OsStr]) -> Option<String> {
        let ours = self.program.file_stem().is_some_and(|name| name == "boxo");
        ours.then(|| {
            let output = run(Command::new(&self.program).arg("car").args(words));
            assert!(output.status.success(), "boxo car {words:?}\n{}", talk(&output));
            String::from_utf8_lossy(&output.stdout).into_owned()
        })
    }
}

/// One repository of one peer.
pub(crate) struct Repository<'a> {
    ipfs: &'a Ipfs,
    folder: PathBuf,
}

impl Repository<'_> {
    pub(crate) fn runs(&self, words: &[&OsStr]) -> Output {
        run(Command::new(&self.ipfs.program).args(words).env("IPFS_PATH", &self.folder).env("IPFS_TELEMETRY", "off"))
    }

    pub(crate) fn succeeds(&self, words: &[&OsStr]) -> Vec<u8> {
        let output = self.runs(words);
        assert!(output.status.success(), "{} {words:?}\n{}", self.ipfs.program.display(), talk(&output));
        output.stdout
    }

    pub(crate) fn has_option(&self, command: &str, option: &str) -> bool {
        talk(&self.runs(words![command, "--help"])).contains(option)
    }

    /// Adds a folder, unpinned, and gives back its CID.
    pub(crate) fn add(&self, folder: &Path, options: &[&str]) -> String {
        let mut words = words!["add", "-r", "-Q", "--pin=false"].to_vec();
        words.extend(options.iter().map(OsStr::new));
        words.push(folder.as_os_str());
        line(&self.succeeds(&words))
    }

    /// The CIDs of every block of a DAG, the root's first.
    pub(crate) fn block_cids(&self, root: &str) -> Vec<String> {
        let below = String::from_utf8(self.succeeds(words!["refs", "-r", "-u", root])).expect("refs prints text");
        std::iter::once(root).chain(below.lines()).map(str::to_owned).collect()
    }

    pub(crate) fn export(&self, root: &str, file: &Path) {
        std::fs::write(file, self.succeeds(words!["dag", "export", root])).expect("write the export");
    }

    pub(crate) fn block(&self, cid: &str) -> Vec<u8> {
        self.succeeds(words!["block", "get", cid])
    }

    pub(crate) fn import(&self, file: &Path) {
        self.succeeds(words!["dag", "import", file]);
    }

    pub(crate) fn get(&self, root: &str, folder: &Path) {
        self.succeeds(words!["get", "-o", folder, root]);
    }
}

/// The JavaScript packer and unpacker.
pub(crate) struct IpfsCar {
    program: PathBuf,
}

impl IpfsCar {
    pub(crate) fn find() -> Option<Self> {
        let program = find("ipfs-car", "node_modules/.bin");
        if program.is_none() {
            require("ipfs-car");
        }
        program.map(|program| Self { program })
    }

    pub(crate) fn succeeds(&self, words: &[&OsStr]) -> String {
        let output = run(Command::new(&self.program).args(words));
        assert!(output.status.success(), "ipfs-car {words:?}\n{}", talk(&output));
        line(&output.stdout)
    }
}

/// Makes the sample archives anew in a folder, or does nothing where a peer is absent.
pub(crate) fn make_samples(script: &Path, folder: &Path) -> bool {
    if Ipfs::all().is_empty() || IpfsCar::find().is_none() || !installed().join("stamp").exists() {
        return false;
    }
    let output = run(Command::new(script).arg(folder));
    assert!(output.status.success(), "{}\n{}", script.display(), talk(&output));
    true
}

fn line(output: &[u8]) -> String {
    String::from_utf8_lossy(output).trim_end().to_owned()
}
