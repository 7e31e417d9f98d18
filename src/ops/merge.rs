//! Many archives, one bundle: roots united, blocks de-duplicated by CID.
//!
//! Every block of every input is hashed. Any fault of any input ends the merge with no output: a bundle is complete or
//! it is not there.

mod canonical;
mod manifest;
mod roots;
mod stream;
mod wrap;

use super::archive_writer::{ArchiveWriter, Finished, Version};
use super::findings::{Findings, Notes};
use super::scan::{self, Identify};
use super::sink::Sink;
use super::source::{self, Places, Source};
use crate::cid::{Cid, RawCid};
use crate::control::Control;
use crate::error::{Code, Error, Finding, Result};
use crate::format::{Framer, Header};
use crate::store::{Existing, Input, Keyer, Output};
use canonical::{Gather, Index};
use roots::{Order, RootSet};
use std::io::{BufWriter, Read};
use std::path::{Path, PathBuf};
use stream::{Copy, Stream};
use wrap::{Directory, Watch};

/// The roots of the merged archive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Roots {
    /// The roots of all inputs, each once. `bafkqaaa`, which stands for "no root", is left out beside others.
    #[default]
    Union,
    /// The roots of the first input.
    First,
    /// None.
    None,
    /// These, each once. Their blocks must be in the archive.
    These(Vec<Cid>),
    /// One UnixFS directory with all roots as its entries: by the name of their file, or, if it has several roots or the
    /// name is taken, `<name>-<cid>`.
    Wrap,
}

/// The order of the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Blocks {
    /// Input order, first seen wins.
    #[default]
    AsRead,
    /// Depth first from the sorted roots, links in block order, then what no root leads to, by the bytes of the CIDs: the
    /// same inputs in any order give the same bytes. All CIDs of one multihash stand together. Blocks over 16 MiB count
    /// as having no links.
    Canonical,
}

/// What to do with blocks that cannot be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unverified {
    /// Their archive is refused.
    #[default]
    Refuse,
    /// They are kept as they are (`--allow-unverified`) and reported.
    Keep,
}

/// How to merge.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The roots of the result.
    pub roots: Roots,
    /// The order of its blocks.
    pub blocks: Blocks,
    /// Blocks that cannot be verified.
    pub unverified: Unverified,
    /// What to do when the output or the manifest exists.
    pub existing: Existing,
    /// The version of the result.
    pub version: Version,
    /// Where to write what went into the result, as JSON.
    pub manifest: Option<PathBuf>,
}

/// What was merged.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The header written.
    pub header: Header,
    /// Blocks written.
    pub blocks: u64,
    /// Bytes written.
    pub bytes: u64,
    /// What each input gave, in order.
    pub inputs: Vec<InputSummary>,
}

/// What one input gave.
#[derive(Debug, Clone)]
pub struct InputSummary {
    /// Its name.
    pub file: String,
    /// Its header.
    pub header: Header,
    /// Its sections.
    pub blocks: u64,
    /// Sections whose CID no input before it had, nor itself further up.
    pub new_blocks: u64,
    /// The others.
    pub duplicate_blocks: u64,
    /// Its length; for a stream what was read of it: its payload.
    pub bytes: u64,
}

/// Merges archives (`-` is standard input, at most once) into one (`-` is standard output, which gets it when it is
/// whole). `on_finding` is told what is remarkable about an input, with its name.
///
/// # Errors
/// The first fault of any input, with its file and byte; unverifiable blocks unless they are kept; a request that makes
/// no sense; a file that fails or changes; a request to stop. Nothing is left of the output then.
pub fn merge(
    inputs: &[PathBuf],
    output: &Path,
    options: &Options,
    control: &Control,
    on_finding: &mut dyn FnMut(&str, Finding),
) -> Result<Summary> {
    check(inputs, output, options)?;
    let sink = Sink::create(output, options.existing, inputs)?;
    let manifest = options.manifest.as_deref().map(|path| Output::create(path, options.existing, inputs)).transpose()?;
    let merging = Merge { inputs, output, options, control, keyer: Keyer::new(), on_finding };
    let (sink, summary) = match options.blocks {
        Blocks::AsRead => merging.in_input_order(sink)?,
        Blocks::Canonical => merging.in_canonical_order(sink)?,
    };
    let manifest = manifest.map(|mut file| manifest::write(&summary, output, &mut file).map(|()| file)).transpose()?;
    Sink::commit(sink)?;
    manifest.map_or(Ok(()), Output::commit)?;
    Ok(summary)
}

fn check(inputs: &[PathBuf], output: &Path, options: &Options) -> Result<()> {
    source::check_inputs(inputs)?;
    if options.manifest.as_deref() == Some(output) {
        return Err(Error::usage("the archive and its manifest cannot be the same file"));
    }
    if options.blocks == Blocks::Canonical && options.roots == Roots::First {
        return Err(Error::usage("the roots of the first input depend on the order of the inputs, a canonical merge must not"));
    }
    if options.blocks == Blocks::Canonical && options.unverified == Unverified::Keep {
        return Err(Error::usage("a canonical merge takes verified blocks only: of others it cannot tell which copy to take"));
    }
    Ok(())
}

