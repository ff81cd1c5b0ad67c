//! The fault of an address that mail cannot be sent to.
//!
//! Quotes the address, so that it can be found among many, and says what to write instead if the text
//! is a mailbox in the syntax of a header field: `Bob <bob@example.com>` is a name and an address.
//!
//! Invariant: the quoted text is one line of at most [`LONGEST`] bytes and a truncation mark, with control
//! characters escaped.
//!
//! Standards: RFC 5322 section 3.4.

use rules::address::InvalidAddress;
use rules::foreign_text::within;

use crate::compose::address::{Mailbox, Refusal};
use crate::fault::Code;
use crate::header::address_list;

/// The longest quotation, in bytes.
const LONGEST: usize = 100;
/// The longest text that is parsed as a mailbox, in bytes: two names of the maximum length.
const LONGEST_READ: usize = 1_000;

/// The code and the detail for `email`, which was refused.
pub fn describe(email: &str, refusal: Refusal) -> (Code, String) {
    let (code, remedy) = match refusal {
        Refusal::Invalid(InvalidAddress::Malformed) => (Code::BadAddress, remedy(email)),
        Refusal::Invalid(InvalidAddress::ControlCharacter) => (Code::ControlCharacter, None),
        Refusal::NotAscii => (Code::NotAscii, None),
    };
    let mut detail = format!("`{}` {refusal}", within(LONGEST, email));
    if let Some(remedy) = remedy {
        detail += ": ";
        detail += &remedy;
    }
    (code, detail)
}

/// What to write instead, if that can be recognised.
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
            let only = within(LONGEST, &one.email);
            Some(match one.name.as_deref().map(|name| within(LONGEST, name)) {
                Some(name) => format!("give `{only}` alone here, and `{name}` as its `name`"),
                None => format!("give `{only}` alone"),
            })
        }
        [_, _] if email.contains([',', ';']) => {
            Some("there are several; give each an entry of its own".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "is not a single address of the form local@domain";

    #[test]
    fn a_mailbox_with_a_name_is_recognised() {
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
                format!("`{email}` {FORM}: there are several; give each an entry of its own");
            check(email, Code::BadAddress, &want);
        }
    }

    #[test]
    fn other_text_is_only_quoted() {
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
        let want = "`a\\u{202e}b` holds a control character";
        check("a\u{202e}b", Code::ControlCharacter, want);
        let want = format!("`{} … (1048476 bytes more)` {FORM}", "x".repeat(LONGEST));
        check(&"x".repeat(1 << 20), Code::BadAddress, &want);
    }

    #[track_caller]
    fn check(email: &str, code: Code, want: &str) {
        let refusal = Mailbox::parse(email).unwrap_err();
        assert_eq!(describe(email, refusal), (code, want.to_owned()), "{email:?}");
    }
}
