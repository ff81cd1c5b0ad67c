//! Tests of the self-test with slow delivery, on a clock that the test controls.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use futures_util::future;
use model::mail::mailbox::Role;
use model::problem::Code;

use crate::tests::account::account;
use crate::tests::host::{Host, settle};
use crate::tests::imap::{Box_, State};

const SECOND: Duration = Duration::from_secs(1);

fn with_junk() -> Host {
    let host = Host::new();
    let junk = Box_ { validity: 1, next: 1, messages: BTreeMap::new(), role: Some(Role::Junk) };
    host.imap.change(|state| state.boxes.insert("Spam".to_owned(), junk));
    host
}

/// The message that was submitted over SMTP, as it arrives.
fn arrives(host: &Host, mailbox: &str) {
    let message = host.smtp.change(|state| state.taken[0].0.clone());
    host.imap.add(mailbox, &message);
}

#[tokio::test]
async fn a_test_message_that_arrives_late_in_junk_is_found_and_only_it_is_removed() {
    let (host, anna) = (with_junk(), account("anna"));
    host.imap.add("Spam", "Message-ID: <other@x>\r\nSubject: Postlet\r\n\r\n");
    let mut trial = pin!(host.engine.self_test(&anna));
    for _ in 0..20 {
        assert!(!settle(trial.as_mut()), "it did not wait");
        host.clock.advance(SECOND);
    }
    assert_eq!(host.smtp.taken(), 1);
    arrives(&host, "Spam");
    host.clock.advance(10 * SECOND);
    let trial = trial.await.unwrap();
    let arrived = trial.arrived.unwrap();
    assert_eq!((arrived.mailbox.as_str(), arrived.junk), ("Spam", true));
    assert!(trial.removed && trial.problem.is_none(), "{:?}", trial.problem);
    assert_eq!(host.imap.uids("Spam"), [1], "the other one");
    let waited = trial.steps.iter().find(|step| step.name == "arrive").unwrap().took;
    assert!(waited >= 20 * SECOND, "{waited:?}");
}

#[tokio::test]
async fn the_test_message_is_removed_from_every_mailbox_although_one_removal_fails() {
    let (host, anna) = (with_junk(), account("anna"));
    let mut trial = pin!(host.engine.self_test(&anna));
    assert!(!settle(trial.as_mut()));
    for mailbox in ["INBOX", "Spam"] {
        arrives(&host, mailbox);
    }
    host.clock.advance(10 * SECOND);
    let ended = trial.await.unwrap();
    assert!(ended.removed, "{:?}", ended.problem);
    assert_eq!((host.imap.uids("INBOX"), host.imap.uids("Spam")), (vec![], vec![]));

    // Without UIDPLUS, and with a message in INBOX that another client marked.
    host.imap.change(|state| state.no_uidplus = true);
    let other = host.imap.add("INBOX", "Subject: mine\r\n\r\n");
    let mark = |state: &mut State, on: bool| {
        let message = state.boxes.get_mut("INBOX").unwrap().messages.get_mut(&other).unwrap();
        message.flags = if on { vec!["\\Deleted".to_owned()] } else { Vec::new() };
    };
    host.imap.change(|state| mark(state, true));
    let taken = host.smtp.taken();
    let mut trial = pin!(host.engine.self_test(&anna));
    assert!(!settle(trial.as_mut()));
    for mailbox in ["INBOX", "Spam"] {
        let message = host.smtp.change(|state| state.taken[taken].0.clone());
        host.imap.add(mailbox, &message);
    }
    host.clock.advance(10 * SECOND);
    let ended = trial.await.unwrap();
    let problem = ended.problem.unwrap();
    assert!(!ended.removed && problem.code == Code::UpstreamUnsupported, "{problem:?}");
    assert!(problem.detail.contains("marked as deleted in INBOX"), "{problem:?}");
    let flags = host.imap.change(|state| {
        let inbox = &state.boxes["INBOX"].messages;
        inbox.values().map(|message| message.flags.clone()).collect::<Vec<_>>()
    });
    assert_eq!(flags, [["\\Deleted"], ["\\Deleted"]], "the other one stays, ours is marked");
    assert!(host.imap.uids("Spam").is_empty(), "the other place is cleared all the same");
}

#[tokio::test]
async fn a_test_message_that_never_arrives_is_searched_for_at_growing_intervals() {
    let (host, anna) = (with_junk(), account("anna"));
    let ended = {
        let mut trial = Box::pin(host.engine.self_test(&anna));
        let mut seconds = 0;
        loop {
            let look = future::poll_immediate(&mut trial).await;
            if let Some(ended) = look {
                break ended.unwrap();
            }
            assert!(seconds < 70, "it never gives up");
            host.clock.advance(SECOND);
            seconds += 1;
        }
    };
    assert_eq!(ended.problem.unwrap().code, Code::UpstreamTimeout);
    assert!(!ended.removed && ended.arrived.is_none());
    // Two mailboxes, searched at growing intervals.
    let looks = host.imap.said("SELECT") / 2;
    assert!((10..25).contains(&looks), "{looks}");
    assert_eq!(host.imap.said("EXPUNGE"), 0);
}
