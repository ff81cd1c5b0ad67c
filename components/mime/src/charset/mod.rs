//! Charset decoding: bytes to UTF-8, by the declared charset.
//!
//! A label is trusted, however short the text: what does not decode is U+FFFD, never another
//! charset. Only labels that senders are known to misuse stand for another charset, as WHATWG lists
//! them (iso-8859-1 is windows-1252, gb2312 is GBK). Where nothing is declared the charset is
//! detected.
//!
//! Standards: RFC 2045 section 5.2 (default US-ASCII), RFC 2978 (labels), WHATWG Encoding.

pub mod dos_code_pages;
pub mod iso2022;
pub mod utf;
pub mod labels;

use chardetng::EncodingDetector;
use encoding_rs::EUC_KR;
use encoding_rs::Encoding;
use encoding_rs::GB18030;
use encoding_rs::GBK;
use encoding_rs::UTF_8;
use encoding_rs::WINDOWS_1252;

use crate::charset::dos_code_pages::decode as decode_codepage;
use crate::charset::iso2022::{Family, decode as decode_iso2022, decode_hz};
use crate::charset::labels::{Charset, named};
use crate::charset::utf::{decode_utf7, decode_utf16, decode_utf32};

/// The bytes of a body that the detector examines: enough for a result, and cheap.
const SAMPLE: usize = 16_384;

/// Decodes to UTF-8. Bytes that cannot be decoded become U+FFFD.
pub fn decode(label: Option<&str>, bytes: &[u8]) -> String {
    match label.and_then(named) {
        Some(Charset::Web(encoding)) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
        Some(Charset::CodePage(upper_half)) => decode_codepage(upper_half, bytes),
        Some(Charset::Iso2022(family)) => decode_iso2022(family, bytes),
        Some(Charset::Hz) => decode_hz(bytes),
        Some(Charset::Utf7) => decode_utf7(bytes),
        Some(Charset::Utf16(order)) => decode_utf16(order, bytes),
        Some(Charset::Utf32(order)) => decode_utf32(order, bytes),
        Some(Charset::Ascii) => decode_ascii(bytes),
        Some(Charset::Unknown) | None => decode_unlabelled(bytes),
    }
}

/// Decodes the start of a body: a byte order mark there is not part of the text (RFC 3629 section
/// 6), whatever is declared.
pub fn decode_body(label: Option<&str>, bytes: &[u8]) -> String {
    let text = decode(label, bytes);
    text.strip_prefix(MARK).map(str::to_owned).unwrap_or(text)
}

/// U+FEFF, the byte order mark.
pub const MARK: char = '\u{feff}';

