//! The index of a CARv2 on its own: made, taken out, listed, compared.

use super::copy::{Copy, Receiver};
use super::findings::{Findings, Notes};
use super::index_check::{IndexCheck, IndexReport, read_tail};
use super::merge::Unverified;
use super::scan::{self, Identify, SectionHead};
use super::source::Source;
use crate::control::Control;
use crate::error::{Code, Error, Finding, Result, Severity};
use crate::format::index::{self, Entry, Summary};
use crate::format::{Carv2Header, Framer, Identities, IndexCodec, IndexWriter};
use crate::offset::FileOffset;
use crate::store::{Existing, Input, Keyer, Output, spool};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What index to make.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Its kind.
    pub codec: IndexCodec,
    /// Which sections it holds.
    pub identities: Identities,
    /// Blocks that cannot be verified.
    pub unverified: Unverified,
    /// What to do when the output exists.
    pub existing: Existing,
}

/// Writes the index of the archive `input` to a file of its own, as [`is_detached`](index::is_detached) knows it. An index that the
/// archive has is not looked at. Every block is hashed.
///
/// Gives the number of sections that the archive has.
///
/// # Errors
/// The first fault of the archive; a file that fails; a request to stop. Nothing is left of the output then.
pub fn create(input: &Path, output: &Path, options: &Options, control: &Control) -> Result<u64> {
    let mut out = output_file(input, output, options.existing)?;
    let (source, input) = Source::open(input, control)?;
    let named = |e: Error| e.in_file(source.name());
    let len = input.file_len();
    let mut framer = Framer::open(input, len, control.limits, control.trailing_zeros).map_err(named)?;
    let indexing = Indexing {
        payload_start: framer.payload_start(),
        writer: IndexWriter::new(options.codec, options.identities),
        sections: 0,
    };
    let copy = Copy::new(indexing, options.unverified);
    let copy = scan::scan(&mut framer, Keyer::new(), Identify::Cid, copy, control).map_err(named)?;
    let (indexing, _) = copy.finish();
    indexing.writer.write(&mut out)?;
    commit(out)?;
    Ok(indexing.sections)
}

struct Indexing {
    payload_start: FileOffset,
    writer: IndexWriter,
    sections: u64,
}

impl Receiver for Indexing {
    fn begin(&mut self, head: SectionHead<'_>) -> Result<bool> {
        self.sections += 1;
        self.writer.add(head.cid, head.at.in_payload(self.payload_start));
        Ok(false)
    }

