//! Tests of hostile mail servers: each causes a typed problem or a visible state, and nothing else.
//! The process lives, its memory is bounded, and accounts at other servers are unaffected.

use crate::invalid_input::check;
use crate::mail_server_errors::{send, subjects};
use testkit::http::Client;
use testkit::servers::hostile::Hostile;
use testkit::servers::mailroom::{ANN, Room};
use testkit::site::{Site, connect, under};
use testkit::wait::wait_for;

/// Maximum growth of memory for all of them together.
const MOST: u64 = 64 << 20;

#[test]
fn hostile_servers_cost_a_problem_each() {
    let (hostile, room) = (Hostile::start(), Room::start());
    room.mailroom.deliver(ANN, "INBOX", b"Subject: neighbour\r\n\r\nWords.\r\n").unwrap();
    let site = Site::impatient(&[hostile.addresses(), room.addresses()].concat());
    let host = site.start();
    let mut operator = site.operator(&host);
    let neighbour = connect(&mut operator, &room.account());
    let notices_nothing = |operator: &mut Client| {
        let list = operator.get(&under(&neighbour, "messages")).expect(200);
        assert_eq!(subjects(&list), ["neighbour"]);
    };
    notices_nothing(&mut operator);
    let before = forget_peak(host.pid());

    for (what, status, codes) in [
        ("nested-600", 502, ["upstream-misbehaved"].as_slice()),
        ("nested-100000", 502, &["upstream-misbehaved"]),
        ("literal-4g", 502, &["upstream-misbehaved"]),
        ("literal-500m", 502, &["upstream-misbehaved"]),
        ("endless-line", 502, &["upstream-misbehaved"]),
        ("silent", 504, &["upstream-timeout"]),
        ("dripping", 504, &["upstream-timeout"]),
    ] {
        let account = connect(&mut operator, &hostile.account(what));
        let answer = operator.get(&under(&account, "messages"));
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        check(&answer, status, codes[0]);
        notices_nothing(&mut operator);
    }
    // Whether the size limit or the deadline is met first depends on the machine.
    let account = connect(&mut operator, &hostile.account("endless-untagged"));
    let answer = operator.get(&under(&account, "messages"));
    match answer.status {
        504 => check(&answer, 504, "upstream-timeout"),
        _ => check(&answer, 502, "upstream-misbehaved"),
    };
    notices_nothing(&mut operator);
    // Unusual, but harmless: what can be read is read.
    for what in ["date-nil", "unknown-untagged"] {
        let account = connect(&mut operator, &hostile.account(what));
        let list = operator.get(&under(&account, "messages")).expect(200);
        assert_eq!(subjects(&list), ["survived"], "{what}");
        notices_nothing(&mut operator);
    }

    for (what, told) in [
        ("long-reply", "a line is too long"),
        ("endless-reply", "an answer is too long"),
        ("silent-data", "did not answer DATA in time"),
        ("injecting", "plain text after the reply to STARTTLS"),
    ] {
        let account = connect(&mut operator, &hostile.account(what));
        let sent = send(&mut operator, &account, &["bo@example.test"]);
        let path = under(&account, &format!("submissions/{sent}"));
        let entry = wait_for("the error to be reported", || {
            let entry = operator.get(&path).expect(200);
            entry["lastError"].is_string().then_some(entry)
        });
        assert!(entry["lastError"].as_str().unwrap().contains(told), "{what}: {entry}");
        assert_eq!(entry["recipients"][0]["state"], "deferred", "{what}: {entry}");
        assert_eq!(entry["possibleDuplicate"], false, "{what}: {entry}");
        notices_nothing(&mut operator);
        // It would be retried for days.
        assert!(operator.call("DELETE", &format!("/v1/accounts/{account}"), &[], b"").status < 300);
    }
    assert!(!hostile.heard().contains("AUTH"), "a login in the clear: {}", hostile.heard());
    let tried = operator.json("POST", "/v1/accounts/verify", &hostile.account("injecting"));
    assert_eq!(tried.expect(200)["smtp"]["code"], "upstream-misbehaved");

    // The verdict arrives after the client's timeout.
    let logins = hostile.logins();
    let account = connect(&mut operator, &hostile.account("late-verdict"));
    let sent = send(&mut operator, &account, &["bo@example.test"]);
    let path = under(&account, &format!("submissions/{sent}"));
    let doubted = wait_for("the submission to be uncertain", || {
        let entry = operator.get(&path).expect(200);
        entry["lastError"].is_string().then_some(entry)
    });
    assert_eq!(doubted["recipients"][0]["state"], "uncertain", "{doubted}");
    let entry = wait_for("the verdict", || {
        let entry = operator.get(&path).expect(200);
        (entry["state"] == "sent").then_some(entry)
    });
    assert_eq!(entry["possibleDuplicate"], true, "{entry}");
    assert_eq!(hostile.messages(), 2, "{entry}");
    assert_eq!(
        hostile.logins() - logins,
        2,
        "the second delivery reused the connection of the first"
    );
    notices_nothing(&mut operator);

    let peak = memory(host.pid(), "VmHWM:");
    let grown = peak.saturating_sub(before);
    assert!(grown < MOST, "{grown} bytes more than the {before} before");
}

/// Resets the peak (proc_pid_clear_refs(5)), and returns the memory in use, in bytes.
fn forget_peak(pid: u32) -> u64 {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
    memory(pid, "VmRSS:")
}

/// A line of proc_pid_status(5), in bytes.
fn memory(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").trim().parse().unwrap();
    kilobytes * 1024
}
