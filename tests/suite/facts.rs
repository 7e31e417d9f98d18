//! The JSON that `verify` prints, read as a script would.

use crate::harness::{Done, same};
use serde_json::Value;
use std::collections::BTreeSet;

/// One document of `verify --json`.
#[derive(Debug)]
pub(crate) struct Report {
    doc: Value,
    findings: Vec<Value>,
}

impl Report {
    /// Reads it, and checks what must hold in every report: known words, and a verdict that the exit code repeats.
    pub(crate) fn of(done: &Done) -> Result<Report, String> {
        let doc = done.document()?;
        let findings = doc["findings"].as_array().ok_or("no list of findings")?.clone();
        for finding in &findings {
            let severity = finding["severity"].as_str().unwrap_or("");
            if !["error", "incomplete", "unverified", "note"].contains(&severity) {
                return Err(format!("finding without a known severity: {finding}"));
            }
            if finding["code"].as_str().is_none_or(str::is_empty) || finding["message"].as_str().is_none_or(str::is_empty) {
                return Err(format!("finding without code or message: {finding}"));
            }
        }
        let verdict = doc["verdict"].as_str().unwrap_or("");
        let code = match verdict {
            "ok" => 0,
            "corrupt" | "unverified" => 1,
            "incomplete" => 3,
            _ => return Err(format!("unknown verdict {verdict:?}")),
        };
        same(&format!("exit code for the verdict {verdict:?}"), done.code, Some(code))?;
        Ok(Report { doc, findings })
    }

    pub(crate) fn get(&self, key: &str) -> &Value {
        &self.doc[key]
    }

    /// A count, by its key.
    pub(crate) fn number(&self, key: &str) -> Result<u64, String> {
        self.doc[key].as_u64().ok_or_else(|| format!("no number {key:?} in the report"))
    }

    /// Checks a count.
    pub(crate) fn counts(&self, key: &str, expected: u64) -> Result<(), String> {
        same(key, self.number(key)?, expected)
    }

    pub(crate) fn findings(&self) -> &[Value] {
        &self.findings
    }

    /// The codes found, with their severities.
    pub(crate) fn codes(&self) -> BTreeSet<String> {
        let text = |f: &Value| format!("{}:{}", f["severity"].as_str().unwrap_or("?"), f["code"].as_str().unwrap_or("?"));
        self.findings.iter().map(text).collect()
    }

    /// Where errors and unverified blocks were found, and which.
    pub(crate) fn faults(&self) -> impl Iterator<Item = (&str, Option<u64>)> {
        let bad = |f: &&Value| matches!(f["severity"].as_str(), Some("error" | "unverified"));
        self.findings.iter().filter(bad).map(|f| (f["code"].as_str().unwrap_or(""), f["offset"].as_u64()))
    }

    /// The offset and CID of every block that does not match.
    pub(crate) fn mismatches(&self) -> BTreeSet<(u64, String)> {
        let mismatch = |f: &&Value| f["code"] == "hash-mismatch";
        let place = |f: &Value| (f["offset"].as_u64().unwrap_or(u64::MAX), f["cid"].as_str().unwrap_or("").to_owned());
        self.findings.iter().filter(mismatch).map(place).collect()
    }

    /// Every CID reported missing, as a root, under a root or in a finding.
    pub(crate) fn missing(&self) -> BTreeSet<String> {
        let mut missing = BTreeSet::new();
        let mut add = |cid: &Value| missing.extend(cid.as_str().map(str::to_owned));
        for root in self.doc["roots"].as_array().into_iter().flatten() {
            if root["present"] == false {
                add(&root["cid"]);
            }
            root["missing"].as_array().into_iter().flatten().for_each(|m| add(&m["cid"]));
        }
        let absent = |f: &&Value| f["code"] == "missing-root" || f["code"] == "missing-block";
        self.findings.iter().filter(absent).for_each(|f| add(&f["cid"]));
        missing
    }
}
