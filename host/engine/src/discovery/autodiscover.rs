//! Microsoft's Autodiscover in its oldest form, "plain old XML": the request, and a parser of the
//! response's IMAP and SMTP settings.
//!
//! The request has to name an address. It names the domain's postmaster, which every domain with
//! mail has (RFC 5321 §4.5.1), so that no person's address leaves the host. Redirecting responses
//! are not followed.
//!
//! Independent of where the response came from, and of whether its servers may be connected to.
//!
//! Standard: MS-OXDSCLI §2.2.3 (request), §2.2.4 (response).

use model::account::Security;
use model::provider::{Auth, Server, Username};
use roxmltree::Node;

use crate::discovery::offer::{ServerOffer, Suggestion, security_at};
use crate::discovery::xml::{self, Unusable};
use crate::providers::domain;

const NAMES: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook";
const LOCAL_PART: &str = "postmaster";
/// Maximum number of `Protocol` blocks that are read.
const MOST_BLOCKS: usize = 16;

/// The request. The domain is normalised: nothing in it needs escaping.
pub(crate) fn question(domain: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <Autodiscover xmlns=\"{NAMES}/requestschema/2006\"><Request>\
         <EMailAddress>{LOCAL_PART}@{domain}</EMailAddress>\
         <AcceptableResponseSchema>{NAMES}/responseschema/2006a</AcceptableResponseSchema>\
         </Request></Autodiscover>"
    )
}

/// The suggestion of a response for addresses of a domain.
pub(crate) fn suggest(bytes: &[u8], asked: &str) -> Result<Suggestion, Unusable> {
    let document = xml::document(xml::text(bytes)?)?;
    let root = document.root_element();
    let response = xml::child(root, "Response").filter(|_| xml::is(root, "Autodiscover"));
    let response = response.ok_or(Unusable::Other("an answer to Autodiscover"))?;
    let mut suggestion = Suggestion::default();
    let Some(account) = xml::child(response, "Account") else {
        suggestion.passed.push("an error, or nothing about an account");
        return Ok(suggestion);
    };
    let blocks = account.children().filter(|node| xml::is(*node, "Protocol"));
    for block in blocks.take(MOST_BLOCKS) {
        let list = match xml::word(block, "Type").to_ascii_uppercase().as_str() {
            "IMAP" => &mut suggestion.imap,
            "SMTP" => &mut suggestion.smtp,
            _ => {
                suggestion.passed.push("a server that speaks neither IMAP nor SMTP");
                continue;
            }
        };
        match offer(block, asked) {
            Ok(offer) => list.push(offer),
            Err(reason) => suggestion.passed.push(reason),
        }
    }
    suggestion.passed.sort_unstable();
    suggestion.passed.dedup();
    Ok(suggestion)
}

fn offer(block: Node<'_, '_>, asked: &str) -> Result<ServerOffer, &'static str> {
    let host = xml::word(block, "Server");
    let host = domain::normalise(&host).ok_or("a server whose name is none")?;
    let port = xml::word(block, "Port").parse().map_err(|_| "a server whose port is none")?;
    let without = xml::word(block, "SSL").eq_ignore_ascii_case("off");
    // `Encryption` takes precedence over `SSL`, which defaults to on.
    let security = match xml::word(block, "Encryption").to_ascii_uppercase().as_str() {
        "TLS" => Security::StartTls,
        "SSL" => Security::Tls,
        "" | "AUTO" if !without => Security::Tls,
        _ => return Err("a server without TLS"),
    };
    let login = xml::word(block, "LoginName");
    let username = match login.strip_prefix(LOCAL_PART) {
        _ if login.is_empty() => Username::Email,
        Some("") => Username::LocalPart,
        Some(rest) if rest.strip_prefix('@').is_some_and(|at| at.eq_ignore_ascii_case(asked)) => {
            Username::Email
        }
        _ => return Err("a login name that is neither the address nor its local part"),
    };
    let security = security_at(port, security);
    Ok(ServerOffer {
        server: Server { host, port, security, username },
        auth: vec![Auth::Password],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAP: &str = "<Protocol><Type>IMAP</Type><Server>Imap.Acme.example</Server><Port>993</Port>\
        <LoginName>postmaster@acme.example</LoginName><SSL>on</SSL></Protocol>";
    const SMTP: &str = "<Protocol><Type>SMTP</Type><Server>smtp.acme.example</Server><Port>587</Port>\
        <LoginName>postmaster</LoginName><SSL>off</SSL><Encryption>TLS</Encryption></Protocol>";
    const EXCHANGE: &str = "<Protocol><Type>EXCH</Type><Server>x</Server></Protocol>";

    #[test]
    fn servers_of_mail_are_taken_and_exchange_is_passed_over() {
        let suggestion = read(&[EXCHANGE, IMAP, SMTP].concat());
        let imap = &suggestion.imap[0].server;
        assert_eq!((imap.host.as_str(), imap.port), ("imap.acme.example", 993));
        assert_eq!((imap.security, imap.username), (Security::Tls, Username::Email));
        let smtp = &suggestion.smtp[0].server;
        assert_eq!((smtp.security, smtp.username), (Security::StartTls, Username::LocalPart));
        assert_eq!(suggestion.passed, ["a server that speaks neither IMAP nor SMTP"]);
    }

    #[test]
    fn what_cannot_be_used_is_passed_over() {
        for (from, to) in [
            ("<SSL>on</SSL>", "<SSL>off</SSL>"),
            ("<SSL>on</SSL>", "<Encryption>None</Encryption>"),
            ("postmaster@acme.example", "ACME\\someone"),
            ("993", "imap"),
            ("Imap.Acme.example", "[::1]"),
        ] {
            let suggestion = read(&IMAP.replace(from, to));
            assert!(suggestion.imap.is_empty() && suggestion.passed.len() == 1, "{to}");
        }
    }

    #[test]
    fn an_error_a_bomb_and_another_file_are_no_answer() {
        let error = "<Autodiscover><Response><Error><ErrorCode>500</ErrorCode></Error></Response></Autodiscover>";
        assert_eq!(suggest(error.as_bytes(), "acme.example").unwrap().passed.len(), 1);
        let bomb = format!("<!DOCTYPE a [<!ENTITY b \"c\">]>{error}");
        assert_eq!(suggest(bomb.as_bytes(), "acme.example"), Err(Unusable::Dtd));
        let other = suggest(b"<clientConfig/>", "acme.example");
        assert!(matches!(other, Err(Unusable::Other(_))), "{other:?}");
    }

    #[test]
    fn the_question_names_nobody_but_the_postmaster() {
        let question = question("acme.example");
        assert!(xml::document(&question).is_ok());
        assert!(question.contains("<EMailAddress>postmaster@acme.example</EMailAddress>"));
    }

    fn read(blocks: &str) -> Suggestion {
        let text = format!(
            "<?xml version=\"1.0\"?><Autodiscover xmlns=\"{NAMES}/responseschema/2006\"><Response xmlns=\"{NAMES}/responseschema/2006a\"><Account>{blocks}</Account></Response></Autodiscover>"
        );
        suggest(text.as_bytes(), "acme.example").unwrap()
    }
}
