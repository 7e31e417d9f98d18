//! `cartool cat` and `cartool get-block`.

use super::args::Common;
use super::target::{self, Target};
use super::term::{self, Out};
use super::{FAULT, OK, verify};
use cartool::cid::{Cid, codec, codec_name};
use cartool::control::Control;
use cartool::dag::pb::PbNode;
use cartool::error::{Code, Error, ErrorKind, Result};
use cartool::store::{BlockSource, CarFile};
use cartool::unixfs::{Budget, FileReader, Strictness};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Print the bytes of a file in an archive
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cartool cat token.car metadata.json\n  cartool cat --bytes 0:99 token.car video.mp4     the first 100 bytes\n  cartool cat --bytes -1024:* token.car video.mp4   the last 1024 bytes\n\nEvery block is hashed before its bytes are printed. In a CARv2 with an index no more of\nthe archive is read than that."
)]
pub(crate) struct CatArgs {
    /// A CAR file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A file in it; may be left out when the root is a file
    #[arg(value_name = "PATH", default_value = "")]
    path: String,
    /// Only these bytes: first and last, both included; negative counts from the end, * is the end
    #[arg(long, value_name = "FROM:TO", allow_hyphen_values = true, value_parser = byte_range)]
    bytes: Option<ByteRange>,
}

/// Bytes from and to, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ByteRange {
    from: i64,
    to: Option<i64>,
}

fn byte_range(text: &str) -> std::result::Result<ByteRange, String> {
    let wrong = || format!("{text:?} is no range: expected FROM:TO, as in 0:99, -100:* or 10:*");
    let (from, to) = text.split_once(':').ok_or_else(wrong)?;
    let to = if to == "*" { None } else { Some(to.parse().map_err(|_| wrong())?) };
    Ok(ByteRange { from: from.parse().map_err(|_| wrong())?, to })
}

impl ByteRange {
    /// First byte and the byte behind the last, in a file of `size` bytes.
    fn of(self, size: u64) -> std::ops::Range<u64> {
        let place = |at: i64| match u64::try_from(at) {
            Ok(at) => at,
            Err(_) => size.saturating_sub(at.unsigned_abs()),
        };
        let from = place(self.from).min(size);
        let to =
            self.to.map_or(size, |to| if to < 0 && to.unsigned_abs() > size { 0 } else { place(to).saturating_add(1).min(size) });
        from..to.max(from)
    }
}

pub(crate) fn cat(args: &CatArgs, common: &Common, control: &Control) -> Result<u8> {
    let car = CarFile::open_indexed(&args.file, control)?;
    let cid = Target::parse(&args.path).resolve(&car, control)?;
    let named = |e: Error| e.in_file(car.name());
    let reader = FileReader::open(&car, &cid, Strictness::Strict).map_err(named)?;
    let mut budget = Budget::new(control.limits);
    let mut chunks = match args.bytes {
        Some(range) => {
            let range = range.of(reader.size());
            reader.range(range, &mut budget)
        }
        None => reader.chunks(&mut budget),
    }
    .map_err(named)?;
    let mut out = Out::new(common);
    while let Some(chunk) = chunks.next_chunk().map_err(named)? {
        control.check()?;
        out.bytes(chunk.bytes())?;
    }
    out.finish()?;
    faults(&car, common)
}

/// The bytes asked for are out and proven; what was seen to be wrong elsewhere in the archive is said all the same.
fn faults(car: &CarFile, common: &Common) -> Result<u8> {
    target::note_bypass(car, common);
    match target::check(car) {
        Ok(()) => Ok(OK),
        Err(fault) => {
            term::error(&fault);
            Ok(FAULT)
        }
    }
}

/// A form in which a block can be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Its bytes
    Raw,
    /// DAG-JSON, for dag-pb, dag-cbor and dag-json
    Json,
}

