//! `cartool extract`.

use super::args::Common;
use super::report::{count, put_path};
use super::target::{Target as PathTarget, note_bypass, roots_of};
use super::term::{self, Out, Progress, escape_bytes};
use super::{FAULT, INCOMPLETE, OK, exit_code, worse};
use cartool::cid::Cid;
use cartool::control::Control;
use cartool::error::{Error, ErrorKind, Result};
use cartool::ops::extract::{self, Event, Existing, Metadata, Mode, Names, Options, Summary, Symlinks, Target};
use cartool::store::{CarFile, Recorder};
use cartool::unixfs::Strictness;
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

const AFTER_HELP: &str = "\
Examples:
  cartool extract token.car                   into the directory token/
  cartool extract token.car -o out image      only image, as out/image
  cartool extract photo.car -o - > photo.png  one file to standard output
  cartool extract --tar big.car | tar -x -C /srv
  cartool extract --dry-run -v partial.car    say what would be written, and what is missing

One root that is a directory fills DIR; any other root becomes DIR/<cid>.
Nothing outside DIR is touched, whatever the archive holds. What is not whole
is not written: the other files are, and the exit code is 3 (something is
missing) or 1 (at fault).";

/// Write the files of an archive to disk
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A CAR file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only these files and directories
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// The directory to fill [default: FILE without its extension]; - writes one file to standard output
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Write a tar stream to standard output, or to the file that -o names
    #[arg(long)]
    tar: bool,
    /// Make symlinks, or leave them out
    #[arg(long, value_enum, default_value = "keep", value_name = "WHAT")]
    symlinks: SymlinksArg,
    /// Refuse names that not every system can keep
    #[arg(long, value_enum, default_value = "strict", value_name = "WHICH")]
    names: NamesArg,
    /// Do not restore modes and times
    #[arg(long)]
    no_preserve: bool,
    /// Exit with 0 although something is missing
    #[arg(long)]
    allow_missing: bool,
    /// Leave files that exist as they are
    #[arg(long, conflicts_with = "force")]
    skip_existing: bool,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
    /// Tolerate UnixFS nodes whose sizes do not add up
    #[arg(long)]
    lenient_unixfs: bool,
    /// Prove and say everything, write nothing
    #[arg(long)]
    dry_run: bool,
    /// Name each file
    #[arg(short, long)]
    verbose: bool,
    /// Print a JSON document about what was done
    #[arg(long, conflicts_with = "tar")]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SymlinksArg {
    /// Make them, never follow them
    Keep,
    /// Leave them out
    Skip,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NamesArg {
    /// Every name that this system takes
    Strict,
    /// Only names that Linux, macOS and Windows can all keep
    Portable,
}

impl Args {
    fn options(&self, paths: Paths) -> Options {
        Options {
            paths,
            symlinks: if self.symlinks == SymlinksArg::Skip { Symlinks::Skip } else { Symlinks::Keep },
            metadata: if self.no_preserve { Metadata::Ignore } else { Metadata::Restore },
            existing: match (self.skip_existing, self.force) {
                (true, _) => Existing::Skip,
                (_, true) => Existing::Replace,
                _ => Existing::Refuse,
            },
            names: if self.names == NamesArg::Portable { Names::Portable } else { Names::Any },
            strictness: if self.lenient_unixfs { Strictness::Lenient } else { Strictness::Strict },
            mode: if self.dry_run { Mode::DryRun } else { Mode::Write },
        }
    }

    /// Where to: `-o`, or the file's name without its extension.
    fn directory(&self) -> Result<PathBuf> {
        if let Some(output) = &self.output {
            return Ok(output.clone());
        }
        if self.file == Path::new("-") {
            return Err(Error::usage("standard input has no name to make a directory of: give one with -o DIR"));
        }
        let stem = self.file.file_stem().unwrap_or(self.file.as_os_str());
        if self.file.extension().is_none() {
            return Err(Error::usage(format!(
                "{} has no extension to leave out: name a directory with -o DIR",
                self.file.display()
            )));
        }
        Ok(PathBuf::from(stem))
    }
}

pub(crate) fn run(args: &Args, common: &Common, control: &Control) -> Result<u8> {
    // Without a PATH the whole archive is proven, and an index saves nothing.
    let car =
        if args.paths.is_empty() { CarFile::open(&args.file, control) } else { CarFile::open_indexed(&args.file, control) }?;
    let (roots, paths) = what(args, &car)?;
    let options = args.options(paths);
    let recorder = Recorder::new(&car);
    let progress = Progress::start(common, control, None);
    let mut on_event = |event: Event<'_>| tell(args, common, &car, &event);
    let to_stdout = args.output.as_deref() == Some(Path::new("-"));
    let mut stdout = BufWriter::with_capacity(1 << 20, io::stdout());
    let summary = if args.tar {
        tar(args, &recorder, &roots, &options, control, &mut on_event)
    } else if to_stdout {
        let summary = extract::extract(&recorder, &roots, Target::File(&mut stdout), &options, control, &mut on_event);
        stdout.flush().map_err(|e| Error::io(e, "cannot write to standard output"))?;
        summary
    } else {
        let directory = args.directory()?;
        extract::extract(&recorder, &roots, Target::Directory(directory), &options, control, &mut on_event)
    };
    let summary = summary.map_err(|e| e.in_file(car.name()))?;
    drop(progress);
    note_bypass(&car, common);
    // What no file needed was not read yet; a clean exit says that the whole archive is sound.
    let rest = if options.paths.is_empty() { car.verify_rest(control, |at| recorder.has_read(at)) } else { Ok(()) };
    conclude(args, common, &car, &summary, rest)
}

