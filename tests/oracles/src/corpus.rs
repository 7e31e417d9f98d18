//! The sound archives to compare over: the project's own, and the collected ones where `shared` lies beside the repository.

use crate::report::announce;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A file that is known to be sound, though its DAG may be incomplete.
#[derive(Debug)]
pub struct Sound {
    /// Where it is.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What its manifest says of it, where it has one.
    pub facts: Option<Value>,
}

/// Every sound archive that is here.
#[derive(Debug)]
pub struct Corpus {
    /// The archives, in order of their paths.
    pub archives: Vec<Sound>,
    /// Whether the collected archives are among them.
    pub has_shared: bool,
}

impl Corpus {
    /// Finds and reads the archives.
    ///
    /// # Panics
    ///
    /// When a listed archive cannot be read, or the manifest has another shape.
    #[must_use]
    pub fn load() -> Self {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut archives: Vec<_> = in_folder(&package.join("../../testdata")).map(|path| sound(path, None)).collect();
        let shared = package.join("../../../shared/fixtures");
        let has_shared = shared.is_dir();
        if has_shared {
            archives.extend(in_manifest(&shared.join("real")));
            for folder in ["vectors/cars", "nft"] {
                archives.extend(in_folder(&shared.join(folder)).map(|path| sound(path, None)));
            }
        } else {
            announce("skipped: no ../shared, so only the archives in testdata are compared");
        }
        Self { archives, has_shared }
    }

    /// The least number that a test must compare: `with_shared` when all archives are here, else as many as the project's own
    /// archives can surely give, which is one.
    #[must_use]
    pub fn floor(&self, with_shared: usize) -> usize {
        if self.has_shared { with_shared } else { 1 }
    }
}

/// The `.car` files directly in a folder, which holds sound ones only; broken ones lie in folders below.
fn in_folder(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|item| item.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "car"));
    paths.sort();
    paths.into_iter()
}

/// The files whose manifest line has the verdict `ok`.
fn in_manifest(folder: &Path) -> Vec<Sound> {
    let manifest = read(&folder.join("manifest.jsonl"));
    let lines = serde_json::Deserializer::from_slice(&manifest).into_iter::<Value>();
    let lines = lines.map(|line| line.unwrap_or_else(|error| panic!("manifest.jsonl: {error}")));
    lines
        .filter(|line| line["facts"]["verdict"] == "ok")
        .map(|mut line| {
            let file = line["file"].as_str().unwrap_or_else(|| panic!("a line without `file`: {line}"));
            sound(folder.join(file), Some(line["facts"].take()))
        })
        .collect()
}

fn sound(path: PathBuf, facts: Option<Value>) -> Sound {
    Sound { bytes: read(&path), path, facts }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
