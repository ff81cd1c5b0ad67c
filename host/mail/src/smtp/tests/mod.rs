//! SMTP client tests against scripted servers: every step refused, interrupted, delayed and
//! contradicted.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test may stop at the first surprise")]

mod early_replies;
mod session_end;
mod ehlo;
mod pipelining;
mod dot_record;
mod silent;
mod token;
mod recipient_check;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::account::{Credentials, Security};
use model::mail::draft::Envelope;
use model::octets::{Octets, in_memory};
use model::port::login_observer::LoginObserver;
use model::port::smtp::{BeforeDot, Data, Delivery, SmtpConnect, SmtpError, SmtpSession};
use model::port::store_error::StoreError;

use crate::scripted_peer::{OneWire, Peer, activity, credentials, pair, server, talk};
use crate::smtp::{Smtp, SmtpLimits};

const PLAIN: &str = "250-x\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN\r\n";

fn smtp(dial: OneWire) -> Smtp {
    Smtp::new(Arc::new(dial), "client.test", SmtpLimits::default())
}

fn envelope(recipients: &[&str]) -> Envelope {
    Envelope {
        sender: "ann@example.test".parse().unwrap(),
        recipients: recipients.iter().map(|text| text.parse().unwrap()).collect(),
    }
}

fn message(text: &str) -> Octets {
    in_memory(Bytes::copy_from_slice(text.as_bytes()))
}

fn recorded<'a>() -> BeforeDot<'a> {
    Box::new(|| Box::pin(async { Ok(()) }))
}

/// Plays the server up to a session that may send.
async fn greet(peer: &mut Peer, offer: &str) {
    peer.say("220 hi\r\n").await;
    assert_eq!(peer.hear().await, "EHLO client.test");
    peer.say(offer).await;
    assert_eq!(peer.hear().await, "AUTH PLAIN AGFubgBwYXNzIHdvcmQ=");
    peer.say("235 2.7.0 ok\r\n").await;
}

async fn session() -> (Box<dyn SmtpSession>, Peer) {
    session_over(pair(), PLAIN).await
}

async fn session_over(pair: (OneWire, Peer), offer: &str) -> (Box<dyn SmtpSession>, Peer) {
    let (dial, mut peer) = pair;
    let smtp = smtp(dial);
    let server = server(Security::Tls);
    let credentials = credentials();
    let activity = activity();
    let open = smtp.connect(&server, &credentials, &(), &activity);
    let (session, ()) = tokio::join!(open, greet(&mut peer, offer));
    (session.unwrap(), peer)
}

/// Connects while the peer sends one piece after each line that it receives.
async fn open(security: Security, says: &[&str]) -> (Result<(), SmtpError>, Vec<String>) {
    open_with(&credentials(), security, says).await
}

async fn open_with(
    credentials: &Credentials,
    security: Security,
    says: &[&str],
) -> (Result<(), SmtpError>, Vec<String>) {
    let server = server(security);
    let connect = async |dial| smtp(dial).connect(&server, credentials, &(), &activity()).await;
    talk(says, connect).await
}

async fn watched(
    security: Security,
    says: &[&str],
    steps: &dyn LoginObserver,
) -> (Result<(), SmtpError>, Vec<String>) {
    let (server, credentials) = (server(security), credentials());
    let connect = async |dial| smtp(dial).connect(&server, &credentials, steps, &activity()).await;
    talk(says, connect).await
}

/// Delivers "a\r\n" to two recipients while the peer sends one piece after each line but the
/// message's.
async fn deliver(says: &[&str]) -> (Result<Delivery, SmtpError>, String) {
    let (mut session, mut peer) = session().await;
    let play = async {
        let mut heard = String::new();
        for piece in says {
            let mut line = peer.hear().await;
            while !line.is_empty() && line != "." && heard.contains("DATA") {
                heard.push_str(&format!("{line}|"));
                line = peer.hear().await;
            }
            heard.push_str(&format!("{line}|"));
            peer.say(piece).await;
        }
        drop(peer);
        heard
    };
    let (envelope, raw) = (envelope(&["bo@example.test", "cy@example.test"]), message("a\r\n"));
    let (delivery, heard) = tokio::join!(session.deliver(&envelope, &raw, recorded()), play);
    (delivery, heard)
}

