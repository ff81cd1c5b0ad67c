//! Tests of the session pool: few sessions, dead ones replaced, refused logins not repeated.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use fakes::account::password;
use futures_util::future;
use model::account::Account;
use model::health::AccountState;
use model::mail::message::FlagChange;
use model::port::capabilities::{Mailboxes, Messages};
use model::problem::Code;

use crate::settings::Settings;
use crate::tests::account::account;
use crate::tests::host::{Host, refused, settle};

#[tokio::test]
async fn an_account_never_exceeds_its_limit_of_sessions() {
    let host = Host::new();
    host.imap.add("INBOX", "Subject: a\r\n\r\n");
    let pages = (0..40).map(|index| {
        let mailbox = ["INBOX", "Work", "Trash"][index % 3];
        let host = &host;
        async move { host.page(mailbox, None, 5).await.unwrap() }
    });
    future::join_all(pages).await;
    assert!(host.imap.change(|state| state.most_open) <= 3);
    // A session that hangs keeps its permit, and the others go on.
    host.imap.change(|state| state.stalled = Some("FETCH"));
    let mut stuck: Vec<_> = (0..5).map(|_| Box::pin(host.page("INBOX", None, 5))).collect();
    stuck.iter_mut().for_each(|page| assert!(!settle(page.as_mut())));
    assert_eq!(host.imap.change(|state| state.open), 3);
    // A caller that waited too long gets an error.
    host.clock.advance(Duration::from_secs(31));
    refused(stuck.pop().unwrap().await, Code::TooManyRequests);
    // A request that is dropped half-way drops its session.
    drop(stuck);
    assert_eq!(host.imap.change(|state| state.open), 0);
    host.imap.change(|state| state.stalled = None);
    assert!(host.page("INBOX", None, 5).await.is_ok());
}

#[tokio::test]
async fn an_idle_session_is_reused_for_the_mailbox_that_it_selected() {
    let host = Host::new();
    let (one, two) = (host.page("INBOX", None, 5), host.page("Work", None, 5));
    let (one, two) = future::join(one, two).await;
    assert!(one.is_ok() && two.is_ok());
    let selects = host.imap.said("SELECT");
    for mailbox in ["Work", "INBOX", "Work", "INBOX"] {
        host.page(mailbox, None, 5).await.unwrap();
    }
    assert!(host.imap.said("SELECT") - selects <= 3);
}

#[tokio::test]
async fn a_dead_idle_session_is_replaced_once_for_reads() {
    let host = Host::new();
    host.imap.add("INBOX", "Subject: a\r\n\r\n");
    for pause in [Duration::ZERO, Duration::from_secs(2)] {
        let key = host.keys("INBOX").await.remove(0);
        host.clock.advance(pause);
        host.imap.change(|state| state.dead_below = state.logins + 1);
        assert_eq!(host.page("INBOX", None, 5).await.unwrap().rows.len(), 1);
        host.imap.change(|state| state.dead_below = state.logins + 1);
        let grant = host.grant("anna").await;
        assert!(host.engine.open_message(&grant, &key).await.is_ok());
        host.imap.change(|state| state.dead_below = state.logins + 1);
        assert!(host.engine.mailboxes(&grant, true).await.is_ok());
    }
    // A server that disconnects every session is not tried for ever.
    host.imap.change(|state| state.dead_below = usize::MAX);
    let logins = host.imap.change(|state| state.logins);
    refused(host.page("INBOX", None, 5).await, Code::UpstreamUnreachable);
    assert_eq!(host.imap.change(|state| state.logins), logins + 1);
}

#[tokio::test]
async fn a_store_command_is_never_sent_twice() {
    let host = Host::new();
    host.imap.add("INBOX", "Subject: a\r\n\r\n");
    let keys = host.keys("INBOX").await;
    host.imap.change(|state| state.dead_below = state.logins + 1);
    let grant = host.grant("anna").await;
    let change = FlagChange::Set(Vec::new());
    let mut answers = host.engine.change_flags(&grant, &keys, change).await;
    let problem = answers.remove(0).unwrap_err();
    assert_eq!(problem.code, Code::UpstreamUnreachable);
    assert!(problem.detail.contains("not known"), "{}", problem.detail);
    assert_eq!(host.imap.said("STORE"), 1);
}

#[tokio::test]
async fn a_change_is_seen_by_every_session_at_once() {
    let host = Host::new();
    host.imap.add("INBOX", "Subject: a\r\n\r\n");
    host.imap.add("INBOX", "Subject: b\r\n\r\n");
    assert_eq!(two_pages(&host).await, [2, 2]);
    assert_eq!(host.imap.change(|state| state.open), 2);
    let keys = host.keys("INBOX").await;
    let grant = host.grant("anna").await;
    host.engine.move_messages(&grant, &keys[..1], "Work").await.remove(0).unwrap();
    let noops = host.imap.said("NOOP");
    assert_eq!(two_pages(&host).await, [1, 1]);
    assert_eq!(host.imap.said("NOOP"), noops + 1, "the one that did it knows");
    assert_eq!(host.page("Work", None, 5).await.unwrap().rows.len(), 1);
}

