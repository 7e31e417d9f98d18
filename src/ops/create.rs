//! Makes an archive of files and folders, the same for any number of threads.
//!
//! Chunks are read and hashed on all cores, many at a time. Blocks are written as they are made: the leaves of a file before the
//! nodes above them, the entries of a directory, in the order of their names, before the directory, the root last; each block once,
//! where it was made first. So the archive can be written while the files are read, and memory follows the largest directory, not the
//! files. The header names the true root.

mod archive;
mod find;
mod leaves;
mod read;
mod run;
mod tree;
mod walk;

use crate::cid::Cid;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::ops::archive_writer::Version;
use crate::ops::sink::Sink;
use crate::ops::source::Identity;
use crate::store::Existing;
use crate::unixfs::build::{Made, Metadata, Prefix, Profile, Repeats};
use archive::Archive;
pub use find::{Candidate, Found, Tried, find};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use read::{Feed, Steps};
use run::{Counts, Plan};
use std::io::Read;
use std::path::{Path, PathBuf};
use walk::{Order, Rules, Step, Walk};

/// What is packed.
pub enum Input {
    /// Files and folders.
    Paths(Vec<PathBuf>),
    /// One file from a stream, with its name if it is to be wrapped.
    Stream {
        /// Its name in the wrapping directory.
        name: Option<String>,
        /// Its bytes.
        bytes: Box<dyn Read + Send>,
    },
}

/// Whether a directory of one or more entries is put around what is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wrap {
    /// A file is the root, or a folder is.
    #[default]
    No,
    /// A directory is the root, with what is packed under its name.
    Yes,
}

/// Whether files and folders are packed whose names start with a dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hidden {
    /// Not inside folders.
    #[default]
    Skip,
    /// Like any others.
    Keep,
}

/// Which names are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Names {
    /// UTF-8; others are refused.
    #[default]
    Utf8,
    /// Any bytes.
    Any,
}

/// What is kept of files and folders beside their bytes and names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Preserve {
    /// Permissions.
    pub mode: bool,
    /// Times of last change.
    pub mtime: bool,
}

/// How to pack.
#[derive(Debug, Clone)]
pub struct Options {
    /// What decides the CIDs.
    pub profile: Profile,
    /// Whether a directory is put around it all.
    pub wrap: Wrap,
    /// Names that start with a dot.
    pub hidden: Hidden,
    /// Names that are not UTF-8.
    pub names: Names,
    /// Modes and times.
    pub preserve: Preserve,
    /// Rules in the format of `.gitignore` files for what is left out, counted from each path.
    pub ignore: Vec<String>,
    /// Files of such rules.
    pub ignore_files: Vec<PathBuf>,
    /// The version of the archive.
    pub version: Version,
    /// What to do when the output exists.
    pub existing: Existing,
}

impl Options {
    /// Everything but the profile by default.
    pub fn new(profile: Profile) -> Options {
        Options {
            profile,
            wrap: Wrap::default(),
            hidden: Hidden::default(),
            names: Names::default(),
            preserve: Preserve::default(),
            ignore: Vec::new(),
            ignore_files: Vec::new(),
            version: Version::default(),
            existing: Existing::default(),
        }
    }
}

/// Where the blocks go.
#[derive(Debug, Clone, Copy)]
pub enum Target<'p> {
    /// An archive of that name; `-` is standard output.
    Archive(&'p Path),
    /// Nowhere: only the root is wanted.
    OnlyHash,
}

/// What was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its path.
    pub path: PathBuf,
    /// The reason.
    pub why: Why,
}

/// Why something was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A symlink, where the profile or the options leave them out.
    Symlink,
    /// The archive itself.
    Output,
}

impl Why {
    /// The reason in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Why::Symlink => "a symlink",
            Why::Output => "the output itself",
        }
    }
}

/// What was packed.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The root of the archive.
    pub root: Cid,
    /// Blocks written, or that would be.
    pub blocks: u64,
    /// Bytes of the archive.
    pub bytes: u64,
    /// Files.
    pub files: u64,
    /// Folders.
    pub directories: u64,
    /// Symlinks that were kept.
    pub symlinks: u64,
    /// Bytes of the files.
    pub content_bytes: u64,
    /// What was left out without being asked for.
    pub skipped: Vec<Skipped>,
}

/// Packs files and folders into one archive with one root.
///
/// ```
/// use cartool::control::Control;
/// use cartool::ops::create::{Input, Options, Target, create};
/// use cartool::unixfs::build::Profile;
///
/// let input = Input::Stream { name: None, bytes: Box::new(&b"hello world"[..]) };
/// let made = create(input, Target::OnlyHash, &Options::new(Profile::UNIXFS_V1_2025), &Control::default())?;
/// assert_eq!(made.root.to_string(), "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e");
/// # Ok::<(), cartool::error::Error>(())
/// ```
///
/// # Errors
/// A profile or request that makes no sense; what cannot be read, is no file, folder or symlink, or changes while it is read, with
/// its path; a failing output; a request to stop. Nothing is left of the output then.
pub fn create(input: Input, target: Target<'_>, options: &Options, control: &Control) -> Result<Summary> {
    options.profile.check()?;
    let (sink, name, outputs) = open(&input, target, options)?;
    let steps = steps(input, options, outputs, control)?;
    let mut plan = Plan::default();
    plan.add(options.profile);
    let feed = Feed::new(steps, &plan.leaves, control);
    let mut archive = Archive::new(sink, name, &options.profile, options.version);
    let counts = run::run(feed, &mut plan, &mut |cid, data| archive.put(cid, data), control)?;
    let root = plan.trees.first().map(tree::Tree::root).unwrap_or_else(|| Err(Error::usage("nothing to pack")))?;
    let summary = finish(archive, &root, counts)?;
    Ok(summary)
}