const OK: &str = "250 2.1.0 ok\r\n";
const GO: &str = "354 go\r\n";

#[tokio::test]
async fn a_message_is_delivered_and_the_session_is_reusable() {
    let (mut session, mut peer) = session().await;
    let envelope = envelope(&["bo@example.test"]);
    for body in ["Subject: x\r\n\r\n.\r\n..a\r\nb\r\n", "no end", ""] {
        let raw = message(body);
        let play = async {
            let size = body.len();
            assert_eq!(peer.hear().await, format!("MAIL FROM:<ann@example.test> SIZE={size}"));
            peer.say(OK).await;
            assert_eq!(peer.hear().await, "RCPT TO:<bo@example.test>");
            peer.say("250-2.1.5\r\n250 2.1.5 ok\r\n").await;
            assert_eq!(peer.hear().await, "DATA");
            peer.say(GO).await;
            let mut heard = Vec::new();
            while heard.last().is_none_or(|line| line != ".") {
                heard.push(peer.hear().await);
            }
            peer.say("250 2.0.0 queued as 17\r\n").await;
            heard
        };
        let (delivery, heard) = tokio::join!(session.deliver(&envelope, &raw, recorded()), play);
        let Data::Replied(reply) = delivery.unwrap().data else { panic!("no reply") };
        assert_eq!((reply.code, reply.text.as_str()), (250, "2.0.0 queued as 17"));
        let want: &[&str] = match body {
            "" => &["."],
            "no end" => &["no end", "."],
            _ => &["Subject: x", "", "..", "...a", "b", "."],
        };
        assert_eq!(heard, want);
    }
    let farewell = async {
        assert_eq!(peer.hear().await, "QUIT");
        peer.say("221 bye\r\n").await;
        assert_eq!(peer.rest().await, b"");
    };
    tokio::join!(session.quit(), farewell);
}

#[tokio::test]
async fn every_recipient_has_its_own_reply() {
    let says = [OK, "550 5.1.1 nobody\r\n", "250 ok\r\n", GO, "250 2.0.0 queued\r\n"];
    let (delivery, heard) = deliver(&says).await;
    let delivery = delivery.unwrap();
    let codes: Vec<u16> = delivery.recipients.iter().map(|reply| reply.code).collect();
    assert_eq!(codes, [550, 250]);
    assert_eq!(delivery.recipients[0].enhanced.as_deref(), Some("5.1.1"));
    assert!(matches!(delivery.data, Data::Replied(reply) if reply.code == 250));
    assert!(heard.contains("RCPT TO:<bo@example.test>|RCPT TO:<cy@example.test>|DATA|a|.|"));
}

#[tokio::test]
async fn no_data_is_sent_when_every_recipient_is_refused_and_the_session_is_reusable() {
    let (mut session, mut peer) = session().await;
    let (envelope, raw) = (envelope(&["bo@example.test"]), message("a\r\n"));
    for begins_with_reset in [false, true] {
        let play = async {
            if begins_with_reset {
                assert_eq!(peer.hear().await, "RSET");
                peer.say("250 ok\r\n").await;
            }
            peer.hear().await;
            peer.say(OK).await;
            peer.hear().await;
            peer.say("450 4.2.1 later\r\n").await;
        };
        let (delivery, ()) = tokio::join!(session.deliver(&envelope, &raw, recorded()), play);
        let delivery = delivery.unwrap();
        assert!(matches!(delivery.data, Data::Skipped));
        assert_eq!(delivery.recipients[0].code, 450);
    }
}

#[tokio::test]
async fn a_refusal_at_any_step_is_reported_with_its_step() {
    for (code, permanent) in [("451 4.3.0 later\r\n", false), ("554 5.7.1 never\r\n", true)] {
        for (says, step) in [
            (vec![code], "the greeting"),
            (vec!["220 hi\r\n", code], "EHLO"),
            (vec!["220 hi\r\n", PLAIN, code], "AUTH"),
        ] {
            let (outcome, _) = open(Security::Tls, &says).await;
            check_refused(outcome.unwrap_err(), step, permanent);
        }
        check_refused(deliver(&[code]).await.0.unwrap_err(), "MAIL", permanent);
        for says in [vec![OK, OK, OK, code], vec![OK, OK, OK, GO, code]] {
            let (delivery, _) = deliver(&says).await;
            let Data::Replied(reply) = delivery.unwrap().data else { panic!("no reply") };
            assert_eq!(reply.is_permanent(), permanent);
        }
    }
}

