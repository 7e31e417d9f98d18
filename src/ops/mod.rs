//! One module, one verb: options in, a result out. Files are opened here and in [`store`](crate::store); nothing is printed.

pub mod archive_hash;
pub mod archive_writer;
pub mod availability;
pub mod blocks;
pub mod build;
mod check;
mod completeness;
pub mod convert;
mod copy;
pub mod create;
pub mod diff;
pub mod expect;
pub mod extract;
pub mod filter;
mod findings;
mod graph;
mod huge;
pub mod index;
mod index_check;
pub mod merge;
pub mod metadata;
mod pipeline;
pub mod reach;
pub mod roots;
pub(crate) mod scan;
pub(crate) mod sink;
pub(crate) mod source;
pub mod split;
mod table;
#[cfg(test)]
mod testing;
pub mod verify;

pub use check::Hashing;
pub use completeness::{MissingBlock, RootReport};
pub use findings::Notes;
pub use index_check::IndexReport;
