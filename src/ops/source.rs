//! Inputs that are read more than once, and never many of them open at a time.

use crate::cid::RawCid;
use crate::control::Control;
use crate::error::{Code, Error, Result};
use crate::format::section::{self, HEAD_LEN_MAX};
use crate::limits::Limits;
use crate::offset::FileOffset;
use crate::store::{Input, spool};
use std::cell::RefCell;
use std::fs::{File, Metadata};
use std::io::Seek;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Files kept open for reading at random.
const OPEN_MAX: usize = 16;
/// Bytes read with the head of a section, so that small blocks take one read and large ones waste little.
const FIRST_READ: usize = 4 << 10;
/// Most bytes asked for at once, so that memory grows with what a file has and not with what it claims.
const STEP: usize = 8 << 20;

/// What tells that a path still leads to the same, unchanged file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) len: u64,
    modified: Option<SystemTime>,
    node: (u64, u64),
}

impl Identity {
    pub(crate) fn of(metadata: &Metadata) -> Identity {
        #[cfg(unix)]
        let node = {
            use std::os::unix::fs::MetadataExt;
            (metadata.dev(), metadata.ino())
        };
        #[cfg(not(unix))]
        let node = (0, 0);
        Identity { len: metadata.len(), modified: metadata.modified().ok(), node }
    }

    /// Whether both are one file or folder, changed or not.
    pub(crate) fn is_same_file(&self, other: &Identity) -> bool {
        self.node == other.node && self.node != (0, 0)
    }
}

/// One input, opened once already and closed again if that is possible.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    identity: Option<Identity>,
    /// The copy of a stream, which cannot be opened again.
    kept: Option<File>,
}

impl Source {
    /// Opens `path`. The source can be opened again only when the input is a file.
    ///
    /// # Errors
    /// When it cannot be opened, with its name.
    pub(crate) fn open(path: &Path, control: &Control) -> Result<(Source, Input)> {
        let input = Input::open(path, control).map_err(|e| e.in_file(path.display().to_string()))?;
        let identity = match &input {
            Input::File(file, _) => {
                let metadata = file.metadata().map_err(|e| Error::io(e, "cannot read").in_file(path.display().to_string()))?;
                Some(Identity::of(&metadata))
            }
            Input::Stream(_) => None,
        };
        Ok((Source { path: path.to_owned(), identity, kept: None }, input))
    }

    /// Opens `path`, copying a stream to a temporary file: the source can be opened again in any case.
    ///
    /// # Errors
    /// As [`Source::open`], or when there is no room for the copy.
    pub(crate) fn open_at_random(path: &Path, control: &Control) -> Result<(Source, Input)> {
        let (mut source, input) = Source::open(path, control)?;
        let (file, len) = spool(input).map_err(|e| e.in_file(source.name()))?;
        if source.identity.is_none() || path == Path::new("-") {
            source.kept = Some(file.try_clone().map_err(|e| Error::io(e, "cannot read").in_file(source.name()))?);
        }
        Ok((source, Input::File(file, len)))
    }

    /// The name for messages.
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Whether [`Source::reopen`] can give the bytes from the first on.
    pub(crate) fn can_reopen(&self) -> bool {
        self.identity.is_some() && self.path != Path::new("-")
    }

    /// Opens the file again.
    ///
    /// # Errors
    /// When it cannot be opened, or is not the file that it was.
    pub(crate) fn reopen(&self) -> Result<File> {
        if let Some(kept) = &self.kept {
            // Copies of a handle share their position.
            let rewound = kept.try_clone().and_then(|mut file| file.rewind().map(|()| file));
            return rewound.map_err(|e| Error::io(e, "cannot read").in_file(self.name()));
        }
        let open = || {
            let file = File::open(&self.path)?;
            let metadata = file.metadata()?;
            Ok((file, metadata))
        };
        let (file, metadata) = open().map_err(|e| Error::io(e, "cannot open").in_file(self.name()))?;
        if self.identity.as_ref() != Some(&Identity::of(&metadata)) {
            return Err(changed(&self.name()));
        }
        Ok(file)
    }

    /// Checks that the file is what it was when it was opened.
    ///
    /// # Errors
    /// When it is not, or cannot be opened.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        self.reopen().map(drop)
    }
}

