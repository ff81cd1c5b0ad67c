//! Tests of flag changes, moves, copies and deletion.

use model::mail::message::{Flag, FlagChange};
use model::port::capabilities::Messages;
use model::port::imap::NoCode;
use model::problem::Code;

use crate::tests::host::{Host, refused};

fn add(flag: &str) -> FlagChange {
    FlagChange::Edit { add: vec![flag.parse::<Flag>().unwrap()], remove: Vec::new() }
}

async fn with_three() -> (Host, Vec<String>) {
    let host = Host::new();
    for subject in ["one", "two", "three"] {
        host.imap.add("INBOX", &format!("Subject: {subject}\r\n\r\n"));
    }
    let keys = host.keys("INBOX").await;
    (host, keys)
}

#[tokio::test]
async fn each_message_id_gets_its_own_result_in_order() {
    let (host, mut keys) = with_three().await;
    host.imap.change(|state| state.boxes.get_mut("INBOX").unwrap().messages.remove(&2));
    host.imap.add("Work", "Subject: w\r\n\r\n");
    keys.insert(0, "nonsense".to_owned());
    keys.push(host.keys("Work").await.remove(0));
    keys.push(keys[1].clone());
    let grant = host.grant("anna").await;
    let mut answers = host.engine.change_flags(&grant, &keys, add("\\Seen")).await;
    assert_eq!(answers.len(), 6);
    for done in [5, 4, 3, 1] {
        assert_eq!(answers.remove(done).unwrap(), ["\\Seen"]);
    }
    refused(answers.remove(1), Code::NoSuchMessage);
    refused(answers.remove(0), Code::NoSuchMessage);
}

#[tokio::test]
async fn flags_are_returned_even_when_the_server_reports_none() {
    let (host, keys) = with_three().await;
    let grant = host.grant("anna").await;
    for _ in 0..2 {
        let answers = host.engine.change_flags(&grant, &keys[..1], add("\\Seen")).await;
        assert_eq!(answers[0].as_ref().unwrap(), &["\\Seen"]);
    }
    let nothing = FlagChange::Edit { add: Vec::new(), remove: Vec::new() };
    let stores = host.imap.said("STORE");
    let answers = host.engine.change_flags(&grant, &keys[..1], nothing).await;
    assert_eq!(answers[0].as_ref().unwrap(), &["\\Seen"]);
    assert_eq!(host.imap.said("STORE"), stores);
}

/// The server returns OK, and drops the flags with the session, or at once.
#[tokio::test]
async fn flags_that_the_server_does_not_keep_are_refused_before_anything_is_changed() {
    let kept = |some: &[&str]| Some(some.iter().map(|flag| (*flag).to_owned()).collect());
    for (keeps, flag, want) in [
        (kept(&["\\Seen", "$Forwarded"]), "work", false),
        (kept(&["\\Seen", "$Forwarded"]), "$FORWARDED", true),
        (kept(&["\\Seen", "\\*"]), "work", true),
        (kept(&["\\Seen", "\\*"]), "\\Flagged", false),
        (kept(&[]), "\\Seen", false),
        (None, "work", true),
    ] {
        let (host, keys) = with_three().await;
        host.imap.change(|state| state.keeps.clone_from(&keeps));
        // An open session selected the mailbox before.
        host.engine.forget(&"acme".parse().unwrap(), &"anna".parse().unwrap()).await;
        let grant = host.grant("anna").await;
        let mut answers = host.engine.change_flags(&grant, &keys[..1], add(flag)).await;
        let answer = answers.remove(0);
        assert_eq!(host.imap.said("STORE"), usize::from(want), "{keeps:?} {flag}");
        if want {
            assert_eq!(answer.unwrap(), [flag]);
        } else {
            let problem = answer.unwrap_err();
            assert_eq!(problem.code, Code::UpstreamRefused);
            assert!(problem.detail.contains(&format!("the flag `{flag}`")), "{problem:?}");
        }
    }
}

#[tokio::test]
async fn a_moved_message_has_a_new_id_where_the_server_reports_it() {
    let (host, keys) = with_three().await;
    let grant = host.grant("anna").await;
    let moved = host.engine.move_messages(&grant, &keys[..1], "Work").await.remove(0).unwrap();
    assert_eq!(moved.key, keys[0]);
    assert_eq!(moved.now, Some(host.keys("Work").await.remove(0)));
    refused(host.engine.open_message(&grant, &keys[0]).await, Code::NoSuchMessage);
    host.imap.change(|state| state.no_copyuid = true);
    let moved = host.engine.move_messages(&grant, &keys[1..2], "\\Trash").await.remove(0).unwrap();
    assert_eq!(moved.now, None);
    assert_eq!(host.imap.uids("Trash").len(), 1);
    let again = host.engine.move_messages(&grant, &keys[..1], "Work").await.remove(0);
    refused(again, Code::NoSuchMessage);
}

