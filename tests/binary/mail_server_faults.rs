//! Samples of the fault matrix (`tests/fault_matrix`) on the real binary, with real timeouts.

use mailroom::{Fault, Protocol};
use serde_json::{Value, json};

use crate::invalid_input::check;
use crate::mail_server_errors::{send, subjects};
use testkit::http::Client;
use testkit::process::Host;
use testkit::servers::mailroom::{ANN, BO, Room};
use testkit::site::{Site, connect, under};
use testkit::wait::wait_for;

#[test]
fn reads_and_changes_fail_within_their_timeout_and_then_work_again() {
    let stage = Stage::new();
    let mut operator = stage.site.operator(&stage.host);
    let account = connect(&mut operator, &stage.room.account());
    let list = under(&account, "messages");
    stage.room.mailroom.deliver(ANN, "INBOX", b"Subject: kept\r\n\r\nWords.\r\n").unwrap();

    stage.room.fails(Protocol::Imap, "greeting", Fault::Stall, None);
    check(&operator.get(&list), 504, "upstream-timeout");
    stage.room.recovers();
    let rows = operator.get(&list).expect(200);
    assert_eq!(subjects(&rows), ["kept"]);
    let message =
        under(&account, &format!("messages/{}", rows["messages"][0]["id"].as_str().unwrap()));

    stage.room.fails(Protocol::Imap, "UID FETCH", Fault::CutWithin(60), None);
    check(&operator.get(&message), 502, "upstream-unreachable");
    stage.room.recovers();
    assert_eq!(operator.get(&message).expect(200)["subject"], "kept");

    let seen = json!({"flags": {"add": ["\\Seen"]}});
    stage.room.fails(Protocol::Imap, "UID STORE", Fault::No("not today".to_owned()), None);
    check(&operator.json("PATCH", &message, &seen), 502, "upstream-refused");
    assert_eq!(stage.room.mailroom.messages(ANN, "INBOX")[0].1, Vec::<String>::new());
    stage.room.recovers();
    operator.json("PATCH", &message, &seen).expect(200);
    assert_eq!(stage.room.mailroom.messages(ANN, "INBOX")[0].1, ["\\Seen"]);
}

/// Whichever limit is shorter, a component that waits for a mail server is not blamed.
#[test]
fn a_stalled_mail_server_is_reported_as_such_with_any_limits() {
    for times in [
        "imap-idle-secs = 5\n[limits]\nidle-secs = 1\ntotal-secs = 60\n",
        "imap-idle-secs = 60\n[limits]\nidle-secs = 1\ntotal-secs = 5\n",
    ] {
        let room = Room::start();
        let site = Site::with(None, &room.addresses(), times);
        let host = site.start();
        let mut operator = site.operator(&host);
        let account = connect(&mut operator, &room.account());
        let list = under(&account, "messages");
        room.mailroom.deliver(ANN, "INBOX", b"Subject: kept\r\n\r\nWords.\r\n").unwrap();
        // A new connection, and then an existing one.
        for step in ["greeting", "FETCH"] {
            room.fails(Protocol::Imap, step, Fault::Stall, None);
            let answer = operator.get(&list);
            assert_eq!(answer.status, 504, "{step}, {times}: {}", answer.text());
            check(&answer, 504, "upstream-timeout");
            room.recovers();
            let rows = operator.get(&list).expect(200);
            assert!(!subjects(&rows).is_empty(), "{step}, {times}");
            // A message to fetch that is not cached yet.
            room.mailroom.deliver(ANN, "INBOX", b"Subject: next\r\n\r\nWords.\r\n").unwrap();
        }
    }
}

#[test]
fn a_stall_before_the_dot_delays_the_message_and_marks_no_possible_duplicate() {
    check_send("greeting", &Fault::Stall, "deferred", 1);
    check_send("MAIL", &Fault::Cut, "deferred", 1);
}

#[test]
fn a_stall_after_the_data_is_uncertain_and_nothing_is_sent_twice() {
    check_send("body", &Fault::Stall, "uncertain", 1);
}

#[test]
fn a_disconnect_after_the_dot_marks_a_possible_duplicate() {
    check_send(".", &Fault::Cut, "uncertain", 1);
    check_send(".", &Fault::CutAfter, "uncertain", 2);
}

/// Runs one fault: the first attempt meets it; returns how often the message finally arrived.
#[track_caller]
fn check_send(step: &str, fault: &Fault, state: &str, times: usize) {
    let stage = Stage::new();
    let mut operator = stage.site.operator(&stage.host);
    let account = connect(&mut operator, &stage.room.account());
    stage.room.fails(Protocol::Smtp, step, fault.clone(), Some(1));
    let sent = send(&mut operator, &account, &[BO]);
    let path = under(&account, &format!("submissions/{sent}"));
    // The next attempt may be under way already; the earlier error stays with the recipient.
    let seen = wait_for("the error to be reported", || {
        entry(&mut operator, &path, |e| !e["lastError"].is_null())
    });
    assert_eq!(seen["recipients"][0]["state"], state, "{step} {fault:?}: {seen}");
    let end = wait_for("the delivery", || entry(&mut operator, &path, |e| e["state"] == "sent"));
    assert_eq!(end["possibleDuplicate"], state == "uncertain", "{step} {fault:?}: {end}");
    assert_eq!(stage.room.arrived(), times, "{step} {fault:?}: {end}");
    let next = send(&mut operator, &account, &[BO]);
    let path = under(&account, &format!("submissions/{next}"));
    wait_for("the next message", || entry(&mut operator, &path, |e| e["state"] == "sent"));
    assert_eq!(stage.room.arrived(), times + 1, "{step} {fault:?}");
}

fn entry(client: &mut Client, path: &str, reached: impl Fn(&Value) -> bool) -> Option<Value> {
    Some(client.get(path).expect(200)).filter(reached)
}

struct Stage {
    room: Room,
    site: Site,
    host: Host,
}

impl Stage {
    fn new() -> Self {
        let room = Room::start();
        let site = Site::impatient(&room.addresses());
        let host = site.start();
        Self { room, site, host }
    }
}
