//! Tests of a crash at every step: nothing is lost, and possible duplicates are marked.

use std::time::Duration;

use model::submission::State;
use proptest::prelude::*;

use crate::tests::host::Host;
use crate::tests::sending::draft;
use crate::tests::smtp::{Point, Turn};

/// The driver is dropped where the server stalls, and restarted on the same outbox.
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
    // The back-off was set before the connection, and the first one is short.
    host.drive(Duration::from_secs(1));
    assert_eq!(host.outbox.only().attempts, 1, "{point:?}");
    host.drive(Duration::from_secs(9));
    let entry = host.outbox.only();
    assert_eq!(entry.receipt.state, State::Sent, "{point:?}");
    assert_eq!(entry.possible_duplicate, duplicate, "{point:?}");
    let taken = host.smtp.change(|state| state.taken.clone());
    assert_eq!(taken.len(), deliveries, "{point:?}");
    assert!(taken.iter().all(|(message, _)| message.contains(&receipt.message_id)));
}

#[tokio::test]
async fn a_host_that_crashes_repeatedly_connects_at_growing_intervals() {
    let mut host = Host::new();
    host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    host.smtp.change(|state| state.stall = Some(Point::Connect));
    for (attempts, at_least, at_most) in [(1, 0, 0), (2, 1, 2), (3, 26, 8), (4, 100, 40)] {
        host.drive(Duration::from_secs(at_least));
        assert_eq!(host.outbox.only().attempts, attempts - u32::from(at_least > 0));
        host.drive(Duration::from_secs(at_most));
        assert_eq!(host.outbox.only().attempts, attempts);
        host.restart();
    }
}

#[tokio::test]
async fn a_crash_before_the_attempt_loses_nothing() {
    check(None, State::Accepted, 1, false).await;
}

#[tokio::test]
async fn after_a_crash_while_connecting_a_retry_is_safe() {
    check(Some(Point::Connect), State::Dialing, 1, false).await;
}

#[tokio::test]
async fn after_a_crash_in_the_transaction_a_retry_is_safe() {
    check(Some(Point::Mail), State::Dialing, 1, false).await;
}

#[tokio::test]
async fn after_a_crash_with_the_dot_recorded_a_retry_is_marked() {
    check(Some(Point::Dot), State::DotSent, 1, true).await;
}

#[tokio::test]
async fn after_a_crash_before_the_verdict_a_duplicate_is_marked() {
    check(Some(Point::Verdict), State::DotSent, 2, true).await;
}

#[tokio::test]
async fn after_a_crash_after_the_verdict_nothing_is_repeated() {
    let mut host = Host::new();
    host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    host.drive(Duration::ZERO);
    assert_eq!(host.outbox.states(), [State::Sent]);
    host.restart();
    host.drive(Duration::from_secs(3600));
    assert_eq!(host.smtp.taken(), 1);
}

#[tokio::test]
async fn an_expired_claim_records_nothing() {
    let host = Host::new();
    host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    host.smtp.change(|state| state.stall = Some(Point::Mail));
    let mut old =
        std::pin::pin!(std::sync::Arc::clone(&host.engine).deliver_forever(std::future::pending()));
    crate::tests::host::settle(old.as_mut());
    // Another worker takes over and delivers.
    host.smtp.change(|state| state.stall = None);
    host.drive(Duration::from_secs(60));
    assert_eq!((host.outbox.states(), host.smtp.taken()), (vec![State::Sent], 1));
    assert_eq!(host.outbox.only().attempts, 2);
}

/// Random faults at each attempt, and a crash of the host in any step.
#[derive(Clone, Debug)]
enum Fate {
    Turn(Turn),
    Crash(Point),
}

fn fate() -> impl Strategy<Value = Fate> {
    let code = prop_oneof![Just(250_u16), Just(450), Just(550)];
    let codes = (prop::collection::vec(code.clone(), 2), code);
    prop_oneof![
        codes.prop_map(|(recipients, data)| Fate::Turn(Turn::Codes(recipients, data))),
        Just(Fate::Turn(Turn::LostBefore)),
        Just(Fate::Turn(Turn::LostAfter)),
        Just(Fate::Crash(Point::Connect)),
        Just(Fate::Crash(Point::Mail)),
        Just(Fate::Crash(Point::Dot)),
        Just(Fate::Crash(Point::Verdict)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn after_random_faults_and_crashes_the_recorded_state_is_true(
        fates in prop::collection::vec(fate(), 0..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut host = Host::new();
        let to = ["a@example.net", "b@example.net"];
        runtime.block_on(host.submit(None, draft(&to))).unwrap();
        for fate in fates {
            match fate {
                Fate::Turn(turn) => host.smtp.change(|state| state.script = [turn].into()),
                Fate::Crash(point) => host.smtp.change(|state| {
                    state.script.clear();
                    state.stall = Some(point);
                }),
            }
            let before = host.outbox.only().attempts;
            for _ in 0..2_000 {
                host.drive_by(Duration::from_secs(10), Duration::from_secs(10));
                let entry = host.outbox.only();
                if entry.receipt.state.is_final() || entry.attempts > before {
                    break;
                }
            }
            host.smtp.change(|state| state.stall = None);
            host.restart();
        }
        host.smtp.change(|state| state.script.clear());
        host.drive_by(Duration::from_secs(60), Duration::from_secs(8 * 3600));
        let entry = host.outbox.only();
        prop_assert!(entry.receipt.state.is_final(), "{entry:?}");
        let taken = host.smtp.change(|state| state.taken.clone());
        for known in &entry.recipients {
            let whom = known.recipient.as_str();
            let times = taken.iter().filter(|(_, whom_all)| whom_all.iter().any(|w| w == whom)).count();
            prop_assert!(times <= 1 || entry.possible_duplicate, "{times} times, unmarked: {entry:?}");
            prop_assert!(known.state == State::Sent || known.state == State::Failed, "{entry:?}");
            if known.state == State::Sent {
                prop_assert!(times >= 1, "lost: {entry:?}");
            } else {
                prop_assert!(times == 0 || entry.possible_duplicate, "{entry:?}");
            }
        }
        prop_assert!(taken.iter().all(|(message, _)| *message == taken[0].0));
    }
}
