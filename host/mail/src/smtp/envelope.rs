//! Envelope addresses of MAIL and RCPT in wire form.
//!
//! The domain is sent in its ASCII form, so that no extension is needed for it. A local part beyond
//! ASCII needs SMTPUTF8; where the server lacks it, that one recipient is refused, which is a reply
//! and not an error of the session.
//!
//! Standards: RFC 5321 §4.1.2, RFC 6531 (SMTPUTF8), RFC 5891 (IDNA).

use lettre::Address;
use model::mail::address::EmailAddress;
use model::port::smtp::Reply;
use rules::domain;

/// An address in wire form.
///
/// # Errors
/// With the reply that a server would send: the address cannot be sent to it.
pub(crate) fn on_the_wire(address: &EmailAddress, smtputf8: bool) -> Result<Address, Reply> {
    let (local, domain) = (address.local(), address.domain());
    let domain = if domain.is_ascii() {
        domain.to_owned()
    } else {
        domain::in_ascii(domain).ok_or_else(|| {
            ours("5.1.2", "the domain is no valid internationalised name (not sent)")
        })?
    };
    if !local.is_ascii() && !smtputf8 {
        return Err(ours("5.6.7", "the server does not take addresses beyond ASCII (not sent)"));
    }
    // An `EmailAddress` contains nothing that the protocol could misread; lettre's own check would
    // refuse names that are in use.
    Ok(Address::new_dangerous(local, domain))
}

fn ours(enhanced: &str, text: &str) -> Reply {
    Reply { code: 553, enhanced: Some(enhanced.to_owned()), text: format!("{enhanced} {text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_travels_in_ascii_and_a_local_part_only_with_smtputf8() {
        check("ann@example.test", false, Some("ann@example.test"));
        check("ann@bücher.test", false, Some("ann@xn--bcher-kva.test"));
        check("李@例子.test", true, Some("李@xn--fsqu00a.test"));
        check("李@example.test", false, None);
        check("a@[127.0.0.1]", false, Some("a@[127.0.0.1]"));
    }

    #[track_caller]
    fn check(address: &str, smtputf8: bool, want: Option<&str>) {
        let wire = on_the_wire(&address.parse().unwrap(), smtputf8).ok();
        assert_eq!(wire.map(|address| address.to_string()).as_deref(), want);
    }
}
