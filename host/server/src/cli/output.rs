//! Standard output and standard error of the commands.
//!
//! Results go to standard output, everything else to standard error. A reader may leave before the
//! end, as `| head -1` does: without a reader of standard output a command ends without a message and
//! with the status that a shell reports for SIGPIPE; without one of standard error it goes on.
//!
//! Invariant: nothing here panics, and control characters are escaped.
//!
//! Standards: POSIX.1 (EPIPE of write).

use std::io::{ErrorKind, Write};

use anyhow::Context;
use rules::foreign_text::steers;

/// Standard output has no reader any more (EPIPE).
#[derive(Debug, thiserror::Error)]
#[error("the reader of standard output has closed it")]
pub struct ReaderLeft;

impl ReaderLeft {
    /// 128 and the number of SIGPIPE.
    pub const STATUS: u8 = 141;
}

/// Prints a line of the result on standard output.
///
/// # Errors
/// [`ReaderLeft`], or that it cannot be written.
pub(crate) fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{}", inert(line)).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(ReaderLeft.into()),
        ended => ended.context("cannot write to standard output"),
    }
}

/// Prints a line on standard error: progress, warnings, errors.
pub fn warn(line: &str) {
    // Standard error may be closed.
    let _ = writeln!(std::io::stderr(), "{}", inert(line));
}

/// As [`warn`], after the program's name: other programs may write to the same terminal.
pub fn note(line: &str) {
    warn(&format!("postlet: {line}"));
}

/// Escapes control characters and bidirectional formatting characters as JSON does, since names are
/// untrusted text. A JSON document keeps its meaning.
pub(crate) fn inert(line: &str) -> String {
    let mut safe = String::with_capacity(line.len());
    for letter in line.chars() {
        if matches!(letter, '\n' | '\t') || !steers(letter) {
            safe.push(letter);
        } else {
            let mut units = [0; 2];
            let units = letter.encode_utf16(&mut units).iter();
            safe.extend(units.map(|unit| format!("\\u{unit:04x}")));
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn control_characters_in_untrusted_text_are_escaped() {
        assert_eq!(inert("a\tb\nc Grüße 你好"), "a\tb\nc Grüße 你好");
        assert_eq!(inert("N\u{9b}31m\u{1b}[0m\u{202e}x"), "N\\u009b31m\\u001b[0m\\u202ex");
        assert_eq!(inert("a\u{61c}\u{2060}b"), "a\\u061c\\u2060b");
        let name = json!({"name": "N\u{9b}\u{2028}\u{feff}\u{e0001}"});
        let read: Value = serde_json::from_str(&inert(&name.to_string())).unwrap();
        assert_eq!(read, name);
    }
}
