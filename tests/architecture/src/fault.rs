//! Faults: what a rule reports when it is violated.
//!
//! The reader may not know the rule, so a fault says where it is and what to do, in one line that
//! an editor can jump to.

use std::fmt;

/// A violation of a rule, at one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, relative to the root of the project.
    pub file: String,
    /// Counted from one.
    pub line: usize,
    /// The violation and the correction, as one sentence.
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

/// All faults as text, one a line; empty when there are none.
#[must_use]
pub fn listed(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}
