//! `cartool index`.

use super::args::Common;
use super::merge::{remark, total};
use super::report::{count, finding_json, print_findings};
use super::term::{self, Out, Progress};
use super::version::{CodecArg, existing, identities, unverified};
use super::{FAULT, OK};
use cartool::cid::hash_name;
use cartool::control::Control;
use cartool::error::{Result, Severity};
use cartool::format::index::Entry;
use cartool::ops::archive_writer::{V2Options, Version};
use cartool::ops::convert;
use cartool::ops::index::{self, Comparison};
use clap::Subcommand;
use serde_json::json;
use std::path::{Path, PathBuf};

const AFTER_HELP: &str = "\
Examples:
  cartool index create token.car -o token.v2.car   the archive with an index
  cartool index create token.car -o token.idx      the index alone
  cartool index list token.v2.car
  cartool index check token.v2.car

An index says where blocks stand. It proves nothing: cartool reads and hashes what
an index leads to, and looks for itself when the index is wrong.";

/// Make, take out, list or check the index of an archive
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(CreateArgs),
    Detach(DetachArgs),
    List(ListArgs),
    Check(CheckArgs),
}

/// Make an index
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cartool index create token.car -o token.v2.car\n  cartool index create --codec index-sorted token.car -o token.idx\n\nAn OUT that ends in .car is a CARv2 of the same blocks with the index behind\nthem; any other is the index alone. Every block is hashed. An index that FILE has\nis not looked at."
)]
struct CreateArgs {
    /// A CAR file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The new file; - is standard output, which gets the index alone
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Kind of index
    #[arg(long, value_enum, default_value = "multihash-index-sorted", value_name = "KIND")]
    codec: CodecArg,
    /// Index blocks whose CID carries their data too, and say so in a CARv2's header
    #[arg(long)]
    fully_indexed: bool,
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

/// Write a CARv2's index to a file of its own
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cartool index detach token.v2.car -o token.idx\n\nThe index must be readable from end to end. It is not compared with the blocks:\nindex check does that."
)]
struct DetachArgs {
    /// A CARv2 file with an index; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The new file; - is standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Replace an output that exists
    #[arg(long)]
    force: bool,
    /// Print a JSON document about what was done
    #[arg(long)]
    json: bool,
}

/// Print the entries of an index
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cartool index list token.v2.car\n  cartool index list --json token.idx | jq .offset\n\nA line is the multihash in hexadecimal (the digest alone, if the index does not\nsay the hash function) and where the section starts, from the first byte of the\nCARv1 payload."
)]
struct ListArgs {
    /// A CARv2 file with an index, or an index alone; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print a JSON object an entry
    #[arg(long)]
    json: bool,
}

/// Compare an index with the blocks, both ways
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cartool index check token.v2.car\n  cartool index check token.car --index token.idx\n\nEvery block is hashed first. An entry that leads elsewhere, a block without an\nentry and entries out of order are faults here: exit code 1."
)]
struct CheckArgs {
    /// A CAR file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// This index in place of the archive's own
    #[arg(long, value_name = "FILE")]
    index: Option<PathBuf>,
    /// Print a JSON document
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, common: &Common, control: &Control) -> Result<u8> {
    match &args.command {
        Command::Create(args) => create(args, common, control),
        Command::Detach(args) => detach(args, common, control),
        Command::List(args) => list(args, common, control),
        Command::Check(args) => check(args, common, control),
    }
}

fn create(args: &CreateArgs, common: &Common, control: &Control) -> Result<u8> {
    let progress = Progress::start(common, control, total(std::slice::from_ref(&args.file)));
    let (codec, identities) = (args.codec.codec(), identities(args.fully_indexed));
    let (unverified, existing) = (unverified(args.allow_unverified), existing(args.force));
    let blocks = if args.output.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("car")) {
        let version = Version::V2(V2Options { index: Some(codec), identities, ..V2Options::default() });
        let options = convert::Options { version, unverified, existing };
        let name = args.file.display().to_string();
        convert::convert(&args.file, &args.output, &options, control, &mut |finding| remark(common, &name, finding))?.blocks
    } else {
        let options = index::Options { codec, identities, unverified, existing };
        index::create(&args.file, &args.output, &options, control)?
    };
    drop(progress);
    let output = args.output.display().to_string();
    if args.json && args.output != Path::new("-") {
        let mut out = Out::new(common);
        out.json(&json!({ "output": output, "codec": hex_code(codec.code()), "blocks": blocks }))?;
        out.finish()?;
    } else {
        term::talk(common, &format!("{output}: an index of {}", count(blocks, "block")));
    }
    Ok(OK)
}

