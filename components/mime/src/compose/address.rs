//! Outgoing addresses: one mailbox each, spelled as SMTP wants it.
//!
//! What an address is, `rules` says, for the host as well. Domains beyond ASCII become punycode; local
//! parts beyond ASCII would need SMTPUTF8 and are refused by name.
//!
//! Standard: RFC 6531 (SMTPUTF8, which is not sent).

use rules::address;
use rules::address::InvalidAddress;

/// Why an address was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Invalid(#[from] InvalidAddress),
    #[error("beyond ASCII, and so would need SMTPUTF8")]
    NotAscii,
}

/// A checked `local@domain` in ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    pub local: String,
    pub domain: String,
}

impl Mailbox {
    /// # Errors
    /// Says why it cannot be sent to.
    pub fn parse(email: &str) -> Result<Self, Refusal> {
        let address = address::parse(email)?;
        if !address.local.is_ascii() {
            return Err(Refusal::NotAscii);
        }
        Ok(Self { local: address.local.to_owned(), domain: address.domain })
    }

    /// As the envelope and the header spell it.
    pub fn spelled(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }

    /// Equal for two spellings of one mailbox: the local part is the receiver's business (RFC 5321
    /// section 2.4), the domain has no case, be it a literal.
    pub fn key(&self) -> String {
        format!("{}@{}", self.local, self.domain.to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_goes_out_in_ascii() {
        check("ann.b+tag@Mail.example", Ok("ann.b+tag@mail.example"));
        check("\"a@x,b@y\"@z.example", Ok("\"a@x,b@y\"@z.example"));
        check("a@BÜCHER.example", Ok("a@xn--bcher-kva.example"));
    }

    #[test]
    fn what_needs_smtputf8_and_what_is_no_address_are_told_apart() {
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
