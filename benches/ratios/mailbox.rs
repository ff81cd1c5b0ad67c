//! Mailbox benchmark: list, fetch and flag over the API against a raw IMAP client, on the same
//! server and mailbox, with as many persistent sessions as the host's pool has.
//!
//! The host caches what it has read, so first and repeated requests are measured separately. The
//! raw client asks the server each time; neither client parses the responses. Both sides have
//! logged in and selected the mailbox before the measurement.

use std::time::Duration;

use rig::{Options, Rig};
use serde_json::json;

use crate::seed;
use crate::size::Size;
use testkit::http::Client;
use testkit::imap::Imap;
use testkit::measure::load::{self, Dice, Rate};
use testkit::measure::report;
use testkit::measure::usage;
use testkit::process::Host;
use testkit::site::{Site, connect, tls_account, under};

/// Size of the session pool of one account.
const SESSIONS: usize = 3;
const PAGE: usize = 50;

/// Time for every session of the pool to log in.
const WARM: Duration = Duration::from_millis(500);

/// Share of the raw client's rate.
const GOAL: f64 = 0.4;
/// Maximum memory of an idle host, in MiB.
const IDLE: f64 = 80.0;

/// The content of the mailbox, as the API names it.
struct Places {
    /// The rest of the query after `messages?limit=50`, for each page.
    pages: Vec<String>,
    /// Id and UID of each message.
    messages: Vec<(String, u32)>,
}

/// Runs every measurement of a mailbox, and of the host's memory.
pub(crate) fn compare(size: Size) {
    let Some(rig) = Rig::start(Options { users: 1 }) else {
        report::line("no mail servers here: list, fetch, flag and memory are not measured");
        return;
    };
    seed::fill(&rig, 1, size.messages);
    let site = Site::on(&rig);
    let host = site.start();
    let account = connect(&mut site.operator(&host), &tls_account(&rig, 1));
    let places = walk(&mut site.operator(&host), &account);
    assert_eq!(places.messages.len(), size.messages as usize, "messages are missing");
    host.kill();

    // A new process has cached nothing of the mailbox yet.
    let host = site.start();
    // Memory that only the start needs, such as the compiler's, is released by then.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let idle = report::mebibytes(usage::resident(host.pid()));
    let bench =
        Bench { rig: &rig, site: &site, host: &host, account: &account, places: &places, size };
    bench.open_sessions();
    bench.list();
    bench.fetch();
    bench.flag();
    report::heading("memory of the host (resident)");
    report::goal("idle", idle, "MiB", "<= 80", idle <= IDLE);
    report::figure("after the load", report::mebibytes(usage::resident(host.pid())), "MiB");
    report::figure(
        "at most, under load",
        report::mebibytes(usage::most_resident(host.pid())),
        "MiB",
    );
}

struct Bench<'a> {
    rig: &'a Rig,
    site: &'a Site,
    host: &'a Host,
    account: &'a str,
    places: &'a Places,
    size: Size,
}

