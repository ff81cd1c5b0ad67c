//! Text of a foreign library's error for our errors and the log.
//!
//! It may hold names and texts of a guest, so it is truncated and escaped as in
//! `rules::foreign_text`.

use std::error::Error;
use std::fmt;
use std::fmt::Write;

use rules::foreign_text::{LONGEST, Printable, shown};

/// An error reduced to its text, truncated and escaped.
///
/// The text of a foreign library's error may hold names and texts of a guest, and be megabytes
/// long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ErrorChain(Box<str>);

impl ErrorChain {
    /// The text of an error with all of its causes.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        let mut words = Printable::new(LONGEST);
        // Writing to it cannot fail; a `Display` that returns an error is cut short.
        let _ = write!(words, "{error}");
        let mut next = error.source();
        while let Some(source) = next {
            let _ = write!(words, ": {source}");
            next = source.source();
        }
        Self(words.finish().into())
    }

    /// The text of a value.
    #[must_use]
    pub fn words(text: impl fmt::Display) -> Self {
        Self(shown(text).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer\n")]
        struct Outer(#[source] std::io::Error);
        let told = ErrorChain::of(&Outer(std::io::Error::other("in\u{1b}ner")));
        assert_eq!(told.to_string(), "outer\\n: in\\u{1b}ner");
    }
}