#[track_caller]
fn check_refused(error: SmtpError, want: &str, permanent: bool) {
    let SmtpError::Refused { step, reply } = error else { panic!("{want}: {error:?}") };
    assert_eq!((step, reply.is_permanent()), (want, permanent));
}

#[tokio::test]
async fn wrong_credentials_have_an_error_of_their_own() {
    for code in ["535 5.7.8 no\r\n", "534 5.7.9 stronger\r\n", "530 5.7.0 first\r\n"] {
        let (outcome, _) = open(Security::Tls, &["220 hi\r\n", PLAIN, code]).await;
        assert!(matches!(outcome, Err(SmtpError::Credentials(_))), "{code:?} gave {outcome:?}");
    }
}

#[tokio::test]
async fn auth_login_answers_both_prompts_in_any_wording() {
    let offer = "250-x\r\n250 auth LOGIN\r\n";
    let says = ["220 hi\r\n", offer, "334 VXNlcg==\r\n", "334 \r\n", "235 ok\r\n"];
    let (outcome, heard) = open(Security::Tls, &says).await;
    assert!(outcome.is_ok());
    assert_eq!(heard[1..], ["AUTH LOGIN", "YW5u", "cGFzcyB3b3Jk"]);
    let endless = ["220 hi\r\n", offer, "334 a\r\n", "334 b\r\n", "334 c\r\n"];
    let (outcome, _) = open(Security::Tls, &endless).await;
    assert!(matches!(outcome, Err(SmtpError::Protocol(_))));
}

#[tokio::test]
async fn starttls_precedes_everything_and_discards_earlier_keywords() {
    let says = [
        "220 hi\r\n",
        "250-x\r\n250-STARTTLS\r\n250 AUTH LOGIN\r\n",
        "220 go\r\n",
        "250-x\r\n250 AUTH PLAIN\r\n",
        "235 ok\r\n",
    ];
    let (outcome, heard) = open(Security::StartTls, &says).await;
    assert!(outcome.is_ok(), "{outcome:?}");
    let words: Vec<_> = heard.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(words, ["EHLO", "STARTTLS", "EHLO", "AUTH"]);
}

#[tokio::test]
async fn without_tls_no_credential_is_written() {
    for says in [
        vec!["220 hi\r\n", PLAIN],
        vec!["220 hi\r\n", "250-x\r\n250 STARTTLS\r\n", "220 go\r\n250 AUTH PLAIN\r\n"],
        vec!["220 hi\r\n", "250-x\r\n250 STARTTLS\r\n", "454 4.7.0 not now\r\n"],
    ] {
        let (outcome, heard) = open(Security::StartTls, &says).await;
        assert!(outcome.is_err(), "{says:?}");
        assert!(!heard.iter().any(|line| line.contains("AUTH")), "{heard:?}");
    }
    let (outcome, _) = open(Security::StartTls, &["220 hi\r\n", PLAIN]).await;
    assert!(matches!(outcome, Err(SmtpError::NoTls)));
}

