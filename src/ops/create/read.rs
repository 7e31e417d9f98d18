//! Files as batches of bytes: small files many at a time, large ones piece by piece, streams as they come.

use super::Skipped;
use super::walk::{Found, Step, Walk};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::ops::source::{self, Identity};
use crate::unixfs::build::{Chunker, Metadata, Profile};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Bytes of a batch, and of all batches that are worked on together, at most. dag-pb leaves are copied once more.
const BATCH_LEN: std::ops::RangeInclusive<usize> = 8 << 20..=16 << 20;
const BATCHES_LEN_MAX: usize = 48 << 20;
/// Chunks that are hashed side by side, if they fit a batch.
const BATCH_CHUNKS: usize = 16;
/// Files of a batch: enough to hash many at once, few enough to stay in a cache.
const BATCH_FILES_MAX: usize = 256;
/// Leaves of a batch. Each takes some 300 bytes beside its data.
const BATCH_LEAVES_MAX: usize = 16 << 10;

/// A file that is read in several pieces.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: File,
    path: String,
    identity: Identity,
}

impl OpenFile {
    /// Opens a file that was found: that file and no other.
    fn open(found: &Found) -> Result<OpenFile> {
        let path = found.path.display().to_string();
        let file = open(&found.path).map_err(|e| Error::io(e, "cannot open").in_file(&*path))?;
        let open = OpenFile { file, path, identity: found.identity.clone() };
        open.check_unchanged()?;
        Ok(open)
    }

    /// # Errors
    /// When the file is no longer what it was when it was found.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        let now = self.file.metadata().map_err(|e| self.failed(e))?;
        if Identity::of(&now) == self.identity { Ok(()) } else { Err(source::changed(&self.path)) }
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io(error, "cannot read").in_file(&*self.path)
    }

    /// Fills `buffer` from `at` on.
    ///
    /// # Errors
    /// When the file ends before, or cannot be read.
    pub(super) fn read_exact_at(&self, mut buffer: &mut [u8], mut at: u64) -> Result<()> {
        while !buffer.is_empty() {
            match source::read_once(&self.file, buffer, crate::offset::FileOffset(at)) {
                Ok(0) => return Err(source::changed(&self.path)),
                Ok(n) => {
                    at = at.saturating_add(n as u64);
                    buffer = buffer.get_mut(n..).unwrap_or_default();
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.failed(e)),
            }
        }
        Ok(())
    }
}

/// Opens for reading; never waits for the other end of a pipe that took the file's place.
fn open(path: &Path) -> io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    options.open(path)
}

/// One thing in a batch, in order.
#[derive(Debug)]
pub(super) enum Piece {
    /// No file.
    Step(Step),
    /// A file that the worker opens and reads whole.
    Whole(Found),
    /// A part of a file, to be read by the worker: as many chunks as fit.
    Part { file: Arc<OpenFile>, at: u64, ends: Ends },
    /// A part that was read and cut already, by the lengths of its chunks.
    Cut { file: Option<Arc<OpenFile>>, chunks: Vec<usize>, ends: Ends },
}

/// Whether a piece is the first or last of its file.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// The name of the file that starts here.
    pub(super) name: Option<Vec<u8>>,
    /// The metadata of the file that ends here.
    pub(super) metadata: Option<Metadata>,
}

/// What one worker works on at a time.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The bytes of all pieces; longer than `len` when an earlier batch was.
    pub(super) data: Vec<u8>,
    /// Each with its place in `data`.
    pub(super) pieces: Vec<(Piece, Range<usize>)>,
    pub(super) skipped: Vec<Skipped>,
    len: usize,
}

impl Batch {
    fn clear(&mut self) {
        self.pieces.clear();
        self.skipped.clear();
        self.len = 0;
    }

    /// Adds a piece whose `len` bytes are or will be at the end of the data so far.
    fn push(&mut self, piece: Piece, len: usize) {
        let end = self.len.saturating_add(len);
        self.pieces.push((piece, self.len..end));
        self.len = end;
        if self.data.len() < end {
            self.data.resize(end, 0);
        }
    }

