//! Options that several commands share.

use cartool::control::Control;
use cartool::error::{Error, Result};
use cartool::format::TrailingZeros;
use cartool::limits::Limits;
use clap::{Args, ValueEnum};

/// When to do something that only makes sense on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct Common {
    /// Say nothing on standard error but errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Colour in text output
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(crate) color: When,
    /// Progress bar on standard error
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(crate) progress: When,
    /// Threads that hash [default: all cores, at most 16]
    #[arg(long, global = true, value_name = "N")]
    threads: Option<std::num::NonZeroUsize>,
    /// Longest header to read
    #[arg(long, global = true, default_value = "32MiB", value_name = "SIZE", value_parser = size, hide_short_help = true)]
    max_header: u64,
    /// Longest section (CID and block) to read
    #[arg(long, global = true, default_value = "8MiB", value_name = "SIZE", value_parser = size, hide_short_help = true)]
    max_section: u64,
    /// Most levels of directories, links or nesting to follow
    #[arg(long, global = true, default_value_t = 1024, value_name = "N", hide_short_help = true)]
    max_depth: u32,
    /// Most files and directories to list or write [default: 16384 plus 16 for each link of the directories read]
    #[arg(long, global = true, value_name = "N", hide_short_help = true)]
    max_entries: Option<u64>,
    /// Most bytes of files to write [default: 1TiB], or to receive [default: 32GiB]
    #[arg(long, global = true, value_name = "SIZE", value_parser = size, hide_short_help = true)]
    max_bytes: Option<u64>,
    /// Take zeros behind the last section as padding, not as a fault
    #[arg(long, global = true, hide_short_help = true)]
    allow_trailing_zeros: bool,
}

impl Common {
    /// What the options mean to the library. Ctrl-C stops the work; a second one ends the process.
    pub(crate) fn control(&self) -> Result<Control> {
        let mut control = Control::default();
        control.limits = Limits {
            header_len_max: self.max_header,
            section_len_max: self.max_section,
            depth_max: self.max_depth,
            entries_max: self.max_entries,
            bytes_max: self.bytes_max_or(Limits::default().bytes_max),
        };
        if self.allow_trailing_zeros {
            control.trailing_zeros = TrailingZeros::Allow;
        }
        if let Some(threads) = self.threads {
            control.threads = threads.get();
        }
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            let flag = control.stop_flag();
            signal_hook::flag::register_conditional_shutdown(signal, i32::from(super::INTERRUPTED), flag.clone())
                .and_then(|_| signal_hook::flag::register(signal, flag))
                .map_err(|e| Error::io(e, "cannot watch for Ctrl-C"))?;
        }
        Ok(control)
    }
}

impl Common {
    /// `--max-bytes`, or what the command takes for it.
    pub(crate) fn bytes_max_or(&self, default: u64) -> u64 {
        self.max_bytes.unwrap_or(default)
    }
}

/// A number of bytes: `100`, `64KiB`, `8MiB`, `1GB`.
pub(crate) fn size(text: &str) -> std::result::Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| format!("{text:?} is no size: expected a number and a unit, as in 8MiB"))?;
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        unit => return Err(format!("{unit:?} is no unit of size: expected KiB, MiB, GiB, TiB, kB, MB, GB or TB")),
    };
    number.checked_mul(unit).ok_or_else(|| format!("{text} is more bytes than can be counted"))
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes() {
        assert_eq!(size("8MiB"), Ok(8 << 20));
        assert_eq!(size("100"), Ok(100));
        assert_eq!(size("2 GB"), Ok(2_000_000_000));
        assert!(size("MiB").is_err() && size("1x").is_err() && size("99999999999TiB").is_err());
    }
}
