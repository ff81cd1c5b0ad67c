//! Mozilla autoconfig: the file `clientConfig`, version 1.1, that a domain publishes for mail
//! clients.
//!
//! A parser: untrusted bytes in, a suggestion out; sockets without TLS are skipped.
//!
//! Independent of where the file came from, and of whether its servers may be connected to.
//!
//! Standard: draft-ietf-mailmaint-autoconfig.

use model::account::Security;
use model::provider::{Auth, Server, Username};
use roxmltree::Node;

use crate::discovery::offer::{ServerOffer, Suggestion, security_at};
use crate::discovery::xml::{self, Unusable};
use crate::providers::domain;

/// Maximum number of authentication methods read for one server.
const MOST_METHODS: usize = 8;

const NOT_A_CONFIG: Unusable = Unusable::Other("a clientConfig");

/// A parsed file, for any domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientConfig {
    pub(crate) domains: Vec<String>,
    servers: Vec<ServerEntry>,
}

/// A server as in the file, with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ServerEntry {
    protocol: Protocol,
    host: String,
    port: String,
    socket: String,
    username: String,
    auth: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Imap,
    Smtp,
    Other,
}

impl ClientConfig {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Unusable> {
        let document = xml::document(xml::text(bytes)?)?;
        let root = document.root_element();
        let provider = xml::child(root, "emailProvider").filter(|_| xml::is(root, "clientConfig"));
        let provider = provider.ok_or(NOT_A_CONFIG)?;
        let domains = provider.children().filter(|node| xml::is(*node, "domain"));
        let incoming = provider.children().filter(|node| xml::is(*node, "incomingServer"));
        let outgoing = provider.children().filter(|node| xml::is(*node, "outgoingServer"));
        let incoming = incoming.map(|node| said(node, "imap", Protocol::Imap));
        let outgoing = outgoing.map(|node| said(node, "smtp", Protocol::Smtp));
        Ok(Self {
            domains: domains.filter_map(|node| domain::normalise(&xml::text_of(node))).collect(),
            servers: incoming.chain(outgoing).collect(),
        })
    }

    /// The suggestion for addresses of `domain`, which is normalised.
    pub(crate) fn suggest(&self, domain: &str) -> Suggestion {
        let mut suggestion = Suggestion::default();
        for said in &self.servers {
            let list = match said.protocol {
                Protocol::Imap => &mut suggestion.imap,
                Protocol::Smtp => &mut suggestion.smtp,
                Protocol::Other => {
                    suggestion.passed.push("a server that speaks neither IMAP nor SMTP");
                    continue;
                }
            };
            match said.offer(domain) {
                Ok(offer) => list.push(offer),
                Err(reason) => suggestion.passed.push(reason),
            }
        }
        suggestion.passed.sort_unstable();
        suggestion.passed.dedup();
        suggestion
    }
}

impl ServerEntry {
    fn offer(&self, domain: &str) -> Result<ServerOffer, &'static str> {
        let host = self.host.replace("%EMAILDOMAIN%", domain);
        let host = domain::normalise(&host).ok_or("a server whose name is none")?;
        let port = self.port.parse().map_err(|_| "a server whose port is none")?;
        let security = match self.socket.to_ascii_uppercase().as_str() {
            "SSL" | "TLS" => Security::Tls,
            "STARTTLS" => Security::StartTls,
            _ => return Err("a server without TLS"),
        };
        let username = match self.username.as_str() {
            "%EMAILADDRESS%" | "%EMAILLOCALPART%@%EMAILDOMAIN%" => Username::Email,
            "%EMAILLOCALPART%" => Username::LocalPart,
            _ => return Err("a login name that is neither the address nor its local part"),
        };
        let known = self.auth.iter().filter_map(|word| match word.as_str() {
            "OAuth2" => Some(Auth::OAuth2),
            "password-cleartext" | "password-encrypted" | "plain" | "secure" => {
                Some(Auth::Password)
            }
            _ => None,
        });
        let mut auth: Vec<Auth> = Vec::new();
        for method in known {
            if !auth.contains(&method) {
                auth.push(method);
            }
        }
        if auth.is_empty() {
            return Err("a server with no way to log in that is known here");
        }
        let security = security_at(port, security);
        Ok(ServerOffer { server: Server { host, port, security, username }, auth })
    }
}

