//! Addresses of outgoing mail: one mailbox each, in the syntax of SMTP.
//!
//! The syntax of an address is checked by `rules`, as in the host. Domains beyond ASCII become
//! punycode; local parts beyond ASCII would need SMTPUTF8 and are refused.
//!
//! Standard: RFC 6531 (SMTPUTF8, which is not sent).

use rules::address;
use rules::address::InvalidAddress;

/// Why an address was refused. `Display` completes a sentence that begins with the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Invalid(#[from] InvalidAddress),
    #[error("goes beyond ASCII, and so would need SMTPUTF8")]
    NotAscii,
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
        let address = address::parse(email)?;
        if !address.local.is_ascii() {
            return Err(Refusal::NotAscii);
        }
        Ok(Self { local: address.local.to_owned(), domain: address.domain })
    }

    /// The address as the envelope and the header have it.
    pub fn spelled(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }

    /// A key for comparison, equal for two spellings of one mailbox: only the receiver interprets
    /// the local part (RFC 5321 section 2.4), the domain is case-insensitive, as is an address
    /// literal.
    pub fn key(&self) -> String {
        format!("{}@{}", self.local, self.domain.to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_sent_in_ascii() {
        check("ann.b+tag@Mail.example", Ok("ann.b+tag@mail.example"));
        check("\"a@x,b@y\"@z.example", Ok("\"a@x,b@y\"@z.example"));
        check("a@BÜCHER.example", Ok("a@xn--bcher-kva.example"));
    }

    #[test]
    fn an_address_that_needs_smtputf8_and_a_malformed_one_are_different_faults() {
        check("用户@b.example", Err(Refusal::NotAscii));
        check("Ann <a@b>", Err(Refusal::Invalid(InvalidAddress::Malformed)));
        check("a@b\r\nRCPT TO:<x@y>", Err(Refusal::Invalid(InvalidAddress::ControlCharacter)));
    }

    #[track_caller]
    fn check(email: &str, want: Result<&str, Refusal>) {
        let found = Mailbox::parse(email).map(|mailbox| mailbox.spelled());
        assert_eq!(found.as_deref(), want.as_ref().map(|spelled| *spelled), "{email:?}");
    }
}
