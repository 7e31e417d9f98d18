//! What a run may ask whom for, how long it waits, and where it stops (ARCHIVE.md, "Common").

use super::Endpoint;
use std::path::PathBuf;
use std::time::Duration;

/// A source in the network.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Remote {
    /// A trustless gateway (`--gateway`).
    Gateway(Endpoint),
    /// The RPC of a Kubo node (`--kubo`).
    Kubo(Endpoint),
}

impl Remote {
    /// Where it is.
    pub fn endpoint(&self) -> &Endpoint {
        match self {
            Remote::Gateway(endpoint) | Remote::Kubo(endpoint) => endpoint,
        }
    }
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection (`--connect-timeout`, 10 s).
    pub connect: Duration,
    /// For the first byte of an answer (`--first-byte-timeout`, 60 s): a gateway may have to find the content first.
    pub first_byte: Duration,
    /// Between two bytes (`--idle-timeout`, 30 s).
    pub idle: Duration,
    /// For one request, redirects and body together (`--request-timeout`, 1 h).
    pub request: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        let seconds = Duration::from_secs;
        Timeouts { connect: seconds(10), first_byte: seconds(60), idle: seconds(30), request: seconds(3600) }
    }
}

/// The sources of a run and its bounds. Nothing is assumed: by default there are no sources.
#[derive(Debug, Clone)]
pub struct Options {
    /// Sources in the network, in the order in which they are asked.
    pub remotes: Vec<Remote>,
    /// Archives, or directories of archives, that are looked into before anything is asked for (`--from`).
    pub from: Vec<PathBuf>,
    /// Longest block in bytes (`--max-block`, 2 MiB): what every implementation passes on.
    pub block_len_max: u64,
    /// Most bytes to receive in the run (`--max-bytes`, 32 GiB).
    pub bytes_max: u64,
    /// Most blocks to receive in the run (`--max-blocks`, 50 million).
    pub blocks_max: u64,
    /// The largest DAG, by the size that its root declares, that is fetched whole when only a path of it is asked for
    /// (`--auto-root-max`, 256 MiB).
    pub auto_root_max: u64,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// How often a request is sent again to the same source (`--retries`, 3).
    pub retries: u32,
    /// Requests at a time (`--concurrency`, 4).
    pub concurrency: usize,
    /// Requests at a time to one host (2).
    pub host_concurrency: usize,
    /// The first pause after a failed request, doubled with each (1 s); the real one is a random part of it.
    pub backoff: Duration,
    /// The longest pause that a source may ask for (`--max-wait`, 120 s); one that asks for more is given up.
    pub wait_max: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            remotes: Vec::new(),
            from: Vec::new(),
            block_len_max: 2 << 20,
            bytes_max: 32 << 30,
            blocks_max: 50_000_000,
            auto_root_max: 256 << 20,
            timeouts: Timeouts::default(),
            retries: 3,
            concurrency: 4,
            host_concurrency: 2,
            backoff: Duration::from_secs(1),
            wait_max: Duration::from_secs(120),
        }
    }
}
