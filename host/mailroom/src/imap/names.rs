//! Mailbox names and the patterns of LIST.
//!
//! Names are kept in wire form, in modified UTF-7, which is neither decoded nor checked. `/`
//! separates levels.
//!
//! Standards: RFC 3501 §5.1, §6.3.8.

use imap_codec::imap_types::mailbox::{ListMailbox, Mailbox};

/// Maximum length in octets; longer names and patterns match nothing.
const MAX_NAME: usize = 255;

/// A name that a mailbox may have, or `None`.
pub(crate) fn name_of(mailbox: &Mailbox<'_>) -> Option<String> {
    match mailbox {
        Mailbox::Inbox => Some("INBOX".to_owned()),
        Mailbox::Other(other) => {
            let text = std::str::from_utf8(other.as_ref()).ok()?;
            let fits = !text.is_empty() && text.len() <= MAX_NAME;
            let clean = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
            (fits && clean && !text.contains(['*', '%'])).then(|| text.to_owned())
        }
    }
}

/// A LIST reference or pattern as text; one that is not ASCII matches nothing.
pub(crate) fn pattern_of(reference: &Mailbox<'_>, pattern: &ListMailbox<'_>) -> String {
    let reference = match reference {
        Mailbox::Inbox => b"INBOX",
        Mailbox::Other(other) => other.as_ref(),
    };
    let pattern = match pattern {
        ListMailbox::Token(token) => token.as_ref(),
        ListMailbox::String(string) => string.as_ref(),
    };
    String::from_utf8_lossy(&[reference, pattern].concat()).into_owned()
}

/// `*` matches anything, `%` anything within one level. One row of reachable positions per pattern
/// character, so that the time is bounded for every pattern.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    if pattern.len() > MAX_NAME {
        return false;
    }
    // The positions of the name that are reachable with the pattern so far.
    let mut reached: Vec<bool> = (0..=name.len()).map(|at| at == 0).collect();
    for wanted in pattern.bytes() {
        // A wildcard stays open until a `%` meets the end of a level.
        let (mut open, mut before, mut last) = (false, false, None);
        for (at, here) in reached.iter_mut().enumerate() {
            let same = last == Some(wanted)
                || (name == "INBOX"
                    && last.is_some_and(|own: u8| own.eq_ignore_ascii_case(&wanted)));
            open = *here || (open && (wanted == b'*' || last != Some(b'/')));
            let now = if matches!(wanted, b'*' | b'%') { open } else { same && before };
            before = std::mem::replace(here, now);
            last = name.as_bytes().get(at).copied();
        }
    }
    reached.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_stop_at_a_level_or_do_not() {
        for (pattern, name, want) in [
            ("*", "a/b", true),
            ("%", "a/b", false),
            ("a/%", "a/b", true),
            ("a*", "abc/d", true),
            ("%b%", "abc", true),
            ("*/c", "a/b/c", true),
            ("inbox", "INBOX", true),
            ("sent", "Sent", false),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} on {name}");
        }
    }
}
