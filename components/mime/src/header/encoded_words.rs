//! Encoded-words (RFC 2047): text beyond ASCII in header fields.
//!
//! Senders split words within a character and use words where none are allowed (inside quoted
//! strings), so adjacent words of one charset are joined as bytes before they are decoded, and
//! words are recognised everywhere. A stateful charset is decoded word by word: each begins in
//! ASCII. One with a byte order mark begins anew, too.
//!
//! Standard: RFC 2047. Deviation: spaces inside a word are accepted, since many senders write them.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::GeneralPurposeConfig;
use rules::percent::hex;

use crate::charset::decode as decode_charset;
use crate::charset::labels::named;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Unfolds a field's value and decodes its words; the result holds no control characters. White
/// space at the ends is not part of a value (RFC 5322 section 3.2.2); within a word it is.
pub fn decode(raw: &str) -> String {
    let unfolded = unfold(raw);
    let text = unfolded.trim_matches([' ', '\t']);
    let mut decoded = String::with_capacity(text.len());
    let mut ends = Ends::of(text);
    let mut at = 0;
    while let Some(distance) = text.get(at..).and_then(|rest| rest.find("=?")) {
        let start = at + distance;
        decoded.push_str(text.get(at..start).unwrap_or_default());
        let Some(word) = ends.word_at(start) else {
            decoded.push_str("=?");
            at = start + 2;
            continue;
        };
        at = run(text, word, &mut ends, &mut decoded);
    }
    decoded.push_str(text.get(at..).unwrap_or_default());
    tidy(&decoded)
}

/// Decodes the adjacent words from `first` on, and returns where they end.
fn run(text: &str, first: Word<'_>, ends: &mut Ends<'_>, decoded: &mut String) -> usize {
    let mut bytes = first.octets();
    let mut word = first;
    loop {
        // White space between two words is not text (RFC 2047 section 6.2).
        let rest = text.get(word.end..).unwrap_or_default();
        let space = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let next = ends.word_at(word.end + space);
        let octets = next.as_ref().map(Word::octets).unwrap_or_default();
        let joins = next.as_ref().is_some_and(|next| next.continues(&word, &octets));
        if !joins {
            decoded.push_str(&decode_charset(Some(word.charset), &bytes));
            bytes.clear();
        }
        let Some(next) = next else { return word.end };
        bytes.extend(octets);
        word = next;
    }
}

/// Replaces control characters by spaces, and trims.
pub fn tidy(text: &str) -> String {
    text.trim_matches(char::is_control)
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect()
}

/// Removes the line ends of folding (RFC 5322 section 2.2.3).
pub fn unfold(raw: &str) -> String {
    raw.chars().filter(|character| !matches!(character, '\r' | '\n')).collect()
}

/// Spells octets that have a declared charset in ASCII, so that they are not decoded by another
/// one: those inside a word, and where `extended` those of an RFC 2231 parameter. Such octets are
/// not allowed there, but occur.
pub fn shield(value: &[u8], extended: bool) -> Cow<'_, [u8]> {
    let is_odd = |byte: &u8| *byte >= 0x80 || matches!(byte, 0x0e | 0x0f | 0x1b);
    if !value.iter().any(is_odd) {
        return Cow::Borrowed(value);
    }
    let mut shielded = Vec::with_capacity(value.len() + value.len() / 4);
    let mut ends = Ends { text: value, next: 0 };
    let spell = |mark: u8, octets: &[u8], out: &mut Vec<u8>| {
        for octet in octets {
            if is_odd(octet) {
                out.push(mark);
                out.extend([octet >> 4, octet & 15].map(|digit| match digit {
                    0..=9 => b'0' + digit,
                    _ => b'A' + digit - 10,
                }));
            } else {
                out.push(*octet);
            }
        }
    };
    let mut at = 0;
    while let Some(octet) = value.get(at) {
        let rest = value.get(at..).unwrap_or_default();
        if let Some(word) = rest.starts_with(b"=?").then(|| ends.word_at(at)).flatten() {
            let whole = value.get(at..word.end).unwrap_or_default();
            if word.is_base64 {
                shielded.extend(whole.iter().filter(|octet| !is_odd(octet)));
            } else {
                spell(b'=', whole, &mut shielded);
            }
            at = word.end;
        } else if extended && rest.starts_with(b"*=") {
            let end = rest.iter().position(|octet| matches!(octet, b';' | b' ' | b'\t' | b'"'));
            let section = rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest);
            spell(b'%', section, &mut shielded);
            at += section.len();
        } else {
            shielded.push(*octet);
            at += 1;
        }
    }
    Cow::Owned(shielded)
}

/// `=?charset?b?text?=` in a longer text.
#[derive(Debug)]
pub struct Word<'a> {
    charset: &'a str,
    is_base64: bool,
    payload: &'a [u8],
    /// The position after the word.
    pub end: usize,
}

impl Word<'_> {
    /// Whether the marks that it contains should be parsed as structure: `"` and `<` end something
    /// else.
    pub fn swallows_structure(&self) -> bool {
        let has = |marks: &[u8]| self.payload.iter().any(|byte| marks.contains(byte));
        has(b" \t") && has(b"\"<>")
    }

    fn octets(&self) -> Vec<u8> {
        if self.is_base64 { decode_b(self.payload) } else { decode_q(self.payload) }
    }

    /// Whether its octets continue a character of the word before.
    fn continues(&self, before: &Word<'_>, octets: &[u8]) -> bool {
        self.charset.eq_ignore_ascii_case(before.charset)
            && !named(self.charset)
                .is_some_and(|charset| charset.is_stateful() || charset.begins_marked(octets))
    }
}

