//! `cartool check`.

use super::args::{Common, size};
use super::network::Network;
use super::report::{count, finding_json, print_finding};
use super::term::{self, Out, Progress};
use super::{FAULT, INCOMPLETE, OK, exit_code};
use cartool::archive::{CheckOptions, CheckSummary, Depth, Notice, Repair, check};
use cartool::control::Control;
use cartool::error::{Error, Result, Severity};
use serde_json::{Value, json};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  cartool check token/
  cartool check token/ --deep --json
  cartool check token/ --repair --from old-copy/data/cars --gateway https://gateway.example

Asks nobody, unless with --repair. Checked are the bag and every digest, the
manifest, in every CAR file its structure, every block's hash and that nothing is
missing which the manifest says is there, the metadata against its DAG, and that
no file is there which nothing names. --deep also checks what was made of these:
the links of the metadata, extracted files and the bundle.

--repair takes sound blocks from the damaged files, from --from, then from
gateways, and writes the same bytes as before, or leaves the file as it is.

Exit code 0: sound and complete; 1: damaged; 3: sound, but something is missing
that was never obtained, or a file is gone; 4: the disk failed.";

/// Prove an archive directory: every digest, every block, the manifest; and mend it on request
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// An archive directory, as `cartool archive` makes them
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Replace what is damaged or gone, by the same bytes
    #[arg(long)]
    repair: bool,
    /// Also check what was made of the archives
    #[arg(long)]
    deep: bool,
    /// Archives, or directories of archives, to take blocks from first (may be repeated)
    #[arg(long, value_name = "FILE|DIR")]
    from: Vec<PathBuf>,
    /// The largest root, by its declared size, that auto takes whole
    #[arg(long, default_value = "256MiB", value_name = "SIZE", value_parser = size, hide = true)]
    auto_root_max: u64,
    #[command(flatten)]
    network: Network,
    /// Print a JSON document
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, common: &Common, control: &Control) -> Result<u8> {
    let options = CheckOptions {
        depth: if args.deep { Depth::Deep } else { Depth::Archives },
        repair: if args.repair {
            Repair::Fetch(Box::new(args.network.options(&args.from, args.auto_root_max, common)?))
        } else {
            Repair::Never
        },
    };
    let progress = Progress::start(common, control, None);
    let mut notice = |notice: Notice| match notice {
        Notice::Warning(text) => term::warn(common, &text),
        Notice::Step(text) => term::talk(common, &text),
        _ => {}
    };
    let summary = check(&args.dir, &options, control, &mut notice)?;
    drop(progress);
    let mut out = Out::new(common);
    if args.json {
        out.json(&document(args, &summary))?;
    } else {
        for (file, finding) in &summary.findings {
            out.line(&format!("{file}:"))?;
            print_finding(&mut out, finding)?;
        }
    }
    out.finish()?;
    Ok(conclude(args, common, &summary))
}

fn document(args: &Args, summary: &CheckSummary) -> Value {
    let finding = |(file, finding): &(String, cartool::error::Finding)| {
        let mut value = finding_json(finding);
        value["file"] = file.as_str().into();
        value
    };
    json!({
        "directory": args.dir.display().to_string(),
        "verdict": summary.verdict.as_str(),
        "files": summary.files,
        "bytes": summary.bytes,
        "blocks": summary.blocks,
        "items": summary.items,
        "incomplete_items": summary.incomplete_items,
        "repaired": summary.repaired,
        "recorded": summary.recorded,
        "findings": summary.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn conclude(args: &Args, common: &Common, summary: &CheckSummary) -> u8 {
    for file in &summary.repaired {
        term::talk(common, &format!("repaired: {file}"));
    }
    let text = format!(
        "{}: {} — {}, {} bytes, {}, {}",
        args.dir.display(),
        summary.verdict.as_str(),
        count(summary.files, "file"),
        summary.bytes,
        count(summary.blocks, "block"),
        count(summary.items, "item"),
    );
    term::talk(common, &text);
    if !summary.recorded {
        term::warn(common, "the check could not be noted in cartool/events.ndjson");
    }
    match summary.findings.iter().map(|(_, finding)| finding.severity).max() {
        Some(Severity::Error | Severity::Unverified) => {
            let damaged = count(summary.findings.len() as u64, "finding");
            let hint = if args.repair { "" } else { "; --repair mends what can be had again" };
            let message = format!("{damaged}: the archive is damaged{hint}");
            let finding = summary.findings.iter().find(|(_, finding)| finding.severity >= Severity::Unverified);
            let error = finding.map_or_else(|| Error::missing(""), |(_, finding)| Error::from(finding.clone()));
            term::error(&Error { message, at: None, cid: None, ..error }.in_file(args.dir.display().to_string()));
            FAULT
        }
        Some(Severity::Incomplete) => {
            let message = format!("{} not there; `cartool archive` may get it", count(summary.findings.len() as u64, "thing"));
            let error = Error::missing(message).in_file(args.dir.display().to_string());
            term::error(&error);
            exit_code(&error)
        }
        _ if summary.incomplete_items > 0 => {
            let message = format!("sound, but {} not complete", count(summary.incomplete_items, "item"));
            term::error(&Error::missing(message).in_file(args.dir.display().to_string()));
            INCOMPLETE
        }
        _ => OK,
    }
}
