//! `cartool blocks`.

use super::args::Common;
use super::term::{self, Out, Progress};
use super::{FAULT, OK};
use cartool::cid::{codec_name, hash_name};
use cartool::control::Control;
use cartool::error::{Error, Finding, Result, Severity};
use cartool::ops::Hashing;
use cartool::ops::blocks::{self, BlockInfo};
use cartool::store::Input;
use serde_json::json;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  cartool blocks token.car
  cartool blocks -l token.car           offset, length, block offset, block length, codec, hash, CID
  cartool blocks --json token.car | jq -s 'map(.blockLength) | add'

A block that does not match its CID is left out and named on standard error.";

/// Print the CIDs of an archive's blocks, in file order
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A CAR file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Offsets, lengths, codec and hash function too
    #[arg(short, long)]
    long: bool,
    /// Do not hash: list what the archive claims
    #[arg(long)]
    no_verify: bool,
    /// Print a JSON object a block
    #[arg(long)]
    json: bool,
}

/// Faults that are printed one by one.
const FAULTS_MAX: usize = 1000;

pub(crate) fn run(args: &Args, common: &Common, control: &Control) -> Result<u8> {
    let name = args.file.display().to_string();
    let input = Input::open(&args.file, control).map_err(|e| e.in_file(&*name))?;
    let progress = Progress::start(common, control, input.file_len());
    let hashing = if args.no_verify { Hashing::Skip } else { Hashing::Check };
    let (lines, received) = std::sync::mpsc::sync_channel::<String>(4096);
    let (mut findings, mut more) = (Vec::new(), 0u64);
    // The library calls back from its workers; the terminal is written from this thread alone.
    let (listed, printed) = std::thread::scope(|scope| {
        let (findings, more) = (&mut findings, &mut more);
        let list = scope.spawn(move || {
            let closed = || Error::io(std::io::ErrorKind::BrokenPipe.into(), "cannot write to standard output");
            let on_block = |block: &BlockInfo| lines.send(line(args, block)).map_err(|_| closed());
            let on_finding = |finding: Finding| match finding.severity >= Severity::Unverified {
                true if findings.len() < FAULTS_MAX => findings.push(finding),
                true => *more += 1,
                false => {}
            };
            blocks::list(input, hashing, control, on_block, on_finding)
        });
        let mut out = Out::new(common);
        let printed = received.into_iter().try_for_each(|line| out.line(&line)).and_then(|()| out.finish());
        (list.join(), printed)
    });
    drop(progress);
    printed?;
    match listed {
        Ok(result) => result.map_err(|e| e.in_file(&*name))?,
        Err(panic) => std::panic::resume_unwind(panic),
    }
    if args.no_verify {
        term::warn(common, "hashes were not checked (--no-verify)");
    }
    let mut code = OK;
    for finding in findings {
        code = FAULT;
        term::error(&Error::from(finding).in_file(&*name));
    }
    if more > 0 {
        term::talk(common, &format!("  … and {more} more faults (verify counts them)"));
    }
    Ok(code)
}

fn line(args: &Args, block: &BlockInfo) -> String {
    let BlockInfo { cid, offset, length, block_offset, block_length } = block;
    if args.json {
        let cid = cid.to_string();
        return json!({ "cid": cid, "offset": offset.0, "length": length, "blockOffset": block_offset.0, "blockLength": block_length }).to_string();
    }
    if args.long {
        let (codec, hash) = (codec_name(cid.codec()), hash_name(cid.hash().code()));
        return format!("{:>12} {length:>9} {:>12} {block_length:>9} {codec:<10} {hash:<12} {cid}", offset.0, block_offset.0);
    }
    cid.to_string()
}