/// The error for a file that is not the same at a second look.
pub(crate) fn changed(name: &str) -> Error {
    Error::new(crate::error::ErrorKind::Io(std::io::ErrorKind::Other.into()), "changed while it was read").in_file(name)
}

/// Standard input can be read once.
///
/// # Errors
/// When `-` stands twice among the inputs, or there are none.
pub(crate) fn check_inputs(inputs: &[PathBuf]) -> Result<()> {
    if inputs.is_empty() {
        return Err(Error::usage("no inputs"));
    }
    if inputs.iter().filter(|path| path.as_path() == Path::new("-")).count() > 1 {
        return Err(Error::usage("standard input (-) can be read only once"));
    }
    Ok(())
}

/// A place in one of many inputs, as one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(pub(crate) u64);

/// Many inputs, read at random.
#[derive(Debug, Default)]
pub(crate) struct Places {
    held: Vec<Held>,
    open: RefCell<Vec<(usize, File)>>,
    limits: Limits,
}

#[derive(Debug)]
struct Held {
    source: Source,
    base: u64,
    len: u64,
}

/// A section whose head was read and whose data follows on request.
#[derive(Debug)]
pub(crate) struct Stored {
    /// What was read already; the section starts at its front.
    bytes: Vec<u8>,
    cid_start: usize,
    data_start: usize,
    place: Place,
    /// Bytes of data.
    pub(crate) data_len: u64,
}

impl Stored {
    /// The CID of the section.
    pub(crate) fn cid(&self) -> RawCid<'_> {
        let bytes = self.bytes.get(self.cid_start..self.data_start).unwrap_or_default();
        // Parsed when it was read; the fallback cannot be reached.
        RawCid::parse(bytes).unwrap_or(RawCid::EMPTY)
    }
}

impl Places {
    /// Without inputs so far.
    pub(crate) fn new(limits: Limits) -> Places {
        Places { held: Vec::new(), open: RefCell::default(), limits }
    }

    /// Adds an input of `len` bytes; its byte `n` is at the place returned plus `n`.
    pub(crate) fn add(&mut self, source: Source, len: u64) -> Place {
        let base = self.held.last().map_or(0, |last| last.base.saturating_add(last.len).saturating_add(1));
        self.held.push(Held { source, base, len });
        Place(base)
    }

    /// Which input a place is in, and where.
    fn locate(&self, place: Place) -> Option<(usize, &Held, FileOffset)> {
        let index = self.held.partition_point(|held| held.base <= place.0).checked_sub(1)?;
        let held = self.held.get(index)?;
        Some((index, held, FileOffset(place.0.saturating_sub(held.base))))
    }

    /// The input's name and the offset in it.
    pub(crate) fn describe(&self, place: Place) -> (String, FileOffset) {
        self.locate(place).map_or_else(|| (String::new(), FileOffset(0)), |(_, held, at)| (held.source.name(), at))
    }

    /// An error at a place.
    pub(crate) fn error(&self, place: Place, error: Error) -> Error {
        let (name, at) = self.describe(place);
        error.at(at).in_file(name)
    }

