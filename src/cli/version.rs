//! Options of the commands that write archives: the version, and what a CARv2 has around its payload.

use super::args::size;
use cartool::error::{Error, Result};
use cartool::format::{Identities, IndexCodec};
use cartool::ops::archive_writer::{V2Options, Version};
use cartool::ops::merge::Unverified;
use cartool::store::Existing;
use clap::{Args, ValueEnum};

/// For commands that write CARv1 unless told otherwise.
#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// Version of the archive to write
    #[arg(long, value_enum, default_value = "1", value_name = "VERSION")]
    car_version: CarVersion,
    #[command(flatten)]
    v2: V2Args,
}

impl VersionArgs {
    pub(crate) fn version(&self) -> Result<Version> {
        self.v2.version(self.car_version)
    }
}

/// The versions of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CarVersion {
    /// Header and blocks
    #[value(name = "1")]
    V1,
    /// With an index behind them
    #[value(name = "2")]
    V2,
}

/// What a CARv2 has around its payload.
#[derive(Debug, Args)]
pub(crate) struct V2Args {
    /// Index of a CARv2 [default: multihash-index-sorted]
    #[arg(long, value_enum, value_name = "KIND")]
    index: Option<IndexArg>,
    /// Index blocks whose CID carries their data too, and say so in a CARv2's header
    #[arg(long)]
    fully_indexed: bool,
    /// Zero bytes in front of a CARv2's payload
    #[arg(long, value_name = "SIZE", value_parser = size, hide_short_help = true)]
    data_padding: Option<u64>,
    /// Zero bytes between a CARv2's payload and its index
    #[arg(long, value_name = "SIZE", value_parser = size, hide_short_help = true)]
    index_padding: Option<u64>,
}

impl V2Args {
    pub(crate) fn version(&self, version: CarVersion) -> Result<Version> {
        let is_given = self.index.is_some() || self.fully_indexed || self.data_padding.or(self.index_padding).is_some();
        match version {
            CarVersion::V1 if is_given => Err(Error::usage("only a CARv2 has an index and padding (--car-version 2)")),
            CarVersion::V1 => Ok(Version::V1),
            CarVersion::V2 => Ok(Version::V2(V2Options {
                index: self.index.map_or(Some(IndexCodec::default()), IndexArg::codec),
                identities: identities(self.fully_indexed),
                data_padding: self.data_padding.unwrap_or(0),
                index_padding: self.index_padding.unwrap_or(0),
            })),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum IndexArg {
    /// No index
    None,
    /// By digest (0x0400)
    #[value(alias = "0x0400")]
    IndexSorted,
    /// By hash function and digest (0x0401)
    #[value(alias = "0x0401")]
    MultihashIndexSorted,
}

impl IndexArg {
    fn codec(self) -> Option<IndexCodec> {
        match self {
            IndexArg::None => None,
            IndexArg::IndexSorted => Some(IndexCodec::Sorted),
            IndexArg::MultihashIndexSorted => Some(IndexCodec::MultihashSorted),
        }
    }
}

/// The kinds of index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CodecArg {
    /// By digest (0x0400)
    #[value(alias = "0x0400")]
    IndexSorted,
    /// By hash function and digest (0x0401)
    #[value(alias = "0x0401")]
    MultihashIndexSorted,
}

impl CodecArg {
    pub(crate) fn codec(self) -> IndexCodec {
        match self {
            CodecArg::IndexSorted => IndexCodec::Sorted,
            CodecArg::MultihashIndexSorted => IndexCodec::MultihashSorted,
        }
    }
}

pub(crate) fn identities(fully_indexed: bool) -> Identities {
    if fully_indexed { Identities::Index } else { Identities::LeaveOut }
}

pub(crate) fn existing(force: bool) -> Existing {
    if force { Existing::Replace } else { Existing::Refuse }
}

pub(crate) fn unverified(allowed: bool) -> Unverified {
    if allowed { Unverified::Keep } else { Unverified::Refuse }
}
