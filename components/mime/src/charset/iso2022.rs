//! ISO-2022 charsets and HZ: stateful seven-bit encodings, in which escape sequences select
//! character sets.
//!
//! encoding_rs has one of them, ISO-2022-JP, with the rules for web pages: there two consecutive
//! escapes are an attack. In mail they come from senders that encode character by character.
//!
//! Invariant: linear; an invalid sequence is U+FFFD, and no escape character is in the output.
//!
//! Standards: RFC 1468 (ISO-2022-JP), RFC 1554 (ISO-2022-JP-2), RFC 2237 (ISO-2022-JP-1), RFC 1557
//! (ISO-2022-KR), RFC 1922 (ISO-2022-CN; of its sets only GB 2312), RFC 1843 (HZ).

use encoding_rs::{EUC_JP, EUC_KR, GBK, ISO_8859_7};

/// The ISO-2022 encodings. They differ in the default of G1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Japanese,
    Korean,
    Chinese,
}

const BAD: char = '\u{fffd}';

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Ascii,
    /// JIS X 0201, left half.
    Roman,
    /// JIS X 0201, right half.
    Katakana,
    Jis0208,
    Jis0212,
    Gb2312,
    Ksc5601,
    /// A double-byte set for which there is no table here.
    Pairs,
    /// The right half of ISO 8859-1.
    Latin1,
    /// The right half of ISO 8859-7.
    Greek,
}

impl Set {
    fn is_wide(self) -> bool {
        matches!(self, Self::Jis0208 | Self::Jis0212 | Self::Gb2312 | Self::Ksc5601 | Self::Pairs)
    }
}

/// The effect of an escape sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    G0(Set),
    G1(Set),
    G2(Set),
    /// Single shift: the next byte is of G2.
    OneOfG2,
    Nothing,
}

/// Escape sequences (ECMA-35 section 14): those of the standards above, and misspelt ones that
/// occur.
const ESCAPES: [(&[u8], Change); 24] = [
    (b"(B", Change::G0(Set::Ascii)),
    (b"(J", Change::G0(Set::Roman)),
    // The Swedish set, written by old Japanese software in place of the one above.
    (b"(H", Change::G0(Set::Roman)),
    (b"(I", Change::G0(Set::Katakana)),
    (b"$@", Change::G0(Set::Jis0208)),
    (b"$B", Change::G0(Set::Jis0208)),
    (b"$(@", Change::G0(Set::Jis0208)),
    (b"$(B", Change::G0(Set::Jis0208)),
    // JIS X 0213, plane 1: a superset. Its own characters are replaced.
    (b"$(O", Change::G0(Set::Jis0208)),
    (b"$(Q", Change::G0(Set::Jis0208)),
    (b"$(P", Change::G0(Set::Pairs)),
    (b"$(D", Change::G0(Set::Jis0212)),
    (b"$A", Change::G0(Set::Gb2312)),
    (b"$(A", Change::G0(Set::Gb2312)),
    (b"$(C", Change::G0(Set::Ksc5601)),
    (b"$)C", Change::G1(Set::Ksc5601)),
    (b"$)A", Change::G1(Set::Gb2312)),
    (b"$)G", Change::G1(Set::Pairs)),
    (b"$)E", Change::G1(Set::Pairs)),
    (b"$*H", Change::G2(Set::Pairs)),
    (b".A", Change::G2(Set::Latin1)),
    (b".F", Change::G2(Set::Greek)),
    (b"N", Change::OneOfG2),
    // Announces the revision of 1990 of the set that follows.
    (b"&@", Change::Nothing),
];

/// Decodes text that begins in ASCII.
pub fn decode(family: Family, bytes: &[u8]) -> String {
    let mut state = State {
        g0: Set::Ascii,
        g1: match family {
            Family::Japanese => Set::Katakana,
            Family::Korean => Set::Ksc5601,
            Family::Chinese => Set::Gb2312,
        },
        g2: None,
        shifted: false,
    };
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            0x1b => rest = state.escape(after, &mut text),
            0x0e => state.shifted = true,
            0x0f => state.shifted = false,
            // Each standard requires that a line ends in a single-byte set; a writer that omitted
            // the escape did not mean the next line.
            b'\r' | b'\n' => {
                state.end_line();
                text.push(char::from(*first));
            }
            0x21..=0x7e if state.set().is_wide() => {
                rest = pairs(state.set(), *first, after, &mut text);
            }
            0x80.. => text.push(BAD),
            _ => text.push(single(state.set(), *first)),
        }
    }
    text
}

