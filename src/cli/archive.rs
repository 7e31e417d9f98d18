//! `cartool archive`.

use super::args::{Common, size};
use super::network::Network;
use super::report::count;
use super::term::{self, Out, Progress};
use super::{FAULT, INCOMPLETE, OK};
use cartool::address::TokenId;
use cartool::archive::{
    ChainEndpoint, Completeness, LinkedGateways, Mode, Notice, Options, Others, Problem, Product, Prune, Refresh, Reprovide,
    Roles, Summary, Tokens, car_file, collect,
};
use cartool::control::Control;
use cartool::error::{Error, Result};
use cartool::links::Role;
use cartool::net::Scope;
use cartool::net::chain::{Asset, ChainId, Ids};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const AFTER_HELP: &str = "\
Examples:
  cartool archive eip155:1/erc721:0xADDR/7 -o token/ --rpc https://rpc.example --gateway https://gateway.example
  cartool archive 0xADDR/1-100 --chain 1 -o tokens/ --rpc URL --gateway local
  cartool archive eip155:1/erc721:0xADDR --all -o collection/ --rpc URL --gateway URL --gateway URL2
  cartool archive ipfs://CID/7.json -o token/ --gateway URL --extract --report
  cartool archive metadata.json token.car -o token/ --gateway URL

DIR becomes a bag (BagIt 1.0): CAR files, the metadata's exact bytes, and
data/manifest.json, which says what is there, what is not and why. Run it again
to go on after an interruption, or to get what was missing; over a complete
archive it asks nobody and changes nothing. `cartool check DIR` proves it.

Nobody is asked who was not named. Contracts are read at one block, which is
recorded; what their addresses lead to is proven by its CIDs.

Exit code 3: something was not obtained, all else is kept.";

/// Archive tokens, addresses and files with all they lead to, in a directory that can be proven
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// eip155:CHAIN/erc721:0xADDR/ID, 0xADDR/ID (with --chain), ranges …/1-100, an address, a metadata file or a CAR file
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<String>,
    /// The archive directory: new, or one to go on with
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// JSON-RPC endpoint of a chain: URL, or CHAIN=URL as in 1=https://… (may be repeated) [env: CARTOOL_RPC_<chain>]
    #[arg(long, value_name = "[CHAIN=]URL", value_parser = endpoint)]
    rpc: Vec<ChainEndpoint>,
    /// Chain of tokens that are named without one: eip155:1, or 1
    #[arg(long, value_name = "CHAIN", value_parser = chain)]
    chain: Option<ChainId>,
    /// File with the ids of a contract's tokens: numbers and ranges, one a line
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    ids: Option<PathBuf>,
    /// All tokens that a contract lists (ERC-721 Enumerable)
    #[arg(long)]
    all: bool,
    /// How much of each root: the paths, or all of it; auto takes the root when it is small
    #[arg(long, value_enum, default_value = "auto", value_name = "SCOPE")]
    scope: ScopeArg,
    /// The largest root, by its declared size, that auto takes whole
    #[arg(long, default_value = "256MiB", value_name = "SIZE", value_parser = size, hide_short_help = true)]
    auto_root_max: u64,
    /// Rounds of links to follow after the metadata
    #[arg(long, default_value_t = 2, value_name = "N")]
    depth: u32,
    /// Follow only links of these roles: image, animation, thumbnail, file, metadata, external, rights, other
    #[arg(long, value_name = "ROLE", value_delimiter = ',', value_parser = role)]
    only: Vec<Role>,
    /// Do not follow links of these roles
    #[arg(long, value_name = "ROLE", value_delimiter = ',', value_parser = role)]
    skip: Vec<Role>,
    /// Archives, or directories of archives, to take blocks from first (may be repeated)
    #[arg(long, value_name = "FILE|DIR")]
    from: Vec<PathBuf>,
    /// Ask contracts again; a URI that changed becomes a further version
    #[arg(long)]
    refresh: bool,
    /// Remove what was not named this time
    #[arg(long)]
    prune: bool,
    /// Links to other networks make an item incomplete
    #[arg(long)]
    strict: bool,
    /// Say what would be fetched first, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Also write data/bundle.car: everything in one archive
    #[arg(long)]
    bundle: bool,
    /// Also write the files themselves, to data/files
    #[arg(long)]
    extract: bool,
    /// Also write data/report.html: a page for people
    #[arg(long)]
    report: bool,
    /// Also ask the gateways that metadata names, last: they learn what you archive
    #[arg(long)]
    use_linked_gateways: bool,
    /// Most links of one item
    #[arg(long, default_value_t = 10_000, value_name = "N", hide_short_help = true)]
    max_links: usize,
    /// Most items
    #[arg(long, default_value_t = 1_000_000, value_name = "N", hide_short_help = true)]
    max_items: usize,
    /// Longest URI to take from a contract
    #[arg(long, default_value = "1MiB", value_name = "SIZE", value_parser = size, hide_short_help = true)]
    max_uri: u64,
    #[command(flatten)]
    network: Network,
    /// Print a JSON document about what was done
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ScopeArg {
    Auto,
    Root,
    Path,
}

