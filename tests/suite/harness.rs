//! Running the program under watch: what it printed, how it ended, how long it took and how much memory it held.

use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How many times longer a debug build on a busy machine may take than the bound that a fixture states.
pub(crate) const PATIENCE: u32 = if cfg!(debug_assertions) { 5 } else { 1 };

/// Where the program's standard input comes from.
#[derive(Debug, Clone, Default)]
pub(crate) enum Stdin {
    /// `/dev/null`.
    #[default]
    Nothing,
    /// A file, seekable, as in `cartool verify - < FILE`.
    File(PathBuf),
    /// A pipe that delivers these bytes and ends.
    Pipe(Vec<u8>),
    /// A pipe that delivers them one at a time.
    Trickle(Vec<u8>),
    /// A pipe that delivers these bytes and then neither speaks nor ends.
    Stalled(Vec<u8>),
}

/// A run of the program, to be described and started.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    args: Vec<OsString>,
    stdin: Stdin,
    cwd: Option<PathBuf>,
    envs: Vec<(OsString, OsString)>,
    limit: Duration,
    stdout_max: Option<usize>,
    interrupt_after: Option<Duration>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Done {
    command: String,
    /// The exit code, unless a signal ended the program.
    pub(crate) code: Option<i32>,
    signal: Option<i32>,
    timed_out: bool,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// Most memory resident at once. Sampled every half millisecond from the kernel's own high-water mark, so only what
    /// is touched in the last moment before the exit escapes it.
    pub(crate) peak_kib: u64,
    pub(crate) took: Duration,
}

/// Describes a run with these arguments.
pub(crate) fn cartool<I, S>(args: I) -> Run
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let args = args.into_iter().map(|a| a.as_ref().to_owned()).collect();
    let limit = Duration::from_secs(10) * PATIENCE;
    Run { args, stdin: Stdin::Nothing, cwd: None, envs: Vec::new(), limit, stdout_max: None, interrupt_after: None }
}

impl Run {
    pub(crate) fn stdin(mut self, stdin: Stdin) -> Run {
        self.stdin = stdin;
        self
    }

    pub(crate) fn cwd(mut self, dir: &Path) -> Run {
        self.cwd = Some(dir.to_owned());
        self
    }

    pub(crate) fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Run {
        self.envs.push((key.into(), value.as_ref().to_owned()));
        self
    }

    /// Kills the program after this long.
    pub(crate) fn limit(mut self, limit: Duration) -> Run {
        self.limit = limit;
        self
    }

    /// Reads this many bytes of the program's output and closes the pipe, as `head` does.
    pub(crate) fn close_stdout_after(mut self, bytes: usize) -> Run {
        self.stdout_max = Some(bytes);
        self
    }

    /// Sends SIGINT, as Ctrl-C does, after this long.
    pub(crate) fn interrupt_after(mut self, wait: Duration) -> Run {
        self.interrupt_after = Some(wait);
        self
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self) -> Done {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cartool"));
        command.args(&self.args).stdout(Stdio::piped()).stderr(Stdio::piped());
        for key in ["NO_COLOR", "CLICOLOR_FORCE", "CARTOOL_GATEWAYS", "CARTOOL_SHA256", "RUST_BACKTRACE"] {
            command.env_remove(key);
        }
        command.envs(self.envs.iter().map(|(k, v)| (k, v)));
        if let Some(dir) = &self.cwd {
            command.current_dir(dir);
        }
        match &self.stdin {
            Stdin::Nothing => command.stdin(Stdio::null()),
            Stdin::File(path) => command.stdin(File::open(path).expect("the input opens")),
            Stdin::Pipe(_) | Stdin::Trickle(_) | Stdin::Stalled(_) => command.stdin(Stdio::piped()),
        };
        let start = Instant::now();
        let mut child = command.spawn().expect("the program starts");
        // Held until the program has ended: dropping it would end a stalled pipe.
        let feeder = feed(&mut child, &self.stdin);
        let stdout = drain(child.stdout.take().expect("piped"), self.stdout_max);
        let stderr = drain(child.stderr.take().expect("piped"), None);
        let (status, peak_kib, timed_out) = self.watch(&mut child, start);
        let took = start.elapsed();
        if let Some(feeder) = feeder {
            drop(feeder.join());
        }
        Done {
            command: describe(&self.args, &self.stdin),
            code: status.code(),
            signal: status.signal(),
            timed_out,
            stdout: stdout.join().expect("the output is read"),
            stderr: stderr.join().expect("the errors are read"),
            peak_kib,
            took,
        }
    }

