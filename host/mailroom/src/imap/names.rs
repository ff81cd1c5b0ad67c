//! Mailbox names and the patterns and options of LIST.
//!
//! Names are kept as they are on the wire, in modified UTF-7: we neither
//! decode nor check it. `/` separates levels.
//!
//! Standards: RFC 3501 §5.1, §6.3.8; RFC 6154 §2 and RFC 5258 (options).

use imap_codec::imap_types::mailbox::{ListMailbox, Mailbox};

/// Longer names and patterns match nothing.
const MAX_NAME: usize = 255;

/// A name that a mailbox could have, or `None`.
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

/// A LIST reference or pattern as text; what is not ASCII matches nothing.
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

/// `*` stands for anything, `%` for anything within one level. One row of
/// reachable positions per pattern character, so that no pattern is slow.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    if pattern.len() > MAX_NAME {
        return false;
    }
    let fold = name == "INBOX";
    let mut reached = vec![false; name.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for wanted in pattern.bytes() {
        let mut next = vec![false; name.len() + 1];
        let mut open = false;
        for (at, slot) in next.iter_mut().enumerate() {
            let here = reached.get(at).copied().unwrap_or(false);
            let before = at.checked_sub(1);
            let byte = before.and_then(|before| name.as_bytes().get(before)).copied();
            if matches!(wanted, b'*' | b'%') {
                open = here || (open && (wanted == b'*' || byte != Some(b'/')));
                *slot = open;
            } else {
                let same = byte.is_some_and(|byte| {
                    byte == wanted || (fold && byte.eq_ignore_ascii_case(&wanted))
                });
                *slot = same && before.and_then(|before| reached.get(before)) == Some(&true);
            }
        }
        reached = next;
    }
    reached.last() == Some(&true)
}

/// What LIST was asked beside its pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListOptions {
    pub(crate) only_special: bool,
    pub(crate) only_subscribed: bool,
    pub(crate) tell_subscribed: bool,
}

/// Takes the options out of a LIST command, since the codec reads only its
/// plain form. Any other command comes back as it is; `None` is a LIST with
/// options that we do not know.
pub(crate) fn split_options(command: Vec<u8>) -> Option<(Vec<u8>, ListOptions)> {
    let mut options = ListOptions::default();
    let Some(at) = command.iter().position(|byte| *byte == b' ') else {
        return Some((command, options));
    };
    let after = command.get(at + 1..).unwrap_or_default();
    if !after.get(..5).is_some_and(|word| word.eq_ignore_ascii_case(b"LIST ")) {
        return Some((command, options));
    }
    let mut head = command.get(..at + 6).unwrap_or_default().to_vec();
    let mut rest = after.get(5..).unwrap_or_default();
    if rest.first() == Some(&b'(') {
        let close = rest.iter().position(|byte| *byte == b')')?;
        for word in words(rest.get(1..close)?) {
            match word.as_str() {
                "SPECIAL-USE" => options.only_special = true,
                "SUBSCRIBED" => options.only_subscribed = true,
                _ => return None,
            }
        }
        rest = rest.get(close + 1..)?.strip_prefix(b" ")?;
    }
    const RETURN: &[u8] = b" RETURN (";
    let found = rest.windows(RETURN.len()).rposition(|part| part.eq_ignore_ascii_case(RETURN));
    if let (Some(found), true) = (found, rest.ends_with(b")\r\n")) {
        for word in words(rest.get(found + RETURN.len()..rest.len() - 3)?) {
            match word.as_str() {
                "SUBSCRIBED" => options.tell_subscribed = true,
                // Told in any case.
                "SPECIAL-USE" | "CHILDREN" => {}
                _ => return None,
            }
        }
        head.extend_from_slice(rest.get(..found)?);
        head.extend_from_slice(b"\r\n");
    } else {
        head.extend_from_slice(rest);
    }
    Some((head, options))
}

fn words(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text).to_ascii_uppercase();
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{ListOptions, matches, split_options};

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

    #[test]
    fn list_options_are_taken_out() {
        let special = ListOptions { only_special: true, ..ListOptions::default() };
        let told = ListOptions { tell_subscribed: true, ..ListOptions::default() };
        check("a list (special-use) \"\" *", "a list \"\" *", special);
        check("a LIST \"\" * return (special-use Subscribed)", "a LIST \"\" *", told);
        check("a SELECT x RETURN ()", "a SELECT x RETURN ()", ListOptions::default());
        assert!(split_options(b"a LIST (REMOTE) \"\" *\r\n".to_vec()).is_none());
        assert!(split_options(b"a LIST (\r\n".to_vec()).is_none());
    }

    #[track_caller]
    fn check(command: &str, want: &str, options: ListOptions) {
        let got = split_options(format!("{command}\r\n").into_bytes()).unwrap();
        assert_eq!(got, (format!("{want}\r\n").into_bytes(), options));
    }
}
