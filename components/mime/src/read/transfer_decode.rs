//! Content transfer decoding.
//!
//! The decoders accept real mail: misspelt encoding names, junk between base64 lines, padding in
//! the middle, soft breaks with trailing spaces. Invalid bytes are passed on or skipped, never an
//! error. Output is in chunks, so that a part is never twice in memory.
//!
//! Standards: RFC 2045 sections 6.7 and 6.8; uuencode as POSIX describes it.

use rules::percent::hex;

use crate::fault::{Code, Fault};
use crate::header::comments::skip_comments;
use crate::header::encoded_words::unfold;
use crate::octets::CHUNK;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Identity,
    QuotedPrintable,
    Base64,
    Uuencode,
}

impl Encoding {
    /// Parses the raw field value, without its comments. An unknown encoding is the identity.
    pub fn named(raw: Option<&str>) -> Self {
        // The longest name, however it is spelled.
        const LONGEST: usize = 40;

        let text = unfold(raw.unwrap_or_default());
        let mut word = String::new();
        let mut rest = skip_comments(&text);
        while !rest.is_empty() && word.len() < LONGEST {
            let end = rest.find([' ', '\t', '(', ';', ',']).unwrap_or(rest.len());
            let (piece, after) = rest.split_at(end);
            let letters = piece.chars().filter(char::is_ascii_alphanumeric);
            word.extend(letters.map(|letter| letter.to_ascii_lowercase()));
            if let Some(known) = Self::known(&word) {
                return known;
            }
            rest = skip_comments(after);
            if rest.starts_with([';', ',']) {
                break;
            }
        }
        Self::Identity
    }

    fn known(word: &str) -> Option<Self> {
        match word {
            "quotedprintable" => Some(Self::QuotedPrintable),
            "base64" => Some(Self::Base64),
            "xuuencode" | "uuencode" | "xuue" | "uue" => Some(Self::Uuencode),
            "7bit" | "8bit" | "binary" => Some(Self::Identity),
            _ => None,
        }
    }
}

/// Receiver of chunks of at most [`CHUNK`] bytes.
pub type Take<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), Fault>;

/// Decodes `body` in chunks.
///
/// # Errors
/// Those of `take`.
pub fn decode(encoding: Encoding, body: &[u8], take: Take<'_>) -> Result<(), Fault> {
    let mut pieces = Pieces { waiting: Vec::with_capacity(CHUNK.min(body.len())), take };
    match encoding {
        Encoding::Identity => body.chunks(CHUNK).try_for_each(&mut pieces.take)?,
        Encoding::Base64 => base64(body, &mut pieces)?,
        Encoding::QuotedPrintable => quoted_printable(body, &mut pieces)?,
        Encoding::Uuencode => uuencode(body, &mut pieces)?,
    }
    pieces.flush()
}

/// Decodes at most `limit` bytes into memory.
pub fn decode_start(encoding: Encoding, body: &[u8], limit: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    // The fault only stops the decoder; it is not returned.
    let _ = decode(encoding, body, &mut |piece| {
        let remaining = limit - bytes.len();
        bytes.extend_from_slice(piece.get(..remaining).unwrap_or(piece));
        if bytes.len() < limit { Ok(()) } else { Err(stop()) }
    });
    bytes
}

/// The length of the decoded part, in bytes.
pub fn decoded_size(encoding: Encoding, body: &[u8]) -> u64 {
    if encoding == Encoding::Identity {
        return body.len() as u64;
    }
    let mut size = 0;
    let _ = decode(encoding, body, &mut |piece| {
        size += piece.len() as u64;
        Ok(())
    });
    size
}

fn stop() -> Fault {
    Fault::of_message(Code::TooLarge, "enough")
}

struct Pieces<'a> {
    waiting: Vec<u8>,
    take: Take<'a>,
}

impl Pieces<'_> {
    fn push(&mut self, byte: u8) -> Result<(), Fault> {
        self.waiting.push(byte);
        if self.waiting.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Fault> {
        if !self.waiting.is_empty() {
            (self.take)(&self.waiting)?;
            self.waiting.clear();
        }
        Ok(())
    }
}

fn base64(body: &[u8], pieces: &mut Pieces<'_>) -> Result<(), Fault> {
    let (mut bits, mut count) = (0u32, 0u8);
    for &byte in body {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            // Padding ends a quantum; more may follow where two texts were concatenated.
            b'=' => {
                (bits, count) = (0, 0);
                continue;
            }
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            pieces.push((bits >> count & 0xff) as u8)?;
        }
    }
    Ok(())
}

fn quoted_printable(body: &[u8], pieces: &mut Pieces<'_>) -> Result<(), Fault> {
    let mut lines = body.split_inclusive(|byte| *byte == b'\n');
    lines.try_for_each(|line| {
        let text = line.trim_ascii_end();
        // White space at the end of a line was added in transport (RFC 2045 section 6.7, rule 3).
        let end = if line.ends_with(b"\r\n") {
            b"\r\n".as_slice()
        } else if line.ends_with(b"\n") {
            b"\n".as_slice()
        } else {
            b"".as_slice()
        };
        let (text, end) = match text.strip_suffix(b"=") {
            Some(soft) => (soft, b"".as_slice()),
            None => (text, end),
        };
        let mut rest = text;
        while let Some((first, tail)) = rest.split_first() {
            rest = tail;
            if let (b'=', [high, low, after @ ..]) = (first, tail)
                && let (Some(high), Some(low)) = (hex(*high), hex(*low))
            {
                pieces.push(high << 4 | low)?;
                rest = after;
            } else {
                pieces.push(*first)?;
            }
        }
        end.iter().try_for_each(|byte| pieces.push(*byte))
    })
}

