//! Tests of a server that replies, refuses or disconnects during the transfer of the message.

use bytes::Bytes;
use model::octets::in_memory;
use model::port::smtp::{BeforeDot, Data, Delivery, SmtpError};
use tokio::sync::oneshot;

use crate::smtp::tests::{GO, OK, envelope, message, recorded, session};

fn recorded_after<'a>(moment: oneshot::Receiver<()>) -> BeforeDot<'a> {
    Box::new(|| {
        Box::pin(async move {
            // A script that ended early dropped it, and reports the failure.
            let _ = moment.await;
            Ok(())
        })
    })
}

/// Delivers a message while the server sends `early` before the dot: with its 354, or with the
/// whole message received while the record is made. Returns what it received after the body's first
/// line.
async fn interrupted(early: &str, with_go: bool) -> (Result<Delivery, SmtpError>, Vec<u8>) {
    let (mut session, mut peer) = session().await;
    let (envelope, raw) = (envelope(&["bo@example.test"]), message("a\r\nb\r\n"));
    let (told, spoken) = oneshot::channel();
    let play = async {
        let go = if with_go { format!("{GO}{early}") } else { GO.to_owned() };
        for piece in [OK, OK, &go] {
            peer.hear().await;
            peer.say(piece).await;
        }
        if !with_go {
            assert_eq!(peer.take(4).await, b"a\r\nb");
            peer.say(early).await;
        }
        let _ = told.send(());
        peer.rest().await
    };
    let deliver = async {
        let delivery = session.deliver(&envelope, &raw, recorded_after(spoken)).await;
        let again = session.deliver(&envelope, &raw, recorded()).await;
        assert!(matches!(again, Err(SmtpError::Lost(_))), "the session goes on: {again:?}");
        drop(session);
        delivery
    };
    tokio::join!(deliver, play)
}

#[tokio::test(start_paused = true)]
async fn a_reply_before_the_dot_is_never_the_verdict_on_the_message() {
    for with_go in [true, false] {
        for early in ["250 2.0.0 queued\r\n", "354 go on\r\n", "250-a\r\n250 b\n", "hello\r\n"] {
            let (delivery, heard) = interrupted(early, with_go).await;
            assert!(matches!(delivery, Err(SmtpError::Protocol(_))), "{early:?}: {delivery:?}");
            assert_eq!(heard, b"", "{early:?}: the dot left");
        }
        for early in ["552 5.3.4 too big\r\n", "421 4.3.2 closing\r\n250 ok\r\n"] {
            let (delivery, heard) = interrupted(early, with_go).await;
            let reply = match delivery.unwrap().data {
                Data::Replied(reply) | Data::Ended(SmtpError::Refused { reply, .. }) => reply,
                other => panic!("{early:?} gave {other:?}"),
            };
            assert!(early.starts_with(&reply.code.to_string()), "{early:?} gave {reply}");
            assert_eq!(heard, b"", "{early:?}: the dot left");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_reply_of_a_server_that_stops_reading_is_read() {
    let (mut session, mut peer) = session().await;
    let raw = in_memory(Bytes::from(b"a line of the message\r\n".repeat(30_000)));
    let envelope = envelope(&["bo@example.test"]);
    let play = async {
        for piece in [OK, OK, GO] {
            peer.hear().await;
            peer.say(piece).await;
        }
        peer.take(100_000).await;
        peer.say("552 5.3.4 enough\r\n").await;
        drop(peer);
    };
    let (delivery, ()) = tokio::join!(session.deliver(&envelope, &raw, recorded()), play);
    let Data::Replied(reply) = delivery.unwrap().data else { panic!("no reply") };
    assert_eq!(reply.code, 552);
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_before_the_dot_is_a_certain_failure() {
    let (mut session, mut peer) = session().await;
    let (envelope, raw) = (envelope(&["bo@example.test"]), message("a\r\n"));
    let play = async {
        for piece in [OK, OK, GO] {
            peer.hear().await;
            peer.say(piece).await;
        }
        peer.take(1).await;
        drop(peer);
    };
    let (left, gone) = oneshot::channel();
    let play = async {
        play.await;
        let _ = left.send(());
    };
    let (delivery, ()) = tokio::join!(session.deliver(&envelope, &raw, recorded_after(gone)), play);
    let data = delivery.unwrap().data;
    assert!(matches!(data, Data::Ended(SmtpError::Lost(_))), "{data:?}");
}
