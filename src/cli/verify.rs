//! `cartool verify`.

use super::args::Common;
use super::report::{self, code_of, count, severity_of};
use super::term::{self, Out, Progress};
use super::{OK, worse};
use cartool::cid::{Cid, parse_text};
use cartool::control::Control;
use cartool::error::{Code, Error, Finding, Result, Severity};
use cartool::ops::Notes;
use cartool::ops::RootReport;
use cartool::ops::expect::{self, Expect};
use cartool::ops::verify::{self, Depth, Options, Report, Together, Verdict};
use cartool::store::{BlockSource, CarFile, Input, spool};
use cartool::unixfs::Strictness;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

const AFTER_HELP: &str = "\
Examples:
  cartool verify token.car
  cartool verify --together metadata.car images.car    one token in several archives
  cartool verify --missing partial.car > wanted.txt    what to fetch
  cartool verify --json *.car | jq 'select(.verdict != \"ok\")'
  ipfs dag export CID | cartool verify -

A CAR that was cut between two blocks looks whole: only the DAG walk tells.
--blocks-only leaves it out.";

/// Prove archives: structure, every block's hash, the roots, the DAG below them, a CARv2's index
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// CAR files; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Check structure and hashes only, not that the DAG is complete
    #[arg(long)]
    blocks_only: bool,
    /// Check the DAG below this CID in place of the header's roots (may be repeated)
    #[arg(long, value_name = "CID", value_parser = cid, conflicts_with = "blocks_only")]
    root: Vec<Cid>,
    /// Ask whether the file answers this gateway request: CID[/path][?dag-scope=block|entity|all&entity-bytes=A:B]
    #[arg(long, value_name = "REQUEST", value_parser = super::merge::expect, conflicts_with_all = ["blocks_only", "root", "together"])]
    expect: Option<Expect>,
    /// Print only the CIDs that are missing, one a line
    #[arg(long, conflicts_with_all = ["blocks_only", "json"])]
    missing: bool,
    /// Treat all files as one set of blocks
    #[arg(long)]
    together: bool,
    /// Make every note an error
    #[arg(long)]
    strict: bool,
    /// Tolerate UnixFS nodes whose sizes do not add up
    #[arg(long)]
    lenient_unixfs: bool,
    /// Print a JSON document a file
    #[arg(long)]
    json: bool,
}

pub(crate) fn cid(text: &str) -> std::result::Result<Cid, String> {
    parse_text(text).map_err(|e| e.to_string())
}

pub(crate) fn run(args: &Args, common: &Common, control: &Control) -> Result<u8> {
    let options = Options {
        depth: if args.blocks_only { Depth::Blocks } else { Depth::Dag },
        roots: args.root.clone(),
        notes: if args.strict { Notes::Errors } else { Notes::Tolerated },
        unixfs: if args.lenient_unixfs { Strictness::Lenient } else { Strictness::Strict },
        ..Options::default()
    };
    let total = args.files.iter().map(|file| std::fs::metadata(file).ok().filter(|m| m.is_file()).map(|m| m.len())).sum();
    let progress = Progress::start(common, control, total);
    let mut out = Out::new(common);
    let mut code = OK;
    let mut together = Together::new(options.clone(), control.clone());
    let mut named = Vec::new();
    for file in &args.files {
        let name = file.display().to_string();
        if let Some(expect) = &args.expect {
            code = worse(code, answers(args, expect, file, &options, &mut out, control)?);
            continue;
        }
        let added = Input::open(file, control).and_then(|input| {
            let len = input.file_len();
            together.add(input, len)
        });
        match added {
            Ok(()) => named.push(name),
            Err(error) if matches!(error.kind, cartool::error::ErrorKind::Interrupted) => return Err(error),
            Err(error) => {
                let error = error.in_file(name);
                term::error(&error);
                code = worse(code, super::exit_code(&error));
            }
        }
        if !args.together {
            let alone = std::mem::replace(&mut together, Together::new(options.clone(), control.clone()));
            for (name, report) in named.drain(..).zip(alone.finish()?) {
                code = worse(code, print(args, &mut out, &name, &report)?);
            }
        }
    }
    if args.together {
        for (name, report) in named.into_iter().zip(together.finish()?) {
            code = worse(code, print(args, &mut out, &name, &report)?);
        }
    }
    drop(progress);
    unless_closed(out.finish())?;
    Ok(code)
}

