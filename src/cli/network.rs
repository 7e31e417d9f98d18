//! Options of the commands that ask the network, and `cartool gateways`.

use super::args::{Common, size};
use super::term::Out;
use super::{OK, term};
use cartool::address::Address;
use cartool::control::Control;
use cartool::error::{Error, Result};
use cartool::net::{Endpoint, Options, Remote, Session, Timeouts, gateways};
use std::path::PathBuf;
use std::time::Duration;

/// Whom to ask, how long to wait, where to stop.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Network options")]
pub(crate) struct Network {
    /// A trustless gateway: a URL, `local` (127.0.0.1:8080) or `public` (see `cartool gateways`); asked in order [env: CARTOOL_GATEWAYS]
    #[arg(long, value_name = "URL")]
    gateway: Vec<String>,
    /// The RPC of a Kubo node, such as http://127.0.0.1:5001
    #[arg(long, value_name = "URL")]
    kubo: Vec<String>,
    /// Longest block to take
    #[arg(long, default_value = "2MiB", value_name = "SIZE", value_parser = size)]
    max_block: u64,
    /// Most blocks to receive
    #[arg(long, default_value_t = 50_000_000, value_name = "N", hide_short_help = true)]
    max_blocks: u64,
    /// Requests at a time (at most 2 to one host)
    #[arg(long, default_value = "4", value_name = "N", hide_short_help = true)]
    concurrency: std::num::NonZeroUsize,
    /// How often a failed request is sent again to the same source
    #[arg(long, default_value_t = 3, value_name = "N", hide_short_help = true)]
    retries: u32,
    /// First pause after a failed request; it doubles, and the real one is a random part of it
    #[arg(long, default_value = "1s", value_name = "TIME", value_parser = duration, hide_short_help = true)]
    backoff: Duration,
    /// Longest pause that a server may ask for
    #[arg(long, default_value = "120s", value_name = "TIME", value_parser = duration, hide_short_help = true)]
    max_wait: Duration,
    /// Longest wait for a connection
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = duration, hide_short_help = true)]
    connect_timeout: Duration,
    /// Longest wait for an answer to begin
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = duration, hide_short_help = true)]
    first_byte_timeout: Duration,
    /// Longest silence inside an answer
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = duration, hide_short_help = true)]
    idle_timeout: Duration,
    /// Longest request altogether
    #[arg(long, default_value = "1h", value_name = "TIME", value_parser = duration, hide_short_help = true)]
    request_timeout: Duration,
}

/// Most bytes to receive, unless `--max-bytes` says otherwise.
const BYTES_MAX: u64 = 32 << 30;

impl Network {
    /// A session with these sources and the archives `from`.
    pub(crate) fn session(&self, from: &[PathBuf], auto_root_max: u64, common: &Common, control: &Control) -> Result<Session> {
        Session::new(self.options(from, auto_root_max, common)?, control)
    }

    /// What these options and the environment mean to the library.
    pub(crate) fn options(&self, from: &[PathBuf], auto_root_max: u64, common: &Common) -> Result<Options> {
        let mut remotes = Vec::new();
        let environment = std::env::var("CARTOOL_GATEWAYS").unwrap_or_default();
        let named: Vec<&str> = match self.gateway.is_empty() {
            true => environment.split_whitespace().collect(),
            false => self.gateway.iter().map(String::as_str).collect(),
        };
        for gateway in named {
            match gateway {
                "local" => remotes.push(Remote::Gateway(Endpoint::local_gateway())),
                "public" => {
                    for url in gateways::PUBLIC {
                        remotes.push(Remote::Gateway(url.parse()?));
                    }
                }
                url => remotes.push(Remote::Gateway(url.parse()?)),
            }
        }
        for url in &self.kubo {
            remotes.push(Remote::Kubo(url.parse()?));
        }
        Ok(Options {
            remotes,
            from: from.to_vec(),
            block_len_max: self.max_block,
            bytes_max: common.bytes_max_or(BYTES_MAX),
            blocks_max: self.max_blocks,
            auto_root_max,
            timeouts: Timeouts {
                connect: self.connect_timeout,
                first_byte: self.first_byte_timeout,
                idle: self.idle_timeout,
                request: self.request_timeout,
            },
            retries: self.retries,
            concurrency: self.concurrency.get(),
            backoff: self.backoff,
            wait_max: self.max_wait,
            ..Options::default()
        })
    }
}

/// The host of the URL that a person typed: asked after all others.
pub(crate) fn typed_host(address: &Address) -> Vec<Remote> {
    let (Some(scheme), Some(host)) = (address.hint_scheme, &address.hint_host) else { return Vec::new() };
    format!("{scheme}://{host}").parse().map(Remote::Gateway).into_iter().collect()
}

/// A time: `500ms`, `10s`, `2m`, `1h`; a number alone is seconds.
fn duration(text: &str) -> std::result::Result<Duration, String> {
    let wrong = || format!("{text:?} is no time: expected a number and a unit, as in 500ms, 10s, 2m or 1h");
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = |factor: u64| number.checked_mul(factor).filter(|seconds| *seconds < 1 << 32).map(Duration::from_secs);
    match unit.trim() {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => seconds(1),
        "m" | "min" => seconds(60),
        "h" => seconds(3600),
        _ => None,
    }
    .ok_or_else(wrong)
}

/// List the public gateways that `--gateway public` asks
#[derive(Debug, clap::Args)]
pub(crate) struct GatewaysArgs {
    /// Print a JSON document
    #[arg(long)]
    json: bool,
}

pub(crate) fn list(args: &GatewaysArgs, common: &Common) -> Result<u8> {
    let mut out = Out::new(common);
    if args.json {
        out.json(&serde_json::json!({"listed_on": gateways::LISTED_ON, "gateways": gateways::PUBLIC}))?;
    } else {
        gateways::PUBLIC.iter().try_for_each(|url| out.line(url))?;
    }
    out.finish()?;
    if !args.json {
        term::talk(common, &format!("as of {}; none is asked unless --gateway public says so", gateways::LISTED_ON));
    }
    Ok(OK)
}

/// An address of content, as typed.
pub(crate) fn address(text: &str) -> Result<Address> {
    cartool::address::parse_content(text, &Default::default()).map_err(|e| Error::usage(format!("{text}: {e} ({})", e.reason())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!((duration("10"), duration("2m")), (Ok(Duration::from_secs(10)), Ok(Duration::from_secs(120))));
        assert!(duration("").is_err() && duration("1x").is_err() && duration("99999999999999999h").is_err());
    }
}
