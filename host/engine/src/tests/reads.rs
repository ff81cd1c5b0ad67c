//! Tests of lists and messages: their cost in commands, and their errors.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future;
use model::caller::{Grant, Scope};
use model::mail::message::{MessageQuery, Summary};
use model::port::capabilities::{AccountAccess, Body, Mailboxes, Messages, Submissions};
use model::port::imap::NoCode;
use model::problem::Code;

use crate::settings::Settings;
use crate::tests::host::{Host, caller, query, refused};
use crate::tests::imap::Broken;

fn message(subject: &str) -> String {
    format!("Subject: {subject}\r\n\r\nbody of {subject}")
}

#[tokio::test]
async fn a_list_is_newest_first_with_summary_flags_and_size() {
    let host = Host::new();
    host.imap.add("INBOX", &message("one"));
    host.imap.add("INBOX", &message("two"));
    let page = host.page("INBOX", None, 50).await.unwrap();
    let subjects: Vec<_> = page.rows.iter().map(|row| row.facts.subject.clone().unwrap()).collect();
    assert_eq!(subjects, ["two", "one"]);
    assert_eq!(page.next_cursor, None);
    let stored = page.rows[0].stored.as_ref().unwrap();
    assert_eq!(
        (stored.uid, stored.mailbox.as_str(), stored.received.map(|at| at.millis())),
        (2, "INBOX", Some(2))
    );
    assert_eq!(page.rows[0].size, Some(message("two").len() as u64));
    assert_eq!((page.rows[0].preview.as_ref(), page.rows[0].has_attachments), (None, None));
}