fn chain(text: &str) -> std::result::Result<ChainId, String> {
    text.parse::<ChainId>().map_err(|e| e.to_string())
}

/// `URL` or `CHAIN=URL`. A URL may itself hold a `=`, behind its scheme.
fn endpoint(text: &str) -> std::result::Result<ChainEndpoint, String> {
    let (chain, url) = match text.split_once('=') {
        Some((chain, url)) if !chain.contains("://") => (Some(self::chain(chain)?), url),
        _ => (None, text),
    };
    let wrong = "not a URL of an endpoint: expected http://HOST[:PORT] or https://HOST[:PORT]";
    let endpoint = url.parse().map_err(|_| wrong.to_owned())?;
    Ok(ChainEndpoint { chain, endpoint })
}

fn role(text: &str) -> std::result::Result<Role, String> {
    const ROLES: [Role; 8] =
        [Role::Image, Role::Animation, Role::Thumbnail, Role::File, Role::Metadata, Role::External, Role::Rights, Role::Other];
    let names = ROLES.map(Role::as_str).join(", ");
    ROLES.into_iter().find(|role| role.as_str() == text).ok_or_else(|| format!("{text:?} is no role: expected one of {names}"))
}

/// Numbers and ranges, one a line; what follows `#` is a remark.
fn ranges(path: &Path) -> Result<Vec<(TokenId, TokenId)>> {
    const LEN_MAX: u64 = 256 << 20;
    let name = || path.display().to_string();
    let metadata = std::fs::metadata(path).map_err(|e| Error::io(e, "cannot read").in_file(name()))?;
    if metadata.len() > LEN_MAX {
        return Err(Error::usage(format!("a list of {} bytes, at most {LEN_MAX} are read", metadata.len())).in_file(name()));
    }
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(e, "cannot read").in_file(name()))?;
    let mut ranges = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let ids = line.split('#').next().unwrap_or_default().trim();
        if ids.is_empty() {
            continue;
        }
        // As behind the address of a contract.
        let asset: std::result::Result<Asset, _> = format!("0x{}/{ids}", "0".repeat(40)).parse();
        match asset.map(|asset| asset.ids) {
            Ok(Ids::Range(first, last)) => ranges.push((first, last)),
            Ok(Ids::None) => {}
            Err(error) => return Err(Error::usage(format!("line {}: {error}", number + 1)).in_file(name())),
        }
    }
    if ranges.is_empty() {
        return Err(Error::usage("a list without token ids").in_file(name()));
    }
    Ok(ranges)
}

