//! Public gateways that served trustless responses when the list was made.

/// The day of the list.
pub const LISTED_ON: &str = "2026-08-21";

/// Their URLs, in the order in which they are asked (`--gateway public`). None of them is used unless that is said.
pub const PUBLIC: [&str; 6] = [
    "https://ipfs.filebase.io",
    "https://ipfs.orbitor.dev",
    "https://4everland.io",
    "https://gateway.pinata.cloud",
    "https://dget.top",
    "https://ipfs.cyou",
];
