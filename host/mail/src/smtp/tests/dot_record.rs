//! Tests of the record before the dot: made during the transfer, and the dot waits for both.

use bytes::Bytes;
use model::octets::in_memory;
use model::port::smtp::{BeforeDot, Data, SmtpError};
use model::port::store_error::StoreError;
use tokio::sync::oneshot;

use crate::scripted_peer::pair_holding;
use crate::smtp::tests::{GO, OK, PLAIN, envelope, recorded, session_over};

/// When the record is complete: the server has by then read nothing of the message, half, or all.
const MOMENTS: [usize; 3] = [0, 50_000, 100_000];

fn record<'a>(
    begun: oneshot::Sender<()>,
    done: oneshot::Receiver<Result<(), StoreError>>,
) -> BeforeDot<'a> {
    Box::new(|| {
        Box::pin(async move {
            begun.send(()).unwrap();
            done.await.unwrap()
        })
    })
}

#[tokio::test(start_paused = true)]
async fn no_dot_is_sent_before_its_record_is_made() {
    for moment in MOMENTS {
        for fails in [false, true] {
            // A wire that holds less than the message.
            let (mut session, mut peer) = session_over(pair_holding(1024), PLAIN).await;
            let mut text = b"a line\r\n".repeat(12_500);
            let raw = in_memory(Bytes::from(text.clone()));
            text.truncate(text.len() - 2);
            let envelope = envelope(&["bo@example.test"]);
            let ((begun, began), (done, waits)) = (oneshot::channel(), oneshot::channel());
            let play = async {
                let mut began = began;
                for piece in [OK, OK] {
                    peer.hear().await;
                    peer.say(piece).await;
                }
                assert_eq!(peer.hear().await, "DATA");
                assert!(began.try_recv().is_err(), "a record before the server wants the message");
                peer.say(GO).await;
                // The record begins before any of the message is read.
                began.await.unwrap();
                let mut heard = peer.take(moment.min(text.len())).await;
                // The end of the message is not sent while there is no record.
                if moment >= text.len() {
                    assert!(!peer.has_more().await, "the dot left without a record");
                }
                let told = if fails { Err(StoreError::LostClaim) } else { Ok(()) };
                done.send(told).unwrap();
                if fails {
                    heard.extend(peer.rest().await);
                    return heard;
                }
                heard.extend(peer.take(text.len() - heard.len()).await);
                assert_eq!(peer.take(5).await, b"\r\n.\r\n");
                peer.say(OK).await;
                heard
            };
            let deliver = async {
                let delivery = session.deliver(&envelope, &raw, record(begun, waits)).await;
                if fails {
                    let again = session.deliver(&envelope, &raw, recorded()).await;
                    assert!(matches!(again, Err(SmtpError::Lost(_))), "{again:?}");
                    drop(session);
                }
                delivery
            };
            let (delivery, heard) = tokio::join!(deliver, play);
            assert!(text.starts_with(&heard), "something else than the message was heard");
            match delivery {
                Ok(delivery) => {
                    assert!(!fails && heard == text);
                    assert!(matches!(delivery.data, Data::Replied(reply) if reply.is_positive()));
                }
                Err(SmtpError::Unrecorded(StoreError::LostClaim)) => assert!(fails),
                Err(error) => panic!("{moment}: {error:?}"),
            }
        }
    }
}

/// A refusal meanwhile waits for the record all the same: a late step would follow the verdict.
#[tokio::test(start_paused = true)]
async fn a_refusal_waits_for_the_record() {
    let (mut session, mut peer) = session_over(pair_holding(1024), PLAIN).await;
    let raw = in_memory(Bytes::from(b"a line\r\n".repeat(12_500)));
    let envelope = envelope(&["bo@example.test"]);
    let ((begun, began), (done, waits)) = (oneshot::channel(), oneshot::channel());
    let play = async {
        for piece in [OK, OK, GO] {
            peer.hear().await;
            peer.say(piece).await;
        }
        began.await.unwrap();
        peer.take(2_000).await;
        peer.say("552 5.3.4 enough\r\n").await;
        drop(peer);
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        done.send(Ok(())).unwrap();
    };
    let (delivery, ()) = tokio::join!(session.deliver(&envelope, &raw, record(begun, waits)), play);
    assert!(matches!(delivery.unwrap().data, Data::Replied(reply) if reply.code == 552));
}
