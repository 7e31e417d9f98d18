//! Errors and findings.
//!
//! A fault of the archive that a check can walk past is a [`Finding`]; an [`Error`] means the work could not be done.
//! Both say where. A reader reacts differently to a broken archive, an unsupported one, a limit and a failed disk, so
//! [`ErrorKind`] keeps them apart.

use crate::cid::Cid;
use crate::offset::FileOffset;
use std::fmt;
use std::io;

/// `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $severity:ident;)*) => {
        /// What is wrong or remarkable, as a stable kebab-case word.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// The stable word, as in JSON.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }

            /// How bad it is by default.
            pub fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity,)* }
            }

            /// Every code, in the order of severity.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];
        }
    };
}

codes! {
    /// The file is something else: empty, HTML, JSON, compressed, a bare block.
    NotACar = "not-a-car", Error;
    /// The CARv1 header cannot be read.
    BadHeader = "bad-header", Error;
    /// A CAR version this tool does not know.
    UnsupportedVersion = "unsupported-version", Error;
    /// The header is longer than `--max-header`.
    HeaderTooLarge = "header-too-large", Error;
    /// A length is not a minimal varint of at most nine bytes.
    BadVarint = "bad-varint", Error;
    /// The file ends inside something.
    Truncated = "truncated", Error;
    /// A section is longer than `--max-section`.
    SectionTooLarge = "section-too-large", Error;
    /// A section does not start with a CID.
    BadCid = "bad-cid", Error;
    /// A section of length zero, or zero padding.
    ZeroLengthSection = "zero-length-section", Error;
    /// The bytes do not hash to their CID.
    HashMismatch = "hash-mismatch", Error;
    /// The CARv2 header contradicts itself or the file.
    BadCarv2Header = "bad-carv2-header", Error;
    /// The CARv2 index cannot be read.
    BadIndex = "bad-index", Error;
    /// The CARv2 index and the blocks disagree.
    IndexMismatch = "index-mismatch", Error;
    /// A gateway wrote its error message into the archive.
    GatewayErrorText = "gateway-error-text", Error;
    /// A block's bytes are not what its codec says.
    BadNode = "bad-node", Error;
    /// The archive does not answer what was expected.
    UnexpectedRoot = "unexpected-root", Error;
    /// A bound of [`Limits`](crate::limits::Limits) stopped the work.
    LimitReached = "limit-reached", Error;
    /// The manifest of an archive directory is none, or contradicts what is there.
    BadManifest = "bad-manifest", Error;
    /// A tag file of a bag (RFC 8493) breaks its rules.
    BadBag = "bad-bag", Error;
    /// A file that a bag or its manifest does not name.
    StrayFile = "stray-file", Error;
    /// A file of a bag is not there.
    MissingFile = "missing-file", Incomplete;
    /// A root of the header is not among the blocks.
    MissingRoot = "missing-root", Incomplete;
    /// A linked block is not there.
    MissingBlock = "missing-block", Incomplete;
    /// The hash function is unknown or insecure, or the digest is shorter than 20 bytes.
    UnsupportedHash = "unsupported-hash", Unverified;
    /// The header names no roots.
    NoRoots = "no-roots", Note;
    /// A block stands in the archive twice.
    DuplicateBlock = "duplicate-block", Note;
    /// No root leads to this block.
    UnreachableBlock = "unreachable-block", Note;
    /// A section holds a block whose CID already holds it.
    IdentitySection = "identity-section", Note;
    /// Zeros after the last block, allowed on request.
    TrailingZeros = "trailing-zeros", Note;
    /// A codec whose links this tool does not read.
    UnknownCodec = "unknown-codec", Note;
    /// Well understood, but not as the specification writes it.
    NonCanonical = "non-canonical", Note;
    /// A section uses a CIDv0.
    Cidv0Section = "cidv0-section", Note;
    /// A link names a commitment, not a block.
    CommitmentLink = "commitment-link", Note;
    /// A block of more than 2 MiB, which not every implementation takes.
    LargeBlock = "large-block", Note;
    /// A hash function that other implementations refuse.
    UnusualHash = "unusual-hash", Note;
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; changes no verdict unless notes are made errors.
    Note,
    /// Something is not there.
    Incomplete,
    /// Something could not be checked, which is never "fine".
    Unverified,
    /// Something is wrong.
    Error,
}

impl Severity {
    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Incomplete => "incomplete",
            Severity::Unverified => "unverified",
            Severity::Error => "error",
        }
    }
}

