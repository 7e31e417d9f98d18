//! What to archive, and how far to go.

use crate::address::TokenId;
use crate::links::Role;
use crate::net::chain::{ChainId, URI_LEN_MAX};
use crate::net::{self, Endpoint, Scope};

/// Whom to ask about a chain (`--rpc [CHAIN=]URL`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainEndpoint {
    /// The chain it serves; `None`: whichever chain a token is on.
    pub chain: Option<ChainId>,
    /// Where it is.
    pub endpoint: Endpoint,
}

/// Which tokens of a contract that is named without any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Tokens {
    /// None: that is an error.
    #[default]
    Named,
    /// These (`--ids`): ranges, both ends included.
    Ranges(Vec<(TokenId, TokenId)>),
    /// All that the contract lists (`--all`; ERC-721 Enumerable).
    All,
}

/// Which links of the metadata are followed, by their role. What they lead to is followed whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roles {
    /// Only these (`--only`); empty: all.
    pub only: Vec<Role>,
    /// But not these (`--skip`).
    pub skip: Vec<Role>,
}

impl Roles {
    /// Whether links of this role are followed.
    pub fn has(&self, role: Role) -> bool {
        (self.only.is_empty() || self.only.contains(&role)) && !self.skip.contains(&role)
    }
}

/// Whether contracts are asked again for what they said before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Refresh {
    /// No.
    #[default]
    Never,
    /// Yes (`--refresh`): a URI that changed becomes a further version of its item.
    Always,
}

/// What happens to what was not asked for this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prune {
    /// It stays.
    #[default]
    Keep,
    /// It is removed (`--prune`).
    Remove,
}

/// What links to other networks mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Others {
    /// They are recorded, and change nothing.
    #[default]
    Tolerated,
    /// They make their item incomplete (`--strict`).
    Incomplete,
}

/// Whether anything is fetched or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Yes.
    #[default]
    Write,
    /// No: chains are asked, gateways are not; the result is what would be fetched first.
    DryRun,
}

/// Whether gateways that metadata names are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkedGateways {
    /// No: metadata is hostile input.
    #[default]
    Never,
    /// After all other sources; `https` and public addresses only.
    Last,
}

/// Something made of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// `data/bundle.car`: all archives as one.
    Bundle,
    /// `data/files/`: the files themselves.
    Files,
    /// `data/report.html`: a page for people.
    Report,
}

/// What to archive.
#[derive(Debug, Clone)]
pub struct Options {
    /// Sources of content, and limits of the network.
    pub net: net::Options,
    /// Whom to ask about chains, in order.
    pub endpoints: Vec<ChainEndpoint>,
    /// The chain of tokens that are named without one (`--chain`).
    pub chain: Option<ChainId>,
    /// Which tokens of contracts that are named without any.
    pub tokens: Tokens,
    /// How much of each DAG (`--scope`).
    pub scope: Scope,
    /// Rounds of links after the metadata (`--depth`, 2).
    pub link_depth: u32,
    /// Most links of one item (`--max-links`, 10,000).
    pub links_max: usize,
    /// Most items (`--max-items`, 1,000,000).
    pub items_max: usize,
    /// Longest URI of a contract in bytes (`--max-uri`, 1 MiB).
    pub uri_len_max: usize,
    /// Which links are followed.
    pub roles: Roles,
    /// Whether contracts are asked again.
    pub refresh: Refresh,
    /// What happens to what was not asked for.
    pub prune: Prune,
    /// What links to other networks mean.
    pub others: Others,
    /// Whether gateways that metadata names are asked, after all others (`--use-linked-gateways`).
    pub linked_gateways: LinkedGateways,
    /// What to make of the archive. What is there from an earlier run is made anew when the archive changes.
    pub products: Vec<Product>,
    /// Whether anything is written.
    pub mode: Mode,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            net: net::Options::default(),
            endpoints: Vec::new(),
            chain: None,
            tokens: Tokens::default(),
            scope: Scope::default(),
            link_depth: 2,
            links_max: 10_000,
            items_max: 1_000_000,
            uri_len_max: URI_LEN_MAX,
            roles: Roles::default(),
            refresh: Refresh::default(),
            prune: Prune::default(),
            others: Others::default(),
            linked_gateways: LinkedGateways::default(),
            products: Vec::new(),
            mode: Mode::default(),
        }
    }
}

/// Something a person may want to know while the work goes on. Text may be untrusted: escape before printing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// What is done now.
    Step(String),
    /// Something remarkable.
    Warning(String),
}