    fn free(&mut self, len: usize) -> &mut [u8] {
        let end = self.len.saturating_add(len);
        if self.data.len() < end {
            self.data.resize(end, 0);
        }
        self.data.get_mut(self.len..end).unwrap_or_default()
    }
}

/// Where steps come from.
pub(super) enum Steps {
    Walk(Walk),
    /// The steps around one stream.
    Stream(VecDeque<Step>, Box<dyn Read + Send>),
}

/// A file that the next batch goes on with.
enum Large {
    /// Chunks of one length: workers can read anywhere.
    Fixed { file: Arc<OpenFile>, at: u64, ends: Ends },
    /// Anything else is read and cut in order.
    Flow { flow: Flow, ends: Ends },
}

struct Flow {
    input: Box<dyn Read + Send>,
    file: Option<Arc<OpenFile>>,
    /// What was read behind the last cut.
    rest: Vec<u8>,
    path: String,
}

/// Fills batches, one after the other.
pub(super) struct Feed {
    steps: Steps,
    large: Option<Large>,
    chunker: Chunker,
    /// Bytes of a part: a multiple of every chunk length, when they are fixed.
    part_len: usize,
    /// Files up to this length are read whole.
    whole_max: u64,
    batch_len: usize,
}

impl Feed {
    /// `leaves` are the profiles that the chunks are for. If there are several, all have chunks of fixed lengths.
    pub(super) fn new(steps: Steps, leaves: &[Profile], control: &Control) -> Feed {
        let longest = leaves.iter().map(|profile| profile.chunker.max_len()).max().unwrap_or(1);
        let wanted = longest.saturating_mul(BATCH_CHUNKS).clamp(*BATCH_LEN.start(), *BATCH_LEN.end());
        let batch_len = wanted.min((BATCHES_LEN_MAX / control.threads.max(1)).max(2 << 20));
        let shortest = leaves.iter().map(|profile| match profile.chunker {
            Chunker::Rabin { min, .. } => min,
            other => other.max_len(),
        });
        let batch_len = batch_len.min(shortest.min().unwrap_or(1).saturating_mul(BATCH_LEAVES_MAX));
        let unit = leaves.iter().filter_map(|profile| profile.chunker.fixed_len()).fold(1, least_common_multiple);
        let part_len = (batch_len / unit).max(1).saturating_mul(unit);
        let chunker = leaves.first().map_or(Chunker::Size(1), |profile| profile.chunker);
        Feed { steps, large: None, chunker, part_len, whole_max: batch_len as u64 / 2, batch_len }
    }

    /// Fills a batch; `false` when nothing comes behind it.
    ///
    /// # Errors
    /// When something cannot be read, with its path.
    pub(super) fn fill(&mut self, batch: &mut Batch) -> Result<bool> {
        batch.clear();
        while batch.len < self.batch_len && batch.pieces.len() < BATCH_FILES_MAX {
            if let Some(large) = self.large.take() {
                // Parts have a batch of their own, so that its size stays known.
                if batch.len > 0 {
                    self.large = Some(large);
                    return Ok(true);
                }
                self.large = self.next_part(large, batch)?;
                continue;
            }
            let Some(step) = self.next_step(batch)? else { return Ok(false) };
            match step {
                Step::File(found) if found.identity.len <= self.whole_max => {
                    let len = usize::try_from(found.identity.len).unwrap_or(usize::MAX);
                    batch.push(Piece::Whole(found), len);
                }
                Step::File(found) => self.large = Some(self.start_large(found)?),
                Step::Stream { name } => self.large = self.start_stream(name),
                step => batch.push(Piece::Step(step), 0),
            }
        }
        Ok(true)
    }

    fn next_step(&mut self, batch: &mut Batch) -> Result<Option<Step>> {
        match &mut self.steps {
            Steps::Stream(steps, _) => Ok(steps.pop_front()),
            Steps::Walk(walk) => {
                let step = walk.next();
                batch.skipped.extend(walk.take_skipped());
                step
            }
        }
    }

