//! Text on its way to a person: escaped, coloured, and never a panic when nobody reads it.

use super::args::{Common, When};
use cartool::control::Control;
use cartool::error::{Error, Result, Severity};
use indicatif::{ProgressBar, ProgressStyle};
use std::borrow::Cow;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Text from an archive as one line that is safe to print: control characters, line breaks and characters that change the
/// direction of text are written as escapes.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    escape_with(text, |out, c| out.extend(c.escape_default()))
}

/// JSON text with the same characters as `\u` escapes: the same value, safe to print. They stand in strings only.
fn escape_json(text: &str) -> Cow<'_, str> {
    escape_with(text, |out, c| c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))))
}

fn escape_with(text: &str, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    let is_plain = |c: char| {
        !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_plain(c) { out.push(c) } else { escape(&mut out, c) }
    }
    Cow::Owned(out)
}

/// A name or path from an archive as one line: what is not UTF-8 is written as `\xNN`.
pub(crate) fn escape_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&escape(chunk.valid()));
        chunk.invalid().iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    out
}

/// Standard output, buffered.
pub(crate) struct Out {
    out: BufWriter<StdoutLock<'static>>,
    colored: bool,
}

impl Out {
    pub(crate) fn new(common: &Common) -> Out {
        Out { out: BufWriter::new(io::stdout().lock()), colored: is_colored(common.color, io::stdout().is_terminal()) }
    }

    /// One line of text, escaped.
    pub(crate) fn line(&mut self, text: &str) -> Result<()> {
        let text = escape(text);
        self.out.write_all(text.as_bytes()).and_then(|()| self.out.write_all(b"\n")).map_err(failed)
    }

    /// One line that starts with a coloured word.
    pub(crate) fn marked(&mut self, before: &str, word: &str, severity: Severity, after: &str) -> Result<()> {
        let (on, off) = match severity {
            _ if !self.colored => ("", ""),
            Severity::Error => ("\x1b[1;31m", "\x1b[0m"),
            Severity::Unverified | Severity::Incomplete => ("\x1b[1;33m", "\x1b[0m"),
            Severity::Note => ("\x1b[1;32m", "\x1b[0m"),
        };
        writeln!(self.out, "{}{on}{word}{off}{}", escape(before), escape(after)).map_err(failed)
    }

    /// One JSON value, on a line of its own.
    pub(crate) fn json(&mut self, value: &serde_json::Value) -> Result<()> {
        let text = value.to_string();
        self.out.write_all(escape_json(&text).as_bytes()).and_then(|()| self.out.write_all(b"\n")).map_err(failed)
    }

    /// Bytes as they are: only what was hashed.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(failed)
    }

    /// To be called last: what is still buffered may not reach its reader.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.out.flush().map_err(failed)
    }
}

fn failed(error: io::Error) -> Error {
    Error::io(error, "cannot write to standard output")
}

fn is_colored(when: When, is_terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto if set("NO_COLOR") => false,
        When::Auto => is_terminal || set("CLICOLOR_FORCE"),
    }
}

/// One line to standard error that is not an error.
pub(crate) fn talk(common: &Common, text: &str) {
    if !common.quiet {
        say(text);
    }
}

/// An error, as one line on standard error.
pub(crate) fn error(error: &Error) {
    say(&format!("cartool: {error}"));
}

/// A warning, as one line on standard error.
pub(crate) fn warn(common: &Common, text: &str) {
    talk(common, &format!("cartool: warning: {text}"));
}

fn say(text: &str) {
    // When standard error is gone there is nobody left to tell.
    let _ = writeln!(io::stderr(), "{}", escape(text));
}

/// A progress display that follows a [`Control`]; gone when dropped.
pub(crate) struct Progress {
    /// Dropping it ends the thread.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Progress {
    /// Shows how much of `total` bytes (when known) has been read; shows nothing when nothing is wanted.
    pub(crate) fn start(common: &Common, control: &Control, total: Option<u64>) -> Progress {
        Progress::with(common, Counted { total, bytes: control.bytes_done(), blocks: None })
    }

    /// Shows how many bytes and blocks have come so far.
    pub(crate) fn counting(common: &Common, control: &Control, blocks: Arc<AtomicU64>) -> Progress {
        Progress::with(common, Counted { total: None, bytes: control.bytes_done(), blocks: Some(blocks) })
    }

    fn with(common: &Common, counted: Counted) -> Progress {
        let terminal = io::stderr().is_terminal();
        let wanted = match common.progress {
            When::Always => true,
            When::Never => false,
            When::Auto => terminal && !common.quiet,
        };
        if !wanted {
            return Progress { stop: None, thread: None };
        }
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || if terminal { bar(&counted, &stopped) } else { lines(&counted, &stopped) });
        Progress { stop: Some(stop), thread: Some(thread) }
    }
}

/// What is shown.
struct Counted {
    total: Option<u64>,
    bytes: Arc<AtomicU64>,
    blocks: Option<Arc<AtomicU64>>,
}

impl Counted {
    fn blocks(&self) -> Option<u64> {
        self.blocks.as_ref().map(|blocks| blocks.load(Ordering::Relaxed))
    }
}

fn bar(counted: &Counted, stopped: &mpsc::Receiver<()>) {
    let bar = counted.total.map_or_else(ProgressBar::no_length, ProgressBar::new);
    let template = match counted.total {
        Some(_) => "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        None => "{spinner} {bytes} {bytes_per_sec} {msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(Duration::from_millis(100)) {
        if let Some(blocks) = counted.blocks() {
            bar.set_message(super::report::count(blocks, "block"));
        }
        bar.set_position(counted.bytes.load(Ordering::Relaxed));
    }
    bar.finish_and_clear();
}

/// For a log: a line a second, and one at the end.
fn lines(counted: &Counted, stopped: &mpsc::Receiver<()>) {
    loop {
        let wait = stopped.recv_timeout(Duration::from_secs(1));
        let read = counted.bytes.load(Ordering::Relaxed);
        say(&match (counted.total, counted.blocks()) {
            (Some(total), _) => format!("{read} of {total} bytes read"),
            (None, Some(blocks)) => format!("{read} bytes read, {}", super::report::count(blocks, "block")),
            (None, None) => format!("{read} bytes read"),
        });
        if !matches!(wait, Err(mpsc::RecvTimeoutError::Timeout)) {
            return;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It only draws; if it failed there is nothing to mend.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_untrusted_reaches_a_terminal_raw() {
        assert_eq!(escape("a b.png"), "a b.png");
        assert_eq!(escape("\x1b[31mred\n"), "\\u{1b}[31mred\\n");
        assert_eq!(escape("\u{202e}gnp.exe"), "\\u{202e}gnp.exe");
        let json = serde_json::Value::from("a\u{202e}\u{9b}b\n").to_string();
        assert_eq!(escape_json(&json), r#""a\u202e\u009bb\n""#);
        assert_eq!(escape_bytes(b"ok\xff\x00\xc3\xa9"), "ok\\xff\\u{0}é");
    }
}
