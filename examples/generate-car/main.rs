//! Writes large archives for benches and checks: one complete DAG of pseudo-random content, the same bytes for the same words.
//!
//! Nothing of the library is used, so that a fault of its writer or hasher cannot hide in its own input.
//!
//! ```text
//! cargo run --release --example generate-car -- --kind raw-1m --bytes 4GiB --seed 1 -o big.car
//! ```

mod archive;

use archive::{Kind, Recipe, Size};
use std::error::Error;
use std::path::PathBuf;

const USAGE: &str = "usage: generate-car --kind raw-1m|pb-256k|tiny|raw-100 (--bytes N[KiB|MiB|GiB] | --blocks N) [--seed N]
                    [--shared PERCENT] -o FILE";

/// The words of the command line.
struct Options {
    recipe: Recipe,
    output: PathBuf,
}

fn parse_len(word: &str) -> Result<u64, Box<dyn Error>> {
    let (digits, unit) = [("KiB", 10), ("MiB", 20), ("GiB", 30)]
        .into_iter()
        .find_map(|(suffix, shift)| word.strip_suffix(suffix).map(|digits| (digits, 1 << shift)))
        .unwrap_or((word, 1));
    let number: u64 = digits.parse().map_err(|_| format!("{word:?}: expected a number, with KiB, MiB or GiB or without"))?;
    number.checked_mul(unit).ok_or_else(|| format!("{word:?} is over 2^64").into())
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let (mut kind, mut bytes, mut blocks, mut seed, mut shared_percent, mut output) = (None, None, None, 1, 0, None);
    while let Some(name) = words.next() {
        let value = words.next().ok_or_else(|| format!("{name}: a value is missing\n{USAGE}"))?;
        match (name.as_str(), value.as_str()) {
            ("--kind", "raw-1m") => kind = Some(Kind::Raw1M),
            ("--kind", "pb-256k") => kind = Some(Kind::Pb256K),
            ("--kind", "tiny") => kind = Some(Kind::Tiny),
            ("--kind", "raw-100") => kind = Some(Kind::Raw100),
            ("--bytes", len) => bytes = Some(parse_len(len)?),
            ("--blocks", count) => blocks = Some(parse_len(count)?),
            ("--seed", number) => seed = parse_len(number)?,
            ("--shared", number) => shared_percent = parse_len(number)?,
            ("-o", path) => output = Some(PathBuf::from(path)),
            _ => return Err(format!("{name} {value}: not understood\n{USAGE}").into()),
        }
    }
    let (Some(kind), Some(output)) = (kind, output) else { return Err(USAGE.into()) };
    let size = match (bytes, blocks) {
        (Some(len), None) => Size::Bytes(len),
        (None, Some(blocks)) => Size::Blocks(blocks),
        _ => return Err(format!("one of --bytes and --blocks is needed\n{USAGE}").into()),
    };
    if shared_percent > 100 {
        return Err(format!("--shared {shared_percent}: at most 100").into());
    }
    Ok(Options { recipe: Recipe { kind, size, seed, shared_percent }, output })
}

fn main() -> Result<(), Box<dyn Error>> {
    let Options { recipe, output } = parse(std::env::args().skip(1))?;
    let written = archive::write(&output, &recipe)?;
    println!("{}: {written}", output.display());
    Ok(())
}