fn uuencode(body: &[u8], pieces: &mut Pieces<'_>) -> Result<(), Fault> {
    /// The most bytes of a line. A length byte can be larger, and is used as far as there are
    /// characters.
    const LINE: usize = 45;

    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let lines = lines.skip_while(|line| !line.starts_with(b"begin ")).skip(1);
    let mut lines = lines.take_while(|line| line != b"end");
    lines.try_for_each(|line| {
        let Some((length, text)) = line.split_first() else { return Ok(()) };
        let six = |byte: &u8| byte.wrapping_sub(b' ') & 0x3f;
        let length = usize::from(six(length));
        let mut left = length;
        let mut groups = text.chunks(4);
        while left > 0 {
            let group = match groups.next() {
                Some(group) => group,
                // The length counts: white space at the end of a line is lost in transport, and
                // means zeros.
                None if length - left < LINE => &[],
                None => break,
            };
            let mut bits = 0u32;
            for index in 0..4 {
                bits = bits << 6 | u32::from(group.get(index).map(six).unwrap_or(0));
            }
            for shift in [16, 8, 0] {
                if left > 0 {
                    left -= 1;
                    pieces.push((bits >> shift & 0xff) as u8)?;
                }
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_generously() {
        for (raw, want) in [
            (" Base64;", Encoding::Base64),
            ("quoted-printable ", Encoding::QuotedPrintable),
            ("quoted - printable", Encoding::QuotedPrintable),
            ("7-bit", Encoding::Identity),
            ("8bits", Encoding::Identity),
            ("", Encoding::Identity),
            ("text/plain", Encoding::Identity),
            ("x-uuencode", Encoding::Uuencode),
            ("x-uue", Encoding::Uuencode),
            ("UUE", Encoding::Uuencode),
            ("(as usual) base64", Encoding::Base64),
            ("(as (so often) \\) it is)\n (so) base64(yes)", Encoding::Base64),
            ("quoted (a) - (b) printable (c); (d)", Encoding::QuotedPrintable),
            ("base64, base64", Encoding::Base64),
            ("base64 base64", Encoding::Base64),
            ("8bit (not base64)", Encoding::Identity),
            ("8bit; base64", Encoding::Identity),
            ("8bit base64", Encoding::Identity),
            ("(base64)", Encoding::Identity),
            ("banana; base64", Encoding::Identity),
            ("no base64", Encoding::Identity),
        ] {
            assert_eq!(Encoding::named(Some(raw)), want, "{raw:?}");
        }
    }

    #[test]
    fn base64_with_junk() {
        check(Encoding::Base64, b"aGVs\r\nbG8=", b"hello");
        check(Encoding::Base64, b"aG!Vs\n\n--\0bG8", b"hello");
        check(Encoding::Base64, b"aGVsbG8=aGVsbG8=", b"hellohello");
        check(Encoding::Base64, b"", b"");
        check(Encoding::Base64, b"=====", b"");
    }

    #[test]
    fn quoted_printable_with_junk() {
        check(
            Encoding::QuotedPrintable,
            b"caf=C3=A9=\r\n au  \r\nlait",
            "café au\r\nlait".as_bytes(),
        );
        check(Encoding::QuotedPrintable, b"a=  \nb=", b"ab");
        check(Encoding::QuotedPrintable, b"=0D=0A=ZZ=4", b"\r\n=ZZ=4");
        check(Encoding::QuotedPrintable, b"=e4=bd=a0", "你".as_bytes());
    }

    #[test]
    fn uuencoded_text() {
        check(Encoding::Uuencode, b"begin 644 x\r\n%:&5L;&\\\r\n`\r\nend\r\n", b"hello");
        check(Encoding::Uuencode, b"no beginning", b"");
        check(
            Encoding::Uuencode,
            b"begin 644 x\n&:&4   \n'\n \nend\n",
            b"he\0\0\0\0\0\0\0\0\0\0\0",
        );
    }

    #[test]
    fn the_zeros_that_a_uuencoded_line_lost_are_all_there() {
        for (line, want) in [("M", 45), ("M  ", 45), ("_", 45), ("#", 3), (" ", 0)] {
            let body = format!("begin 644 x\n{}end\n", format!("{line}\n").repeat(10_000));
            let size = decoded_size(Encoding::Uuencode, body.as_bytes());
            assert_eq!(size, want * 10_000, "{line:?}");
        }
        let long = format!("begin 644 x\n_{}\nend\n", "A".repeat(84));
        assert_eq!(decoded_size(Encoding::Uuencode, long.as_bytes()), 63);
    }

    #[test]
    fn a_long_name_costs_no_more_than_its_length() {
        for piece in ["(", "()", "a ", "a(b)", " ", "; ", "-"] {
            assert_eq!(Encoding::named(Some(&piece.repeat(500_000))), Encoding::Identity);
        }
    }

    #[test]
    fn a_start_is_decoded_without_the_rest() {
        assert_eq!(decode_start(Encoding::Base64, &b"aGVsbG8h".repeat(100_000), 8), b"hello!he");
        assert_eq!(decode_start(Encoding::Identity, b"abc", 8), b"abc");
    }

    #[track_caller]
    fn check(encoding: Encoding, body: &[u8], want: &[u8]) {
        let mut found = Vec::new();
        decode(encoding, body, &mut |piece| {
            found.extend_from_slice(piece);
            Ok(())
        })
        .unwrap();
        assert_eq!(found, want);
        assert_eq!(decoded_size(encoding, body), want.len() as u64);
    }
}
