//! What a test says while it runs: the test harness swallows `println!` of a test that passes.

use std::collections::BTreeMap;
use std::io::Write;

/// Writes a line to standard error, past the harness's capture.
pub fn announce(line: &str) {
    // A test whose standard error is closed still has its verdict.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// How many things were compared and how many were left out, by rule.
#[derive(Debug, Default)]
pub struct Tally {
    compared: usize,
    skipped: BTreeMap<String, usize>,
}

impl Tally {
    /// Counts one thing that was compared.
    pub fn compared(&mut self) {
        self.compared += 1;
    }

    /// Counts one thing that was left out by `rule`.
    pub fn skipped(&mut self, rule: impl ToString) {
        *self.skipped.entry(rule.to_string()).or_default() += 1;
    }

    /// Adds the counts of `other`.
    pub fn add(&mut self, other: Tally) {
        self.compared += other.compared;
        for (rule, count) in other.skipped {
            *self.skipped.entry(rule).or_default() += count;
        }
    }

    /// Prints the counts.
    ///
    /// # Panics
    ///
    /// When fewer than `floor` things were compared: a test that compares nothing proves nothing.
    pub fn close(self, title: &str, floor: usize) {
        announce(&format!("{title}: {} compared (at least {floor})", self.compared));
        for (rule, count) in &self.skipped {
            announce(&format!("{title}: {count} skipped: {rule}"));
        }
        assert!(self.compared >= floor, "{title}: {} compared, expected at least {floor}", self.compared);
    }
}

/// Fails with the first differences of two collections, each entry in one line.
///
/// # Panics
///
/// When `oracle` and `cartool` differ.
pub fn assert_same<T: PartialEq + std::fmt::Debug>(what: &str, oracle: &[T], cartool: &[T]) {
    if oracle == cartool {
        return;
    }
    let mut lines = vec![format!("{what}: the oracle has {} entries, cartool {}", oracle.len(), cartool.len())];
    let differing = (0..oracle.len().max(cartool.len())).filter(|&i| oracle.get(i) != cartool.get(i));
    for i in differing.take(5) {
        lines.push(format!("  entry {i}: oracle {:?}, cartool {:?}", oracle.get(i), cartool.get(i)));
    }
    panic!("{}", lines.join("\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "0 compared, expected at least 1")]
    fn a_test_that_compared_nothing_fails() {
        let mut tally = Tally::default();
        tally.skipped("a rule");
        tally.close("nothing", 1);
    }

    #[test]
    #[should_panic(expected = "entry 1: oracle Some(2), cartool None")]
    fn a_missing_entry_is_a_difference() {
        assert_same("numbers", &[1, 2], &[1]);
    }
}
