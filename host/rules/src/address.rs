//! Strict parser of e-mail addresses (addr-spec) that mail is sent from and to: `local@domain`.
//!
//! An address becomes part of the envelope, where a stray `>` or line end would be a command. So only
//! a single address is accepted: a list, a group, a comment or a display name is refused, since two
//! parsers could read the recipient differently. Addresses in received mail are not parsed here.
//!
//! A local part beyond ASCII is accepted; whether it can be sent (SMTPUTF8, RFC 6531) is for the sender
//! to decide.
//!
//! Standards: RFC 5321 §4.1.2, §4.1.3 and §4.5.3.1, RFC 5322 §3.4.1, RFC 5891 (IDNA).

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::domain;
use crate::foreign_text::steers;

/// The longest local part (RFC 5321 §4.5.3.1.1), in octets.
const LONGEST_LOCAL: usize = 64;

/// A checked address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// The part before the last `@`.
    pub local: &'a str,
    /// The domain in ASCII and lower case, or an address literal.
    pub domain: String,
}

/// Why a text is not an address. `Display` completes a sentence that begins with the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// A character that could end a line or change the text direction.
    #[error("holds a control character")]
    ControlCharacter,
    /// Not exactly one `local@domain`.
    #[error("is not a single address of the form local@domain")]
    Malformed,
}

/// Parses an address.
///
/// # Errors
/// Why it is not one.
pub fn parse(text: &str) -> Result<Address<'_>, InvalidAddress> {
    if text.contains(steers) {
        return Err(InvalidAddress::ControlCharacter);
    }
    let (local, domain) = split(text).ok_or(InvalidAddress::Malformed)?;
    let domain =
        if is_literal(domain) { Some(domain.to_owned()) } else { domain::in_ascii(domain) };
    Ok(Address { local, domain: domain.ok_or(InvalidAddress::Malformed)? })
}

/// Splits an address into the local part, which is checked, and the domain, which is not: for callers
/// that look the domain up. The last `@` separates: a quoted local part may hold others.
#[must_use]
pub fn split(text: &str) -> Option<(&str, &str)> {
    let (local, domain) = text.rsplit_once('@')?;
    let fits = is_local(local) && !domain.is_empty() && !text.contains(steers);
    fits.then_some((local, domain))
}

fn is_local(local: &str) -> bool {
    local.len() <= LONGEST_LOCAL && (is_quoted(local) || local.split('.').all(is_atom))
}

/// A quoted string without quoted pairs: they are not in use, and two parsers could take them for
/// different mailboxes.
fn is_quoted(local: &str) -> bool {
    let inner = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let is_plain = |c: char| c == ' ' || is_visible(c) && c != '"' && c != '\\';
    inner.is_some_and(|inner| !inner.is_empty() && inner.chars().all(is_plain))
}

fn is_atom(atom: &str) -> bool {
    let is_atext =
        |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii();
    !atom.is_empty() && atom.chars().all(|c| is_atext(c) && is_visible(c))
}

fn is_visible(c: char) -> bool {
    !c.is_whitespace() && !steers(c)
}

/// Address literals: `[192.0.2.1]` and `[IPv6:2001:db8::1]`.
fn is_literal(domain: &str) -> bool {
    let Some(inner) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        return false;
    };
    match inner.strip_prefix("IPv6:") {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => inner.parse::<Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_address_is_accepted_with_its_domain_in_ascii() {
        for text in [
            "a@b",
            "ann.b+tag@mail.example",
            "anna.li+news@example.test",
            "o'neil@example.test",
            "!#$%&'*+-/=?^_`{|}~@x.example",
            "\"a b\"@x.example",
            "\"a@x,b@y\"@z.example",
            "a@[192.0.2.1]",
            "a@[IPv6:2001:db8::1]",
        ] {
            check(text, Ok(text));
        }
        check("a@BÜCHER.example", Ok("a@xn--bcher-kva.example"));
        check("李@例子.中国", Ok("李@xn--fsqu00a.xn--fiqs8s"));
        check("\"李 雷\"@B", Ok("\"李 雷\"@b"));
        check(&format!("{}@b", "a".repeat(64)), Ok(&format!("{}@b", "a".repeat(64))));
    }

    #[test]
    fn text_that_a_protocol_could_misread_is_refused() {
        for text in [
            "",
            "a",
            "@b",
            "a@",
            "a@b@c",
            "a b@c",
            "a@b c",
            "a\u{a0}b@c",
            "<a@b>",
            "a@b>",
            "a<b@c",
            "a,b@c",
            "a@b,c",
            "a@b,c@d",
            ".a@b",
            "a.@b",
            "a..b@c",
            "\"a@b",
            "\"a\"b\"@c",
            "\"a\\\"b\"@c",
            "\"a\\\\b\"@c",
            "\"\"@c",
            "\"@c",
            "\"\\\"@b",
            "a@-b",
            "a@b..c",
            "a@b.",
            "Ann <a@b>",
            "a@b;c",
            "(x)a@b",
        ] {
            check(text, Err(InvalidAddress::Malformed));
        }
        check(&format!("{}@b", "a".repeat(65)), Err(InvalidAddress::Malformed));
        check(&format!("a@{}", "b".repeat(64)), Err(InvalidAddress::Malformed));
        for text in ["a@b\r\nRCPT TO:<x@y>", "\"a\0\"@b", "a\u{202e}@b", "a@b\u{2066}c"] {
            check(text, Err(InvalidAddress::ControlCharacter));
        }
    }

    /// Earlier, the host accepted each of these for an account, and the parser refused each as a sender.
    #[test]
    fn addresses_that_host_and_parser_disagreed_about_are_refused() {
        for text in ["a@b_c", "a@[1.2.3]", "a@[::1]", "a@[beef]", "a@xn--a"] {
            check(text, Err(InvalidAddress::Malformed));
        }
    }

    #[test]
    fn split_does_not_check_the_domain() {
        assert_eq!(split("ann@x_y"), Some(("ann", "x_y")));
        assert_eq!(split("\"a@b\"@x.test"), Some(("\"a@b\"", "x.test")));
        for text in ["", "ann", "@x.test", "ann@", "a\nnn@x.test", "ann@x\0.test", "a b@x.test"] {
            assert_eq!(split(text), None, "{text:?}");
        }
    }

    #[track_caller]
    fn check(text: &str, want: Result<&str, InvalidAddress>) {
        let found = parse(text).map(|address| format!("{}@{}", address.local, address.domain));
        assert_eq!(found.as_deref(), want.as_ref().map(|spelled| *spelled), "{text:?}");
    }
}