/// Paths as their segments.
type Paths = Vec<Vec<Vec<u8>>>;

/// The roots and paths to extract.
fn what(args: &Args, car: &CarFile) -> Result<(Vec<Cid>, Paths)> {
    let targets: Vec<PathTarget> = args.paths.iter().map(|path| PathTarget::parse(path)).collect();
    let Some(first) = targets.first() else { return Ok((roots_of(car)?, Vec::new())) };
    if targets.iter().any(|target| target.root != first.root) {
        return Err(Error::usage("paths below different roots: extract them one root at a time"));
    }
    let roots = first.roots(car)?;
    Ok((roots, targets.into_iter().map(|target| target.segments).filter(|segments| !segments.is_empty()).collect()))
}

fn tar(
    args: &Args,
    source: &Recorder<'_>,
    roots: &[Cid],
    options: &Options,
    control: &Control,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<Summary> {
    let target = args.output.clone().unwrap_or_else(|| PathBuf::from("-"));
    let existing = if args.force { cartool::store::Existing::Replace } else { cartool::store::Existing::Refuse };
    let output = cartool::store::Output::create(&target, existing, std::slice::from_ref(&args.file))?;
    let mut output = BufWriter::with_capacity(1 << 20, output);
    let summary = extract::extract(source, roots, Target::Tar(&mut output), options, control, on_event)?;
    let output = output.into_inner().map_err(|e| Error::io(e.into_error(), "cannot write"))?;
    output.commit()?;
    Ok(summary)
}

fn tell(args: &Args, common: &Common, car: &CarFile, event: &Event<'_>) {
    match event {
        Event::Failed { path, error } => {
            let path = if path.is_empty() { "the root".to_owned() } else { escape_bytes(path) };
            term::error(&Error::usage(format!("{path}: {}", error.detail())).in_file(car.name()));
        }
        Event::Missing { path, cid } => {
            term::talk(
                common,
                &format!("cartool: {}: {} is not whole, a block is missing [{cid}]", car.name(), escape_bytes(path)),
            );
        }
        Event::Warning { path, message } => term::warn(common, &format!("{}: {message}", escape_bytes(path))),
        Event::File { path, .. } | Event::Directory { path } | Event::Symlink { path, .. }
            if args.verbose && !path.is_empty() =>
        {
            term::talk(common, &escape_bytes(path));
        }
        Event::Skipped { path } if args.verbose => term::talk(common, &format!("{} (left out)", escape_bytes(path))),
        _ => {}
    }
}

fn conclude(args: &Args, common: &Common, car: &CarFile, summary: &Summary, rest: Result<()>) -> Result<u8> {
    let mut code = OK;
    for failed in &summary.failed {
        code = worse(code, exit_code(&failed.error));
    }
    if summary.missing_count > 0 {
        if args.allow_missing {
            term::warn(common, &format!("{} missing (--allow-missing)", count(summary.missing_count, "block")));
        } else {
            code = worse(code, INCOMPLETE);
        }
    }
    if args.allow_missing && code == INCOMPLETE {
        code = OK;
    }
    if let Err(error) = rest {
        if matches!(error.kind, ErrorKind::Interrupted) {
            return Err(error);
        }
        term::error(&error);
        code = worse(code, exit_code(&error));
    }
    if let Some(fault) = car.first_fault() {
        term::error(&fault);
        code = worse(code, FAULT);
    }
    if args.json {
        let mut out = Out::new(common);
        out.json(&summary_json(car, summary))?;
        out.finish()?;
    } else if args.output.as_deref() != Some(Path::new("-")) {
        let mut text = format!("{}, {}, {} bytes", count(summary.files, "file"), directories(summary.directories), summary.bytes);
        if summary.symlinks > 0 {
            text.push_str(&format!(", {}", count(summary.symlinks, "symlink")));
        }
        if args.dry_run {
            text.push_str(" would be written");
        }
        if summary.failed_count + summary.missing_count > 0 {
            text.push_str(&format!("; {} failed, {} missing", summary.failed_count, count(summary.missing_count, "block")));
        }
        term::talk(common, &text);
    }
    Ok(code)
}

fn directories(n: u64) -> String {
    if n == 1 { "1 directory".to_owned() } else { format!("{n} directories") }
}

fn summary_json(car: &CarFile, summary: &Summary) -> Value {
    let missing = summary.missing.iter().map(|missing| {
        let mut object = Map::new();
        put_path(&mut object, &missing.path);
        object.insert("cid".into(), missing.cid.to_string().into());
        Value::Object(object)
    });
    let failed = summary.failed.iter().map(|failed| {
        let mut object = Map::new();
        put_path(&mut object, &failed.path);
        object.insert("code".into(), failed.error.code().map(|code| code.as_str()).into());
        object.insert("message".into(), failed.error.to_string().into());
        Value::Object(object)
    });
    json!({
        "file": car.name(),
        "files": summary.files,
        "directories": summary.directories,
        "symlinks": summary.symlinks,
        "bytes": summary.bytes,
        "skipped": summary.skipped,
        "missing": missing.collect::<Vec<_>>(),
        "failed": failed.collect::<Vec<_>>(),
    })
}
