//! DAG-JSON (DAG-JSON specification): links found while the text streams past, no tree in memory.
//!
//! `{"/": "<cid>"}` is a link and `{"/": {"bytes": "<base64>"}}` is bytes, when nothing else is in the object. Any other object with
//! the reserved key `/` is remarked ([`Note::MalformedLink`]) and read as a plain one.

use super::cbor::list_index;
use super::{NodeError, NodeErrorKind, Note, Notes, Path, error};
use crate::cid::{self, Cid};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::io::Write;

/// Deepest nesting that is read, whatever the caller's limit: the parser calls itself for each level and stops at 128.
pub const DEPTH_MAX: u32 = 126;

/// What a value turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// A string; kept in the state's `text` when asked for.
    Text,
    /// An object whose only key is `bytes`, with a string.
    Bytes,
    /// A link.
    Link,
    Other,
}

/// A key of an object, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Slash,
    Bytes,
    Other,
}

/// What the object so far could be.
#[derive(Debug, Clone, Copy, Default)]
struct Object {
    count: usize,
    slash: Option<Shape>,
    bytes: bool,
}

impl Object {
    fn add(&mut self, key: Key, shape: Shape) {
        self.count = self.count.saturating_add(1);
        match key {
            Key::Slash => self.slash = Some(shape),
            Key::Bytes => self.bytes = shape == Shape::Text,
            Key::Other => {}
        }
    }

    /// What the whole object is; `text` is the string under `/`.
    fn close(self, text: &str, notes: &mut Notes) -> (Shape, Option<Cid>) {
        match self.slash {
            None if self.count == 1 && self.bytes => return (Shape::Bytes, None),
            None => return (Shape::Other, None),
            Some(Shape::Bytes) if self.count == 1 => return (Shape::Other, None),
            Some(Shape::Text) if self.count == 1 => {
                if let Ok(cid) = cid::parse_text(text) {
                    return (Shape::Link, Some(cid));
                }
            }
            Some(_) => {}
        }
        notes.insert(Note::MalformedLink);
        (Shape::Other, None)
    }
}

/// Everything the visitors share.
struct Scan<F> {
    on_link: F,
    notes: Notes,
    path: Vec<u8>,
    text: String,
    depth: u32,
    depth_max: u32,
    too_deep: bool,
}

impl<F: FnMut(Cid, Path<'_>)> Scan<F> {
    fn new(depth_max: u32, on_link: F) -> Scan<F> {
        let depth_max = depth_max.min(DEPTH_MAX);
        let (path, text) = (Vec::new(), String::new());
        Scan { on_link, notes: Notes::default(), path, text, depth: 0, depth_max, too_deep: false }
    }

    fn enter<E: serde::de::Error>(&mut self) -> Result<(), E> {
        self.too_deep = self.depth >= self.depth_max;
        if self.too_deep {
            return Err(E::custom("nested too deep"));
        }
        self.depth = self.depth.saturating_add(1);
        Ok(())
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// The parser's error, with its line and column turned into a byte.
    fn error(&self, block: &[u8], e: &serde_json::Error) -> NodeError {
        if block.is_empty() {
            return error(0, NodeErrorKind::Empty);
        }
        let lines_before = e.line().saturating_sub(1);
        let line_start: usize = block.split_inclusive(|b| *b == b'\n').take(lines_before).map(<[u8]>::len).sum();
        let at = line_start.saturating_add(e.column().saturating_sub(1)).min(block.len());
        match self.too_deep {
            true => error(at, NodeErrorKind::TooDeep { depth_max: self.depth_max }),
            false => error(at, NodeErrorKind::Json(e.to_string().into())),
        }
    }
}

/// Reports every link of a block, in the order of the text, with the keys and indexes that lead to it.
///
/// # Errors
/// [`NodeError`] when the bytes are not one JSON value; [`NodeErrorKind::TooDeep`] when it nests deeper than `depth_max` or
/// [`DEPTH_MAX`], whichever is less.
pub fn scan_links(block: &[u8], depth_max: u32, on_link: impl FnMut(Cid, Path<'_>)) -> Result<Notes, NodeError> {
    let mut scan = Scan::new(depth_max, on_link);
    let mut json = serde_json::Deserializer::from_slice(block);
    let read = Value { scan: &mut scan, keep_text: false }.deserialize(&mut json).and_then(|_| json.end());
    match read {
        Ok(()) => Ok(scan.notes),
        Err(e) => Err(scan.error(block, &e)),
    }
}

/// The visits that all scalars but strings share.
macro_rules! scalars {
    ($result:expr) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($result(&self))
        }

        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($result(&self))
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($result(&self))
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($result(&self))
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($result(&self))
        }
    };
}

/// Any value.
struct Value<'s, F> {
    scan: &'s mut Scan<F>,
    keep_text: bool,
}

