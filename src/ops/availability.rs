//! Does an archive hold what an address names?

use super::completeness::MissingBlock;
use super::reach::Reach;
use crate::address::{Address, Kind};
use crate::cid::Cid;
use crate::control::Control;
use crate::error::{ErrorKind, Result};
use crate::store::BlockSource;
use crate::unixfs::{Found, resolve};

/// Whether it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Everything the address names is here, proven.
    Here,
    /// Some of it is.
    Partial,
    /// Nothing of it, or the archive proves that there is no such name.
    Absent,
}

impl Status {
    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Here => "here",
            Status::Partial => "partial",
            Status::Absent => "absent",
        }
    }
}

/// The answer for one address.
#[derive(Debug, Clone)]
pub struct Availability {
    /// Whether it is here.
    pub status: Status,
    /// What the address leads to, when it could be followed.
    pub cid: Option<Cid>,
    /// Why it is not all here, in one sentence.
    pub reason: Option<String>,
    /// Up to ten blocks that are missing.
    pub missing: Vec<MissingBlock>,
}

/// Answers for many addresses over one source; each block is read once.
#[derive(Debug)]
pub struct Holdings<'s, S: ?Sized> {
    source: &'s S,
    control: Control,
    reach: Reach<'s, S>,
}

impl<'s, S: BlockSource + ?Sized> Holdings<'s, S> {
    /// Nothing is read yet.
    pub fn new(source: &'s S, control: &Control) -> Holdings<'s, S> {
        Holdings { source, control: control.clone(), reach: Reach::new(source, control.clone()) }
    }

    /// Follows the address, in each of its readings, and looks whether everything below its end is here. `None` when the address
    /// is not one of content on IPFS.
    ///
    /// # Errors
    /// A fault of the archive on the way.
    pub fn look(&mut self, address: &Address) -> Result<Option<Availability>> {
        let (Kind::Ipfs, Some(root)) = (address.kind, address.root) else { return Ok(None) };
        let mut answer = Availability { status: Status::Absent, cid: None, reason: None, missing: Vec::new() };
        if !self.source.contains(&root)? {
            answer.reason = Some("its root is not in the archive".to_owned());
            answer.missing.push(MissingBlock { cid: root, path: b"/".to_vec(), parent: None });
            return Ok(Some(answer));
        }
        for reading in address.readings() {
            let segments: Vec<&[u8]> = reading.iter().map(String::as_bytes).collect();
            match resolve(self.source, &root, &segments, &self.control.limits) {
                Ok(resolved) => match resolved.found {
                    Found::Block(cid) => return self.below(cid, answer).map(Some),
                    Found::Value { cid, .. } => {
                        (answer.status, answer.cid, answer.reason) = (Status::Here, Some(cid), None);
                        return Ok(Some(answer));
                    }
                    Found::Nothing { segment } => {
                        let name = reading.get(segment).map_or("", String::as_str);
                        answer.reason.get_or_insert_with(|| format!("there is no {name:?} in it"));
                    }
                },
                Err(error) if matches!(error.kind, ErrorKind::Missing) => {
                    answer.status = Status::Partial;
                    answer.reason = Some(error.message);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Some(answer))
    }

    fn below(&mut self, cid: Cid, mut answer: Availability) -> Result<Availability> {
        answer.cid = Some(cid);
        let mut count = 0u64;
        let complete = self.reach.is_complete(&cid, |missing| {
            count = count.saturating_add(1);
            if answer.missing.len() < 10 {
                answer.missing.push(missing);
            }
        })?;
        (answer.status, answer.reason) = match complete {
            true => (Status::Here, None),
            false => (Status::Partial, Some(format!("blocks below {cid} are missing"))),
        };
        Ok(answer)
    }
}
