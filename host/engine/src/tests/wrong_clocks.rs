//! Tests of wall clocks that are wrong, and of expiry and removal over time.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use model::port::capabilities::Submissions;
use model::problem::Code;
use model::submission::State;
use store::{MasterKey, Memory};

use crate::tests::host::{Host, refused, settle};
use crate::tests::sending::draft;
use crate::tests::smtp::{Point, Turn};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
/// One hour, in milliseconds.
const AN_HOUR: i64 = 3_600_000;
const THREE_DAYS: i64 = 72 * AN_HOUR;
/// The offset from the start of the test clock back to 1970, in milliseconds.
const TO_1970: i64 = -1_700_000_000_000;

fn host() -> Host {
    let mut host = Host::new();
    let clock = Arc::clone(&host.clock);
    host.move_to(Arc::new(Memory::new(MasterKey::from_bytes([7; 32]), clock)));
    host
}

async fn state(host: &Host, id: &str) -> State {
    host.engine.submission(&host.grant("anna").await, id).await.unwrap().receipt.state
}

/// A submission that was deferred once while the clock was wrong by `wrong`; the clock is right
/// again afterwards.
async fn deferred(host: &Host, wrong: i64) -> String {
    host.clock.set(wrong);
    host.smtp.change(|state| state.script.push_back(Turn::Codes(vec![250], 451)));
    let receipt = host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    let id = receipt.submission.to_string();
    host.drive(Duration::from_secs(1));
    assert_eq!(state(host, &id).await, State::Deferred);
    id
}

/// As [`Host::drive`], with a driver that keeps what it holds.
fn pass(host: &Host, mut driver: Pin<&mut impl Future>, time: Duration) {
    for _ in 0..time.as_secs() {
        host.clock.advance(Duration::from_secs(1));
        settle(driver.as_mut());
    }
}

#[tokio::test]
async fn a_retry_postponed_by_a_clock_that_was_ahead_is_due_when_the_clock_is_right() {
    for wrong in [AN_HOUR, THREE_DAYS, 365 * 24 * AN_HOUR] {
        let host = host();
        let id = deferred(&host, wrong).await;
        // While the host runs.
        let mut driver =
            std::pin::pin!(Arc::clone(&host.engine).deliver_forever(std::future::pending()));
        settle(driver.as_mut());
        host.clock.set(-wrong);
        pass(&host, driver.as_mut(), 2 * MINUTE);
        assert_eq!(state(&host, &id).await, State::Sent, "{wrong}");
    }
}

#[tokio::test]
async fn a_clock_corrected_while_the_host_was_off_delays_nothing() {
    let mut host = host();
    let id = deferred(&host, AN_HOUR).await;
    // One that was never tried, too.
    let new = host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    host.clock.set(-AN_HOUR);
    host.restart();
    host.drive(2 * MINUTE);
    assert_eq!(state(&host, &id).await, State::Sent);
    assert_eq!(state(&host, new.submission.as_str()).await, State::Sent);
}

#[tokio::test]
async fn a_clock_that_jumps_expires_nothing() {
    for jumps in [&[THREE_DAYS, THREE_DAYS][..], &[TO_1970, -TO_1970], &[-AN_HOUR], &[TO_1970]] {
        let host = host();
        let id = deferred(&host, 0).await;
        host.smtp.change(|state| {
            state.script.extend((0..jumps.len()).map(|_| Turn::Codes(vec![250], 451)));
        });
        for jump in jumps {
            host.clock.set(*jump);
            host.drive(5 * MINUTE);
            assert!(!state(&host, &id).await.is_final() || host.smtp.taken() == 1, "{jumps:?}");
        }
        host.drive_by(MINUTE, 60 * MINUTE);
        assert_eq!(state(&host, &id).await, State::Sent, "{jumps:?}");
    }
}

/// Only what was tried counts, however often it was claimed.
#[tokio::test]
async fn claims_without_an_attempt_expire_nothing() {
    let mut host = host();
    let receipt = host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    let id = receipt.submission.to_string();
    host.smtp.change(|state| state.stall = Some(Point::Connect));
    for _ in 0..300 {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let stopped = async move { drop(stopped.await) };
        let mut driver = std::pin::pin!(Arc::clone(&host.engine).deliver_forever(stopped));
        settle(driver.as_mut());
        stop.send(()).unwrap();
        assert!(settle(driver.as_mut()));
        host.restart();
    }
    host.smtp.change(|state| {
        state.stall = None;
        state.script.push_back(Turn::Codes(vec![250], 451));
    });
    host.clock.set(2 * THREE_DAYS);
    host.drive(Duration::from_secs(5));
    assert_eq!(state(&host, &id).await, State::Deferred);
    host.drive(2 * MINUTE);
    assert_eq!(state(&host, &id).await, State::Sent);
}

