//! iroh-car's blocks against `cartool blocks --json` and `cartool roots --json`.

use crate::{compare_blocks, readable};
use cartool_oracles::corpus::Corpus;
use cartool_oracles::program::Cartool;
use cartool_oracles::report::{Tally, assert_same};
use serde_json::Value;

#[test]
fn iroh_car_sees_the_same_blocks() {
    let (cartool, corpus, mut tally) = (Cartool::find(), Corpus::load(), Tally::default());
    for (sound, archive) in readable(&corpus, &mut tally) {
        compare_blocks(&cartool, &sound.path, &archive);
        tally.compared();
    }
    tally.close("archives whose blocks iroh-car reads", corpus.floor(120));
}

#[test]
fn iroh_car_sees_the_same_roots() {
    let (cartool, corpus, mut tally) = (Cartool::find(), Corpus::load(), Tally::default());
    for (sound, archive) in readable(&corpus, &mut tally) {
        let name = sound.path.display().to_string();
        let stdout = cartool.stdout(["roots".as_ref(), "--json".as_ref(), sound.path.as_os_str()]);
        let report: Value = serde_json::from_slice(&stdout).unwrap_or_else(|error| panic!("{name}: roots --json: {error}"));
        let expected: Vec<Value> = archive.roots.iter().map(|root| root.to_string().into()).collect();
        assert_same(&name, &expected, report["roots"].as_array().map_or(&[][..], Vec::as_slice));
        tally.compared();
    }
    tally.close("archives whose roots iroh-car reads", corpus.floor(120));
}
