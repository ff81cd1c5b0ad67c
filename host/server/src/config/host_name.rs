//! A host name as it is compared: lower case, without port and without a dot at its end.
//!
//! Standards: RFC 1123 §2.1 (names), RFC 9110 §7.2 (the Host header).

use std::fmt;
use std::str::FromStr;

/// A DNS name of at least one label, never an address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostName(Box<str>);

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHostName {
    /// A colon.
    #[error("write the name alone, without scheme and port")]
    Port,
    /// `*.acme.example`.
    #[error("there are no wildcards: list every name")]
    Wildcard,
    /// `münchen.example`.
    #[error("write the name in ASCII, as DNS has it (xn--…)")]
    NotAscii,
    /// `127.0.0.1`.
    #[error("an address is nobody's name")]
    Address,
    /// Anything else.
    #[error(
        "a name is labels of letters, digits and inner hyphens, with dots between them, such as mail.acme.example"
    )]
    Form,
}

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
        // What ends with a number is read as an address by others (WHATWG URL §3.5).
        if name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit())) {
            return Err(InvalidHostName::Address);
        }
        Ok(Self(name.to_ascii_lowercase().into()))
    }
}

impl HostName {
    /// The name in an authority such as `mail.acme.example:8080`; none where there is an address.
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
    fn what_is_no_name_is_told_why() {
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
