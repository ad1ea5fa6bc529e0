//! Counting tests by the closing lines of their runners.

use crate::run::Output;
use std::ops::AddAssign;

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Tally {
    /// A check that counts as one test.
    pub(crate) fn one(success: bool) -> Self {
        Self { passed: success.into(), failed: (!success).into() }
    }

    /// What a runner of tests counted. A run that failed without a failed test, or that ran no test at all,
    /// counts as one that failed.
    pub(crate) fn of_runner(output: &Output) -> Self {
        let mut tally = Self::default();
        output.text.lines().filter_map(closing_line).for_each(|line| tally += line);
        let silent = tally == Self::default() || !output.success;
        if silent && tally.failed == 0 {
            tally.failed = 1;
        }
        tally
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// The closing lines of cargo test, of nextest, of pytest, and the plain `12 passed, 0 failed` of our own
/// scripts, before which one word with a colon may stand.
fn closing_line(line: &str) -> Option<Tally> {
    let line = line.trim();
    if let Some(rest) = line.strip_prefix("test result: ") {
        return Some(counts(rest.split_once(". ")?.1));
    }
    if line.starts_with("Summary [") {
        return Some(counts(line.split_once(" tests run: ")?.1));
    }
    if line.starts_with("==") && line.ends_with("==") && line.contains(" in ") {
        let inner = line.trim_matches('=').trim();
        return Some(counts(inner.rsplit_once(" in ")?.0)).filter(|tally| *tally != Tally::default());
    }
    let plain = match line.split_once(": ") {
        Some((word, rest)) if !word.contains(' ') => rest,
        _ => line,
    };
    let mut parts = plain.split(", ");
    let is_count = |part: Option<&str>, word: &str| {
        part.and_then(|part| part.strip_suffix(word)).is_some_and(|number| number.parse::<u64>().is_ok())
    };
    let is_closing = is_count(parts.next(), " passed") && is_count(parts.next(), " failed");
    is_closing.then(|| counts(plain))
}

/// Reads `98 passed (2 slow), 1 failed, 1 timed out, 3 skipped`, parted by commas or semicolons.
fn counts(text: &str) -> Tally {
    let mut tally = Tally::default();
    for part in text.split([',', ';']) {
        let Some((number, what)) = part.trim().split_once(' ') else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        if what.starts_with("passed") {
            tally.passed += number;
        } else if ["failed", "timed out", "exec failed", "error"].iter().any(|bad| what.starts_with(bad)) {
            tally.failed += number;
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(text: &str, success: bool) -> (u64, u64) {
        let tally = Tally::of_runner(&Output { success, text: text.into() });
        (tally.passed, tally.failed)
    }

    #[test]
    fn the_closing_lines_of_every_runner_are_added_up() {
        let text = "running 2 tests\n\
            test result: ok. 40 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.24s\n\
            test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n\
            \x20    Summary [   1.102s] 100 tests run: 97 passed (1 slow), 2 failed, 1 timed out, 3 skipped\n\
            ===== 7 passed, 1 failed, 2 warnings in 0.12s =====\n\
            3 passed, 0 failed\n\
            examples: 5 passed, 1 failed, 2 skipped\n";
        assert_eq!(tally(text, false), (153, 7));
    }

    #[test]
    fn only_closing_lines_count() {
        assert_eq!(
            tally("it says 5 passed, 0 failed\nthe 3 passed, 1 failed: x\n1 passed, 0 failed\n", true),
            (1, 0)
        );
    }

    #[test]
    fn a_run_that_breaks_or_tests_nothing_has_failed() {
        assert_eq!(tally("error: could not compile", false), (0, 1));
        assert_eq!(tally("", true), (0, 1));
        assert_eq!(tally("test result: ok. 0 passed; 0 failed; 0 ignored", true), (0, 1));
        assert_eq!(tally("2 passed, 0 failed", false), (2, 1));
        assert_eq!(
            (Tally::one(true), Tally::one(false)),
            (Tally { passed: 1, failed: 0 }, Tally { passed: 0, failed: 1 })
        );
    }
}
