//! The list of what went into a merged archive (`--manifest`): JSON with sorted keys, two spaces, a final newline.

use super::Summary;
use crate::error::{Error, Result};
use crate::format::Header;
use serde::Serialize;
use std::io::Write;
use std::path::Path;

// Fields stand in the order of their names: that is the order of the keys.
#[derive(Serialize)]
struct Manifest {
    blocks: u64,
    bytes: u64,
    inputs: Vec<Input>,
    output: String,
    roots: Vec<String>,
}

#[derive(Serialize)]
struct Input {
    blocks: u64,
    bytes: u64,
    duplicate_blocks: u64,
    file: String,
    new_blocks: u64,
    roots: Vec<String>,
}

fn roots(header: &Header) -> Vec<String> {
    header.roots().map(|root| root.to_string()).collect()
}

/// Writes the manifest of a merge into `output`.
///
/// # Errors
/// When the output fails.
pub(super) fn write(summary: &Summary, output: &Path, to: &mut impl Write) -> Result<()> {
    let inputs = summary.inputs.iter().map(|input| Input {
        blocks: input.blocks,
        bytes: input.bytes,
        duplicate_blocks: input.duplicate_blocks,
        file: input.file.clone(),
        new_blocks: input.new_blocks,
        roots: roots(&input.header),
    });
    let manifest = Manifest {
        blocks: summary.blocks,
        bytes: summary.bytes,
        inputs: inputs.collect(),
        output: output.display().to_string(),
        roots: roots(&summary.header),
    };
    let text = serde_json::to_string_pretty(&manifest).map_err(|e| Error::io(e.into(), "cannot write the manifest"))?;
    writeln!(to, "{text}").map_err(|e| Error::io(e, "cannot write the manifest"))
}