#[tokio::test]
async fn deleting_a_message_in_the_trash_leaves_it_there() {
    let (host, keys) = with_three().await;
    let grant = host.grant("anna").await;
    let trashed = host.engine.trash(&grant, &keys[..1]).await.remove(0).unwrap();
    let now = trashed.now.unwrap();
    let again = host.engine.trash(&grant, std::slice::from_ref(&now)).await.remove(0).unwrap();
    assert_eq!(again.now, Some(now));
    assert_eq!(host.imap.said("MOVE"), 1);
}

#[tokio::test]
async fn a_copy_leaves_the_original() {
    let (host, keys) = with_three().await;
    let grant = host.grant("anna").await;
    let copied = host.engine.copy_messages(&grant, &keys, "Work").await;
    assert!(copied.iter().all(|answer| answer.as_ref().unwrap().now.is_some()));
    assert_eq!((host.imap.uids("INBOX").len(), host.imap.uids("Work").len()), (3, 3));
}

#[tokio::test]
async fn expunge_forever_removes_only_the_named_messages() {
    let (host, keys) = with_three().await;
    let grant = host.grant("anna").await;
    assert!(host.engine.expunge_forever(&grant, &keys[1..2]).await.remove(0).is_ok());
    assert_eq!(host.imap.uids("INBOX"), [1, 3]);
    let again = host.engine.expunge_forever(&grant, &keys[1..2]).await.remove(0);
    refused(again, Code::NoSuchMessage);
    assert_eq!(host.imap.said("EXPUNGE"), 1);
}

#[tokio::test]
async fn a_target_that_does_not_exist_is_an_error_and_nothing_moves() {
    let (host, keys) = with_three().await;
    let grant = host.grant("anna").await;
    // The fake moves nothing when it lacks the target, as RFC 9051 §6.4.7 demands for COPY.
    for target in ["\\Junk", "\\Nonsense", "a\0b"] {
        let answer = host.engine.move_messages(&grant, &keys[..1], target).await.remove(0);
        refused(answer, Code::NoSuchMailbox);
    }
    assert_eq!(host.imap.uids("INBOX").len(), 3);
    let answer = host.engine.copy_messages(&grant, &keys[..1], "Nowhere").await.remove(0);
    refused(answer, Code::NoSuchMailbox);
}

#[tokio::test]
async fn a_refused_change_is_never_a_success() {
    for code in [NoCode::Other, NoCode::OverQuota] {
        let want = if code == NoCode::Other { Code::UpstreamRefused } else { Code::OverQuota };
        let (host, keys) = with_three().await;
        let grant = host.grant("anna").await;
        host.imap.change(|state| {
            for verb in ["STORE", "MOVE", "COPY", "EXPUNGE"] {
                state.refused.insert(verb, code);
            }
        });
        let one = &keys[..1];
        refused(host.engine.change_flags(&grant, one, add("x")).await.remove(0), want);
        refused(host.engine.move_messages(&grant, one, "Work").await.remove(0), want);
        refused(host.engine.trash(&grant, one).await.remove(0), want);
        refused(host.engine.copy_messages(&grant, one, "Work").await.remove(0), want);
        refused(host.engine.expunge_forever(&grant, one).await.remove(0), want);
        // A NO leaves the session usable.
        assert_eq!(host.imap.change(|state| state.logins), 1);
        host.imap.change(|state| state.refused = [("FETCH", code)].into());
        let nothing = FlagChange::Edit { add: Vec::new(), remove: Vec::new() };
        refused(host.engine.change_flags(&grant, one, nothing).await.remove(0), want);
        refused(host.engine.expunge_forever(&grant, one).await.remove(0), want);
        refused(host.engine.move_messages(&grant, one, "Work").await.remove(0), want);
    }
}

#[tokio::test]
async fn a_stale_id_is_an_error_for_its_mailbox_only() {
    let (host, mut keys) = with_three().await;
    host.imap.add("Work", "Subject: w\r\n\r\n");
    keys.truncate(1);
    keys.extend(host.keys("Work").await);
    host.imap.change(|state| state.boxes.get_mut("INBOX").unwrap().validity = 9);
    host.engine.close().await;
    let grant = host.grant("anna").await;
    let mut answers = host.engine.trash(&grant, &keys).await;
    assert!(answers.pop().unwrap().is_ok());
    refused(answers.remove(0), Code::StaleMessageId);
}
