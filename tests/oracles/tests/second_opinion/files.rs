//! The trees that rust-unixfs and unixfs-v1 read against those that `cartool extract` and `cartool cat` write.

use crate::readable;
use cartool_oracles::archive::Archive;
use cartool_oracles::corpus::Corpus;
use cartool_oracles::program::Cartool;
use cartool_oracles::report::{Tally, assert_same};
use cartool_oracles::unixfs::{self, Entry, Reader, Refusal, Tree};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

#[test]
fn rust_unixfs_reads_what_extract_writes() {
    extract_writes_what_is_read("entries that rust-unixfs reads", unixfs::rust_unixfs, 20_000);
}

#[test]
fn unixfs_v1_reads_what_extract_writes() {
    extract_writes_what_is_read("entries that unixfs-v1 reads", unixfs::unixfs_v1, 10_000);
}

#[test]
fn rust_unixfs_reads_what_cat_prints() {
    let (cartool, corpus, mut tally) = (Cartool::find(), Corpus::load(), Tally::default());
    for (sound, archive) in readable(&corpus, &mut tally) {
        let Ok(trees) = trees(unixfs::rust_unixfs, &archive) else {
            tally.skipped("a root of the archive is no tree that the reader reads");
            continue;
        };
        // With several roots, or a root that is a file, a path is not all that names a file.
        let [(_, tree)] = trees.as_slice() else {
            tally.skipped("the archive has several roots");
            continue;
        };
        let mut files = tree.iter().filter(|(path, entry)| !path.as_os_str().is_empty() && matches!(entry, Entry::File { .. }));
        for (path, expected) in files.next().into_iter().chain(files.next_back()) {
            let printed = cartool.stdout([OsStr::new("cat"), OsStr::new("--"), sound.path.as_os_str(), path.as_os_str()]);
            assert_eq!(&Entry::file(&printed), expected, "{}: cat {path:?}", sound.path.display());
            tally.compared();
        }
    }
    tally.close("files that cat prints", corpus.floor(80));
}

fn extract_writes_what_is_read(title: &str, reader: Reader, floor: usize) {
    let (cartool, corpus, mut tally) = (Cartool::find(), Corpus::load(), Tally::default());
    for (sound, archive) in readable(&corpus, &mut tally) {
        let trees = match trees(reader, &archive) {
            Ok(trees) => trees,
            Err(refusal) => {
                tally.skipped(refusal);
                continue;
            }
        };
        let expected: Vec<_> = laid_out(trees).into_iter().collect();
        let written: Vec<_> = extract(&cartool, &sound.path).into_iter().collect();
        assert_same(&sound.path.display().to_string(), &expected, &written);
        expected.iter().for_each(|_| tally.compared());
    }
    tally.close(title, corpus.floor(floor));
}

/// Extracts an archive into a directory that does not exist yet, and lists what is there then. Modes are left out: a file
/// without the permission to read could not be compared.
fn extract(cartool: &Cartool, path: &Path) -> Tree {
    let fresh = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary directory: {error}"));
    let target = fresh.path().join("target");
    cartool.stdout(["extract".as_ref(), "--no-preserve".as_ref(), path.as_os_str(), "-o".as_ref(), target.as_os_str()]);
    unixfs::on_disk(&target).unwrap_or_else(|error| panic!("{}: cannot list what was extracted: {error}", path.display()))
}

/// The trees under the distinct roots, each with its root's CID, when the reader reads them all.
fn trees(reader: Reader, archive: &Archive) -> Result<Vec<(String, Tree)>, Refusal> {
    let mut roots = archive.roots.clone();
    roots.sort();
    roots.dedup();
    roots.iter().map(|root| Ok((root.to_string(), reader(root, archive)?))).collect()
}

/// How `extract` lays trees out: a single directory root fills the target itself, otherwise each root has its CID for a name.
fn laid_out(trees: Vec<(String, Tree)>) -> Tree {
    let fills_target = matches!(trees.as_slice(), [(_, tree)] if tree.get(Path::new("")) == Some(&Entry::Directory));
    let mut all = Tree::new();
    for (root, tree) in trees {
        for (path, entry) in tree {
            let is_root = path.as_os_str().is_empty();
            let place = match (fills_target, is_root) {
                (true, true) => continue,
                (true, false) => path,
                (false, true) => PathBuf::from(&root),
                (false, false) => Path::new(&root).join(path),
            };
            all.insert(place, entry);
        }
    }
    all
}

#[test]
fn a_single_directory_fills_the_target_and_others_are_named() {
    let file = || Entry::file(b"a");
    let directory = || Tree::from([("".into(), Entry::Directory), ("f".into(), file())]);
    assert_eq!(laid_out(vec![("cid".into(), directory())]), Tree::from([("f".into(), file())]));
    assert_eq!(laid_out(vec![("cid".into(), Tree::from([("".into(), file())]))]), Tree::from([("cid".into(), file())]));
    let two = laid_out(vec![("one".into(), directory()), ("two".into(), Tree::from([("".into(), file())]))]);
    let expected = [("one".into(), Entry::Directory), ("one/f".into(), file()), ("two".into(), file())];
    assert_eq!(two, Tree::from(expected));
}