/// The endpoints on the command line, then those of the environment.
fn endpoints(args: &Args) -> Result<Vec<ChainEndpoint>> {
    let mut endpoints = args.rpc.clone();
    for (name, value) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let Some(chain) = name.strip_prefix("CARTOOL_RPC_").and_then(|chain| chain.parse::<ChainId>().ok()) else { continue };
        let value = value.into_string().map_err(|_| Error::usage(format!("{name} is not UTF-8")))?;
        if value.is_empty() {
            continue;
        }
        let endpoint = value.parse().map_err(|_| Error::usage(format!("{name} is no URL of an endpoint")))?;
        endpoints.push(ChainEndpoint { chain: Some(chain), endpoint });
    }
    Ok(endpoints)
}

fn options(args: &Args, common: &Common) -> Result<Options> {
    let product = |wanted: bool, product: Product| wanted.then_some(product);
    let products =
        [product(args.bundle, Product::Bundle), product(args.extract, Product::Files), product(args.report, Product::Report)];
    Ok(Options {
        net: args.network.options(&args.from, args.auto_root_max, common)?,
        endpoints: endpoints(args)?,
        chain: args.chain,
        tokens: match (&args.ids, args.all) {
            (Some(file), _) => Tokens::Ranges(ranges(file)?),
            (None, true) => Tokens::All,
            (None, false) => Tokens::Named,
        },
        scope: match args.scope {
            ScopeArg::Auto => Scope::Auto,
            ScopeArg::Root => Scope::Root,
            ScopeArg::Path => Scope::Path,
        },
        link_depth: args.depth,
        links_max: args.max_links,
        items_max: args.max_items,
        uri_len_max: usize::try_from(args.max_uri).unwrap_or(usize::MAX),
        roles: Roles { only: args.only.clone(), skip: args.skip.clone() },
        refresh: if args.refresh { Refresh::Always } else { Refresh::Never },
        prune: if args.prune { Prune::Remove } else { Prune::Keep },
        others: if args.strict { Others::Incomplete } else { Others::Tolerated },
        linked_gateways: if args.use_linked_gateways { LinkedGateways::Last } else { LinkedGateways::Never },
        products: products.into_iter().flatten().collect(),
        mode: if args.dry_run { Mode::DryRun } else { Mode::Write },
    })
}

pub(crate) fn run(args: &Args, common: &Common, control: &Control) -> Result<u8> {
    let options = options(args, common)?;
    let progress = Progress::start(common, control, None);
    let mut notice = |notice: Notice| match notice {
        Notice::Warning(text) => term::warn(common, &text),
        Notice::Step(text) => term::talk(common, &text),
        _ => {}
    };
    let summary = collect(&args.inputs, &args.output, &options, control, &mut notice)?;
    drop(progress);
    if args.json {
        let mut out = Out::new(common);
        out.json(&document(args, &summary))?;
        out.finish()?;
    }
    Ok(conclude(args, common, &summary))
}

fn document(args: &Args, summary: &Summary) -> Value {
    let problem = |problem: &Problem| {
        json!({
            "item": problem.item,
            "pointer": problem.pointer,
            "target": problem.target,
            "status": problem.status,
            "reason": problem.reason,
            "retryable": problem.retryable,
        })
    };
    let mut document = json!({
        "directory": args.output.display().to_string(),
        "status": if summary.status == Completeness::Complete { "complete" } else { "incomplete" },
        "complete": summary.complete,
        "incomplete": summary.incomplete,
        "failed": summary.failed,
        "archives": summary.archives,
        "bytes": summary.bytes,
        "requests": summary.requests,
        "changed": summary.changed,
        "retryable": summary.retryable,
        "problems": summary.problems.iter().map(problem).collect::<Vec<_>>(),
        "problem_count": summary.problem_count,
        "reprovide": summary.reprovide,
    });
    if args.dry_run {
        let planned = summary.planned.iter().map(|planned| {
            json!({"root": planned.root, "scope": planned.scope.as_str(), "paths": planned.paths, "size": planned.size})
        });
        document["planned"] = planned.collect();
    }
    document
}

