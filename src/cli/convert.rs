//! `cartool convert`.

use super::OK;
use super::args::Common;
use super::merge::{remark, total};
use super::report::count;
use super::term::{self, Out, Progress};
use super::version::{CarVersion, V2Args, existing, unverified};
use cartool::control::Control;
use cartool::error::Result;
use cartool::ops::convert::{self, Options};
use serde_json::json;
use std::path::{Path, PathBuf};

const AFTER_HELP: &str = "\
Examples:
  cartool convert --car-version 2 token.car -o token.v2.car    with an index
  cartool convert --car-version 2 --index none token.car -o token.v2.car
  cartool convert --car-version 1 token.v2.car -o token.car

Header and blocks stay as they are, byte for byte: from 1 to 2 and back gives the
same file. Every block is hashed on the way; a fault leaves no output.";

/// Write an archive in another version, with or without index
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A CAR file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The new CAR file; - is standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Version of the archive to write
    #[arg(long, value_enum, value_name = "VERSION")]
    car_version: CarVersion,
    #[command(flatten)]
    v2: V2Args,
    /// Keep blocks whose hash function cannot be checked
    #[arg(long)]
    allow_unverified: bool,
    /// Replace an output that exists
    #[arg(long)]
    force: bool,
    /// Print a JSON document about what was done
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, common: &Common, control: &Control) -> Result<u8> {
    let options = Options {
        version: args.v2.version(args.car_version)?,
        unverified: unverified(args.allow_unverified),
        existing: existing(args.force),
    };
    let progress = Progress::start(common, control, total(std::slice::from_ref(&args.file)));
    let name = args.file.display().to_string();
    let summary = convert::convert(&args.file, &args.output, &options, control, &mut |finding| remark(common, &name, finding))?;
    drop(progress);
    let output = args.output.display().to_string();
    if args.json && args.output != Path::new("-") {
        let mut out = Out::new(common);
        let roots: Vec<String> = summary.header.roots().map(|root| root.to_string()).collect();
        out.json(&json!({ "output": output, "roots": roots, "blocks": summary.blocks, "bytes": summary.bytes }))?;
        out.finish()?;
    } else {
        term::talk(common, &format!("{output}: {}, {} bytes", count(summary.blocks, "block"), summary.bytes));
    }
    Ok(OK)
}