impl Bench<'_> {
    /// Opens the sessions of the raw client and of the pool before anything is timed. Flags are set
    /// on the server each time, and fill no cache that a first request would use.
    fn open_sessions(&self) {
        let change = json!({"flags": {"add": ["\\Seen"]}});
        let few = &self.places.messages[..self.places.messages.len().min(SESSIONS)];
        load::for_a_while(
            self.callers(|client, dice| {
                let path =
                    under(self.account, &format!("messages/{}", few[dice.roll(few.len())].0));
                client.json("PATCH", &path, &change).ended(200);
            }),
            WARM,
        );
    }

    fn list(&self) {
        report::heading(&format!("list {PAGE} of {}, {SESSIONS} sessions", self.size.messages));
        let pages = self.places.pages.len();
        let exists = self.places.messages.len();
        let raw = self.raw(move |imap, dice| {
            let high = exists - dice.roll(pages) * PAGE;
            let low = high.saturating_sub(PAGE - 1).max(1);
            imap.command(&format!(
                "FETCH {low}:{high} (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"
            ));
        });
        let path = |page: &String| under(self.account, &format!("messages?limit={PAGE}{page}"));
        let mut paths: Vec<String> = self.places.pages.iter().map(path).collect();
        Dice::new(7).shuffle(&mut paths);
        let get = |client: &mut Client, path: &String| {
            client.get(path).ended(200);
        };
        let first = load::each_once(self.clients(get), &paths);
        let paths = &paths;
        let later = load::for_a_while(
            self.callers(move |client, dice| get(client, &paths[dice.roll(paths.len())])),
            self.size.duration,
        );
        told(
            &raw,
            &[("API, each page for the first time", first), ("API, pages seen before", later)],
        );
    }

    fn fetch(&self) {
        report::heading(&format!("fetch one message, {SESSIONS} sessions"));
        let mut chosen: Vec<&(String, u32)> = self.places.messages.iter().collect();
        Dice::new(8).shuffle(&mut chosen);
        chosen.truncate(self.size.fetches);
        let few = &chosen[..chosen.len().min(100)];
        let chosen = &chosen;
        let raw = self.raw(move |imap, dice| {
            let (_, uid) = chosen[dice.roll(chosen.len())];
            imap.command(&format!(
                "UID FETCH {uid} (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"
            ));
        });
        let get = |client: &mut Client, place: &&(String, u32)| {
            client.get(&under(self.account, &format!("messages/{}", place.0))).ended(200);
        };
        let first = load::each_once(self.clients(get), chosen);
        let later = load::for_a_while(
            self.callers(move |client, dice| get(client, &few[dice.roll(few.len())])),
            self.size.duration,
        );
        told(
            &raw,
            &[
                ("API, each message for the first time", first),
                ("API, a hundred messages again", later),
            ],
        );
    }

    fn flag(&self) {
        report::heading(&format!("set or clear a flag, {SESSIONS} sessions"));
        let messages = &self.places.messages;
        let raw = self.raw(move |imap, dice| {
            let (_, uid) = messages[dice.roll(messages.len())];
            let sign = ["+", "-"][dice.roll(2)];
            imap.command(&format!("UID STORE {uid} {sign}FLAGS (\\Flagged)"));
        });
        let account = self.account;
        let api = load::for_a_while(
            self.callers(move |client, dice| {
                let (id, _) = &messages[dice.roll(messages.len())];
                let verb = ["add", "remove"][dice.roll(2)];
                let change = json!({"flags": {(verb): ["\\Flagged"]}});
                client
                    .json("PATCH", &under(account, &format!("messages/{id}")), &change)
                    .ended(200);
            }),
            self.size.duration,
        );
        told(&raw, &[("API", api)]);
    }

    /// As many raw sessions as the pool has, each with the mailbox selected.
    fn raw(&self, call: impl Fn(&mut Imap, &mut Dice) + Copy + Send) -> Rate {
        let (user, password) = self.rig.user(1);
        let callers = (0..SESSIONS).map(|_| {
            let mut imap = Imap::login(self.rig.imaps_port(), &user, &password);
            imap.command("SELECT INBOX");
            move |dice: &mut Dice| call(&mut imap, dice)
        });
        load::for_a_while(callers.collect(), self.size.duration)
    }

    /// As many clients of the API, each on a connection of its own.
    fn callers(
        &self,
        call: impl Fn(&mut Client, &mut Dice) + Copy + Send,
    ) -> Vec<impl FnMut(&mut Dice) + Send> {
        let caller = |_| {
            let mut client = self.site.operator(self.host);
            move |dice: &mut Dice| call(&mut client, dice)
        };
        (0..SESSIONS).map(caller).collect()
    }

    fn clients<T>(
        &self,
        call: impl Fn(&mut Client, &T) + Copy + Send,
    ) -> Vec<impl FnMut(&T) + Send> {
        let caller = |_| {
            let mut client = self.site.operator(self.host);
            move |item: &T| call(&mut client, item)
        };
        (0..SESSIONS).map(caller).collect()
    }
}

fn told(raw: &Rate, ours: &[(&str, Rate)]) {
    report::rate("raw IMAP client", raw);
    for (name, rate) in ours {
        report::rate(name, rate);
        let ratio = rate.per_second / raw.per_second;
        report::goal(&format!("  {name} / raw"), ratio, "", ">= 0.4", ratio >= GOAL);
    }
}

/// Lists every page, from the newest to the oldest.
fn walk(client: &mut Client, account: &str) -> Places {
    let mut places = Places { pages: vec![String::new()], messages: Vec::new() };
    loop {
        let page = places.pages.last().cloned().unwrap_or_default();
        let list = client.get(&under(account, &format!("messages?limit={PAGE}{page}"))).expect(200);
        for row in list["messages"].as_array().unwrap() {
            let uid = u32::try_from(row["uid"].as_u64().unwrap()).unwrap();
            places.messages.push((row["id"].as_str().unwrap().to_owned(), uid));
        }
        match list["nextCursor"].as_str() {
            Some(cursor) => places.pages.push(format!("&cursor={cursor}")),
            None => return places,
        }
    }
}
