//! An archive in another version: the same header and the same sections, byte for byte, with or without an index.
//!
//! Every block is hashed on the way, so that a version is never given to a damaged archive. What stands around the payload is made
//! anew: padding, index, and zeros behind the last section where those were allowed.

use super::archive_writer::{ArchiveWriter, Finished, Version};
use super::copy::{Copy, Receiver};
use super::merge::Unverified;
use super::scan::{self, Identify, SectionHead};
use super::sink::Sink;
use super::source::Source;
use crate::control::Control;
use crate::error::{Error, Finding, Result};
use crate::format::{Framer, Header};
use crate::store::{Existing, Keyer};
use std::path::{Path, PathBuf};

/// How to convert.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// The version of the result.
    pub version: Version,
    /// Blocks that cannot be verified.
    pub unverified: Unverified,
    /// What to do when the output exists.
    pub existing: Existing,
}

/// What was written.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The CARv1 header.
    pub header: Header,
    /// Sections.
    pub blocks: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Writes the archive `input` (`-` is standard input) to `output` (`-` is standard output, which gets it when it is whole) in the
/// version asked for. `on_finding` is told what is remarkable about the input.
///
/// # Errors
/// The first fault of the input, with its byte; a file that fails; a request to stop. Nothing is left of the output then.
pub fn convert(
    input: &Path,
    output: &Path,
    options: &Options,
    control: &Control,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<Summary> {
    let sink = Sink::create(output, options.existing, &[PathBuf::from(input)])?;
    let (source, input) = Source::open(input, control)?;
    let named = |e: Error| e.in_file(source.name());
    let len = input.file_len();
    let mut framer = Framer::open(input, len, control.limits, control.trailing_zeros).map_err(named)?;
    let header = framer.header().clone();
    let writer = ArchiveWriter::new(sink, &header, options.version)?;
    let all = All { writer, blocks: 0, output: output.display().to_string() };
    let copy = Copy::new(all, options.unverified);
    let copy = scan::scan(&mut framer, Keyer::new(), Identify::Cid, copy, control).map_err(named)?;
    let (All { writer, blocks, .. }, remarks) = copy.finish();
    remarks.into_iter().for_each(on_finding);
    let Finished { sink, len } = writer.finish()?;
    Sink::commit(sink)?;
    Ok(Summary { header, blocks, bytes: len })
}

/// Writes all that comes.
struct All {
    writer: ArchiveWriter,
    blocks: u64,
    /// The name for errors of the output, which are not the input's.
    output: String,
}

impl Receiver for All {
    fn begin(&mut self, head: SectionHead<'_>) -> Result<bool> {
        self.blocks += 1;
        self.writer.begin_section(head.cid, head.data_len).map_err(|e| e.in_file(&*self.output))?;
        Ok(true)
    }

    fn piece(&mut self, piece: &[u8]) -> Result<()> {
        self.writer.continue_section(piece).map_err(|e| e.in_file(&*self.output))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Carv2Header, Identities, IndexCodec};
    use crate::ops::archive_writer::V2Options;
    use crate::ops::testing::{Claimed, Files, car, raw};
    use proptest::prelude::*;

    fn converted(files: &Files, from: &str, to: &str, version: Version) -> Vec<u8> {
        let options = Options { version, existing: Existing::Replace, ..Options::default() };
        convert(&files.path(from), &files.path(to), &options, &Control::default(), &mut |_| {}).unwrap();
        std::fs::read(files.path(to)).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn there_and_back_is_the_identity(
            blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20),
            data_padding in 0u64..100, index_padding in 0u64..100, index in 0usize..3, fully: bool,
        ) {
            let files = Files::new();
            let blocks: Vec<Claimed> = blocks.iter().map(|data| raw(data)).collect();
            let roots: Vec<_> = blocks.iter().take(2).map(|block| block.0).collect();
            let original = car(&roots, &blocks.iter().collect::<Vec<_>>());
            files.write("1.car", &original);
            let index = [None, Some(IndexCodec::Sorted), Some(IndexCodec::MultihashSorted)][index];
            let identities = if fully { Identities::Index } else { Identities::LeaveOut };
            let v2 = Version::V2(V2Options { index, identities, data_padding, index_padding });
            let second = converted(&files, "1.car", "2.car", v2);
            let header = Carv2Header::parse(second[11..51].try_into().unwrap());
            prop_assert_eq!(header.data_offset, 51 + data_padding);
            prop_assert_eq!(header.index_offset, index.map_or(0, |_| header.data_end() + index_padding));
            prop_assert!(header.check(Some(second.len() as u64)).unwrap().is_empty());
            prop_assert_eq!(&converted(&files, "2.car", "again.car", v2), &second);
            prop_assert_eq!(converted(&files, "2.car", "back.car", Version::V1), original);
        }
    }

    #[test]
    fn a_block_too_long_to_hold_is_copied_and_proven() {
        let files = Files::new();
        let long = raw(&vec![7; crate::format::framer::IN_MEMORY_MAX as usize + 5]);
        let mut original = car(&[long.0], &[&raw(b"one"), &long, &raw(b"two")]);
        let input = files.write("1.car", &original);
        let mut control = Control::default();
        control.limits.section_len_max = 1 << 30;
        let run = |from: &Path, to: &str, version| {
            let options = Options { version, ..Options::default() };
            convert(from, &files.path(to), &options, &control, &mut |_| {})
        };
        run(&input, "2.car", Version::V2(V2Options::default())).unwrap();
        run(&files.path("2.car"), "back.car", Version::V1).unwrap();
        assert!(std::fs::read(files.path("back.car")).unwrap() == original);
        let report = crate::ops::index::check(&files.path("2.car"), None, &control).unwrap();
        assert_eq!((report.index.entries, report.index.wrong, report.index.missing), (3, 0, 0));
        original[10 << 20] ^= 1;
        let forged = files.write("forged.car", &original);
        let error = run(&forged, "no.car", Version::V2(V2Options::default())).unwrap_err();
        assert_eq!(error.code(), Some(crate::error::Code::HashMismatch));
        assert!(!files.path("no.car").exists());
    }

    #[test]
    fn a_fault_leaves_nothing() {
        let files = Files::new();
        let mut bytes = car(&[], &[&raw(b"one"), &raw(b"two")]);
        *bytes.last_mut().unwrap() ^= 1;
        let input = files.write("in.car", &bytes);
        let options = Options { version: Version::V2(V2Options::default()), ..Options::default() };
        let result = convert(&input, &files.path("out.car"), &options, &Control::default(), &mut |_| {});
        assert_eq!(result.unwrap_err().code(), Some(crate::error::Code::HashMismatch));
        let same = convert(&input, &input, &options, &Control::default(), &mut |_| {});
        assert!(matches!(same.unwrap_err().kind, crate::error::ErrorKind::Usage));
        assert_eq!(files.names(), ["in.car"]);
    }
}
