//! `cartool hash`.

use super::OK;
use super::args::Common;
use super::merge::total;
use super::term::{Out, Progress};
use cartool::control::Control;
use cartool::error::Result;
use cartool::ops::archive_hash::archive_hash;
use cartool::store::Input;
use serde_json::json;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  cartool hash token.car
  cartool verify token.car && cartool hash token.car

The CID is the SHA2-256 of all bytes of the file under the codec car (0x0202). The
file is read as an archive meanwhile, so one that is cut or something else has no
CID; blocks are not compared with their own CIDs: verify does that.";

/// Print the CID of the archive itself
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A CAR file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print a JSON document
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, common: &Common, control: &Control) -> Result<u8> {
    let name = args.file.display().to_string();
    let progress = Progress::start(common, control, total(std::slice::from_ref(&args.file)));
    let hash = Input::open(&args.file, control).and_then(|input| archive_hash(input, control)).map_err(|e| e.in_file(&*name))?;
    drop(progress);
    let cid = hash.cid.to_string();
    let mut out = Out::new(common);
    if args.json {
        out.json(&json!({ "file": name, "cid": cid, "bytes": hash.bytes, "blocks": hash.blocks }))?;
    } else {
        out.line(&cid)?;
    }
    out.finish()?;
    Ok(OK)
}
