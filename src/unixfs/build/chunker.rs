//! Where chunks end: the chunkers of kubo (boxo `chunker`), by their names.
//!
//! All of them forget everything at a chunk's end, so a chunk depends on nothing but the bytes from its start on.

use super::{buzhash, rabin};
use std::fmt;
use std::str::FromStr;

/// The longest chunk, in bytes: with a dag-pb leaf around it a block stays within the 2 MiB that every implementation takes.
pub const CHUNK_LEN_MAX: usize = (2 << 20) - 256;

/// kubo's default chunk length, which plain `rabin` takes as its average.
const DEFAULT_LEN: usize = 256 << 10;

/// How a file is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Chunker {
    /// Every so many bytes (`size-N`), 1 to [`CHUNK_LEN_MAX`].
    Size(usize),
    /// By Rabin fingerprints (`rabin`, `rabin-AVG`, `rabin-MIN-AVG-MAX`).
    Rabin {
        /// The shortest chunk but the last, at least 16 bytes.
        min: usize,
        /// What chunks come to on average, above `min`.
        average: usize,
        /// The longest chunk, above `average` and at most [`CHUNK_LEN_MAX`].
        max: usize,
    },
    /// By a rolling hash over 32 bytes (`buzhash`): 128 to 512 KiB.
    Buzhash,
}

/// Why a text names no chunker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkerError {
    /// No such name, or another number of parts than it takes.
    Unknown,
    /// A part that should be a number and is none.
    Number(String),
    /// A length of 0 or above [`CHUNK_LEN_MAX`].
    Length(usize),
    /// A shortest Rabin chunk below the 16 bytes of its window.
    RabinMin(usize),
    /// Rabin lengths that do not rise: `min < average < max`.
    RabinOrder,
}

impl fmt::Display for ChunkerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChunkerError::Unknown => f.write_str("no chunker: expected size-N, rabin, rabin-AVG, rabin-MIN-AVG-MAX or buzhash"),
            ChunkerError::Number(part) => write!(f, "{part:?} is no number of bytes"),
            ChunkerError::Length(len) => write!(f, "chunks of {len} bytes, expected 1 to {CHUNK_LEN_MAX}"),
            ChunkerError::RabinMin(min) => write!(f, "Rabin chunks of at least {min} bytes, expected 16 or more"),
            ChunkerError::RabinOrder => f.write_str("Rabin lengths must rise: MIN-AVG-MAX"),
        }
    }
}

impl std::error::Error for ChunkerError {}

impl Chunker {
    /// Checks the lengths.
    ///
    /// # Errors
    /// [`ChunkerError`] with the first that is out of bounds.
    pub fn check(self) -> Result<Chunker, ChunkerError> {
        match self {
            Chunker::Size(len) if len == 0 || len > CHUNK_LEN_MAX => Err(ChunkerError::Length(len)),
            Chunker::Rabin { min, .. } if min < rabin::WINDOW_LEN => Err(ChunkerError::RabinMin(min)),
            Chunker::Rabin { min, average, max } if min >= average || average >= max => Err(ChunkerError::RabinOrder),
            Chunker::Rabin { max, .. } if max > CHUNK_LEN_MAX => Err(ChunkerError::Length(max)),
            _ => Ok(self),
        }
    }

    /// The longest chunk, in bytes: what [`Chunker::cut`] wants to see at once.
    pub fn max_len(self) -> usize {
        match self {
            Chunker::Size(len) => len,
            Chunker::Rabin { max, .. } => max,
            Chunker::Buzhash => buzhash::MAX_LEN,
        }
    }

    /// The length of the chunk at the front of `data`, which must hold [`Chunker::max_len`] bytes unless the file ends before.
    /// 0 only for no data.
    pub fn cut(self, data: &[u8]) -> usize {
        match self {
            Chunker::Size(len) => data.len().min(len),
            Chunker::Rabin { min, average, max } => rabin::cut(data, min, average, max),
            Chunker::Buzhash => buzhash::cut(data),
        }
    }

    /// The length of every chunk but the last, when they all have the same.
    pub fn fixed_len(self) -> Option<usize> {
        match self {
            Chunker::Size(len) => Some(len),
            Chunker::Rabin { .. } | Chunker::Buzhash => None,
        }
    }

    fn rabin_average(average: usize) -> Chunker {
        Chunker::Rabin { min: average / 3, average, max: average.saturating_add(average / 2) }
    }
}

impl FromStr for Chunker {
    type Err = ChunkerError;

    /// Reads kubo's names, labels included (`rabin-min:16-avg:32-max:64`).
    fn from_str(text: &str) -> Result<Chunker, ChunkerError> {
        let number = |part: &str, label: &str| {
            let digits = part.strip_prefix(label).and_then(|rest| rest.strip_prefix(':')).unwrap_or(part);
            digits.parse::<usize>().map_err(|_| ChunkerError::Number(part.to_owned()))
        };
        let parts: Vec<&str> = text.split('-').collect();
        match *parts.as_slice() {
            ["size", len] => Chunker::Size(number(len, "size")?),
            ["buzhash"] => Chunker::Buzhash,
            ["rabin"] => Chunker::rabin_average(DEFAULT_LEN),
            ["rabin", average] => Chunker::rabin_average(number(average, "avg")?),
            ["rabin", min, average, max] => {
                Chunker::Rabin { min: number(min, "min")?, average: number(average, "avg")?, max: number(max, "max")? }
            }
            _ => return Err(ChunkerError::Unknown),
        }
        .check()
    }
}

impl fmt::Display for Chunker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Chunker::Size(len) => write!(f, "size-{len}"),
            Chunker::Rabin { min, average, max } => write!(f, "rabin-{min}-{average}-{max}"),
            Chunker::Buzhash => f.write_str("buzhash"),
        }
    }
}
