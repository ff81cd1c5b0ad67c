//! Kill test: a host is killed at random moments under load, repeatedly; no accepted message is
//! lost, and only unavoidable duplicates occur.
//!
//! Ten kills; `POSTLET_KILLS` is another number, and `POSTLET_SEED` repeats the moments of a run,
//! which a failure names. [`crate::history_checker`] checks the result.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rig::Rig;
use serde_json::{Value, json};

use crate::history_checker::{Accepted, Arrival, Copies, Entry, History, faults};
use testkit::http::Client;
use testkit::process::Host;
use testkit::servers::sink::Sink;
use testkit::site::{Site, addresses, connect, own_user, rig, server, tls_account, under};
use testkit::wait::{wait_for, wait_until};

const KILLS: usize = 10;
/// Clients of each account, and the maximum number of drafts of each in one run.
const CALLERS: usize = 4;
const DRAFTS: usize = 6;
/// Accounts of each tenant.
const ACCOUNTS: usize = 2;
/// The default of `deliveries-per-account`.
const PLACES: usize = 2;
/// A body of this many lines is stored in a file instead of the database.
const MANY_LINES: usize = 1200;
/// The latest moment of a kill after the awaited event.
const LATEST_KILL: u64 = 900;

/// There is exactly one copy of each sent message, despite kills; the last one is waited for.
const COPIES: Copies = Copies::One;

const WAITING: &str =
    "submissions?limit=1&state=accepted,claimed,dialing,dotSent,deferred,uncertain";

/// One account: its tenant's token, its id, and its user of the rig.
struct Sender {
    token: String,
    account: String,
    user: u16,
}

