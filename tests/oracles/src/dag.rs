//! Links of blocks, as libipld sees them, and what they reach.

use crate::archive::{Archive, as_v1, is_identity};
use cid::Cid;
use libipld::{Ipld, IpldCodec, pb::PbNode, prelude::Codec};
use std::collections::HashSet;
use std::fmt;

/// The multicodec `raw`: bytes without links.
pub const RAW: u64 = 0x55;
/// The multicodec `dag-pb`.
pub const DAG_PB: u64 = 0x70;
/// The multicodec `dag-cbor`.
pub const DAG_CBOR: u64 = 0x71;
/// The multicodec `dag-json`.
pub const DAG_JSON: u64 = 0x0129;
/// Filecoin's commitments to unsealed and sealed sectors: CIDs that name no block.
pub const COMMITMENTS: [u64; 2] = [0xf101, 0xf102];

/// libipld decodes dag-cbor and dag-json by recursion, so it gets nothing longer. A block nests no deeper than it is long.
const RECURSIVE_LEN_MAX: usize = 64 << 10;

/// What a block of [`RECURSIVE_LEN_MAX`] bytes can need: 4 KiB of stack a level.
const STACK_LEN: usize = RECURSIVE_LEN_MAX * 4096;

/// Why libipld does not say which links a block has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The codec is none of dag-pb, dag-cbor and dag-json.
    OtherCodec,
    /// Too long for a decoder that recurses.
    TooLong,
    /// dag-cbor text that is not UTF-8, which Filecoin's chain holds.
    TextNotUtf8,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherCodec => f.write_str("libipld reads links of dag-pb, dag-cbor and dag-json"),
            Self::TooLong => write!(f, "libipld recurses and gets at most {RECURSIVE_LEN_MAX} bytes"),
            Self::TextNotUtf8 => f.write_str("libipld does not read text that is not UTF-8"),
        }
    }
}

/// The links of one block, in its order, repeated as often as they occur. Call it within [`on_deep_stack`].
///
/// # Errors
///
/// A [`Refusal`] where libipld does not tell.
///
/// # Panics
///
/// When libipld fails for any other reason, or its decoder and its reference scanner disagree.
pub fn links(cid: &Cid, data: &[u8]) -> Result<Vec<Cid>, Refusal> {
    let codec = match cid.codec() {
        DAG_PB => IpldCodec::DagPb,
        DAG_CBOR | DAG_JSON if data.len() > RECURSIVE_LEN_MAX => return Err(Refusal::TooLong),
        DAG_CBOR => IpldCodec::DagCbor,
        DAG_JSON => IpldCodec::DagJson,
        _ => return Err(Refusal::OtherCodec),
    };
    // The scanner of dag-cbor skips text without looking at it; the decoder does not.
    let decoded: Ipld = codec.decode(data).map_err(|error| {
        let is_text = error.is::<std::str::Utf8Error>() || error.is::<std::string::FromUtf8Error>();
        assert!(is_text, "libipld cannot read the sound block {cid}: {error}");
        Refusal::TextNotUtf8
    })?;
    let mut scanned = Vec::new();
    let scan = codec.references::<Ipld, _>(data, &mut scanned);
    scan.unwrap_or_else(|error| panic!("libipld decodes {cid} but cannot scan it: {error}"));
    let mut of_decoded = Vec::new();
    decoded.references(&mut of_decoded);
    assert_eq!(sorted(&of_decoded), sorted(&scanned), "libipld's decoder and scanner disagree about {cid}");
    Ok(scanned.iter().map(|link| same_cid(&link.to_bytes())).collect())
}

/// The names of the links of a dag-pb block, absent ones as empty.
///
/// # Panics
///
/// When libipld, which decoded the block in [`links`], now refuses it.
#[must_use]
pub fn link_names(data: &[u8]) -> Vec<String> {
    let node = PbNode::from_bytes(data.to_vec().into()).unwrap_or_else(|error| panic!("libipld refuses a dag-pb block: {error}"));
    node.links.into_iter().map(|link| link.name.unwrap_or_default()).collect()
}

fn sorted(cids: &[libipld::Cid]) -> Vec<Vec<u8>> {
    let mut bytes: Vec<_> = cids.iter().map(libipld::Cid::to_bytes).collect();
    bytes.sort();
    bytes
}

