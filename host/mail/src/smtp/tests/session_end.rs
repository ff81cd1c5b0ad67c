//! Tests of sessions that a server ends in the middle of a transaction: by 421 (RFC 5321 §3.8), by
//! closing the connection, or by a reply that concerns the session.

use model::port::smtp::{Data, Delivery, SmtpError};

use crate::smtp::tests::{GO, OK, deliver, envelope, message, recorded, session};

const CLOSING: &str = "421 4.3.2 closing\r\n";
const NO: &str = "550 5.1.1 nobody\r\n";

#[tokio::test]
async fn replies_before_the_end_of_a_session_stay_valid() {
    // Two recipients: RCPT, RCPT, DATA, and the reply to the data before their end.
    for (before, want) in [
        (vec![OK], &[][..]),
        (vec![OK, NO], &[550]),
        (vec![OK, OK], &[250]),
        (vec![OK, NO, OK], &[550, 250]),
    ] {
        for says in [[&before[..], &[CLOSING]].concat(), before.clone()] {
            let (delivery, heard) = deliver(&says).await;
            let Ok(Delivery { recipients, data: Data::Ended(error) }) = delivery else {
                panic!("{says:?} gave {delivery:?}")
            };
            let codes: Vec<u16> = recipients.iter().map(|reply| reply.code).collect();
            assert_eq!(codes, want, "{says:?}");
            match error {
                SmtpError::Refused { reply, .. } => assert_eq!(reply.code, 421),
                SmtpError::Lost(_) => assert!(!says.contains(&CLOSING)),
                other => panic!("{says:?} gave {other:?}"),
            }
            assert!(!heard.contains("|.|"), "{heard}");
        }
    }
}

#[tokio::test]
async fn a_session_that_ends_at_mail_has_no_recipient_verdicts() {
    let (delivery, _) = deliver(&[CLOSING]).await;
    let Err(SmtpError::Refused { step: "MAIL", reply }) = delivery else { panic!("{delivery:?}") };
    assert_eq!(reply.code, 421);
}

#[tokio::test]
async fn after_a_reply_about_the_session_it_is_not_used_again() {
    for code in [CLOSING, "530 5.7.0 log in\r\n", "503 5.5.1 not now\r\n"] {
        let cases: [&[&str]; 3] = [&[OK, code], &[OK, OK, code], &[OK, OK, GO, code]];
        for says in cases {
            let (mut session, mut peer) = session().await;
            let (envelope, raw) = (envelope(&["bo@example.test"]), message("a\r\n"));
            let play = async {
                for piece in says {
                    let mut line = peer.hear().await;
                    while line == "a" {
                        line = peer.hear().await;
                    }
                    peer.say(piece).await;
                }
            };
            let (first, ()) = tokio::join!(session.deliver(&envelope, &raw, recorded()), play);
            assert!(first.is_ok(), "{says:?} gave {first:?}");
            let again = session.deliver(&envelope, &raw, recorded()).await;
            assert!(matches!(again, Err(SmtpError::Lost(_))), "{says:?}, then {again:?}");
        }
    }
}
