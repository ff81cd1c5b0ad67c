//! Manifest errors: position and advice.
//!
//! Independent of what a manifest means.

/// A manifest error, with its position and advice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {}{advice}", quoted(key))]
pub struct ManifestFault {
    /// The key, from the root (`component.send.source`); empty when the file is not TOML.
    pub key: String,
    /// From 1.
    pub line: usize,
    pub advice: String,
}

fn quoted(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("`{key}`: ") }
}
