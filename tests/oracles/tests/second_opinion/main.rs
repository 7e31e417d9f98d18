//! cartool against four other implementations, over every sound archive that is here. See the README beside `Cargo.toml`.

mod blocks;
mod files;
mod links;
mod outputs;

use cartool_oracles::archive::Archive;
use cartool_oracles::corpus::{Corpus, Sound};
use cartool_oracles::program::Cartool;
use cartool_oracles::report::{Tally, assert_same};
use serde_json::Value;
use std::path::Path;

/// The archives that iroh-car reads, and the refusals of the others.
fn readable<'a>(corpus: &'a Corpus, tally: &mut Tally) -> Vec<(&'a Sound, Archive)> {
    let mut readable = Vec::new();
    for sound in &corpus.archives {
        match Archive::read(&sound.bytes) {
            Ok(archive) => readable.push((sound, archive)),
            Err(refusal) => tally.skipped(refusal),
        }
    }
    readable
}

/// One line of `cartool blocks --json`, and the same said by iroh-car.
#[derive(Debug, PartialEq)]
struct Line {
    cid: String,
    offset: u64,
    length: u64,
    block_offset: u64,
    block_length: u64,
}

/// Compares the blocks of a file, and where they lie.
fn compare_blocks(cartool: &Cartool, path: &Path, archive: &Archive) {
    let name = path.display().to_string();
    let stdout = cartool.stdout(["blocks".as_ref(), "--json".as_ref(), path.as_os_str()]);
    let reported: Vec<Line> = serde_json::Deserializer::from_slice(&stdout)
        .into_iter::<Value>()
        .map(|line| line.unwrap_or_else(|error| panic!("{name}: blocks --json is not NDJSON: {error}")))
        .map(|line| {
            let number = |key: &str| line[key].as_u64().unwrap_or_else(|| panic!("{name}: no number {key:?} in {line}"));
            let cid = line["cid"].as_str().unwrap_or_else(|| panic!("{name}: no CID in {line}")).to_owned();
            let [offset, length, block_offset, block_length] = ["offset", "length", "blockOffset", "blockLength"].map(number);
            Line { cid, offset, length, block_offset, block_length }
        })
        .collect();
    let expected: Vec<Line> = archive
        .sections
        .iter()
        .map(|section| Line {
            cid: section.cid.to_string(),
            offset: section.offset as u64,
            length: section.length as u64,
            block_offset: section.block_offset as u64,
            block_length: section.data.len() as u64,
        })
        .collect();
    assert_same(&name, &expected, &reported);
}