fn said(node: Node<'_, '_>, kind: &str, protocol: Protocol) -> ServerEntry {
    let word = |name| xml::word(node, name);
    let fits = node.attribute("type").is_some_and(|given| given.eq_ignore_ascii_case(kind));
    let auth = node.children().filter(|node| xml::is(*node, "authentication"));
    ServerEntry {
        protocol: if fits { protocol } else { Protocol::Other },
        host: word("hostname"),
        port: word("port"),
        socket: word("socketType"),
        username: word("username"),
        auth: auth.take(MOST_METHODS).map(xml::text_of).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVERS: &str = r#"
        <incomingServer type="pop3"><hostname>pop.example.com</hostname></incomingServer>
        <incomingServer type="imap">
          <hostname>plain.example.com</hostname><port>143</port><socketType>plain</socketType>
          <username>%EMAILADDRESS%</username><authentication>password-cleartext</authentication>
        </incomingServer>
        <incomingServer type="imap">
          <hostname>imap.%EMAILDOMAIN%</hostname><port>993</port><socketType>SSL</socketType>
          <username>%EMAILLOCALPART%</username><authentication>OAuth2</authentication>
          <authentication>password-cleartext</authentication>
        </incomingServer>
        <outgoingServer type="smtp">
          <hostname>Smtp.Example.com</hostname><port>587</port><socketType>STARTTLS</socketType>
          <username>%EMAILADDRESS%</username><authentication>password-encrypted</authentication>
        </outgoingServer>"#;

    #[test]
    fn servers_with_tls_are_taken_in_their_order() {
        let config = parse(&file(SERVERS)).unwrap();
        assert_eq!(config.domains, ["example.com"]);
        let suggestion = config.suggest("example.org");
        let imap = &suggestion.imap[0];
        assert_eq!((imap.server.host.as_str(), imap.server.port), ("imap.example.org", 993));
        assert_eq!(imap.server.username, Username::LocalPart);
        assert_eq!(imap.auth, [Auth::OAuth2, Auth::Password]);
        assert_eq!(suggestion.smtp[0].server.host, "smtp.example.com");
        assert_eq!(suggestion.smtp[0].server.security, Security::StartTls);
        assert_eq!(suggestion.imap.len(), 1, "the plain one is passed over");
        let passed = ["a server that speaks neither IMAP nor SMTP", "a server without TLS"];
        assert_eq!(suggestion.passed, passed);
    }

    #[test]
    fn a_file_with_a_dtd_is_refused_whatever_it_defines() {
        let bomb = format!(
            "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]>{}",
            file("<displayName>&b;</displayName>")
        );
        check(&bomb, Unusable::Dtd);
        check(&format!("<!DOCTYPE x SYSTEM \"file:///etc/passwd\">{}", file("")), Unusable::Dtd);
    }

    #[test]
    fn what_is_not_a_configuration_is_said_to_be_none() {
        check("", Unusable::NotXml);
        check("<html><body>hello</body></html>", NOT_A_CONFIG);
        check("<clientConfig/>", NOT_A_CONFIG);
        check("<clientConfig><emailProvider>", Unusable::NotXml);
        check(&file("&undefined;"), Unusable::NotXml);
        check(&file(&"<a/>".repeat(5000)), Unusable::TooMany);
        check(&format!("{}{}", "<a>".repeat(9000), "</a>".repeat(9000)), Unusable::TooMany);
        assert_eq!(ClientConfig::parse(&[0xff, 0xfe, b'<']), Err(Unusable::NotXml));
    }

    #[test]
    fn a_login_name_or_a_host_of_another_form_is_passed_over() {
        for (from, to) in [
            ("%EMAILLOCALPART%", "%LOCALPART%.x"),
            ("imap.%EMAILDOMAIN%", "imap_x"),
            ("imap.%EMAILDOMAIN%", "[::1]"),
            ("993", "99999"),
            ("SSL", ""),
        ] {
            let suggestion =
                parse(&file(&SERVERS.replace(from, to))).unwrap().suggest("example.org");
            assert!(suggestion.imap.is_empty(), "{from} {to}: {suggestion:?}");
        }
    }

    fn parse(text: &str) -> Result<ClientConfig, Unusable> {
        ClientConfig::parse(text.as_bytes())
    }

    fn file(inside: &str) -> String {
        format!(
            "<clientConfig version=\"1.1\"><emailProvider id=\"x\"><domain>example.com</domain>{inside}</emailProvider></clientConfig>"
        )
    }

    #[track_caller]
    fn check(text: &str, want: Unusable) {
        assert_eq!(parse(text), Err(want), "{text:.80}");
    }
}
