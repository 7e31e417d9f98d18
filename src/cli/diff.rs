//! `cartool diff`.

use super::args::Common;
use super::term::{self, Out, escape_bytes};
use super::{FAULT, OK, report};
use cartool::control::Control;
use cartool::error::{Error, Result};
use cartool::ops::diff::{self, Side};
use cartool::store::CarFile;
use serde_json::{Map, json};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  cartool diff old.car new.car
  cartool diff --json a.car b.car | jq .only_a

< is only in A, > only in B, ~ in both and not the same.
The exit code is 1 when they differ.";

/// Compare two archives: blocks and paths only in one of them, and paths that changed
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A CAR file
    a: PathBuf,
    /// Another one
    b: PathBuf,
    /// Print a JSON document
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, common: &Common, control: &Control) -> Result<u8> {
    let (a, b) = (CarFile::open(&args.a, control)?, CarFile::open(&args.b, control)?);
    let difference = diff::diff(&a, &b, control)?;
    let mut out = Out::new(common);
    let sign = |side| match side {
        Side::OnlyA => "<",
        Side::OnlyB => ">",
        Side::Changed => "~",
    };
    let texts = |cids: &[cartool::cid::Cid]| cids.iter().map(ToString::to_string).collect::<Vec<_>>();
    if args.json {
        let paths = difference.paths.iter().map(|path| {
            let mut object = Map::new();
            report::put_path(&mut object, &path.path);
            let side = match path.side {
                Side::OnlyA => "only_a",
                Side::OnlyB => "only_b",
                Side::Changed => "changed",
            };
            object.insert("change".into(), side.into());
            object.insert("a".into(), path.a.map(|cid| cid.to_string()).into());
            object.insert("b".into(), path.b.map(|cid| cid.to_string()).into());
            object
        });
        out.json(&json!({
            "a": args.a.display().to_string(),
            "b": args.b.display().to_string(),
            "only_a": texts(&difference.only_a),
            "only_b": texts(&difference.only_b),
            "common": difference.common,
            "paths": paths.collect::<Vec<_>>(),
            "findings": difference.findings.iter().map(report::finding_json).collect::<Vec<_>>(),
        }))?;
    } else {
        difference.only_a.iter().try_for_each(|cid| out.line(&format!("< block {cid}")))?;
        difference.only_b.iter().try_for_each(|cid| out.line(&format!("> block {cid}")))?;
        for path in &difference.paths {
            let name = if path.path.is_empty() { "/".to_owned() } else { escape_bytes(&path.path) };
            out.line(&format!("{} path {name}", sign(path.side)))?;
        }
    }
    out.finish()?;
    for finding in &difference.findings {
        term::error(&Error::from(finding.clone()));
    }
    Ok(if difference.is_empty() && difference.findings.is_empty() { OK } else { FAULT })
}
