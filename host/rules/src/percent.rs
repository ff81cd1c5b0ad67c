//! Percent-encoding of path segments, query strings, file names and URLs.
//!
//! [`decode`] is strict, for names of resources: a `%` without two hexadecimal digits, or bytes that
//! are not UTF-8, are refused. A lenient decoder would give one resource several names.
//! [`decode_lenient`] is for text that has to be read however malformed, such as mail: a percent sign
//! that begins no escape is literal.
//!
//! Standards: RFC 3986 §2.1; RFC 8187 §3.2.1 (`attr-char`).

/// Decodes percent-encoding. None when an escape is malformed or the bytes are not UTF-8.
#[must_use]
pub fn decode(text: &str) -> Option<String> {
    let (bytes, is_whole) = unescaped(text);
    String::from_utf8(bytes).ok().filter(|_| is_whole)
}

/// Decodes percent-encoding; a percent sign that begins no escape is literal.
#[must_use]
pub fn decode_lenient(text: &str) -> Vec<u8> {
    unescaped(text).0
}

/// Encodes a text as RFC 8187 `value-chars`, for `filename*` and similar parameters. RFC 2231 allows
/// them, too.
#[must_use]
pub fn encode_value(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut written = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            written.push(char::from(byte));
        } else {
            written.push('%');
            for digit in [byte >> 4, byte & 15] {
                written.push(DIGITS.get(usize::from(digit)).copied().map_or('0', char::from));
            }
        }
    }
    written
}

/// The value of one hexadecimal digit.
#[must_use]
pub fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// The bytes, and whether every percent sign began an escape.
fn unescaped(text: &str) -> (Vec<u8>, bool) {
    let mut bytes = Vec::with_capacity(text.len());
    let mut is_whole = true;
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if let (b'%', [high, low, after @ ..]) = (first, tail)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            bytes.push(high << 4 | low);
            rest = after;
        } else {
            is_whole &= first != b'%';
            bytes.push(first);
        }
    }
    (bytes, is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_everything_else_is_kept() {
        for (text, want) in [("a%20b+c", "a b+c"), ("%E9%82%ae", "邮"), ("", ""), ("%2525", "%25")]
        {
            check(text, Some(want), want.as_bytes());
        }
    }

    #[test]
    fn a_malformed_escape_is_refused_by_the_strict_decoder_and_literal_for_the_lenient_one() {
        check("100%", None, b"100%");
        check("%4", None, b"%4");
        check("%zz%41", None, b"%zzA");
        check("%+1", None, b"%+1");
        check("%%41", None, b"%A");
        check("%ff", None, b"\xff");
    }

    #[test]
    fn a_value_survives_the_way_out_and_back() {
        let name = "Größe \"1\" {100%}*'.txt";
        let written = encode_value(name);
        assert_eq!(written, "Gr%C3%B6%C3%9Fe%20%221%22%20%7B100%25%7D%2A%27.txt");
        assert_eq!(decode(&written).as_deref(), Some(name));
    }

    #[track_caller]
    fn check(text: &str, strict: Option<&str>, lenient: &[u8]) {
        assert_eq!(decode(text).as_deref(), strict, "{text:?}");
        assert_eq!(decode_lenient(text), lenient, "{text:?}");
    }
}
