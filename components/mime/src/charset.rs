//! Bytes to text, when the label is right, wrong or missing.
//!
//! Much mail says nothing about its charset, or something untrue. A label is believed when the bytes
//! agree with it; otherwise the bytes are asked, the way browsers do.
//!
//! Standards: RFC 2045 section 5.2 (default US-ASCII), WHATWG Encoding (labels; GBK is read as the
//! superset GB18030).

use chardetng::EncodingDetector;
use encoding_rs::EUC_KR;
use encoding_rs::Encoding;
use encoding_rs::GB18030;
use encoding_rs::ISO_2022_JP;
use mail_parser::decoders::charsets::map::charset_decoder;

/// How much of a body the detector looks at, in bytes: enough to be sure, and cheap.
const SAMPLE: usize = 16_384;

/// Decodes to UTF-8. Bytes that cannot be decoded become U+FFFD.
pub fn decode(label: Option<&str>, bytes: &[u8]) -> String {
    let label = label.map(|label| label.trim().trim_matches(['"', '\''])).unwrap_or_default();
    if is_ascii_label(label) || label.eq_ignore_ascii_case("utf-8") {
        return decode_unlabelled(bytes);
    }
    if let Some(encoding) = Encoding::for_label_no_replacement(label.as_bytes()) {
        let (text, failed) = encoding.decode_without_bom_handling(bytes);
        // Gateways convert to UTF-8 and forget the label.
        return match std::str::from_utf8(bytes) {
            Ok(utf8) if failed || !encoding.is_single_byte() && is_wide(utf8) => utf8.to_owned(),
            _ => text.into_owned(),
        };
    }
    match charset_decoder(label.as_bytes()) {
        Some(decoder) => decoder(bytes),
        None => decode_unlabelled(bytes),
    }
}

/// Decodes bytes about which nothing is known.
pub fn decode_unlabelled(bytes: &[u8]) -> String {
    if has_japanese_escape(bytes) {
        return ISO_2022_JP.decode_without_bom_handling(bytes).0.into_owned();
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text).to_owned(),
        Err(_) => guess(bytes).decode_without_bom_handling(bytes).0.into_owned(),
    }
}

/// The likeliest encoding of bytes that are not all UTF-8.
pub fn guess(bytes: &[u8]) -> &'static Encoding {
    // A UTF-8 text that was cut in the middle of a character, or that has one bad byte, stays UTF-8.
    if mostly_utf8(bytes) {
        return encoding_rs::UTF_8;
    }
    let sample = bytes.get(..SAMPLE).unwrap_or(bytes);
    let mut detector = EncodingDetector::new();
    detector.feed(sample, true);
    let (encoding, certain) = detector.guess_assess(None, false);
    // Short Chinese headers score badly, and are mistaken for accents or for Korean.
    let doubtful = !certain || encoding.is_single_byte() || encoding == EUC_KR;
    if doubtful && looks_like_gbk(sample) && (encoding != EUC_KR || !all_hangul(sample)) {
        return GB18030;
    }
    if encoding == encoding_rs::GBK { GB18030 } else { encoding }
}

/// EUC-KR keeps its syllables below 0xC9; Chinese of more than a few characters goes beyond.
fn all_hangul(bytes: &[u8]) -> bool {
    let mut high = bytes.iter().filter(|byte| **byte >= 0x80);
    let mut all = true;
    while let (Some(first), Some(_)) = (high.next(), high.next()) {
        all &= *first <= 0xc8;
    }
    all
}

/// Three characters of three bytes: no text in another multi-byte set looks so by chance.
fn is_wide(text: &str) -> bool {
    text.chars().filter(|character| *character >= '\u{800}').nth(2).is_some()
}

fn is_ascii_label(label: &str) -> bool {
    [
        "",
        "us-ascii",
        "ascii",
        "ansi_x3.4-1968",
        "unknown-8bit",
        "x-unknown",
        "default",
        "7bit",
        "8bit",
    ]
    .iter()
    .any(|known| label.eq_ignore_ascii_case(known))
}

fn has_japanese_escape(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|window| matches!(window, [0x1b, b'$', b'B' | b'@']))
}

fn mostly_utf8(bytes: &[u8]) -> bool {
    let (mut good, mut bad) = (0usize, 0usize);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().chars().filter(|character| !character.is_ascii()).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    good > 0 && good >= bad.saturating_mul(8)
}

/// Every byte from 0x81 up begins a pair that GB2312 holds (both bytes from 0xA1), and most first
/// bytes lie where the common characters do (0xB0 to 0xD7, GB2312 level 1).
fn looks_like_gbk(bytes: &[u8]) -> bool {
    let (mut pairs, mut common) = (0usize, 0usize);
    let mut rest = bytes.iter().copied();
    while let Some(first) = rest.next() {
        if first < 0x80 {
            continue;
        }
        match (first, rest.next()) {
            (0xa1..=0xf7, Some(0xa1..=0xfe)) => {
                pairs += 1;
                common += usize::from((0xb0..=0xd7).contains(&first) || first == 0xa3);
            }
            _ => return false,
        }
    }
    pairs >= 2 && common * 10 >= pairs * 7
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_believed() {
        check(Some("gb2312"), b"\xc4\xe3\xba\xc3", "你好");
        check(Some("GB18030"), b"\x95\x32\x82\x36", "\u{20000}");
        check(Some("big5"), b"\xa7\x41\xa6\x6e", "你好");
        check(Some("Shift_JIS"), b"\x82\xb1\x82\xf1", "こん");
        check(Some("ISO-2022-JP"), b"\x1b$B$3$s\x1b(B", "こん");
        check(Some("ks_c_5601-1987"), b"\xbe\xc8\xb3\xe7", "안녕");
        check(Some("EUC-KR"), b"\xbe\xc8\xb3\xe7", "안녕");
        check(Some("koi8-r"), b"\xf0\xf2\xe9\xf7\xe5\xf4", "ПРИВЕТ");
        check(Some("\"windows-1252\""), b"caf\xe9", "café");
        check(Some("utf-7"), b"Hi Mom -+Jjo--!", "Hi Mom -\u{263a}-!");
    }

    #[test]
    fn bytes_are_asked_when_the_label_is_missing_or_wrong() {
        check(None, "naïve".as_bytes(), "naïve");
        check(Some("us-ascii"), "你好".as_bytes(), "你好");
        check(None, b"\x1b$B$3$s\x1b(B", "こん");
        check(None, b"\xd5\xe2\xca\xc7\xd2\xbb\xb7\xe2\xd3\xca\xbc\xfe", "这是一封邮件");
        check(None, b"\xb0\xb3\xb3\xe7\xc7\xcf\xbc\xbc\xbf\xe4", "개녕하세요");
        check(Some("utf-8"), b"\xc4\xe3\xba\xc3\xca\xc0\xbd\xe7", "你好世界");
        check(None, b"r\xe9sum\xe9 of the caf\xe9", "résumé of the café");
        check(Some("gb2312"), "简体中文，标签".as_bytes(), "简体中文，标签");
        check(Some("no-such-charset"), "é".as_bytes(), "é");
    }

    #[test]
    fn a_cut_utf8_text_stays_utf8() {
        let mut bytes = "你好世界你好世界你好世界".as_bytes().to_vec();
        bytes.pop();
        check(None, &bytes, "你好世界你好世界你好世\u{fffd}");
    }

    #[track_caller]
    fn check(label: Option<&str>, bytes: &[u8], want: &str) {
        assert_eq!(decode(label, bytes), want, "{label:?} {bytes:x?}");
    }
}