/// Print one block of an archive
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cartool get-block token.car bafkrei… > block.bin\n  cartool get-block --as json token.car bafybei… | jq .Links\n\nThe block is hashed before it is printed. Any CID with the same multihash finds it.\nIn a CARv2 with an index no more of the archive is read than that."
)]
pub(crate) struct GetBlockArgs {
    /// A CAR file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The block's CID, in any base
    #[arg(value_name = "CID", value_parser = verify::cid)]
    cid: Cid,
    /// As its bytes or as DAG-JSON
    #[arg(long = "as", value_enum, default_value = "raw", value_name = "FORM")]
    form: Form,
}

pub(crate) fn get_block(args: &GetBlockArgs, common: &Common, control: &Control) -> Result<u8> {
    let car = CarFile::open_indexed(&args.file, control)?;
    let Some(block) = car.get(&args.cid)? else {
        faults(&car, common)?;
        return Err(Error::missing("the block is not in the archive").cid(args.cid).in_file(car.name()));
    };
    let mut out = Out::new(common);
    match args.form {
        Form::Raw => out.bytes(block.data())?,
        Form::Json => {
            let text = dag_json(&args.cid, block.data()).map_err(|e| e.cid(args.cid).in_file(car.name()))?;
            out.bytes(&text)?;
            out.bytes(b"\n")?;
        }
    }
    out.finish()?;
    faults(&car, common)
}

/// A block as DAG-JSON text.
fn dag_json(cid: &Cid, data: &[u8]) -> Result<Vec<u8>> {
    let bad = |message: String| Error::new(ErrorKind::Format(Code::BadNode), message);
    match cid.codec() {
        codec::DAG_PB => {
            let node = PbNode::parse(data).map_err(|e| bad(format!("not a sound dag-pb block: {e}")))?;
            serde_json::to_vec(&pb_json(&node)).map_err(|e| bad(e.to_string()))
        }
        codec::DAG_CBOR => {
            let value: ipld_core::ipld::Ipld =
                serde_ipld_dagcbor::from_slice(data).map_err(|e| bad(format!("cannot be written as JSON: {e}")))?;
            serde_ipld_dagjson::to_vec(&value).map_err(|e| bad(format!("cannot be written as JSON: {e}")))
        }
        codec::DAG_JSON | codec::JSON => Ok(data.to_vec()),
        code => Err(Error::usage(format!(
            "a {} block has no form in DAG-JSON, expected dag-pb, dag-cbor or dag-json",
            codec_name(code)
        ))),
    }
}

/// A dag-pb node in the logical format of the DAG-PB specification.
fn pb_json(node: &PbNode<'_>) -> Value {
    use base64::Engine;
    let links = node.links.iter().map(|link| {
        let mut object = json!({ "Hash": { "/": link.cid.to_string() } });
        if let Some(name) = link.name {
            object["Name"] = String::from_utf8_lossy(name).into();
        }
        if let Some(tsize) = link.tsize {
            object["Tsize"] = tsize.into();
        }
        object
    });
    let mut object = serde_json::Map::new();
    if let Some(data) = node.info.data {
        let text = base64::engine::general_purpose::STANDARD_NO_PAD.encode(data);
        object.insert("Data".into(), json!({ "/": { "bytes": text } }));
    }
    object.insert("Links".into(), links.collect());
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_count_from_either_end() {
        let of = |text: &str, size| byte_range(text).unwrap().of(size);
        assert_eq!(of("0:99", 1000), 0..100);
        assert_eq!(of("-100:*", 1000), 900..1000);
        assert_eq!(of("-100:-51", 1000), 900..950);
        assert_eq!(of("990:5000", 1000), 990..1000);
        assert_eq!(of("5:2", 1000), 5..5);
        assert_eq!(of("-5000:*", 10), 0..10);
        assert_eq!(of("0:-5000", 10), 0..0);
        assert!(byte_range("5").is_err() && byte_range("a:b").is_err());
    }
}
