//! `cartool fetch`.

use super::args::{Common, size};
use super::network::{self, Network};
use super::report::{count, put_path};
use super::term::{self, Out, Progress};
use super::{FAULT, INCOMPLETE, OK};
use cartool::control::Control;
use cartool::error::{Error, ErrorKind, Result};
use cartool::net::{Failure, Fetched, Giver, Missing, PathOutcome, Scope, Status, Target, Want, no_sources};
use cartool::ops::{build, expect};
use cartool::store::Existing;
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

const AFTER_HELP: &str = "\
Examples:
  cartool fetch ipfs://bafy… -o token.car --gateway https://gateway.example
  cartool fetch ipfs://Qm…/7.png -o 7.car --scope path --gateway public
  cartool fetch bafy… -o token.car --from old.car --gateway local
  cartool fetch bafy… -o token.car --kubo http://127.0.0.1:5001

Nobody is asked who was not named. Every block is hashed, and the archive is
complete or it is not there: what was obtained stays in OUT.part, and the same
command goes on from it. The archive has the same bytes whoever sent them.

Exit code 3: something was not obtained; 1: a source sent other bytes, and no
other had the right ones.";

/// Fetch content from gateways, Kubo and local archives into one verified archive
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// ipfs://CID[/path], /ipfs/CID[/path], CID[/path] or the URL of a gateway (which is then asked last)
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// The new CAR file; - is standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// How much around a path: the blocks that prove it, or the whole root; auto takes the root when it is small
    #[arg(long, value_enum, default_value = "auto", value_name = "SCOPE")]
    scope: ScopeArg,
    /// How much at the end of the path: all below it, the file or directory itself, or one block
    #[arg(long, value_enum, default_value = "all", value_name = "SCOPE")]
    dag_scope: DagScopeArg,
    /// Bytes of a file, both ends inclusive, * for the last: goes with --dag-scope entity
    #[arg(long, value_name = "A:B", value_parser = byte_range, allow_hyphen_values = true)]
    entity_bytes: Option<expect::ByteRange>,
    /// The largest root, by its declared size, that auto takes whole
    #[arg(long, default_value = "256MiB", value_name = "SIZE", value_parser = size, hide_short_help = true)]
    auto_root_max: u64,
    /// Archives, or directories of archives, to take blocks from first (may be repeated)
    #[arg(long, value_name = "FILE|DIR")]
    from: Vec<PathBuf>,
    #[command(flatten)]
    network: Network,
    /// Write what there is although blocks are missing; the header names complete roots only
    #[arg(long)]
    allow_missing: bool,
    /// Replace an output that exists
    #[arg(long)]
    force: bool,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DagScopeArg {
    All,
    Entity,
    Block,
}

/// `A:B`, as in a request.
fn byte_range(text: &str) -> std::result::Result<expect::ByteRange, String> {
    let request: expect::Expect = format!("bafkqaaa?entity-bytes={text}").parse().map_err(|e: Error| e.message)?;
    match request.scope {
        expect::Scope::Entity(Some(range)) => Ok(range),
        _ => Err(format!("{text:?} is no range of bytes: expected A:B")),
    }
}

fn want(args: &Args) -> Result<Want> {
    let address = network::address(&args.address)?;
    let scope = match args.scope {
        ScopeArg::Auto => Scope::Auto,
        ScopeArg::Root => Scope::Root,
        ScopeArg::Path => Scope::Path,
    };
    let dag_scope = match (args.dag_scope, args.entity_bytes) {
        (DagScopeArg::Block, None) => expect::Scope::Block,
        (DagScopeArg::All, None) => expect::Scope::All,
        (DagScopeArg::Entity, range) => expect::Scope::Entity(range),
        (_, Some(_)) => return Err(Error::usage("--entity-bytes goes with --dag-scope entity")),
    };
    Ok(Want { dag_scope, last: network::typed_host(&address), ..Want::address(&address, scope)? })
}

pub(crate) fn run(args: &Args, common: &Common, control: &Control) -> Result<u8> {
    let want = want(args)?;
    let session = args.network.session(&args.from, args.auto_root_max, common, control)?;
    if !session.has_sources() && want.last.is_empty() {
        return Err(no_sources());
    }
    let to_stdout = args.output == Path::new("-");
    let scratch = if to_stdout { Some(scratch()?) } else { None };
    let mut target = Target::new(&args.output);
    if let Some(dir) = &scratch {
        target.part = dir.path().join("part");
    }
    target.missing = if args.allow_missing { build::Missing::Allow } else { build::Missing::Refuse };
    target.existing = if args.force { Existing::Replace } else { Existing::Refuse };
    let progress = Progress::counting(common, control, session.blocks_counter());
    let fetched = session.fetch(&want, &target)?;
    drop(progress);
    if args.json && !to_stdout {
        let mut out = Out::new(common);
        out.json(&document(args, &want, &target, &fetched))?;
        out.finish()?;
    }
    Ok(conclude(args, common, &target, &fetched))
}

