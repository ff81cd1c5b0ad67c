//! Mailbox addresses (addr-spec) of header fields and envelopes.
//!
//! Only single addr-specs: a list, a group or a comment is refused, so that no two parsers can read
//! a recipient differently (RFC 5321 §4.1.2, RFC 5322 §3.4.1).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An addr-spec, `local@domain`, restricted to what every protocol reads in the same way.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(Box<str>);

/// The text is not an addr-spec that is accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address of the form local@domain")]
pub struct InvalidAddress;

impl EmailAddress {
    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The domain: what follows the last `@`, as written.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// Whether both name the same mailbox: the domain compares without case, the local part as it
    /// is (RFC 5321 §2.4).
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        match (self.0.rsplit_once('@'), other.0.rsplit_once('@')) {
            (Some((local, domain)), Some((other_local, other_domain))) => {
                local == other_local && domain.eq_ignore_ascii_case(other_domain)
            }
            _ => false,
        }
    }
}

impl FromStr for EmailAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidAddress)?;
        // RFC 5321 §4.5.3.1: 64 octets of local part, 255 of domain.
        let sized =
            !local.is_empty() && local.len() <= 64 && !domain.is_empty() && domain.len() <= 255;
        if sized && is_local(local) && is_domain(domain) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidAddress)
        }
    }
}

fn is_local(local: &str) -> bool {
    if let Some(inner) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        // A quoted string without escapes is all that is in use; parsers disagree about the rest.
        return !inner.is_empty()
            && inner.chars().all(|c| !c.is_control() && c != '"' && c != '\\');
    }
    !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.chars().all(|c| {
            c.is_ascii_alphanumeric()
                || "!#$%&'*+-/=?^_`{|}~.".contains(c)
                || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
        })
}

fn is_domain(domain: &str) -> bool {
    let literal = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(inner) = literal {
        return !inner.is_empty()
            && inner.bytes().all(|byte| {
                byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':' | b'I' | b'P' | b'v')
            });
    }
    domain.split('.').all(|label| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| {
                c.is_ascii_alphanumeric()
                    || c == '-'
                    || c == '_'
                    || (!c.is_ascii() && c.is_alphanumeric())
            })
    })
}

impl TryFrom<String> for EmailAddress {
    type Error = InvalidAddress;
    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        text.parse()
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> String {
        address.0.into()
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A mailbox of a header field (RFC 5322 §3.4). `email` is as received and may be invalid: only
/// what is sent goes through [`EmailAddress`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The display name, decoded.
    pub name: Option<String>,
    /// The addr-spec.
    pub email: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_addresses_are_taken() {
        for text in [
            "a@b",
            "anna.li+news@example.test",
            "\"a b\"@example.test",
            "李@例子.test",
            "x@[127.0.0.1]",
            "o'neil@example.test",
        ] {
            check(text, true);
        }
    }

    #[test]
    fn whatever_a_protocol_could_misread_is_refused() {
        for text in [
            "",
            "a",
            "@b",
            "a@",
            "a b@c",
            "a@b c",
            "<a@b>",
            "a@b>",
            "a@b,c@d",
            "a@b\r\nRCPT TO:<x@y>",
            "a\0@b",
            "\"a\"b\"@c",
            "a..b@c",
            ".a@c",
            "a@b..c",
            "a@-b",
        ] {
            check(text, false);
        }
    }

    #[track_caller]
    fn check(text: &str, want: bool) {
        assert_eq!(text.parse::<EmailAddress>().is_ok(), want, "{text:?}");
    }
}
