//! `cartool merge` and `cartool build`.

use super::args::Common;
use super::report::{count, missing_json};
use super::term::{self, Out, Progress, escape_bytes};
use super::version::{VersionArgs, existing, unverified};
use super::{INCOMPLETE, OK, exit_code, verify};
use cartool::cid::Cid;
use cartool::control::Control;
use cartool::error::{Error, Finding, Result, Severity};
use cartool::ops::build::{self, Missing, Status};
use cartool::ops::expect::Expect;
use cartool::ops::merge::{self, Blocks, Roots};
use clap::ValueEnum;
use serde_json::json;
use std::path::{Path, PathBuf};

const MERGE_HELP: &str = "\
Examples:
  cartool merge *.car -o bundle.car
  cartool merge --canonical a.car b.car -o out.car   the same for any order
  cartool merge --wrap *.car -o bundle.car           a directory as the root
  cartool merge --manifest bundle.json *.car -o bundle.car
  cartool merge --car-version 2 *.car -o bundle.car  with an index

Every block is hashed; any fault of any input ends the merge, and no output is
left. Archives may be incomplete: see verify.";

/// Join archives into one: roots united, each block once
#[derive(Debug, clap::Args)]
#[command(after_help = MERGE_HELP)]
pub(crate) struct MergeArgs {
    /// CAR files; - is standard input
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// The new CAR file; - is standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Order that does not depend on the inputs' order: depth first from the sorted roots, then the rest by CID
    #[arg(long)]
    canonical: bool,
    /// Whose roots the bundle has
    #[arg(long, value_enum, default_value = "union", value_name = "WHICH", conflicts_with_all = ["root", "wrap"])]
    roots: RootsArg,
    /// This root, in place of the inputs' (may be repeated)
    #[arg(long, value_name = "CID", value_parser = verify::cid, conflicts_with = "wrap")]
    root: Vec<Cid>,
    /// One root: a directory with each input's roots under its name
    #[arg(long)]
    wrap: bool,
    /// Write what went into the bundle, as JSON
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Keep blocks whose hash function cannot be checked
    #[arg(long)]
    allow_unverified: bool,
    #[command(flatten)]
    version: VersionArgs,
    /// Replace outputs that exist
    #[arg(long)]
    force: bool,
    /// Print a JSON document about what was done
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RootsArg {
    /// Those of all inputs
    Union,
    /// Those of the first input
    First,
    /// None
    None,
}

/// Bytes to read, when every input is a file.
pub(crate) fn total(inputs: &[PathBuf]) -> Option<u64> {
    inputs.iter().map(|file| std::fs::metadata(file).ok().filter(|m| m.is_file()).map(|m| m.len())).sum()
}

/// Remarks about an input, on standard error.
pub(crate) fn remark(common: &Common, file: &str, finding: Finding) {
    let worth_saying = finding.severity > Severity::Note;
    if worth_saying {
        term::warn(common, &Error::from(finding).in_file(file).to_string());
    }
}

pub(crate) fn merge(args: &MergeArgs, common: &Common, control: &Control) -> Result<u8> {
    let options = merge::Options {
        roots: match (args.wrap, args.root.is_empty(), args.roots) {
            (true, _, _) => Roots::Wrap,
            (_, false, _) => Roots::These(args.root.clone()),
            (_, _, RootsArg::Union) => Roots::Union,
            (_, _, RootsArg::First) => Roots::First,
            (_, _, RootsArg::None) => Roots::None,
        },
        blocks: if args.canonical { Blocks::Canonical } else { Blocks::AsRead },
        unverified: unverified(args.allow_unverified),
        existing: existing(args.force),
        version: args.version.version()?,
        manifest: args.manifest.clone(),
    };
    let progress = Progress::start(common, control, total(&args.inputs));
    let summary =
        merge::merge(&args.inputs, &args.output, &options, control, &mut |file, finding| remark(common, file, finding))?;
    drop(progress);
    let roots: Vec<String> = summary.header.roots().map(|root| root.to_string()).collect();
    let repeated: u64 = summary.inputs.iter().map(|input| input.duplicate_blocks).sum();
    if args.json && args.output != Path::new("-") {
        let inputs = summary.inputs.iter().map(|input| {
            json!({
                "file": input.file,
                "roots": input.header.roots().map(|root| root.to_string()).collect::<Vec<_>>(),
                "blocks": input.blocks,
                "new_blocks": input.new_blocks,
                "duplicate_blocks": input.duplicate_blocks,
                "bytes": input.bytes,
            })
        });
        let mut out = Out::new(common);
        out.json(&json!({
            "output": args.output.display().to_string(),
            "roots": roots,
            "blocks": summary.blocks,
            "bytes": summary.bytes,
            "inputs": inputs.collect::<Vec<_>>(),
        }))?;
        out.finish()?;
    } else {
        let text = format!(
            "{}: {} of {}, {}, {} bytes, {repeated} repeated left out",
            args.output.display(),
            count(summary.blocks, "block"),
            count(summary.inputs.len() as u64, "archive"),
            count(roots.len() as u64, "root"),
            summary.bytes,
        );
        term::talk(common, &text);
    }
    Ok(OK)
}

const BUILD_HELP: &str = "\
Examples:
  cartool build part1.car part2.car -o whole.car
  cartool build part.car bafkrei….bin -o token.car --expect ipfs://bafy…/7.json
  cartool build truncated.car retry.car -o whole.car

Inputs may be gateway responses (also cut short), `ipfs dag export` files,
partial archives, and raw blocks saved to files. The output has the same bytes
whatever they were: depth first, each block once. Without --expect the inputs'
one root is meant.";

/// Build one verified archive for one DAG from whatever was saved
#[derive(Debug, clap::Args)]
#[command(after_help = BUILD_HELP)]
pub(crate) struct BuildArgs {
    /// CAR files and raw blocks; - is standard input
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// The new CAR file; - is standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// What the archive must answer: CID[/path][?dag-scope=block|entity|all&entity-bytes=A:B]
    #[arg(long, value_name = "REQUEST", value_parser = expect)]
    expect: Option<Expect>,
    /// Write what is there although blocks are missing; the header then names no root
    #[arg(long)]
    allow_missing: bool,
    #[command(flatten)]
    version: VersionArgs,
    /// Replace an output that exists
    #[arg(long)]
    force: bool,
    /// Print a JSON document about what was done
    #[arg(long)]
    json: bool,
}

/// A request as gateways take it.
pub(crate) fn expect(text: &str) -> std::result::Result<Expect, String> {
    text.parse::<Expect>().map_err(|e| e.to_string())
}

pub(crate) fn build(args: &BuildArgs, common: &Common, control: &Control) -> Result<u8> {
    let options = build::Options {
        expect: args.expect.clone(),
        missing: if args.allow_missing { Missing::Allow } else { Missing::Refuse },
        version: args.version.version()?,
        existing: existing(args.force),
    };
    let progress = Progress::start(common, control, total(&args.inputs));
    let summary =
        build::build(&args.inputs, &args.output, &options, control, &mut |file, finding| remark(common, file, finding))?;
    drop(progress);
    let error = summary.error();
    if args.json && args.output != Path::new("-") {
        let status = match summary.status {
            Status::Complete => "complete",
            Status::Partial => "partial",
            Status::Missing => "missing",
            Status::Damaged(_) => "damaged",
        };
        let mut out = Out::new(common);
        out.json(&json!({
            "output": args.output.display().to_string(),
            "status": status,
            "root": summary.root.to_string(),
            "blocks": summary.blocks,
            "bytes": summary.bytes,
            "missing_blocks": summary.missing_blocks,
            "missing": summary.missing.iter().map(missing_json).collect::<Vec<_>>(),
        }))?;
        out.finish()?;
    } else if error.is_none() {
        let text = format!(
            "{}: {}, {} bytes, root {}",
            args.output.display(),
            count(summary.blocks, "block"),
            summary.bytes,
            summary.root
        );
        term::talk(common, &text);
    }
    for missing in summary.missing.iter().take(100) {
        term::talk(common, &format!("  missing {} (needed by {})", missing.cid, escape_bytes(&missing.path)));
    }
    match error {
        Some(error) => {
            term::error(&error);
            Ok(exit_code(&error))
        }
        None if summary.missing_blocks > 0 && !args.allow_missing => Ok(INCOMPLETE),
        None => Ok(OK),
    }
}