/// An input whose header was read.
struct Opened {
    source: Source,
    header: Header,
    /// A stream, which goes on where its header ended.
    stream: Option<Framer<Input>>,
}

struct Merge<'a> {
    inputs: &'a [PathBuf],
    output: &'a Path,
    options: &'a Options,
    control: &'a Control,
    keyer: Keyer,
    on_finding: &'a mut dyn FnMut(&str, Finding),
}

/// What the header of the result will be.
struct Plan {
    roots: RootSet,
    directory: Option<Directory>,
    watch: Watch,
}

impl Merge<'_> {
    fn framer<R: Read>(&self, input: R, len: Option<u64>, name: &str) -> Result<Framer<R>> {
        Framer::open(input, len, self.control.limits, self.control.trailing_zeros).map_err(|e| e.in_file(name))
    }

    fn plan(&self) -> Result<Plan> {
        let mut plan = Plan { roots: RootSet::new(&self.control.limits), directory: None, watch: Watch::default() };
        match &self.options.roots {
            Roots::These(roots) => {
                for root in roots {
                    let bytes = root.to_bytes();
                    let root = RawCid::parse(&bytes).map_err(|e| Error::usage(format!("a root is no CID: {e}")))?;
                    plan.roots.insert(root)?;
                    plan.watch.add(&self.keyer, root);
                }
            }
            Roots::Wrap => plan.directory = Some(Directory::default()),
            Roots::Union | Roots::First | Roots::None => {}
        }
        Ok(plan)
    }

    /// Takes the roots of input number `index`.
    fn add_roots(&self, plan: &mut Plan, index: usize, path: &Path, header: &Header) -> Result<()> {
        if let Some(directory) = &mut plan.directory {
            directory.add(path, header)?;
        }
        if self.options.roots == Roots::Union || (self.options.roots == Roots::First && index == 0) {
            header.roots().try_for_each(|root| plan.roots.insert(root))?;
        }
        Ok(())
    }

    /// Opens all inputs for their headers; files are closed again.
    fn open(&self) -> Result<(Vec<Opened>, Plan)> {
        let mut plan = self.plan()?;
        let mut opened = Vec::with_capacity(self.inputs.len());
        for (index, path) in self.inputs.iter().enumerate() {
            self.control.check()?;
            let (source, input) = Source::open(path, self.control)?;
            let len = input.file_len();
            let framer = self.framer(input, len, &source.name())?;
            let header = framer.header().clone();
            self.add_roots(&mut plan, index, path, &header)?;
            let stream = (!source.can_reopen()).then_some(framer);
            opened.push(Opened { source, header, stream });
        }
        Ok((opened, plan))
    }

    fn in_input_order(mut self, sink: BufWriter<Sink>) -> Result<(BufWriter<Sink>, Summary)> {
        let (opened, mut plan) = self.open()?;
        if let Some(directory) = &plan.directory {
            directory.cids().for_each(|cid| plan.watch.add(&self.keyer, cid));
        }
        // The CID of a directory is known when all is read; its header is as long as any with such a CID.
        let mut header = match &plan.directory {
            Some(_) => Header::new([RawCid::parse(&wrap::CID_BYTES).unwrap_or(RawCid::EMPTY)].into_iter()),
            None => plan.roots.header(Order::AsGiven),
        };
        let mut stream = Stream {
            writer: ArchiveWriter::new(sink, &header, self.options.version)?,
            seen: hashbrown::HashTable::new(),
            watch: plan.watch,
            keyer: self.keyer,
            unverified: self.options.unverified,
            output: self.output.display().to_string(),
        };
        let mut inputs = Vec::with_capacity(opened.len());
        for input in opened {
            inputs.push(self.copy(input, &mut stream)?);
        }
        let mut blocks = inputs.iter().map(|input| input.new_blocks).sum();
        let is_wrapped = plan.directory.is_some();
        if let Some(directory) = plan.directory {
            let (cid, data) = directory.block(&stream.watch, &self.keyer)?;
            let bytes = cid.to_bytes();
            let raw = RawCid::parse(&bytes).map_err(|e| Error::usage(e.to_string()))?;
            if stream.is_new(self.keyer.bytes(&bytes)) {
                stream.writer.write_section(raw, &data)?;
                blocks += 1;
            }
            header = Header::from_cids(&[cid]);
        } else {
            self.check_roots(&plan.roots, &stream.watch)?;
        }
        let Finished { sink, len } = if is_wrapped { stream.writer.finish_with(&header)? } else { stream.writer.finish()? };
        Ok((sink, Summary { header, blocks, bytes: len, inputs }))
    }

    /// Copies the sections of one input.
    fn copy(&mut self, input: Opened, stream: &mut Stream) -> Result<InputSummary> {
        let Opened { source, header, stream: kept } = input;
        let name = source.name();
        match kept {
            Some(mut framer) => self.copy_sections(&name, header, None, &mut framer, stream),
            None => {
                let file = source.reopen()?;
                let len = file.metadata().map_err(|e| Error::io(e, "cannot read").in_file(&*name))?.len();
                let mut framer = self.framer(&file, Some(len), &name)?;
                if *framer.header() != header {
                    return Err(source::changed(&name));
                }
                let summary = self.copy_sections(&name, header, Some(len), &mut framer, stream)?;
                source.check_unchanged()?;
                Ok(summary)
            }
        }
    }

    fn copy_sections<R: Read + Send>(
        &mut self,
        name: &str,
        header: Header,
        len: Option<u64>,
        framer: &mut Framer<R>,
        stream: &mut Stream,
    ) -> Result<InputSummary> {
        let mut summary = summary_of(name, header);
        summary.bytes = framer.payload_start().0.saturating_add(summary.header.encoded_len());
        let remarks = self.remarks(&summary.header);
        let copy = Copy { stream, summary, remarks, huge_is_new: false };
        let copy = scan::scan(framer, self.keyer, Identify::Cid, copy, self.control).map_err(|e| e.in_file(name))?;
        let Copy { mut summary, remarks, .. } = copy;
        summary.bytes = len.unwrap_or(summary.bytes);
        self.report(name, remarks);
        Ok(summary)
    }

    /// What is remarkable about an input with this header.
    fn remarks(&self, header: &Header) -> Findings {
        let mut remarks = Findings::default();
        if self.options.roots == Roots::Wrap && header.roots().all(|root| root == RawCid::EMPTY) {
            remarks
                .push(Finding::new(Code::NoRoots, "the header names no roots: no entry of the directory leads to these blocks"));
        }
        remarks
    }

    fn report(&mut self, name: &str, remarks: Findings) {
        remarks.finish(Notes::Tolerated).into_iter().for_each(|finding| (self.on_finding)(name, finding));
    }

    /// Roots that were asked for by name must be there.
    fn check_roots(&self, roots: &RootSet, watch: &Watch) -> Result<()> {
        if !matches!(self.options.roots, Roots::These(_)) {
            return Ok(());
        }
        match roots.iter().find(|root| !watch.has(&self.keyer, *root)) {
            Some(absent) => Err(Error::missing("no input has the block of this root").cid(absent.to_cid())),
            None => Ok(()),
        }
    }

    fn in_canonical_order(mut self, sink: BufWriter<Sink>) -> Result<(BufWriter<Sink>, Summary)> {
        let mut plan = self.plan()?;
        let mut sources = Vec::with_capacity(self.inputs.len());
        for (number, path) in self.inputs.iter().enumerate() {
            self.control.check()?;
            let (source, input) = Source::open_at_random(path, self.control)?;
            let len = input.file_len();
            let framer = self.framer(input, len, &source.name())?;
            self.add_roots(&mut plan, number, path, framer.header())?;
            sources.push(source);
        }
        if let Some(directory) = &plan.directory {
            directory.cids().for_each(|cid| plan.watch.add(&self.keyer, cid));
        }
        let mut index = Index::new(Places::new(self.control.limits), std::mem::take(&mut plan.watch), self.keyer);
        let mut inputs = Vec::with_capacity(sources.len());
        for source in sources {
            inputs.push(self.gather(source, &mut index)?);
        }
        let top = match plan.directory.take() {
            Some(directory) => Some(directory.block(&index.watch, &self.keyer)?),
            None => {
                self.check_roots(&plan.roots, &index.watch)?;
                None
            }
        };
        let header = match &top {
            Some((cid, _)) => Header::from_cids(&[*cid]),
            None => plan.roots.header(Order::Sorted),
        };
        let writer = ArchiveWriter::new(sink, &header, self.options.version)?;
        let (writer, blocks) = index.write(&header, top.as_ref(), writer, self.control)?;
        let Finished { sink, len } = writer.finish()?;
        Ok((sink, Summary { header, blocks, bytes: len, inputs }))
    }

    /// Remembers where the sections of one input stand.
    fn gather(&mut self, source: Source, index: &mut Index) -> Result<InputSummary> {
        let name = source.name();
        let file = source.reopen()?;
        let len = file.metadata().map_err(|e| Error::io(e, "cannot read").in_file(&*name))?.len();
        let mut framer = self.framer(&file, Some(len), &name)?;
        let header = framer.header().clone();
        let base = index.places.add(source, len);
        let remarks = self.remarks(&header);
        let gather = Gather { index, base, summary: summary_of(&name, header), remarks };
        let gather =
            scan::scan(&mut framer, self.keyer, Identify::Multihash, gather, self.control).map_err(|e| e.in_file(&*name))?;
        let Gather { mut summary, remarks, .. } = gather;
        summary.bytes = len;
        self.report(&name, remarks);
        Ok(summary)
    }
}

fn summary_of(name: &str, header: Header) -> InputSummary {
    InputSummary { file: name.to_owned(), header, blocks: 0, new_blocks: 0, duplicate_blocks: 0, bytes: 0 }
}

#[cfg(test)]
mod tests;
