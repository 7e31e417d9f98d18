//! Finds the metadata of a token in an archive: a JSON file, where the layouts in use put it.

use crate::cid::{Cid, codec};
use crate::control::Control;
use crate::error::{Error, ErrorKind, Result};
use crate::links::{self, DocumentKind, ScanOptions};
use crate::store::BlockSource;
use crate::unixfs::{Budget, Entry, EntryKind, FileReader, Found, RawLeaves, Strictness, Walk, resolve};

/// The longest document read, in bytes (`--max-metadata`).
pub const METADATA_LEN_MAX: u64 = 16 << 20;
/// Candidates that are looked for below one root.
const CANDIDATES_MAX: usize = 100_000;

/// A metadata document, proven block by block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The root it was found under.
    pub root: Cid,
    /// Its path below the root, empty when it is the root; raw bytes.
    pub path: Vec<u8>,
    /// Its own CID.
    pub cid: Cid,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
}

/// A file that could be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The root it is under.
    pub root: Cid,
    /// Its path below the root; raw bytes.
    pub path: Vec<u8>,
    /// Its own CID.
    pub cid: Cid,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// The metadata.
    Found(Box<Metadata>),
    /// Several JSON files, or none, and no rule says which is meant.
    Candidates(Vec<Candidate>),
}

/// Reads the file at `path` below the first of `roots` that has it.
///
/// # Errors
/// [`ErrorKind::Missing`] when no root has such a path; a fault of the archive; a file over [`METADATA_LEN_MAX`].
pub fn at_path<S: BlockSource + ?Sized>(source: &S, roots: &[Cid], path: &[&[u8]], control: &Control) -> Result<Metadata> {
    let mut missing = None;
    for root in roots {
        match resolve(source, root, path, &control.limits) {
            Ok(resolved) => {
                if let Found::Block(cid) = resolved.found {
                    let bytes = read_file(source, &cid, control)?;
                    return Ok(Metadata { root: *root, path: path.join(&b'/'), cid, bytes });
                }
            }
            Err(error) if matches!(error.kind, ErrorKind::Missing) => missing = Some(error),
            Err(error) => return Err(error),
        }
    }
    let path = String::from_utf8_lossy(&path.join(&b'/')).into_owned();
    Err(missing.unwrap_or_else(|| Error::missing(format!("no root of the archive has a file {path}"))))
}

/// Looks below one root: the root itself as a JSON file; `metadata.json` in a dag-cbor map (NFT.Storage's layout) or a
/// directory; the only JSON file of a directory. Else the JSON files below it are candidates.
///
/// # Errors
/// A fault of the archive. What is missing is no error: the search goes on without it.
pub fn search<S: BlockSource + ?Sized>(source: &S, root: &Cid, control: &Control) -> Result<Search> {
    if let Some(bytes) = json_file(source, root, control)? {
        return Ok(Search::Found(Box::new(Metadata { root: *root, path: Vec::new(), cid: *root, bytes })));
    }
    if matches!(root.codec(), codec::DAG_PB | codec::DAG_CBOR | codec::DAG_JSON) {
        match at_path(source, std::slice::from_ref(root), &[b"metadata.json"], control) {
            Ok(metadata) => return Ok(Search::Found(Box::new(metadata))),
            Err(error) if passes(&error) => {}
            Err(error) => return Err(error),
        }
    }
    let mut candidates = candidates(source, root, control)?;
    let top: Vec<&Candidate> = candidates.iter().filter(|candidate| !candidate.path.contains(&b'/')).collect();
    if let [one] = top.as_slice()
        && let Some(bytes) = json_file(source, &one.cid, control)?
    {
        return Ok(Search::Found(Box::new(Metadata { root: *root, path: one.path.clone(), cid: one.cid, bytes })));
    }
    candidates.truncate(CANDIDATES_MAX);
    Ok(Search::Candidates(candidates))
}

/// Errors that only mean "not here".
fn passes(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Missing | ErrorKind::Unsupported(_) | ErrorKind::Limit("--max-metadata"))
        || matches!(error.kind, ErrorKind::Format(crate::error::Code::BadNode | crate::error::Code::UnknownCodec))
}

/// The files below a root whose names end in `.json`.
fn candidates<S: BlockSource + ?Sized>(source: &S, root: &Cid, control: &Control) -> Result<Vec<Candidate>> {
    let mut walk = Walk::new(source, root, Strictness::Lenient, RawLeaves::Find);
    let mut budget = Budget::new(control.limits);
    let mut found = Vec::new();
    while let Some(entry) = walk.next_entry(&mut budget)? {
        control.check()?;
        if matches!(entry.kind, EntryKind::File) && is_json_name(&entry) && found.len() < CANDIDATES_MAX {
            found.push(Candidate { root: *root, path: entry.path, cid: entry.cid });
        }
    }
    Ok(found)
}

fn is_json_name(entry: &Entry) -> bool {
    let name = entry.name().to_ascii_lowercase();
    name.ends_with(b".json")
}

/// The bytes of a file that is JSON; `None` when it is something else or not all there.
fn json_file<S: BlockSource + ?Sized>(source: &S, cid: &Cid, control: &Control) -> Result<Option<Vec<u8>>> {
    if !matches!(cid.codec(), codec::RAW | codec::JSON | codec::DAG_JSON | codec::DAG_PB) {
        return Ok(None);
    }
    let read = if matches!(cid.codec(), codec::JSON | codec::DAG_JSON) {
        // These codecs are JSON by definition, and one block.
        source.get(cid).map(|block| block.map(|block| block.into_data()).unwrap_or_default())
    } else {
        read_file(source, cid, control)
    };
    match read {
        Ok(bytes) => Ok(is_json(&bytes).then_some(bytes)),
        Err(error) if passes(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether bytes are a JSON object or list, in UTF-8 or, as happens, not.
pub fn is_json(bytes: &[u8]) -> bool {
    links::scan(bytes, &ScanOptions::default()).is_ok_and(|document| document.kind == DocumentKind::Json)
}

/// Reads a whole file of at most [`METADATA_LEN_MAX`] bytes.
///
/// # Errors
/// A fault of the archive, a missing block, or a longer file.
pub fn read_file<S: BlockSource + ?Sized>(source: &S, cid: &Cid, control: &Control) -> Result<Vec<u8>> {
    let reader = FileReader::open(source, cid, Strictness::Strict)?;
    if reader.size() > METADATA_LEN_MAX {
        let message = format!("a document of {} bytes, at most {METADATA_LEN_MAX} are read", reader.size());
        return Err(Error::new(ErrorKind::Limit("--max-metadata"), message).cid(*cid));
    }
    let mut budget = Budget::new(control.limits);
    let mut bytes = Vec::new();
    reader.chunks(&mut budget)?.copy_to(&mut bytes)?;
    Ok(bytes)
}
