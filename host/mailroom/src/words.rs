//! Text as a reader sees it: encoded words and transfer encodings undone.
//!
//! Only SEARCH needs this; what FETCH answers is never decoded. UTF-8 and
//! ASCII are read right, other character sets with replacement characters:
//! a search in them finds ASCII words only.
//!
//! Standards: RFC 2047 (encoded words), RFC 2045 §6.7, §6.8 (encodings).

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use crate::message::{Kind, Part, field};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A header value with its encoded words decoded.
pub(crate) fn readable(value: &[u8]) -> String {
    let mut out: Vec<u8> = Vec::new();
    let mut rest = value;
    let mut after_word = false;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"=?") {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        let Some((word, length)) = encoded_word(from) else {
            let (skipped, after) = rest.split_at_checked(at + 2).unwrap_or((rest, &[]));
            out.extend_from_slice(skipped);
            (rest, after_word) = (after, false);
            continue;
        };
        // Space between two encoded words is not shown (RFC 2047 §6.2).
        if !after_word || !before.trim_ascii().is_empty() {
            out.extend_from_slice(before);
        }
        out.extend_from_slice(&word);
        (rest, after_word) = (from.get(length..).unwrap_or_default(), true);
    }
    out.extend_from_slice(rest);
    String::from_utf8_lossy(&out).into_owned()
}

/// Decodes `=?charset?B|Q?text?=` at the start of `from`; also its length.
fn encoded_word(from: &[u8]) -> Option<(Vec<u8>, usize)> {
    let inner = from.strip_prefix(b"=?")?;
    let mut marks = inner.iter().enumerate().filter(|(_, byte)| **byte == b'?').map(|(at, _)| at);
    let (first, second, third) = (marks.next()?, marks.next()?, marks.next()?);
    let encoding = inner.get(first + 1..second)?;
    let text = inner.get(second + 1..third)?;
    if inner.get(third + 1) != Some(&b'=') || text.iter().any(u8::is_ascii_whitespace) {
        return None;
    }
    let decoded = match encoding {
        b"B" | b"b" => LENIENT.decode(text).ok()?,
        b"Q" | b"q" => {
            let spaced: Vec<u8> =
                text.iter().map(|byte| if *byte == b'_' { b' ' } else { *byte }).collect();
            quoted_printable(&spaced)
        }
        _ => return None,
    };
    Some((decoded, third + 4))
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
                LENIENT.decode(packed).unwrap_or_default()
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