/// The lengths of two pages that are read concurrently.
async fn two_pages(host: &Host) -> [usize; 2] {
    host.imap.change(|state| state.stalled = Some("FETCH"));
    let mut one = Box::pin(host.page("INBOX", None, 5));
    let mut two = Box::pin(host.page("INBOX", None, 5));
    assert!(!settle(one.as_mut()) && !settle(two.as_mut()));
    host.imap.change(|state| state.stalled = None);
    [one.await.unwrap().rows.len(), two.await.unwrap().rows.len()]
}

#[tokio::test]
async fn refused_credentials_are_not_tried_again_without_limit() {
    let host = Host::new();
    host.imap.change(|state| state.refuse_logins = true);
    for _ in 0..20 {
        refused(host.page("INBOX", None, 5).await, Code::CredentialsRefused);
    }
    assert_eq!(host.imap.change(|state| state.logins), 5);
    host.clock.advance(Duration::from_secs(30));
    refused(host.page("INBOX", None, 5).await, Code::CredentialsRefused);
    assert_eq!(host.imap.change(|state| state.logins), 6);
    // A changed account has no lock-out.
    host.imap.change(|state| state.refuse_logins = false);
    refused(host.page("INBOX", None, 5).await, Code::CredentialsRefused);
    host.engine.forget(&"acme".parse().unwrap(), &"anna".parse().unwrap()).await;
    assert!(host.page("INBOX", None, 5).await.is_ok());
}

#[tokio::test]
async fn idle_sessions_are_logged_out_after_their_timeout_and_at_shutdown() {
    let host = Host::new();
    host.page("INBOX", None, 5).await.unwrap();
    let mut driver = pin!(Arc::clone(&host.engine).deliver_forever(future::pending()));
    for _ in 0..11 {
        settle(driver.as_mut());
        host.clock.advance(Duration::from_secs(30));
    }
    settle(driver.as_mut());
    assert_eq!((host.imap.said("LOGOUT"), host.imap.change(|state| state.open)), (1, 0));
    host.page("INBOX", None, 5).await.unwrap();
    host.engine.close().await;
    assert_eq!((host.imap.said("LOGOUT"), host.imap.change(|state| state.open)), (2, 0));
}

#[tokio::test]
async fn verify_reports_each_of_the_two_servers() {
    let host = Host::with(Settings::default());
    host.smtp.change(|state| state.refuse_logins = true);
    let credentials = password("x");
    let verification = host.engine.verify(&account("anna"), &credentials).await.unwrap();
    assert!(verification.imap.unwrap().result.is_ok());
    let smtp = verification.smtp.unwrap();
    let steps: Vec<_> = smtp.steps.iter().map(|step| (step.name.as_str(), step.ok)).collect();
    assert_eq!(steps, [("connect", true), ("tls", true), ("greeting", true), ("auth", false)]);
    refused(smtp.result, Code::CredentialsRefused);
    assert!(host.shelf.1.lock().is_empty(), "something was stored");
    let mut sender = account("anna");
    sender.imap = None;
    let verification = host.engine.verify(&sender, &credentials).await.unwrap();
    assert!(verification.imap.is_none());
}

#[tokio::test]
async fn verify_reads_the_mailboxes_and_checks_a_recipient() {
    let host = Host::new();
    let credentials = password("x");
    host.smtp.change(|state| state.rehearsal = Some(552));
    let verification = host.engine.verify(&account("anna"), &credentials).await.unwrap();
    let (imap, smtp) = (verification.imap.unwrap(), verification.smtp.unwrap());
    assert_eq!(imap.steps.last().unwrap().name.as_str(), "folders");
    assert_eq!((host.imap.said("LIST"), imap.report.mechanism), (1, Some("PLAIN")));
    assert_eq!(smtp.steps.last().unwrap().name.as_str(), "mail");
    refused(smtp.result, Code::OverQuota);
    assert!(verification.help.is_empty(), "nobody knows example.com");
    let mut anna = account("anna");
    anna.email = "anna@qq.com".parse().unwrap();
    let help = host.engine.verify(&anna, &credentials).await.unwrap().help;
    assert!(help.iter().any(|text| text.text.contains("wants an authorization code")), "{help:?}");
}

