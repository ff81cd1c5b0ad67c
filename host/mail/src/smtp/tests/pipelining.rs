//! Tests of PIPELINING (RFC 2920), with conforming and hostile servers.

use model::port::smtp::{Data, Delivery, SmtpError, SmtpSession};

use crate::scripted_peer::{Peer, pair, pair_holding};
use crate::smtp::tests::{GO, OK, envelope, message, recorded, session_over};

const PIPED: &str = "250-x\r\n250-PIPELINING\r\n250 AUTH PLAIN LOGIN\r\n";
const NO: &str = "550 5.1.1 nobody\r\n";
const THREE: [&str; 3] = ["bo@example.test", "cy@example.test", "di@example.test"];

async fn piped() -> (Box<dyn SmtpSession>, Peer) {
    session_over(pair(), PIPED).await
}

/// What the server receives of an envelope before its first reply.
async fn heard_ahead(peer: &mut Peer, recipients: &[&str]) {
    assert_eq!(peer.hear().await, "MAIL FROM:<ann@example.test>");
    for recipient in recipients {
        assert_eq!(peer.hear().await, format!("RCPT TO:<{recipient}>"));
    }
    assert_eq!(peer.hear().await, "DATA");
}

fn codes(delivery: &Delivery) -> Vec<u16> {
    delivery.recipients.iter().map(|reply| reply.code).collect()
}

#[tokio::test]
async fn an_envelope_is_sent_before_the_first_reply_and_answered_in_order() {
    let (mut session, mut peer) = piped().await;
    for _ in 0..2 {
        let play = async {
            heard_ahead(&mut peer, &THREE).await;
            peer.say([OK, OK, NO, "450 4.2.1 later\r\n", GO].concat()).await;
            assert_eq!((peer.hear().await, peer.hear().await), ("a".to_owned(), ".".to_owned()));
            peer.say("250 2.0.0 queued\r\n").await;
        };
        let (envelope, raw) = (envelope(&THREE), message("a\r\n"));
        let (delivery, ()) = tokio::join!(session.deliver(&envelope, &raw, recorded()), play);
        let delivery = delivery.unwrap();
        assert_eq!(codes(&delivery), [250, 550, 450]);
        assert!(matches!(delivery.data, Data::Replied(reply) if reply.code == 250));
    }
}

/// RFC 2920 §3.1: a server that accepts DATA without a valid recipient gets a lone dot. Others
/// refuse DATA.
#[tokio::test]
async fn no_data_is_sent_when_every_recipient_was_refused_and_the_session_is_reusable() {
    for (answer, closing, verdict) in [
        (GO, ".", "554 5.5.1 no valid recipients\r\n"),
        (GO, ".", OK),
        ("503 5.5.1 nobody\r\n", "RSET", OK),
        ("554 5.5.1 nobody\r\n", "RSET", OK),
    ] {
        let (mut session, mut peer) = piped().await;
        let (refused, raw) = (envelope(&THREE), message("a\r\n"));
        let play = async {
            heard_ahead(&mut peer, &THREE).await;
            peer.say([OK, NO, NO, NO, answer].concat()).await;
            assert_eq!(peer.hear().await, closing);
            peer.say(verdict).await;
            heard_ahead(&mut peer, &THREE[..1]).await;
            peer.say([OK, OK, GO].concat()).await;
            while peer.hear().await != "." {}
            peer.say(OK).await;
        };
        let next = envelope(&THREE[..1]);
        let deliver = async {
            let first = session.deliver(&refused, &raw, recorded()).await.unwrap();
            assert_eq!(codes(&first), [550; 3]);
            assert!(matches!(first.data, Data::Skipped), "{first:?}");
            let second = session.deliver(&next, &raw, recorded()).await.unwrap();
            assert!(matches!(second.data, Data::Replied(reply) if reply.is_positive()));
        };
        tokio::join!(deliver, play);
    }
}

/// With 421 instead of a reply to pipelined commands, as from a server that counts errors.
#[tokio::test]
async fn a_421_keeps_the_refusals_before_it() {
    const CLOSING: &str = "421 4.7.0 too many errors\r\n";
    for (says, want) in [
        ([OK, NO, CLOSING].concat(), &[550][..]),
        ([OK, NO, OK, NO, CLOSING].concat(), &[550, 250, 550]),
        ([OK, NO, NO, NO, CLOSING].concat(), &[550, 550, 550]),
        ([OK, NO].concat(), &[550]),
        ([OK, NO, OK, NO].concat(), &[550, 250, 550]),
        ([OK, NO, NO, NO].concat(), &[550, 550, 550]),
    ] {
        let (mut session, mut peer) = piped().await;
        let (envelope, raw) = (envelope(&THREE), message("a\r\n"));
        let play = async {
            heard_ahead(&mut peer, &THREE).await;
            peer.say(&says).await;
            drop(peer);
        };
        let (delivery, ()) = tokio::join!(session.deliver(&envelope, &raw, recorded()), play);
        let delivery = delivery.unwrap();
        assert_eq!(codes(&delivery), want, "{says:?}");
        match delivery.data {
            Data::Skipped => assert_eq!(want, [550; 3]),
            Data::Ended(SmtpError::Refused { reply, .. }) => assert_eq!(reply.code, 421),
            Data::Ended(SmtpError::Lost(_)) => assert!(!says.contains("421")),
            other => panic!("{says:?} gave {other:?}"),
        }
        let again = session.deliver(&envelope, &raw, recorded()).await;
        assert!(matches!(again, Err(SmtpError::Lost(_))), "{again:?}");
    }
}

