//! What a person types and what comes back. Printing, exit codes and the environment live here and nowhere else.

mod address;
mod archive;
mod args;
mod blocks;
mod cat;
mod check;
mod convert;
mod create;
mod diff;
mod extract;
mod fetch;
mod filter;
mod hash;
mod house;
mod index;
mod inspect;
mod links;
mod ls;
mod merge;
mod metadata;
mod network;
mod remote;
mod report;
mod roots;
mod split;
mod target;
mod term;
mod verify;
mod version;

use args::Common;
use cartool::error::{Error, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::process::ExitCode;

/// Done; sound and complete.
const OK: u8 = 0;
/// The archive is at fault.
const FAULT: u8 = 1;
/// The request makes no sense.
const USAGE: u8 = 2;
/// Sound, but something is missing.
const INCOMPLETE: u8 = 3;
/// The machine failed.
const MACHINE: u8 = 4;
/// Stopped on request.
const INTERRUPTED: u8 = 130;

const AFTER_HELP: &str = "\
Exit codes:
  0  done; sound and complete
  1  the archive is at fault (malformed, hash mismatch, unverifiable)
  2  usage error
  3  sound but incomplete: something is missing
  4  the machine failed (I/O, permission, disk full)
  130  interrupted

Environment:
  CARTOOL_SHA256=auto|scalar|ni2|ni3|avx512|arm3   how SHA2-256 is computed (see --version)

Examples:
  cartool verify token.car                     prove every block and that nothing is missing
  cartool metadata token.car                   print the NFT metadata JSON
  cartool extract token.car -o token/          write the files
  cartool create photos -o photos.car          pack files, print the CID
  cartool merge *.car -o bundle.car            join archives into one
  cartool fetch ipfs://CID -o token.car --gateway URL
  cartool archive eip155:1/erc721:0xADDR/7 -o token/ --rpc URL --gateway URL
  cartool check token/                         prove it again, next year
  curl -s GATEWAY/ipfs/CID?format=car | cartool verify -";

/// Verify, look into, extract, merge, build and create IPFS content archives (CAR files).
#[derive(Debug, Parser)]
#[command(name = "cartool", version = version(), after_help = AFTER_HELP, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(alias = "v")]
    Verify(verify::Args),
    #[command(aliases = ["stat", "info"])]
    Inspect(inspect::Args),
    #[command(alias = "root")]
    Roots(roots::Args),
    Blocks(blocks::Args),
    Ls(ls::Args),
    Cat(cat::CatArgs),
    GetBlock(cat::GetBlockArgs),
    Diff(diff::Args),
    #[command(aliases = ["x", "unpack"])]
    Extract(extract::Args),
    Metadata(metadata::Args),
    Links(links::Args),
    #[command(aliases = ["c", "pack"])]
    Create(Box<create::Args>),
    Address(address::Args),
    Fetch(Box<fetch::Args>),
    Archive(Box<archive::Args>),
    Check(Box<check::Args>),
    Gateways(network::GatewaysArgs),
    Build(merge::BuildArgs),
    #[command(aliases = ["join", "concat"])]
    Merge(merge::MergeArgs),
    Filter(filter::Args),
    Split(split::Args),
    Convert(convert::Args),
    Index(index::Args),
    Hash(hash::Args),
    Completions(house::CompletionsArgs),
    Man(house::ManArgs),
    /// Not a command: `ls` lists files, `blocks` lists CIDs
    #[command(hide = true)]
    List {
        /// Whatever was meant
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        _rest: Vec<String>,
    },
}

/// Version, commit, and what hashes on this machine.
fn version() -> String {
    let commit = env!("CARTOOL_COMMIT");
    let commit = if commit.is_empty() { String::new() } else { format!(", commit {commit}") };
    format!("{}{commit}, sha2-256 by {}", env!("CARGO_PKG_VERSION"), cartool::hash::sha256_kernel())
}

