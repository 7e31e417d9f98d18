//! Findings and reports as text and as JSON.

use super::term::{Out, escape_bytes};
use cartool::error::{Finding, Result, Severity};
use cartool::ops::verify::{Report, Verdict};
use cartool::ops::{MissingBlock, RootReport};
use serde_json::{Map, Value, json};

/// Findings of one severity that are printed; `--json` has all of them.
const PRINTED_MAX: usize = 100;

/// A path from an archive as JSON: text, and the bytes too when they are not UTF-8.
pub(crate) fn put_path(object: &mut Map<String, Value>, path: &[u8]) {
    object.insert("path".into(), String::from_utf8_lossy(path).into());
    if std::str::from_utf8(path).is_err() {
        object.insert("path_hex".into(), path.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into());
    }
}

pub(crate) fn finding_json(finding: &Finding) -> Value {
    let mut object = Map::new();
    object.insert("severity".into(), finding.severity.as_str().into());
    object.insert("code".into(), finding.code.as_str().into());
    object.insert("offset".into(), finding.at.map(|at| at.0).into());
    object.insert("cid".into(), finding.cid.as_ref().map(|cid| cid.to_string()).into());
    match &finding.path {
        Some(path) => put_path(&mut object, path),
        None => drop(object.insert("path".into(), Value::Null)),
    }
    object.insert("message".into(), finding.message.as_str().into());
    Value::Object(object)
}

pub(crate) fn missing_json(missing: &MissingBlock) -> Value {
    let mut object = Map::new();
    object.insert("cid".into(), missing.cid.to_string().into());
    put_path(&mut object, &missing.path);
    object.insert("parent".into(), missing.parent.map(|cid| cid.to_string()).into());
    Value::Object(object)
}

fn root_json(root: &RootReport) -> Value {
    let mut object = Map::new();
    object.insert("cid".into(), root.cid.to_string().into());
    object.insert("present".into(), root.present.into());
    object.insert("complete".into(), root.complete.into());
    object.insert("missing".into(), root.missing.iter().map(missing_json).collect());
    if root.missing_cut {
        object.insert("missing_cut".into(), true.into());
    }
    Value::Object(object)
}

/// The document of `verify --json`.
pub(crate) fn verify_json(file: &str, report: &Report) -> Value {
    let counts = &report.counts;
    json!({
        "file": file,
        "version": report.version,
        "bytes": report.bytes,
        "blocks": counts.blocks,
        "unique_blocks": counts.unique_blocks,
        "duplicate_blocks": counts.duplicate_blocks,
        "identity_blocks": counts.identity_blocks,
        "unreachable_blocks": report.unreachable_blocks,
        "missing_blocks": report.missing_blocks,
        "commitment_links": counts.commitment_links,
        "roots": report.roots.iter().map(root_json).collect::<Vec<_>>(),
        "index": report.index.as_ref().map(|index| json!({
            "codec": index.codec.map(|code| format!("0x{code:04x}")),
            "entries": index.entries,
            "wrong": index.wrong,
            "missing": index.missing,
        })),
        "findings": report.findings.iter().map(finding_json).collect::<Vec<_>>(),
        "verdict": report.verdict.as_str(),
    })
}

/// One finding as a line.
pub(crate) fn print_finding(out: &mut Out, finding: &Finding) -> Result<()> {
    let mut text = format!(" {}", finding.code.as_str());
    if let Some(at) = finding.at {
        text.push_str(&format!(" at byte {at}"));
    }
    text.push_str(&format!(": {}", finding.message));
    if let Some(cid) = &finding.cid {
        text.push_str(&format!(" [{cid}]"));
    }
    if let Some(path) = &finding.path {
        text.push_str(&format!(" (needed by {})", escape_bytes(path)));
    }
    out.marked("  ", finding.severity.as_str(), finding.severity, &text)
}

/// Findings as lines, the worst first, not more than a person reads.
pub(crate) fn print_findings(out: &mut Out, findings: &[Finding]) -> Result<()> {
    for severity in [Severity::Error, Severity::Unverified, Severity::Incomplete, Severity::Note] {
        let mut of_kind = findings.iter().filter(|finding| finding.severity == severity);
        of_kind.by_ref().take(PRINTED_MAX).try_for_each(|finding| print_finding(out, finding))?;
        let more = of_kind.count();
        if more > 0 {
            out.line(&format!("  … and {more} more of severity {} (--json lists them)", severity.as_str()))?;
        }
    }
    Ok(())
}

/// The colour of a verdict.
pub(crate) fn severity_of(verdict: Verdict) -> Severity {
    match verdict {
        Verdict::Ok => Severity::Note,
        Verdict::Incomplete => Severity::Incomplete,
        Verdict::Unverified => Severity::Unverified,
        Verdict::Corrupt => Severity::Error,
    }
}

/// The exit code of a verdict.
pub(crate) fn code_of(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Ok => super::OK,
        Verdict::Incomplete => super::INCOMPLETE,
        Verdict::Unverified | Verdict::Corrupt => super::FAULT,
    }
}

/// `1 block`, `2 blocks`.
pub(crate) fn count(n: u64, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}
