//! One module, one verb: options in, a result out. Files are opened here and in [`store`](crate::store); nothing is printed.

mod check;
mod completeness;
pub mod extract;
mod findings;
mod graph;
mod index_check;
mod pipeline;
pub mod verify;

pub use completeness::{MissingBlock, RootReport};
pub use findings::Notes;
pub use index_check::IndexReport;
