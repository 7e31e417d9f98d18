//! What `cartool merge` and `cartool build` write, read by iroh-car.

use crate::{compare_blocks, readable};
use cartool_oracles::archive::{self, Archive, is_identity};
use cartool_oracles::corpus::{Corpus, Sound};
use cartool_oracles::dag;
use cartool_oracles::program::Cartool;
use cartool_oracles::report::{Tally, assert_same};
use cid::Cid;
use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Longer archives are left to the tests that write nothing.
const ARCHIVE_LEN_MAX: usize = 2 << 20;

/// The archives that cartool can prove whole: digests of full length and every block there.
fn whole<'a>(corpus: &'a Corpus, tally: &mut Tally) -> Vec<(&'a Sound, Archive)> {
    let mut archives = readable(corpus, tally);
    archives.retain(|(sound, archive)| {
        let rule = if sound.bytes.len() > ARCHIVE_LEN_MAX {
            "the archive is over 2 MiB"
        } else if !dag::has_whole_digests(archive) {
            "a digest is cut, or of a function not listed here"
        } else if !dag::on_deep_stack(|| dag::reach(&archive.roots, archive)).is_complete() {
            "the archive's DAG is incomplete, or libipld does not read all of it"
        } else {
            return true;
        };
        tally.skipped(rule);
        false
    });
    archives
}

#[test]
fn iroh_car_reads_what_merge_writes() {
    let (cartool, corpus, mut tally) = (Cartool::find(), Corpus::load(), Tally::default());
    let archives = whole(&corpus, &mut tally);
    // Neighbours, and each archive with itself: the first have little in common, the second everything.
    let neighbours = archives.windows(2).map(|pair| [&pair[0], &pair[1]]);
    for inputs in neighbours.chain(archives.iter().map(|archive| [archive, archive])) {
        let paths = inputs.map(|(sound, _)| sound.path.clone());
        let written = run_to_archive(&cartool, "merge", &paths);
        let name = format!("merge {} {}", paths[0].display(), paths[1].display());

        // `bafkqaaa` stands for "no root": beside others it is left out.
        let mut roots = first_seen(inputs.iter().flat_map(|(_, archive)| &archive.roots));
        if roots.len() > 1 {
            roots.retain(|root| !is_no_root(root));
        }
        assert_same(&format!("{name}: roots"), &roots, &written.roots);
        let blocks = inputs.iter().flat_map(|(_, archive)| stored(archive));
        assert_same(&format!("{name}: blocks"), &first_seen(blocks), &stored(&written).copied().collect::<Vec<_>>());
        tally.compared();
    }
    tally.close("merged archives", corpus.floor(200));
}

#[test]
fn iroh_car_reads_what_build_writes() {
    let (cartool, corpus, mut tally) = (Cartool::find(), Corpus::load(), Tally::default());
    for (sound, archive) in whole(&corpus, &mut tally) {
        let [root] = archive.roots.as_slice() else {
            tally.skipped("the archive has several roots");
            continue;
        };
        if is_no_root(root) {
            tally.skipped("the archive names no root");
            continue;
        }
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary directory: {error}"));
        let parts = [0, 1].map(|part| write_part(folder.path(), *root, &archive, part));
        let written = run_to_archive(&cartool, "build", &parts);

        let name = format!("build {} from two halves", sound.path.display());
        assert_eq!(written.roots, [*root], "{name}: roots");
        let reach = dag::on_deep_stack(|| dag::reach(&archive.roots, &archive));
        assert_same(&format!("{name}: blocks"), &names(reach.reached.iter()), &names(stored(&written)));
        tally.compared();
    }
    tally.close("built archives", corpus.floor(80));
}

/// Writes every other block with iroh-car, under the whole archive's root: what a gateway sends that has only a half.
fn write_part(folder: &Path, root: Cid, archive: &Archive, part: usize) -> PathBuf {
    let sections = archive.sections.iter().skip(part).step_by(2);
    let path = folder.join(format!("part-{part}.car"));
    std::fs::write(&path, archive::write(&[root], sections)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}

/// Runs a command that writes an archive, and reads it with iroh-car and with `cartool blocks`.
fn run_to_archive(cartool: &Cartool, command: &str, inputs: &[PathBuf]) -> Archive {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary directory: {error}"));
    let path = folder.path().join("out.car");
    let inputs = inputs.iter().map(|input| input.as_os_str());
    cartool.stdout([OsStr::new(command)].into_iter().chain(inputs).chain([OsStr::new("-o"), path.as_os_str()]));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("cartool {command} wrote no {}: {error}", path.display()));
    let archive = Archive::read(&bytes).unwrap_or_else(|refusal| panic!("cartool {command} wrote what is refused: {refusal}"));
    compare_blocks(cartool, &path, &archive);
    archive
}

/// The CIDs of the sections. Identity CIDs hold their block, and whether an output stores it again is open.
fn stored(archive: &Archive) -> impl Iterator<Item = &Cid> {
    archive.sections.iter().map(|section| &section.cid).filter(|cid| !is_identity(cid))
}

/// Whether this root is `bafkqaaa`, which stands for "no root".
fn is_no_root(root: &Cid) -> bool {
    is_identity(root) && root.hash().digest().is_empty()
}

/// Each CID where it first occurs.
fn first_seen<'a>(cids: impl Iterator<Item = &'a Cid>) -> Vec<Cid> {
    let mut seen = HashSet::new();
    cids.filter(|cid| seen.insert(**cid)).copied().collect()
}

/// The blocks that some CIDs name, without the identity ones, sorted.
fn names<'a>(cids: impl Iterator<Item = &'a Cid>) -> Vec<Cid> {
    cids.filter(|cid| !is_identity(cid)).map(archive::as_v1).collect::<BTreeSet<_>>().into_iter().collect()
}
