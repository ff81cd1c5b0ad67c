//! Addresses of outgoing mail: one mailbox each, in the syntax of SMTP.
//!
//! An address becomes part of the envelope, where a stray `>` or line end would be a command, so
//! only the syntax of RFC 5321 is accepted. Domains beyond ASCII become punycode; local parts
//! beyond ASCII would need SMTPUTF8 and are refused.
//!
//! Standards: RFC 5321 sections 4.1.2 and 4.5.3.1, RFC 5891 (IDNA).

const LONGEST_LOCAL: usize = 64;
const LONGEST_DOMAIN: usize = 255;
const LONGEST_LABEL: usize = 63;

/// Why an address was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    ControlCharacter,
    /// It would need SMTPUTF8 (RFC 6531).
    NotAscii,
    /// Not `local@domain`.
    Malformed,
}

/// A checked `local@domain` in ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    pub local: String,
    pub domain: String,
}

impl Mailbox {
    /// Parses an address.
    ///
    /// # Errors
    /// Why mail cannot be sent to it.
    pub fn parse(email: &str) -> Result<Self, Refusal> {
        if email.chars().any(char::is_control) {
            return Err(Refusal::ControlCharacter);
        }
        let (local, domain) = email.rsplit_once('@').ok_or(Refusal::Malformed)?;
        if local.len() > LONGEST_LOCAL || domain.is_empty() || domain.len() > 4 * LONGEST_DOMAIN {
            return Err(Refusal::Malformed);
        }
        if !(is_dot_atom(local) || is_quoted(local)) {
            return Err(if local.is_ascii() { Refusal::Malformed } else { Refusal::NotAscii });
        }
        let domain = if is_literal(domain) {
            domain.to_owned()
        } else {
            idna::domain_to_ascii(domain).map_err(|_| Refusal::Malformed)?
        };
        if !is_literal(&domain) && !is_domain(&domain) {
            return Err(Refusal::Malformed);
        }
        Ok(Self { local: local.to_owned(), domain })
    }

    /// The address as the envelope and the header have it.
    pub fn spelled(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }

    /// A key for comparison, equal for two spellings of one mailbox: only the receiver interprets
    /// the local part (RFC 5321 section 2.4), the domain is case-insensitive.
    pub fn key(&self) -> String {
        format!("{}@{}", self.local, self.domain.to_ascii_lowercase())
    }
}

fn is_dot_atom(local: &str) -> bool {
    local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
}

fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

fn is_quoted(local: &str) -> bool {
    let inner = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    // No quoted pairs: they are not in use, and two parsers could take them for different
    // mailboxes. The host's envelope has the same rule.
    inner.is_some_and(|inner| {
        !inner.is_empty()
            && inner.bytes().all(|byte| matches!(byte, 32..=126) && !b"\"\\".contains(&byte))
    })
}

fn is_domain(domain: &str) -> bool {
    domain.len() <= LONGEST_DOMAIN
        && domain.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= LONGEST_LABEL
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

/// Address literals: `[192.0.2.1]` and `[IPv6:2001:db8::1]`.
fn is_literal(domain: &str) -> bool {
    let Some(inner) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        return false;
    };
    match inner.strip_prefix("IPv6:") {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => inner.parse::<std::net::Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_smtp_can_spell() {
        for email in [
            "a@b",
            "ann.b+tag@mail.example",
            "!#$%&'*+-/=?^_`{|}~@x.example",
            "\"a b\"@x.example",
            "\"a@x,b@y\"@z.example",
            "a@[192.0.2.1]",
            "a@[IPv6:2001:db8::1]",
        ] {
            check(email, Ok(email));
        }
        check("a@BÜCHER.example", Ok("a@xn--bcher-kva.example"));
        check("a@例子.中国", Ok("a@xn--fsqu00a.xn--fiqs8s"));
    }

    #[test]
    fn anything_else_is_refused() {
        for email in [
            "",
            "a",
            "@b",
            "a@",
            "a@b@c",
            "a b@c",
            "a@b c",
            "<a@b>",
            "a@b>",
            "a<b@c",
            "a,b@c",
            "a@b,c",
            ".a@b",
            "a.@b",
            "a..b@c",
            "\"a@b",
            "\"a\"b\"@c",
            "\"a\\\"b\"@c",
            "\"a\\\\b\"@c",
            "\"\"@c",
            "a@-b",
            "a@b..c",
            "a@[1.2.3]",
            "a@[x]",
            "a@b_c",
            "Ann <a@b>",
            "a@b;c",
            "(x)a@b",
            "\"\\\"@b",
        ] {
            check(email, Err(Refusal::Malformed));
        }
        check(&format!("{}@b", "a".repeat(65)), Err(Refusal::Malformed));
        check(&format!("a@{}", "b".repeat(64)), Err(Refusal::Malformed));
        check("用户@b.example", Err(Refusal::NotAscii));
        check("a@b\r\nRCPT TO:<x@y>", Err(Refusal::ControlCharacter));
        check("\"a\0\"@b", Err(Refusal::ControlCharacter));
    }

    #[track_caller]
    fn check(email: &str, want: Result<&str, Refusal>) {
        let found = Mailbox::parse(email).map(|mailbox| mailbox.spelled());
        assert_eq!(found.as_deref(), want.as_ref().map(|spelled| *spelled), "{email:?}");
    }
}
