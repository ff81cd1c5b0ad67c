//! Tests of delivery, from submission to verdict.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future;
use model::mail::address::Address;
use model::mail::draft::Draft;
use model::port::BoxFuture;
use model::port::capabilities::{Mailboxes, Submissions};
use model::problem::Code;
use model::submission::State;

use crate::tests::host::{Host, refused, settle};
use crate::tests::smtp::{Point, Turn};

const MOMENT: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn draft(recipients: &[&str]) -> Draft {
    let to = recipients.iter().map(|email| Address { name: None, email: (*email).to_owned() });
    Draft { to: to.collect(), subject: Some("hello".to_owned()), ..Draft::default() }
}

#[tokio::test]
async fn a_submission_is_delivered_once_and_its_copy_is_filed() {
    let host = Host::new();
    let receipt = host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    assert_eq!(receipt.state, State::Accepted);
    assert!(receipt.message_id.ends_with("@example.com"));
    host.drive(MOMENT);
    assert_eq!(host.outbox.states(), [State::Sent]);
    assert_eq!(host.outbox.steps(), ["dialing", "dot-sent", "ended"]);
    assert_eq!((host.smtp.taken(), host.imap.uids("Sent").len()), (1, 1));
    host.drive(HOUR);
    assert_eq!(host.smtp.taken(), 1);
    let grant = host.grant("anna").await;
    let entry = host.engine.submission(&grant, receipt.submission.as_str()).await.unwrap();
    assert_eq!((entry.attempts, entry.possible_duplicate), (1, false));
    assert!(entry.recipients[0].reply.as_ref().unwrap().starts_with("250"));
    let stranger = host.grant("bela").await;
    let other = host.engine.submission(&stranger, receipt.submission.as_str()).await;
    refused(other, Code::NoSuchSubmission);
    refused(host.engine.submission(&grant, "nonsense").await, Code::NoSuchSubmission);
}

#[tokio::test]
async fn a_submission_wakes_the_driver() {
    let host = Host::new();
    // As a host holds it: owned, and free to move between threads.
    let mut driver: BoxFuture<'static, ()> =
        Box::pin(Arc::clone(&host.engine).deliver_forever(future::pending()));
    settle(driver.as_mut());
    host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    // The clock stands still.
    settle(driver.as_mut());
    assert_eq!(host.smtp.taken(), 1);
}

#[tokio::test]
async fn a_repeated_key_and_draft_return_the_first_receipt() {
    let host = Host::new();
    let first = host.accept(Some("k"), draft(&["bo@example.net"])).await.unwrap();
    let again = host.accept(Some("k"), draft(&["bo@example.net"])).await.unwrap();
    assert_eq!((first.is_replay, again.is_replay), (false, true));
    let (first, again) = (first.receipt, again.receipt);
    assert_eq!((&again.submission, &again.message_id), (&first.submission, &first.message_id));
    let other = host.submit(Some("k"), draft(&["bea@example.net"])).await;
    refused(other, Code::IdempotencyMismatch);
    let fresh = host.submit(Some("l"), draft(&["bo@example.net"])).await.unwrap();
    assert_ne!(fresh.submission, first.submission);
    refused(host.submit(Some(""), draft(&[])).await, Code::InvalidIdempotencyKey);
    refused(host.submit(Some("ä"), draft(&[])).await, Code::InvalidIdempotencyKey);
    assert_eq!(host.outbox.states().len(), 2);
}