/// Verification cannot be used for guessing: five passwords, then ever longer pauses, whatever
/// happens to the account meanwhile. Another tenant, and another login, are not affected.
#[tokio::test]
async fn a_login_that_was_refused_repeatedly_is_locked_out() {
    let host = Host::new();
    host.imap.change(|state| state.refuse_logins = true);
    let anna = account("anna");
    let credentials = password("x");
    let guess = async |account: &Account| host.engine.verify(account, &credentials).await.map(drop);
    for _ in 0..5 {
        guess(&anna).await.unwrap();
        host.engine.forget(&anna.tenant, &anna.id).await;
    }
    let logins = host.imap.change(|state| state.logins);
    let over = guess(&anna).await.unwrap_err();
    assert_eq!(
        (over.code, over.retry_after),
        (Code::TooManyRequests, Some(Duration::from_secs(30)))
    );
    refused(host.engine.verify_stored(&anna).await, Code::TooManyRequests);
    refused(host.engine.self_test(&anna).await, Code::TooManyRequests);
    let mut twin = anna.clone();
    for server in twin.imap.iter_mut().chain(&mut twin.smtp) {
        server.host = server.host.to_ascii_uppercase() + ".";
        server.port += 1;
    }
    refused(guess(&twin).await, Code::TooManyRequests);
    assert_eq!(host.imap.change(|state| state.logins), logins);

    let mut theirs = anna.clone();
    theirs.tenant = "globex".parse().unwrap();
    guess(&theirs).await.unwrap();
    let mut other = anna.clone();
    for server in other.imap.iter_mut().chain(&mut other.smtp) {
        server.username = "somebody".to_owned();
    }
    guess(&other).await.unwrap();
    // Readers of stored mail are not delayed by verification.
    host.imap.change(|state| state.refuse_logins = false);
    assert!(host.page("INBOX", None, 5).await.is_ok());

    host.clock.advance(Duration::from_secs(30));
    guess(&anna).await.unwrap();
    assert!(guess(&anna).await.is_ok(), "the right password clears the count");
    host.imap.change(|state| state.refuse_logins = true);
    for _ in 0..5 {
        host.engine.self_test(&anna).await.unwrap();
    }
    refused(host.engine.self_test(&anna).await, Code::TooManyRequests);
    host.clock.advance(Duration::from_secs(3600));
    for _ in 0..4 {
        guess(&anna).await.unwrap();
    }
    assert!(guess(&anna).await.is_ok(), "after an hour it starts afresh");
}

/// Changes the account and reads, repeatedly, as a guessing client would.
#[tokio::test]
async fn stored_passwords_are_not_guessed_one_after_the_other() {
    let host = Host::new();
    let anna = account("anna");
    host.imap.change(|state| state.refuse_logins = true);
    let changed = || host.engine.forget(&anna.tenant, &anna.id);
    for _ in 0..4 {
        // However often one of them is used, it counts once.
        for _ in 0..3 {
            refused(host.page("INBOX", None, 5).await, Code::CredentialsRefused);
        }
        changed().await;
    }
    refused(host.page("INBOX", None, 5).await, Code::CredentialsRefused);
    changed().await;
    let logins = host.imap.change(|state| state.logins);
    refused(host.page("INBOX", None, 5).await, Code::TooManyRequests);
    assert_eq!(host.imap.change(|state| state.logins), logins);

    host.clock.advance(Duration::from_secs(30));
    refused(host.page("INBOX", None, 5).await, Code::CredentialsRefused);
    changed().await;
    host.imap.change(|state| state.refuse_logins = false);
    refused(host.page("INBOX", None, 5).await, Code::TooManyRequests);
    host.clock.advance(Duration::from_secs(60));
    assert!(host.page("INBOX", None, 5).await.is_ok());
    host.imap.change(|state| state.refuse_logins = true);
    changed().await;
    refused(host.page("INBOX", None, 5).await, Code::CredentialsRefused);
}

#[tokio::test]
async fn health_is_recorded_when_it_changes_and_not_for_every_request() {
    let host = Host::new();
    let anna = account("anna");
    let notes = || host.shelf.1.lock().clone();
    for _ in 0..3 {
        host.engine.forget(&anna.tenant, &anna.id).await;
        host.page("INBOX", None, 5).await.unwrap();
    }
    assert_eq!(notes().len(), 1, "it is the same each time");
    assert_eq!(notes()[0].1.state(), AccountState::Connected);
    host.engine.forget(&anna.tenant, &anna.id).await;
    host.imap.change(|state| state.refuse_logins = true);
    for _ in 0..2 {
        refused(host.page("INBOX", None, 5).await, Code::CredentialsRefused);
    }
    assert_eq!(notes().len(), 2);
    let health = notes()[1].1.clone();
    assert_eq!(health.state(), AccountState::AuthenticationFailed);
    assert_eq!(health.last_error().unwrap().2.code, "credentials-refused");
    host.imap.change(|state| state.refuse_logins = false);
    host.smtp.change(|state| state.refuse_logins = true);
    host.engine.verify_stored(&anna).await.unwrap();
    let health = notes().pop().unwrap().1;
    assert!(health.imap.unwrap().trouble.is_none());
    assert!(health.smtp.unwrap().trouble.is_some());
}
