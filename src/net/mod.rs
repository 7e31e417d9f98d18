//! The network: gateways, Kubo, and what they say; the only place with sockets.
//!
//! **No answer is trusted.** Every block is hashed as it arrives, a source that sends other bytes is not asked again, and only a
//! walk from the root that was asked for says whether all is there: HTTP 200 and a clean end prove nothing. What is verified is
//! kept at once, so that an interrupted run goes on where it was.
//!
//! A [`Session`] is one run: its sources in order, their moods, and what was counted. A [`Want`] is one object. The archive that
//! [`Session::fetch`] writes depends on the want alone: CARv1, depth first, each block once, whoever sent them in whatever order
//! (trustless gateway specification, 2026-03).

mod ask;
pub mod chain;
mod endpoint;
mod fetch;
mod finish;
pub mod gateways;
mod held;
mod hosts;
mod http;
mod intake;
mod jobs;
mod options;
mod patience;
mod plan;
mod resolve;
mod session;
mod want;

pub use endpoint::Endpoint;
pub use options::{Options, Remote, Timeouts};
pub use session::{Session, no_sources};
pub use want::{Failure, Fetched, Giver, Missing, PathOutcome, Scope, Share, Status, Target, Want, WantPath};
