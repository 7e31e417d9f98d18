//! Reads, proves, opens, joins and makes IPFS content archives (CAR files).
//!
//! A CAR file is a header that names root CIDs, then sections: a length, a CID, and the bytes that are claimed for it. Anyone can
//! write such a claim. This library turns claims into proven blocks and blocks into links and files, and says at which byte an
//! archive is wrong. The `cartool` program is built on its public API alone.
//!
//! - [CARv1](https://ipld.io/specs/transport/car/carv1/) and [CARv2](https://ipld.io/specs/transport/car/carv2/) are read and
//!   written.
//! - Input and output block. `unsafe` stands in the SHA2-256 kernels of [`hash`] alone. Nothing is printed, and only `net` opens sockets,
//!   when it is told whom to ask.
//! - All input counts as hostile: see [Security](#security).
//!
//! # Verify an archive
//!
//! What is wrong with an archive is a [`Finding`](error::Finding) and the check goes on; an [`Error`](error::Error) means that the
//! check could not be done. [`ops::verify`] hashes every block and walks the DAG below every root. The sample here lacks one block:
//!
//! ```
//! use cartool::control::Control;
//! use cartool::error::Code;
//! use cartool::ops::verify::{Options, Verdict, verify};
//! use std::fs::File;
//!
//! let file = File::open("testdata/broken/partial.car")?;
//! let len = file.metadata()?.len();
//! let report = verify(file, Some(len), &Options::default(), &Control::default())?;
//! for finding in &report.findings {
//!     let at = finding.at.map(|at| at.to_string()).unwrap_or_default();
//!     println!("{} {} {at} {}", finding.severity.as_str(), finding.code.as_str(), finding.message.escape_debug());
//! }
//! assert_eq!(report.verdict, Verdict::Incomplete);
//! assert_eq!(report.findings[0].code, Code::MissingBlock);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Read sections, prove blocks
//!
//! [`format::Reader`] gives one [`Section`](format::Section) after the other, as claimed. [`block::Block::new`] hashes it, and is
//! the only way to a [`Block`](block::Block) of bytes from outside. In this sample the second section is damaged:
//!
//! ```
//! use cartool::block::{Block, VerifyError};
//! use cartool::format::{Reader, Section};
//! use cartool::limits::Limits;
//!
//! let file = std::fs::File::open("testdata/broken/corrupt.car")?;
//! let mut reader = Reader::new(file, Limits::default())?;
//! let (mut section, mut results) = (Section::default(), Vec::new());
//! while reader.read_section(&mut section)? {
//!     results.push(Block::new(section.cid, std::mem::take(&mut section.data)));
//! }
//! assert!(results[0].is_ok());
//! assert!(matches!(results[1], Err(VerifyError::DigestMismatch { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`format::Framer`] reads the same in batches without an allocation a block, and goes on behind faults.
//!
//! # Read a file out of an archive
//!
//! [`store::CarFile`] finds blocks by CID and hashes each as it is read. [`unixfs::resolve`] follows a path,
//! [`unixfs::FileReader`] delivers the bytes, counted against a [`Budget`](unixfs::Budget):
//!
//! ```
//! use cartool::control::Control;
//! use cartool::store::CarFile;
//! use cartool::unixfs::{Budget, FileReader, Found, Strictness, resolve};
//! use std::path::Path;
//!
//! let control = Control::default();
//! let car = CarFile::open(Path::new("testdata/token-image.car"), &control)?;
//! let root = car.roots()[0];
//! let path: [&[u8]; 1] = [b"first light.svg"];
//! let Found::Block(cid) = resolve(&car, &root, &path, &control.limits)?.found else {
//!     return Err("the root has no such file".into());
//! };
//! let file = FileReader::open(&car, &cid, Strictness::Strict)?;
//! let size = file.size();
//! let mut budget = Budget::new(control.limits);
//! let mut picture = Vec::new();
//! let copied = file.chunks(&mut budget)?.copy_to(&mut picture)?;
//! assert_eq!(copied, size);
//! assert!(picture.starts_with(b"<svg"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Write an archive
//!
//! [`format::Writer`] writes the header and one section at a time, [`format::IndexWriter`] a CARv2's index; [`ops::merge`] and
//! [`ops::build`] join whole archives, with de-duplication, [`ops::filter`] and [`ops::split`] take them apart, and all name their
//! files only when they are whole. [`ops::create`] makes an archive of files and folders.
//!
//! ```
//! use cartool::block::Block;
//! use cartool::cid::{RawCid, parse_text};
//! use cartool::control::Control;
//! use cartool::format::{Header, Writer};
//! use cartool::ops::verify::{Options, Verdict, verify};
//!
//! let cid = parse_text("bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am")?;
//! let block = Block::new(cid, b"hello\n".to_vec())?;
//! let mut writer = Writer::new(Vec::new(), &Header::from_cids(&[cid]))?;
//! writer.write_section(RawCid::parse(&cid.to_bytes())?, block.data())?;
//! let car = writer.finish()?;
//!
//! let report = verify(&car[..], Some(car.len() as u64), &Options::default(), &Control::default())?;
//! assert_eq!(report.verdict, Verdict::Ok);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Layers
//!
//! Lowest first; a module names only its own layer and those below, and a test holds it to that.
//!
//! | layer | what it has |
//! |---|---|
//! | [`cid`], [`varint`], [`offset`], [`limits`], [`error`] | CIDs as values and as borrowed bytes, places in files, bounds on input, findings and errors |
//! | [`mod@format`] | CAR bytes to values and back, of slices, `Read` and `Write` only; nothing is hashed |
//! | [`control`] | limits, threads, progress and the stop flag that one piece of work shares |
//! | [`hash`] | multihash functions: verified, mismatch, or cannot be checked |
//! | [`block`] | bytes that match their CID; nothing above holds others |
//! | [`store`] | blocks by CID from archives and memory; inputs; outputs that appear whole or not at all |
//! | [`dag`] | links of dag-pb, dag-cbor and dag-json blocks, without recursion |
//! | [`unixfs`] | files, directories, HAMT shards, paths, safe names |
//! | [`address`] | the addresses that NFTs carry: `ipfs://`, gateways, `data:`, and what they mean |
//! | [`links`] | all such addresses in a metadata document, with their JSON pointers |
//! | [`ops`] | one module, one verb: verify, extract, merge, build and so on |
//! | `net` | gateways, Kubo, and what they say: fetch, proven block by block (feature `net`) |
//! | `archive` | tokens and addresses with all they lead to, in a bag with a manifest; its check and repair (feature `net`) |
//!
//! So data moves from `Read` to a [`Section`](format::Section) (claimed), a [`Block`](block::Block) (proven), a
//! [node](unixfs::UnixFs) (decoded) and a [file](unixfs::FileReader).
//!
//! # What is checked, and what is not
//!
//! Checked, by [`ops::verify`] with its default options:
//!
//! - The framing, byte for byte: the header, minimal length varints, CIDs, the end of the file. A cut inside a section is an error.
//! - Every block's hash, whether or not a root leads to it.
//! - That the roots are there and every link below them leads to a block that is there, in dag-pb, dag-cbor and dag-json.
//! - UnixFS nodes: whether they decode, and whether files are as long as their nodes say.
//! - A CARv2's index against the blocks, both ways. Nothing is believed because an index says so.
//!
//! Not checked, and said so:
//!
//! - Blocks whose hash function is unknown or broken, or whose digest is under 20 bytes: findings of severity
//!   [`Unverified`](error::Severity::Unverified), never a success.
//! - Links inside blocks of other codecs: a note `unknown-codec`.
//! - Whether a CID is the one you want. An archive that is sound says nothing about who made it: compare its roots with a CID from
//!   a place you trust, or ask with [`ops::expect`].
//! - Completeness where there is no DAG to walk: no roots, or [`Depth::Blocks`](ops::verify::Depth::Blocks). A CARv1 that was cut
//!   between two sections looks whole then.
//! - Whether files are safe to open: a proven picture is the bytes that were published, no more.
//!
//! # Security
//!
//! - No memory is reserved for a length that a file merely states; a block that is too long to hold is hashed in pieces.
//! - [`Limits`](limits::Limits) bound headers, sections, depth, entries and bytes written. A breach is an error
//!   [`ErrorKind::Limit`](error::ErrorKind::Limit) that names the limit, and never cuts a result short in silence.
//! - Nothing calls itself as deep as its input is nested: walks keep a stack on the heap.
//! - [`ops::extract`] creates, changes and follows nothing outside its directory, whatever the archive holds and whatever stands in
//!   the directory already. It works by directory handles, on Unix; a tar stream can be written everywhere.
//! - Tables are keyed at random for each run, since anyone can choose CIDs.
//! - Messages, paths and names may hold text from the archive, control characters included: escape them before a terminal sees them.
//!
//! # Features
//!
//! - `cli` (default): the `cartool` program and its dependencies. A library needs none of them: `default-features = false`.
//! - `net` (default, and part of `cli`): fetching. It brings an HTTP client and TLS.

pub mod address;
#[cfg(feature = "net")]
pub mod archive;
pub mod block;
pub mod cid;
pub mod control;
pub mod dag;
pub mod error;
pub mod format;
pub mod hash;
pub mod limits;
pub mod links;
#[cfg(feature = "net")]
pub mod net;
pub mod offset;
pub mod ops;
pub mod store;
pub mod unixfs;
pub mod varint;
