//! Reader of one IMAP command with its literals, within limits.
//!
//! It must find the end of a command before the codec sees it: a literal is announced at the end of
//! a line, and the client may wait for a continuation request.
//!
//! Invariant: a literal is counted against the limit before the continuation request, and a
//! non-synchronising one that is too large ends the session, since its octets must never be read as
//! commands.
//!
//! Standards: RFC 3501 §4.3, RFC 7888 (LITERAL+).

use std::io;
use std::time::Duration;

use imap_codec::imap_types::core::Tag;

use crate::connection_context::{ConnectionContext, Turn};
use crate::fault_injection::Protocol;
use crate::imap::answer::Answer;
use crate::store::UserId;
use crate::wire::{Line, Wire, within};

/// Maximum length of a command line. Long sets of UIDs make long lines.
pub(crate) const LINE_CAP: usize = 64 * 1024;
/// Time limit of a literal.
const LITERAL_LIMIT: Duration = Duration::from_secs(10 * 60);

/// Maximum input of a client, and the idle timeout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Octets of one command with its literals.
    pub(crate) octets: usize,
    pub(crate) patience: Duration,
}

impl Limits {
    /// Before login.
    pub(crate) const STRANGER: Self = Self { octets: 8 * 1024, patience: Duration::from_secs(60) };
    /// After login: a message of 35 MiB and its command; RFC 3501 §5.4 asks for at least 30
    /// minutes.
    pub(crate) const USER: Self =
        Self { octets: 36_700_160 + LINE_CAP, patience: Duration::from_secs(30 * 60) };
}

/// The result of [`read`].
pub(crate) enum Command {
    Whole(Vec<u8>),
    /// Its literal was refused; with the line that announced it.
    Refused(Vec<u8>, Answer),
    /// The rest of the input cannot be parsed.
    Hopeless(&'static str),
    End,
}

/// The next command of `user`.
pub(crate) async fn read(
    wire: &mut Wire,
    site: &ConnectionContext,
    user: Option<UserId>,
) -> io::Result<Command> {
    let limits = if user.is_some() { Limits::USER } else { Limits::STRANGER };
    let (mut octets, mut unasked) = (Vec::new(), false);
    loop {
        let line = match within(limits.patience, wire.line(LINE_CAP)).await? {
            Line::Whole(line) => line,
            // Its tag is lost: the client could wait for a response for ever.
            Line::TooLong => return Ok(Command::Hopeless("* BYE line too long")),
            Line::End => return Ok(Command::End),
        };
        octets.extend_from_slice(&line);
        let Some((length, waits)) = announced(&line) else {
            return Ok(if unasked && !site.offers("LITERAL+") {
                Command::Refused(octets, Answer::bad("LITERAL+ is not offered"))
            } else {
                Command::Whole(octets)
            });
        };
        if octets.len().saturating_add(length) > limits.octets {
            return Ok(if waits {
                Command::Refused(octets, Answer::no("[TOOBIG] literal too large"))
            } else {
                Command::Hopeless("* BYE literal too large")
            });
        }
        unasked |= !waits;
        let tag = tag_of(&octets);
        if waits {
            let step = format!("+ {}", line_of(&octets));
            if site.hear(wire, Protocol::Imap, user, &tag, &step).await? == Turn::Answered {
                return Ok(Command::Refused(octets, Answer::Given));
            }
            wire.say(b"+ go ahead\r\n").await?;
        }
        if site.hear(wire, Protocol::Imap, user, &tag, "literal").await? == Turn::Answered {
            return Ok(Command::End);
        }
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        within(LITERAL_LIMIT, wire.exactly(&mut octets, length)).await?;
    }
}

/// The length of the literal that this line announces at its end, and whether the client waits for
/// a continuation request.
fn announced(line: &[u8]) -> Option<(usize, bool)> {
    let inner = line.strip_suffix(b"}\r\n")?;
    let open = inner.iter().rposition(|byte| *byte == b'{')?;
    let text = std::str::from_utf8(inner.get(open + 1..)?).ok()?;
    let digits = text.strip_suffix('+').unwrap_or(text);
    let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| (digits.parse().unwrap_or(usize::MAX), digits.len() == text.len()))
}

/// The tag for the response, even when the rest is invalid.
pub(crate) fn tag_of(octets: &[u8]) -> String {
    let word = octets.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    let text = std::str::from_utf8(word).ok().filter(|text| text.len() <= 64);
    match text.map(Tag::try_from) {
        Some(Ok(tag)) => tag.as_ref().to_owned(),
        _ => "*".to_owned(),
    }
}

/// The first line without its tag.
pub(crate) fn line_of(octets: &[u8]) -> String {
    let line = octets.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let text = String::from_utf8_lossy(line.trim_ascii_end());
    text.split_once(' ').map(|(_, rest)| rest.to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{announced, tag_of};

    #[test]
    fn a_literal_is_announced_at_the_end_of_a_line_only() {
        check("a LOGIN {5}\r\n", Some((5, true)));
        check("a LOGIN {5+}\r\n", Some((5, false)));
        check("a SEARCH \"{5}\"\r\n", None);
        check("a LOGIN {5}\n", None);
        check("a LOGIN {-5}\r\n", None);
        check("a LOGIN {}\r\n", None);
        check("a LOGIN {99999999999999999999999}\r\n", Some((usize::MAX, true)));
    }

    #[test]
    fn nonsense_has_no_tag() {
        assert_eq!(tag_of(b"a1 NOOP\r\n"), "a1");
        assert_eq!(tag_of(b"\r\n"), "*");
        assert_eq!(tag_of(b"+ x\r\n"), "*");
    }

    #[track_caller]
    fn check(line: &str, want: Option<(usize, bool)>) {
        assert_eq!(announced(line.as_bytes()), want, "{line:?}");
    }
}
