//! One request to one source, in its own language, and what its answer means (ARCHIVE.md, "fetch", status table).

use super::fetch::Fetch;
use super::http::{Method, NoResponse, Question, Response};
use super::intake::{self, Taken};
use super::options::Remote;
use crate::block::Block;
use crate::cid::{Cid, RawCid};
use crate::error::Result;
use crate::ops::expect::{ByteRange, Scope};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::time::Duration;

/// Content type of archives.
const CAR_TYPE: &str = "application/vnd.ipld.car";
/// Content type of single blocks.
const RAW_TYPE: &str = "application/vnd.ipld.raw";
const ACCEPT_CAR: &str = "application/vnd.ipld.car; version=1; order=dfs; dups=n";
/// What stands for itself in a path (RFC 3986, "unreserved").
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// How answers of status 500 start that mean "not here" (boxo, `isKnownNotFoundError`).
const NOT_FOUND_TEXTS: [&str; 4] =
    ["ipld: could not find node", "peer does not have", "getting pieces containing cid", "failed to load root node"];
/// How much of a message is quoted.
const QUOTE_MAX: usize = 200;

/// What to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// The blocks that prove this path, and the scope at its end.
    Path(Vec<Vec<u8>>, Scope),
    /// The whole DAG.
    Dag,
    /// The block alone.
    Raw,
}

/// What a source said.
#[derive(Debug)]
pub(super) enum Said {
    /// It sent blocks, and this came of them.
    Sent(Taken),
    /// It does not have it.
    Absent(String),
    /// It does not serve us (401, 403).
    Refused(String),
    /// It does not serve this (410, 451).
    Blocked(String),
    /// It sends no archives, or nothing of this kind.
    Unsuitable(String),
    /// It may have it later.
    Again(String, Option<Duration>),
    /// The bytes it sent are not those of the CID.
    Bad(String),
}

impl Fetch<'_> {
    /// Sends one request and takes what comes.
    ///
    /// # Errors
    /// When the disk fails or the work is to stop.
    pub(super) fn ask(&self, remote: &Remote, giver: u16, cid: &Cid, what: &What) -> Result<Said> {
        self.count_request();
        let raw_only = self.session.hosts.sends_raw_only(&remote.endpoint().origin());
        let raw = Sending { remote, giver, is_archive: false };
        let archive = Sending { is_archive: true, ..raw };
        match (remote, what) {
            (Remote::Gateway(_), What::Path(path, scope)) if !raw_only => {
                self.send(&archive, cid, &gateway_path(cid, path), &car_query(*scope))
            }
            (Remote::Gateway(_), What::Dag) if !raw_only => {
                self.send(&archive, cid, &gateway_path(cid, &[]), &car_query(Scope::All))
            }
            (Remote::Gateway(_), _) => self.send(&raw, cid, &gateway_path(cid, &[]), "format=raw"),
            (Remote::Kubo(_), What::Dag) => self.send(&archive, cid, "/api/v0/dag/export", &format!("arg={cid}&progress=false")),
            // Its export knows no paths and no scopes: the blocks are asked for one by one.
            (Remote::Kubo(_), _) => self.send(&raw, cid, "/api/v0/block/get", &format!("arg={cid}")),
        }
    }

    fn send(&self, sending: &Sending<'_>, cid: &Cid, path: &str, query: &str) -> Result<Said> {
        let method = if matches!(sending.remote, Remote::Kubo(_)) { Method::Post } else { Method::Get };
        let accept = if sending.is_archive { ACCEPT_CAR } else { RAW_TYPE };
        let question = Question { endpoint: sending.remote.endpoint(), method, path, query, accept };
        let answer = self.session.client.ask(&question);
        self.session.control.check()?;
        let response = match answer {
            Ok(response) => response,
            Err(NoResponse::Redirect(why)) => return Ok(Said::Absent(why)),
            Err(NoResponse::Failed(why)) => return Ok(Said::Again(why, None)),
        };
        match response.status {
            200 if sending.is_archive => self.take_archive(sending, response),
            200 => self.take_block(sending, cid, response),
            _ => Ok(judge(response)),
        }
    }

    fn take_archive(&self, sending: &Sending<'_>, response: Response) -> Result<Said> {
        // Kubo's RPC calls it plain bytes.
        let is_car = response.content_type == CAR_TYPE
            || matches!(sending.remote, Remote::Kubo(_)) && !response.content_type.starts_with("text/html");
        if !is_car {
            let kind = if response.content_type.is_empty() { "nothing" } else { &response.content_type };
            return Ok(Said::Unsuitable(format!("it sent {}, expected {CAR_TYPE}", quote(kind))));
        }
        let session = self.session;
        let taken = intake::archive(response.reader(), &self.held, sending.giver, &session.meter, &self.intake_control)?;
        Ok(Said::Sent(taken))
    }

    fn take_block(&self, sending: &Sending<'_>, cid: &Cid, response: Response) -> Result<Said> {
        let claims_raw = response.content_type == RAW_TYPE || matches!(sending.remote, Remote::Kubo(_));
        let kind = quote(&response.content_type);
        let meter = &self.session.meter;
        let data = match intake::bytes(response.reader(), meter.block_len_max(), meter, &self.intake_control)? {
            Ok(data) => data,
            Err(taken) => return Ok(Said::Sent(taken)),
        };
        match Block::new(*cid, data) {
            Ok(block) => {
                let bytes = cid.to_bytes();
                let raw = RawCid::parse(&bytes).unwrap_or(RawCid::EMPTY);
                let key = self.held.keyer().key(raw.hash_code(), raw.digest());
                let is_new = self.held.put(raw, key, block.data(), sending.giver)?;
                let mut taken = Taken { new_blocks: u64::from(is_new), ..Taken::default() };
                if is_new && !meter.add_block() {
                    taken.limit = Some(meter.blocks_reached());
                }
                Ok(Said::Sent(taken))
            }
            Err(error) if claims_raw => Ok(Said::Bad(format!("{error} [{cid}]"))),
            Err(_) => Ok(Said::Unsuitable(format!("it sent {kind}, expected {RAW_TYPE}"))),
        }
    }
}

