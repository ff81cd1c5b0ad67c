//! Mailbox addresses (addr-spec) of header fields and envelopes.
//!
//! The syntax is checked by `rules`, as in the parser of mail.

use std::fmt;
use std::str::FromStr;

use rules::domain;
use serde::{Deserialize, Serialize};

pub use rules::address::InvalidAddress;

/// An addr-spec, `local@domain`, restricted to what every protocol reads in the same way.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(Box<str>);

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

    /// The local part: what precedes the last `@`.
    #[must_use]
    pub fn local(&self) -> &str {
        self.0.rsplit_once('@').map_or(&self.0, |(local, _)| local)
    }

    /// Whether both name the same mailbox: the local part is case-sensitive (RFC 5321 §2.4), the
    /// domain is compared in ASCII and without case.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        let (own, others) = (self.domain(), other.domain());
        let is_same = own.eq_ignore_ascii_case(others)
            || domain::in_ascii(own).is_some_and(|own| domain::in_ascii(others) == Some(own));
        self.local() == other.local() && is_same
    }
}

impl FromStr for EmailAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        rules::address::parse(text)?;
        Ok(Self(text.into()))
    }
}

/// Reads an address from the store. It was checked when it was written, perhaps by an earlier release
/// that accepted more: `_` in a domain, or a literal that is not an IP address. One such account must
/// not make all accounts unreadable, so only control characters are refused.
impl TryFrom<String> for EmailAddress {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        let is_whole = text.rsplit_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !text.contains(char::is_control)
        });
        if is_whole { Ok(Self(text.into())) } else { Err(InvalidAddress::Malformed) }
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
    fn an_address_of_an_earlier_release_is_read_from_the_store_but_not_accepted_from_a_client() {
        for text in ["ann@my_host.test", "ann@[::1]"] {
            assert_eq!(text.parse::<EmailAddress>(), Err(InvalidAddress::Malformed), "{text}");
            assert_eq!(EmailAddress::try_from(text.to_owned()).unwrap().as_str(), text);
        }
        for text in ["ann@x\r\nRCPT TO:<x@y>", "ann", "@x.test", "ann@"] {
            assert!(EmailAddress::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn two_spellings_of_a_domain_name_the_same_mailbox() {
        check("ann@Bücher.test", "ann@xn--bcher-kva.test", true);
        check("ann@X.test", "ann@x.TEST", true);
        check("ann@x.test", "Ann@x.test", false);
        check("ann@x.test", "ann@y.test", false);
    }

    #[track_caller]
    fn check(one: &str, other: &str, want: bool) {
        let [one, other] = [one, other].map(|text| text.parse::<EmailAddress>().unwrap());
        assert_eq!(one.same_as(&other), want, "{one} {other}");
        assert_eq!(other.same_as(&one), want, "{other} {one}");
    }
}
