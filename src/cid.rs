//! CIDs: strict binary parsing, text in every base, codec and hash names.
//!
//! A CID inside an archive has no length of its own; it is found by parsing (CID specification, "Binary format").
//! [`RawCid`] borrows the bytes and costs nothing; [`Cid`] owns them.

use crate::varint::{self, VarintError};
use std::borrow::Cow;
use std::fmt;

/// A CID that owns its bytes. 128 bytes of digest, because UnixFS allows identity CIDs up to that length (IPIP-512).
pub type Cid = ::cid::CidGeneric<128>;
/// The digest container inside a [`Cid`].
pub type Multihash = ::multihash::Multihash<128>;

/// The longest digest a CID may carry here, in bytes (boxo's `verifcid` and IPIP-512 use the same bound).
pub const DIGEST_LEN_MAX: usize = 128;

/// Multicodec codes of data formats.
pub mod codec {
    /// Plain bytes.
    pub const RAW: u64 = 0x55;
    /// DAG-PB: UnixFS files and directories.
    pub const DAG_PB: u64 = 0x70;
    /// DAG-CBOR.
    pub const DAG_CBOR: u64 = 0x71;
    /// DAG-JSON.
    pub const DAG_JSON: u64 = 0x0129;
    /// JSON without links.
    pub const JSON: u64 = 0x0200;
    /// CBOR without links.
    pub const CBOR: u64 = 0x51;
    /// A key of libp2p (IPNS names).
    pub const LIBP2P_KEY: u64 = 0x72;
    /// A CAR file.
    pub const CAR: u64 = 0x0202;
    /// Filecoin piece commitment (unsealed).
    pub const FIL_COMMITMENT_UNSEALED: u64 = 0xf101;
    /// Filecoin replica commitment (sealed).
    pub const FIL_COMMITMENT_SEALED: u64 = 0xf102;
}

/// Multicodec codes of hash functions.
pub mod hash_code {
    /// The bytes themselves.
    pub const IDENTITY: u64 = 0x00;
    /// SHA2-256.
    pub const SHA2_256: u64 = 0x12;
    /// BLAKE2b-256.
    pub const BLAKE2B_256: u64 = 0xb220;
    /// The first 64 bits of MurmurHash3 x64 128 (UnixFS HAMT; no content hash).
    pub const MURMUR3_X64_64: u64 = 0x22;
}

/// Whether a link of this codec names a commitment and not a block (Filecoin's sector CIDs).
pub fn is_commitment(codec: u64) -> bool {
    matches!(codec, codec::FIL_COMMITMENT_UNSEALED | codec::FIL_COMMITMENT_SEALED)
}

/// The multicodec name of a data format, or its number in hexadecimal.
pub fn codec_name(code: u64) -> Cow<'static, str> {
    Cow::Borrowed(match code {
        0x00 => "identity",
        codec::RAW => "raw",
        codec::DAG_PB => "dag-pb",
        codec::DAG_CBOR => "dag-cbor",
        codec::DAG_JSON => "dag-json",
        codec::JSON => "json",
        codec::CBOR => "cbor",
        codec::LIBP2P_KEY => "libp2p-key",
        codec::CAR => "car",
        0x78 => "git-raw",
        0x7b => "torrent-info",
        0x7c => "torrent-file",
        0x85 => "dag-jose",
        0x90 => "eth-block",
        0x91 => "eth-block-list",
        0x92 => "eth-tx-trie",
        0x93 => "eth-tx",
        0x94 => "eth-tx-receipt-trie",
        0x95 => "eth-tx-receipt",
        0x96 => "eth-state-trie",
        0x97 => "eth-account-snapshot",
        0x98 => "eth-storage-trie",
        0xb0 => "bitcoin-block",
        0xb1 => "bitcoin-tx",
        0xd0 => "stellar-block",
        0xd1 => "stellar-tx",
        0x0400 => "car-index-sorted",
        0x0401 => "car-multihash-index-sorted",
        codec::FIL_COMMITMENT_UNSEALED => "fil-commitment-unsealed",
        codec::FIL_COMMITMENT_SEALED => "fil-commitment-sealed",
        _ => return Cow::Owned(format!("0x{code:x}")),
    })
}

