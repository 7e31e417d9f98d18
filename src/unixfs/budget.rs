//! What a whole run may still do.
//!
//! A few blocks can claim to be more files than any disk holds, because the same block may be linked any number of times. So the
//! bounds count what is done, not what is stored, and one [`Budget`] is shared by all walks and file readers of a run.

use crate::cid::Cid;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::store::{Key, Keyer};
use hashbrown::HashTable;

/// Entries that any run may have, however little it has read.
const ENTRIES_FREE: u64 = 1 << 14;
/// How often, on average, each link of a distinct node may be followed.
const REPEATS: u64 = 16;
/// How many bytes of output pay for one more link to follow: chunks that repeat are common in sparse files.
const BYTES_PER_VISIT: u64 = 256;

/// Counts entries, bytes and work against [`Limits`]. Takes 16 bytes for each distinct inner node that was read.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    keyer: Keyer,
    nodes_read: HashTable<Key>,
    directory_links: u64,
    links: u64,
    visits: u64,
    entries: u64,
    bytes: u64,
}

impl Budget {
    /// A fresh budget.
    pub fn new(limits: Limits) -> Budget {
        Budget {
            limits,
            keyer: Keyer::new(),
            nodes_read: HashTable::new(),
            directory_links: 0,
            links: 0,
            visits: 0,
            entries: 0,
            bytes: 0,
        }
    }

    /// The limits it was made of.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Entries counted so far.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Bytes claimed so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Counts one file, directory or other entry.
    ///
    /// # Errors
    /// [`ErrorKind::Limit`] with `--max-entries`.
    pub fn add_entry(&mut self) -> Result<()> {
        let unset = ENTRIES_FREE.saturating_add(self.directory_links.saturating_mul(REPEATS));
        let max = self.limits.entries_max.unwrap_or(unset);
        if self.entries >= max {
            return Err(entries_error(format!("more than {max} files and directories")));
        }
        self.entries = self.entries.saturating_add(1);
        Ok(())
    }

    /// Claims `len` bytes before the first of them is delivered.
    ///
    /// # Errors
    /// [`ErrorKind::Limit`] with `--max-bytes`; nothing is claimed then.
    pub fn add_bytes(&mut self, len: u64) -> Result<()> {
        let left = self.limits.bytes_max.saturating_sub(self.bytes);
        if len > left {
            let message = format!("{len} more bytes, but only {left} of at most {} are left", self.limits.bytes_max);
            return Err(Error::new(ErrorKind::Limit("--max-bytes"), message));
        }
        self.bytes = self.bytes.saturating_add(len);
        Ok(())
    }

    /// Takes back a claim on bytes that are to be claimed again, because they are read twice and delivered once.
    pub(crate) fn return_bytes(&mut self, len: u64) {
        self.bytes = self.bytes.saturating_sub(len);
    }

    /// Checks how much is kept in memory of the nodes that are open, `held` bytes with those of `cid`.
    ///
    /// # Errors
    /// [`ErrorKind::Limit`] with `--max-section` for more than eight sections of that length.
    pub(super) fn check_held(&self, held: usize, cid: &Cid) -> Result<()> {
        let max = self.limits.section_len_max.saturating_mul(8);
        if held as u64 > max {
            let message = format!("nested nodes with {held} bytes of links, at most {max} are kept at once");
            return Err(Error::new(ErrorKind::Limit("--max-section"), message).cid(*cid));
        }
        Ok(())
    }

    /// Counts a directory node or shard and its links.
    ///
    /// # Errors
    /// [`ErrorKind::Limit`] with `--max-entries` when nodes repeat too often.
    pub(super) fn visit_directory(&mut self, cid: &Cid, links: usize) -> Result<()> {
        if self.visit(cid, links)? {
            self.directory_links = self.directory_links.saturating_add(links as u64);
        }
        Ok(())
    }

    /// Counts an inner node of a file and its links.
    ///
    /// # Errors
    /// As [`Budget::visit_directory`].
    pub(super) fn visit_file(&mut self, cid: &Cid, links: usize) -> Result<()> {
        self.visit(cid, links).map(drop)
    }

    /// Whether the node was not visited before.
    fn visit(&mut self, cid: &Cid, links: usize) -> Result<bool> {
        let links = (links as u64).saturating_add(1);
        let key = self.keyer.key(cid.hash().code(), cid.hash().digest());
        let is_new = self.nodes_read.find(key.tag(), |known| *known == key).is_none();
        if is_new {
            self.nodes_read.insert_unique(key.tag(), key, |key| key.tag());
            self.links = self.links.saturating_add(links);
        }
        self.visits = self.visits.saturating_add(links);
        let allowed = self.links.saturating_add(self.limits.entries_max.unwrap_or_default()).saturating_mul(REPEATS);
        let max = [ENTRIES_FREE, allowed, self.bytes / BYTES_PER_VISIT].into_iter().fold(0, u64::saturating_add);
        if self.visits > max {
            let message =
                format!("the same nodes repeat too often: {} links to follow, only {} are distinct", self.visits, self.links);
            return Err(entries_error(message));
        }
        Ok(is_new)
    }
}

fn entries_error(message: String) -> Error {
    Error::new(ErrorKind::Limit("--max-entries"), message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cid::parse_text;

    fn flag(result: Result<()>) -> &'static str {
        match result.map_err(|e| e.kind) {
            Err(ErrorKind::Limit(flag)) => flag,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn entries_grow_with_distinct_directories_only() {
        let mut budget = Budget::new(Limits::default());
        let cid = parse_text("bafkqaaa").unwrap();
        for _ in 0..3 {
            budget.visit_directory(&cid, 10).unwrap();
        }
        for _ in 0..ENTRIES_FREE + 16 * 10 {
            budget.add_entry().unwrap();
        }
        assert_eq!(flag(budget.add_entry()), "--max-entries");
        let mut budget = Budget::new(Limits { entries_max: Some(1), ..Limits::default() });
        budget.visit_directory(&cid, 10).unwrap();
        budget.add_entry().unwrap();
        assert_eq!(flag(budget.add_entry()), "--max-entries");
    }

    #[test]
    fn bytes_are_claimed_whole_or_not() {
        let mut budget = Budget::new(Limits { bytes_max: 10, ..Limits::default() });
        budget.add_bytes(6).unwrap();
        assert_eq!(flag(budget.add_bytes(5)), "--max-bytes");
        assert_eq!(flag(budget.add_bytes(u64::MAX)), "--max-bytes");
        budget.add_bytes(4).unwrap();
        assert_eq!(budget.bytes(), 10);
    }

    #[test]
    fn repeating_one_node_ends() {
        let mut budget = Budget::new(Limits::default());
        let cid = parse_text("bafkqaaa").unwrap();
        let visits = (0..).take_while(|_| budget.visit_file(&cid, 255).is_ok()).count();
        assert_eq!(visits as u64, ENTRIES_FREE / 255 + REPEATS);
    }
}
