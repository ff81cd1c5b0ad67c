//! Escaping of untrusted text for errors, logs and terminals.
//!
//! A guest, a filter, a mail server or a client chooses it: its length, line breaks that would
//! forge a line of the log, escape sequences that would control a terminal (ECMA-48), and controls
//! of text direction (Unicode TR 9). [`shown`] truncates and escapes; it is called where such a
//! text enters an error, and again where the log is written, as a second line of defence.
//! [`printable`] is for a text that a client reads within a sentence: there, a space replaces each
//! character that would be escaped.
//!
//! Invariant: whatever the input, the output is one line of at most [`LONGEST`] bytes and the truncation
//! mark, or of at most as many characters as requested.

use std::fmt;
use std::fmt::Write;

/// Bytes that are kept of one text: enough for a long error message and its causes.
pub const LONGEST: usize = 4 << 10;

/// The most characters that [`printable`] keeps: enough for real replies of mail servers.
const SENTENCE: usize = 200;

/// A `fmt::Write` that escapes, and keeps the first bytes of what is written to it.
#[derive(Debug)]
pub struct Printable {
    kept: String,
    most: usize,
    /// Bytes that did not fit, counted before escaping.
    cut: usize,
}

/// One line of printable text, with a mark that says how much was cut off.
#[must_use]
pub fn shown(text: impl fmt::Display) -> String {
    within(LONGEST, text)
}

/// As [`shown`], with another maximum length.
#[must_use]
pub fn within(most: usize, text: impl fmt::Display) -> String {
    let mut words = Printable::new(most);
    let _ = write!(words, "{text}");
    words.finish()
}

/// Text to be quoted in a sentence that a client reads: its first 200 characters on one line, with a space
/// for each character that [`steers`]. Bytes that are not UTF-8 become U+FFFD.
#[must_use]
pub fn printable(text: impl AsRef<[u8]>) -> String {
    printable_within(SENTENCE, text)
}

/// As [`printable`], with another maximum length in characters.
#[must_use]
pub fn printable_within(most: usize, text: impl AsRef<[u8]>) -> String {
    sentence(most, text.as_ref())
}

fn sentence(most: usize, bytes: &[u8]) -> String {
    // A character has at most four bytes: the rest need not be decoded.
    let head = bytes.get(..most.saturating_mul(4)).unwrap_or(bytes);
    let letters = String::from_utf8_lossy(head);
    let letters = letters.chars().map(|letter| if steers(letter) { ' ' } else { letter });
    letters.take(most).collect::<String>().trim().to_owned()
}

/// Line breaks, terminal controls and controls of text direction.
#[must_use]
pub fn steers(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

impl Printable {
    /// Keeps at most so many bytes.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { kept: String::new(), most, cut: 0 }
    }

    /// Bytes kept so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.cut == 0
    }

    /// The line, with the truncation mark where needed.
    #[must_use]
    pub fn finish(mut self) -> String {
        if self.cut > 0 {
            // Writing to a string cannot fail.
            let _ = write!(self.kept, " … ({} bytes more)", self.cut);
        }
        self.kept
    }
}

impl Write for Printable {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (at, letter) in text.char_indices() {
            let before = self.kept.len();
            if self.cut == 0 {
                if steers(letter) {
                    self.kept.extend(letter.escape_default());
                } else {
                    self.kept.push(letter);
                }
            }
            if self.cut > 0 || self.kept.len() > self.most {
                self.kept.truncate(before);
                self.cut = self.cut.saturating_add(text.len() - at);
                return Ok(());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_forges_a_line_or_drives_a_terminal() {
        check("plain Grüße 你好 \\", "plain Grüße 你好 \\");
        check("a\nb\r\u{0}", "a\\nb\\r\\u{0}");
        check("a\u{1b}[31mb\u{9b}1m", "a\\u{1b}[31mb\\u{9b}1m");
        check("\u{202e}txt\u{2069}\u{200f}", "\\u{202e}txt\\u{2069}\\u{200f}");
        check("\u{2028}\u{2029}\u{85}", "\\u{2028}\\u{2029}\\u{85}");
        // A family, joined by what joins: that is no control of direction.
        check("👩\u{200d}👧", "👩\u{200d}👧");
        // What a lone surrogate in UTF-8 becomes on the way to a string.
        check(&String::from_utf8_lossy(b"\xed\xa0\x80"), "\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_long_text_is_cut_and_says_by_how_much() {
        let long = shown("x".repeat(10_000_000));
        assert_eq!(long, format!("{} … (9995904 bytes more)", "x".repeat(LONGEST)));
        assert_eq!(within(3, "aäb"), "aä … (1 bytes more)");
        // Escaped, no letter is cut in half.
        assert_eq!(within(6, "a\u{1b}b"), "a … (2 bytes more)");
        for most in 0..20 {
            let all = "\n\u{202e}ä".repeat(20);
            assert!(within(most, &all).len() < most + 24, "{most}");
        }
    }

    #[test]
    fn a_sentence_has_no_control_characters_and_a_maximum_length() {
        check_printable(b"5.7.1 \x1b[31mno\r\nX: y", "5.7.1  [31mno  X: y");
        check_printable("a\u{202e}b\u{2069}\u{2028}\u{61c}c".as_bytes(), "a b   c");
        check_printable("密码错误".as_bytes(), "密码错误");
        check_printable(b"\xff", "\u{fffd}");
        check_printable(&[b'a'; 10_000], &"a".repeat(SENTENCE));
        check_printable("邮".repeat(300).as_bytes(), &"邮".repeat(SENTENCE));
        assert_eq!(printable_within(3, "a\u{202e}bc"), "a b");
    }

    #[track_caller]
    fn check_printable(bytes: &[u8], want: &str) {
        assert_eq!(printable(bytes), want);
    }

    #[track_caller]
    fn check(text: &str, want: &str) {
        assert_eq!(shown(text), want);
    }
}
