//! Tests of observed logins, and of transactions that end before a message.

use model::account::Security;
use model::port::smtp::SmtpError;

use crate::scripted_peer::StepLog;
use crate::smtp::tests::{GO, OK, PLAIN, envelope, message, recorded, session, watched};

#[tokio::test]
async fn a_recipient_check_ends_with_rset_after_rcpt() {
    for (answer, code) in [("250 2.1.5 ok\r\n", None), ("552 5.2.2 full\r\n", Some(552))] {
        let (mut session, mut peer) = session().await;
        let ann = "ann@example.test".parse().unwrap();
        let play = async {
            let mut heard = Vec::new();
            for says in [OK, answer, "250 2.0.0 reset\r\n"] {
                heard.push(peer.hear().await);
                peer.say(says).await;
            }
            heard
        };
        let (outcome, heard) = tokio::join!(session.check_recipient(&ann), play);
        let said = outcome.err().map(|error| {
            let SmtpError::Refused { step: "RCPT", reply } = error else { panic!("{error:?}") };
            reply.code
        });
        assert_eq!(said, code);
        let want = ["MAIL FROM:<ann@example.test> SIZE=0", "RCPT TO:<ann@example.test>", "RSET"];
        assert_eq!(heard, want);

        // The session is unchanged.
        let (envelope, raw) = (envelope(&["bo@example.test"]), message("a\r\n"));
        let play = async {
            for says in [OK, OK, GO] {
                peer.hear().await;
                peer.say(says).await;
            }
            while peer.hear().await != "." {}
            peer.say(OK).await;
        };
        let (delivery, ()) = tokio::join!(session.deliver(&envelope, &raw, recorded()), play);
        assert!(delivery.unwrap().recipients[0].is_positive());
    }
}

#[tokio::test]
async fn each_step_of_a_login_is_reported_to_the_observer() {
    let (hi, taken, refused) = ("220 hi\r\n", "235 ok\r\n", "535 5.7.8 no\r\n");
    let upgrade = "250-x\r\n250 STARTTLS\r\n";
    check(Security::Tls, &["* OK imap\r\n"], "connected encrypted").await;
    check(Security::Tls, &[hi, PLAIN, refused], "connected encrypted greeted").await;
    check(Security::Tls, &[hi, PLAIN, taken], "connected encrypted greeted PLAIN").await;
    check(Security::StartTls, &[hi, PLAIN], "connected greeted").await;
    let all = [hi, upgrade, "220 go\r\n", PLAIN, taken];
    check(Security::StartTls, &all, "connected greeted encrypted PLAIN").await;
}

async fn check(security: Security, says: &[&str], want: &str) {
    let diary = StepLog::default();
    let _ = watched(security, says, &diary).await;
    assert_eq!(diary.read(), want, "{says:?}");
}
