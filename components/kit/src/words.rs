//! Small notations that people type: an address in a form field, a flag, a
//! pointer.
//!
//! Standards: RFC 5322 section 3.4 (only its simplest form); RFC 9051 section
//! 2.3.2 (flags); RFC 6901 section 3 (pointers).

/// Splits `Name <a@b>` into name and address; anything else is an address as it stands.
///
/// One address only: `a@b, c@d` stays one string, which the writer of mail then refuses. A form repeats
/// its field instead.
#[must_use]
pub fn address(text: &str) -> (Option<&str>, &str) {
    let text = text.trim();
    let Some((name, rest)) = text.rsplit_once('<') else { return (None, text) };
    let Some(email) = rest.strip_suffix('>') else { return (None, text) };
    let name = name.trim();
    let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
    ((!name.is_empty()).then_some(name), email.trim())
}

/// Whether this is an IMAP flag that Postlet sends: a backslash or none, and up to 64 plain characters.
/// Narrower than an atom, so that no server reads anything else into it.
#[must_use]
pub fn is_flag(text: &str) -> bool {
    let word = text.strip_prefix('\\').unwrap_or(text);
    (1..=64).contains(&word.len())
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"$._-".contains(&b))
}

/// A JSON Pointer to a member of the document.
#[must_use]
pub fn pointer(member: &str) -> String {
    format!("/{}", member.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_bring_its_name() {
        check("a@b.example", None, "a@b.example");
        check(" 李雷 <a@b.example> ", Some("李雷"), "a@b.example");
        check("\"Ann, of B\" <a@b>", Some("Ann, of B"), "a@b");
        check("I <3 mail <a@b>", Some("I <3 mail"), "a@b");
        check("<a@b>", None, "a@b");
        check("a@b, c@d", None, "a@b, c@d");
        check("Ann <a@b> x", None, "Ann <a@b> x");
    }

    #[test]
    fn a_flag_is_a_plain_word() {
        for flag in ["\\Seen", "$Forwarded", "NonJunk", "a.b-c_d"] {
            assert!(is_flag(flag), "{flag}");
        }
        for flag in ["", "\\", "\\\\Seen", "a b", "a)", "é", "a\r\n", &"a".repeat(65)] {
            assert!(!is_flag(flag), "{flag:?}");
        }
    }

    #[test]
    fn a_pointer_escapes_its_own_marks() {
        assert_eq!(pointer("a/b~c"), "/a~1b~0c");
    }

    #[track_caller]
    fn check(text: &str, name: Option<&str>, email: &str) {
        assert_eq!(address(text), (name, email), "{text:?}");
    }
}