#[tokio::test]
async fn a_list_that_was_read_before_costs_one_fetch_and_at_most_one_noop() {
    let host = Host::new();
    host.imap.add("INBOX", &message("one"));
    host.page("INBOX", None, 50).await.unwrap();
    let log = |host: &Host| host.imap.change(|state| std::mem::take(&mut state.log));
    assert_eq!(log(&host), ["SELECT", "FETCH", "FETCH"]);
    host.page("INBOX", None, 50).await.unwrap();
    assert_eq!(log(&host), ["FETCH"]);
    host.clock.advance(Duration::from_secs(2));
    host.page("INBOX", None, 50).await.unwrap();
    assert_eq!(log(&host), ["NOOP", "FETCH"]);
    assert_eq!(host.mime.summaries.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_page_after_an_uncached_one_is_one_fetch_and_shows_the_same() {
    let host = Host::new();
    for number in 0..6 {
        host.imap.add("INBOX", &message(&number.to_string()));
    }
    let log = |host: &Host| host.imap.change(|state| std::mem::take(&mut state.log));
    let first = host.page("INBOX", None, 2).await.unwrap();
    assert_eq!(log(&host), ["SELECT", "FETCH", "FETCH"]);
    let second = host.page("INBOX", first.next_cursor, 2).await.unwrap();
    assert_eq!(log(&host), ["FETCH"]);
    let subjects: Vec<_> = second.rows.iter().map(|row| row.facts.subject.as_deref()).collect();
    assert_eq!(subjects, [Some("3"), Some("2")]);
    assert_eq!(second.rows[0].size, Some(message("3").len() as u64));
    // Cached rows are not parsed again, and the next page is not taken as uncached.
    let again = host.page("INBOX", None, 2).await.unwrap();
    assert_eq!(again.rows.len(), 2);
    assert_eq!(host.mime.summaries.load(Ordering::Relaxed), 2);
    host.page("INBOX", again.next_cursor, 2).await.unwrap();
    let third = host.page("INBOX", second.next_cursor, 2).await.unwrap();
    assert_eq!(third.rows[0].facts.subject.as_deref(), Some("1"));
    assert_eq!(log(&host), ["FETCH", "FETCH", "FETCH", "FETCH"]);
}

#[tokio::test]
async fn flags_and_new_mail_are_at_most_a_second_old() {
    let host = Host::new();
    host.imap.add("INBOX", &message("one"));
    host.page("INBOX", None, 50).await.unwrap();
    host.imap.add("INBOX", &message("two"));
    host.clock.advance(Duration::from_secs(1));
    assert_eq!(host.page("INBOX", None, 50).await.unwrap().rows.len(), 2);
}

#[tokio::test]
async fn a_hostile_header_affects_its_own_row_only() {
    let host = Host::new();
    for subject in ["one", "hostile", "odd", "two"] {
        host.imap.add("INBOX", &message(subject));
    }
    let page = host.page("INBOX", None, 50).await.unwrap();
    let unparsed: Vec<bool> = page.rows.iter().map(|row| row.unparsed).collect();
    assert_eq!(unparsed, [false, true, true, false]);
    assert_eq!(page.rows[3].facts.subject.as_deref(), Some("one"));
}

#[tokio::test]
async fn previews_and_attachments_are_read_on_request_and_cached() {
    let host = Host::new();
    host.imap.add("INBOX", &message("one attached"));
    host.imap.add("INBOX", &message("hostile"));
    host.imap.add("INBOX", &format!("Subject: big\r\n\r\n{}", "x".repeat(2 << 20)));
    let late = format!("Subject: late\r\n\r\n{}attached", "y".repeat(2 << 20));
    host.imap.add("INBOX", &late);
    let grant = host.grant("anna").await;
    let wanted = MessageQuery { preview: true, attachments: true, ..query("INBOX", None, 50) };
    for _ in 0..2 {
        let page = host.engine.find_messages(&grant, wanted.clone()).await.unwrap();
        let shown: Vec<_> =
            page.rows.iter().map(|row| (row.preview.as_deref(), row.has_attachments)).collect();
        let one = (Some("body of one attached"), Some(true));
        let (xs, ys) = ("x".repeat(200), "y".repeat(200));
        let big = (Some(xs.as_str()), Some(false));
        let late = (Some(ys.as_str()), Some(true));
        assert_eq!(shown, [late, big, (None, None), one]);
    }
}

#[tokio::test]
async fn an_oversized_message_is_summarised_from_its_beginning() {
    let settings = Settings { message_bytes: 1 << 20, ..Settings::default() };
    let host = Host::with(settings);
    host.imap.add("INBOX", &format!("Subject: big\r\n\r\n{}", "x".repeat(2 << 20)));
    let grant = host.grant("anna").await;
    let wanted = MessageQuery { preview: true, attachments: true, ..query("INBOX", None, 50) };
    let page = host.engine.find_messages(&grant, wanted).await.unwrap();
    assert_eq!(page.rows[0].preview.as_deref(), Some("x".repeat(200).as_str()));
    assert_eq!(page.rows[0].has_attachments, None);
}

/// What was not fetched for lack of memory is fetched later: the lack is not cached.
#[tokio::test]
async fn a_summary_that_lacked_memory_is_completed_later() {
    let host = Host::new();
    host.imap.add("INBOX", &format!("Subject: big\r\n\r\n{}attached", "x".repeat(2 << 20)));
    let grant = host.grant("anna").await;
    let wanted = MessageQuery { preview: true, attachments: true, ..query("INBOX", None, 50) };
    let (held, acme) = (&host.engine.reader.in_flight, "acme".parse().unwrap());
    let mut shares = Vec::new();
    while let Some(share) = held.reserve(&acme, 1 << 20) {
        shares.push(share);
    }
    for (room, want) in [(false, None), (true, Some(true))] {
        if room {
            shares.clear();
        }
        let page = host.engine.find_messages(&grant, wanted.clone()).await.unwrap();
        assert_eq!(page.rows[0].preview.as_deref(), Some("x".repeat(200).as_str()));
        assert_eq!(page.rows[0].has_attachments, want);
    }
}

#[tokio::test]
async fn a_message_is_one_fetch_and_its_parts_need_no_other() {
    let host = Host::new();
    host.imap.add("INBOX", &message("one"));
    let key = host.keys("INBOX").await.remove(0);
    host.imap.change(|state| state.log.clear());
    let grant = host.grant("anna").await;
    let opened = host.engine.open_message(&grant, &key).await.unwrap();
    assert_eq!(opened.summary().facts.subject.as_deref(), Some("one"));
    assert_eq!(opened.body(Body::Text, 4).await.unwrap().as_deref(), Some("body"));
    assert_eq!(opened.body(Body::Html, 99).await.unwrap().as_deref(), Some("<p>body of one"));
    opened.details().await.unwrap();
    opened.structure().await.unwrap();
    let raw = opened.raw().await.unwrap().in_memory().unwrap();
    assert_eq!(raw, message("one").as_bytes());
    assert!(opened.part("1").await.is_ok());
    refused(opened.part("9").await, Code::NoSuchPart);
    assert_eq!(host.imap.said("FETCH"), 1);
    assert_eq!(host.mime.reads.load(Ordering::Relaxed), 1);
    // Another request for the same message fetches its flags only.
    let again = host.engine.open_message(&grant, &key).await.unwrap();
    again.body(Body::Text, 99).await.unwrap();
    assert_eq!(host.mime.reads.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn many_requests_for_one_large_message_share_its_bytes() {
    let settings = Settings { cache_bytes: 0, ..Settings::default() };
    let host = Host::with(settings);
    let long = "x".repeat(300 << 10);
    host.imap.add("INBOX", &message(&long));
    let key = host.keys("INBOX").await.remove(0);
    let grant = host.grant("anna").await;
    let fetches = host.imap.said("FETCH");
    let opens = (0..20).map(|_| host.engine.open_message(&grant, &key));
    let opened = future::try_join_all(opens).await.unwrap();
    let bytes = future::try_join_all(opened.iter().map(|message| message.raw())).await.unwrap();
    let first = bytes[0].in_memory().unwrap();
    assert!(bytes.iter().all(|octets| octets.in_memory().unwrap().as_ptr() == first.as_ptr()));
    // Each fetches its flags, and one of them everything.
    assert!(host.imap.said("FETCH") - fetches <= 21);
}

#[tokio::test]
async fn a_tenant_holds_no_more_mail_in_memory_than_its_budget() {
    let (largest, cache_bytes) = (1000, 0);
    let settings =
        Settings { cache_bytes, message_bytes: largest, open_bytes: 1000, ..Settings::default() };
    let host = Host::with(settings);
    host.imap.add("INBOX", &message(&"x".repeat(290)));
    host.imap.add("INBOX", &message(&"y".repeat(290)));
    let keys = host.keys("INBOX").await;
    let grant = host.grant("anna").await;
    let open = |key: usize| host.engine.open_message(&grant, &keys[key]);
    let (one, bytes) = (open(0).await.unwrap(), host.imap.said("FETCH"));
    let refusal = open(1).await.unwrap_err();
    assert_eq!(refusal.code, Code::TooManyRequests);
    assert!(refusal.retry_after.is_some());
    assert_eq!(host.imap.said("FETCH"), bytes + 1, "only its size was asked for");
    assert!(open(0).await.is_ok(), "what is held costs nothing more");
    // Its bytes may outlive it: a slow client reads them.
    let raw = one.raw().await.unwrap();
    drop(one);
    refused(open(1).await, Code::TooManyRequests);
    drop(raw);
    assert!(open(1).await.is_ok());
}

#[tokio::test]
async fn an_unparsable_message_still_has_its_bytes() {
    let host = Host::new();
    host.imap.add("INBOX", &message("hostile"));
    host.imap.add("INBOX", &message("hard html"));
    let keys = host.keys("INBOX").await;
    host.engine.forget(&"acme".parse().unwrap(), &"nobody".parse().unwrap()).await;
    let grant = host.grant("anna").await;
    let hostile = host.engine.open_message(&grant, &keys[1]).await.unwrap();
    assert!(hostile.summary().unparsed);
    refused(hostile.body(Body::Text, 9).await, Code::Unparsable);
    refused(hostile.headers().await, Code::Unparsable);
    assert!(hostile.raw().await.is_ok());
    // All but the oversized body works, and that one is parsed once.
    let hard = host.engine.open_message(&grant, &keys[0]).await.unwrap();
    assert!(hard.body(Body::Text, 9).await.is_ok());
    let reads = host.mime.reads.load(Ordering::Relaxed);
    assert!(!hard.summary().unparsed);
    assert!(hard.structure().await.is_ok() && hard.headers().await.is_ok());
    let lack = hard.faults().await.unwrap().remove(0);
    assert_eq!((lack.pointer.as_str(), lack.code.as_str()), ("/html", "too-costly"));
    let no = hard.body(Body::Html, 9).await.unwrap_err();
    assert_eq!((no.code, no.faults), (Code::Unparsable, vec![lack]));
    assert_eq!(host.mime.reads.load(Ordering::Relaxed), reads);
}

#[tokio::test]
async fn an_id_names_its_own_message_or_none() {
    let host = Host::new();
    host.imap.add("INBOX", &message("one"));
    let key = host.keys("INBOX").await.remove(0);
    let open = async |account: &str, key: &str| {
        let grant = host.grant(account).await;
        host.engine.open_message(&grant, key).await
    };
    assert!(open("anna", &key).await.is_ok());
    refused(open("bela", &key).await, Code::NoSuchMessage);
    refused(open("anna", "nonsense").await, Code::NoSuchMessage);
    // UIDVALIDITY changed: seen by the next session that selects the mailbox.
    host.imap.change(|state| state.boxes.get_mut("INBOX").unwrap().validity = 2);
    host.engine.close().await;
    refused(open("anna", &key).await, Code::StaleMessageId);
    host.imap.change(|state| state.boxes.get_mut("INBOX").unwrap().validity = 1);
    host.engine.close().await;
    assert!(open("anna", &key).await.is_ok());
    host.imap.change(|state| state.boxes.get_mut("INBOX").unwrap().messages.clear());
    refused(open("anna", &key).await, Code::NoSuchMessage);
    host.imap.change(|state| state.boxes.remove("INBOX"));
    host.engine.close().await;
    refused(open("anna", &key).await, Code::NoSuchMessage);
}

#[tokio::test]
async fn an_id_of_an_older_generation_is_void() {
    let host = Host::new();
    host.imap.add("INBOX", &message("one"));
    let key = host.keys("INBOX").await.remove(0);
    let id = "anna".parse().unwrap();
    host.shelf.0.lock().get_mut(&id).unwrap().generation = 2;
    host.engine.forget(&"acme".parse().unwrap(), &id).await;
    let grant = host.grant("anna").await;
    refused(host.engine.open_message(&grant, &key).await, Code::NoSuchMessage);
}

#[tokio::test]
async fn mailboxes_are_found_by_name_or_role_and_unknown_ones_are_an_error() {
    let host = Host::new();
    host.imap.add("Trash", &message("one"));
    assert_eq!(host.page("\\Trash", None, 5).await.unwrap().rows.len(), 1);
    assert_eq!(host.page("\\trash", None, 5).await.unwrap().rows.len(), 1);
    assert!(host.page("\\Inbox", None, 5).await.unwrap().rows.is_empty());
    refused(host.page("\\Junk", None, 5).await, Code::NoSuchMailbox);
    refused(host.page("\\Nonsense", None, 5).await, Code::NoSuchMailbox);
    refused(host.page("Nowhere", None, 5).await, Code::NoSuchMailbox);
    refused(host.page("a\r\nb", None, 5).await, Code::NoSuchMailbox);
    refused(host.page("", None, 5).await, Code::NoSuchMailbox);
}

#[tokio::test]
async fn counters_are_read_on_request_and_a_refusal_of_all_is_a_problem() {
    let host = Host::new();
    host.imap.add("Work", &message("one"));
    let grant = host.grant("anna").await;
    let plain = host.engine.mailboxes(&grant, false).await.unwrap();
    assert!(plain.iter().all(|mailbox| mailbox.counters.is_none()));
    let counted = host.engine.mailboxes(&grant, true).await.unwrap();
    assert_eq!(counted.iter().filter_map(|m| m.counters).map(|c| c.messages).sum::<u32>(), 1);
    host.imap.change(|state| state.refused.insert("STATUS", NoCode::Other));
    refused(host.engine.mailboxes(&grant, true).await, Code::UpstreamRefused);
}

#[tokio::test]
async fn a_refused_read_is_never_a_success() {
    for (verb, code, want) in [
        ("SELECT", NoCode::Other, Code::UpstreamRefused),
        ("SELECT", NoCode::Busy, Code::UpstreamBusy),
        ("SELECT", NoCode::NoSuchMailbox, Code::NoSuchMailbox),
        ("FETCH", NoCode::Other, Code::UpstreamRefused),
    ] {
        let host = Host::new();
        host.imap.add("INBOX", &message("one"));
        host.imap.change(|state| state.refused.insert(verb, code));
        refused(host.page("INBOX", None, 5).await, want);
    }
    let host = Host::new();
    host.imap.change(|state| state.refused.insert("LIST", NoCode::Other));
    let grant = host.grant("anna").await;
    refused(host.engine.mailboxes(&grant, false).await, Code::UpstreamRefused);
    refused(host.page("\\Trash", None, 5).await, Code::UpstreamRefused);
}

#[tokio::test]
async fn other_tenants_accounts_do_not_exist_and_scopes_are_checked() {
    let host = Host::new();
    let every = caller(&Scope::EVERY, None);
    refused(host.engine.open_account(&every, "nobody").await, Code::NoSuchAccount);
    refused(host.engine.open_account(&every, "No Id").await, Code::NoSuchAccount);
    let mut other = (*every).clone();
    other.tenant = "rival".parse().unwrap();
    refused(host.engine.open_account(&other.into(), "anna").await, Code::NoSuchAccount);
    let mut bound = (*every).clone();
    bound.accounts = Some(vec!["bela".parse().unwrap()]);
    refused(host.engine.open_account(&bound.into(), "anna").await, Code::NoSuchAccount);

    let grant = |scopes: &[Scope]| {
        let caller = caller(scopes, None);
        async move { Grant { caller, ..host_grant().await } }
    };
    let send = grant(&[Scope::Send]).await;
    refused(host.engine.find_messages(&send, query("INBOX", None, 5)).await, Code::Forbidden);
    refused(host.engine.open_message(&send, "x").await, Code::Forbidden);
    refused(host.engine.mailboxes(&send, false).await, Code::Forbidden);
    let read = grant(&[Scope::Read]).await;
    let keys = ["x".to_owned()];
    refused(host.engine.trash(&read, &keys).await.remove(0), Code::Forbidden);
    refused(host.engine.expunge_forever(&read, &keys).await.remove(0), Code::Forbidden);
    refused(host.engine.move_messages(&read, &keys, "Work").await.remove(0), Code::Forbidden);
    refused(host.engine.copy_messages(&read, &keys, "Work").await.remove(0), Code::Forbidden);
    refused(host.engine.submit(&read, model::mail::draft::Draft::default()).await, Code::Forbidden);
    refused(host.engine.submissions(&read, &[], None, 5).await, Code::Forbidden);
    refused(host.engine.submission(&read, "sub_x").await, Code::Forbidden);
}

async fn host_grant() -> Grant {
    Host::new().grant("anna").await
}

#[tokio::test]
async fn a_message_that_the_server_cannot_read_affects_its_own_row_only() {
    for broken in [Broken::Refused, Broken::Endless] {
        for limit in [1, 4, 50] {
            let host = Host::new();
            for number in 1..=9 {
                host.imap.add("INBOX", &message(&number.to_string()));
            }
            host.imap.change(|state| state.broken.insert(6, broken));
            // Twice: at first uncached.
            for _ in 0..2 {
                let (mut cursor, mut rows) = (None, Vec::new());
                loop {
                    let page = host.page("INBOX", cursor, limit).await.unwrap();
                    rows.extend(page.rows);
                    cursor = page.next_cursor;
                    if cursor.is_none() {
                        break;
                    }
                }
                let uids: Vec<u32> =
                    rows.iter().map(|row| row.stored.as_ref().unwrap().uid).collect();
                assert_eq!(uids, [9, 8, 7, 6, 5, 4, 3, 2, 1], "{broken:?}, {limit}");
                let is_whole = |row: &Summary| !row.unavailable && !row.unparsed;
                assert!(rows.iter().all(|row| is_whole(row) == row.facts.subject.is_some()));
                let odd: Vec<_> = rows.iter().filter(|row| !is_whole(row)).collect();
                assert_eq!(odd.len(), 1, "{broken:?}, {limit}");
                let refused = matches!(broken, Broken::Refused);
                assert_eq!((odd[0].unavailable, odd[0].unparsed), (refused, !refused));
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_refuses_every_fetch_is_a_problem() {
    let host = Host::new();
    for number in 1..=9 {
        host.imap.add("INBOX", &message(&number.to_string()));
    }
    host.imap.change(|state| state.refused.insert("FETCH", NoCode::Other));
    refused(host.page("INBOX", None, 5).await, Code::UpstreamRefused);
    assert!(host.imap.said("FETCH") < 40);
    host.imap.change(|state| state.refused.insert("FETCH", NoCode::Busy));
    let busy = host.page("INBOX", None, 5).await.unwrap_err();
    assert_eq!(busy.code, Code::UpstreamBusy);
    assert!(busy.retry_after.is_some());
}
