//! `cartool links`.

use super::args::Common;
use super::network::Network;
use super::remote;
use super::target::Target;
use super::term::{self, Out};
use super::{FAULT, INCOMPLETE, OK, worse};
use cartool::address::{self, TokenId};
use cartool::control::Control;
use cartool::error::{Code, Error, ErrorKind, Result};
use cartool::links::{self, FoundLink, ScanOptions};
use cartool::ops::availability::{Availability, Holdings, Status};
use cartool::ops::metadata::{self, METADATA_LEN_MAX, Search};
use cartool::store::{CarFile, Input, Union, spool};
use serde_json::{Map, Value};
use std::io::Read;
use std::path::{Path, PathBuf};

const AFTER_HELP: &str = "\
Examples:
  cartool links token.car                     what the metadata names, and whether the archive holds it
  cartool links --check bundle.car            exit code 3 when something is not inside
  cartool links metadata.json --from images.car
  cartool links --token-id 7 erc1155.json     fills in {id}
  cartool links ipfs://bafy…/7.json --gateway https://gateway.example

A line is: JSON pointer, kind, canonical address; with an archive also here,
partial or absent. Nothing is executed, and nothing it names is fetched.";

/// List every IPFS address inside metadata, and whether archives hold it
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// CAR files (their metadata is searched, and they are searched for what it names) or JSON, HTML, text files; - is standard input; addresses are fetched
    #[arg(required = true, value_name = "FILE|JSON|ADDRESS")]
    files: Vec<PathBuf>,
    /// Search only the file at this path of the archives, in place of their metadata
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Archives to look into that have no metadata of their own to search (may be repeated)
    #[arg(long, value_name = "CAR")]
    from: Vec<PathBuf>,
    /// The token's number, decimal or 0x…: fills in ERC-1155's {id}
    #[arg(long, value_name = "N", value_parser = token_id)]
    token_id: Option<TokenId>,
    /// Exit with 3 when an address is not wholly in the archives
    #[arg(long)]
    check: bool,
    /// Each address once
    #[arg(long)]
    unique: bool,
    /// Every kind of link, not only IPFS
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    network: Network,
    /// Print a JSON object a link
    #[arg(long)]
    json: bool,
}

pub(crate) fn token_id(text: &str) -> std::result::Result<TokenId, String> {
    text.parse().map_err(|_| format!("{text:?} is no token id: expected a decimal number or 0x and hexadecimal, below 2^256"))
}

/// A document to search.
struct Document {
    /// Where it was found, for the reader: empty when there is only one.
    name: String,
    bytes: Vec<u8>,
}

pub(crate) fn run(args: &Args, common: &Common, control: &Control) -> Result<u8> {
    let (mut documents, mut cars, mut code) = (Vec::new(), Vec::new(), OK);
    let mut without = 0;
    for file in &args.files {
        if remote::address_of(file).is_some() {
            // The document is searched; what it names is looked for in the archives at hand alone.
            let opened = remote::open(file, args.path.as_deref(), &args.network, &args.from, common, control)?;
            documents.extend(documents_of(None, &opened.car, control).map_err(|e| e.in_file(opened.car.name()))?);
            continue;
        }
        match open(file, control)? {
            Opened::Car(car) => {
                let found = documents_of(args.path.as_deref(), &car, control).map_err(|e| e.in_file(car.name()))?;
                without += usize::from(found.is_empty());
                documents.extend(found);
                cars.push(*car);
            }
            Opened::Document(document) => documents.push(document),
        }
    }
    for file in &args.from {
        cars.push(CarFile::open(file, control)?);
    }
    // The same metadata may be in several of the archives.
    let mut names = std::collections::HashSet::new();
    documents.retain(|document: &Document| names.insert(document.name.clone()));
    if documents.is_empty() {
        let what = if without == 1 { "the archive" } else { "the archives" };
        let file = args.path.as_ref().map_or_else(|| "JSON file".to_owned(), |path| format!("{path:?}"));
        return Err(Error::missing(format!("no metadata to search: there is no {file} in {what}")));
    }
    let has_archives = !cars.is_empty();
    for fault in cars.iter().filter_map(CarFile::first_fault) {
        term::error(&fault);
        code = worse(code, FAULT);
    }
    let source = Union::new(cars);
    let mut holdings = Holdings::new(&source, control);
    let mut printer = Printer::new(args, Out::new(common), documents.len() > 1);
    let options = ScanOptions {
        address: address::Options { token_id: args.token_id, ..address::Options::default() },
        ..ScanOptions::default()
    };
    for document in &documents {
        let mut look = |address: &address::Address| if has_archives { holdings.look(address) } else { Ok(None) };
        code = worse(code, search(document, &options, &mut printer, &mut look, common, control)?);
    }
    let Printer { out, looked, lacking, hidden, .. } = printer;
    out.finish()?;
    if hidden > 0 {
        term::talk(common, &format!("{} of other kinds (--all lists them)", super::report::count(hidden, "link")));
    }
    if args.check {
        if !has_archives {
            return Err(Error::usage("--check needs an archive to look into: name a CAR file, or one with --from"));
        }
        term::talk(common, &conclusion(looked, lacking));
        if lacking > 0 {
            code = worse(code, INCOMPLETE);
        }
    }
    Ok(code)
}

