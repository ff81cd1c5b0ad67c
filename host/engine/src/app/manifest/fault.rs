//! Manifest errors: position and advice.
//!
//! Independent of what a manifest means.

use rules::foreign_text::shown;

/// A manifest error, with its position and advice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {}", self.words())]
pub struct ManifestFault {
    /// The key, from the root (`component.send.source`); empty when the file is not TOML.
    pub key: String,
    /// From 1.
    pub line: usize,
    pub advice: String,
}

impl ManifestFault {
    /// Without the line. A key is the author's, and may hold anything.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { key, advice, .. } = self;
        if key.is_empty() { shown(advice) } else { shown(format_args!("`{key}`: {advice}")) }
    }
}