/// US-ASCII is the default of software that does not know its charset. Bytes beyond it are UTF-8
/// where they are valid, else windows-1252, which is how browsers decode this label.
fn decode_ascii(bytes: &[u8]) -> String {
    if let Some(family) = escaped(bytes) {
        return decode_iso2022(family, bytes);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) if mostly_utf8(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

/// Decodes bytes without a declared charset.
pub fn decode_unlabelled(bytes: &[u8]) -> String {
    if let Some(family) = escaped(bytes) {
        return decode_iso2022(family, bytes);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix(MARK).unwrap_or(text).to_owned(),
        Err(_) => guess(bytes).decode_without_bom_handling(bytes).0.into_owned(),
    }
}

/// The likeliest encoding of bytes that are not entirely UTF-8.
pub fn guess(bytes: &[u8]) -> &'static Encoding {
    // UTF-8 text that was cut within a character, or that has one invalid byte, stays UTF-8.
    if mostly_utf8(bytes) {
        return UTF_8;
    }
    let sample = bytes.get(..SAMPLE).unwrap_or(bytes);
    let mut detector = EncodingDetector::new();
    detector.feed(sample, true);
    let (encoding, certain) = detector.guess_assess(None, false);
    // The detector scores short Chinese headers low, and mistakes them for accented letters or
    // Korean.
    let doubtful = !certain || encoding.is_single_byte() || encoding == EUC_KR;
    if doubtful && looks_like_gbk(sample) && (encoding != EUC_KR || !all_hangul(sample)) {
        return GB18030;
    }
    if encoding == GBK { GB18030 } else { encoding }
}

/// Korean: EUC-KR has its syllables below 0xC9; Chinese of more than a few characters goes beyond.
fn all_hangul(bytes: &[u8]) -> bool {
    let mut high = bytes.iter().filter(|byte| **byte >= 0x80);
    let mut all = true;
    while let (Some(first), Some(_)) = (high.next(), high.next()) {
        all &= *first <= 0xc8;
    }
    all
}

/// The encoding whose double-byte set is designated first.
fn escaped(bytes: &[u8]) -> Option<Family> {
    bytes.windows(4).chain([bytes.get(..3).unwrap_or_default()]).find_map(|window| match window {
        [0x1b, b'$', b'B' | b'@', ..] => Some(Family::Japanese),
        [0x1b, b'$', b')', b'C'] => Some(Family::Korean),
        [0x1b, b'$', b')', b'A'] => Some(Family::Chinese),
        _ => None,
    })
}

fn mostly_utf8(bytes: &[u8]) -> bool {
    let (mut good, mut bad) = (0usize, 0usize);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().chars().filter(|character| !character.is_ascii()).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    good > 0 && good >= bad.saturating_mul(8)
}

/// Whether every byte from 0x81 up begins a pair of GB2312 (both bytes from 0xA1), and most first
/// bytes are in the range of the common characters (0xB0 to 0xD7, GB2312 level 1).
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
    fn a_label_is_believed_however_short_or_cut_the_text() {
        check(Some("utf-8"), b"\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe4\xbd", "你好世\u{fffd}");
        check(Some("utf-8"), b"\xe4\xbd", "\u{fffd}");
        check(Some("utf-8"), b"\xc4\xe3\xba\xc3", "\u{fffd}\u{fffd}\u{fffd}");
        check(Some("gb2312"), "é€".as_bytes(), "茅鈧�");
        check(Some("iso-2022-jp"), "你".as_bytes(), "\u{fffd}\u{fffd}\u{fffd}");
        check(Some("shift_jis"), b"\x82\xb1\x82", "こ\u{fffd}");
    }

    #[test]
    fn labels_that_are_misused_mean_what_senders_mean() {
        check(Some("iso-8859-1"), b"\x93caf\xe9\x94 \x80", "“café” €");
        check(Some("us-ascii"), b"\x93caf\xe9\x94", "“café”");
        check(Some("us-ascii"), "你好".as_bytes(), "你好");
        check(Some("us-ascii"), b"\x1b$B$3$s\x1b(B", "こん");
        check(Some("iso-8859-9"), b"\x80", "€");
        check(Some("gb2312"), b"\x95\x32\x82\x36\x80", "\u{20000}€");
        check(Some("ks_c_5601-1987"), b"\x81\x41", "갂");
        check(Some("shift_jis"), b"\x87\x40", "①");
    }

    #[test]
    fn bytes_are_asked_when_there_is_no_label() {
        check(None, "naïve".as_bytes(), "naïve");
        check(None, b"\x1b$B$3$s\x1b(B", "こん");
        check(None, b"\x1b$)C\x0e>H3g\x0f", "안녕");
        check(None, b"\xd5\xe2\xca\xc7\xd2\xbb\xb7\xe2\xd3\xca\xbc\xfe", "这是一封邮件");
        check(None, b"\xb0\xb3\xb3\xe7\xc7\xcf\xbc\xbc\xbf\xe4", "개녕하세요");
        check(None, b"r\xe9sum\xe9 of the caf\xe9", "résumé of the café");
        check(Some("no-such-charset"), "é".as_bytes(), "é");
        check(Some("unknown-8bit"), b"\xc4\xe3\xba\xc3\xca\xc0\xbd\xe7", "你好世界");
        check(Some(""), "é".as_bytes(), "é");
    }

    #[test]
    fn a_byte_order_mark_is_no_text_of_a_body() {
        for (label, bytes) in [
            (Some("utf-8"), &b"\xef\xbb\xbfabc"[..]),
            (Some("us-ascii"), b"\xef\xbb\xbfabc"),
            (Some("gb18030"), b"\x84\x31\x95\x33abc"),
            (Some("gbk"), b"\x84\x31\x95\x33abc"),
            (Some("utf-7"), b"+/v8-abc"),
            (Some("utf-16"), b"\xfe\xff\0a\0b\0c"),
            (Some("no-such-charset"), b"\xef\xbb\xbfabc"),
            (None, b"\xef\xbb\xbfabc"),
        ] {
            assert_eq!(decode_body(label, bytes), "abc", "{label:?}");
        }
        // The first is the mark, and the second is text.
        let twice = "\u{feff}\u{feff}a\u{feff}";
        assert_eq!(decode_body(Some("utf-8"), twice.as_bytes()), "\u{feff}a\u{feff}");
        // A word is not a body.
        check(Some("utf-8"), "\u{feff}a".as_bytes(), "\u{feff}a");
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