struct State {
    g0: Set,
    g1: Set,
    g2: Option<Set>,
    /// G1 is in use, by SO and until SI.
    shifted: bool,
}

impl State {
    fn set(&self) -> Set {
        if self.shifted { self.g1 } else { self.g0 }
    }

    fn end_line(&mut self) {
        self.shifted = false;
        if self.g0.is_wide() {
            self.g0 = Set::Ascii;
        }
    }

    /// Applies the escape sequence that `after` begins with, without its ESC; returns the rest.
    fn escape<'a>(&mut self, after: &'a [u8], text: &mut String) -> &'a [u8] {
        let known = ESCAPES.iter().find(|(sequence, _)| after.starts_with(sequence));
        let Some((sequence, change)) = known else {
            text.push(BAD);
            return after;
        };
        let rest = after.get(sequence.len()..).unwrap_or_default();
        match change {
            Change::G0(set) => self.g0 = *set,
            Change::G1(set) => self.g1 = *set,
            Change::G2(set) => self.g2 = Some(*set),
            Change::OneOfG2 => return self.one_of_g2(rest, text),
            Change::Nothing => {}
        }
        rest
    }

    fn one_of_g2<'a>(&self, rest: &'a [u8], text: &mut String) -> &'a [u8] {
        match (self.g2, rest) {
            (Some(set @ (Set::Latin1 | Set::Greek)), [byte @ 0x20..=0x7f, after @ ..]) => {
                text.push(single(set, *byte));
                after
            }
            (Some(Set::Pairs), [0x21..=0x7e, 0x21..=0x7e, after @ ..]) => {
                text.push(BAD);
                after
            }
            _ => {
                text.push(BAD);
                rest
            }
        }
    }
}

/// A byte below 0x80 in a single-byte set; white space and controls are the same in all of them.
fn single(set: Set, byte: u8) -> char {
    match (set, byte) {
        (Set::Roman, b'\\') => '\u{a5}',
        (Set::Roman, b'~') => '\u{203e}',
        (Set::Katakana, 0x21..=0x5f) => {
            char::from_u32(0xff61 + u32::from(byte - 0x21)).unwrap_or(BAD)
        }
        (Set::Katakana, 0x60..=0x7e) => BAD,
        (Set::Latin1, _) => char::from(byte | 0x80),
        (Set::Greek, _) => {
            let bytes = [byte | 0x80];
            let (text, _) = ISO_8859_7.decode_without_bom_handling(&bytes);
            text.chars().next().unwrap_or(BAD)
        }
        _ => char::from(byte),
    }
}

/// Decodes the consecutive pairs that begin with `first`; returns the rest. With the high bits set
/// they are EUC, which encoding_rs has.
fn pairs<'a>(set: Set, first: u8, after: &'a [u8], text: &mut String) -> &'a [u8] {
    let (mut first, mut rest) = (first, after);
    let mut euc = Vec::new();
    let bad = loop {
        let Some((second @ 0x21..=0x7e, after)) = rest.split_first() else { break true };
        if set == Set::Jis0212 {
            euc.push(0x8f);
        }
        euc.extend([first | 0x80, second | 0x80]);
        rest = after;
        match rest.split_first() {
            Some((next @ 0x21..=0x7e, after)) => (first, rest) = (*next, after),
            _ => break false,
        }
    };
    let encoding = match set {
        Set::Jis0208 | Set::Jis0212 => Some(EUC_JP),
        Set::Ksc5601 => Some(EUC_KR),
        Set::Gb2312 => Some(GBK),
        Set::Ascii | Set::Roman | Set::Katakana | Set::Pairs | Set::Latin1 | Set::Greek => None,
    };
    match encoding {
        Some(encoding) => text.push_str(&encoding.decode_without_bom_handling(&euc).0),
        None => text.extend(euc.chunks(2).map(|_| BAD)),
    }
    if bad {
        text.push(BAD);
    }
    rest
}

/// HZ: GB 2312 between `~{` and `~}`.
pub fn decode_hz(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut wide = false;
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'~', [b'{', after @ ..]) => (wide, rest) = (true, after),
            (b'~', [b'}', after @ ..]) => (wide, rest) = (false, after),
            (b'~', [b'~', after @ ..]) if !wide => {
                text.push('~');
                rest = after;
            }
            // A line continuation.
            (b'~', [b'\r', b'\n', after @ ..] | [b'\n', after @ ..]) if !wide => rest = after,
            (b'~', _) | (0x80.., _) => text.push(BAD),
            (b'\r' | b'\n', _) => {
                wide = false;
                text.push(char::from(*first));
            }
            (0x21..=0x7d, _) if wide => {
                // Up to the next tilde, which is never a first byte.
                let end = after.iter().position(|byte| matches!(byte, b'~' | b'\r' | b'\n'));
                let end = end.unwrap_or(after.len());
                let (run, tail) = after.split_at_checked(end).unwrap_or((after, &[]));
                rest = hz_run(*first, run, tail, &mut text);
            }
            _ => text.push(char::from(*first)),
        }
    }
    text
}