/// Checks one file as the answer to a request: all of its blocks, and that those asked for are there.
fn answers(args: &Args, expect: &Expect, file: &Path, options: &Options, out: &mut Out, control: &Control) -> Result<u8> {
    let name = file.display().to_string();
    let (opened, len) = Input::open(file, control).and_then(spool).map_err(|e| e.in_file(&*name))?;
    let again = opened.try_clone().map_err(|e| Error::io(e, "cannot read").in_file(&*name))?;
    let blocks_only = Options { depth: Depth::Blocks, ..options.clone() };
    let mut report = verify::verify(opened, Some(len), &blocks_only, control).map_err(|e| e.in_file(&*name))?;
    report.roots.clear();
    // Gateways name what they like as roots: what was asked for decides.
    report.findings.retain(|finding| finding.code != Code::MissingRoot);
    if report.version.is_some() {
        std::io::Seek::rewind(&mut &again).map_err(|e| Error::io(e, "cannot read").in_file(&*name))?;
        let car = CarFile::from_file(again, len, name.clone(), control)?;
        let missing = match expect::missing(&car, expect, control) {
            Ok(missing) => missing,
            Err(error) if error.code().is_some() => {
                let mut finding = Finding::new(Code::UnexpectedRoot, error.message.clone());
                (finding.at, finding.cid) = (error.at, error.cid);
                report.findings.push(finding);
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        for block in &missing {
            let code = if block.parent.is_none() { Code::MissingRoot } else { Code::MissingBlock };
            report
                .findings
                .push(Finding::new(code, "a block of the answer is not there").cid(block.cid).path(block.path.clone()));
        }
        report.missing_blocks = Some(missing.len() as u64);
        let complete = Some(missing.is_empty() && report.findings.iter().all(|finding| finding.code != Code::UnexpectedRoot));
        let present = car.contains(&expect.root)?;
        report.roots = vec![RootReport { cid: expect.root, present, complete, missing, missing_cut: false }];
        if !car.roots().contains(&expect.root) {
            let message = "the header does not name the root that was asked for";
            report.findings.push(Finding::new(Code::UnexpectedRoot, message).severity(Severity::Note));
        }
    }
    report.verdict = Verdict::of(&report.findings);
    print(args, out, &name, &report)
}

/// Prints a report and gives its exit code, which counts even when nobody reads on.
fn print(args: &Args, out: &mut Out, name: &str, report: &Report) -> Result<u8> {
    unless_closed(write(args, out, name, report))?;
    Ok(code_of(report.verdict))
}

fn unless_closed(result: Result<()>) -> Result<()> {
    result.or_else(|error| if error.is_closed_pipe() { Ok(()) } else { Err(error) })
}

fn write(args: &Args, out: &mut Out, name: &str, report: &Report) -> Result<()> {
    if args.missing {
        let mut printed = HashSet::new();
        for missing in report.roots.iter().flat_map(|root| &root.missing).filter(|missing| printed.insert(missing.cid)) {
            out.line(&missing.cid.to_string())?;
        }
        // What is no matter of missing blocks must not be lost.
        report.findings.iter().filter(|f| f.severity >= Severity::Unverified).for_each(|finding| {
            term::error(&Error::from(finding.clone()).in_file(name));
        });
        return Ok(());
    }
    if args.json {
        return out.json(&report::verify_json(name, report));
    }
    out.marked(&format!("{name}: "), report.verdict.as_str(), severity_of(report.verdict), &summary(args, report))?;
    report::print_findings(out, &report.findings)
}

/// What was looked at, and what was not.
fn summary(args: &Args, report: &Report) -> String {
    let Some(version) = report.version else { return String::new() };
    let counts = &report.counts;
    let mut parts = vec![format!("CARv{version}"), count(counts.blocks, "block"), format!("{} bytes", report.bytes)];
    let complete = report.roots.iter().filter(|root| root.complete == Some(true)).count();
    parts.push(match (args.blocks_only, report.roots.len()) {
        (true, _) => "hashes checked, completeness not".to_owned(),
        (false, 0) => "no roots, completeness not checked".to_owned(),
        (false, 1) if complete == 1 => "the root's DAG is complete".to_owned(),
        (false, n) => format!("{complete} of {} complete", count(n as u64, "root")),
    });
    if let Some(missing) = report.missing_blocks.filter(|missing| *missing > 0) {
        parts.push(format!("{} missing", count(missing, "block")));
    }
    if report.verdict == Verdict::Unverified {
        parts.push(format!("{} could not be verified", count(counts.unverified_blocks, "block")));
    }
    format!(" — {}", parts.join(", "))
}
