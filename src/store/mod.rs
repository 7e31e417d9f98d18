//! Blocks by CID: archives on disk ([`CarFile`]), several of them ([`Union`]), and memory ([`MemoryStore`]).
//!
//! Whatever a [`BlockSource`] returns was hashed on the way.

mod car_file;
mod input;
mod key;
mod memory;
mod output;
#[cfg(feature = "net")]
mod part;
mod recorder;

pub use car_file::CarFile;
pub use input::{Input, spool};
pub use key::{Key, Keyer};
pub use memory::{MemoryStore, Union};
pub use output::{Existing, Output};
#[cfg(feature = "net")]
pub(crate) use part::{PartFile, archives_in};
pub use recorder::Recorder;

use crate::block::Block;
use crate::cid::Cid;
use crate::error::Result;
use crate::offset::FileOffset;

/// Something that has blocks.
pub trait BlockSource {
    /// The block of this CID: `None` when it is not here. CIDs that carry their data are always here. Any CID with the
    /// same multihash finds the block (CIDv0 or CIDv1, another codec): they name the same bytes.
    ///
    /// # Errors
    /// When what is stored under the CID does not match it, cannot be verified, or cannot be read.
    fn get(&self, cid: &Cid) -> Result<Option<Block>>;

    /// Whether [`BlockSource::get`] would find something, without hashing it.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn contains(&self, cid: &Cid) -> Result<bool>;

    /// Where in its file the section with this multihash stands, when the source is one file.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn place(&self, cid: &Cid) -> Result<Option<FileOffset>> {
        let _ = cid;
        Ok(None)
    }
}

impl<S: BlockSource + ?Sized> BlockSource for &S {
    fn get(&self, cid: &Cid) -> Result<Option<Block>> {
        (**self).get(cid)
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        (**self).contains(cid)
    }

    fn place(&self, cid: &Cid) -> Result<Option<FileOffset>> {
        (**self).place(cid)
    }
}
