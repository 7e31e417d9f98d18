//! Blocks in memory, and several sources as one.

use super::BlockSource;
use crate::block::Block;
use crate::cid::{Cid, Multihash};
use crate::error::Result;
use std::collections::HashMap;

/// Blocks in memory.
#[derive(Debug, Default, Clone)]
pub struct MemoryStore {
    blocks: HashMap<Multihash, Vec<u8>>,
}

impl MemoryStore {
    /// Without blocks.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Adds a block.
    pub fn insert(&mut self, block: Block) {
        self.blocks.insert(*block.cid().hash(), block.into_data());
    }

    /// How many blocks there are.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
}

impl BlockSource for MemoryStore {
    fn get(&self, cid: &Cid) -> Result<Option<Block>> {
        if let Some(block) = Block::from_identity(cid) {
            return Ok(Some(block));
        }
        self.blocks.get(cid.hash()).map(|data| Ok(Block::new(*cid, data.clone())?)).transpose()
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        Ok(Block::from_identity(cid).is_some() || self.blocks.contains_key(cid.hash()))
    }
}

/// Several sources, asked in order. A source whose copy is damaged does not hide a sound copy in a later one.
#[derive(Debug, Default)]
pub struct Union<S> {
    sources: Vec<S>,
}

impl<S> Union<S> {
    /// These sources.
    pub fn new(sources: Vec<S>) -> Union<S> {
        Union { sources }
    }

    /// The sources, in order.
    pub fn sources(&self) -> &[S] {
        &self.sources
    }
}

impl<S: BlockSource> BlockSource for Union<S> {
    fn get(&self, cid: &Cid) -> Result<Option<Block>> {
        let mut first_error = None;
        for source in &self.sources {
            match source.get(cid) {
                Ok(Some(block)) => return Ok(Some(block)),
                Ok(None) => {}
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        first_error.map_or(Ok(None), Err)
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        for source in &self.sources {
            if source.contains(cid)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cid::parse_text;

    #[test]
    fn finds_by_multihash_and_hashes_again() {
        let raw = parse_text("bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am").unwrap();
        let mut store = MemoryStore::new();
        store.insert(Block::new(raw, b"hello\n".to_vec()).unwrap());
        let as_cbor = Cid::new_v1(crate::cid::codec::CBOR, *raw.hash());
        assert_eq!(store.get(&as_cbor).unwrap().unwrap().data(), b"hello\n");
        let empty = parse_text("bafkqaaa").unwrap();
        assert_eq!(store.get(&empty).unwrap().unwrap().data(), b"");
        let union = Union::new(vec![MemoryStore::new(), store]);
        assert!(union.contains(&raw).unwrap());
    }
}
