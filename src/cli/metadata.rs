//! `cartool metadata`.

use super::args::Common;
use super::network::Network;
use super::remote;
use super::target::{self, Target};
use super::term::{self, Out, escape_bytes};
use super::{FAULT, INCOMPLETE, OK};
use cartool::archive::{self, Documents};
use cartool::control::Control;
use cartool::error::{Error, Result};
use cartool::links::{self, ScanOptions};
use cartool::ops::metadata::{self, Candidate, Metadata, Search};
use cartool::store::{CarFile, Existing, Output};
use std::io::Write;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  cartool metadata token.car
  cartool metadata token.car -o metadata.json
  cartool metadata --path 7.json collection.car
  cartool metadata my-tokens/ --item eip155:1/erc721:0x…/7
  cartool metadata ipfs://bafy…/7.json --gateway https://gateway.example

Looked for under each root: the root itself as a JSON file; metadata.json in a
dag-cbor map (NFT.Storage's layout) or in a directory; the only JSON file of a
directory. When no rule says which file is meant they are listed, and the exit
code is 3.";

/// Print the NFT metadata JSON of an archive, its exact bytes
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A CAR file, - for standard input, an archive directory, or an address to fetch it from
    #[arg(value_name = "FILE|DIR|ADDRESS")]
    file: PathBuf,
    /// Where it is, below the root
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Of an archive directory with several, the item
    #[arg(long, value_name = "ID")]
    item: Option<String>,
    /// Write it to a file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "output")]
    force: bool,
    /// Indent it for reading; the bytes are no longer those of the archive
    #[arg(long)]
    pretty: bool,
    /// Archives, or directories of archives, to look into before an address is asked for (may be repeated)
    #[arg(long, value_name = "FILE|DIR")]
    from: Vec<PathBuf>,
    #[command(flatten)]
    network: Network,
}

pub(crate) fn run(args: &Args, common: &Common, control: &Control) -> Result<u8> {
    if args.file.is_dir() {
        return of_directory(args, common, control);
    }
    if args.item.is_some() {
        return Err(Error::usage("--item names an item of an archive directory").in_file(args.file.display().to_string()));
    }
    let opened = remote::open(&args.file, args.path.as_deref(), &args.network, &args.from, common, control)?;
    let car = &opened.car;
    let found = find(args, car, control).map_err(|e| e.in_file(car.name()))?;
    let metadata = match found {
        Ok(metadata) => metadata,
        Err(candidates) => return no_metadata(car, &candidates, common),
    };
    remarks(&metadata, common);
    write(args, metadata.bytes, common).map_err(|e| e.in_file(car.name()))?;
    match target::check(car) {
        Ok(()) => Ok(OK),
        Err(fault) => {
            term::error(&fault);
            Ok(FAULT)
        }
    }
}

/// Of an archive directory, whose manifest says where everything is.
fn of_directory(args: &Args, common: &Common, control: &Control) -> Result<u8> {
    let name = args.file.display().to_string();
    if args.path.is_some() {
        return Err(Error::usage("--path is for CAR files; an archive directory has items (--item)").in_file(name));
    }
    match archive::metadata(&args.file, args.item.as_deref(), control).map_err(|e| e.in_file(&*name))? {
        Documents::Found(bytes) => write(args, bytes, common).map(|()| OK).map_err(|e| e.in_file(&*name)),
        Documents::Several(items) => {
            let message = match items.len() {
                0 => "no item has metadata".to_owned(),
                count => format!("{count} items with metadata; name one with --item:"),
            };
            term::error(&Error::missing(message).in_file(name));
            for (id, file) in items.iter().take(100) {
                term::talk(common, &format!("  {}  {}", escape_bytes(id.as_bytes()), escape_bytes(file.as_bytes())));
            }
            if items.len() > 100 {
                term::talk(common, &format!("  … and {} more", items.len() - 100));
            }
            Ok(INCOMPLETE)
        }
    }
}

/// Hands the document over.
fn write(args: &Args, bytes: Vec<u8>, common: &Common) -> Result<()> {
    let mut bytes = bytes;
    if args.pretty {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let value: serde_json::Value = serde_json::from_slice(text)
            .map_err(|e| Error::usage(format!("cannot be indented: {e} (without --pretty the exact bytes are printed)")))?;
        bytes = serde_json::to_vec_pretty(&value).map_err(|e| Error::usage(e.to_string()))?;
        bytes.push(b'\n');
    }
    match &args.output {
        Some(path) => {
            let existing = if args.force { Existing::Replace } else { Existing::Refuse };
            let mut output = Output::create(path, existing, std::slice::from_ref(&args.file))?;
            output.write_all(&bytes).map_err(|e| Error::io(e, "cannot write").in_file(path.display().to_string()))?;
            output.commit()?;
        }
        None => {
            let mut out = Out::new(common);
            out.bytes(&bytes)?;
            out.finish()?;
        }
    }
    Ok(())
}

/// The metadata, or what it could be.
fn find(args: &Args, car: &CarFile, control: &Control) -> Result<std::result::Result<Metadata, Vec<Candidate>>> {
    // Of an address, the document itself was fetched.
    if let Some(path) = args.path.as_ref().filter(|_| remote::address_of(&args.file).is_none()) {
        let target = Target::parse(path);
        return metadata::at_path(car, &target.roots(car)?, &target.segments(), control).map(Ok);
    }
    let mut candidates = Vec::new();
    for root in target::roots_of(car)? {
        match metadata::search(car, &root, control)? {
            Search::Found(metadata) => return Ok(Ok(*metadata)),
            Search::Candidates(more) => candidates.extend(more),
        }
    }
    Ok(Err(candidates))
}

fn no_metadata(car: &CarFile, candidates: &[Candidate], common: &Common) -> Result<u8> {
    if candidates.is_empty() {
        term::error(&Error::missing("no metadata: there is no JSON file in it").in_file(car.name()));
    } else {
        let message = format!("{} JSON files, and nothing says which is the metadata; name one with --path:", candidates.len());
        term::error(&Error::missing(message).in_file(car.name()));
        let several = car.roots().len() > 1;
        for candidate in candidates.iter().take(100) {
            let path = escape_bytes(&candidate.path);
            term::talk(common, &if several { format!("  /ipfs/{}/{path}", candidate.root) } else { format!("  {path}") });
        }
        if candidates.len() > 100 {
            term::talk(common, &format!("  … and {} more", candidates.len() - 100));
        }
    }
    // A fault of the archive may be why nothing was found.
    Ok(match target::check(car) {
        Ok(()) => INCOMPLETE,
        Err(fault) => {
            term::error(&fault);
            FAULT
        }
    })
}

/// Keys that hold text in every metadata standard.
const TEXT_KEYS: [&str; 5] = ["name", "description", "image", "animation_url", "external_url"];

/// What a reader of the JSON should know.
fn remarks(metadata: &Metadata, common: &Common) {
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(&metadata.bytes) {
        let is_wrong = |key: &&str| value.get(key).is_some_and(|value| !value.is_string() && !value.is_null());
        for key in TEXT_KEYS.iter().filter(|key| is_wrong(key)) {
            term::warn(common, &format!("the metadata's {key:?} is no text"));
        }
    }
    match links::scan(&metadata.bytes, &ScanOptions::default()) {
        Ok(document) => {
            for note in document.notes {
                let place = if note.pointer.is_empty() { String::new() } else { format!(" at {}", note.pointer) };
                term::warn(common, &format!("the metadata has a remark: {}{place}", note.kind.as_str()));
            }
        }
        Err(error) => term::warn(common, &format!("the metadata {error}")),
    }
}