#[tokio::test]
async fn a_draft_must_be_the_accounts_own_and_well_formed() {
    let host = Host::new();
    let from = |email: &str| Draft {
        sender: Some(Address { name: None, email: email.to_owned() }),
        ..draft(&["bo@example.net"])
    };
    assert!(host.submit(None, from("anna@EXAMPLE.com")).await.is_ok());
    refused(host.submit(None, from("bela@example.com")).await, Code::ForeignSender);
    let told = host.submit(None, from("bela@example.com")).await.unwrap_err().detail;
    assert!(
        told.contains("may send as anna@example.com") && told.contains("/identities"),
        "{told}"
    );
    let told = host.submit_unknown(from("bela@example.com")).await.unwrap_err().detail;
    assert!(!told.contains("anna@"), "{told}");
    refused(host.submit(None, from("Anna <anna@example.com>")).await, Code::ForeignSender);
    let bad = Draft { subject: Some("a\nb".to_owned()), ..draft(&["bo@example.net"]) };
    let problem = host.submit(None, bad).await.unwrap_err();
    assert_eq!((problem.code, problem.faults.len()), (Code::InvalidDraft, 1));
    refused(host.submit(None, draft(&[])).await, Code::InvalidDraft);
    host.shelf.0.lock().values_mut().for_each(|account| account.smtp = None);
    refused(host.submit(None, draft(&["bo@example.net"])).await, Code::NotConfigured);
}

#[tokio::test]
async fn recipients_have_their_own_verdicts_and_only_deferred_ones_are_retried() {
    let host = Host::new();
    let script = [Turn::Codes(vec![250, 550, 450], 250), Turn::Codes(vec![250], 250)];
    host.smtp.change(|state| state.script.extend(script));
    let to = ["a@example.net", "b@example.net", "c@example.net"];
    host.submit(None, draft(&to)).await.unwrap();
    host.drive(MOMENT);
    let states = |host: &Host| -> Vec<State> {
        host.outbox.only().recipients.iter().map(|known| known.state).collect()
    };
    assert_eq!(states(&host), [State::Sent, State::Failed, State::Deferred]);
    assert_eq!(host.outbox.states(), [State::Deferred]);
    host.drive(Duration::from_secs(40));
    assert_eq!(states(&host), [State::Sent, State::Failed, State::Sent]);
    assert_eq!(host.outbox.states(), [State::Failed]);
    let whom: Vec<_> = host.smtp.change(|state| state.taken.iter().map(|t| t.1.clone()).collect());
    assert_eq!(whom, [vec!["a@example.net".to_owned()], vec!["c@example.net".to_owned()]]);
    // The first attempt appended the copy.
    assert_eq!(host.imap.uids("Sent").len(), 1);
    assert!(!host.outbox.only().possible_duplicate);
}

#[tokio::test]
async fn a_deferred_message_is_retried_when_it_is_due() {
    let host = Host::new();
    host.smtp.change(|state| state.script.extend([Turn::Codes(vec![250], 451), Turn::LostBefore]));
    host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    host.drive(Duration::from_secs(20));
    assert_eq!((host.outbox.states(), host.smtp.taken()), (vec![State::Deferred], 0));
    assert!(host.outbox.only().last_error.unwrap().contains("451"));
    host.drive(Duration::from_secs(20));
    assert_eq!(host.outbox.only().attempts, 2);
    assert_eq!(host.outbox.states(), [State::Deferred]);
    host.drive(Duration::from_secs(180));
    assert_eq!((host.outbox.states(), host.smtp.taken()), (vec![State::Sent], 1));
}

#[tokio::test]
async fn silence_after_the_dot_is_uncertain_and_the_retry_is_marked() {
    let host = Host::new();
    host.smtp.change(|state| state.script.push_back(Turn::LostAfter));
    host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    host.drive(MOMENT);
    assert_eq!(host.outbox.states(), [State::Uncertain]);
    assert!(!host.outbox.only().possible_duplicate);
    host.drive(Duration::from_secs(60));
    assert_eq!(host.outbox.states(), [State::Sent]);
    assert!(host.outbox.only().possible_duplicate);
    let taken = host.smtp.change(|state| state.taken.clone());
    assert_eq!(taken[0].0, taken[1].0, "the same bytes, with the same Message-ID");
}

#[tokio::test]
async fn a_message_that_no_server_accepts_expires() {
    let host = Host::new();
    host.smtp.change(|state| state.refuse_logins = true);
    host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    let mut driver = pin!(Arc::clone(&host.engine).deliver_forever(future::pending()));
    for _ in 0..(5 * 24 * 4) {
        settle(driver.as_mut());
        host.clock.advance(HOUR / 4);
    }
    assert_eq!(host.outbox.states(), [State::Expired]);
    assert!(host.outbox.only().last_error.unwrap().contains("does not accept this login"));
    let logins = host.smtp.change(|state| state.logins);
    assert!((8..60).contains(&logins), "{logins} logins");
}

