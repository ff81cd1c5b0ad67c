//! Text decoding for SEARCH: encoded words and transfer encodings.
//!
//! Data for FETCH is never decoded. UTF-8 and ASCII are decoded, other character sets with
//! replacement characters: a search in them finds ASCII words only.
//!
//! Standards: RFC 2047 (encoded words), RFC 2045 §6.7, §6.8 (encodings).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::message::{Kind, Part, field};

/// A header value with its encoded words decoded.
pub(crate) fn readable(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let mut pieces = text.split("=?");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    let mut after_word = false;
    for piece in pieces {
        if let Some((word, rest)) = encoded_word(piece) {
            if after_word {
                // Space between two encoded words is ignored (RFC 2047 §6.2).
                out.truncate(out.trim_end().len());
            }
            out.push_str(&String::from_utf8_lossy(&word));
            out.push_str(rest);
            after_word = rest.trim().is_empty();
        } else {
            out.push_str("=?");
            out.push_str(piece);
            after_word = false;
        }
    }
    out
}

/// Decodes `charset?B|Q?text?=` at the start; also returns what follows it.
fn encoded_word(piece: &str) -> Option<(Vec<u8>, &str)> {
    let mut marked = piece.splitn(4, '?').skip(1);
    let (encoding, text, rest) = (marked.next()?, marked.next()?, marked.next()?);
    let decoded = match encoding {
        "B" | "b" => STANDARD.decode(text).ok()?,
        "Q" | "q" => quoted_printable(text.replace('_', " ").as_bytes()),
        _ => return None,
    };
    Some((decoded, rest.strip_prefix('=')?))
}

/// All text of a message, decoded, one part after the other.
pub(crate) fn body_text(part: &Part<'_>, out: &mut String) {
    match &part.kind {
        Kind::Multipart(children) => children.iter().for_each(|child| body_text(child, out)),
        Kind::Message(inner) => {
            out.push_str(&readable(inner.header));
            body_text(inner, out);
        }
        Kind::Leaf if part.media.main.eq_ignore_ascii_case("text") => {
            let encoding = field(part.header, b"Content-Transfer-Encoding").unwrap_or_default();
            let bytes = if encoding.eq_ignore_ascii_case(b"base64") {
                let packed: Vec<u8> =
                    part.body.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
                STANDARD.decode(packed).unwrap_or_default()
            } else if encoding.eq_ignore_ascii_case(b"quoted-printable") {
                quoted_printable(part.body)
            } else {
                part.body.to_vec()
            };
            out.push_str(&String::from_utf8_lossy(&bytes));
            out.push('\n');
        }
        Kind::Leaf => {}
    }
}

fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'=' {
            out.push(*byte);
        } else if let Some(soft) = after.strip_prefix(b"\r\n").or(after.strip_prefix(b"\n")) {
            rest = soft;
        } else if let [high, low, after @ ..] = after
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            out.push(high << 4 | low);
            rest = after;
        } else {
            out.push(b'=');
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::{body_text, readable};
    use crate::message::parse;

    #[test]
    fn encoded_words_are_read_and_joined() {
        check("=?utf-8?b?5L2g?= =?UTF-8?Q?=E5=A5=BD_x?= tail", "你好 x tail");
        check("a =?broken b", "a =?broken b");
        check("plain", "plain");
    }

    #[test]
    fn text_parts_are_read_through_their_encoding() {
        let raw = "Content-Transfer-Encoding: quoted-printable\r\n\r\ncaf=C3=A9 =\r\nau lait";
        let mut text = String::new();
        body_text(&parse(raw.as_bytes()), &mut text);
        assert_eq!(text, "café au lait\n");
    }

    #[track_caller]
    fn check(value: &str, want: &str) {
        assert_eq!(readable(value.as_bytes()), want);
    }
}
