//! What a rule answers when it is broken.
//!
//! A fault is read by somebody who has never seen the rule, so it says where and
//! what to do, in one line that an editor can jump to.

use std::fmt;

/// One broken rule at one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Relative to the root of the project.
    pub file: String,
    /// Counted from one.
    pub line: usize,
    /// What is wrong and what to do, as one sentence.
    pub advice: String,
}

impl Fault {
    pub fn new(file: &str, line: usize, advice: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, advice: advice.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.file, self.line, self.advice)
    }
}

/// All faults as one text, a line each; empty when the rule holds.
#[must_use]
pub fn listed(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}