/// A tilde may be the second byte of a pair: then it belongs to the run.
fn hz_run<'a>(first: u8, run: &'a [u8], tail: &'a [u8], text: &mut String) -> &'a [u8] {
    let mut euc = vec![first];
    euc.extend_from_slice(run);
    let mut rest = tail;
    if euc.len() % 2 == 1
        && let Some((tilde @ b'~', after)) = tail.split_first()
        && !matches!(after.first(), Some(b'}'))
    {
        euc.push(*tilde);
        rest = after;
    }
    for pair in euc.chunks(2) {
        match pair {
            [first @ 0x21..=0x7e, second @ 0x21..=0x7e] => {
                let pair = [first | 0x80, second | 0x80];
                text.push_str(&GBK.decode_without_bom_handling(&pair).0);
            }
            _ => text.push(BAD),
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_may_follow_each_other() {
        japanese(b"\x1b$B2q5D\x1b(B\x1b$B$N7o\x1b(B", "会議の件");
        japanese(b"\x1b$@\x1b$B2q\x1b(B\x1b(J\x1b(B.", "会.");
        japanese(b"\x1b(J\\~\x1b(B\\~", "\u{a5}\u{203e}\\~");
        japanese(b"\x1b(I6E\x1b(B6E", "ｶﾅ6E");
        japanese(b"\x0e6E\x0f6E", "ｶﾅ6E");
    }

    #[test]
    fn all_sets_of_iso_2022_jp_2() {
        japanese(b"\x1b$(D0/\x1b(B", "\u{4e40}");
        japanese(b"\x1b$AVPND\x1b(B", "中文");
        japanese(b"\x1b$(CGQ1[\x1b(B", "한글");
        japanese(b"\x1b.Acaf\x1bNi", "café");
        japanese(b"\x1b.F\x1bNa\x1bNb", "αβ");
        japanese(b"\x1b&@\x1b$B2q\x1b(B", "会");
    }

    #[test]
    fn a_bad_sequence_is_replaced_and_never_shown() {
        japanese(b"a\x1bZb", "a\u{fffd}Zb");
        japanese(b"\x1b$B2\x1b(Bx", "\u{fffd}x");
        japanese(b"\x1b$B2q5", "会\u{fffd}");
        japanese(b"\x1b$B2q\nabc", "会\nabc");
        japanese(b"\x1b", "\u{fffd}");
        japanese(b"\xc4\xe3", "\u{fffd}\u{fffd}");
        japanese(b"\x1b$(P!!", "\u{fffd}");
        japanese(b"\x1bNa", "\u{fffd}a");
    }

    #[test]
    fn korean_and_chinese() {
        check(
            &decode(Family::Korean, b"\x1b$)C\x0e>H3gGO<<?d\x0f\r\nhello"),
            "안녕하세요\r\nhello",
        );
        check(&decode(Family::Korean, b"\x0e>H3g\nhello"), "안녕\nhello");
        check(&decode(Family::Chinese, b"\x1b$)A\x0eVPND\x0f."), "中文.");
        check(&decode(Family::Chinese, b"\x1b$)G\x0eVPND\x0f."), "\u{fffd}\u{fffd}.");
    }

    #[test]
    fn hz() {
        check(&decode_hz(b"a ~{VPND~} b"), "a 中文 b");
        check(&decode_hz(b"~{<:Ky2;S{#,NpJ)l6HK!#~}Bye."), "己所不欲，勿施於人。Bye.");
        check(&decode_hz(b"1 ~~ 2~\n3"), "1 ~ 23");
        check(&decode_hz(b"~{VP\nND"), "中\nND");
        check(&decode_hz(b"~{V~}x"), "\u{fffd}x");
        check(&decode_hz(b"~x\x80"), "\u{fffd}x\u{fffd}");
    }

    #[track_caller]
    fn japanese(bytes: &[u8], want: &str) {
        check(&decode(Family::Japanese, bytes), want);
    }

    #[track_caller]
    fn check(found: &str, want: &str) {
        assert_eq!(found, want);
    }
}