    fn start_large(&self, found: Found) -> Result<Large> {
        let file = Arc::new(OpenFile::open(&found)?);
        let ends = Ends { name: Some(found.name), metadata: Some(found.metadata) };
        if self.chunker.fixed_len().is_some() {
            return Ok(Large::Fixed { file, at: 0, ends });
        }
        let input = file.file.try_clone().map_err(|e| file.failed(e))?;
        let path = file.path.clone();
        Ok(Large::Flow { flow: Flow { input: Box::new(input), file: Some(file), rest: Vec::new(), path }, ends })
    }

    fn start_stream(&mut self, name: Vec<u8>) -> Option<Large> {
        let Steps::Stream(_, input) = &mut self.steps else { return None };
        let input = std::mem::replace(input, Box::new(io::empty()));
        let flow = Flow { input, file: None, rest: Vec::new(), path: "-".to_owned() };
        Some(Large::Flow { flow, ends: Ends { name: Some(name), metadata: Some(Metadata::default()) } })
    }

    /// Takes the next part of a file; gives the file back unless that was its last.
    fn next_part(&self, large: Large, batch: &mut Batch) -> Result<Option<Large>> {
        match large {
            Large::Fixed { file, at, mut ends } => {
                let left = file.identity.len.saturating_sub(at);
                let len = left.min(self.part_len as u64);
                let is_last = len == left;
                let metadata = if is_last { ends.metadata.take() } else { None };
                let part = Ends { name: ends.name.take(), metadata };
                batch.push(Piece::Part { file: Arc::clone(&file), at, ends: part }, len as usize);
                Ok((!is_last).then_some(Large::Fixed { file, at: at.saturating_add(len), ends }))
            }
            Large::Flow { mut flow, mut ends } => {
                let (chunks, is_last) = self.cut_flow(&mut flow, batch)?;
                let len = chunks.iter().sum();
                let metadata = if is_last { ends.metadata.take() } else { None };
                let part = Ends { name: ends.name.take(), metadata };
                batch.push(Piece::Cut { file: flow.file.clone(), chunks, ends: part }, len);
                Ok((!is_last).then_some(Large::Flow { flow, ends }))
            }
        }
    }

    /// Reads on behind what is left over and cuts all chunks that can be told: a chunk that ends with what was read may go on.
    fn cut_flow(&self, flow: &mut Flow, batch: &mut Batch) -> Result<(Vec<usize>, bool)> {
        let max = self.chunker.max_len();
        let wanted = self.batch_len.max(max.saturating_add(1));
        let free = batch.free(wanted);
        let kept = flow.rest.len().min(free.len());
        free.iter_mut().zip(&flow.rest).for_each(|(to, from)| *to = *from);
        let got = read_full(&mut flow.input, free.get_mut(kept..).unwrap_or_default())
            .map_err(|e| Error::io(e, "cannot read").in_file(&*flow.path))?;
        let data = free.get(..kept.saturating_add(got)).unwrap_or_default();
        let is_last = data.len() < wanted;
        let (mut chunks, mut rest) = (Vec::new(), data);
        while !rest.is_empty() && (is_last || rest.len() > max) && chunks.len() < BATCH_LEAVES_MAX {
            let len = self.chunker.cut(rest);
            chunks.push(len);
            rest = rest.get(len..).unwrap_or_default();
        }
        flow.rest.clear();
        flow.rest.extend_from_slice(rest);
        Ok((chunks, is_last && flow.rest.is_empty()))
    }
}

/// Reads until the buffer is full or the input ends.
fn read_full(input: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while let Some(free) = buffer.get_mut(got..).filter(|free| !free.is_empty()) {
        match input.read(free) {
            Ok(0) => break,
            Ok(n) => got = got.saturating_add(n),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}

fn least_common_multiple(a: usize, b: usize) -> usize {
    let (mut x, mut y) = (a, b);
    while y > 0 {
        (x, y) = (y, x % y);
    }
    (a / x.max(1)).saturating_mul(b)
}

/// Opens and reads a whole file, which must be what it was when it was found.
pub(super) fn read_whole(found: &Found, buffer: &mut [u8]) -> Result<()> {
    let open = OpenFile::open(found)?;
    open.read_exact_at(buffer, 0)?;
    open.check_unchanged()
}