#[tokio::test]
async fn a_deleted_account_sends_nothing_more() {
    let host = Host::new();
    host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    host.shelf.0.lock().clear();
    host.drive(MOMENT);
    assert_eq!((host.outbox.states(), host.smtp.taken()), (vec![State::Failed], 0));
    assert!(host.outbox.only().last_error.unwrap().contains("deleted"));
}

#[tokio::test]
async fn a_recreated_account_has_no_access_to_the_mail_of_the_first() {
    let host = Host::new();
    host.smtp.change(|state| state.script.push_back(Turn::LostBefore));
    let receipt = host.submit(Some("k"), draft(&["bo@example.net"])).await.unwrap();
    host.drive(MOMENT);
    assert_eq!(host.outbox.states(), [State::Deferred]);
    let id = "anna".parse().unwrap();
    host.shelf.0.lock().get_mut(&id).unwrap().generation = 2;
    host.engine.forget(&"acme".parse().unwrap(), &id).await;
    let grant = host.grant("anna").await;
    let found = host.engine.submission(&grant, receipt.submission.as_str()).await;
    refused(found, Code::NoSuchSubmission);
    let all = host.engine.submissions(&grant, &[], None, 10).await.unwrap();
    assert!(all.rows.is_empty());
    let logins = host.smtp.change(|state| state.logins);
    host.drive(Duration::from_secs(60));
    assert_eq!((host.outbox.states(), host.smtp.taken()), (vec![State::Failed], 0));
    assert!(host.outbox.only().last_error.unwrap().contains("deleted"));
    assert_eq!(host.smtp.change(|state| state.logins), logins, "not even a login");
    // The key belongs to the new account.
    let other = host.submit(Some("k"), draft(&["bea@example.net"])).await.unwrap();
    assert_ne!(other.submission, receipt.submission);
}

#[tokio::test]
async fn a_sender_that_is_no_longer_an_identity_sends_nothing() {
    let host = Host::new();
    host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    let id = "anna".parse().unwrap();
    host.shelf.0.lock().get_mut(&id).unwrap().identities[0].email =
        "anne@example.com".parse().unwrap();
    host.drive(MOMENT);
    assert_eq!((host.outbox.states(), host.smtp.taken()), (vec![State::Failed], 0));
    assert!(host.outbox.only().last_error.unwrap().contains("identities"));
}

#[tokio::test]
async fn a_session_in_use_while_its_account_changes_is_not_reused() {
    let host = Host::new();
    let mut driver = pin!(Arc::clone(&host.engine).deliver_forever(future::pending()));
    host.smtp.change(|state| state.wait = Some(Point::Mail));
    host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    settle(driver.as_mut());
    host.engine.forget(&"acme".parse().unwrap(), &"anna".parse().unwrap()).await;
    host.smtp.go_on();
    settle(driver.as_mut());
    assert_eq!((host.smtp.taken(), host.smtp.change(|state| state.open)), (1, 0));
}

#[tokio::test]
async fn a_message_queued_before_its_account_was_recreated_is_not_sent() {
    let host = Host::new();
    let mut driver = pin!(Arc::clone(&host.engine).deliver_forever(future::pending()));
    host.smtp.change(|state| state.wait = Some(Point::Connect));
    for _ in 0..4 {
        host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    }
    settle(driver.as_mut());
    let id = "anna".parse().unwrap();
    host.shelf.0.lock().get_mut(&id).unwrap().generation = 2;
    host.engine.forget(&"acme".parse().unwrap(), &id).await;
    host.smtp.go_on();
    settle(driver.as_mut());
    // Two were under way with the first login.
    let seen = host.smtp.change(|state| (state.taken.len(), state.logins, state.open));
    assert_eq!(seen, (2, 2, 0));
    let of = |wanted| host.outbox.states().iter().filter(|state| **state == wanted).count();
    assert_eq!((of(State::Sent), of(State::Failed)), (2, 2));
}