/// Finds where words end. Positions are queried from left to right, so each byte is examined once
/// however many beginnings there are.
#[derive(Debug)]
pub struct Ends<'a> {
    text: &'a [u8],
    /// No `?=` lies between the last queried position and here.
    next: usize,
}

impl<'a> Ends<'a> {
    pub fn of(text: &'a str) -> Self {
        Self { text: text.as_bytes(), next: 0 }
    }

    /// The word that begins at `at`.
    pub fn word_at(&mut self, at: usize) -> Option<Word<'a>> {
        // Longer than any real label.
        const LONGEST_LABEL: usize = 60;

        let text = self.text.get(at..)?.strip_prefix(b"=?")?;
        let label_end = text.iter().take(LONGEST_LABEL).position(|byte| *byte == b'?')?;
        let (label, text) = text.split_at_checked(label_end)?;
        // RFC 2231 section 5 adds a language after an asterisk.
        let charset = label.split(|byte| *byte == b'*').next().unwrap_or(label);
        if charset.is_empty() || charset.iter().any(|byte| matches!(byte, b' ' | b'=')) {
            return None;
        }
        let charset = std::str::from_utf8(charset).ok()?;
        let is_base64 = match text.get(1)? {
            b'b' | b'B' => true,
            b'q' | b'Q' => false,
            _ => return None,
        };
        text.get(2).filter(|byte| **byte == b'?')?;
        let begin = at + 2 + label_end + 3;
        let end = self.first_from(begin)?;
        let payload = self.text.get(begin..end)?;
        Some(Word { charset, is_base64, payload, end: end + 2 })
    }

    /// The position of the first `?=` at or after `from`.
    fn first_from(&mut self, from: usize) -> Option<usize> {
        if self.next < from || !self.text.get(self.next..)?.starts_with(b"?=") {
            let begin = self.next.max(from);
            let found = self.text.get(begin..)?.windows(2).position(|pair| pair == b"?=");
            self.next = found.map_or(self.text.len(), |distance| begin + distance);
        }
        (self.next < self.text.len()).then_some(self.next)
    }
}

/// Some senders encode piece by piece, so that padding occurs in the middle.
fn decode_b(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len());
    for piece in payload.split(|byte| *byte == b'=') {
        let is_digit = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        let mut clean: Vec<u8> = piece.iter().filter(is_digit).copied().collect();
        if clean.len() % 4 == 1 {
            clean.pop();
        }
        bytes.extend(LENIENT.decode(&clean).unwrap_or_default());
    }
    bytes
}

fn decode_q(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len());
    let mut rest = payload;
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
    fn words_of_a_charset_that_switches_are_decoded_one_by_one() {
        check(
            "=?ISO-2022-JP?B?GyRCMnE1RCROGyhC?=\r\n =?ISO-2022-JP?B?GyRCJCpDTiRpJDsbKEI=?=",
            "会議のお知らせ",
        );
        // The first does not return to ASCII, as it should.
        check("=?iso-2022-jp?q?=1B$B2q?= =?iso-2022-jp?q?abc?=", "会abc");
        check("=?utf-7?q?+AOk?= =?utf-7?q?abc?=", "éabc");
        check("=?iso-2022-kr?q?=0E>H3g?= =?iso-2022-kr?q?abc?=", "안녕abc");
    }

    #[test]
    fn a_byte_order_mark_begins_a_text() {
        check("=?utf-16?B?/v9PYA==?= =?utf-16?B?/v9ZfQ==?=", "你好");
        check("=?utf-16?B?//5gTw==?= =?utf-16?B?/v9ZfQ==?=", "你好");
        check("=?utf-16be?B?/v9PYA==?= =?utf-16be?B?/v9ZfQ==?=", "你好");
        check("=?utf-32?B?AAD+/wAAT2A=?= =?utf-32?B?AAD+/wAAWX0=?=", "你好");
        // Without one it goes on, and may be cut anywhere.
        check("=?utf-16?B?/v9PYFk=?= =?utf-16?B?fQ==?=", "你好");
        check("=?utf-16le?B?YE8=?= =?utf-16le?B?fVk=?=", "你好");
    }

    #[test]
    fn padding_in_the_middle_ends_nothing() {
        check("=?utf-8?b?5L2g5aU=vQ==?=", "你好");
        check("=?utf-8?b?YQ==YmM=?=", "abc");
    }

    #[test]
    fn spaces_are_text_inside_of_a_word_only() {
        check("  a b\t", "a b");
        check(" =?utf-8?q?_a_?= ", " a ");
        check("=?utf-8?b?SGVsbG8NCg==?=", "Hello");
    }

    #[test]
    fn octets_inside_of_a_word_have_its_charset() {
        let shielded =
            |value: &[u8], extended| String::from_utf8_lossy(&shield(value, extended)).into_owned();
        let word = shielded(b"=?iso-8859-1?Q?Die_Fr\xf6sche?= \xc3\xb6", false);
        assert_eq!(word, "=?iso-8859-1?Q?Die_Fr=F6sche?= ö");
        assert_eq!(decode(&word), "Die Frösche ö");
        assert_eq!(shielded(b"=?utf-8?b?YW\xf6Jj?=", false), "=?utf-8?b?YWJj?=");
        assert_eq!(
            shielded(b"=?iso-2022-jp?q?\x1b$B2q\x1b(B?=", false),
            "=?iso-2022-jp?q?=1B$B2q=1B(B?="
        );
        assert_eq!(shielded(b"a; n*=latin1''\xf6; m=x", true), "a; n*=latin1''%F6; m=x");
        assert_eq!(shielded(b"a*=\xc3\xb6", false), "a*=ö");
        assert!(matches!(shield(b"=?a?q?b?=", true), Cow::Borrowed(_)));
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
