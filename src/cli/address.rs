//! `cartool address`.

use super::args::Common;
use super::term::{self, Out};
use super::{OK, USAGE};
use cartool::address::{self, Address, AddressError, TokenId};
use cartool::error::{Error, Result};
use serde_json::{Map, Value};

const AFTER_HELP: &str = "\
Examples:
  cartool address ipfs://bafy…/1.json https://gateway.example/ipfs/Qm…/x.png
  cartool address --json 'ipfs://ipfs/Qm…/a%20b.png'
  cartool address --token-id 7 'ipfs://Qm…/{id}.json'

A line is the canonical address. What cannot be read is said on standard error,
the others are printed all the same, and the exit code is 2.";

/// Read addresses of IPFS content in all their forms, and print the canonical one
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// ipfs://…, /ipfs/…, CIDs, URLs of gateways, data: and other URIs
    #[arg(required = true, value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// The token's number, decimal or 0x…: fills in ERC-1155's {id}
    #[arg(long, value_name = "N", value_parser = super::links::token_id)]
    token_id: Option<TokenId>,
    /// Print a JSON object an address
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, common: &Common) -> Result<u8> {
    let options = address::Options { token_id: args.token_id, ..address::Options::default() };
    let (mut out, mut unreadable) = (Out::new(common), 0usize);
    for text in &args.addresses {
        let parsed = address::parse_content(text, &options);
        if args.json {
            out.json(&json(text, &parsed))?;
        } else if let Ok(address) = &parsed {
            out.line(&address.canonical())?;
        }
        if let Err(error) = parsed {
            unreadable += 1;
            term::error(&Error::usage(format!("{text}: {error} ({})", error.reason())));
        }
    }
    out.finish()?;
    Ok(if unreadable == 0 { OK } else { USAGE })
}

fn json(text: &str, parsed: &std::result::Result<Address, AddressError>) -> Value {
    let mut object = Map::new();
    object.insert("input".into(), text.into());
    match parsed {
        Ok(address) => {
            object.insert("canonical".into(), address.canonical().into());
            object.insert("kind".into(), address.kind.as_str().into());
            object.insert("root".into(), address.root.map(|root| root.to_string()).into());
            object.insert("segments".into(), address.segments.clone().into());
            object.insert("query".into(), address.query.clone().into());
            object.insert("fragment".into(), address.fragment.clone().into());
            object.insert("hint_host".into(), address.hint_host.clone().into());
            object.insert("notes".into(), address.notes.iter().map(|note| note.as_str()).collect::<Vec<_>>().into());
        }
        Err(error) => {
            object.insert("canonical".into(), Value::Null);
            object.insert("reason".into(), error.reason().into());
            object.insert("message".into(), error.to_string().into());
        }
    }
    Value::Object(object)
}
