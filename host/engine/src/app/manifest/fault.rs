//! What is wrong with a manifest: where, and what to do about it.
//!
//! Knows nothing of what a manifest means.

/// What is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {}{advice}", quoted(key))]
pub struct ManifestFault {
    /// The key, from the root (`component.send.source`); empty when the file is no TOML.
    pub key: String,
    /// From 1.
    pub line: usize,
    /// What to do.
    pub advice: String,
}

fn quoted(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("`{key}`: ") }
}
