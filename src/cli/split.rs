//! `cartool split`.

use super::OK;
use super::args::{Common, size};
use super::merge::{remark, total};
use super::report::count;
use super::term::{self, Out, Progress};
use super::version::{existing, unverified};
use cartool::control::Control;
use cartool::error::{Error, Result};
use cartool::ops::split::{self, Options, Strategy};
use clap::ValueEnum;
use serde_json::json;
use std::path::{Path, PathBuf};

const AFTER_HELP: &str = "\
Examples:
  cartool split --size 100MiB big.car                  big-00001.car, big-00002.car, …
  cartool split --size 100MiB big.car -o parts/        parts/big-00001.car, …
  cartool split --size 4GiB --strategy tree big.car -o parts/piece
  cartool merge parts/*.car -o whole.car               all blocks again

simple: consecutive blocks, each part under the header of the archive.
tree: each part has one root and the blocks on the way from it to its own blocks,
so that it can be read alone; blocks that no root leads to come last.
Parts appear when all are whole. They are CARv1.";

/// Split an archive into parts of bounded size
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A CAR file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Most bytes of a part
    #[arg(long, value_name = "SIZE", value_parser = size)]
    size: u64,
    /// How blocks are dealt to the parts
    #[arg(long, value_enum, default_value = "simple", value_name = "WHICH")]
    strategy: StrategyArg,
    /// Names of the parts up to their number, or a directory for them [default: FILE without its extension, here]
    #[arg(short, long, value_name = "PREFIX")]
    output: Option<PathBuf>,
    /// Keep blocks whose hash function cannot be checked
    #[arg(long)]
    allow_unverified: bool,
    /// Replace parts that exist
    #[arg(long)]
    force: bool,
    /// Print a JSON object a part
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StrategyArg {
    /// Consecutive blocks
    Simple,
    /// Parts that can be read alone
    Tree,
}

impl Args {
    /// What the names of the parts start with.
    fn prefix(&self) -> Result<PathBuf> {
        let stem = || {
            let stem = self.file.file_stem().filter(|_| self.file != Path::new("-"));
            stem.map(PathBuf::from).ok_or_else(|| Error::usage("standard input has no name for the parts: give one with -o"))
        };
        match &self.output {
            None => stem(),
            Some(output) if output == Path::new("-") => Err(Error::usage("several parts cannot go to standard output")),
            Some(output) if output.is_dir() || output.as_os_str().to_string_lossy().ends_with('/') => Ok(output.join(stem()?)),
            Some(output) => Ok(output.clone()),
        }
    }
}

pub(crate) fn run(args: &Args, common: &Common, control: &Control) -> Result<u8> {
    let options = Options {
        part_len_max: args.size,
        strategy: match args.strategy {
            StrategyArg::Simple => Strategy::Simple,
            StrategyArg::Tree => Strategy::Tree,
        },
        unverified: unverified(args.allow_unverified),
        existing: existing(args.force),
    };
    let progress = Progress::start(common, control, total(std::slice::from_ref(&args.file)));
    let name = args.file.display().to_string();
    let parts = split::split(&args.file, &args.prefix()?, &options, control, &mut |finding| remark(common, &name, finding))?;
    drop(progress);
    let mut out = Out::new(common);
    for part in &parts {
        let file = part.file.display().to_string();
        if args.json {
            let roots: Vec<String> = part.roots.iter().map(ToString::to_string).collect();
            out.json(&json!({ "file": file, "roots": roots, "blocks": part.blocks, "bytes": part.bytes }))?;
        } else {
            out.line(&file)?;
        }
    }
    out.finish()?;
    let blocks = parts.iter().map(|part| part.blocks).sum();
    term::talk(common, &format!("{} in {}", count(blocks, "block"), count(parts.len() as u64, "part")));
    Ok(OK)
}