#[tokio::test]
async fn plain_text_after_the_reply_to_starttls_ends_the_session() {
    let says = ["220 hi\r\n", "250-x\r\n250 STARTTLS\r\n", "220 go\r\n250 AUTH PLAIN\r\n"];
    let (outcome, _) = open(Security::StartTls, &says).await;
    assert!(matches!(outcome, Err(SmtpError::Protocol(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_connection_lost_before_the_dot_is_an_error_and_after_it_uncertain() {
    let (delivery, _) = deliver(&[]).await;
    assert!(matches!(delivery, Err(SmtpError::Lost(_))), "{delivery:?}");
    for says in [vec![OK], vec![OK, OK], vec![OK, OK, OK]] {
        let (delivery, _) = deliver(&says).await;
        let Ok(Delivery { data: Data::Ended(SmtpError::Lost(_)), recipients }) = delivery else {
            panic!("{says:?} gave {delivery:?}")
        };
        assert_eq!(recipients.len(), says.len() - 1);
    }
    // The peer receives the dot and closes.
    let (delivery, heard) = deliver(&[OK, OK, OK, GO, ""]).await;
    assert!(heard.ends_with("a|.|"));
    assert!(matches!(delivery.unwrap().data, Data::Lost(SmtpError::Lost(_))));
    let (delivery, _) = deliver(&[OK, OK, OK, GO, "354 what?\r\n"]).await;
    assert!(matches!(delivery.unwrap().data, Data::Lost(SmtpError::Protocol(_))));
}

#[tokio::test]
async fn the_dot_waits_for_the_record() {
    let (mut session, mut peer) = session().await;
    let (envelope, raw) = (envelope(&["bo@example.test"]), message("a\r\n.b\r\n"));
    let (told, recorded) = tokio::sync::oneshot::channel();
    let before: BeforeDot<'_> = Box::new(|| {
        Box::pin(async move {
            recorded.await.unwrap();
            Err(StoreError::LostClaim)
        })
    });
    let play = async {
        for piece in [OK, OK, GO] {
            peer.hear().await;
            peer.say(piece).await;
        }
        // The whole message has arrived before the record is made, except its end.
        assert_eq!(peer.take(6).await, b"a\r\n..b");
        told.send(()).unwrap();
    };
    let (delivery, ()) = tokio::join!(session.deliver(&envelope, &raw, before), play);
    assert!(matches!(delivery, Err(SmtpError::Unrecorded(StoreError::LostClaim))));
    let again = session.deliver(&envelope, &raw, self::recorded()).await;
    assert!(matches!(again, Err(SmtpError::Lost(_))), "a session goes on after an error");
    drop(session);
    assert_eq!(peer.rest().await, b"");
}

#[tokio::test]
async fn a_body_that_could_smuggle_a_second_message_is_refused_before_mail() {
    for text in ["a\n.\nb\r\n", "a\r.\rb\r\n", "a\r\n.\n\r\n", "a\r"] {
        let (mut session, mut peer) = session().await;
        let envelope = envelope(&["bo@example.test"]);
        let delivery = session.deliver(&envelope, &message(text), recorded()).await;
        assert!(matches!(delivery, Err(SmtpError::Malformed(_))), "{text:?} gave {delivery:?}");
        drop(session);
        assert_eq!(peer.rest().await, b"", "{text:?}");
    }
}

#[tokio::test]
async fn a_message_over_the_servers_size_is_not_offered() {
    let (mut session, mut peer) = session().await;
    let raw = in_memory(Bytes::from(vec![b'a'; 1_000_001]));
    let delivery = session.deliver(&envelope(&["bo@example.test"]), &raw, recorded()).await;
    assert!(matches!(delivery, Err(SmtpError::TooLarge { limit: 1_000_000 })));
    drop(session);
    assert_eq!(peer.rest().await, b"");
}

#[tokio::test]
async fn without_smtputf8_domains_are_encoded_and_non_ascii_local_parts_refused() {
    let (mut session, mut peer) = session().await;
    let envelope = envelope(&["李@example.test", "bo@bücher.test"]);
    let raw = message("a\r\n");
    let play = async {
        assert_eq!(peer.hear().await, "MAIL FROM:<ann@example.test> SIZE=3");
        peer.say(OK).await;
        assert_eq!(peer.hear().await, "RCPT TO:<bo@xn--bcher-kva.test>");
        peer.say("450 later\r\n").await;
    };
    let (delivery, ()) = tokio::join!(session.deliver(&envelope, &raw, recorded()), play);
    let codes: Vec<u16> = delivery.unwrap().recipients.iter().map(|reply| reply.code).collect();
    assert_eq!(codes, [553, 450]);
}

#[tokio::test]
async fn a_reply_that_never_ends_is_cut_off() {
    for piece in [vec![b'2'; 64 * 1024], b"220-more\r\n".repeat(6000)] {
        let (dial, mut peer) = pair();
        let smtp = smtp(dial);
        let (server, credentials) = (server(Security::Tls), credentials());
        // 300 MiB, or as much as the client reads.
        let flood = async {
            let mut sent = 0;
            while sent < 300 << 20 && peer.say(&piece).await {
                sent += piece.len();
            }
            sent
        };
        let open =
            async { smtp.connect(&server, &credentials, &(), &activity()).await.map(|_| ()) };
        let (outcome, sent) = tokio::join!(open, flood);
        assert!(matches!(outcome, Err(SmtpError::Protocol(_))), "{outcome:?}");
        assert!(sent < 1 << 20, "{sent} bytes were taken");
    }
}

#[tokio::test]
async fn an_unsolicited_reply_is_never_taken_for_a_reply_to_a_command() {
    let (delivery, _) = deliver(&["250 ok\r\n250 and more\r\n"]).await;
    assert!(matches!(delivery, Err(SmtpError::Protocol(_))), "{delivery:?}");
    let (delivery, _) = deliver(&["HTTP/1.1 200 OK\r\n"]).await;
    assert!(matches!(delivery, Err(SmtpError::Protocol(_))), "{delivery:?}");
}

#[tokio::test(start_paused = true)]
async fn silence_is_a_timeout_with_its_step() {
    let (dial, _peer) = pair();
    let outcome =
        smtp(dial).connect(&server(Security::Tls), &credentials(), &(), &activity()).await;
    check_timeout(&outcome.map(|_| ()).unwrap_err(), "the greeting");

    let (mut session, mut peer) = session().await;
    let (envelope, raw) = (envelope(&["bo@example.test"]), message("a\r\n"));
    let before = tokio::time::Instant::now();
    let play = async {
        for piece in [OK, OK, GO] {
            peer.hear().await;
            peer.say(piece).await;
        }
        std::future::pending::<()>().await;
    };
    let delivery = tokio::select! {
        delivery = session.deliver(&envelope, &raw, recorded()) => delivery,
        () = play => unreachable!("the server is silent"),
    };
    let Data::Lost(error) = delivery.unwrap().data else { panic!("silence is no reply") };
    check_timeout(&error, "the final dot");
    assert!(before.elapsed() >= Duration::from_secs(600));
}

#[track_caller]
fn check_timeout(error: &SmtpError, want: &str) {
    assert!(matches!(error, SmtpError::Timeout { step } if *step == want), "{error:?}");
}

/// One byte a second is not silence, but no reply either.
#[tokio::test(start_paused = true)]
async fn a_slow_trickle_is_a_timeout() {
    let (dial, mut peer) = pair();
    let smtp = smtp(dial);
    let (server, credentials) = (server(Security::Tls), credentials());
    let trickle = async {
        while peer.say("2").await {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let open = async { smtp.connect(&server, &credentials, &(), &activity()).await.map(|_| ()) };
    let (outcome, ()) = tokio::join!(open, trickle);
    check_timeout(&outcome.unwrap_err(), "the greeting");
}

#[tokio::test]
async fn a_dropped_delivery_ends_the_session() {
    let (mut session, mut peer) = session().await;
    let (envelope, raw) = (envelope(&["bo@example.test"]), message("a\r\n"));
    tokio::select! {
        _ = session.deliver(&envelope, &raw, recorded()) => panic!("nobody answered"),
        line = peer.hear() => assert!(line.starts_with("MAIL")),
    }
    let again = session.deliver(&envelope, &raw, recorded()).await;
    assert!(matches!(again, Err(SmtpError::Lost(_))));
}

#[tokio::test]
async fn no_credential_and_no_control_character_reaches_an_error() {
    let says = ["220 hi\r\n", PLAIN, "535 \x1b[31mAGFubgBwYXNz\r\n"];
    let (outcome, _) = open(Security::Tls, &says).await;
    let text = format!("{:?}", outcome.unwrap_err());
    assert!(!text.contains("\\u{1b}") && !text.contains('\x1b'), "{text}");
    assert!(!text.contains("pass word"), "{text}");
}
