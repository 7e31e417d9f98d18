//! Links of a dag-cbor or dag-json block as the entries of a directory: keys and indexes are names, inner maps are directories.

use super::node::{fault, undecodable};
use super::{Budget, Violation};
use crate::block::Block;
use crate::cid::{Cid, RawCid};
use crate::dag;
use crate::error::Result;
use crate::store::BlockSource;
use std::collections::VecDeque;

/// The links below one map or list, each with the way to it from there, keys joined with `/`; in the order of the block.
#[derive(Debug)]
pub(super) struct Keys {
    links: VecDeque<(Vec<u8>, Cid)>,
    held: usize,
}

/// One entry.
pub(super) enum Key {
    Link(Cid),
    Inner(Keys),
}

/// What a kept link takes beside its path.
const LINK_LEN: usize = size_of::<(Vec<u8>, Cid)>();

impl Keys {
    /// Reads the links of a block. A key with a `/` in it counts as several.
    ///
    /// # Errors
    /// When the block is not what its codec says, two links have one path, or too much would be kept.
    pub(super) fn read<S: BlockSource + ?Sized>(source: &S, block: &Block, budget: &mut Budget) -> Result<Keys> {
        let cid = block.cid();
        let mut keys = Keys { links: VecDeque::new(), held: 0 };
        let mut on_link = |link: RawCid<'_>, path: dag::Path<'_>| {
            // Paths can be far longer than the block together; nothing is kept beyond the limit, and the check below fails.
            if budget.check_held(keys.held, cid).is_ok() {
                let mut text = Vec::new();
                path.write_to(&mut text);
                keys.held = keys.held.saturating_add(text.len()).saturating_add(LINK_LEN);
                keys.links.push_back((text, link.to_cid()));
            }
        };
        let read = dag::links(cid.codec(), block.data(), budget.limits().depth_max, &mut on_link);
        read.map_err(|e| undecodable(source, cid, &e))?;
        budget.check_held(keys.held, cid)?;
        if !keys.is_empty() {
            budget.visit_directory(cid, keys.links.len()).map_err(|e| e.cid(*cid))?;
        }
        keys.check_names_differ().map_err(|e| fault(source, cid, e))?;
        Ok(keys)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// The next name and what it leads to.
    pub(super) fn next(&mut self) -> Option<(Vec<u8>, Key)> {
        let (mut path, cid) = self.links.pop_front()?;
        self.held = self.held.saturating_sub(path.len().saturating_add(LINK_LEN));
        let Some(name_len) = path.iter().position(|byte| *byte == b'/') else { return Some((path, Key::Link(cid))) };
        let tail = path.split_off(name_len);
        let name = path;
        let mut inner = Keys { links: VecDeque::new(), held: 0 };
        inner.push_inner(tail, cid);
        while let Some((path, _)) = self.links.front() {
            if path.get(..name_len) != Some(&name[..]) || path.get(name_len) != Some(&b'/') {
                break;
            }
            if let Some((mut path, cid)) = self.links.pop_front() {
                self.held = self.held.saturating_sub(path.len().saturating_add(LINK_LEN));
                inner.push_inner(path.split_off(name_len), cid);
            }
        }
        Some((name, Key::Inner(inner)))
    }

    /// `tail` still has its `/` in front.
    fn push_inner(&mut self, mut tail: Vec<u8>, cid: Cid) {
        if !tail.is_empty() {
            tail.remove(0);
        }
        self.held = self.held.saturating_add(tail.len()).saturating_add(LINK_LEN);
        self.links.push_back((tail, cid));
    }

    /// No path may be there twice, and none may go on behind another.
    fn check_names_differ(&self) -> std::result::Result<(), Violation> {
        let mut sorted: Vec<&[u8]> = self.links.iter().map(|(path, _)| &path[..]).collect();
        // With `/` before all other bytes, a path comes directly before those that go on behind it.
        sorted.sort_unstable_by(|a, b| a.iter().map(order).cmp(b.iter().map(order)));
        let clash = sorted.windows(2).find_map(|pair| match pair {
            [a, b] if b.strip_prefix(*a).is_some_and(|tail| matches!(tail, [] | [b'/', ..])) => Some(*a),
            _ => None,
        });
        clash.map_or(Ok(()), |name| Err(Violation::RepeatedName { name: name.into() }))
    }
}

fn order(byte: &u8) -> u8 {
    match *byte {
        b'/' => 0,
        byte @ 0..b'/' => byte.saturating_add(1),
        byte => byte,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cid::parse_text;

    fn keys(paths: &[&str]) -> Keys {
        let cid = parse_text("bafkqaaa").unwrap();
        Keys { links: paths.iter().map(|path| (path.as_bytes().to_vec(), cid)).collect(), held: 0 }
    }

    fn names(mut keys: Keys, prefix: &str, out: &mut Vec<String>) {
        while let Some((name, key)) = keys.next() {
            let path = format!("{prefix}{}", String::from_utf8(name).unwrap());
            match key {
                Key::Link(_) => out.push(path),
                Key::Inner(inner) => {
                    out.push(format!("{path}/"));
                    names(inner, &format!("{path}/"), out);
                }
            }
        }
    }

    #[test]
    fn inner_maps_are_directories() {
        let mut out = Vec::new();
        names(keys(&["image", "properties/clip", "properties/more/0", "properties/more/10", "metadata.json"]), "", &mut out);
        let expected = ["image", "properties/", "properties/clip", "properties/more/", "properties/more/0", "properties/more/10"];
        assert_eq!(out[..6], expected);
        assert_eq!(out[6..], ["metadata.json"]);
    }

    #[test]
    fn paths_that_clash_are_refused() {
        for clash in [&["a", "a"][..], &["a", "b", "a/c"], &["a/b/c", "a-b", "a/b"], &["", ""]] {
            assert!(keys(clash).check_names_differ().is_err(), "{clash:?}");
        }
        for fine in [&["a", "ab", "a-b"][..], &["a/b", "a-b", "a/c"], &[""]] {
            assert!(keys(fine).check_names_differ().is_ok(), "{fine:?}");
        }
    }
}
