//! `cartool filter`.

use super::args::Common;
use super::merge::remark;
use super::report::count;
use super::target::Target;
use super::term::{self, Out, Progress};
use super::version::{VersionArgs, existing, unverified};
use super::{OK, verify};
use cartool::cid::{Cid, codec_from_name, parse_text};
use cartool::control::Control;
use cartool::error::{Error, Result};
use cartool::ops::build::Missing;
use cartool::ops::filter::{self, Options, PathBelow, Selection, Sense};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

const AFTER_HELP: &str = "\
Examples:
  cartool filter --root bafybei… bundle.car -o member.car      one DAG of many
  cartool filter --path images/7.png collection.car -o 7.car   proof and file
  cartool blocks part.car | cartool filter --cid-file - --inverse whole.car -o rest.car
  cartool filter --codec dag-pb,dag-cbor token.car -o nodes.car

With several conditions a block must meet all; --root and --path together: either.
A CID means every block with the same multihash. Blocks stay in their order.

Roots of the result: those of --root and --path; otherwise the header's roots
whose blocks were kept. Roots dropped are named on standard error.
Every block is hashed, also those left out; a fault leaves no output.";

/// Write a part of an archive
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A CAR file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The new CAR file; - is standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Keep the blocks whose CIDs this file lists, one a line; - is standard input
    #[arg(long, value_name = "FILE")]
    cid_file: Option<PathBuf>,
    /// Keep this block and all below it (may be repeated)
    #[arg(long, value_name = "CID", value_parser = verify::cid)]
    root: Vec<Cid>,
    /// Keep what this path leads to, all below it, and the blocks on the way (may be repeated)
    #[arg(long, value_name = "PATH")]
    path: Vec<String>,
    /// Keep blocks of these codecs, by name or number, as in dag-pb,raw
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = codec)]
    codec: Vec<u64>,
    /// Leave those blocks out and keep the others
    #[arg(long)]
    inverse: bool,
    /// Write what is there although blocks are missing
    #[arg(long)]
    allow_missing: bool,
    /// Keep blocks whose hash function cannot be checked
    #[arg(long)]
    allow_unverified: bool,
    #[command(flatten)]
    version: VersionArgs,
    /// Replace an output that exists
    #[arg(long)]
    force: bool,
    /// Print a JSON document about what was done
    #[arg(long)]
    json: bool,
}

fn codec(name: &str) -> std::result::Result<u64, String> {
    codec_from_name(name)
        .ok_or_else(|| format!("{name:?} is no codec known here: expected a name such as dag-pb, or 0x and digits"))
}

/// The CIDs of a file, one a line.
fn cids(path: &Path) -> Result<Vec<Cid>> {
    let name = path.display().to_string();
    let input: Box<dyn std::io::Read> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(path).map_err(|e| Error::io(e, "cannot open").in_file(&*name))?)
    };
    let mut cids = Vec::new();
    for (number, line) in (1u64..).zip(BufReader::new(input).lines()) {
        let line = line.map_err(|e| Error::io(e, "cannot read").in_file(&*name))?;
        let text = line.trim();
        if !text.is_empty() {
            cids.push(parse_text(text).map_err(|e| Error::usage(format!("line {number}: {e}")).in_file(&*name))?);
        }
    }
    Ok(cids)
}

fn selection(args: &Args) -> Result<Selection> {
    if args.file == Path::new("-") && args.cid_file.as_deref() == Some(Path::new("-")) {
        return Err(Error::usage("standard input (-) can be read only once"));
    }
    let below = |path: &String| {
        let Target { root, segments } = Target::parse(path);
        PathBelow { root, segments }
    };
    Ok(Selection {
        cids: args.cid_file.as_deref().map(cids).transpose()?,
        roots: args.root.clone(),
        paths: args.path.iter().map(below).collect(),
        codecs: args.codec.clone(),
        sense: if args.inverse { Sense::Drop } else { Sense::Keep },
    })
}

pub(crate) fn run(args: &Args, common: &Common, control: &Control) -> Result<u8> {
    let options = Options {
        selection: selection(args)?,
        missing: if args.allow_missing { Missing::Allow } else { Missing::Refuse },
        unverified: unverified(args.allow_unverified),
        version: args.version.version()?,
        existing: existing(args.force),
    };
    let progress = Progress::start(common, control, None);
    let name = args.file.display().to_string();
    let summary = filter::filter(&args.file, &args.output, &options, control, &mut |finding| remark(common, &name, finding))?;
    drop(progress);
    for root in summary.dropped_roots.iter().take(100) {
        term::talk(common, &format!("  no root of the new archive: {root}"));
    }
    if summary.missing_blocks > 0 {
        term::warn(common, &format!("{} missing (--allow-missing)", count(summary.missing_blocks, "block")));
    }
    let output = args.output.display().to_string();
    let roots: Vec<String> = summary.header.roots().map(|root| root.to_string()).collect();
    if args.json && args.output != Path::new("-") {
        let texts = |cids: &[Cid]| cids.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut out = Out::new(common);
        out.json(&json!({
            "output": output,
            "roots": roots,
            "dropped_roots": texts(&summary.dropped_roots),
            "blocks": summary.blocks,
            "left_out": summary.left_out,
            "bytes": summary.bytes,
            "missing_blocks": summary.missing_blocks,
            "missing": texts(&summary.missing),
        }))?;
        out.finish()?;
    } else {
        let text = format!(
            "{output}: {}, {}, {} bytes, {} left out",
            count(summary.blocks, "block"),
            count(roots.len() as u64, "root"),
            summary.bytes,
            summary.left_out
        );
        term::talk(common, &text);
    }
    Ok(OK)
}