/// A server that sends an unsolicited reply is one reply ahead, so that every recipient would get
/// the next one's.
#[tokio::test]
async fn shifted_replies_are_assigned_to_no_recipient() {
    for says in [
        [OK, OK, OK, NO, NO, GO].concat(),
        [OK, NO, OK, NO, NO, GO].concat(),
        [OK, NO, NO, NO, NO, "503 5.5.1 nobody\r\n"].concat(),
        [OK, OK, OK, OK, OK, GO].concat(),
        [OK, GO, OK, NO, NO, NO].concat(),
    ] {
        let (mut session, mut peer) = piped().await;
        let (envelope, raw) = (envelope(&THREE), message("a\r\n"));
        let play = async {
            heard_ahead(&mut peer, &THREE).await;
            peer.say(&says).await;
            peer.rest().await
        };
        let deliver = async {
            let delivery = session.deliver(&envelope, &raw, recorded()).await;
            drop(session);
            delivery
        };
        let (delivery, heard) = tokio::join!(deliver, play);
        assert!(matches!(delivery, Err(SmtpError::Protocol(_))), "{says:?} gave {delivery:?}");
        assert_eq!(heard, b"", "{says:?}");
    }
}

/// The same where the surplus reply comes only when it is needed: RSET gets the reply meant for
/// DATA.
#[tokio::test]
async fn a_surplus_reply_is_detected_at_the_next_command() {
    for (says, last) in [
        ([OK, OK, OK, NO, NO].concat(), GO),
        ([OK, NO, OK, NO, NO].concat(), GO),
        ([OK, NO, NO, NO, NO].concat(), "503 5.5.1 nobody\r\n"),
    ] {
        let (mut session, mut peer) = piped().await;
        let (envelope, raw) = (envelope(&THREE), message("a\r\n"));
        let play = async {
            heard_ahead(&mut peer, &THREE).await;
            peer.say(&says).await;
            assert_eq!(peer.hear().await, "RSET");
            peer.say(last).await;
        };
        let (delivery, ()) = tokio::join!(session.deliver(&envelope, &raw, recorded()), play);
        assert!(matches!(delivery, Err(SmtpError::Protocol(_))), "{says:?} gave {delivery:?}");
    }
}

/// A server that reads no command before its last reply was read, over a wire that holds less than
/// either.
#[tokio::test(start_paused = true)]
async fn many_recipients_cause_no_deadlock() {
    let (mut session, mut peer) = session_over(pair_holding(16), PIPED).await;
    let names: Vec<String> = (0..1000).map(|index| format!("r{index}@example.test")).collect();
    let envelope = envelope(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let raw = message("a\r\n");
    let play = async {
        assert!(peer.hear().await.starts_with("MAIL"));
        peer.say(OK).await;
        for name in &names {
            assert_eq!(peer.hear().await, format!("RCPT TO:<{name}>"));
            peer.say("250-2.1.5 a recipient like many others\r\n250 2.1.5 is welcome here\r\n")
                .await;
        }
        assert_eq!(peer.hear().await, "DATA");
        peer.say(GO).await;
        while peer.hear().await != "." {}
        peer.say(OK).await;
    };
    let deliver = async {
        let delivery = session.deliver(&envelope, &raw, recorded()).await;
        drop(session);
        delivery
    };
    let (delivery, ()) = tokio::join!(deliver, play);
    let delivery = delivery.unwrap();
    assert_eq!(codes(&delivery), [250; 1000]);
    assert!(matches!(delivery.data, Data::Replied(reply) if reply.is_positive()));
}

#[tokio::test]
async fn without_pipelining_commands_are_sent_one_at_a_time() {
    let (mut session, mut peer) = session_over(pair(), "250-x\r\n250 AUTH PLAIN\r\n").await;
    let (envelope, raw) = (envelope(&THREE), message("a\r\n"));
    let play = async {
        for says in [OK, OK, OK, OK, GO] {
            peer.hear().await;
            assert!(!peer.has_more().await, "something came before the reply");
            peer.say(says).await;
        }
        while peer.hear().await != "." {}
        peer.say(OK).await;
    };
    let (delivery, ()) = tokio::join!(session.deliver(&envelope, &raw, recorded()), play);
    assert_eq!(codes(&delivery.unwrap()), [250; 3]);
}
