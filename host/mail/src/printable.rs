//! Sanitising of a server's text for error messages.
//!
//! A server's text is shown to people and written to logs, so it must not contain control
//! characters, nor be longer than a line.

use model::foreign::steers;

/// Maximum number of characters: enough for real replies.
const LONGEST: usize = 200;

/// At most 200 characters, controls and direction overrides replaced by spaces.
pub(crate) fn printable(bytes: &[u8]) -> String {
    // A character has at most four bytes: the rest need not be decoded.
    let head = bytes.get(..LONGEST * 4).unwrap_or(bytes);
    let text: String = String::from_utf8_lossy(head)
        .chars()
        .map(|c| if steers(c) { ' ' } else { c })
        .take(LONGEST)
        .collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_comes_through() {
        check(b"5.7.1 \x1b[31mno\r\nX: y", "5.7.1  [31mno  X: y");
        check("a\u{202e}b".as_bytes(), "a b");
        check("密码错误".as_bytes(), "密码错误");
        check(b"\xff", "\u{fffd}");
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(printable(&[b'a'; 10_000]).len(), LONGEST);
    }

    #[track_caller]
    fn check(bytes: &[u8], want: &str) {
        assert_eq!(printable(bytes), want);
    }
}
