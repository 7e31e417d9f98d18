//! One module, one verb: options in, a result out. Files are opened here and in [`store`](crate::store); nothing is printed.

pub mod availability;
pub mod blocks;
mod check;
mod completeness;
pub mod diff;
pub mod extract;
mod findings;
mod graph;
mod index_check;
pub mod metadata;
mod pipeline;
pub mod reach;
pub mod roots;
pub mod verify;

pub use check::Hashing;
pub use completeness::{MissingBlock, RootReport};
pub use findings::Notes;
pub use index_check::IndexReport;