/// Prints the links of one document; gives the exit code it deserves.
fn search(
    document: &Document,
    options: &ScanOptions,
    printer: &mut Printer<'_>,
    look: &mut dyn FnMut(&address::Address) -> Result<Option<Availability>>,
    common: &Common,
    control: &Control,
) -> Result<u8> {
    let mut code = OK;
    let scanned = match links::scan(&document.bytes, options) {
        Ok(scanned) => scanned,
        Err(error) => {
            term::error(&Error::new(ErrorKind::Format(Code::BadNode), error.to_string()).in_file(&*document.name));
            return Ok(FAULT);
        }
    };
    if scanned.truncated {
        let message = format!("more than {} links, the rest was not looked at", scanned.links.len());
        term::error(&Error::new(ErrorKind::Format(Code::LimitReached), message).in_file(&*document.name));
        code = FAULT;
    }
    for note in &scanned.notes {
        term::warn(common, &format!("{}: {} {}", document.name, note.kind.as_str(), note.pointer));
    }
    for link in &scanned.links {
        control.check()?;
        let held = link.result.as_ref().ok().map(&mut *look).transpose()?.flatten();
        printer.link(document, link, held.as_ref())?;
    }
    Ok(code)
}

fn conclusion(looked: u64, lacking: u64) -> String {
    match (looked, lacking) {
        (0, _) => "this token names nothing on IPFS".to_owned(),
        (_, 0) => "everything this token names is inside".to_owned(),
        (looked, lacking) => format!("{lacking} of {looked} addresses that this token names are not inside"),
    }
}

enum Opened {
    Car(Box<CarFile>),
    Document(Document),
}

/// Opens a file as an archive, or reads it as a document when it is none.
fn open(path: &Path, control: &Control) -> Result<Opened> {
    let name = path.display().to_string();
    let (file, len) = Input::open(path, control).and_then(spool).map_err(|e| e.in_file(&*name))?;
    let again = file.try_clone().map_err(|e| Error::io(e, "cannot read").in_file(&*name))?;
    match CarFile::from_file(file, len, name.clone(), control) {
        Ok(car) => Ok(Opened::Car(Box::new(car))),
        Err(error) if error.code() == Some(Code::NotACar) || is_text(&again) => {
            let mut bytes = Vec::new();
            let failed = |e| Error::io(e, "cannot read").in_file(&*name);
            std::io::Seek::rewind(&mut &again).map_err(failed)?;
            (&again).take(METADATA_LEN_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
            if bytes.len() as u64 > METADATA_LEN_MAX {
                let message = format!("a document of {len} bytes, at most {METADATA_LEN_MAX} are read");
                return Err(Error::new(ErrorKind::Limit("--max-metadata"), message).in_file(name));
            }
            Ok(Opened::Document(Document { name, bytes }))
        }
        Err(error) => Err(error.in_file(name)),
    }
}

/// Whether a file starts with plain text, which no archive does.
fn is_text(mut file: &std::fs::File) -> bool {
    let mut start = [0; 64];
    let read = std::io::Seek::rewind(&mut file).and_then(|()| file.read(&mut start)).unwrap_or(0);
    let start = start.get(..read).unwrap_or_default();
    !start.is_empty() && start.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t' | 0x80..))
}

/// The metadata of every root of an archive; where no rule says which file it is, all JSON files.
fn documents_of(path: Option<&str>, car: &CarFile, control: &Control) -> Result<Vec<Document>> {
    let mut documents = Vec::new();
    if let Some(path) = path {
        let target = Target::parse(path);
        return match metadata::at_path(car, &target.roots(car)?, &target.segments(), control) {
            Ok(found) => Ok(vec![Document { name: name_of(&found.root, &found.path), bytes: found.bytes }]),
            Err(error) if matches!(error.kind, ErrorKind::Missing) => Ok(documents),
            Err(error) => Err(error),
        };
    }
    for root in car.roots() {
        match metadata::search(car, &root, control)? {
            Search::Found(found) => documents.push(Document { name: name_of(&root, &found.path), bytes: found.bytes }),
            Search::Candidates(candidates) => {
                for candidate in candidates {
                    control.check()?;
                    let bytes = match metadata::read_file(car, &candidate.cid, control) {
                        Ok(bytes) => bytes,
                        Err(error) if matches!(error.kind, ErrorKind::Missing) => continue,
                        Err(error) => return Err(error),
                    };
                    documents.push(Document { name: name_of(&root, &candidate.path), bytes });
                }
            }
        }
    }
    Ok(documents)
}

fn name_of(root: &cartool::cid::Cid, path: &[u8]) -> String {
    if path.is_empty() { format!("/ipfs/{root}") } else { format!("/ipfs/{root}/{}", term::escape_bytes(path)) }
}

struct Printer<'a> {
    args: &'a Args,
    out: Out,
    several: bool,
    seen: std::collections::HashSet<String>,
    /// Addresses that were looked for in the archives, and those not wholly there.
    looked: u64,
    lacking: u64,
    /// Links of kinds that were not asked for.
    hidden: u64,
}

