//! Tests of failing disks, of data directories of earlier releases, and of process limits.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

use crate::invalid_input::check;
use crate::mail_server_errors::{send, settled};
use testkit::proc::limit;
use testkit::process::{Host, binary};
use testkit::servers::mailroom::{BO, Room};
use testkit::site::{Site, connect, under};
use testkit::wait::wait_until;

/// A failing write in the middle of a database log: the host accepts nothing new, reports it, and
/// exits with a status of its own. What it had accepted is there at the next start.
#[test]
fn a_disk_that_fails_ends_the_host_and_loses_nothing() {
    let room = Room::start();
    let site = Site::new(None, &room.addresses());
    // Above the limit of a file's size, the system sends a signal, unless it is ignored, and fails
    // the write with an error that differs from a full disk. The limit of open files is low at
    // first; the host raises it.
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "trap '' XFSZ; ulimit -Sn 200; exec \"$0\" \"$@\"", binary()]);
    let host = Host::up_by(command, &site.config());
    let mut operator = site.operator(&host);
    let files = limit(host.pid(), "Max open files");
    assert!(files.is_none_or(|most| most > 200), "the host must raise its limit of open files");
    let account = connect(&mut operator, &room.account());
    let first = send(&mut operator, &account, &[BO]);
    assert_eq!(settled(&mut operator, &account, &first)["state"], "sent");
    shows(
        &mut operator,
        &[("outbox_submissions{state=\"sent\"}", 1), ("store_state{state=\"writable\"}", 1)],
    );
    assert_eq!(operator.get("/-/ready").expect(200)["store"], "writable");

    let most = Some(512 << 10);
    let pid = Pid::from_raw(i32::try_from(host.pid()).unwrap()).unwrap();
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: most, maximum: most }).unwrap();
    let draft = json!({"to": [{"email": BO}], "subject": "hello", "text": "words ".repeat(8_000)});
    let mut accepted = 1;
    let refused = loop {
        let answer = operator.json("POST", &under(&account, "send"), &draft);
        if answer.status != 202 {
            break answer;
        }
        accepted += 1;
        assert!(accepted < 60, "the log is longer than the system allows");
    };
    check(&refused, 503, "store-unavailable");
    let again = operator.json("POST", &under(&account, "send"), &draft);
    check(&again, 503, "store-unavailable");
    assert!(again.header("retry-after").is_some_and(|after| after.parse::<u32>().is_ok()));
    check(&operator.get("/-/ready"), 503, "store-unavailable");
    shows(&mut operator, &[("store_state{state=\"failed\"}", 1)]);
    // Reads still succeed.
    operator.get(&under(&account, "submissions")).expect(200);
    let (status, log) = host.ended();
    assert_eq!(status.code(), Some(74), "{log}");
    assert!(log.contains("postlet: the disk failed: "), "{log}");

    let host = site.start();
    let mut operator = site.operator(&host);
    let waiting =
        under(&account, "submissions?state=accepted,claimed,dialing,dotSent,deferred,uncertain");
    wait_until("the outbox to be empty", || {
        operator.get(&waiting).expect(200)["submissions"].as_array().unwrap().is_empty()
    });
    // A message whose verdict was not recorded may have been sent twice; none is missing.
    assert!(room.arrived() >= accepted, "{} of {accepted}", room.arrived());
    shows(
        &mut operator,
        &[("outbox_submissions{state=\"queued\"}", 0), ("outbox_oldest_seconds", 0)],
    );
}

/// Tokens, accounts and submissions in a data directory of an earlier release.
#[test]
fn a_directory_of_an_earlier_release_is_served() {
    let releases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/released");
    for release in std::fs::read_dir(releases).unwrap() {
        let site = Site::with(None, &[], "");
        let text = std::fs::read_to_string(site.config()).unwrap();
        let text = text.replace("[outbox]\n", "[outbox]\nkeep-days = 3650\n");
        std::fs::write(site.config(), text).unwrap();
        std::fs::create_dir(site.data()).unwrap();
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(site.data(), private).unwrap();
        let all = release.unwrap().path().join(".");
        let copied = Command::new("cp").arg("-r").arg(all).arg(site.data()).status();
        assert!(copied.unwrap().success());
        let key = site.data().join("master.key");
        std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let host = site.start();
        let mut operator = site.operator(&host);
        let accounts = operator.get("/v1/accounts").expect(200);
        let ids: Vec<&Value> =
            accounts["accounts"].as_array().unwrap().iter().map(|account| &account["id"]).collect();
        assert_eq!(ids, ["ann", "reader"]);
        let list = operator.get(&under("ann", "submissions?limit=100")).expect(200);
        assert_eq!(list["submissions"].as_array().unwrap().len(), 13);
        let sent = operator.get(&under("ann", "submissions?state=sent")).expect(200);
        assert_eq!(sent["submissions"][0]["messageId"], "1@x.test");
        assert!(site.data().join("complete").exists());
    }
}

/// Counters and gauges of `/-/metrics`, by name without the prefix.
#[track_caller]
fn shows(operator: &mut testkit::http::Client, want: &[(&str, u32)]) {
    let answer = operator.get("/-/metrics");
    answer.ended(200);
    let text = answer.text();
    for (name, value) in want {
        let found = text.lines().any(|line| {
            line.strip_prefix(&format!("postlet_{name} "))
                .is_some_and(|number| number.parse() == Ok(f64::from(*value)))
        });
        assert!(found, "{name} {value} is not in\n{text}");
    }
}
