//! Status responses (OK, NO, BAD, BYE, PREAUTH): status, response code and text.
//!
//! async-imap's parser types only a few response codes and slices the text by bytes, so that a
//! character beyond ASCII after a code would panic it. Therefore the text is kept here, and the
//! parser gets an ASCII copy.
//!
//! Standard: RFC 9051 §7.1, RFC 5530.

use rules::foreign_text::printable;

use crate::imap::tokenizer::Tokenizer;

/// Response code and text of a status response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StatusText {
    /// The first word of the code, in upper case; empty when there is none.
    pub(crate) code: String,
    /// The text, truncated and printable.
    pub(crate) words: String,
}

/// Status words that may follow the tag of a line.
pub(crate) fn is_status(word: &[u8]) -> bool {
    [&b"OK"[..], b"NO", b"BAD", b"BYE", b"PREAUTH"]
        .iter()
        .any(|status| word.eq_ignore_ascii_case(status))
}

/// Reads what follows the status word.
pub(crate) fn spoken(after: &[u8]) -> StatusText {
    let text = after.trim_ascii_start();
    let (code, words) = match text.strip_prefix(b"[") {
        Some(inside) => {
            let end = inside.iter().position(|&byte| byte == b']').unwrap_or(inside.len());
            inside.split_at(end)
        }
        None => (&b""[..], text),
    };
    let first = Tokenizer::new(code).take_while(|byte| byte.is_ascii_graphic());
    StatusText {
        code: printable(first).to_ascii_uppercase(),
        words: printable(words.strip_prefix(b"]").unwrap_or(words)),
    }
}

/// The capabilities inside `[CAPABILITY …]`, if that is the code.
pub(crate) fn capabilities_in(after: &[u8]) -> Option<Vec<String>> {
    let inside = after.trim_ascii_start().strip_prefix(b"[")?;
    let code = inside.split(|&byte| byte == b']').next()?;
    let (word, list) = code.split_at_checked(10)?;
    word.eq_ignore_ascii_case(b"CAPABILITY").then(|| capabilities(list))
}

/// A list of capabilities, in upper case.
pub(crate) fn capabilities(list: &[u8]) -> Vec<String> {
    list.split(|&byte| byte == b' ')
        .filter(|word| !word.is_empty())
        .take(200)
        .map(|word| printable(word).to_ascii_uppercase())
        .collect()
}

/// The line as passed to the parser: ASCII only.
pub(crate) fn in_ascii(line: &[u8]) -> Vec<u8> {
    line.iter().map(|&byte| if byte.is_ascii() { byte } else { b'?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_words_are_told_apart() {
        check(b" [UNAVAILABLE] try later", "UNAVAILABLE", "try later");
        check(b" [copyuid 1 2 3] done", "COPYUID", "done");
        check(b" no code", "", "no code");
        check(b"", "", "");
        check("[ALERT]密码错误".as_bytes(), "ALERT", "密码错误");
        check(b" [never ends", "NEVER", "");
    }

    #[test]
    fn capabilities_come_in_upper_case() {
        let read = capabilities_in(b" [Capability IMAP4rev1 Auth=plain  MOVE] hi");
        assert_eq!(read.unwrap(), ["IMAP4REV1", "AUTH=PLAIN", "MOVE"]);
        assert_eq!(capabilities_in(b" [ALERT] hi"), None);
    }

    #[track_caller]
    fn check(after: &[u8], code: &str, words: &str) {
        assert_eq!(spoken(after), StatusText { code: code.into(), words: words.into() });
    }
}