    /// Fills as much of `buffer` as the input has from `place` on.
    fn read_at(&self, place: Place, buffer: &mut [u8]) -> Result<usize> {
        let Some((index, held, at)) = self.locate(place) else { return Ok(0) };
        let mut open = self.open.borrow_mut();
        match open.iter().position(|(held, _)| *held == index) {
            // The one used last is the last of the list.
            Some(found) if found + 1 == open.len() => {}
            Some(found) => {
                let file = open.remove(found);
                open.push(file);
            }
            None => {
                let file = held.source.reopen()?;
                if open.len() >= OPEN_MAX {
                    open.remove(0);
                }
                open.push((index, file));
            }
        }
        let Some((_, file)) = open.last() else { return Ok(0) };
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match read_once(file, rest, at.plus(filled as u64)) {
                Ok(0) => break,
                Ok(n) => filled = filled.saturating_add(n),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.error(place, Error::io(e, "cannot read"))),
            }
        }
        Ok(filled)
    }

    /// Reads the head of the section at `place`, where one was found before.
    ///
    /// # Errors
    /// When it is not there any more, or cannot be read.
    pub(crate) fn section(&self, place: Place) -> Result<Stored> {
        self.section_with(place, FIRST_READ)
    }

    /// As [`Places::section`], for a look at the CID alone.
    ///
    /// # Errors
    /// As [`Places::section`].
    pub(crate) fn head(&self, place: Place) -> Result<Stored> {
        self.section_with(place, HEAD_LEN_MAX)
    }

    fn section_with(&self, place: Place, read_len: usize) -> Result<Stored> {
        let mut bytes = vec![0; read_len];
        let held = self.read_at(place, &mut bytes)?;
        bytes.truncate(held);
        let (cid_start, data_start, data_len) = match section::head(&bytes, &self.limits) {
            Ok(head) => (head.varint_len, head.len(), head.data_len),
            Err(_) => {
                return Err(
                    self.error(place, Error::format(Code::BadCid, FileOffset(0), "the section changed while it was read"))
                );
            }
        };
        Ok(Stored { bytes, cid_start, data_start, place, data_len })
    }

    /// The data of a section, whole.
    ///
    /// # Errors
    /// When the input ends inside it, or cannot be read.
    pub(crate) fn data(&self, stored: Stored) -> Result<Vec<u8>> {
        let mut data = Vec::new();
        self.pieces(&stored, &mut |piece| {
            data.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(data)
    }

    /// Hands the data of a section to `sink`, piece by piece.
    ///
    /// # Errors
    /// When the input ends inside it or cannot be read, or what `sink` returns.
    pub(crate) fn pieces(&self, stored: &Stored, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let held = stored.bytes.get(stored.data_start..).unwrap_or_default();
        let held = held.get(..stored.data_len.min(held.len() as u64) as usize).unwrap_or(held);
        sink(held)?;
        let place = Place(stored.place.0.saturating_add(stored.data_start as u64).saturating_add(held.len() as u64));
        self.stream(place, stored.data_len.saturating_sub(held.len() as u64), sink)
    }

    /// Hands `len` bytes from `place` on to `sink`, piece by piece.
    ///
    /// # Errors
    /// As [`Places::pieces`].
    pub(crate) fn stream(&self, place: Place, len: u64, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut buffer = vec![0; len.min(STEP as u64) as usize];
        let mut done = 0u64;
        while done < len {
            let n = len.saturating_sub(done).min(buffer.len() as u64) as usize;
            let from = Place(place.0.saturating_add(done));
            let got = self.read_at(from, buffer.get_mut(..n).unwrap_or_default())?;
            if got == 0 {
                let message = format!("{len} bytes, {done} are there: the file changed while it was read");
                return Err(self.error(place, Error::format(Code::Truncated, FileOffset(0), message)));
            }
            sink(buffer.get(..got).unwrap_or_default())?;
            done = done.saturating_add(got as u64);
        }
        Ok(())
    }
}

/// One positioned read.
pub(crate) fn read_once(file: &File, buffer: &mut [u8], at: FileOffset) -> std::io::Result<usize> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_at(file, buffer, at.0);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_read(file, buffer, at.0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::Files;

    #[test]
    fn a_file_that_changed_is_no_longer_the_input() {
        let files = Files::new();
        let path = files.write("x", b"one");
        let (source, input) = Source::open(&path, &Control::default()).unwrap();
        assert_eq!(input.file_len(), Some(3));
        assert!(source.can_reopen());
        source.check_unchanged().unwrap();
        files.write("x", b"three");
        assert!(source.reopen().unwrap_err().message.contains("changed"));
        std::fs::remove_file(&path).unwrap();
        assert!(source.check_unchanged().is_err());
    }

    #[test]
    fn places_lead_into_the_right_file() {
        let files = Files::new();
        let mut places = Places::new(Limits::default());
        let bases: Vec<Place> = (0..40u8)
            .map(|n| {
                let (source, input) = Source::open_at_random(&files.write(&n.to_string(), &[n; 5]), &Control::default()).unwrap();
                places.add(source, input.file_len().unwrap())
            })
            .collect();
        for (n, base) in (0..40u8).zip(bases).rev() {
            let mut got = Vec::new();
            let piece = &mut |piece: &[u8]| {
                got.extend_from_slice(piece);
                Ok(())
            };
            places.stream(Place(base.0 + 1), 4, piece).unwrap();
            assert_eq!(got, [n; 4]);
            let error = places.stream(Place(base.0 + 1), 5, &mut |_| Ok(())).unwrap_err();
            assert_eq!(error.code(), Some(Code::Truncated), "{error}");
        }
        assert!(places.open.borrow().len() <= OPEN_MAX);
    }
}