    fn watch(&self, child: &mut Child, start: Instant) -> (std::process::ExitStatus, u64, bool) {
        let (mut peak, mut timed_out, mut interrupted) = (0, false, false);
        loop {
            if let Some(status) = child.try_wait().expect("the program can be waited for") {
                return (status, peak, timed_out);
            }
            peak = peak.max(high_water_kib(child.id()));
            if start.elapsed() > self.limit && !timed_out {
                timed_out = true;
                child.kill().expect("the program can be killed");
            }
            if self.interrupt_after.is_some_and(|after| start.elapsed() > after) && !interrupted {
                interrupted = true;
                let kill = format!("kill -INT {}", child.id());
                Command::new("sh").args(["-c", &kill]).status().expect("a shell runs");
            }
            thread::sleep(Duration::from_micros(500));
        }
    }
}

/// The most memory that a started program held. Nothing at the moment when it still is this process: a parent is woken just before.
fn high_water_kib(id: u32) -> u64 {
    let program = std::fs::read_link(format!("/proc/{id}/exe")).ok();
    if program.is_none() || program == std::env::current_exe().ok() {
        return 0;
    }
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn feed(child: &mut Child, stdin: &Stdin) -> Option<JoinHandle<()>> {
    let mut pipe = child.stdin.take()?;
    let stdin = stdin.clone();
    let pid = child.id();
    Some(thread::spawn(move || {
        // A program that stops reading early closes the pipe: its own business, not a failure here.
        match stdin {
            Stdin::Pipe(bytes) => drop(pipe.write_all(&bytes)),
            Stdin::Trickle(bytes) => drop(bytes.iter().try_for_each(|b| pipe.write_all(&[*b]).and_then(|()| pipe.flush()))),
            Stdin::Stalled(bytes) => {
                drop(pipe.write_all(&bytes));
                // The state after the command name; a zombie or no process at all has ended.
                let alive = || {
                    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                    stat.rsplit(')').next().is_some_and(|s| !s.trim().is_empty() && !s.trim_start().starts_with('Z'))
                };
                while alive() {
                    thread::sleep(Duration::from_millis(5));
                }
            }
            Stdin::Nothing | Stdin::File(_) => {}
        }
    }))
}

fn drain(mut from: impl Read + Send + 'static, max: Option<usize>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        match max {
            None => drop(from.read_to_end(&mut bytes)),
            Some(max) => drop(from.take(max as u64).read_to_end(&mut bytes)),
        }
        bytes
    })
}

fn describe(args: &[OsString], stdin: &Stdin) -> String {
    let mut text = String::from("cartool");
    for arg in args {
        write!(text, " {}", arg.to_string_lossy().escape_debug()).expect("writing to a string");
    }
    match stdin {
        Stdin::Nothing => {}
        Stdin::File(path) => write!(text, " < {}", path.display()).expect("writing to a string"),
        Stdin::Pipe(bytes) => write!(text, " (pipe of {} bytes)", bytes.len()).expect("writing to a string"),
        Stdin::Trickle(bytes) => write!(text, " (pipe of {} single bytes)", bytes.len()).expect("writing to a string"),
        Stdin::Stalled(bytes) => write!(text, " (pipe stalled after {} bytes)", bytes.len()).expect("writing to a string"),
    }
    text
}

impl Done {
    /// What no run may ever do: crash, hang, or put raw control characters of the archive on the terminal.
    pub(crate) fn sane(&self) -> Result<(), String> {
        if self.timed_out {
            return Err(format!("still running after {:?}", self.took));
        }
        if let Some(signal) = self.signal {
            return Err(format!("ended by signal {signal}"));
        }
        let stderr = std::str::from_utf8(&self.stderr).map_err(|e| format!("stderr is not UTF-8: {e}"))?;
        if self.code == Some(101) || stderr.contains("panicked at") {
            return Err(format!("panicked: {}", first_line(stderr)));
        }
        match raw_control(stderr) {
            Some(c) => Err(format!("raw control character {c:?} on stderr")),
            None => Ok(()),
        }
    }

    /// Standard output as text for a terminal: UTF-8 without raw control characters.
    pub(crate) fn terminal_text(&self) -> Result<&str, String> {
        let text = std::str::from_utf8(&self.stdout).map_err(|e| format!("stdout is not UTF-8: {e}"))?;
        raw_control(text).map_or(Ok(text), |c| Err(format!("raw control character {c:?} on stdout")))
    }