/// The multicodec name of a hash function, or its number in hexadecimal.
pub fn hash_name(code: u64) -> Cow<'static, str> {
    Cow::Borrowed(match code {
        hash_code::IDENTITY => "identity",
        0x11 => "sha1",
        hash_code::SHA2_256 => "sha2-256",
        0x13 => "sha2-512",
        0x14 => "sha3-512",
        0x15 => "sha3-384",
        0x16 => "sha3-256",
        0x17 => "sha3-224",
        0x18 => "shake-128",
        0x19 => "shake-256",
        0x1a => "keccak-224",
        0x1b => "keccak-256",
        0x1c => "keccak-384",
        0x1d => "keccak-512",
        0x1e => "blake3",
        0x20 => "sha2-384",
        hash_code::MURMUR3_X64_64 => "murmur3-x64-64",
        0x23 => "murmur3-32",
        0x56 => "dbl-sha2-256",
        0xd5 => "md5",
        0x0132 => "crc32",
        0x1012 => "sha2-256-trunc254-padded",
        0x1013 => "sha2-224",
        0x1014 => "sha2-512-224",
        0x1015 => "sha2-512-256",
        0x1052 => "ripemd-128",
        0x1053 => "ripemd-160",
        0xb401 => "poseidon-bls12_381-a2-fc1",
        0xb402 => "poseidon-bls12_381-a2-fc1-sc",
        0xb201..=0xb240 => return Cow::Owned(format!("blake2b-{}", (code - 0xb200) * 8)),
        0xb241..=0xb260 => return Cow::Owned(format!("blake2s-{}", (code - 0xb240) * 8)),
        _ => return Cow::Owned(format!("0x{code:x}")),
    })
}

/// Why bytes or text are not a CID.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CidError {
    /// The bytes end inside the CID; the field holds what was missing.
    Truncated(&'static str),
    /// A number inside the CID is badly encoded.
    Varint(VarintError),
    /// Not version 0 or 1: CID versions 2 and above are reserved, and an explicit 0 does not exist.
    Version(u64),
    /// The digest is longer than [`DIGEST_LEN_MAX`].
    DigestTooLong(u64),
    /// Bytes follow where exactly one CID was expected.
    TrailingBytes(usize),
    /// The text is not a CID in any base.
    Text(&'static str),
    /// Looks like a CIDv0 whose letters were folded to lower case, which cannot be undone.
    CaseFolded,
}

impl fmt::Display for CidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CidError::Truncated(what) => write!(f, "the bytes end inside the CID's {what}"),
            CidError::Varint(e) => write!(f, "{e} inside a CID"),
            CidError::Version(v) => write!(f, "CID version {v}, expected 0 or 1"),
            CidError::DigestTooLong(n) => write!(f, "a digest of {n} bytes, at most {DIGEST_LEN_MAX} are allowed"),
            CidError::TrailingBytes(n) => write!(f, "{n} bytes follow the CID"),
            CidError::Text(why) => write!(f, "not a CID: {why}"),
            CidError::CaseFolded => f.write_str("a CIDv0 folded to lower case (case-folded-cidv0) cannot be restored"),
        }
    }
}

impl std::error::Error for CidError {}

/// A CID that borrows its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RawCid<'a> {
    bytes: &'a [u8],
    codec: u64,
    hash_code: u64,
    digest_start: u8,
}

impl<'a> RawCid<'a> {
    /// `bafkqaaa`: identity, no bytes. As an archive's root it stands for "no root".
    pub const EMPTY: RawCid<'static> =
        RawCid { bytes: &[0x01, 0x55, 0x00, 0x00], codec: codec::RAW, hash_code: hash_code::IDENTITY, digest_start: 4 };