/// The same CID in the type of another version of the crate `cid`.
fn same_cid(bytes: &[u8]) -> Cid {
    Cid::try_from(bytes).unwrap_or_else(|error| panic!("cid 0.11 cannot read what cid 0.10 wrote: {error}"))
}

/// Runs `work` where libipld's recursion fits.
///
/// # Panics
///
/// When `work` does, or no thread can be started.
pub fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_LEN).spawn_scoped(scope, work);
        let thread = thread.unwrap_or_else(|error| panic!("cannot start a thread with {STACK_LEN} bytes of stack: {error}"));
        thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
    })
}

/// What a walk from some CIDs came by.
#[derive(Debug, Default)]
pub struct Reach {
    /// CIDs of blocks in the archive, and identity CIDs, one for each block.
    pub reached: Vec<Cid>,
    /// CIDs the archive has no block for, one for each block; commitments are not among them.
    pub missing: Vec<Cid>,
    /// CIDs that name a commitment, one for each.
    pub commitments: Vec<Cid>,
    /// Blocks whose links libipld does not tell though their codec has links.
    pub opaque: Vec<(Cid, Refusal)>,
}

impl Reach {
    /// Whether every block is there and its links were seen.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.opaque.is_empty()
    }
}

/// Walks the DAGs under `from`. Call it within [`on_deep_stack`].
#[must_use]
pub fn reach(from: &[Cid], archive: &Archive) -> Reach {
    let blocks = archive.blocks();
    let mut reach = Reach::default();
    let mut seen = HashSet::new();
    let mut pending = from.to_vec();
    while let Some(cid) = pending.pop() {
        if !seen.insert(as_v1(&cid)) {
            continue;
        }
        let Some(data) = blocks.get(&cid) else {
            let place = if COMMITMENTS.contains(&cid.codec()) { &mut reach.commitments } else { &mut reach.missing };
            place.push(cid);
            continue;
        };
        reach.reached.push(cid);
        match links(&cid, &data) {
            Ok(links) => pending.extend(links),
            Err(Refusal::OtherCodec) => {}
            Err(refusal) => reach.opaque.push((cid, refusal)),
        }
    }
    reach
}

/// Whether each digest is as long as its hash function makes it, so that cartool can prove the block.
#[must_use]
pub fn has_whole_digests(archive: &Archive) -> bool {
    archive.sections.iter().all(|section| {
        let hash = section.cid.hash();
        match hash.code() {
            // sha2-256 and blake2b-256
            0x12 | 0xb220 => hash.size() == 32,
            // sha2-512
            0x13 => hash.size() == 64,
            _ => is_identity(&section.cid),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links_of(cid: &str, data: &[u8]) -> Result<Vec<Cid>, Refusal> {
        let cid: Cid = cid.parse().unwrap();
        on_deep_stack(|| links(&cid, data))
    }

    #[test]
    fn a_link_is_seen_as_often_as_it_occurs() {
        // bafkqaaa twice in a list
        let list = [&[0x82][..], b"\xd8\x2a\x45\x00\x01\x55\x00\x00", b"\xd8\x2a\x45\x00\x01\x55\x00\x00"].concat();
        let empty: Cid = "bafkqaaa".parse().unwrap();
        assert_eq!(links_of("bafyqaaa", &list), Ok(vec![empty, empty]));
    }

    #[test]
    fn what_libipld_cannot_tell_is_a_refusal() {
        assert_eq!(links_of("bafkqaaa", b""), Err(Refusal::OtherCodec));
        assert_eq!(links_of("bafyqaaa", b"\x61\xff"), Err(Refusal::TextNotUtf8));
        assert_eq!(links_of("bafyqaaa", &vec![0x81; RECURSIVE_LEN_MAX + 1]), Err(Refusal::TooLong));
    }

    #[test]
    #[should_panic(expected = "cannot read the sound block")]
    fn a_broken_block_is_no_refusal() {
        let _ = links_of("bafyqaaa", b"\x82");
    }

    #[test]
    fn the_stack_holds_the_deepest_block() {
        let mut nested = vec![0x81; RECURSIVE_LEN_MAX - 1];
        nested.push(0xf6);
        assert_eq!(links_of("bafyqaaa", &nested), Ok(Vec::new()));
    }
}