/// A directory for what is of no use afterwards.
pub(crate) fn scratch() -> Result<tempfile::TempDir> {
    tempfile::tempdir().map_err(|e| Error::io(e, "cannot create a temporary directory"))
}

/// What a person is told at the end; gives the exit code.
fn conclude(args: &Args, common: &Common, target: &Target, fetched: &Fetched) -> u8 {
    fetched.remarks.iter().for_each(|remark| term::warn(common, remark));
    let output = args.output.display().to_string();
    let Some(failure) = &fetched.failure else {
        let text = format!(
            "{output}: {}, {} bytes, {}",
            count(fetched.blocks, "block"),
            fetched.bytes,
            count(fetched.requests, "request")
        );
        term::talk(common, &text);
        return OK;
    };
    if fetched.is_written && args.allow_missing && fetched.missing_blocks > 0 {
        term::warn(common, &format!("{output}: {} (--allow-missing)", summary(fetched, failure)));
        return OK;
    }
    let part = if target.part.exists() && args.output != Path::new("-") {
        format!("; what was obtained is in {}", target.part.display())
    } else {
        String::new()
    };
    let error = Error::new(ErrorKind::Missing, format!("{}{part}", summary(fetched, failure)));
    term::error(&error.in_file(output));
    if failure.status == Status::Corrupt { FAULT } else { INCOMPLETE }
}

/// How many of what, why, and whether a re-run can help.
pub(crate) fn summary(fetched: &Fetched, failure: &Failure) -> String {
    let what = match failure.status {
        Status::NotFound => "not-found".to_owned(),
        status if fetched.missing_blocks == 0 => status.as_str().to_owned(),
        status => {
            let blocks = count(fetched.missing_blocks, "block");
            let verb = if fetched.missing_blocks == 1 { "is" } else { "are" };
            format!("{}: {blocks} {verb} missing of those known, {} obtained", status.as_str(), fetched.blocks)
        }
    };
    let again = if failure.retryable { "retryable: another run may help" } else { "not retryable" };
    format!("{what}: {} ({again})", failure.reason)
}

fn put_failure(object: &mut Map<String, Value>, failure: Option<&Failure>) {
    object.insert("status".into(), failure.map_or(Status::Archived, |failure| failure.status).as_str().into());
    object.insert("reason".into(), failure.map(|failure| failure.reason.as_str()).into());
    object.insert("retryable".into(), failure.is_some_and(|failure| failure.retryable).into());
}

fn path_json(outcome: &PathOutcome) -> Value {
    let mut object = Map::new();
    object.insert("path".into(), outcome.path.display().into());
    object.insert("by_fallback".into(), outcome.by_fallback.into());
    object.insert("cid".into(), outcome.cid.map(|cid| cid.to_string()).into());
    put_failure(&mut object, outcome.failure.as_ref());
    object.insert("bytes".into(), outcome.bytes.into());
    Value::Object(object)
}

fn missing_json(missing: &Missing) -> Value {
    let mut object = Map::new();
    object.insert("cid".into(), missing.cid.to_string().into());
    put_path(&mut object, &missing.needed_by);
    put_failure(&mut object, Some(&missing.failure));
    Value::Object(object)
}

/// Who gave blocks, by its origin.
fn giver(giver: &Giver) -> String {
    match giver {
        Giver::Remote(endpoint) => endpoint.origin(),
        Giver::Local => "local".to_owned(),
        Giver::Part => "part".to_owned(),
    }
}

fn document(args: &Args, want: &Want, target: &Target, fetched: &Fetched) -> Value {
    let mut object = Map::new();
    object.insert("address".into(), args.address.as_str().into());
    object.insert("root".into(), want.root.to_string().into());
    object.insert("scope".into(), fetched.scope.as_str().into());
    put_failure(&mut object, fetched.failure.as_ref());
    let output = fetched.is_written.then(|| target.path.display().to_string());
    object.insert("output".into(), output.into());
    object.insert("header_roots".into(), fetched.header_roots.iter().map(|root| root.to_string()).collect::<Vec<_>>().into());
    object.insert("blocks".into(), fetched.blocks.into());
    object.insert("bytes".into(), fetched.bytes.into());
    object.insert("requests".into(), fetched.requests.into());
    object.insert("paths".into(), fetched.paths.iter().map(path_json).collect());
    object.insert("missing_blocks".into(), fetched.missing_blocks.into());
    object.insert("missing".into(), fetched.missing.iter().map(missing_json).collect());
    let share = |share: &cartool::net::Share| json!({"endpoint": giver(&share.source), "blocks": share.blocks});
    object.insert("sources".into(), fetched.sources.iter().map(share).collect());
    object.insert("remarks".into(), fetched.remarks.clone().into());
    Value::Object(object)
}