    /// Parses the CID at the front of `bytes` (which may go on behind it).
    ///
    /// # Errors
    /// [`CidError`] with what is wrong.
    #[inline]
    pub fn parse_prefix(bytes: &'a [u8]) -> Result<RawCid<'a>, CidError> {
        if let [0x12, 0x20, ..] = bytes {
            let bytes = bytes.get(..34).ok_or(CidError::Truncated("digest"))?;
            return Ok(RawCid { bytes, codec: codec::DAG_PB, hash_code: hash_code::SHA2_256, digest_start: 2 });
        }
        // Nearly every CID of version 1 is this: numbers of one byte each, and SHA2-256.
        if let ([1, codec @ 0..0x80, 0x12, 0x20, ..], Some(bytes)) = (bytes, bytes.get(..36)) {
            return Ok(RawCid { bytes, codec: u64::from(*codec), hash_code: hash_code::SHA2_256, digest_start: 4 });
        }
        let mut at = 0usize;
        let mut next = |what: &'static str| -> Result<u64, CidError> {
            let (value, len) = varint::read(bytes.get(at..).unwrap_or_default()).map_err(|e| match e {
                VarintError::Truncated => CidError::Truncated(what),
                e => CidError::Varint(e),
            })?;
            at = at.saturating_add(len);
            Ok(value)
        };
        let version = next("version")?;
        if version != 1 {
            return Err(CidError::Version(version));
        }
        let codec = next("codec")?;
        let hash_code = next("hash function")?;
        let digest_len = next("digest length")?;
        if digest_len > DIGEST_LEN_MAX as u64 {
            return Err(CidError::DigestTooLong(digest_len));
        }
        let end = at.saturating_add(digest_len as usize);
        let bytes = bytes.get(..end).ok_or(CidError::Truncated("digest"))?;
        Ok(RawCid { bytes, codec, hash_code, digest_start: at as u8 })
    }

    /// Parses `bytes` as exactly one CID.
    ///
    /// # Errors
    /// [`CidError`], also when bytes follow.
    pub fn parse(bytes: &'a [u8]) -> Result<RawCid<'a>, CidError> {
        let cid = RawCid::parse_prefix(bytes)?;
        match bytes.len().saturating_sub(cid.bytes.len()) {
            0 => Ok(cid),
            n => Err(CidError::TrailingBytes(n)),
        }
    }

    /// The whole CID, as it stands in the archive.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// 0 or 1.
    pub fn version(&self) -> u64 {
        u64::from(self.digest_start != 2 || self.bytes.first() != Some(&0x12))
    }

    /// The data format's multicodec code; dag-pb for CIDv0.
    pub fn codec(&self) -> u64 {
        self.codec
    }

    /// The hash function's multicodec code.
    pub fn hash_code(&self) -> u64 {
        self.hash_code
    }

    /// The digest; for an identity CID the data itself.
    pub fn digest(&self) -> &'a [u8] {
        self.bytes.get(usize::from(self.digest_start)..).unwrap_or_default()
    }

    /// Whether the CID carries its data instead of a digest.
    pub fn is_identity(&self) -> bool {
        self.hash_code == hash_code::IDENTITY
    }

    /// An owned copy.
    pub fn to_cid(&self) -> Cid {
        // A digest longer than the container was refused when parsing.
        let hash = Multihash::wrap(self.hash_code, self.digest()).unwrap_or_default();
        if self.version() == 0 {
            Cid::new_v0(hash).unwrap_or_else(|_| Cid::new_v1(self.codec, hash))
        } else {
            Cid::new_v1(self.codec, hash)
        }
    }
}

impl fmt::Display for RawCid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_cid(), f)
    }
}

impl fmt::Debug for RawCid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawCid({self})")
    }
}

/// Whether two CIDs name the same block in the same codec: CIDv0 and its CIDv1 are equal here.
pub fn same_block(a: &Cid, b: &Cid) -> bool {
    a.codec() == b.codec() && a.hash() == b.hash()
}

