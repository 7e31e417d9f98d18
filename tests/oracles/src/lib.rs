//! Other people's readers of CAR files, IPLD links and UnixFS trees, behind one small interface each, and a way to run the
//! `cartool` program. The tests compare the two; this library knows nothing of cartool's insides.
//!
//! The oracles are for sound archives only: some of them panic, over-read or overflow the stack on hostile bytes.
//! What an oracle cannot read is refused by a rule that is written here, never by the name of a file.

pub mod archive;
pub mod corpus;
pub mod dag;
pub mod program;
pub mod report;
pub mod unixfs;