/// One fact about an archive that its owner should know.
#[derive(Debug, Clone)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub code: Code,
    /// Where it is, when it has a place.
    pub at: Option<FileOffset>,
    /// The block concerned.
    pub cid: Option<Box<Cid>>,
    /// The UnixFS path concerned, raw bytes as in the archive.
    pub path: Option<Vec<u8>>,
    /// One sentence with what was expected and what was found. May hold text from the archive: escape before printing.
    pub message: String,
}

impl Finding {
    /// A finding of the code's own severity.
    pub fn new(code: Code, message: impl Into<String>) -> Finding {
        Finding { severity: code.severity(), code, at: None, cid: None, path: None, message: message.into() }
    }

    /// With its place.
    #[must_use]
    pub fn at(mut self, at: FileOffset) -> Finding {
        self.at = Some(at);
        self
    }

    /// With the block concerned.
    #[must_use]
    pub fn cid(mut self, cid: Cid) -> Finding {
        self.cid = Some(Box::new(cid));
        self
    }

    /// With the path concerned.
    #[must_use]
    pub fn path(mut self, path: impl Into<Vec<u8>>) -> Finding {
        self.path = Some(path.into());
        self
    }

    /// With another severity than the code's own.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Finding {
        self.severity = severity;
        self
    }
}

/// Why work could not be done.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The archive is broken, with the code a check would report.
    Format(Code),
    /// Something the archive asks for is not supported here.
    Unsupported(Code),
    /// A limit was reached; the field is the flag that moves it.
    Limit(&'static str),
    /// Something asked for is not in the archive.
    Missing,
    /// The request itself makes no sense.
    Usage,
    /// The machine failed.
    Io(io::Error),
    /// Stopped on request.
    Interrupted,
}

/// Why work could not be done, and where.
#[derive(Debug)]
pub struct Error {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// Where in the file, when there is a place.
    pub at: Option<FileOffset>,
    /// The file, once the caller has named it.
    pub file: Option<String>,
    /// The block concerned.
    pub cid: Option<Box<Cid>>,
    /// One sentence. May hold text from the archive: escape before printing.
    pub message: String,
}

impl Error {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error { kind, at: None, file: None, cid: None, message: message.into() }
    }

    /// A broken archive.
    pub fn format(code: Code, at: FileOffset, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Format(code), message).at(at)
    }

    /// A failed read, write or other call; `doing` names it.
    pub fn io(error: io::Error, doing: impl fmt::Display) -> Error {
        if error.kind() == io::ErrorKind::Interrupted {
            return Error::new(ErrorKind::Interrupted, "interrupted");
        }
        let message = format!("{doing}: {error}");
        Error::new(ErrorKind::Io(error), message)
    }

    /// Something asked for that is not there.
    pub fn missing(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Missing, message)
    }

    /// A request that makes no sense.
    pub fn usage(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Usage, message)
    }

    /// With its place.
    #[must_use]
    pub fn at(mut self, at: FileOffset) -> Error {
        self.at = Some(at);
        self
    }

    /// With the block concerned.
    #[must_use]
    pub fn cid(mut self, cid: Cid) -> Error {
        self.cid = Some(Box::new(cid));
        self
    }

    /// With the file's name, unless it has one.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> Error {
        self.file.get_or_insert_with(|| file.into());
        self
    }

    /// The sentence with place and CID, without the name of the file.
    pub fn detail(&self) -> impl fmt::Display + '_ {
        Detail(self)
    }

    /// The code a check would report, if this is a fault of the archive.
    pub fn code(&self) -> Option<Code> {
        match self.kind {
            ErrorKind::Format(code) | ErrorKind::Unsupported(code) => Some(code),
            ErrorKind::Limit(_) => Some(Code::LimitReached),
            ErrorKind::Missing => Some(Code::MissingBlock),
            _ => None,
        }
    }
}

/// An [`Error`] without the name of its file.
struct Detail<'e>(&'e Error);

impl fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let ErrorKind::Limit(flag) = self.0.kind
            && !self.0.message.contains(flag)
        {
            write!(f, " ({flag} moves this limit)")?;
        }
        if let Some(at) = self.0.at {
            write!(f, " (at byte {at})")?;
        }
        if let Some(cid) = &self.0.cid {
            write!(f, " [{cid}]")?;
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}: ")?;
        }
        Detail(self).fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            ErrorKind::Io(e) => Some(e),
            _ => None,
        }
    }
}

impl From<Finding> for Error {
    fn from(finding: Finding) -> Error {
        let kind = match finding.severity {
            Severity::Incomplete => ErrorKind::Missing,
            Severity::Unverified => ErrorKind::Unsupported(finding.code),
            _ => ErrorKind::Format(finding.code),
        };
        Error { kind, at: finding.at, file: None, cid: finding.cid, message: finding.message }
    }
}
