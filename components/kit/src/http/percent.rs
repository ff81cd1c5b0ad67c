//! Percent-encoding of path segments, query strings and file names.
//!
//! Decoding is strict: a `%` without two hexadecimal digits, or bytes that are not UTF-8, are
//! refused. A lenient decoder would give one resource several names.
//!
//! Standards: RFC 3986 section 2.1; RFC 8187 section 3.2.1 (`attr-char`).

/// Decodes percent-encoding. None when an escape is malformed or the bytes are not UTF-8.
#[must_use]
pub fn decode(text: &str) -> Option<String> {
    String::from_utf8(decode_bytes(text.as_bytes())?).ok()
}

/// Writes `text` as RFC 8187 `value-chars`, for `filename*`.
#[must_use]
pub fn encode_value(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for nibble in [byte >> 4, byte & 15] {
                out.push(char::from(HEX.get(usize::from(nibble)).copied().unwrap_or(b'0')));
            }
        }
    }
    out
}

fn decode_bytes(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        if byte == b'%' {
            out.push(hex(*rest.next()?)? << 4 | hex(*rest.next()?)?);
        } else {
            out.push(byte);
        }
    }
    Some(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_everything_else_is_kept() {
        check("a%20b+c", Some("a b+c"));
        check("%E9%82%AE", Some("邮"));
    }

    #[test]
    fn a_broken_escape_is_no_text() {
        check("100%", None);
        check("%4", None);
        check("%zz", None);
        check("%ff", None);
    }

    #[test]
    fn a_file_name_survives_the_way_out_and_back() {
        let name = "Größe \"1\" 100%.txt";
        assert_eq!(decode(&encode_value(name)).as_deref(), Some(name));
        assert!(encode_value(name).is_ascii());
    }

    #[track_caller]
    fn check(text: &str, want: Option<&str>) {
        assert_eq!(decode(text).as_deref(), want, "{text:?}");
    }
}
