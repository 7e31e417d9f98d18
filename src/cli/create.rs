//! `cartool create`.

use super::args::{Common, size};
use super::report::count;
use super::term::{self, Out, Progress, escape_bytes};
use super::version::{VersionArgs, existing};
use super::{FAULT, OK, verify};
use cartool::cid::Cid;
use cartool::control::Control;
use cartool::error::{Code, Error, ErrorKind, Result};
use cartool::ops::create::{self, Candidate, Found, Hidden, Input, Names, Options, Preserve, Summary, Target, Tried, Wrap};
use cartool::unixfs::build::{Chunker, EmptyDirectories, HashFunction, Layout, Leaves, Measure, Profile, Start, Symlinks};
use cartool::unixfs::hamt::Fanout;
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

const AFTER_HELP: &str = "\
Examples:
  cartool create photos -o photos.car           the CID is printed
  cartool create --only-hash photos             the CID alone
  cartool create --car-version 2 photos -o p.car  with an index
  cartool create 7.json 7.png -o token.car      several: a directory of both
  cartool create --profile unixfs-v0-2015 a.mp4 -o a.car
  cartool create --match bafy… photos -o photos.car
  tar c src | cartool create - -o src.tar.car

Profiles:
  unixfs-v1-2025     IPIP-499, for new content
  unixfs-v0-2015     IPIP-499, CIDs that start with Qm
  kubo-cidv1-legacy  `ipfs add --cid-version=1` before IPIP-499
  kubo-cidv1-noraw   the same with --raw-leaves=false
  ipfs-car           `ipfs-car pack`

One PATH is the root itself; several, or --wrap, are the entries of a directory.
--match CID looks for the settings that give this CID: with the files of a plain
download it makes the archive anew that the CID stands for. When nothing fits,
the exit code is 1.";

/// Make an archive of files and folders
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Files and folders; - is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The new CAR file; - is standard output
    #[arg(short, long, value_name = "OUT", required_unless_present = "only_hash", conflicts_with = "only_hash")]
    output: Option<PathBuf>,
    /// Print the root CID and write nothing
    #[arg(short = 'n', long)]
    only_hash: bool,
    /// Find the settings that give this CID
    #[arg(long = "match", value_name = "CID", value_parser = verify::cid, conflicts_with_all = SETTINGS)]
    wanted: Option<Cid>,
    /// Replace an output that exists
    #[arg(long)]
    force: bool,
    /// Print a JSON document about what was done
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    version: VersionArgs,
}

