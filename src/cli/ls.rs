//! `cartool ls`.

use super::args::Common;
use super::report::put_path;
use super::target::{self, Target};
use super::term::{self, Out, escape_bytes};
use super::{FAULT, OK};
use cartool::cid::Cid;
use cartool::control::Control;
use cartool::error::{Error, ErrorKind, Result};
use cartool::store::CarFile;
use cartool::unixfs::{Budget, Entry, EntryKind, RawLeaves, Strictness, Walk};
use serde_json::{Map, Value};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  cartool ls token.car
  cartool ls -lR token.car images
  cartool ls --tree token.car
  cartool ls token.car /ipfs/CID/images      when the archive has several roots

An archive with several roots lists them by CID. What is not in the archive is
marked, and the listing goes on. Only what is read for it is hashed.";

/// List the files and directories of an archive
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A CAR file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A directory or file in it
    #[arg(value_name = "PATH")]
    path: Option<String>,
    /// Type, size and CID too
    #[arg(short, long)]
    long: bool,
    /// Everything below
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Everything below, as a tree
    #[arg(long, conflicts_with = "json")]
    tree: bool,
    /// Print a JSON object an entry
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, common: &Common, control: &Control) -> Result<u8> {
    let car = CarFile::open_indexed(&args.file, control)?;
    let mut listing = Listing { args, out: Out::new(common), budget: Budget::new(control.limits), code: OK };
    match &args.path {
        Some(path) => {
            let cid = Target::parse(path).resolve(&car, control)?;
            listing.below(&car, &cid, Vec::new(), Root::Inside, control)?;
        }
        None => {
            let roots = target::roots_of(&car)?;
            let root = if roots.len() > 1 { Root::OneOfMany } else { Root::Alone };
            for cid in &roots {
                let prefix = if roots.len() > 1 { cid.to_string().into_bytes() } else { Vec::new() };
                listing.below(&car, cid, prefix, root, control)?;
            }
        }
    }
    let Listing { out, mut code, .. } = listing;
    out.finish()?;
    target::note_bypass(&car, common);
    if let Some(fault) = car.first_fault() {
        term::error(&fault);
        code = FAULT;
    }
    Ok(code)
}

/// How the thing that a walk starts from is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Root {
    /// The only root: a directory by its entries, anything else by its CID.
    Alone,
    /// By its CID.
    OneOfMany,
    /// What a PATH names: a directory by its entries, a file by its name.
    Inside,
}

struct Listing<'a> {
    args: &'a Args,
    out: Out,
    budget: Budget,
    code: u8,
}

impl Listing<'_> {
    fn below(&mut self, car: &CarFile, cid: &Cid, prefix: Vec<u8>, root: Root, control: &Control) -> Result<()> {
        let raw = if self.args.long || self.args.json { RawLeaves::Read } else { RawLeaves::Find };
        let mut walk = Walk::new(car, cid, Strictness::Lenient, raw);
        let deep = self.args.recursive || self.args.tree;
        while let Some(entry) = walk.next_entry(&mut self.budget)? {
            control.check()?;
            let is_directory = matches!(entry.kind, EntryKind::Directory | EntryKind::Map);
            if entry.depth == 0 && is_directory && root != Root::OneOfMany {
                if self.args.tree {
                    self.out.line(".")?;
                }
                continue;
            }
            let mut path = prefix.clone();
            if !entry.path.is_empty() {
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(&entry.path);
            }
            if path.is_empty() {
                path = match root {
                    Root::Inside => self.args.path.as_deref().unwrap_or_default().trim_matches('/').as_bytes().to_vec(),
                    _ => cid.to_string().into_bytes(),
                };
            }
            self.entry(&entry, &path)?;
            let stop_at = if root == Root::OneOfMany { 0 } else { 1 };
            if is_directory && !deep && entry.depth >= stop_at {
                walk.skip_directory();
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry, path: &[u8]) -> Result<()> {
        if let EntryKind::Broken(error) = &entry.kind {
            let code = super::exit_code(error);
            self.code = super::worse(self.code, if code == OK { FAULT } else { code });
        }
        if self.args.json {
            return self.out.json(&json(entry, path));
        }
        let mut text = escape_bytes(path);
        if self.args.tree {
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
            let depth = path.iter().filter(|byte| **byte == b'/').count();
            text = format!("{}└── {}", "    ".repeat(depth), escape_bytes(name));
        }
        match &entry.kind {
            EntryKind::Directory | EntryKind::Map => text.push('/'),
            EntryKind::Symlink { target } if self.args.long || self.args.tree => {
                text.push_str(&format!(" -> {}", escape_bytes(target)));
            }
            EntryKind::Missing => text.push_str(" (missing)"),
            EntryKind::Broken(error) => text.push_str(&format!(" (broken: {})", error.detail())),
            _ => {}
        }
        if let Some(why) = entry.bad_name {
            text.push_str(&format!(" ({why}: cannot be extracted)"));
        }
        if self.args.long {
            let size = entry.size.map_or_else(|| "-".to_owned(), |size| size.to_string());
            text = format!("{:<8}{size:>12} {} {text}", kind(entry), entry.cid);
        }
        self.out.line(&text)
    }
}

fn kind(entry: &Entry) -> &'static str {
    match &entry.kind {
        EntryKind::File => "file",
        EntryKind::Directory | EntryKind::Map => "dir",
        EntryKind::Symlink { .. } => "symlink",
        EntryKind::Other => "block",
        EntryKind::Missing => "missing",
        EntryKind::Broken(_) => "broken",
    }
}

fn json(entry: &Entry, path: &[u8]) -> Value {
    let mut object = Map::new();
    put_path(&mut object, path);
    object.insert("type".into(), kind(entry).into());
    object.insert("size".into(), entry.size.into());
    object.insert("cid".into(), entry.cid.to_string().into());
    object.insert("missing".into(), matches!(entry.kind, EntryKind::Missing).into());
    object.insert("mode".into(), entry.mode.into());
    object.insert(
        "mtime".into(),
        entry.mtime.map(|mtime| Value::from(vec![mtime.seconds, i64::from(mtime.nanos.unwrap_or(0))])).into(),
    );
    match &entry.kind {
        EntryKind::Symlink { target } => drop(object.insert("target".into(), String::from_utf8_lossy(target).into())),
        EntryKind::Broken(error) => drop(object.insert("error".into(), broken(error))),
        _ => {}
    }
    Value::Object(object)
}

fn broken(error: &Error) -> Value {
    let kind = if matches!(error.kind, ErrorKind::Limit(_)) { "limit" } else { "fault" };
    serde_json::json!({ "kind": kind, "message": error.to_string() })
}
