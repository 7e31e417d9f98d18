//! The programs under test: `cartool`, and the peers it is compared with.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
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
pub(crate) fn installed() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("peers")
}

/// The program of that name at a place under the installed peers, which are pinned, or else in PATH.
fn find(name: &str, place: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let pinned = installed().join(place);
    std::iter::once(pinned).chain(std::env::split_paths(&path)).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Says once that a peer is absent. The test harness captures `println!` of a test that passes; this is seen.
fn skipped(name: &'static str) {
    static SAID: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    if SAID.lock().expect("no test panics while it says this").insert(name) {
        let _ = writeln!(std::io::stderr(), "skipped: no {name} in PATH");
    }
}

/// The path of a peer, if it is on this machine, where it must be when peers are required.
pub(crate) fn peer(name: &'static str, place: &str) -> Option<PathBuf> {
    Peer::find(name, place).map(|peer| peer.program)
}

/// A peer: a program that is no part of cartool.
pub(crate) struct Peer {
    name: &'static str,
    program: PathBuf,
}

impl Peer {
    /// The peer if it is on this machine, where it must be when peers are required.
    fn find(name: &'static str, place: &str) -> Option<Self> {
        let program = find(name, place);
        if program.is_none() {
            let required = std::env::var_os("CARTOOL_REQUIRE_PEERS").is_some_and(|value| value == "1");
            assert!(!required, "CARTOOL_REQUIRE_PEERS is 1, but there is no {name} in {} or PATH", installed().display());
            skipped(name);
        }
        program.map(|program| Self { name, program })
    }

    /// Kubo.
    pub(crate) fn ipfs() -> Option<Self> {
        Self::find("ipfs", "bin")
    }

    /// The go-car library behind a command line of ours, `tests/peers/gocar`.
    pub(crate) fn go_car() -> Option<Self> {
        Self::find("gocar", "bin")
    }

    /// The JavaScript packer and unpacker.
    pub(crate) fn ipfs_car() -> Option<Self> {
        Self::find("ipfs-car", "node_modules/.bin")
    }

    /// Runs the peer, which must succeed, and gives back its output.
    pub(crate) fn succeeds(&self, words: &[&OsStr]) -> String {
        line(&self.successful(Command::new(&self.program).args(words)))
    }

    /// As [`Peer::succeeds`], for output that is no text.
    pub(crate) fn gives(&self, words: &[&OsStr]) -> Vec<u8> {
        self.successful(Command::new(&self.program).args(words))
    }

    fn successful(&self, command: &mut Command) -> Vec<u8> {
        let output = run(command);
        assert!(output.status.success(), "{} {:?}\n{}", self.name, command.get_args(), talk(&output));
        output.stdout
    }

    /// A new, empty repository of Kubo. The profile for tests leaves it without peers, addresses of theirs, and syncs to disk.
    pub(crate) fn repository(&self, folder: PathBuf) -> Repository<'_> {
        let repository = Repository { ipfs: self, folder };
        repository.succeeds(words!["init", "--empty-repo", "--profile=test"]);
        repository
    }
}

/// One repository of Kubo, which no network stands behind: a block that is not here is missing.
pub(crate) struct Repository<'a> {
    ipfs: &'a Peer,
    folder: PathBuf,
}

impl Repository<'_> {
    fn command(&self, words: &[&OsStr]) -> Command {
        let mut command = Command::new(&self.ipfs.program);
        command.arg("--offline").args(words).env("IPFS_PATH", &self.folder).env("IPFS_TELEMETRY", "off");
        command
    }

    pub(crate) fn runs(&self, words: &[&OsStr]) -> Output {
        run(&mut self.command(words))
    }

    pub(crate) fn succeeds(&self, words: &[&OsStr]) -> Vec<u8> {
        self.ipfs.successful(&mut self.command(words))
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

/// A node of Kubo that serves a repository on loopback ports that were free, without a network; it ends with this value.
pub(crate) struct Daemon {
    child: Child,
    /// Base URLs.
    pub(crate) rpc: String,
    pub(crate) gateway: String,
}

impl Repository<'_> {
    /// Starts the node and waits until it says that it is ready.
    pub(crate) fn daemon(&self) -> Daemon {
        let mut child = self.command(words!["daemon"]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("ipfs starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let (mut rpc, mut gateway) = (String::new(), String::new());
        let mut daemon = Daemon { child, rpc: String::new(), gateway: String::new() };
        for line in lines.map(|line| line.expect("ipfs prints text")) {
            let port = line.rsplit('/').next().map(|port| format!("http://127.0.0.1:{port}")).unwrap_or_default();
            if line.starts_with("RPC API server listening on") {
                rpc = port;
            } else if line.starts_with("Gateway server listening on") {
                gateway = port;
            } else if line.starts_with("Daemon is ready") {
                break;
            }
        }
        assert!(!rpc.is_empty() && !gateway.is_empty(), "ipfs daemon did not say where it listens");
        (daemon.rpc, daemon.gateway) = (rpc, gateway);
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Makes the sample archives anew in a folder, or does nothing where a peer is absent.
pub(crate) fn make_samples(script: &Path, folder: &Path) -> bool {
    let peers = [Peer::ipfs(), Peer::go_car(), Peer::ipfs_car()];
    if peers.iter().any(Option::is_none) || !installed().join("stamp").exists() {
        return false;
    }
    let output = run(Command::new(script).arg(folder));
    assert!(output.status.success(), "{}\n{}", script.display(), talk(&output));
    true
}

fn line(output: &[u8]) -> String {
    String::from_utf8_lossy(output).trim_end().to_owned()
}