/// The environment variable that names a SHA2-256 kernel.
const KERNEL_VARIABLE: &str = "CARTOOL_SHA256";

/// Takes the SHA2-256 kernel that the environment names, for measurements and for processors that are slow at the usual one.
fn choose_kernel() -> cartool::error::Result<()> {
    let name = std::env::var_os(KERNEL_VARIABLE).unwrap_or_default();
    if name.is_empty() || name == "auto" {
        return Ok(());
    }
    let kernel: Result<cartool::hash::Kernel, _> = name.to_string_lossy().parse();
    kernel.and_then(|kernel| kernel.choose()).map_err(|e| Error::usage(format!("{KERNEL_VARIABLE}={}: {e}", name.display())))
}

/// Runs the command line and gives the exit code.
pub(crate) fn main() -> ExitCode {
    if let Err(error) = choose_kernel() {
        term::error(&error);
        return ExitCode::from(USAGE);
    }
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|e| e.exit());
    let common = cli.common;
    let result = common.control().and_then(|control| run(cli.command, &common, &control));
    ExitCode::from(match result {
        Ok(code) => code,
        Err(error) if error.is_closed_pipe() => OK,
        Err(error) => {
            term::error(&error);
            exit_code(&error)
        }
    })
}

fn run(command: Command, common: &Common, control: &cartool::control::Control) -> cartool::error::Result<u8> {
    match command {
        Command::Verify(args) => verify::run(&args, common, control),
        Command::Inspect(args) => inspect::run(&args, common, control),
        Command::Roots(args) => roots::run(&args, common, control),
        Command::Blocks(args) => blocks::run(&args, common, control),
        Command::Ls(args) => ls::run(&args, common, control),
        Command::Cat(args) => cat::cat(&args, common, control),
        Command::GetBlock(args) => cat::get_block(&args, common, control),
        Command::Diff(args) => diff::run(&args, common, control),
        Command::Extract(args) => extract::run(&args, common, control),
        Command::Metadata(args) => metadata::run(&args, common, control),
        Command::Links(args) => links::run(&args, common, control),
        Command::Create(args) => create::run(&args, common, control),
        Command::Address(args) => address::run(&args, common),
        Command::Fetch(args) => fetch::run(&args, common, control),
        Command::Archive(args) => archive::run(&args, common, control),
        Command::Check(args) => check::run(&args, common, control),
        Command::Gateways(args) => network::list(&args, common),
        Command::Build(args) => merge::build(&args, common, control),
        Command::Merge(args) => merge::merge(&args, common, control),
        Command::Filter(args) => filter::run(&args, common, control),
        Command::Split(args) => split::run(&args, common, control),
        Command::Convert(args) => convert::run(&args, common, control),
        Command::Index(args) => index::run(&args, common, control),
        Command::Hash(args) => hash::run(&args, common, control),
        Command::Completions(args) => house::completions(&args, Cli::command()),
        Command::Man(_) => house::man(Cli::command()),
        Command::List { .. } => Err(Error::usage("there is no `list`: `cartool ls` lists files, `cartool blocks` lists CIDs")),
    }
}

/// The exit code for work that could not be done.
fn exit_code(error: &Error) -> u8 {
    match error.kind {
        ErrorKind::Format(_) | ErrorKind::Unsupported(_) | ErrorKind::Limit(_) => FAULT,
        ErrorKind::Missing => INCOMPLETE,
        ErrorKind::Usage => USAGE,
        ErrorKind::Interrupted => INTERRUPTED,
        _ => MACHINE,
    }
}

/// Of several exit codes the one that counts: interruption, then the machine, then faults, then what is missing.
fn worse(a: u8, b: u8) -> u8 {
    let rank = |code: u8| [OK, INCOMPLETE, FAULT, USAGE, MACHINE, INTERRUPTED].iter().position(|c| *c == code);
    if rank(a) >= rank(b) { a } else { b }
}