impl<F: FnMut(Cid, Path<'_>)> Value<'_, F> {
    /// Opens a container: the path's length before it, and with the separator that its keys follow.
    fn enter<E: serde::de::Error>(&mut self) -> Result<(usize, usize), E> {
        self.scan.enter()?;
        let outer = self.scan.path.len();
        if self.scan.depth > 1 {
            self.scan.path.push(b'/');
        }
        Ok((outer, self.scan.path.len()))
    }

    fn leave(&mut self, outer: usize) {
        self.scan.path.truncate(outer);
        self.scan.leave();
    }
}

impl<'de, F: FnMut(Cid, Path<'_>)> DeserializeSeed<'de> for Value<'_, F> {
    type Value = Shape;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Shape, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de, F: FnMut(Cid, Path<'_>)> Visitor<'de> for Value<'_, F> {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    scalars!(|_| Shape::Other);

    fn visit_str<E>(self, text: &str) -> Result<Shape, E> {
        if self.keep_text {
            self.scan.text.clear();
            self.scan.text.push_str(text);
        }
        Ok(Shape::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Shape, A::Error> {
        let (outer, inner) = self.enter()?;
        for index in 0u64.. {
            self.scan.path.truncate(inner);
            // Writing to memory does not fail.
            drop(write!(self.scan.path, "{index}"));
            if list.next_element_seed(Value { scan: &mut *self.scan, keep_text: false })?.is_none() {
                break;
            }
        }
        self.leave(outer);
        Ok(Shape::Other)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Shape, A::Error> {
        let (outer, inner) = self.enter()?;
        let mut object = Object::default();
        while let Some(key) = map.next_key_seed(PathKey { path: &mut self.scan.path, keep: inner })? {
            let shape = map.next_value_seed(Value { scan: &mut *self.scan, keep_text: key == Key::Slash })?;
            object.add(key, shape);
        }
        self.leave(outer);
        let (shape, link) = object.close(&self.scan.text, &mut self.scan.notes);
        if let Some(cid) = link {
            (self.scan.on_link)(cid, Path::text(&self.scan.path));
        }
        Ok(shape)
    }
}

/// A key that replaces everything behind the first `keep` bytes of the path.
struct PathKey<'s> {
    path: &'s mut Vec<u8>,
    keep: usize,
}

impl<'de> DeserializeSeed<'de> for PathKey<'_> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Key, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for PathKey<'_> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, text: &str) -> Result<Key, E> {
        self.path.truncate(self.keep);
        self.path.extend_from_slice(text.as_bytes());
        Ok(match text {
            "/" => Key::Slash,
            "bytes" => Key::Bytes,
            _ => Key::Other,
        })
    }
}

/// Where a path leads inside a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// To a link, after this many segments; the others go on in the linked block.
    Link {
        /// The linked block.
        cid: Cid,
        /// How many segments lead to it.
        used: usize,
    },
    /// To a value that is no link; all segments are used.
    Value,
    /// Nowhere: the segment after this many names nothing.
    NotFound {
        /// How many segments were found.
        used: usize,
    },
}

/// Follows keys and list indexes (decimal, no leading zeros) from the top of the block until a link or the last segment.
///
/// The whole text is read, so a syntax error anywhere is found. The reserved key `/` leads nowhere.
///
/// # Errors
/// [`NodeError`] when the bytes are not one JSON value, or the path is longer than [`DEPTH_MAX`].
pub fn step(block: &[u8], segments: &[&[u8]]) -> Result<Step, NodeError> {
    let mut json = serde_json::Deserializer::from_slice(block);
    let mut scan = Scan::new(DEPTH_MAX, ignore as Ignore);
    let seed = Follow { segments, used: 0, scan: &mut scan };
    let read = seed.deserialize(&mut json).and_then(|step| json.end().map(|()| step));
    read.map_err(|e| scan.error(block, &e))
}

type Ignore = fn(Cid, Path<'_>);

fn ignore(_: Cid, _: Path<'_>) {}

/// A value on the way.
struct Follow<'s> {
    segments: &'s [&'s [u8]],
    used: usize,
    scan: &'s mut Scan<Ignore>,
}

impl<'s> Follow<'s> {
    fn scalar(&self) -> Step {
        if self.used == self.segments.len() { Step::Value } else { Step::NotFound { used: self.used } }
    }

    fn wanted(&self) -> Option<&'s [u8]> {
        self.segments.get(self.used).copied()
    }

    fn next(&mut self) -> Follow<'_> {
        Follow { segments: self.segments, used: self.used.saturating_add(1), scan: &mut *self.scan }
    }
}

impl<'de> DeserializeSeed<'de> for Follow<'_> {
    type Value = Step;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Step, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Follow<'_> {
    type Value = Step;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    scalars!(Follow::scalar);

    fn visit_str<E>(self, _: &str) -> Result<Step, E> {
        Ok(self.scalar())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Step, A::Error> {
        self.scan.enter()?;
        let wanted = self.wanted().and_then(list_index);
        let mut found = self.scalar();
        for index in 0u64.. {
            if Some(index) == wanted {
                let Some(step) = list.next_element_seed(self.next())? else { break };
                found = step;
            } else if list.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
        }
        self.scan.leave();
        Ok(found)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Step, A::Error> {
        self.scan.enter()?;
        let mut wanted = self.wanted();
        let mut found = self.scalar();
        let mut object = Object::default();
        while let Some(name) = map.next_key_seed(NameSeed { wanted })? {
            let shape = match name {
                Name::Slash => map.next_value_seed(Value { scan: &mut *self.scan, keep_text: true })?,
                Name::Wanted => {
                    wanted = None;
                    found = map.next_value_seed(self.next())?;
                    Shape::Other
                }
                Name::Other => map.next_value::<IgnoredAny>().map(|_| Shape::Other)?,
            };
            object.add(if name == Name::Slash { Key::Slash } else { Key::Other }, shape);
        }
        self.scan.leave();
        match object.close(&self.scan.text, &mut self.scan.notes) {
            (_, Some(cid)) => Ok(Step::Link { cid, used: self.used }),
            _ => Ok(found),
        }
    }
}

/// What matters of a key on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Slash,
    Wanted,
    Other,
}

struct NameSeed<'s> {
    wanted: Option<&'s [u8]>,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Name, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NameSeed<'_> {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, text: &str) -> Result<Name, E> {
        Ok(match text {
            "/" => Name::Slash,
            text if self.wanted == Some(text.as_bytes()) => Name::Wanted,
            _ => Name::Other,
        })
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
