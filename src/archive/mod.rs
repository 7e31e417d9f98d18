//! From tokens, addresses and files to a directory that keeps all they lead to: a bag (BagIt 1.0) with CAR files, metadata, and a
//! manifest that says what is there, what is not and why.
//!
//! [`collect`] fills such a directory, in rounds: the metadata, what that links to, what those documents link to. It can be stopped
//! at any moment and goes on where it was; over a complete archive it asks nobody and changes nothing. [`check`] proves one, offline,
//! and [`Repair::Fetch`] mends it with the same bytes as before.
//!
//! ```text
//! DIR/bagit.txt  bag-info.txt  manifest-sha256.txt  tagmanifest-sha256.txt
//!     data/manifest.json             [`Manifest`]
//!     data/cars/<root>.car           one for each root, CIDv1
//!     data/metadata/<item>.json      exact bytes
//!     data/inline/<sha256>.<ext>     payloads of data: links
//!     data/files/  data/bundle.car  data/report.html     as [`Product`]s
//!     cartool/events.ndjson          what happened
//!     cartool/lock  cartool/part/    while it is written
//! ```
//!
//! # Security
//! Metadata is hostile: the hosts it names are asked only on request, its names become file names only when they are safe, and its
//! text is escaped where it is shown.

mod bag;
mod check;
mod clock;
mod collect;
mod directory;
mod document;
mod events;
mod gather;
mod holdings;
mod input;
mod lock;
mod manifest;
mod media;
mod metadata;
mod options;
mod products;
mod repair;
mod report;
mod rules;
mod settle;
mod summary;
mod tokens;

pub use check::{CheckOptions, CheckSummary, Depth, Repair, check};
pub use collect::collect;
pub use directory::car_file;
pub use events::EventKind;
pub use manifest::{
    Archive, ArchiveScope, ChainRecord, Completeness, Item, ItemKind, ItemStatus, Link, LinkKind, LinkStatus, MANIFEST_LEN_MAX,
    Manifest, MetadataRecord, MissingRecord, Partial, Reprovide, SCHEMA, SourceRecord,
};
pub use metadata::{Documents, metadata};
pub use options::{ChainEndpoint, LinkedGateways, Mode, Notice, Options, Others, Product, Prune, Refresh, Roles, Tokens};
pub use summary::{Planned, Problem, Summary};