/// An attempt that finds no server configured counts as one: the message does not wait for ever.
#[tokio::test]
async fn a_message_without_a_configured_server_expires_with_its_schedule() {
    let host = host();
    let receipt = host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    host.shelf.0.lock().values_mut().for_each(|account| account.smtp = None);
    // An attempt after which the next one would come too late is the last: up to 4.4 hours earlier.
    host.drive_by(15 * MINUTE, 4 * DAY - 300 * MINUTE);
    assert_eq!(state(&host, receipt.submission.as_str()).await, State::Deferred);
    host.drive_by(15 * MINUTE, DAY);
    assert_eq!(state(&host, receipt.submission.as_str()).await, State::Expired);
}

#[tokio::test]
async fn a_message_accepted_in_1970_is_delivered_when_the_clock_is_set() {
    let host = host();
    let id = deferred(&host, TO_1970).await;
    host.clock.set(-TO_1970);
    host.drive(2 * MINUTE);
    assert_eq!(state(&host, &id).await, State::Sent);
}

#[tokio::test]
async fn a_final_submission_expires_after_its_time_and_differs_from_an_unknown_one() {
    let host = host();
    let receipt = host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    let id = receipt.submission.to_string();
    host.drive(Duration::from_secs(1));
    host.drive_by(DAY / 4, 29 * DAY);
    assert_eq!(state(&host, &id).await, State::Sent);
    host.drive_by(DAY / 4, 2 * DAY);
    let grant = host.grant("anna").await;
    refused(host.engine.submission(&grant, &id).await, Code::SubmissionExpired);
    for never in ["sub_aaaaaaaaaaaaaaaa", "sub_7777777777777777"] {
        refused(host.engine.submission(&grant, never).await, Code::NoSuchSubmission);
    }
}

/// The clock jumps while the host runs, or was ahead when it started, for any length of time.
#[tokio::test]
async fn a_clock_that_is_ahead_removes_no_submission_and_no_key() {
    for restarts in [false, true] {
        let mut host = host();
        let receipt = host.submit(Some("k"), draft(&["bo@example.net"])).await.unwrap();
        let id = receipt.submission.to_string();
        host.drive(MINUTE);
        host.clock.set(40 * 24 * AN_HOUR);
        if restarts {
            host.restart();
        }
        host.drive_by(MINUTE, 2 * DAY);
        assert_eq!(state(&host, &id).await, State::Sent);
        let again = host.submit(Some("k"), draft(&["bo@example.net"])).await.unwrap();
        assert_eq!(again.submission, receipt.submission, "{restarts}");
        // After three days of uptime it is a new key.
        host.drive_by(MINUTE, 2 * DAY);
        let later = host.submit(Some("k"), draft(&["bo@example.net"])).await.unwrap();
        assert_ne!(later.submission, receipt.submission, "{restarts}");
    }
}

/// An account that cannot be read says nothing about its mail, and no claim is held until it
/// expires.
#[tokio::test]
async fn a_claim_is_released_while_its_account_cannot_be_read() {
    let host = Host::new();
    host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    host.shelf.3.store(true, Ordering::Relaxed);
    let mut driver =
        std::pin::pin!(Arc::clone(&host.engine).deliver_forever(std::future::pending()));
    let mut pass = |time| pass(&host, driver.as_mut(), time);
    pass(Duration::from_secs(10));
    host.shelf.3.store(false, Ordering::Relaxed);
    pass(2 * MINUTE);
    assert!(host.outbox.states().iter().all(|state| *state == State::Sent));
    assert_eq!(host.smtp.taken(), 1);
}

/// Results that could not be recorded are recorded when the store writes again, and no claim is
/// held until it expires.
#[tokio::test]
async fn claims_are_released_when_the_store_writes_again() {
    let host = Host::new();
    host.outbox.full.store(true, Ordering::Relaxed);
    for _ in 0..40 {
        host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    }
    let mut driver =
        std::pin::pin!(Arc::clone(&host.engine).deliver_forever(std::future::pending()));
    let mut pass = |time| pass(&host, driver.as_mut(), time);
    pass(MINUTE);
    host.outbox.full.store(false, Ordering::Relaxed);
    pass(5 * MINUTE);
    assert!(host.outbox.states().iter().all(|state| *state == State::Sent));
    assert_eq!(host.smtp.taken(), 40);
}
