//! The integration suite: the `cartool` program as a person or a script meets it, judged from outside.
//!
//! Every expectation comes from the published contract or from facts that other implementations established, never from
//! what this program happens to print. Fixtures stand in `../shared/fixtures`, outside the package; a test that needs
//! them says so on standard error and passes when they are not there.

mod architecture;

#[cfg(unix)]
mod archive;
#[cfg(unix)]
mod archive_metadata;
#[cfg(unix)]
mod chacha;
#[cfg(unix)]
mod chain;
#[cfg(unix)]
mod cli;
#[cfg(unix)]
mod create;
#[cfg(unix)]
mod create_vectors;
#[cfg(unix)]
mod damage;
#[cfg(unix)]
mod facts;
#[cfg(unix)]
mod fetch;
#[cfg(unix)]
mod fetch_faults;
#[cfg(unix)]
mod gateway;
#[cfg(unix)]
mod harness;
#[cfg(unix)]
mod hostile;
#[cfg(unix)]
mod judge;
#[cfg(unix)]
mod kernels;
mod link_cases;
#[cfg(unix)]
mod make;
#[cfg(unix)]
mod nft;
#[cfg(unix)]
mod outputs;
#[cfg(unix)]
mod place;
#[cfg(unix)]
mod real;
#[cfg(unix)]
mod reshape;
#[cfg(unix)]
mod tree;
#[cfg(unix)]
mod vectors;
