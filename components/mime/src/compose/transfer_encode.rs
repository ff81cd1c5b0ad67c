//! Content transfer encodings: text in the simplest one that carries it, files in base64.
//!
//! Invariant: every line of the output is ASCII, at most 78 characters, and ends in CRLF; there is
//! no other CR or LF.
//!
//! Standards: RFC 2045 sections 6.7 and 6.8, RFC 5322 section 2.1.1.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::charset::MARK;

/// RFC 5322 section 2.1.1 asks for 78; quoted-printable and base64 end at 76.
const LONGEST_LINE: usize = 78;
const LONGEST_ENCODED_LINE: usize = 76;
/// The bytes that one line of base64 encodes.
const BYTES_PER_LINE: usize = 57;

/// An encoded text body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The value of Content-Transfer-Encoding.
    pub encoding: &'static str,
    /// Ends in exactly one CRLF; empty for an empty text.
    pub body: String,
}

pub fn text(text: &str) -> Encoded {
    // Receivers remove a byte order mark at the start (RFC 3629 section 6): a text that begins with
    // U+FEFF gets another before it.
    let marked = text.starts_with(MARK).then(|| format!("{MARK}{text}"));
    let text = marked.as_deref().unwrap_or(text);
    let lines = lines(text);
    if lines.iter().all(|line| is_plain(line)) {
        let body = lines.iter().fold(String::new(), |body, line| body + line + "\r\n");
        return Encoded { encoding: "7bit", body };
    }
    let odd = text.bytes().filter(|byte| !byte.is_ascii()).count();
    if odd * 3 > text.len() {
        let mut base64 = Base64Lines::default();
        let mut body = Vec::new();
        base64.push((lines.join("\r\n") + "\r\n").as_bytes(), &mut body);
        base64.finish(&mut body);
        let body = String::from_utf8(body).unwrap_or_default();
        return Encoded { encoding: "base64", body };
    }
    let mut body = String::with_capacity(text.len() + text.len() / 4);
    for line in lines {
        quoted_printable(line, &mut body);
    }
    Encoded { encoding: "quoted-printable", body }
}

/// Lines without their ends; CRLF, LF and a lone CR all end one. Empty lines at the end are
/// dropped.
fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['\r', '\n']).unwrap_or(rest.len());
        let (line, tail) = rest.split_at(end);
        lines.push(line);
        let after = tail.strip_prefix("\r\n").or_else(|| tail.strip_prefix(['\r', '\n']));
        rest = after.unwrap_or_default();
    }
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
}

/// Whether a line is transported unchanged. `From ` at the start is not, by old systems (RFC 4155).
fn is_plain(line: &str) -> bool {
    line.len() <= LONGEST_LINE
        && line.bytes().all(|byte| byte == b'\t' || matches!(byte, 32..=126))
        && !line.starts_with("From ")
        && !line.ends_with([' ', '\t'])
}

fn quoted_printable(line: &str, body: &mut String) {
    let mut column = 0;
    let mut bytes = line.bytes().peekable();
    while let Some(byte) = bytes.next() {
        let last = bytes.peek().is_none();
        let literal = match byte {
            b' ' | b'\t' => !last,
            b'=' => false,
            // A lone dot, and `From ` (see above).
            b'.' | b'F' => column > 0,
            33..=126 => true,
            _ => false,
        };
        let width = if literal { 1 } else { 3 };
        // One column is reserved for the soft line break.
        if column + width > LONGEST_ENCODED_LINE - 1 {
            body.push_str("=\r\n");
            column = 0;
        }
        if literal {
            body.push(char::from(byte));
        } else {
            body.push('=');
            for digit in [byte >> 4, byte & 15] {
                body.extend(char::from_digit(u32::from(digit), 16).map(|d| d.to_ascii_uppercase()));
            }
        }
        column += width;
    }
    body.push_str("\r\n");
}

/// Base64 in lines, from chunks of any length.
#[derive(Debug, Default)]
pub struct Base64Lines {
    waiting: Vec<u8>,
}

impl Base64Lines {
    /// Appends all complete lines to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.waiting.extend_from_slice(bytes);
        let whole = self.waiting.len() / BYTES_PER_LINE * BYTES_PER_LINE;
        let rest = self.waiting.split_off(whole);
        for line in self.waiting.chunks(BYTES_PER_LINE) {
            write_line(line, out);
        }
        self.waiting = rest;
    }

    /// Appends the rest.
    pub fn finish(self, out: &mut Vec<u8>) {
        if !self.waiting.is_empty() {
            write_line(&self.waiting, out);
        }
    }
}

fn write_line(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::read::transfer_decode::Encoding;
    use crate::read::transfer_decode::decode_start;

    #[test]
    fn the_lightest_encoding_is_chosen() {
        check("hello\nyou\n", "7bit", "hello\r\nyou\r\n");
        check("", "7bit", "");
        check("a\rb\r\nc\n\n\n", "7bit", "a\r\nb\r\nc\r\n");
        check("caf\u{e9} au lait = good", "quoted-printable", "caf=C3=A9 au lait =3D good\r\n");
        check("From me ", "quoted-printable", "=46rom me=20\r\n");
        check("你好世界", "base64", "5L2g5aW95LiW55WMDQo=\r\n");
        check("bell\u{7}", "quoted-printable", "bell=07\r\n");
    }

    #[test]
    fn long_lines_are_cut() {
        let encoded = text(&"a".repeat(1000));
        assert_eq!(encoded.encoding, "quoted-printable");
        assert!(encoded.body.lines().all(|line| line.len() <= LONGEST_ENCODED_LINE));
    }

    proptest! {
        #[test]
        fn whatever_goes_in_comes_out(words in "[a-zA-Z =.\t\u{e9}你\n\r]{0,400}") {
            let encoded = text(&words);
            prop_assert!(encoded.body.is_ascii());
            let fits = |line: &str| line.len() <= LONGEST_LINE && !line.contains(['\r', '\n']);
            prop_assert!(encoded.body.split("\r\n").all(fits));
            let kind = Encoding::named(Some(encoded.encoding));
            let back = decode_start(kind, encoded.body.as_bytes(), usize::MAX);
            let want = words.replace("\r\n", "\n").replace('\r', "\n");
            let want = want.trim_end_matches('\n').replace('\n', "\r\n");
            let back = String::from_utf8(back).unwrap();
            prop_assert_eq!(back.trim_end_matches("\r\n"), want);
        }
    }

    #[track_caller]
    fn check(words: &str, encoding: &str, body: &str) {
        let encoded = text(words);
        assert_eq!((encoded.encoding, encoded.body.as_str()), (encoding, body), "{words:?}");
    }
}
