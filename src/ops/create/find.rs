//! Finds out how files were packed, when only the CID is known: the profiles in use are tried, then the settings that are common
//! beside them, until one gives that CID.
//!
//! One reading serves many candidates at once. What the CID itself says is not tried: its version, its codec and its hash function.

use super::read::{Feed, Steps};
use super::run::{self, Plan};
use super::tree::Tree;
use super::walk::{self, Walk};
use super::{Hidden, Options, Wrap, check_paths, rules};
use crate::cid::{Cid, codec, codec_name, hash_name};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::unixfs::EntryName;
use crate::unixfs::build::{
    Chunker, DirectoryBuilder, HashFunction, Layout, Leaves, Made, Measure, Metadata, Prefix, Profile, Sharding, Symlinks,
};
use std::path::PathBuf;

/// One way to pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The name of the profile, or what differs from it.
    pub name: String,
    /// What decides the CIDs.
    pub profile: Profile,
    /// Whether a directory is put around it.
    pub wrap: Wrap,
    /// Names that start with a dot.
    pub hidden: Hidden,
}

/// A candidate, and the CID that it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// What was tried.
    pub candidate: Candidate,
    /// What came out.
    pub root: Cid,
}

/// The outcome of a search.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The first candidate that gives the CID.
    pub candidate: Option<Candidate>,
    /// All that were tried before it, in order; those with one outcome follow each other.
    pub tried: Vec<Tried>,
}

/// Candidates that one reading serves.
struct Pass {
    candidates: Vec<(String, Profile)>,
    paths: Vec<PathBuf>,
    hidden: Hidden,
    symlinks: Symlinks,
}

struct Search<'a> {
    wanted: &'a Cid,
    options: &'a Options,
    control: &'a Control,
    found: Found,
    /// Whether the last reading met symlinks.
    symlinks: u64,
}

/// Searches the profile and options that give `wanted` for these paths. Of `options` counts what is left out and what is kept of
/// files; its profile does not.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::error::ErrorKind::Usage) for a CID that no file or folder has; what cannot be read, as in
/// [`create`](super::create).
pub fn find(paths: &[PathBuf], wanted: &Cid, options: &Options, control: &Control) -> Result<Found> {
    let base = base(wanted)?;
    check_paths(paths, options.wrap)?;
    let is_folder = std::fs::metadata(paths.first().map_or(std::path::Path::new(""), PathBuf::as_path)).is_ok_and(|m| m.is_dir());
    let mut search = Search { wanted, options, control, found: Found::default(), symlinks: 0 };
    let named = named(wanted, base);
    let other = if options.hidden == Hidden::Skip { Hidden::Keep } else { Hidden::Skip };
    let pass = |candidates, hidden| Pass { candidates, paths: paths.to_vec(), hidden, symlinks: Symlinks::Keep };
    search.run(pass(named.clone(), options.hidden))?;
    let (plain, symlinks) = (search.found.tried.len(), search.symlinks);
    search.stripped(paths, &named)?;
    let mut hidden = vec![options.hidden];
    if is_folder || options.wrap == Wrap::Yes {
        let before = search.found.tried.len();
        search.run(pass(named.clone(), other))?;
        let roots = |tried: Option<&[Tried]>| tried.unwrap_or_default().iter().map(|tried| tried.root).collect::<Vec<_>>();
        let same = roots(search.found.tried.get(..plain)) == roots(search.found.tried.get(before..));
        if same {
            // Nothing is hidden there.
            search.found.tried.truncate(before);
        } else {
            hidden.push(other);
        }
    }
    if symlinks > 0 {
        search.run(Pass { symlinks: Symlinks::Follow, ..pass(named, options.hidden) }).or_else(unless_stopped)?;
    }
    for candidates in variants(base, is_folder) {
        for hidden in &hidden {
            search.run(pass(candidates.clone(), *hidden))?;
        }
    }
    Ok(search.found)
}

/// A link that leads nowhere only means that nobody followed it.
fn unless_stopped(error: Error) -> Result<()> {
    if matches!(error.kind, crate::error::ErrorKind::Interrupted) { Err(error) } else { Ok(()) }
}

/// What the CID says of its profile.
fn base(wanted: &Cid) -> Result<Profile> {
    let hash = HashFunction { code: wanted.hash().code(), digest_len: usize::from(wanted.hash().size()) };
    let version = u8::from(wanted.version() != ::cid::Version::V0);
    if !matches!(wanted.codec(), codec::RAW | codec::DAG_PB) {
        let name = codec_name(wanted.codec());
        return Err(Error::usage(format!("the codec of the CID is {name}, files and folders have raw or dag-pb")).cid(*wanted));
    }
    let base = Profile { cid_version: version, hash, ..Profile::UNIXFS_V1_2025 };
    base.check().map_err(|e| {
        let name = hash_name(hash.code);
        Error::usage(format!("the hash function of the CID is {name} with {} bytes: {e}", hash.digest_len)).cid(*wanted)
    })?;
    Ok(base)
}

fn named(wanted: &Cid, base: Profile) -> Vec<(String, Profile)> {
    let fits = |profile: &Profile| {
        profile.cid_version == base.cid_version && (wanted.codec() != codec::RAW || profile.leaves == Leaves::Raw)
    };
    let with_hash = |(name, profile): &(&str, Profile)| {
        let suffix = if profile.hash == base.hash { String::new() } else { format!(" with {}", hash_name(base.hash.code)) };
        (format!("{name}{suffix}"), Profile { hash: base.hash, ..*profile })
    };
    Profile::NAMED.iter().filter(|(_, profile)| fits(profile)).map(with_hash).collect()
}

