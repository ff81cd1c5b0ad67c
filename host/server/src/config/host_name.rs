//! Host names in canonical form: lower case, without a port and without a trailing dot.
//!
//! Standards: RFC 1123 §2.1 (names), RFC 9110 §7.2 (the Host header).

use std::fmt;
use std::str::FromStr;

/// A DNS name of at least one label, never an address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostName(Box<str>);

/// The reason why a text is not a host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHostName {
    /// It has a scheme, a port or a path.
    #[error("write the name alone, without scheme and port")]
    Port,
    /// It has a wildcard: `*.acme.example`.
    #[error("wildcards are not supported: list every name")]
    Wildcard,
    /// It is not ASCII: `münchen.example` is `xn--mnchen-3ya.example` in the DNS.
    #[error("write the name in ASCII, in its IDNA form (xn--…)")]
    NotAscii,
    /// It is an IP address: `127.0.0.1`.
    #[error("an IP address is not a host name")]
    Address,
    /// Any other error of syntax or length.
    #[error(
        "a name is labels of letters, digits and inner hyphens, with dots between them, such as mail.acme.example"
    )]
    Form,
}

/// Bytes of the longest name and the longest label (RFC 1035 §2.3.4).
const LONGEST: usize = 253;
const LONGEST_LABEL: usize = 63;

impl FromStr for HostName {
    type Err = InvalidHostName;

    fn from_str(text: &str) -> Result<Self, InvalidHostName> {
        if !text.is_ascii() {
            return Err(InvalidHostName::NotAscii);
        }
        if text.contains('*') {
            return Err(InvalidHostName::Wildcard);
        }
        if text.parse::<std::net::IpAddr>().is_ok() || text.starts_with('[') {
            return Err(InvalidHostName::Address);
        }
        if text.contains([':', '/']) {
            return Err(InvalidHostName::Port);
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let label = |label: &str| {
            (1..=LONGEST_LABEL).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name.len() > LONGEST || !name.split('.').all(label) {
            return Err(InvalidHostName::Form);
        }
        // Other software reads a name that ends with a number as an IPv4 address (WHATWG URL §3.5).
        if name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit())) {
            return Err(InvalidHostName::Address);
        }
        Ok(Self(name.to_ascii_lowercase().into()))
    }
}

impl HostName {
    /// The host name in an authority such as `mail.acme.example:8080`; none for an IP address.
    pub(crate) fn of(authority: &str) -> Option<Self> {
        match authority.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                name.parse().ok()
            }
            Some(_) | None => authority.parse().ok(),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case_port_and_last_dot() {
        for text in
            ["mail.acme.example", "MAIL.Acme.Example", "mail.acme.example.", "Mail.acme.example:80"]
        {
            assert_eq!(HostName::of(text).unwrap().to_string(), "mail.acme.example", "{text}");
        }
        for text in ["127.0.0.1:80", "[::1]:80", "", ":80", "a..b", "a.example:x", "user@a.example"]
        {
            assert!(HostName::of(text).is_none(), "{text}");
        }
    }

    #[test]
    fn an_invalid_name_has_a_reason() {
        check("mail.acme.example:443", InvalidHostName::Port);
        check("https://mail.acme.example", InvalidHostName::Port);
        check("*.acme.example", InvalidHostName::Wildcard);
        check("münchen.example", InvalidHostName::NotAscii);
        check("10.1.2.3", InvalidHostName::Address);
        check("::1", InvalidHostName::Address);
        check("10.1.2", InvalidHostName::Address);
        for text in ["", ".", "a b", "-a.example", "a_b.example", "a..b"] {
            check(text, InvalidHostName::Form);
        }
        check(&"a.".repeat(130), InvalidHostName::Form);
    }

    #[track_caller]
    fn check(text: &str, want: InvalidHostName) {
        assert_eq!(text.parse::<HostName>(), Err(want), "{text:?}");
    }
}
