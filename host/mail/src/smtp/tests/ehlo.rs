//! Tests of the EHLO argument (RFC 5321 §4.1.4).

use std::sync::Arc;

use model::account::Security;
use model::port::smtp::SmtpConnect;

use crate::scripted_peer::{activity, credentials, pair, server};
use crate::smtp::{Smtp, SmtpLimits};

#[tokio::test]
async fn a_host_without_a_name_sends_its_address_literal() {
    check("mail.example.test", "192.0.2.1", "EHLO mail.example.test").await;
    check("[192.0.2.9]", "192.0.2.1", "EHLO [192.0.2.9]").await;
    for nameless in ["", "localhost", "machine"] {
        check(nameless, "192.0.2.1", "EHLO [192.0.2.1]").await;
        check(nameless, "::ffff:192.0.2.1", "EHLO [192.0.2.1]").await;
        check(nameless, "2001:db8::1", "EHLO [IPv6:2001:db8::1]").await;
    }
}

async fn check(hello: &str, local: &str, want: &str) {
    let (dial, mut peer) = pair();
    let dial = Arc::new(dial.from(local.parse().unwrap()));
    let smtp = Smtp::new(dial, hello, SmtpLimits::default());
    let (server, credentials, activity) = (server(Security::Tls), credentials(), activity());
    let play = async {
        peer.say("220 hi\r\n").await;
        let heard = peer.hear().await;
        drop(peer);
        heard
    };
    let open = smtp.connect(&server, &credentials, &(), &activity);
    let (outcome, heard) = tokio::join!(open, play);
    assert!(outcome.is_err());
    assert_eq!(heard, want, "{hello:?} seen from {local}");
}
