//! `cartool inspect`.

use super::args::Common;
use super::report::count;
use super::term::{self, Out, Progress};
use super::{OK, report, worse};
use cartool::cid::{codec_name, hash_name};
use cartool::control::Control;
use cartool::error::{Result, Severity};
use cartool::ops::Hashing;
use cartool::ops::verify::{self, Options, Report};
use cartool::store::Input;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  cartool inspect bundle.car
  cartool inspect --json *.car | jq .codecs

inspect describes; verify proves.";

/// Describe archives: version, roots, sizes, codecs, hash functions, duplicates
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// CAR files; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Do not hash: describe what the archive claims
    #[arg(long)]
    no_verify: bool,
    /// Print a JSON document a file
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, common: &Common, control: &Control) -> Result<u8> {
    let hashing = if args.no_verify { Hashing::Skip } else { Hashing::Check };
    let options = Options { hashing, ..Options::default() };
    let mut out = Out::new(common);
    let mut code = OK;
    for file in &args.files {
        let name = file.display().to_string();
        let input = Input::open(file, control).map_err(|e| e.in_file(&*name))?;
        let len = input.file_len();
        let progress = Progress::start(common, control, len);
        let report = verify::verify(input, len, &options, control).map_err(|e| e.in_file(&*name))?;
        drop(progress);
        if args.json {
            out.json(&inspect_json(&name, &report, hashing))?;
        } else {
            print(&mut out, &name, &report, hashing)?;
        }
        // Describing an incomplete archive is no failure; a faulty one is said in the exit code too.
        if report.findings.iter().any(|finding| finding.severity >= Severity::Unverified) {
            code = worse(code, report::code_of(report.verdict));
        }
    }
    out.finish()?;
    if args.no_verify {
        term::warn(common, "hashes were not checked (--no-verify)");
    }
    Ok(code)
}

fn mean(report: &Report) -> Option<u64> {
    report.counts.block_bytes.checked_div(report.counts.blocks)
}

fn inspect_json(file: &str, report: &Report, hashing: Hashing) -> Value {
    let counts = &report.counts;
    let names = |of: &std::collections::BTreeMap<u64, u64>, name: fn(u64) -> std::borrow::Cow<'static, str>| {
        of.iter().map(|(code, n)| (name(*code).into_owned(), Value::from(*n))).collect::<Map<_, _>>()
    };
    let [v0, v1] = counts.cid_versions;
    let versions: Map<String, Value> =
        [("0", v0), ("1", v1)].into_iter().filter(|(_, n)| *n > 0).map(|(k, n)| (k.into(), n.into())).collect();
    let profiles = report.profiles();
    json!({
        "file": file,
        "version": report.version,
        "bytes": report.bytes,
        "header_bytes": report.header_bytes,
        "roots": report.roots.iter().map(|root| json!({ "cid": root.cid.to_string(), "present": root.present })).collect::<Vec<_>>(),
        "blocks": counts.blocks,
        "unique_blocks": counts.unique_blocks,
        "duplicate_blocks": counts.duplicate_blocks,
        "identity_blocks": counts.identity_blocks,
        "block_bytes": counts.block_bytes,
        "unique_bytes": counts.unique_bytes,
        "min_block": counts.min_block,
        "mean_block": mean(report),
        "max_block": counts.max_block,
        "codecs": names(&counts.codecs, codec_name),
        "hashes": names(&counts.hashes, hash_name),
        "cid_versions": versions,
        "v2": report.carv2.map(|v2| json!({
            "characteristics": v2.characteristics.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            "fully_indexed": v2.is_fully_indexed(),
            "data_offset": v2.data_offset,
            "data_size": v2.data_size,
            "index_offset": v2.index_offset,
            "index_codec": report.index.as_ref().and_then(|index| index.codec).map(|code| format!("0x{code:04x}")),
        })),
        "profile": match profiles.as_slice() { [one] => Some(*one), _ => None },
        "profiles": profiles,
        "hashes_checked": hashing == Hashing::Check,
        "findings": report.findings.iter().map(report::finding_json).collect::<Vec<_>>(),
    })
}

fn print(out: &mut Out, name: &str, report: &Report, hashing: Hashing) -> Result<()> {
    let Some(version) = report.version else {
        out.line(name)?;
        return report::print_findings(out, &report.findings);
    };
    let counts = &report.counts;
    let hashed = if hashing == Hashing::Check { "" } else { " (hashes not checked)" };
    out.line(&format!("{name}: CARv{version}, {} bytes{hashed}", report.bytes))?;
    let mut row = |key: &str, value: String| out.line(&format!("  {key:<12}{value}"));
    row("header", format!("{} bytes", report.header_bytes))?;
    if let Some(v2) = report.carv2 {
        row("payload", format!("{} bytes at byte {}", v2.data_size, v2.data_offset))?;
        let index = match &report.index {
            Some(index) => format!(
                "{} of type {} at byte {}{}",
                count(index.entries, "entry").replace("entrys", "entries"),
                index.codec.map_or("unknown".to_owned(), |code| codec_name(code).into_owned()),
                v2.index_offset,
                if v2.is_fully_indexed() { ", fully indexed" } else { "" }
            ),
            None => "none".to_owned(),
        };
        row("index", index)?;
    }
    for root in &report.roots {
        row("root", format!("{}{}", root.cid, if root.present { "" } else { " (not in the archive)" }))?;
    }
    row(
        "blocks",
        format!(
            "{}, {} distinct, {} repeated, {} of identity",
            counts.blocks, counts.unique_blocks, counts.duplicate_blocks, counts.identity_blocks
        ),
    )?;
    row("data", format!("{} bytes, {} in distinct blocks", counts.block_bytes, counts.unique_bytes))?;
    if let (Some(min), Some(mean)) = (counts.min_block, mean(report)) {
        row("block size", format!("{min} to {} bytes, {mean} on average", counts.max_block))?;
    }
    for (code, n) in &counts.codecs {
        row("codec", format!("{}: {n}", codec_name(*code)))?;
    }
    for (code, n) in &counts.hashes {
        row("hash", format!("{}: {n}", hash_name(*code)))?;
    }
    let profiles = report.profiles();
    if !profiles.is_empty() {
        row("profile", format!("could be {}", profiles.join(" or ")))?;
    }
    report::print_findings(out, &report.findings)
}