impl<'a> Printer<'a> {
    fn new(args: &'a Args, out: Out, several: bool) -> Printer<'a> {
        Printer { args, out, several, seen: std::collections::HashSet::new(), looked: 0, lacking: 0, hidden: 0 }
    }

    fn link(&mut self, document: &Document, link: &FoundLink, held: Option<&Availability>) -> Result<()> {
        let (kind, text) = match &link.result {
            Ok(address) => (address.kind.as_str(), address.canonical()),
            Err(_) => ("invalid", link.raw.clone()),
        };
        let is_ipfs = match &link.result {
            Ok(address) => matches!(address.kind, address::Kind::Ipfs | address::Kind::Ipns),
            Err(error) => error.is_broken_address(),
        };
        if let Some(held) = held {
            self.looked += 1;
            self.lacking += u64::from(held.status != Status::Here);
        }
        if !(is_ipfs || self.args.all) {
            self.hidden += 1;
            return Ok(());
        }
        if self.args.unique && !self.seen.insert(text.clone()) {
            return Ok(());
        }
        if self.args.json {
            return self.out.json(&json(document, link, kind, &text, held));
        }
        let pointer = if self.several { format!("{}#{}", document.name, link.pointer) } else { link.pointer.clone() };
        let mut fields = vec![term::escape(&pointer).into_owned(), kind.to_owned(), term::escape(&text).into_owned()];
        if let Some(held) = held {
            fields.push(held.status.as_str().to_owned());
        }
        let mut line = fields.join("\t");
        line.push('\n');
        self.out.bytes(line.as_bytes())
    }
}

fn json(document: &Document, link: &FoundLink, kind: &str, text: &str, held: Option<&Availability>) -> Value {
    let mut object = Map::new();
    object.insert("pointer".into(), link.pointer.as_str().into());
    object.insert("found_in".into(), document.name.as_str().into());
    object.insert("field".into(), link.field.as_str().into());
    object.insert("role".into(), link.role.as_str().into());
    object.insert("kind".into(), kind.into());
    object.insert("raw".into(), link.raw.as_str().into());
    match &link.result {
        Ok(address) => {
            object.insert("canonical".into(), text.into());
            object.insert("root".into(), address.root.map(|root| root.to_string()).into());
            object.insert("segments".into(), address.segments.clone().into());
            object.insert("hint_host".into(), address.hint_host.clone().into());
            object.insert("notes".into(), address.notes.iter().map(|note| note.as_str()).collect::<Vec<_>>().into());
        }
        Err(error) => drop(object.insert("reason".into(), error.reason().into())),
    }
    if let Some(held) = held {
        object.insert("status".into(), held.status.as_str().into());
        object.insert("cid".into(), held.cid.map(|cid| cid.to_string()).into());
        if let Some(reason) = &held.reason {
            object.insert("reason".into(), reason.as_str().into());
        }
        object.insert("missing".into(), held.missing.iter().map(super::report::missing_json).collect());
    }
    Value::Object(object)
}