    fn piece(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// Copies the index of the CARv2 `input` to a file of its own, byte for byte, if it can be read from its first byte to its last.
/// It is not compared with the blocks: see [`check`].
///
/// # Errors
/// [`ErrorKind::Missing`](crate::error::ErrorKind::Missing) when there is none; a fault of the headers or the index; an unknown kind of
/// index; a file that fails. Nothing is left of the output then.
pub fn detach(input: &Path, output: &Path, existing: Existing, control: &Control) -> Result<Summary> {
    let mut out = output_file(input, output, existing)?;
    let mut attached = Attached::open(input, control)?;
    let summary = attached.read(&mut |_| control.check())?;
    let end = summary.trailing_at.unwrap_or(FileOffset(attached.len));
    let copied = attached.rewind().and_then(|file| {
        io::copy(&mut file.take(end.0.saturating_sub(attached.at.0)), &mut out).map_err(|e| Error::io(e, "cannot write"))
    });
    copied.map_err(|e| e.in_file(&*attached.name))?;
    commit(out)?;
    Ok(summary)
}

/// Gives the entries of an index, of a CARv2 or on its own, to `on_entry`, in their order.
///
/// # Errors
/// As [`detach`], or what `on_entry` returns.
pub fn list(input: &Path, control: &Control, on_entry: &mut dyn FnMut(Entry<'_>) -> Result<()>) -> Result<Summary> {
    Attached::open(input, control)?.read(on_entry)
}

/// What a comparison of an index with the blocks gave.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// What is known about the index.
    pub index: IndexReport,
    /// Sections of the archive.
    pub sections: u64,
    /// What is wrong or remarkable: an entry that leads elsewhere, a block without one and disorder are errors here.
    pub findings: Vec<Finding>,
}

/// Compares an index with the blocks, both ways: that of the CARv2 `archive`, or the one in the file `detached`. Every block is
/// hashed first.
///
/// # Errors
/// [`ErrorKind::Missing`](crate::error::ErrorKind::Missing) when there is no index; the first fault of the archive apart from its index;
/// a failed read.
pub fn check(archive: &Path, detached: Option<&Path>, control: &Control) -> Result<Comparison> {
    let (source, input) = Source::open(archive, control)?;
    let named = |e: Error| e.in_file(source.name());
    let len = input.file_len();
    let mut framer = Framer::open(input, len, control.limits, control.trailing_zeros).map_err(named)?;
    let payload_start = framer.payload_start();
    let carv2 = match (framer.carv2().copied(), detached) {
        (_, Some(_)) => Carv2Header { characteristics: [0; 16], data_offset: payload_start.0, data_size: 0, index_offset: 0 },
        (Some(carv2), None) if carv2.index_offset != 0 => carv2,
        _ => return Err(named(no_index())),
    };
    let keyer = Keyer::new();
    let gathering = Gathering { payload_start, check: IndexCheck::new(keyer), sections: 0 };
    let copy = Copy::new(gathering, Unverified::Keep);
    let copy = scan::scan(&mut framer, keyer, Identify::Multihash, copy, control).map_err(named)?;
    let (Gathering { check, sections, .. }, _) = copy.finish();
    let mut findings = Findings::default();
    let report = match detached {
        Some(path) => {
            let attached = Attached::open(path, control)?;
            let (file, at) = (attached.rewind()?, attached.at);
            read_tail(file, at, Some((check, carv2)), &mut findings).map_err(|e| e.in_file(&*attached.name))?.0
        }
        None => match framer.into_tail().map_err(named)? {
            Some((tail, at)) => read_tail(tail, at, Some((check, carv2)), &mut findings).map_err(named)?.0,
            None => None,
        },
    };
    let index = report.ok_or_else(|| named(no_index()))?;
    let mut findings = findings.finish(Notes::Tolerated);
    for finding in &mut findings {
        let is_disorder = index.unsorted_at.is_some() && finding.at == index.unsorted_at;
        if matches!(finding.code, Code::IndexMismatch | Code::UnknownCodec) || is_disorder {
            finding.severity = Severity::Error;
        }
    }
    Ok(Comparison { index, sections, findings })
}

struct Gathering {
    payload_start: FileOffset,
    check: IndexCheck,
    sections: u64,
}

impl Receiver for Gathering {
    fn begin(&mut self, head: SectionHead<'_>) -> Result<bool> {
        self.sections += 1;
        self.check.section_of(head.at.in_payload(self.payload_start), head.cid);
        Ok(false)
    }

    fn piece(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// A file with an index in it, at its end or alone.
struct Attached {
    file: File,
    name: String,
    at: FileOffset,
    len: u64,
}

impl Attached {
    fn open(path: &Path, control: &Control) -> Result<Attached> {
        let name = path.display().to_string();
        let open = || {
            let (mut file, len) = Input::open(path, control).and_then(spool)?;
            let mut prefix = Vec::new();
            (&mut file).take(20).read_to_end(&mut prefix).and_then(|_| file.rewind()).map_err(|e| Error::io(e, "cannot read"))?;
            let at = if index::is_detached(&prefix) { FileOffset(0) } else { index_start(&file, len, control)? };
            Ok(Attached { file, name: name.clone(), at, len })
        };
        open().map_err(|e: Error| e.in_file(&*name))
    }

    /// The file at the first byte of the index.
    fn rewind(&self) -> Result<&File> {
        (&self.file).seek(SeekFrom::Start(self.at.0)).map_err(|e| Error::io(e, "cannot read"))?;
        Ok(&self.file)
    }

    fn read(&mut self, on_entry: &mut dyn FnMut(Entry<'_>) -> Result<()>) -> Result<Summary> {
        let read = || {
            let summary = index::read(self.rewind()?, self.at, on_entry)?;
            if summary.layout.is_none() {
                let message = format!("the index has codec 0x{:x}, which is not known", summary.codec);
                return Err(Error::new(crate::error::ErrorKind::Unsupported(Code::UnknownCodec), message).at(self.at));
            }
            Ok(summary)
        };
        read().map_err(|e| e.in_file(&*self.name))
    }
}

/// Where the index of an archive starts.
fn index_start(file: &File, len: u64, control: &Control) -> Result<FileOffset> {
    let mut framer = Framer::open(file, Some(len), control.limits, control.trailing_zeros)?;
    let carv2 = framer.carv2().copied().filter(|carv2| carv2.index_offset != 0).ok_or_else(no_index)?;
    if let Some(fault) = framer.take_opening_findings().into_iter().find(|finding| finding.severity == Severity::Error) {
        return Err(fault.into());
    }
    carv2.index_start().map(FileOffset).ok_or_else(no_index)
}

fn no_index() -> Error {
    Error::missing("the archive has no index (`cartool index create` makes one)")
}

fn output_file(input: &Path, output: &Path, existing: Existing) -> Result<BufWriter<Output>> {
    Ok(BufWriter::with_capacity(1 << 20, Output::create(output, existing, &[PathBuf::from(input)])?))
}

fn commit(mut out: BufWriter<Output>) -> Result<()> {
    out.flush().map_err(|e| Error::io(e, "cannot write"))?;
    out.into_inner().map_err(|e| Error::io(e.into_error(), "cannot write"))?.commit()
}
