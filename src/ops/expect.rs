//! What a gateway is asked for, and which blocks answer it (trustless gateway specification, "Request Query Parameters").
//!
//! The blocks are those that prove the path, then the scope, depth first with links in block order, each block once by
//! multihash and codec. CIDs that carry their data are walked through and are no blocks of the answer.

mod parse;
mod walk;

use super::MissingBlock;
use crate::block::Block;
use crate::cid::Cid;
use crate::control::Control;
use crate::error::{Error, ErrorKind, Result};
use crate::store::BlockSource;
use crate::unixfs::{Found, resolve};

/// `CID[/path][?dag-scope=block|entity|all&entity-bytes=A:B]`, also with `/ipfs/` or `ipfs://` in front.
///
/// ```
/// use cartool::ops::expect::{Expect, Scope};
/// let cid = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
/// let expect: Expect = format!("ipfs://{cid}/a/b%20c.png?dag-scope=entity").parse()?;
/// assert_eq!(expect.path, [&b"a"[..], b"b c.png"]);
/// assert_eq!(expect.scope, Scope::Entity(None));
/// # Ok::<(), cartool::error::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expect {
    /// Where the path starts.
    pub root: Cid,
    /// The segments of the path, percent-decoded.
    pub path: Vec<Vec<u8>>,
    /// What is asked for at its end.
    pub scope: Scope,
}

/// What is asked for at the end of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// The block alone.
    Block,
    /// A whole file, or the bytes of it; all shards of a directory but none of its entries; any other block alone.
    Entity(Option<ByteRange>),
    /// Everything below.
    #[default]
    All,
}

/// `entity-bytes`: both ends inclusive, negative ones counted from the end of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub from: i64,
    /// The last byte; `None` (`*`) for the last of the file.
    pub to: Option<i64>,
}

impl ByteRange {
    /// The range in a file of `size` bytes, with an exclusive end; empty when it is wholly outside.
    pub fn within(self, size: u64) -> std::ops::Range<u64> {
        let place = |at: i64| match u64::try_from(at) {
            Ok(at) => Some(at),
            Err(_) => size.checked_sub(at.unsigned_abs()),
        };
        let from = place(self.from).unwrap_or(0);
        let end = match self.to {
            None => size,
            Some(to) => place(to).map_or(0, |to| to.saturating_add(1)),
        };
        from..end.min(size).max(from)
    }
}

/// An [`Expect`] whose path was followed.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The blocks that prove the path, in order.
    proof: Vec<Cid>,
    /// The block at the end of the path: the root of an archive that answers.
    pub end: Cid,
    scope: Scope,
    path: Vec<u8>,
}

impl Expect {
    /// All of the DAG below `root`.
    pub fn whole(root: Cid) -> Expect {
        Expect { root, path: Vec::new(), scope: Scope::All }
    }

    /// Follows the path.
    ///
    /// # Errors
    /// [`ErrorKind::Missing`] when a block on the way is not there (the error has its CID) or the blocks prove that nothing
    /// has this path (it has none). A fault when a block on the way cannot be understood.
    pub fn follow<S: BlockSource + ?Sized>(&self, source: &S, control: &Control) -> Result<Answer> {
        let segments: Vec<&[u8]> = self.path.iter().map(Vec::as_slice).collect();
        let resolved = resolve(source, &self.root, &segments, &control.limits)?;
        match resolved.found {
            Found::Block(end) | Found::Value { cid: end, .. } => {
                Ok(Answer { proof: resolved.proof, end, scope: self.scope, path: joined(&segments) })
            }
            Found::Nothing { segment } => {
                let path = joined(segments.get(..=segment).unwrap_or(&segments));
                Err(Error::missing(format!("nothing has the path {} below {}", String::from_utf8_lossy(&path), self.root)))
            }
        }
    }
}

impl Answer {
    /// Hands over each block of the answer, in order, and each one that is not there, with the first path that needs it.
    ///
    /// # Errors
    /// When a block is not what its codec says, or a source, `on_block` or `on_missing` fails.
    pub fn blocks<S: BlockSource + ?Sized>(
        &self,
        source: &S,
        control: &Control,
        on_block: &mut dyn FnMut(&Block) -> Result<()>,
        on_missing: &mut dyn FnMut(MissingBlock) -> Result<()>,
    ) -> Result<()> {
        let mut walk = walk::Walk::new(source, control, Visit::Blocks(on_block), on_missing);
        self.walk(&mut walk)
    }