/// Reads a CID from text: CIDv0 (`Qm…`) or CIDv1 in any multibase.
///
/// ```
/// let v0 = cartool::cid::parse_text("QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR")?;
/// let v1 = cartool::cid::parse_text("bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi")?;
/// assert!(cartool::cid::same_block(&v0, &v1));
/// # Ok::<(), cartool::cid::CidError>(())
/// ```
///
/// # Errors
/// [`CidError::Text`] or what is wrong with the decoded bytes; [`CidError::CaseFolded`] for a lower-cased CIDv0.
pub fn parse_text(text: &str) -> Result<Cid, CidError> {
    if text.len() == 46 && text.starts_with("Qm") {
        let bytes = multibase::Base::Base58Btc.decode(text).map_err(|_| CidError::Text("a character outside base58"))?;
        let cid = RawCid::parse(&bytes)?;
        return if cid.version() == 0 { Ok(cid.to_cid()) } else { Err(CidError::Text("starts like a CIDv0 and is none")) };
    }
    if text.len() == 46 && text.starts_with("qm") {
        return Err(CidError::CaseFolded);
    }
    if text.len() < 4 || text.len() > 1024 {
        return Err(CidError::Text("too short or too long"));
    }
    let (_, bytes) = multibase::decode(text).map_err(|_| CidError::Text("not in any known base"))?;
    let cid = RawCid::parse(&bytes)?;
    if cid.version() == 0 { Err(CidError::Text("a CIDv0 takes no base prefix")) } else { Ok(cid.to_cid()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_both_versions_and_nothing_else() {
        let v1: Vec<u8> = [&[0x01, 0x55, 0x12, 0x20][..], &[7; 32]].concat();
        let cid = RawCid::parse(&v1).unwrap();
        assert_eq!((cid.version(), cid.codec(), cid.hash_code(), cid.digest().len()), (1, codec::RAW, 0x12, 32));
        assert_eq!(cid.to_cid().to_bytes(), v1);
        let v0: Vec<u8> = [&[0x12, 0x20][..], &[7; 32]].concat();
        let cid = RawCid::parse(&v0).unwrap();
        assert_eq!((cid.version(), cid.codec()), (0, codec::DAG_PB));
        assert_eq!(cid.to_cid().to_bytes(), v0);
        for cut in 0..v1.len() {
            assert!(matches!(RawCid::parse(&v1[..cut]), Err(CidError::Truncated(_))), "{cut}");
        }
        assert_eq!(RawCid::parse(&[2, 0x55, 0, 0]), Err(CidError::Version(2)));
        assert_eq!(RawCid::parse(&[0, 0x55, 0, 0]), Err(CidError::Version(0)));
        assert_eq!(RawCid::parse(&[0x12, 0x1f, 0]), Err(CidError::Version(18)));
        assert_eq!(RawCid::parse(&[1, 0x55, 0, 0, 9]), Err(CidError::TrailingBytes(1)));
        assert_eq!(RawCid::parse(&[1, 0xd5, 0x00, 0, 0]), Err(CidError::Varint(VarintError::NotMinimal)));
        assert_eq!(RawCid::parse(&[1, 0x55, 0, 0x81, 1]), Err(CidError::DigestTooLong(129)));
    }

    #[test]
    fn text_in_many_bases() {
        let b32 = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
        let cid = parse_text(b32).unwrap();
        assert_eq!(cid.to_string(), b32);
        assert_eq!(parse_text("k2jmtxw8rjh1z69c6not3wtdxb0u3urbzhyll1t9jg6ox26dhi5sfi1m").unwrap(), cid);
        assert_eq!(parse_text(&b32.to_uppercase()).unwrap(), cid);
        assert_eq!(parse_text("qmbwqxbekc3p8tqskc98xmwnzrzdtrlmimpl8wbutgsmnr"), Err(CidError::CaseFolded));
        for text in ["", "Qm", "hello", "zQmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR", "bafy"] {
            assert!(parse_text(text).is_err(), "{text}");
        }
    }
}