/// What a person is told at the end; gives the exit code.
fn conclude(args: &Args, common: &Common, summary: &Summary) -> u8 {
    let dir = args.output.display();
    if args.dry_run {
        for planned in &summary.planned {
            let paths = if planned.paths.is_empty() { String::new() } else { format!(", {}", planned.paths.join(" ")) };
            let size = planned.size.map_or_else(|| "size not known yet".to_owned(), |size| format!("{size} bytes"));
            term::talk(common, &format!("would fetch /ipfs/{} ({}{paths}), {size}", planned.root, planned.scope.as_str()));
        }
        let rest = if summary.planned.is_empty() { "nothing to fetch" } else { "what these lead to is known once they are here" };
        term::talk(common, &format!("{dir}: {rest}; nothing was written"));
        return OK;
    }
    for problem in summary.problems.iter().take(100) {
        let place = problem.pointer.as_deref().filter(|pointer| !pointer.is_empty()).unwrap_or("its own address");
        term::talk(common, &format!("  {} {} {place} {}: {}", problem.status, problem.item, problem.target, problem.reason));
    }
    if summary.problem_count > 100 {
        term::talk(common, &format!("  … and {} more (--json, manifest.json)", summary.problem_count - 100));
    }
    let changed = if summary.changed { "" } else { ", nothing changed" };
    let text = format!(
        "{dir}: {} complete, {} incomplete, {} failed; {}, {} bytes, {}{changed}",
        count(summary.complete as u64, "item"),
        summary.incomplete,
        summary.failed,
        count(summary.archives as u64, "CAR file"),
        summary.bytes,
        count(summary.requests, "request"),
    );
    term::talk(common, &text);
    reprovide(common, args, &summary.reprovide);
    if summary.status == Completeness::Complete {
        return OK;
    }
    let again = if summary.retryable { "retryable: another run may help" } else { "not retryable" };
    let message = format!("{} not archived ({again}); what was obtained is kept", count(summary.problem_count as u64, "thing"));
    term::error(&Error::missing(message).in_file(dir.to_string()));
    if summary.corrupt { FAULT } else { INCOMPLETE }
}

/// How a node is told to provide all this again.
fn reprovide(common: &Common, args: &Args, reprovide: &Reprovide) {
    let dir = args.output.display();
    if !reprovide.pin.is_empty() {
        term::talk(common, "to provide it again from a Kubo node:");
        let file = if args.output.join("data/bundle.car").is_file() { "bundle.car" } else { "cars/*.car" };
        term::talk(common, &format!("  ipfs dag import {dir}/data/{file}"));
    }
    if let Some(first) = reprovide.partial.first() {
        let more = reprovide.partial.len().saturating_sub(1);
        let of = if more == 0 { String::new() } else { format!(" (and for {more} more roots in manifest.json)") };
        term::talk(common, &format!("only paths are here of {}{of}; to provide these with their root:", first.root));
        let car = cartool::cid::parse_text(&first.root).map(|root| car_file(&root)).unwrap_or_default();
        term::talk(common, &format!("  ipfs dag import --local-only {dir}/{car}"));
        term::talk(common, &format!("  ipfs files cp /ipfs/{0} /{0}", first.root));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_with_and_without_a_chain() {
        assert_eq!(endpoint("1=http://127.0.0.1:8545").unwrap().chain, Some(ChainId(1)));
        assert_eq!(endpoint("eip155:137=https://x.example/?key=a=b").unwrap().chain, Some(ChainId(137)));
        assert_eq!(endpoint("https://x.example/?key=a").unwrap().chain, None);
        assert!(endpoint("mainnet=https://x.example").is_err() && endpoint("nonsense").is_err());
        assert!(!endpoint("1=ftp://secret").unwrap_err().contains("secret"));
        assert_eq!(role("image"), Ok(Role::Image));
        assert!(role("part").is_err());
    }
}