#[test]
fn no_accepted_message_is_lost_by_kills_at_random_moments() {
    let Some(rig) = rig() else { return };
    let kills = number("POSTLET_KILLS").map_or(KILLS, |kills| usize::try_from(kills).unwrap());
    let seed = number("POSTLET_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let mut dice = Dice(seed);
    let sink = Sink::start();
    let mut allow = addresses(rig);
    allow.push(format!("127.0.0.1:{}", sink.port));
    let site = Site::new(Some(rig.ca_pem()), &allow);
    let host = site.start();
    let senders = senders(rig, &site, &host, &sink);
    host.kill();

    let mut history = History { places: PLACES * senders.len(), kills, ..History::default() };
    for run in 0..kills {
        wait_until("the connections of the last run to end", || sink.is_idle());
        sink.begin(run);
        let host = site.start();
        let before = sink.count();
        let heard = Mutex::new(Vec::new());
        let killed = AtomicBool::new(false);
        let host = Mutex::new(Some(host));
        std::thread::scope(|scope| {
            let client =
                |sender: &Sender| host.lock().unwrap().as_ref().unwrap().client(&sender.token);
            for (number, sender) in senders.iter().enumerate() {
                for caller in 0..CALLERS {
                    let (client, heard) = (client(sender), &heard);
                    let mark = format!("{run}-{number}-{caller}");
                    scope.spawn(move || send_until_killed(client, sender, &mark, heard));
                }
            }
            let watchers: Vec<_> = senders
                .iter()
                .map(|sender| {
                    let (client, killed) = (client(sender), &killed);
                    scope.spawn(move || sent_as_told(client, sender, killed))
                })
                .collect();
            // Most runs deliver something first, so that kills meet the dot window; some end during
            // recovery.
            if dice.roll(4) > 0 {
                wait_until("the first delivery of a run", || sink.count() > before);
            }
            std::thread::sleep(Duration::from_millis(dice.roll(LATEST_KILL)));
            host.lock().unwrap().take().unwrap().kill();
            killed.store(true, Ordering::SeqCst);
            for watcher in watchers {
                for id in watcher.join().unwrap() {
                    history.said_sent.entry(id).or_insert(run);
                }
            }
        });
        history.accepted.append(&mut heard.into_inner().unwrap());
    }

    wait_until("the connections of the last run to end", || sink.is_idle());
    sink.begin(kills);
    let host = site.start();
    for sender in &senders {
        let mut client = host.client(&sender.token);
        drain(&mut client, &sender.account, &sink);
        history.entries.extend(entries(&mut client, &sender.account, ""));
    }
    if COPIES == Copies::One {
        let sent = history.entries.iter().filter(|entry| entry.state == "sent").count();
        // After many kills thousands are pending: each minute has to bring some.
        let mut made = 0;
        while made < sent {
            let further = || Some(copies(rig, &senders).len()).filter(|count| *count > made);
            made = wait_for("further copies", further);
        }
    }
    // An orderly shutdown completes deliveries under way.
    host.stop();
    history.arrivals = arrivals(&sink);
    history.copies = Some((COPIES, copies(rig, &senders)));
    let found = faults(&history);
    let arrived: BTreeMap<&str, usize> =
        history.arrivals.iter().fold(BTreeMap::new(), |mut counts, arrival| {
            *counts.entry(arrival.mark.as_str()).or_default() += 1;
            counts
        });
    let told = format!(
        "{kills} kills, seed {seed}: {} accepted, {} arrived, {} of them more than once, {} doubts",
        history.accepted.len(),
        arrived.len(),
        arrived.values().filter(|count| **count > 1).count(),
        history.entries.iter().filter(|entry| entry.possible_duplicate).count(),
    );
    assert!(found.is_empty(), "{told}: {found:?}");
    assert!(history.accepted.len() >= kills, "too few messages were accepted for a result: {told}");
    drop(std::io::Write::write_all(&mut std::io::stdout(), format!("{told}\n").as_bytes()));
}

/// Two accounts of each tenant, which send over the sink and keep copies on the rig.
fn senders(rig: &Rig, site: &Site, host: &Host, sink: &Sink) -> Vec<Sender> {
    let mut operator = site.operator(host);
    let mut senders = Vec::new();
    for tenant in ["acme", "globex"] {
        let body = json!({"tenant": tenant, "scopes": ["send", "accounts"]});
        let made = operator.json("POST", "/v1/tokens", &body).expect(201);
        let token = made["token"].as_str().unwrap();
        for _ in 0..ACCOUNTS {
            let user = own_user();
            let mut account = tls_account(rig, user);
            account["smtp"] = server("127.0.0.1", sink.port, "tls");
            account["smtp"]["pin"] = json!(sink.pin);
            let account = connect(&mut host.client(token), &account);
            senders.push(Sender { token: token.to_owned(), account, user });
        }
    }
    senders
}

/// Sends one draft after another, and records accepted ones in `heard`.
fn send_until_killed(
    mut client: Client,
    sender: &Sender,
    mark: &str,
    heard: &Mutex<Vec<Accepted>>,
) {
    let path = under(&sender.account, "send");
    for draft in 0..DRAFTS {
        let mark = format!("{mark}-{draft}");
        let lines = if draft == DRAFTS - 1 { MANY_LINES } else { 3 };
        let text = "A line of a letter, which is as long as lines of letters are.\n".repeat(lines);
        let body = json!({"to": [{"email": "bo@example.test"}], "subject": mark, "text": text});
        let json = [("content-type", "application/json")];
        match client.try_call("POST", &path, &json, body.to_string().as_bytes()) {
            Ok(answer) => {
                let receipt = answer.expect(202);
                let message_id = receipt["messageId"].as_str().unwrap().to_owned();
                heard.lock().unwrap().push(Accepted { mark, message_id });
            }
            // Killed: this draft may have been accepted or not.
            Err(_) => return,
        }
    }
}

/// The Message-IDs that the API reports as sent before the kill.
fn sent_as_told(mut client: Client, sender: &Sender, killed: &AtomicBool) -> Vec<String> {
    let path = under(&sender.account, "submissions?state=sent&limit=100");
    let mut told = Vec::new();
    while !killed.load(Ordering::SeqCst) {
        let Ok(answer) = client.try_call("GET", &path, &[], b"") else { break };
        told.extend(answer.expect(200)["submissions"].as_array().unwrap().iter().map(message_id));
        std::thread::sleep(Duration::from_millis(100));
    }
    told
}

/// Waits until no submission is pending. A minute without any delivery is a failure.
fn drain(client: &mut Client, account: &str, sink: &Sink) {
    let path = under(account, WAITING);
    loop {
        let before = sink.count();
        let empty = wait_for("the outbox to be empty, or a delivery", || {
            let list = client.get(&path).expect(200);
            let empty = list["submissions"].as_array().unwrap().is_empty();
            (empty || sink.count() > before).then_some(empty)
        });
        if empty {
            return;
        }
    }
}

/// Every submission of the account, over all pages.
fn entries(client: &mut Client, account: &str, filter: &str) -> Vec<Entry> {
    let (mut entries, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = under(account, &format!("submissions?limit=100{filter}{cursor}"));
        let page = client.get(&path).expect(200);
        entries.extend(page["submissions"].as_array().unwrap().iter().map(|row| Entry {
            message_id: message_id(row),
            state: row["state"].as_str().unwrap().to_owned(),
            possible_duplicate: row["possibleDuplicate"] == true,
        }));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return entries,
        }
    }
}

fn message_id(row: &Value) -> String {
    row["messageId"].as_str().unwrap().to_owned()
}

fn arrivals(sink: &Sink) -> Vec<Arrival> {
    let taken = sink.taken().into_iter();
    taken
        .map(|taken| {
            let field = |name| field(&taken.header, name);
            Arrival {
                connection: taken.connection,
                run: taken.run,
                mark: field("subject: "),
                message_id: field("message-id: ").trim_matches(['<', '>']).to_owned(),
                digest: taken.digest,
            }
        })
        .collect()
}

/// A header field, which is not folded.
fn field(header: &str, name: &str) -> String {
    let value = header.lines().find_map(|line| {
        let begin = line.get(..name.len())?;
        begin.eq_ignore_ascii_case(name).then(|| line[name.len()..].trim().to_owned())
    });
    value.unwrap_or_else(|| panic!("no {name:?} in {header}"))
}

/// The Message-ID of every copy.
fn copies(rig: &Rig, senders: &[Sender]) -> Vec<String> {
    let of = |sender: &Sender| {
        let user = rig.user(sender.user).0;
        rig.doveadm(&["fetch", "-u", &user, "hdr.message-id", "mailbox", "Sent", "all"])
    };
    let said: String = senders.iter().map(of).collect();
    let ids = said.lines().filter_map(|line| line.strip_prefix("hdr.message-id: "));
    ids.map(|id| id.trim().trim_matches(['<', '>']).to_owned()).collect()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// Pseudo-random numbers of a seed (a linear congruential generator).
struct Dice(u64);

impl Dice {
    /// A number in `0..sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}
