//! Errors of provider files: file, line, key.

use std::ops::Range;

/// A provider file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}, `{key}`: {fault}")]
pub struct ProfileFault {
    pub file: String,
    /// From 1.
    pub line: usize,
    /// As written in the file, with its table.
    pub key: String,
    /// How to correct it.
    pub fault: String,
}

/// An error without its file.
#[derive(Debug)]
pub(crate) struct Wrong {
    /// Offset in the text.
    pub(crate) at: usize,
    pub(crate) fault: String,
}

impl Wrong {
    pub(crate) fn new(span: &Range<usize>, fault: impl Into<String>) -> Self {
        Self { at: span.start, fault: fault.into() }
    }

    pub(crate) fn locate(self, file: &str, text: &str) -> ProfileFault {
        let (line, key) = place(text, self.at);
        ProfileFault { file: file.to_owned(), line, key, fault: self.fault }
    }
}

/// The line of an offset, and the key at it or last before it.
fn place(text: &str, at: usize) -> (usize, String) {
    let (mut table, mut key) = ("", "");
    let (mut number, mut start) = (0, 0);
    for line in text.split_inclusive('\n') {
        number += 1;
        let trimmed = line.trim();
        if let Some(name) = trimmed.strip_prefix('[').filter(|_| is_header(trimmed)) {
            table = name.trim_matches(['[', ']', ' ']);
            key = "";
        } else if let Some((name, _)) = trimmed.split_once('=').filter(|(name, _)| is_key(name)) {
            key = name.trim();
        }
        start += line.len();
        if at < start {
            break;
        }
    }
    let key = match (table, key) {
        (table, "") => table.to_owned(),
        ("", key) => key.to_owned(),
        (table, key) => format!("{table}.{key}"),
    };
    (number.max(1), key)
}

/// Not a line of an array: that ends in a comma or holds a quote.
fn is_header(line: &str) -> bool {
    !line.contains(['"', '\'', ','])
}

fn is_key(name: &str) -> bool {
    let name = name.trim();
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}
