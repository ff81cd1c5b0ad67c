//! Tests of the same guarantees over the real store instead of a fake.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use model::port::capabilities::Submissions;
use model::problem::Code;
use model::submission::State;
use store::{MasterKey, Memory};

use crate::tests::host::{Host, refused};
use crate::tests::sending::draft;
use crate::tests::smtp::{Point, Turn};

fn host() -> Host {
    let mut host = Host::new();
    let clock = Arc::clone(&host.clock);
    host.move_to(Arc::new(Memory::new(MasterKey::from_bytes([7; 32]), clock)));
    host
}

async fn check(point: Point, at_crash: State, deliveries: usize, duplicate: bool) {
    let mut host = host();
    let grant = host.grant("anna").await;
    let receipt = host.submit(Some("k"), draft(&["bo@example.net"])).await.unwrap();
    host.smtp.change(|state| state.stall = Some(point));
    host.drive(Duration::ZERO);
    let id = receipt.submission.as_str();
    let entry = host.engine.submission(&grant, id).await.unwrap();
    assert_eq!(entry.receipt.state, at_crash, "{point:?}");
    host.smtp.change(|state| state.stall = None);
    host.restart();
    host.drive(Duration::from_secs(60));
    let entry = host.engine.submission(&grant, id).await.unwrap();
    let seen = (entry.receipt.state, entry.attempts, entry.possible_duplicate);
    assert_eq!(seen, (State::Sent, 2, duplicate), "{point:?}");
    assert_eq!(host.smtp.taken(), deliveries, "{point:?}");
    let again = host.submit(Some("k"), draft(&["bo@example.net"])).await.unwrap();
    assert_eq!((again.submission, again.state), (receipt.submission.clone(), State::Sent));
    let other = host.submit(Some("k"), draft(&["bea@example.net"])).await;
    refused(other, Code::IdempotencyMismatch);
    let all = host.engine.submissions(&grant, &[], None, 10).await.unwrap();
    assert_eq!(all.rows.len(), 1);
}

#[tokio::test]
async fn a_crash_at_any_step_loses_nothing_and_marks_possible_duplicates() {
    check(Point::Connect, State::Dialing, 1, false).await;
    check(Point::Mail, State::Dialing, 1, false).await;
    check(Point::Dot, State::DotSent, 1, true).await;
    check(Point::Verdict, State::DotSent, 2, true).await;
}

/// Not retried until it expires, since nothing repairs the bytes. A read error of the disk is
/// different, and so is a missing directory: it may not be mounted yet.
#[tokio::test]
async fn a_body_that_differs_from_the_accepted_one_fails_its_own_submission_at_once() {
    for (turn, want) in [
        (Turn::Unreadable(ErrorKind::InvalidData), State::Failed),
        (Turn::Unreadable(ErrorKind::NotFound), State::Sent),
        (Turn::Unreadable(ErrorKind::UnexpectedEof), State::Failed),
        (Turn::Unreadable(ErrorKind::Other), State::Sent),
        (Turn::Malformed, State::Sent),
    ] {
        let host = host();
        let grant = host.grant("anna").await;
        host.smtp.change(|state| state.script.push_back(turn.clone()));
        let first = host.submit(None, draft(&["bo@example.net"])).await.unwrap();
        host.drive(Duration::ZERO);
        let second = host.submit(None, draft(&["bo@example.net"])).await.unwrap();
        host.drive(Duration::from_secs(60));
        let entry = host.engine.submission(&grant, first.submission.as_str()).await.unwrap();
        assert_eq!(entry.receipt.state, want, "{turn:?}");
        if want == State::Failed {
            assert!(entry.last_error.unwrap().contains("damaged"), "{turn:?}");
        }
        let entry = host.engine.submission(&grant, second.submission.as_str()).await.unwrap();
        assert_eq!(entry.receipt.state, State::Sent, "{turn:?}");
    }
}

#[tokio::test]
async fn many_messages_with_different_verdicts_all_become_final() {
    let host = host();
    let grant = host.grant("anna").await;
    let to = ["a@example.net", "b@example.net"];
    let script = (0..40).map(|index| match index % 4 {
        0 => Turn::Codes(vec![250, 550], 250),
        1 => Turn::Codes(vec![250, 450], 250),
        2 => Turn::LostAfter,
        _ => Turn::LostBefore,
    });
    host.smtp.change(|state| state.script = script.collect());
    for _ in 0..60 {
        host.submit(None, draft(&to)).await.unwrap();
    }
    host.drive_by(Duration::from_millis(500), Duration::from_secs(600));
    let all = host.engine.submissions(&grant, &[], None, 100).await.unwrap();
    assert_eq!(all.rows.len(), 60);
    assert!(all.rows.iter().all(|entry| entry.receipt.state.is_final()));
    let marked = all.rows.iter().filter(|entry| entry.possible_duplicate).count();
    assert_eq!(marked, 10, "those whose verdict was lost, and no others");
    let failed = all.rows.iter().filter(|entry| entry.receipt.state == State::Failed).count();
    assert_eq!(failed, 10);
}
