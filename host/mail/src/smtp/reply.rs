//! Parser of SMTP replies: lines in, [`Reply`] out.
//!
//! Pure; what a code means for a step is decided elsewhere.
//!
//! Invariant: a reply ends with the line that has no hyphen after its code, and every line of it
//! has the same code; anything else is not a reply.
//!
//! Standards: RFC 5321 §4.2 (replies), RFC 3463 and RFC 2034 (enhanced codes).

use model::port::smtp::Reply;
use rules::foreign_text::printable;

/// Collects the lines of one reply.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    code: Option<u16>,
    texts: Vec<Vec<u8>>,
}

/// The state after a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More lines follow.
    More,
    /// That was the last line.
    Complete,
}

/// Not an SMTP reply.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoReply;

impl Lines {
    /// Adds a line without its end.
    ///
    /// Deviation: the ABNF caps the second digit at 5; servers in the wild do not.
    pub(crate) fn push(&mut self, line: &[u8]) -> Result<Progress, NoReply> {
        let (digits, rest) = line.split_at_checked(3).ok_or(NoReply)?;
        let code = std::str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse::<u16>().ok())
            .filter(|code| (200..600).contains(code))
            .ok_or(NoReply)?;
        if self.code.is_some_and(|first| first != code) {
            return Err(NoReply);
        }
        self.code = Some(code);
        let (progress, text) = match rest.split_first() {
            // RFC 5321 §4.2: clients must accept a code without text.
            None => (Progress::Complete, rest),
            Some((b' ', text)) => (Progress::Complete, text),
            Some((b'-', text)) => (Progress::More, text),
            Some(_) => return Err(NoReply),
        };
        self.texts.push(text.to_vec());
        Ok(progress)
    }

    /// The raw text of every line: the extensions in a reply to EHLO.
    pub(crate) fn texts(&self) -> impl Iterator<Item = String> {
        self.texts.iter().map(|text| String::from_utf8_lossy(text).into_owned())
    }

    /// The complete reply. Its text has a repeated enhanced code once.
    pub(crate) fn reply(&self) -> Reply {
        let code = self.code.unwrap_or_default();
        let first = self.texts.first().map(Vec::as_slice).unwrap_or_default();
        let enhanced = enhanced_code(code, first).map(<[u8]>::to_vec);
        let mut joined = Vec::new();
        for (index, line) in self.texts.iter().enumerate() {
            let repeated = enhanced.as_deref().filter(|_| index > 0);
            let line = repeated.and_then(|code| line.strip_prefix(code)).unwrap_or(line);
            if index > 0 {
                joined.push(b' ');
            }
            joined.extend_from_slice(line.trim_ascii());
        }
        Reply {
            code,
            enhanced: enhanced.map(|code| String::from_utf8_lossy(&code).into_owned()),
            text: printable(joined),
        }
    }
}

/// The enhanced code at the beginning of a text. RFC 2034 §4: its class agrees with the reply's.
fn enhanced_code(code: u16, text: &[u8]) -> Option<&[u8]> {
    let word = text.split(|&byte| byte == b' ').next()?;
    let mut parts = word.split(|&byte| byte == b'.');
    let class = parts.next()?;
    let is_number =
        |part: &[u8]| (1..=3).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    let agrees = matches!(class, [digit] if matches!(digit, b'2' | b'4' | b'5')
        && u16::from(digit - b'0') == code / 100);
    let fits = agrees
        && parts.next().is_some_and(is_number)
        && parts.next().is_some_and(is_number)
        && parts.next().is_none();
    fits.then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_as_servers_write_them() {
        check(&["250 2.1.0 Ok"], 250, Some("2.1.0"), "2.1.0 Ok");
        check(&["250"], 250, None, "");
        check(&["250 "], 250, None, "");
        check(&["554 5.7.1 no", ""], 554, Some("5.7.1"), "5.7.1 no");
        check(&["450 5.7.1 the classes disagree"], 450, None, "5.7.1 the classes disagree");
        check(&["250 2.0 of what"], 250, None, "2.0 of what");
        check(&["571 a second digit of seven"], 571, None, "a second digit of seven");
        check(
            &["550-5.7.25 The address has no", "550 5.7.25 PTR record"],
            550,
            Some("5.7.25"),
            "5.7.25 The address has no PTR record",
        );
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for line in ["", "25", "abc hello", "199 no", "600 no", "250_no", "2５0 no", "HTTP/1.1 500"]
        {
            assert_eq!(Lines::default().push(line.as_bytes()), Err(NoReply), "{line:?}");
        }
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"250-a"), Ok(Progress::More));
        assert_eq!(lines.push(b"550 b"), Err(NoReply));
    }

    #[track_caller]
    fn check(input: &[&str], code: u16, enhanced: Option<&str>, text: &str) {
        let mut lines = Lines::default();
        for line in input {
            if lines.push(line.as_bytes()) == Ok(Progress::Complete) {
                break;
            }
        }
        let want = Reply { code, enhanced: enhanced.map(str::to_owned), text: text.to_owned() };
        assert_eq!(lines.reply(), want);
    }
}
