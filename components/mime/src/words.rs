//! Encoded-words: text beyond ASCII in header fields.
//!
//! Senders cut words in the middle of a character and put words where none may stand (inside quoted
//! strings), so adjacent words of one charset are joined as bytes before they are decoded, and words
//! are looked for everywhere.
//!
//! Standard: RFC 2047. Deviation: spaces inside a word are accepted, since many writers leave them.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::GeneralPurposeConfig;

use crate::charset::decode as decode_charset;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Unfolds a field's value and decodes its words; the result holds no control characters.
pub fn decode(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    rewrite(&unfold(raw), &mut |piece| match piece {
        Piece::Plain(plain) => text.push_str(plain),
        Piece::Words(decoded) => text.push_str(&decoded),
    });
    tidy(&text)
}

/// Gives the value with each run of words as one UTF-8 word, for a parser of structure that must
/// still see where a word begins and ends.
pub fn merge(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    rewrite(&unfold(raw), &mut |piece| match piece {
        Piece::Plain(plain) => text.push_str(plain),
        Piece::Words(decoded) => {
            text.push_str("=?utf-8?b?");
            LENIENT.encode_string(tidy(&decoded), &mut text);
            text.push_str("?=");
        }
    });
    text
}

/// Control characters become spaces, and the ends are trimmed.
pub fn tidy(text: &str) -> String {
    let spaced: String = text
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    spaced.trim().to_owned()
}

/// Removes the line ends of folding (RFC 5322 section 2.2.3).
pub fn unfold(raw: &str) -> String {
    raw.chars().filter(|character| !matches!(character, '\r' | '\n')).collect()
}

enum Piece<'a> {
    Plain(&'a str),
    Words(String),
}

struct Word<'a> {
    charset: &'a str,
    bytes: Vec<u8>,
    /// What follows the word.
    rest: &'a str,
}

fn rewrite(text: &str, emit: &mut dyn FnMut(Piece<'_>)) {
    let mut ends = Ends { text, next: 0 };
    let mut rest = text;
    while let Some(start) = rest.find("=?") {
        let (before, tail) = rest.split_at(start);
        emit(Piece::Plain(before));
        let Some(word) = take_word(tail, &mut ends) else {
            let (marker, after) = tail.split_at(2);
            emit(Piece::Plain(marker));
            rest = after;
            continue;
        };
        let mut decoded = String::new();
        let (mut charset, mut bytes) = (word.charset, word.bytes);
        rest = word.rest;
        // White space between two words is not text (RFC 2047 section 6.2).
        while let Some(next) = take_word(rest.trim_start_matches([' ', '\t']), &mut ends) {
            if next.charset.eq_ignore_ascii_case(charset) {
                bytes.extend_from_slice(&next.bytes);
            } else {
                decoded.push_str(&decode_charset(Some(charset), &bytes));
                (charset, bytes) = (next.charset, next.bytes);
            }
            rest = next.rest;
        }
        decoded.push_str(&decode_charset(Some(charset), &bytes));
        emit(Piece::Words(decoded));
    }
    emit(Piece::Plain(rest));
}

/// Where words end. Words are asked about from left to right, so each byte is looked at once however
/// many beginnings there are.
struct Ends<'a> {
    text: &'a str,
    /// No `?=` lies between the last place that was asked about and here.
    next: usize,
}

impl Ends<'_> {
    /// The distance from the start of `tail`, which is an end of the text, to its first `?=`.
    fn within(&mut self, tail: &str) -> Option<usize> {
        let from = self.text.len() - tail.len();
        if self.next < from || !self.text.get(self.next..)?.starts_with("?=") {
            let begin = self.next.max(from);
            let found = self.text.get(begin..)?.find("?=");
            self.next = found.map_or(self.text.len(), |distance| begin + distance);
        }
        (self.next < self.text.len()).then(|| self.next - from)
    }
}

/// `=?charset?b?text?=` at the very start.
fn take_word<'a>(text: &'a str, ends: &mut Ends<'_>) -> Option<Word<'a>> {
    // Longer than any real label.
    const LONGEST_LABEL: usize = 60;

    let text = text.strip_prefix("=?")?;
    let label_end = text.bytes().take(LONGEST_LABEL).position(|byte| byte == b'?')?;
    let (label, text) = text.split_at_checked(label_end)?;
    // RFC 2231 section 5 adds a language after an asterisk.
    let charset = label.split('*').next().unwrap_or(label);
    if charset.is_empty() || charset.contains([' ', '=']) {
        return None;
    }
    let text = text.strip_prefix('?')?;
    let (encoding, text) = (text.bytes().next()?, text.get(1..)?.strip_prefix('?')?);
    let end = ends.within(text)?;
    let (payload, rest) = (text.get(..end)?, text.get(end + 2..)?);
    let bytes = match encoding {
        b'b' | b'B' => decode_b(payload),
        b'q' | b'Q' => decode_q(payload),
        _ => return None,
    };
    Some(Word { charset, bytes, rest })
}

fn decode_b(payload: &str) -> Vec<u8> {
    let mut clean: Vec<u8> = payload
        .bytes()
        .filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        .collect();
    if clean.len() % 4 == 1 {
        clean.pop();
    }
    LENIENT.decode(&clean).unwrap_or_default()
}

fn decode_q(payload: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len());
    let mut rest = payload.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'=', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(b'='),
            },
            (b'_', _) => bytes.push(b' '),
            (other, _) => bytes.push(*other),
        }
    }
    bytes
}

/// The value of one hexadecimal digit.
pub fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_decoded_wherever_they_stand() {
        check("plain", "plain");
        check("=?utf-8?Q?caf=C3=A9_au_lait?=", "café au lait");
        check("Re: =?GB2312?B?xOO6ww==?= again", "Re: 你好 again");
        check("=?utf-8?b?5L2g?=\r\n =?utf-8?b?5aW9?=", "你好");
        check("x=?utf-8?q?y?=z", "xyz");
        check("=?iso-8859-1*en?q?=E9?=", "é");
        check("=?utf-8?q?a b?=", "a b");
    }

    #[test]
    fn a_character_cut_between_two_words_survives() {
        check("=?gbk?b?xOO6?= =?GBK?b?ww==?=", "你好");
        check("=?utf-8?q?=E4=BD?= =?utf-8?q?=A0?=", "你");
    }

    #[test]
    fn broken_words_stay_as_they_are() {
        check("=?utf-8?x?abc?=", "=?utf-8?x?abc?=");
        check("=?utf-8?b?abc", "=?utf-8?b?abc");
        check("=?", "=?");
        check("a =? b ?= c", "a =? b ?= c");
        check("=?utf-8?q?=ZZ?=", "=ZZ");
    }

    #[test]
    fn a_decoded_line_end_is_no_line_end() {
        check("=?utf-8?q?a=0D=0ABcc:_b?=", "a  Bcc: b");
    }

    #[test]
    fn merging_leaves_one_word_per_run() {
        assert_eq!(merge("=?utf-8?b?5L2g?= =?utf-8?b?5aW9?= <a@b>"), "=?utf-8?b?5L2g5aW9?= <a@b>");
    }

    #[test]
    fn a_hundred_thousand_openings_cost_little() {
        assert_eq!(decode(&"=?".repeat(100_000)).len(), 200_000);
        assert!(decode(&"=?a?q?".repeat(40_000)).len() <= 240_000);
        let far = format!("{}?=", "=?a?x?x".repeat(1_000_000));
        assert_eq!(decode(&far), far);
    }

    #[track_caller]
    fn check(raw: &str, want: &str) {
        assert_eq!(decode(raw), want, "{raw:?}");
    }
}