    /// Whether everything below the end is part of it.
    #[cfg_attr(not(feature = "net"), allow(dead_code))]
    pub(crate) fn is_whole(&self) -> bool {
        self.scope == Scope::All
    }

    fn walk<S: BlockSource + ?Sized>(&self, walk: &mut walk::Walk<'_, S>) -> Result<()> {
        for cid in &self.proof {
            walk.prove(cid)?;
        }
        walk.below(&self.end, self.scope, &self.path)
    }
}

/// Who is told of the blocks of a walk.
pub(crate) enum Visit<'v> {
    /// Takes each block.
    Blocks(&'v mut dyn FnMut(&Block) -> Result<()>),
    /// Takes each CID. Blocks without links are not read: the source has proven them before.
    #[cfg_attr(not(feature = "net"), allow(dead_code))]
    Cids(&'v mut dyn FnMut(&Cid) -> Result<()>),
}

#[cfg_attr(not(feature = "net"), allow(dead_code))]
/// Visits the blocks of several answers below one root, each block once, in the order of the answers; as [`Answer::blocks`].
///
/// # Errors
/// As [`Answer::blocks`].
pub(crate) fn visit<'v, S: BlockSource + ?Sized>(
    answers: &[Answer],
    source: &'v S,
    control: &'v Control,
    visit: Visit<'v>,
    on_missing: &'v mut dyn FnMut(MissingBlock) -> Result<()>,
) -> Result<()> {
    let mut walk = walk::Walk::new(source, control, visit, on_missing);
    answers.iter().try_for_each(|answer| answer.walk(&mut walk))
}

/// The blocks that an answer needs and `source` does not have. A path that ends at a missing block needs at least that one.
///
/// # Errors
/// As [`Expect::follow`] but for a block missing on the way, and as [`Answer::blocks`].
pub fn missing<S: BlockSource + ?Sized>(source: &S, expect: &Expect, control: &Control) -> Result<Vec<MissingBlock>> {
    let answer = match expect.follow(source, control) {
        Ok(answer) => answer,
        Err(error) => return missing_on_the_way(expect, error).map(|missing| vec![missing]),
    };
    let mut list = Vec::new();
    answer.blocks(source, control, &mut |_| Ok(()), &mut |missing| {
        list.push(missing);
        Ok(())
    })?;
    Ok(list)
}

/// The CIDs of all blocks of an answer, in canonical order.
///
/// # Errors
/// As [`Expect::follow`] and [`Answer::blocks`]; [`ErrorKind::Missing`] for the first block that is not there.
pub fn blocks<S: BlockSource + ?Sized>(source: &S, expect: &Expect, control: &Control) -> Result<Vec<Cid>> {
    let mut list = Vec::new();
    let mut absent = |missing: MissingBlock| Err(Error::missing("a linked block is not there").cid(missing.cid));
    expect.follow(source, control)?.blocks(
        source,
        control,
        &mut |block| {
            list.push(*block.cid());
            Ok(())
        },
        &mut absent,
    )?;
    Ok(list)
}

/// A path as text, with a `/` before each segment.
fn joined(segments: &[&[u8]]) -> Vec<u8> {
    segments.iter().flat_map(|segment| [&b"/"[..], segment]).flatten().copied().collect()
}

/// The block without which a path cannot be followed.
///
/// # Errors
/// `error` itself when it says something else.
pub(crate) fn missing_on_the_way(expect: &Expect, error: Error) -> Result<MissingBlock> {
    match (&error.kind, &error.cid) {
        (ErrorKind::Missing, Some(cid)) => {
            let segments: Vec<&[u8]> = expect.path.iter().map(Vec::as_slice).collect();
            let path = if segments.is_empty() { b"/".to_vec() } else { joined(&segments) };
            Ok(MissingBlock { cid: **cid, path, parent: None })
        }
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests;
