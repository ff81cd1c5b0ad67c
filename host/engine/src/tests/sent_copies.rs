//! Tests of sent copies: durable, limited in concurrency, never twice.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future;
use model::port::imap::NoCode;
use model::submission::{SentCopy, State};

use crate::tests::host::{Host, settle};
use crate::tests::sending::draft;

const MOMENT: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_copy_that_does_not_end_delays_no_delivery() {
    let host = Host::new();
    host.imap.change(|state| state.stalled = Some("APPEND"));
    for _ in 0..40 {
        host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    }
    host.drive(Duration::ZERO);
    assert_eq!(host.smtp.taken(), 40);
    assert!(host.outbox.states().iter().all(|state| *state == State::Sent));
    assert!(copies(&host).iter().all(|copy| *copy == Some(SentCopy::Pending)));
    // The host ended in between: pending copies are resumed.
    host.imap.change(|state| state.stalled = None);
    host.drive(Duration::from_secs(120));
    assert!(copies(&host).iter().all(|copy| *copy == Some(SentCopy::Done)));
    assert_eq!((host.smtp.taken(), host.imap.uids("Sent").len()), (40, 40));
}

#[tokio::test]
async fn a_copy_that_was_already_filed_is_not_filed_again() {
    let host = Host::new();
    host.imap.change(|state| state.stalled = Some("APPEND"));
    let receipt = host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    host.drive(Duration::ZERO);
    // The server has it, and the response was lost.
    host.imap.add("Sent", &format!("Message-ID: <{}>\r\n\r\n", receipt.message_id));
    host.imap.change(|state| state.stalled = None);
    host.drive(Duration::from_secs(120));
    assert_eq!(copies(&host), [Some(SentCopy::Done)]);
    assert_eq!((host.imap.uids("Sent").len(), host.imap.said("SEARCH")), (1, 1));
}

#[tokio::test]
async fn a_copy_that_takes_longer_than_its_pause_is_not_begun_again() {
    let host = Host::new();
    host.imap.change(|state| state.stalled = Some("APPEND"));
    host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    let mut driver = pin!(Arc::clone(&host.engine).deliver_forever(future::pending()));
    for _ in 0..300 {
        settle(driver.as_mut());
        host.clock.advance(MOMENT);
    }
    assert_eq!((copies(&host), host.imap.said("APPEND")), (vec![Some(SentCopy::Pending)], 1));
}

#[tokio::test]
async fn a_copy_is_tried_a_few_times_and_then_abandoned() {
    let host = Host::new();
    host.imap.change(|state| state.refused.insert("APPEND", NoCode::OverQuota));
    host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    let mut driver = pin!(Arc::clone(&host.engine).deliver_forever(future::pending()));
    for _ in 0..30 {
        settle(driver.as_mut());
        host.clock.advance(MOMENT);
    }
    assert_eq!(copies(&host), [Some(SentCopy::Pending)]);
    for _ in 0..48 {
        settle(driver.as_mut());
        host.clock.advance(HOUR);
    }
    assert_eq!(copies(&host), [Some(SentCopy::GivenUp)]);
    assert_eq!((host.outbox.states(), host.imap.said("APPEND")), (vec![State::Sent], 6));
}

#[tokio::test]
async fn an_account_without_sent_copies_has_none() {
    let host = Host::new();
    host.shelf.0.lock().values_mut().for_each(|account| account.imap = None);
    host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    host.drive(MOMENT);
    assert_eq!((host.outbox.states(), copies(&host)), (vec![State::Sent], vec![None]));
}

fn copies(host: &Host) -> Vec<Option<SentCopy>> {
    host.outbox.all().iter().map(|entry| entry.sent_copy).collect()
}
