//! IMAP flags: which of them a client may set, and which a server may list.
//!
//! A keyword is an atom, however unusual, so that what a list shows can be set and removed. Only a
//! system flag begins with a backslash: a client may not invent others, and `\Recent` is set by the
//! server (RFC 3501 §2.3.2). A server may list others.
//!
//! Invariant: a valid flag holds no byte that ends an atom, so it cannot inject anything into a command.
//!
//! Standard: RFC 9051 §2.3.2 (flags), §9 (`flag`, `flag-keyword`, `atom`).

/// The system flags that a client may set.
pub const SYSTEM_FLAGS: [&str; 5] = ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"];

/// The longest flag in bytes, without the backslash.
const LONGEST: usize = 255;

/// Why a text is not a flag that a client may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFlag {
    /// It begins with a backslash and is not one of [`SYSTEM_FLAGS`].
    #[error("unknown system flag; known are {}", SYSTEM_FLAGS.join(" "))]
    UnknownSystemFlag,
    /// Not an atom, or too long.
    #[error(
        "a keyword has 1 to 255 ASCII characters, none of them a space or one of ( ) {{ ] % * \" \\"
    )]
    NotAKeyword,
}

impl InvalidFlag {
    /// The code of the fault.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnknownSystemFlag => "unknown-flag",
            Self::NotAKeyword => "flag",
        }
    }
}

/// Validates a flag that a client sets or removes. Flags are case-insensitive.
///
/// # Errors
/// Why it is not valid.
pub fn check(text: &str) -> Result<(), InvalidFlag> {
    if text.starts_with('\\') {
        let is_known = SYSTEM_FLAGS.iter().any(|known| known.eq_ignore_ascii_case(text));
        return if is_known { Ok(()) } else { Err(InvalidFlag::UnknownSystemFlag) };
    }
    if is_keyword(text.as_bytes()) { Ok(()) } else { Err(InvalidFlag::NotAKeyword) }
}

/// Whether a server may list it: a keyword, or any atom after a backslash (`flag-extension`). Mailbox
/// attributes have the same syntax.
#[must_use]
pub fn is_listed(word: &[u8]) -> bool {
    is_keyword(word.strip_prefix(b"\\").unwrap_or(word))
}

fn is_keyword(word: &[u8]) -> bool {
    (1..=LONGEST).contains(&word.len()) && word.iter().copied().all(is_atom)
}

/// Whether the byte is an ATOM-CHAR.
const fn is_atom(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(byte, b'(' | b')' | b'{' | b']' | b'%' | b'*' | b'"' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_flag_or_an_atom_may_be_set() {
        for text in
            ["\\Seen", "\\dELETED", "$Forwarded", "a.b-c_d", "+", "Perso/Travail", "Important!"]
        {
            check_flag(text, Ok(()));
        }
        check_flag(&"a".repeat(255), Ok(()));
    }

    #[test]
    fn only_a_known_flag_begins_with_a_backslash() {
        for text in ["\\Sean", "\\Foo", "\\", "\\\\Seen", "\\Recent", "\\*", "\\Seen\r\nA1 LOGOUT"]
        {
            check_flag(text, Err(InvalidFlag::UnknownSystemFlag));
        }
    }

    #[test]
    fn a_byte_that_ends_an_atom_is_not_allowed_in_a_keyword() {
        for text in ["", "a b", "a)", "é", "a\r\n", "a\\b", "a%", "a{", "a]", "a\0", "a\u{7f}"] {
            check_flag(text, Err(InvalidFlag::NotAKeyword));
        }
        check_flag(&"a".repeat(256), Err(InvalidFlag::NotAKeyword));
    }

    #[test]
    fn a_server_may_list_flags_that_a_client_may_not_set() {
        for word in ["\\Foo", "\\Recent", "\\HasNoChildren", "$Forwarded"] {
            assert!(is_listed(word.as_bytes()), "{word}");
        }
        for word in ["\\", "", "\\*", "\\a b", "a\\", "x]"] {
            assert!(!is_listed(word.as_bytes()), "{word}");
        }
        assert!(!is_listed(b"a\xe9"));
    }

    #[test]
    fn a_fault_names_the_known_flags() {
        let detail = InvalidFlag::UnknownSystemFlag.to_string();
        assert_eq!(
            detail,
            "unknown system flag; known are \\Seen \\Answered \\Flagged \\Deleted \\Draft"
        );
        assert!(InvalidFlag::NotAKeyword.to_string().ends_with("( ) { ] % * \" \\"));
    }

    #[track_caller]
    fn check_flag(text: &str, want: Result<(), InvalidFlag>) {
        assert_eq!(check(text), want, "{text:?}");
    }
}
