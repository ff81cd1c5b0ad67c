//! A crash at every step: nothing is lost, and what may arrive twice says so.

use std::time::Duration;

use model::submission::State;

use crate::testing::host::Host;
use crate::testing::sending::draft;
use crate::testing::smtp::Point;

/// The driver is dropped where the server stalls, and started again on the same outbox.
async fn check(point: Option<Point>, at_crash: State, deliveries: usize, duplicate: bool) {
    let mut host = Host::new();
    let receipt = host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    if point.is_some() {
        host.smtp.change(|state| state.stall = point);
        host.drive(Duration::ZERO);
    }
    assert_eq!(host.outbox.states(), [at_crash], "{point:?}");
    host.smtp.change(|state| state.stall = None);
    host.restart();
    // The back-off was set before the dial, so a crash loop does not hammer the server.
    host.drive(Duration::from_secs(60));
    let entry = host.outbox.only();
    assert_eq!(entry.receipt.state, State::Sent, "{point:?}");
    assert_eq!(entry.possible_duplicate, duplicate, "{point:?}");
    let taken = host.smtp.change(|state| state.taken.clone());
    assert_eq!(taken.len(), deliveries, "{point:?}");
    assert!(taken.iter().all(|(message, _)| message.contains(&receipt.message_id)));
}

#[tokio::test]
async fn before_the_attempt_nothing_is_lost() {
    check(None, State::Accepted, 1, false).await;
}

#[tokio::test]
async fn while_connecting_a_retry_is_safe() {
    check(Some(Point::Connect), State::Dialing, 1, false).await;
}

#[tokio::test]
async fn in_the_transaction_a_retry_is_safe() {
    check(Some(Point::Mail), State::Dialing, 1, false).await;
}

#[tokio::test]
async fn once_the_dot_is_recorded_a_retry_is_marked() {
    check(Some(Point::Dot), State::DotSent, 1, true).await;
}

#[tokio::test]
async fn without_the_verdict_it_may_arrive_twice_and_says_so() {
    check(Some(Point::Verdict), State::DotSent, 2, true).await;
}

#[tokio::test]
async fn after_the_verdict_it_is_over() {
    let mut host = Host::new();
    host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    host.drive(Duration::ZERO);
    assert_eq!(host.outbox.states(), [State::Sent]);
    host.restart();
    host.drive(Duration::from_secs(3600));
    assert_eq!(host.smtp.taken(), 1);
}

#[tokio::test]
async fn a_claim_that_was_lost_records_nothing() {
    let host = Host::new();
    host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    host.smtp.change(|state| state.stall = Some(Point::Mail));
    let mut old =
        std::pin::pin!(std::sync::Arc::clone(&host.engine).deliver_forever(std::future::pending()));
    crate::testing::host::settle(old.as_mut());
    // Another worker takes over and delivers.
    host.smtp.change(|state| state.stall = None);
    host.drive(Duration::from_secs(60));
    assert_eq!((host.outbox.states(), host.smtp.taken()), (vec![State::Sent], 1));
    assert_eq!(host.outbox.only().attempts, 2);
}