/// How something is asked for, and from whom.
#[derive(Clone, Copy)]
struct Sending<'s> {
    remote: &'s Remote,
    giver: u16,
    is_archive: bool,
}

/// What an answer without blocks means.
fn judge(response: Response) -> Said {
    let (status, retry_after) = (response.status, response.retry_after);
    let text = response.error_text();
    let message = message_of(&text);
    let why = if message.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {}", quote(&message)) };
    let is_not_found = NOT_FOUND_TEXTS.iter().any(|start| message.starts_with(start))
        || message.contains("ipld: could not find")
        || message.contains("not found locally");
    match status {
        400 | 406 => Said::Unsuitable(why),
        401 | 403 => Said::Refused(why),
        410 | 451 => Said::Blocked(why),
        500 if is_not_found => Said::Absent(why),
        408 | 425 | 429 | 500.. => Said::Again(why, retry_after),
        _ => Said::Absent(why),
    }
}

/// What an error says: Kubo's JSON message, a line of text, or nothing of a page.
fn message_of(text: &str) -> String {
    if let Ok(value) = serde_json::from_str::<serde_json::Value>(text)
        && let Some(message) = value.get("Message").and_then(|message| message.as_str())
    {
        return message.to_owned();
    }
    let line = text.lines().next().unwrap_or_default().trim();
    if line.starts_with(['<', '{']) { String::new() } else { line.to_owned() }
}

fn quote(text: &str) -> String {
    match text.char_indices().nth(QUOTE_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn gateway_path(cid: &Cid, path: &[Vec<u8>]) -> String {
    let mut text = format!("/ipfs/{cid}");
    for segment in path {
        text.push('/');
        match std::str::from_utf8(segment) {
            Ok(segment) => text.extend(utf8_percent_encode(segment, SEGMENT)),
            Err(_) => text.extend(percent_encoding::percent_encode(segment, SEGMENT)),
        }
    }
    text
}

fn car_query(scope: Scope) -> String {
    let scope = match scope {
        Scope::All => "all".to_owned(),
        Scope::Block => "block".to_owned(),
        Scope::Entity(None) => "entity".to_owned(),
        Scope::Entity(Some(ByteRange { from, to })) => {
            let to = to.map_or_else(|| "*".to_owned(), |to| to.to_string());
            format!("entity&entity-bytes={from}:{to}")
        }
    };
    format!("format=car&dag-scope={scope}&car-version=1&car-order=dfs&car-dups=n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_written_as_the_specification_has_them() {
        let cid = crate::cid::parse_text("bafkqaaa").unwrap();
        assert_eq!(gateway_path(&cid, &[b"a b%20".to_vec(), "\u{e4}?".into()]), "/ipfs/bafkqaaa/a%20b%2520/%C3%A4%3F");
        let range = Scope::Entity(Some(ByteRange { from: -5, to: None }));
        assert_eq!(car_query(range), "format=car&dag-scope=entity&entity-bytes=-5:*&car-version=1&car-order=dfs&car-dups=n");
    }

    #[test]
    fn messages_of_errors() {
        assert_eq!(message_of(r#"{"Message":"block was not found","Code":0,"Type":"error"}"#), "block was not found");
        assert_eq!(message_of("<html><title>502"), "");
        assert_eq!(message_of("ipld: could not find node\nmore"), "ipld: could not find node");
        assert_eq!(quote(&"\u{e4}".repeat(300)).chars().count(), QUOTE_MAX + 1);
    }
}
