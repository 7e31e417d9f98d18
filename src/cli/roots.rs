//! `cartool roots`.

use super::args::Common;
use super::report;
use super::term::{self, Out};
use super::{FAULT, OK};
use cartool::control::Control;
use cartool::error::{Error, Result, Severity};
use cartool::ops::{Hashing, roots};
use cartool::store::Input;
use serde_json::json;
use std::path::PathBuf;

/// Print the roots that the header names, one a line
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cartool roots bundle.car\n  cartool roots --implicit no-roots.car\n\nOnly the header is read; --implicit reads and hashes everything."
)]
pub(crate) struct Args {
    /// A CAR file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print the blocks that no other block links to
    #[arg(long)]
    implicit: bool,
    /// With --implicit: do not hash, trust what the archive claims
    #[arg(long, requires = "implicit")]
    no_verify: bool,
    /// Print JSON: {"roots":["…"]}
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, common: &Common, control: &Control) -> Result<u8> {
    let name = args.file.display().to_string();
    let input = Input::open(&args.file, control).map_err(|e| e.in_file(&*name))?;
    let hashing = if args.no_verify { Hashing::Skip } else { Hashing::Check };
    let found = if args.implicit {
        roots::implicit(input, hashing, control)
    } else {
        roots::header(input, control).map(|r| (r, Vec::new()))
    };
    let (roots, findings) = found.map_err(|e| e.in_file(&*name))?;
    let mut out = Out::new(common);
    if args.json {
        let mut value = json!({ "roots": roots.iter().map(ToString::to_string).collect::<Vec<_>>() });
        if args.implicit {
            value["implicit"] = true.into();
            value["hashes_checked"] = (!args.no_verify).into();
            value["findings"] = findings.iter().map(report::finding_json).collect();
        }
        out.json(&value)?;
    } else {
        roots.iter().try_for_each(|root| out.line(&root.to_string()))?;
    }
    out.finish()?;
    if args.no_verify {
        term::warn(common, "hashes were not checked (--no-verify)");
    }
    let mut code = OK;
    for finding in findings.into_iter().filter(|finding| finding.severity >= Severity::Unverified) {
        code = FAULT;
        term::error(&Error::from(finding).in_file(&*name));
    }
    Ok(code)
}