#[tokio::test]
async fn a_password_is_not_sent_to_a_server_of_another_generation() {
    let host = Host::new();
    let grant = host.grant("anna").await;
    let id = "anna".parse().unwrap();
    host.shelf.0.lock().get_mut(&id).unwrap().generation = 2;
    // The request began with the previous account.
    let answer = host.engine.mailboxes(&grant, false).await;
    refused(answer, Code::NoSuchAccount);
    assert_eq!(host.imap.change(|state| state.logins), 0);
}

#[tokio::test]
async fn a_message_that_may_have_arrived_fails_only_by_a_servers_reply() {
    let mut host = Host::new();
    host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    host.smtp.change(|state| state.stall = Some(Point::Verdict));
    host.drive(Duration::ZERO);
    host.smtp.change(|state| state.stall = None);
    host.restart();
    host.smtp.change(|state| state.script.push_back(Turn::LostBefore));
    host.drive(Duration::from_secs(40));
    let entry = host.outbox.only();
    assert_eq!(
        (entry.receipt.state, entry.recipients[0].state),
        (State::Uncertain, State::Uncertain)
    );
    host.shelf.0.lock().clear();
    host.drive(HOUR);
    let entry = host.outbox.only();
    assert_eq!((entry.receipt.state, entry.recipients[0].state), (State::Failed, State::Uncertain));
}

#[tokio::test]
async fn a_verdict_is_recorded_after_a_full_disk_even_if_its_claim_expired() {
    // The latter is longer than a claim holds: another worker finds it meanwhile.
    for (full, held) in [(HOUR, State::DotSent), (25 * HOUR, State::Dialing)] {
        let host = Host::new();
        host.outbox.full.store(true, Ordering::Relaxed);
        host.submit(None, draft(&["bo@example.net"])).await.unwrap();
        let mut driver = pin!(Arc::clone(&host.engine).deliver_forever(future::pending()));
        let mut pass = |time: Duration| {
            for _ in 0..time.as_secs() / 5 {
                settle(driver.as_mut());
                host.clock.advance(5 * MOMENT);
            }
            settle(driver.as_mut());
        };
        pass(full);
        assert_eq!((host.outbox.states(), host.smtp.taken()), (vec![held], 1));
        host.outbox.full.store(false, Ordering::Relaxed);
        pass(Duration::from_secs(40));
        let entry = host.outbox.only();
        assert_eq!((entry.receipt.state, host.smtp.taken()), (State::Sent, 1), "{full:?}");
        assert_eq!((entry.attempts, entry.possible_duplicate), (1, false), "{full:?}");
    }
}

#[tokio::test]
async fn a_full_disk_does_not_keep_the_host_from_stopping() {
    let host = Host::new();
    host.outbox.full.store(true, Ordering::Relaxed);
    host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async move {
        let _ = stopped.await;
    };
    let mut driver = pin!(Arc::clone(&host.engine).deliver_forever(stopped));
    settle(driver.as_mut());
    stop.send(()).unwrap();
    let mut over = settle(driver.as_mut());
    for _ in 0..15 {
        host.clock.advance(2 * MOMENT);
        over = over || settle(driver.as_mut());
    }
    assert!(over);
}

#[tokio::test]
async fn a_changed_account_uses_its_new_password() {
    let host = Host::new();
    host.smtp.change(|state| state.refuse_logins = true);
    for _ in 0..6 {
        host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    }
    host.drive(MOMENT);
    host.smtp.change(|state| state.refuse_logins = false);
    assert_eq!(host.smtp.change(|state| state.logins), 5, "the sixth is not even tried");
    host.engine.forget(&"acme".parse().unwrap(), &"anna".parse().unwrap()).await;
    host.drive(Duration::from_secs(40));
    assert_eq!(host.smtp.taken(), 6);
}