fn detach(args: &DetachArgs, common: &Common, control: &Control) -> Result<u8> {
    let summary = index::detach(&args.file, &args.output, existing(args.force), control)?;
    let output = args.output.display().to_string();
    if args.json && args.output != Path::new("-") {
        let mut out = Out::new(common);
        out.json(&json!({ "output": output, "codec": hex_code(summary.codec), "entries": summary.entry_count }))?;
        out.finish()?;
    } else {
        term::talk(common, &format!("{output}: {}", entries(summary.entry_count)));
    }
    Ok(OK)
}

/// A multicodec code as JSON has it.
fn hex_code(code: u64) -> String {
    format!("0x{code:04x}")
}

fn entries(n: u64) -> String {
    if n == 1 { "1 entry".to_owned() } else { format!("{n} entries") }
}

fn list(args: &ListArgs, common: &Common, control: &Control) -> Result<u8> {
    let mut out = Out::new(common);
    index::list(&args.file, control, &mut |entry| {
        control.check()?;
        if args.json { out.json(&entry_json(&entry)) } else { out.line(&format!("{} {}", multihash(&entry), entry.offset.0)) }
    })?;
    out.finish()?;
    Ok(OK)
}

/// The multihash of an entry in hexadecimal, or its digest.
fn multihash(entry: &Entry<'_>) -> String {
    let mut bytes = Vec::new();
    if let Some(code) = entry.hash_code {
        cartool::varint::write(code, &mut bytes);
        cartool::varint::write(entry.digest.len() as u64, &mut bytes);
    }
    bytes.extend_from_slice(entry.digest);
    hex(&bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn entry_json(entry: &Entry<'_>) -> serde_json::Value {
    json!({
        "multihash": entry.hash_code.map(|_| multihash(entry)),
        "hash": entry.hash_code.map(hash_name),
        "digest": hex(entry.digest),
        "offset": entry.offset.0,
    })
}

fn check(args: &CheckArgs, common: &Common, control: &Control) -> Result<u8> {
    let progress = Progress::start(common, control, total(std::slice::from_ref(&args.file)));
    let comparison = index::check(&args.file, args.index.as_deref(), control)?;
    drop(progress);
    let Comparison { index, sections, findings } = &comparison;
    let is_faulty = findings.iter().any(|finding| finding.severity == Severity::Error);
    let verdict = if is_faulty { "corrupt" } else { "ok" };
    let file = args.index.as_deref().unwrap_or(&args.file).display().to_string();
    let mut out = Out::new(common);
    if args.json {
        out.json(&json!({
            "file": args.file.display().to_string(),
            "index": args.index.as_deref().map(|path: &Path| path.display().to_string()),
            "codec": index.codec.map(hex_code),
            "entries": index.entries,
            "wrong": index.wrong,
            "missing": index.missing,
            "sorted": index.unsorted_at.is_none(),
            "blocks": sections,
            "findings": findings.iter().map(finding_json).collect::<Vec<_>>(),
            "verdict": verdict,
        }))?;
    } else {
        let (entries, blocks) = (entries(index.entries), count(*sections, "block"));
        let text = format!(" — {entries} for {blocks}, {} wrong, {} missing", index.wrong, index.missing);
        let severity = if is_faulty { Severity::Error } else { Severity::Note };
        out.marked(&format!("{file}: "), verdict, severity, &text)?;
        print_findings(&mut out, findings)?;
    }
    out.finish()?;
    Ok(if is_faulty { FAULT } else { OK })
}