    /// Panics unless the run was sane and ended with this code.
    #[track_caller]
    pub(crate) fn exits(&self, code: i32) -> &Done {
        if let Err(why) = self.sane() {
            panic!("{why}\n{self}");
        }
        assert_eq!(self.code, Some(code), "exit code\n{self}");
        self
    }

    /// Panics unless the run was sane and failed; returns its code.
    #[track_caller]
    pub(crate) fn fails(&self) -> i32 {
        if let Err(why) = self.sane() {
            panic!("{why}\n{self}");
        }
        self.code.filter(|code| *code != 0).unwrap_or_else(|| panic!("a success\n{self}"))
    }

    /// Panics unless standard error is exactly one line; returns it.
    #[track_caller]
    pub(crate) fn one_line_error(&self) -> &str {
        let text = self.talk();
        assert_eq!(text.lines().count(), 1, "one line on stderr\n{self}");
        text.trim_end()
    }

    /// Standard error as text.
    #[track_caller]
    pub(crate) fn talk(&self) -> &str {
        std::str::from_utf8(&self.stderr).unwrap_or_else(|e| panic!("stderr is not UTF-8: {e}\n{self}"))
    }

    /// Standard output as text.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap_or_else(|e| panic!("stdout is not UTF-8: {e}\n{self}"))
    }

    /// Every JSON document on standard output.
    pub(crate) fn documents(&self) -> Result<Vec<Value>, String> {
        let stream = serde_json::Deserializer::from_slice(&self.stdout).into_iter();
        stream.collect::<Result<_, _>>().map_err(|e| format!("stdout is not JSON: {e}"))
    }

    /// The only JSON document on standard output.
    pub(crate) fn document(&self) -> Result<Value, String> {
        let mut documents = self.documents()?;
        match documents.len() {
            1 => Ok(documents.remove(0)),
            n => Err(format!("{n} JSON documents on stdout, expected 1 (exit {:?}, stderr {:?})", self.code, self.first_talk())),
        }
    }

    /// The first line of standard error, for a report.
    pub(crate) fn first_talk(&self) -> String {
        first_line(&String::from_utf8_lossy(&self.stderr))
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let show = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned();
        writeln!(f, "  {}", self.command)?;
        writeln!(f, "  exit {:?}, signal {:?}, {:?}, {} KiB", self.code, self.signal, self.took, self.peak_kib)?;
        writeln!(f, "  stdout: {:?}\n  stderr: {:?}", show(&self.stdout), show(&self.stderr))
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or("").chars().take(160).collect()
}

/// The first character that could drive a terminal: C0 but newline and tab, DEL, C1, and the overrides of direction.
fn raw_control(text: &str) -> Option<char> {
    let drives =
        |c: char| (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().find(|c| drives(*c))
}

/// The fixtures outside the package, or a loud note that this test did nothing.
pub(crate) fn shared(test: &str) -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    match dir.canonicalize() {
        Ok(dir) => Some(dir),
        Err(_) => {
            // Past the capture of the test runner, which would hide it from a passing test.
            drop(writeln!(std::io::stderr(), "{test}: skipped: ../shared is absent"));
            None
        }
    }
}

/// Reads a manifest: its header line, and its entries.
pub(crate) fn manifest(path: &Path) -> (Value, Vec<Value>) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut lines = text.lines().map(|l| serde_json::from_str::<Value>(l).expect("a manifest line is JSON"));
    (lines.next().expect("a manifest has a header"), lines.collect())
}

/// What went wrong where; a test collects everything before it fails.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    rows: Vec<(String, String)>,
    checked: usize,
}

impl Failures {
    /// Notes the outcome of one check.
    pub(crate) fn check(&mut self, case: &str, outcome: Result<(), String>) {
        self.checked += 1;
        if let Err(why) = outcome {
            self.rows.push((case.to_owned(), why));
        }
    }

    /// Fails with a table of everything noted.
    #[track_caller]
    pub(crate) fn finish(self) {
        let width = self.rows.iter().map(|(case, _)| case.len()).max().unwrap_or(0);
        let table: String = self.rows.iter().fold(String::new(), |mut table, (case, why)| {
            writeln!(table, "  {case:width$}  {why}").expect("writing to a string");
            table
        });
        assert!(self.rows.is_empty(), "{} of {} checks failed\n{table}", self.rows.len(), self.checked);
        assert!(self.checked > 0, "nothing was checked");
    }
}

/// `Err` with the two values unless they are equal.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, actual: T, expected: T) -> Result<(), String> {
    if actual == expected { Ok(()) } else { Err(format!("{what}: {actual:?}, expected {expected:?}")) }
}