fn finish(archive: Archive, root: &Made, counts: Counts) -> Result<Summary> {
    let blocks = archive.blocks;
    let (sink, bytes) = archive.finish(root)?;
    sink.map_or(Ok(()), Sink::commit)?;
    Ok(Summary {
        root: root.to_cid(),
        blocks,
        bytes,
        files: counts.files,
        directories: counts.directories,
        symlinks: counts.symlinks,
        content_bytes: counts.bytes,
        skipped: counts.skipped,
    })
}

type Opened = (Option<std::io::BufWriter<Sink>>, String, Vec<Identity>);

/// Starts the output, and says which files are it.
fn open(input: &Input, target: Target<'_>, options: &Options) -> Result<Opened> {
    let Target::Archive(path) = target else { return Ok((None, String::new(), Vec::new())) };
    let inputs: &[PathBuf] = match input {
        Input::Paths(paths) => paths,
        Input::Stream { .. } => &[],
    };
    let mut sink = Sink::create(path, options.existing, inputs)?;
    let mut outputs: Vec<Identity> =
        std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).iter().map(Identity::of).collect();
    let own = sink.get_mut().metadata().map_err(|e| Error::io(e, "cannot write").in_file(path.display().to_string()))?;
    outputs.push(Identity::of(&own));
    Ok((Some(sink), path.display().to_string(), outputs))
}

fn steps(input: Input, options: &Options, outputs: Vec<Identity>, control: &Control) -> Result<Steps> {
    match input {
        Input::Stream { name, bytes } => {
            let file = |name: &str| Step::Stream { name: name.as_bytes().to_vec() };
            let steps = match (options.wrap, name) {
                (Wrap::No, _) => vec![file("")],
                (Wrap::Yes, Some(name)) => {
                    vec![Step::Enter { name: Vec::new(), metadata: Metadata::default() }, file(&name), Step::Leave]
                }
                (Wrap::Yes, None) => return Err(Error::usage("a stream has no name to be wrapped under (--name gives it one)")),
            };
            Ok(Steps::Stream(steps.into(), bytes))
        }
        Input::Paths(mut paths) => {
            check_paths(&paths, options.wrap)?;
            let rules = rules(options, outputs, control)?;
            if let (Prefix::Strip, Wrap::No, [path]) = (options.profile.prefix, options.wrap, paths.as_mut_slice()) {
                *path = walk::strip(path, &rules)?;
            }
            Ok(Steps::Walk(Walk::new(&paths, rules)))
        }
    }
}

fn check_paths(paths: &[PathBuf], wrap: Wrap) -> Result<()> {
    match (paths, wrap) {
        ([], _) => return Err(Error::usage("no paths")),
        ([_, _, ..], Wrap::No) => {
            return Err(Error::usage("several paths need a directory around them: an archive made here has one root"));
        }
        _ => {}
    }
    if wrap == Wrap::No {
        return Ok(());
    }
    let mut names = paths.iter().map(|path| walk::base_name(path)).collect::<Result<Vec<_>>>()?;
    names.sort_unstable();
    if let Some(name) = names.iter().zip(names.iter().skip(1)).find_map(|(a, b)| (a == b).then_some(a)) {
        return Err(Error::usage(format!(
            "two of the paths are named {:?}, which one directory cannot hold",
            String::from_utf8_lossy(name)
        )));
    }
    Ok(())
}

fn rules(options: &Options, outputs: Vec<Identity>, control: &Control) -> Result<Rules> {
    Ok(Rules {
        hidden: options.hidden,
        names: options.names,
        symlinks: options.profile.symlinks,
        preserve: options.preserve,
        wrap: options.wrap,
        ignore: ignore_rules(options)?,
        order: if options.profile.repeats == Repeats::Each { Order::Paths } else { Order::Names },
        depth_max: control.limits.depth_max,
        outputs,
    })
}

fn ignore_rules(options: &Options) -> Result<Gitignore> {
    let mut builder = GitignoreBuilder::new("");
    for file in &options.ignore_files {
        if let Some(e) = builder.add(file) {
            return Err(Error::usage(e.to_string()));
        }
    }
    for rule in &options.ignore {
        builder.add_line(None, rule).map_err(|e| Error::usage(e.to_string()))?;
    }
    builder.build().map_err(|e| Error::usage(e.to_string()))
}

#[cfg(test)]
mod tests;
