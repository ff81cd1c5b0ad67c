//! The fault of an address that cannot be sent to.
//!
//! Quotes the address, so that it is found among many, and says what to write instead where the text
//! reads as a mailbox of a header field: `Bob <bob@example.com>` is a name and an address.
//!
//! Invariant: the quoted text is one line of at most [`LONGEST`] characters, with what is not printable
//! escaped.
//!
//! Standards: RFC 5322 section 3.4.

use crate::compose::address::{Mailbox, Refusal};
use crate::fault::Code;
use crate::header::address_list;

/// Of a quoted text, in characters.
const LONGEST: usize = 100;
/// Bytes of a text that is read as a mailbox: two names of the greatest length.
const LONGEST_READ: usize = 1_000;

/// The code and the sentence for `email`, which was refused.
pub fn describe(email: &str, refusal: Refusal) -> (Code, String) {
    let quoted = quote(email);
    if refusal == Refusal::ControlCharacter {
        return (Code::ControlCharacter, format!("`{quoted}` holds a control character"));
    }
    if let Some(remedy) = remedy(email) {
        let detail =
            format!("`{quoted}` is not a single address of the form local@domain: {remedy}");
        return (Code::BadAddress, detail);
    }
    if refusal == Refusal::NotAscii {
        let detail = format!("`{quoted}` goes beyond ASCII, and so would need SMTPUTF8");
        return (Code::NotAscii, detail);
    }
    (Code::BadAddress, format!("`{quoted}` is not a single address of the form local@domain"))
}

/// What to write instead.
fn remedy(email: &str) -> Option<String> {
    if email.len() > LONGEST_READ {
        return None;
    }
    let found = address_list::parse(email, 2);
    if !found.iter().all(|one| Mailbox::parse(&one.email).is_ok()) {
        return None;
    }
    match found.as_slice() {
        [one] if email.contains(['<', '(']) || email.trim() == one.email => {
            let only = quote(&one.email);
            Some(match one.name.as_deref().map(quote) {
                Some(name) => format!("give `{only}` alone here, and `{name}` as its `name`"),
                None => format!("give `{only}` alone"),
            })
        }
        [_, _] if email.contains([',', ';']) => {
            Some("several stand here, and each takes an entry of its own".to_owned())
        }
        _ => None,
    }
}

fn quote(text: &str) -> String {
    let mut quoted = String::new();
    let mut letters = text.chars();
    for letter in letters.by_ref().take(LONGEST) {
        match letter {
            '"' | '\'' | '\\' => quoted.push(letter),
            _ => quoted.extend(letter.escape_debug()),
        }
    }
    if letters.next().is_some() {
        quoted.push('…');
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "is not a single address of the form local@domain";

    #[test]
    fn a_mailbox_with_a_name_is_told_apart() {
        for (email, name, only) in [
            ("Bob <bob@example.com>", "Bob", "bob@example.com"),
            ("\"Bo, B\" <bob@example.com>", "Bo, B", "bob@example.com"),
            ("Jürgen <j@example.com>", "Jürgen", "j@example.com"),
            ("bob@example.com (Bob)", "Bob", "bob@example.com"),
        ] {
            let want =
                format!("`{email}` {FORM}: give `{only}` alone here, and `{name}` as its `name`");
            check(email, Code::BadAddress, &want);
        }
        for email in ["<bob@example.com>", " bob@example.com "] {
            let want = format!("`{email}` {FORM}: give `bob@example.com` alone");
            check(email, Code::BadAddress, &want);
        }
        for email in ["a@x.example, b@y.example", "A <a@x.example>; B <b@y.example>"] {
            let want =
                format!("`{email}` {FORM}: several stand here, and each takes an entry of its own");
            check(email, Code::BadAddress, &want);
        }
    }

    #[test]
    fn what_cannot_be_read_is_quoted_and_no_more() {
        for email in ["", "bob", "a b@c", "a@b@c", "Bob <bob>", "Bob <a@-b>", "a..b@c"] {
            check(email, Code::BadAddress, &format!("`{email}` {FORM}"));
        }
        let email = "用户@b.example";
        let want = format!("`{email}` goes beyond ASCII, and so would need SMTPUTF8");
        check(email, Code::NotAscii, &want);
    }

    #[test]
    fn a_quoted_address_is_one_short_line() {
        let want = "`a@b\\r\\nRCPT TO:<x@y>` holds a control character";
        check("a@b\r\nRCPT TO:<x@y>", Code::ControlCharacter, want);
        let turned = format!("`a\\u{{202e}}b` {FORM}");
        check("a\u{202e}b", Code::BadAddress, &turned);
        let want = format!("`{}…` {FORM}", "x".repeat(LONGEST));
        check(&"x".repeat(1 << 20), Code::BadAddress, &want);
    }

    #[track_caller]
    fn check(email: &str, code: Code, want: &str) {
        let refusal = Mailbox::parse(email).unwrap_err();
        assert_eq!(describe(email, refusal), (code, want.to_owned()), "{email:?}");
    }
}
