//! Discovery by SRV records.
//!
//! Implicit TLS is preferred; where a domain declares that it does not offer it (`.` as the
//! target), STARTTLS is still used.
//!
//! Standards: RFC 6186 §3 (`_imap`, `_imaps`, `_submission`), RFC 8314 §5.1 (`_submissions`).
//! Deviation: port 465 under `_submission` is taken as implicit TLS, since that is its registered
//! use and some domains publish it so.

use model::account::Security;
use model::port::lookup::Service;
use model::provider::{Auth, Server, Username};

use crate::discovery::offer::{ServerOffer, Suggestion, security_at};
use crate::providers::domain;

/// The labels that are queried below a domain.
pub(crate) const LABELS: [&str; 4] =
    ["_imaps._tcp", "_imap._tcp", "_submissions._tcp", "_submission._tcp"];

/// The suggestion of four record sets, and whether any of them mentions the service, if only to
/// declare that there is none.
pub(crate) fn suggest([imaps, imap, submissions, submission]: [Vec<Service>; 4]) -> Suggestion {
    let mut suggestion = Suggestion::default();
    let sets = [&imaps, &imap, &submissions, &submission];
    if sets.iter().any(|set| set.iter().any(|service| service.host.is_empty())) {
        suggestion.passed.push("a service that is said not to be offered");
    }
    suggestion.imap =
        offers(&imaps, Security::Tls).chain(offers(&imap, Security::StartTls)).collect();
    suggestion.smtp = offers(&submissions, Security::Tls)
        .chain(offers(&submission, Security::StartTls))
        .collect();
    suggestion
}

fn offers(services: &[Service], said: Security) -> impl Iterator<Item = ServerOffer> {
    services.iter().filter_map(move |service| {
        let host = domain::normalise(&service.host)?;
        let (port, security) = (service.port, security_at(service.port, said));
        // RFC 6186 §4: the whole address is tried first as the login name.
        let server = Server { host, port, security, username: Username::Email };
        Some(ServerOffer { server, auth: vec![Auth::Password] })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_from_the_start_comes_first() {
        let got = suggest([at("a.x.example", 993), at("b.x.example", 143), vec![], vec![]]);
        check(
            &got.imap,
            &[("a.x.example", 993, Security::Tls), ("b.x.example", 143, Security::StartTls)],
        );
        assert!(got.smtp.is_empty());
    }

    #[test]
    fn a_dot_means_that_there_is_none() {
        let got = suggest([at("", 0), at("b.x.example", 143), at("", 0), vec![]]);
        check(&got.imap, &[("b.x.example", 143, Security::StartTls)]);
        assert!(got.smtp.is_empty());
        assert_eq!(got.passed, ["a service that is said not to be offered"]);
    }

    #[test]
    fn port_465_is_tls_from_the_start_under_either_name() {
        let got = suggest([vec![], vec![], vec![], at("s.x.example", 465)]);
        check(&got.smtp, &[("s.x.example", 465, Security::Tls)]);
        let got = suggest([vec![], vec![], vec![], at("s.x.example", 587)]);
        check(&got.smtp, &[("s.x.example", 587, Security::StartTls)]);
    }

    #[test]
    fn what_is_no_host_name_is_left_out() {
        let got = suggest([at("_bad.example", 993), at("localhost", 143), vec![], vec![]]);
        assert!(got.imap.is_empty(), "{got:?}");
    }

    fn at(host: &str, port: u16) -> Vec<Service> {
        vec![Service { priority: 0, weight: 0, port, host: host.to_owned() }]
    }

    #[track_caller]
    fn check(got: &[ServerOffer], want: &[(&str, u16, Security)]) {
        let servers = got.iter().map(|offer| &offer.server);
        let got: Vec<_> = servers.map(|s| (s.host.as_str(), s.port, s.security)).collect();
        assert_eq!(got, want);
    }
}
