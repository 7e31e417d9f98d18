//! The metadata of an archived item, its exact bytes.

use super::directory::{Directory, car_file};
use super::manifest::{Item, MetadataRecord};
use crate::address;
use crate::cid::parse_text;
use crate::control::Control;
use crate::error::{Code, Error, Result};
use crate::hash;
use crate::offset::FileOffset;
use crate::ops::metadata::{METADATA_LEN_MAX, read_file};
use crate::store::CarFile;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What an archive directory has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Documents {
    /// The document that was meant.
    Found(Vec<u8>),
    /// The items that have one, when none or several were meant: name, and file in the archive.
    Several(Vec<(String, String)>),
}

/// The metadata of the item of this name, or of the only item that has any. Read from the item's own blocks, each hashed; what came from
/// no block (a `data:` address) is compared with its digest in the manifest.
///
/// # Errors
/// When `dir` is no archive directory, has no such item, or the document is damaged or missing.
pub fn metadata(dir: &Path, item: Option<&str>, control: &Control) -> Result<Documents> {
    let directory = Directory::new(dir);
    let Some(manifest) = directory.manifest()? else {
        return Err(Error::usage("is a directory without data/manifest.json, expected a CAR file or an archive directory"));
    };
    let meant = |found: &&Item| item.is_none_or(|id| found.id == id || found.input == id);
    let found: Vec<&Item> = manifest.items.iter().filter(|item| item.metadata.is_some()).filter(meant).collect();
    match (found.as_slice(), item) {
        ([only], _) => match &only.metadata {
            Some(record) => read(&directory, record, control).map(Documents::Found),
            None => Ok(Documents::Several(Vec::new())),
        },
        ([], Some(id)) => Err(Error::missing(format!("no item {id:?} with metadata in the archive"))),
        (several, _) => {
            let file = |item: &&Item| (item.id.clone(), item.metadata.as_ref().map(|m| m.file.clone()).unwrap_or_default());
            Ok(Documents::Several(several.iter().map(file).collect()))
        }
    }
}

fn read(directory: &Directory, record: &MetadataRecord, control: &Control) -> Result<Vec<u8>> {
    let root = record.path.as_deref().and_then(|path| address::parse_content(path, &Default::default()).ok());
    if let (Some(root), Some(cid)) = (root.and_then(|address| address.root), &record.cid) {
        let cid = parse_text(cid).map_err(|e| Error::format(Code::BadManifest, FileOffset(0), e.to_string()))?;
        let car = CarFile::open(&directory.at(&car_file(&root)), control)?;
        return read_file(&car, &cid, control).map_err(|e| e.in_file(car.name()));
    }
    let path = directory.at(&record.file);
    let named = |error: Error| error.in_file(path.display().to_string());
    let failed = |e| named(Error::io(e, "cannot read"));
    let mut bytes = Vec::new();
    File::open(&path).map_err(failed)?.take(METADATA_LEN_MAX.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    let mut digests = Vec::new();
    hash::sha256_many(&[&bytes], &mut digests);
    let found: String = digests.iter().flatten().map(|byte| format!("{byte:02x}")).collect();
    if found != record.sha256 {
        let message = format!("{} bytes with SHA-256 {found}, the manifest says {}", bytes.len(), record.sha256);
        return Err(named(Error::format(Code::HashMismatch, FileOffset(0), message)));
    }
    Ok(bytes)
}
