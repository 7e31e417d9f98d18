//! Which DAG is meant, when nobody says.

use super::pool::Pool;
use crate::cid::{Cid, codec};
use crate::control::Control;
use crate::dag;
use crate::error::{Error, Result};
use crate::store::{BlockSource, Key, Keyer};
use hashbrown::HashTable;

/// Candidates that a message names.
const NAMED_MAX: usize = 10;

/// The one root that headers name; if they name none, the one block that no other links to.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::error::ErrorKind::Usage) that names the candidates, when there is not exactly one.
pub(super) fn find(pool: &Pool, control: &Control) -> Result<Cid> {
    match pool.roots() {
        [root] => Ok(*root),
        [] => match unlinked(pool, control)?.as_slice() {
            [root] => Ok(*root),
            [] => Err(Error::usage("no input says which DAG is meant: name its CID (--expect)")),
            several => Err(ambiguous("no header names a root, and several blocks are linked by no other", several)),
        },
        several => Err(ambiguous("the inputs name several roots", several)),
    }
}

fn ambiguous(what: &str, candidates: &[Cid]) -> Error {
    let mut names: Vec<String> = candidates.iter().take(NAMED_MAX).map(Cid::to_string).collect();
    if candidates.len() > NAMED_MAX {
        names.push(format!("and {} more", candidates.len().saturating_sub(NAMED_MAX)));
    }
    Error::usage(format!("{what}: choose one (--expect): {}", names.join(", ")))
}

/// The blocks that no other block links to, by the bytes of their CIDs.
fn unlinked(pool: &Pool, control: &Control) -> Result<Vec<Cid>> {
    let keyer = Keyer::new();
    let mut linked: HashTable<Key> = HashTable::new();
    let key = |cid: &Cid| keyer.key(cid.hash().code(), cid.hash().digest());
    let leaf = |cid: &Cid| matches!(cid.codec(), codec::RAW | codec::JSON | codec::CBOR);
    pool.for_each_cid(&mut |cid| {
        control.check()?;
        if leaf(cid) {
            return Ok(());
        }
        let Some(block) = pool.get(cid)? else { return Ok(()) };
        // A block that cannot be read links to nothing; building below it says so.
        let _ = dag::links(cid.codec(), block.data(), control.limits.depth_max, &mut |target, _| {
            let key = keyer.key(target.hash_code(), target.digest());
            if linked.find(key.tag(), |found| *found == key).is_none() {
                linked.insert_unique(key.tag(), key, |key| key.tag());
            }
        });
        Ok(())
    })?;
    let mut roots = Vec::new();
    pool.for_each_cid(&mut |cid| {
        let key = key(cid);
        if linked.find(key.tag(), |found| *found == key).is_none() {
            roots.push(*cid);
        }
        Ok(())
    })?;
    roots.sort_by_key(Cid::to_bytes);
    roots.dedup();
    Ok(roots)
}