/// Settings beside the named profiles, as passes; the likeliest first.
fn variants(base: Profile, is_folder: bool) -> Vec<Vec<(String, Profile)>> {
    let fixed = [256 << 10, 1 << 20, 512 << 10].map(Chunker::Size).to_vec();
    let rabin = "rabin".parse().into_iter().collect::<Vec<Chunker>>();
    let shardings: &[Sharding] = if is_folder { &SHARDINGS } else { &SHARDINGS[..1] };
    let mut passes = Vec::new();
    for (chunkers, layouts) in [
        (fixed, &[Layout::Balanced, Layout::Trickle][..]),
        (rabin, &[Layout::Balanced]),
        (vec![Chunker::Buzhash], &[Layout::Balanced]),
    ] {
        for layout in layouts {
            for leaves in [Leaves::Raw, Leaves::DagPb] {
                let mut pass = Vec::new();
                for chunker in &chunkers {
                    for max_links in [174, 1024] {
                        for sharding in shardings {
                            let profile =
                                Profile { chunker: *chunker, max_links, layout: *layout, leaves, sharding: *sharding, ..base };
                            pass.push((describe(&profile, is_folder), profile));
                        }
                    }
                }
                passes.push(pass);
            }
        }
    }
    passes
}

const SHARDINGS: [Sharding; 4] = [
    Profile::UNIXFS_V0_2015.sharding,
    Profile::UNIXFS_V1_2025.sharding,
    Profile::KUBO_CIDV1_LEGACY.sharding,
    Profile::IPFS_CAR.sharding,
];

fn describe(profile: &Profile, is_folder: bool) -> String {
    let layout = if profile.layout == Layout::Trickle { ", trickle" } else { "" };
    let leaves = if profile.leaves == Leaves::Raw { "raw" } else { "dag-pb" };
    let measure = match profile.sharding.measure {
        _ if !is_folder => "",
        Measure::Block => ", sharded by block",
        Measure::Links if profile.sharding.start == crate::unixfs::build::Start::At => ", sharded by links from the threshold on",
        Measure::Links => ", sharded by links",
        Measure::Entries => ", sharded by entries",
    };
    format!("{}, {} links, {leaves} leaves{layout}{measure}", profile.chunker, profile.max_links)
}

impl Search<'_> {
    /// Tries ipfs-car's way with folders that hold one folder alone, if there are any.
    fn stripped(&mut self, paths: &[PathBuf], named: &[(String, Profile)]) -> Result<()> {
        let ([path], Wrap::No, None) = (paths, self.options.wrap, &self.found.candidate) else { return Ok(()) };
        let options = Options { profile: Profile::IPFS_CAR, ..self.options.clone() };
        let inner = walk::strip(path, &rules(&options, Vec::new(), self.control)?)?;
        let candidates: Vec<_> = named.iter().filter(|(_, profile)| profile.prefix == Prefix::Strip).cloned().collect();
        if inner == *path || candidates.is_empty() {
            return Ok(());
        }
        self.run(Pass { candidates, paths: vec![inner], hidden: self.options.hidden, symlinks: Symlinks::Keep })
    }

    /// One reading, unless the search is over.
    fn run(&mut self, pass: Pass) -> Result<()> {
        if self.found.candidate.is_some() || pass.candidates.is_empty() {
            return Ok(());
        }
        let mut options = Options { hidden: pass.hidden, ..self.options.clone() };
        options.profile.symlinks = pass.symlinks;
        let rules = rules(&options, Vec::new(), self.control)?;
        let mut plan = Plan::default();
        pass.candidates.iter().for_each(|(_, profile)| plan.add(*profile));
        let feed = Feed::new(Steps::Walk(Walk::new(&pass.paths, rules)), &plan.leaves, self.control);
        let counts = run::run(feed, &mut plan, &mut |_, _| Ok(()), self.control)?;
        self.symlinks = counts.symlinks;
        let name = walk::base_name(pass.paths.first().map_or(std::path::Path::new(""), PathBuf::as_path)).ok();
        for ((label, mut profile), tree) in pass.candidates.into_iter().zip(&plan.trees) {
            if pass.symlinks == Symlinks::Follow {
                profile.symlinks = Symlinks::Follow;
            }
            self.compare(label, profile, &options, tree, name.as_deref())?;
        }
        Ok(())
    }

    /// Compares what a candidate gives, bare and in a directory of its own.
    fn compare(&mut self, label: String, profile: Profile, options: &Options, tree: &Tree, name: Option<&[u8]>) -> Result<()> {
        let root = tree.root()?;
        let mut ways = vec![(options.wrap, root)];
        if let (Wrap::No, Some(name)) = (options.wrap, name) {
            ways.push((Wrap::Yes, wrapped(&profile, name, &root)?));
        }
        for (wrap, root) in ways {
            if self.found.candidate.is_some() {
                return Ok(());
            }
            let root = root.to_cid();
            let candidate = Candidate { name: label.clone(), profile, wrap, hidden: options.hidden };
            if root == *self.wanted {
                self.found.candidate = Some(candidate);
            } else {
                self.found.tried.push(Tried { candidate, root });
            }
        }
        Ok(())
    }
}

fn wrapped(profile: &Profile, name: &[u8], root: &Made) -> Result<Made> {
    let name = EntryName::try_from(name).map_err(|e| Error::usage(e.to_string()))?;
    let mut directory = DirectoryBuilder::new(profile);
    directory.add(name, root);
    directory.finish(&Metadata::default(), &mut |_, _| Ok(()))
}