#[tokio::test]
async fn an_idle_session_is_reused_and_a_closed_one_replaced() {
    let host = Host::new();
    let mut driver = pin!(Arc::clone(&host.engine).deliver_forever(future::pending()));
    for (pause, logins) in [(1, 1), (1, 1), (60, 2)] {
        for _ in 0..pause {
            host.clock.advance(MOMENT);
            settle(driver.as_mut());
        }
        host.submit(None, draft(&["bo@example.net"])).await.unwrap();
        settle(driver.as_mut());
        host.clock.advance(Duration::from_millis(50));
        settle(driver.as_mut());
        assert_eq!(host.smtp.change(|state| state.logins), logins);
    }
    // It was closed while idle: nothing was sent, so a new session may try at once.
    host.smtp.change(|state| state.dead_below = state.logins + 1);
    host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    settle(driver.as_mut());
    host.clock.advance(Duration::from_millis(50));
    settle(driver.as_mut());
    assert_eq!((host.smtp.taken(), host.smtp.change(|state| state.logins)), (4, 3));
    assert!(host.outbox.states().iter().all(|state| *state == State::Sent));
}

#[tokio::test]
async fn one_dead_server_delays_no_other_account() {
    let host = Host::new();
    for _ in 0..200 {
        host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    }
    host.smtp.change(|state| state.stall = Some(Point::Connect));
    let mut driver = pin!(Arc::clone(&host.engine).deliver_forever(future::pending()));
    settle(driver.as_mut());
    host.smtp.change(|state| state.stall = None);
    let bela = host.grant("bela").await;
    host.engine.submit(&bela, draft(&["bo@example.net"])).await.unwrap();
    for _ in 0..10 {
        host.clock.advance(MOMENT);
        settle(driver.as_mut());
    }
    assert_eq!(host.outbox.states().last(), Some(&State::Sent));
    let sent = host.outbox.states().iter().filter(|state| **state == State::Sent).count();
    assert_eq!(sent, 1, "anna's two stuck deliveries hold her others");
}

#[tokio::test]
async fn many_messages_of_one_account_are_sent_without_pauses_and_with_one_claim_each() {
    let host = Host::new();
    for _ in 0..200 {
        host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    }
    // The clock stands still.
    host.drive(Duration::ZERO);
    assert_eq!(host.smtp.taken(), 200);
    assert_eq!(host.outbox.count_of_steps(), 3 * 200, "put back");
    let claims = host.outbox.claims.load(Ordering::Relaxed);
    assert!(claims <= 201, "{claims}");
    // One session for each delivery at a time.
    assert!(host.smtp.change(|state| state.logins) <= 2);
}

#[tokio::test]
async fn a_claim_is_made_only_when_a_submission_may_be_due() {
    let host = Host::new();
    let mut driver = pin!(Arc::clone(&host.engine).deliver_forever(future::pending()));
    settle(driver.as_mut());
    let before = host.outbox.claims.load(Ordering::Relaxed);
    for _ in 0..50 {
        host.submit(None, draft(&["bo@example.net"])).await.unwrap();
        settle(driver.as_mut());
    }
    assert_eq!(host.outbox.claims.load(Ordering::Relaxed) - before, 50, "one for each");
    // A submission without a slot is not queried repeatedly.
    host.smtp.change(|state| state.stall = Some(Point::Mail));
    for _ in 0..50 {
        host.submit(None, draft(&["bo@example.net"])).await.unwrap();
        settle(driver.as_mut());
    }
    let claims = host.outbox.claims.load(Ordering::Relaxed) - before;
    assert!((51..=53).contains(&claims), "{claims}");
}

#[tokio::test]
async fn shutdown_finishes_open_transactions_and_begins_none() {
    let host = Host::new();
    host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    host.smtp.change(|state| state.stall = Some(Point::Connect));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async move {
        let _ = stopped.await;
    };
    let mut driver = pin!(Arc::clone(&host.engine).deliver_forever(stopped));
    assert!(!settle(driver.as_mut()));
    stop.send(()).unwrap();
    assert!(settle(driver.as_mut()), "it waits for a dial that may never end");
    assert_eq!(host.outbox.states(), [State::Deferred]);
    let now = model::port::clock::Clock::now(&*host.clock);
    let entry = host.outbox.only();
    assert_eq!((entry.receipt.due, entry.attempts), (now, 0), "due at the next start");
}