/// What `--match` finds out by itself.
const SETTINGS: [&str; 13] = [
    "profile",
    "chunk_size",
    "chunker",
    "max_links",
    "layout",
    "raw_leaves",
    "cid_version",
    "hash",
    "hamt_threshold",
    "hamt_measure",
    "hamt_fanout",
    "symlinks",
    "empty_dirs",
];

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What is packed")]
struct Select {
    /// Put a directory around a single PATH
    #[arg(short, long, overrides_with = "no_wrap")]
    wrap: bool,
    /// Do not [default for a single PATH]
    #[arg(long, overrides_with = "wrap")]
    no_wrap: bool,
    /// The name of standard input in a directory around it
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Take files and folders inside folders whose names start with a dot
    #[arg(short = 'H', long)]
    hidden: bool,
    /// Leave out what this rule of a .gitignore file says (may be repeated)
    #[arg(long, value_name = "RULE")]
    ignore: Vec<String>,
    /// Leave out what the rules in this file say (may be repeated)
    #[arg(long, value_name = "FILE")]
    ignore_file: Vec<PathBuf>,
    /// Keep permissions (a file of one chunk is no raw block then)
    #[arg(long)]
    preserve_mode: bool,
    /// Keep times of last change (the same holds)
    #[arg(long)]
    preserve_mtime: bool,
    /// Names that are packed
    #[arg(long, value_enum, default_value = "utf-8", value_name = "WHICH")]
    names: NamesArg,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What decides the CID")]
struct Settings {
    /// Where all settings below start from
    #[arg(long, value_name = "NAME", value_parser = profile, default_value = "unixfs-v1-2025")]
    profile: Profile,
    /// Bytes of a chunk
    #[arg(long, value_name = "SIZE", value_parser = size, conflicts_with = "chunker")]
    chunk_size: Option<u64>,
    /// How files are cut: size-N, rabin, rabin-AVG, rabin-MIN-AVG-MAX or buzhash
    #[arg(short = 's', long, value_name = "CHUNKER", value_parser = chunker)]
    chunker: Option<Chunker>,
    /// Most links of a file node
    #[arg(long, value_name = "N")]
    max_links: Option<usize>,
    /// How chunks become a tree
    #[arg(long, value_enum, value_name = "LAYOUT")]
    layout: Option<LayoutArg>,
    /// Whether chunks are raw blocks
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    raw_leaves: Option<bool>,
    /// 0 or 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=1))]
    cid_version: Option<u8>,
    /// What blocks are hashed with
    #[arg(long, value_name = "NAME", value_parser = hash)]
    hash: Option<HashFunction>,
    /// Directories above this are sharded; `never` for none
    #[arg(long, value_name = "N", value_parser = threshold)]
    hamt_threshold: Option<Threshold>,
    /// What the threshold counts
    #[arg(long, value_enum, value_name = "WHAT")]
    hamt_measure: Option<MeasureArg>,
    /// Buckets of a shard: a power of two from 8 to 1024
    #[arg(long, value_name = "N", value_parser = fanout)]
    hamt_fanout: Option<Fanout>,
    /// Keep symlinks, take what they lead to, or leave them out [default: keep; ipfs-car: skip]
    #[arg(long, value_enum, value_name = "WHAT")]
    symlinks: Option<SymlinksArg>,
    /// Whether empty folders are in [default: true; ipfs-car: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    empty_dirs: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NamesArg {
    /// UTF-8; others are an error
    #[value(name = "utf-8")]
    Utf8,
    /// Any bytes
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LayoutArg {
    /// All leaves are equally deep
    Balanced,
    /// Leaves first, deeper subtrees behind
    Trickle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MeasureArg {
    /// The bytes of the directory's block
    Block,
    /// The bytes of names and CIDs
    Links,
    /// The same; a directory at the threshold is sharded
    LinksInclusive,
    /// The entries
    Entries,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SymlinksArg {
    /// As links
    Keep,
    /// What they lead to
    Follow,
    /// Not at all
    Skip,
}

type Parsed<T> = std::result::Result<T, String>;

/// The value of `--hamt-threshold`: `None` for `never`.
type Threshold = Option<u64>;

fn profile(name: &str) -> Parsed<Profile> {
    let known = || Profile::NAMED.map(|(name, _)| name).join(", ");
    Profile::named(name).ok_or_else(|| format!("no such profile; there are {}", known()))
}

fn chunker(text: &str) -> Parsed<Chunker> {
    text.parse::<Chunker>().map_err(|e| e.to_string())
}

fn hash(name: &str) -> Parsed<HashFunction> {
    let known = || HashFunction::NAMED.map(|(name, _)| name).join(", ");
    HashFunction::named(name).ok_or_else(|| format!("no hash function for blocks; there are {}", known()))
}

fn threshold(text: &str) -> Parsed<Threshold> {
    if text == "never" { Ok(None) } else { size(text).map(Some) }
}

fn fanout(text: &str) -> Parsed<Fanout> {
    let number = text.parse::<u64>().map_err(|_| "expected a number".to_owned())?;
    Fanout::new(Some(number)).map_err(|_| "expected a power of two from 8 to 1024".to_owned())
}

impl Settings {
    fn profile(&self) -> Profile {
        let mut profile = self.profile;
        let chunk_size = self.chunk_size.map(|len| Chunker::Size(usize::try_from(len).unwrap_or(usize::MAX)));
        profile.chunker = self.chunker.or(chunk_size).unwrap_or(profile.chunker);
        profile.max_links = self.max_links.unwrap_or(profile.max_links);
        profile.layout = match self.layout {
            Some(LayoutArg::Balanced) => Layout::Balanced,
            Some(LayoutArg::Trickle) => Layout::Trickle,
            None => profile.layout,
        };
        profile.leaves = match self.raw_leaves {
            Some(true) => Leaves::Raw,
            Some(false) => Leaves::DagPb,
            None => profile.leaves,
        };
        profile.cid_version = self.cid_version.unwrap_or(profile.cid_version);
        profile.hash = self.hash.unwrap_or(profile.hash);
        profile.sharding.threshold = self.hamt_threshold.unwrap_or(profile.sharding.threshold);
        if let Some(measure) = self.hamt_measure {
            (profile.sharding.measure, profile.sharding.start) = match measure {
                MeasureArg::Block => (Measure::Block, Start::Above),
                MeasureArg::Links => (Measure::Links, Start::Above),
                MeasureArg::LinksInclusive => (Measure::Links, Start::At),
                MeasureArg::Entries => (Measure::Entries, Start::Above),
            };
        }
        profile.sharding.fanout = self.hamt_fanout.unwrap_or(profile.sharding.fanout);
        profile.symlinks = match self.symlinks {
            Some(SymlinksArg::Keep) => Symlinks::Keep,
            Some(SymlinksArg::Follow) => Symlinks::Follow,
            Some(SymlinksArg::Skip) => Symlinks::Skip,
            None => profile.symlinks,
        };
        profile.empty_directories = match self.empty_dirs {
            Some(true) => EmptyDirectories::Keep,
            Some(false) => EmptyDirectories::Drop,
            None => profile.empty_directories,
        };
        profile
    }
}

impl Args {
    fn options(&self) -> Result<Options> {
        let several = self.paths.len() > 1;
        if several && self.select.no_wrap {
            return Err(Error::usage("several paths need a directory around them, --no-wrap has none"));
        }
        let select = &self.select;
        Ok(Options {
            profile: self.settings.profile(),
            wrap: if select.wrap || several { Wrap::Yes } else { Wrap::No },
            hidden: if select.hidden { Hidden::Keep } else { Hidden::Skip },
            names: if select.names == NamesArg::Any { Names::Any } else { Names::Utf8 },
            preserve: Preserve { mode: select.preserve_mode, mtime: select.preserve_mtime },
            ignore: select.ignore.clone(),
            ignore_files: select.ignore_file.clone(),
            version: self.version.version()?,
            existing: existing(self.force),
        })
    }

    fn is_stream(&self) -> bool {
        self.paths.iter().any(|path| path == Path::new("-"))
    }

    fn input(&self) -> Result<Input> {
        match (self.is_stream(), self.paths.len()) {
            (true, 1) => Ok(Input::Stream { name: self.select.name.clone(), bytes: Box::new(std::io::stdin()) }),
            (true, _) => Err(Error::usage("standard input (-) is packed alone")),
            _ if self.select.name.is_some() => Err(Error::usage("--name is for standard input (-); files have names")),
            _ => Ok(Input::Paths(self.paths.clone())),
        }
    }

    fn target(&self) -> Target<'_> {
        self.output.as_deref().map_or(Target::OnlyHash, Target::Archive)
    }
}

pub(crate) fn run(args: &Args, common: &Common, control: &Control) -> Result<u8> {
    let mut options = args.options()?;
    let mut found = None;
    if let Some(wanted) = &args.wanted {
        if args.is_stream() {
            return Err(Error::usage("--match reads more than once, which standard input (-) does not give: save it to a file"));
        }
        let progress = Progress::start(common, control, None);
        let search = create::find(&args.paths, wanted, &options, control)?;
        drop(progress);
        let Some(candidate) = search.candidate.clone() else { return nothing_fits(args, common, wanted, &search) };
        (options.profile, options.wrap, options.hidden) = (candidate.profile, candidate.wrap, candidate.hidden);
        found = Some(candidate);
    }
    let progress = Progress::start(common, control, None);
    let summary = create::create(args.input()?, args.target(), &options, control)?;
    drop(progress);
    if let Some(wanted) = args.wanted.filter(|wanted| *wanted != summary.root) {
        let message = format!("the files gave {wanted} at first and {} then: they changed meanwhile", summary.root);
        return Err(Error::io(std::io::ErrorKind::Other.into(), message));
    }
    report(args, common, &summary, found.as_ref())?;
    Ok(OK)
}

fn report(args: &Args, common: &Common, summary: &Summary, found: Option<&Candidate>) -> Result<()> {
    for skipped in summary.skipped.iter().take(100) {
        let path = escape_bytes(skipped.path.as_os_str().as_encoded_bytes());
        term::warn(common, &format!("{path}: left out, {}", skipped.why.as_str()));
    }
    if let Some(more) = summary.skipped.len().checked_sub(100).filter(|more| *more > 0) {
        term::warn(common, &format!("and {more} more left out"));
    }
    if let Some(candidate) = found {
        term::talk(common, &format!("packed as {}", describe(candidate)));
    }
    if let Some(output) = &args.output {
        let text = format!(
            "{}: {}, {} bytes, root {}, {} and {} of {} bytes",
            output.display(),
            count(summary.blocks, "block"),
            summary.bytes,
            summary.root,
            count(summary.files, "file"),
            count(summary.directories, "folder"),
            summary.content_bytes,
        );
        term::talk(common, &text);
    }
    if args.output.as_deref() == Some(Path::new("-")) {
        return Ok(());
    }
    let mut out = Out::new(common);
    if args.json {
        out.json(&summary_json(args, summary, found))?
    } else {
        out.line(&summary.root.to_string())?
    }
    out.finish()
}

fn summary_json(args: &Args, summary: &Summary, found: Option<&Candidate>) -> Value {
    let skipped = summary.skipped.iter().map(|skipped| {
        let mut object = Map::new();
        super::report::put_path(&mut object, skipped.path.as_os_str().as_encoded_bytes());
        object.insert("why".into(), skipped.why.as_str().into());
        Value::Object(object)
    });
    json!({
        "output": args.output.as_ref().map(|output| output.display().to_string()),
        "root": summary.root.to_string(),
        "blocks": summary.blocks,
        "bytes": summary.bytes,
        "files": summary.files,
        "directories": summary.directories,
        "symlinks": summary.symlinks,
        "content_bytes": summary.content_bytes,
        "skipped": skipped.collect::<Vec<_>>(),
        "match": found.map(candidate_json),
    })
}

fn candidate_json(candidate: &Candidate) -> Value {
    json!({
        "settings": candidate.name,
        "wrap": candidate.wrap == Wrap::Yes,
        "hidden": candidate.hidden == Hidden::Keep,
        "symlinks": if candidate.profile.symlinks == Symlinks::Follow { "follow" } else { "keep" },
    })
}

fn describe(candidate: &Candidate) -> String {
    let mut text = candidate.name.clone();
    for (applies, what) in [
        (candidate.wrap == Wrap::Yes, ", wrapped"),
        (candidate.hidden == Hidden::Keep, ", with hidden files"),
        (candidate.profile.symlinks == Symlinks::Follow, ", symlinks followed"),
    ] {
        text.push_str(if applies { what } else { "" });
    }
    text
}

/// Says what was tried and what it gave.
fn nothing_fits(args: &Args, common: &Common, wanted: &Cid, search: &Found) -> Result<u8> {
    if args.json {
        let tried = search.tried.iter().map(|Tried { candidate, root }| {
            let mut object = candidate_json(candidate);
            object["root"] = root.to_string().into();
            object
        });
        let mut out = Out::new(common);
        out.json(&json!({ "wanted": wanted.to_string(), "root": null, "tried": tried.collect::<Vec<_>>() }))?;
        out.finish()?;
    }
    let mut lines: Vec<(Cid, Vec<String>)> = Vec::new();
    for Tried { candidate, root } in &search.tried {
        match lines.iter_mut().find(|(known, _)| known == root) {
            Some((_, names)) => names.push(describe(candidate)),
            None => lines.push((*root, vec![describe(candidate)])),
        }
    }
    for (root, names) in &lines {
        let more = if names.len() > 1 { format!(" and {} more", names.len() - 1) } else { String::new() };
        term::talk(common, &format!("  {root} {}{more}", names.first().map_or("", String::as_str)));
    }
    let tried = search.tried.len() as u64;
    let message = format!("no known settings give this CID: {} tried", count(tried, "way"));
    term::error(&Error::new(ErrorKind::Format(Code::UnexpectedRoot), message).cid(*wanted));
    Ok(FAULT)
}
