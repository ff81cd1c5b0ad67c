//! Tests of IMAP servers with unusual behaviour, as they occur in practice: each differs in one
//! thing, and reading works all the same.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use scripted::imap::{Letter, Reply, Script, Server};
use serde_json::{Value, json};

use crate::invalid_input::check;
use crate::mail_server_errors::subjects;
use testkit::http::{Answer, Client};
use testkit::process::Host;
use testkit::site::{Site, connect, server, under};

/// Longer than any wait of these tests.
const LONG: Duration = Duration::from_secs(60);

/// The number of servers.
const SERVERS: usize = 12;

/// A host, and the addresses of servers that it may connect to.
struct Ground {
    free: Mutex<Vec<Server>>,
    site: Site,
    host: Host,
}

/// One account at a server of its own.
struct Case<'a> {
    ground: &'a Ground,
    server: Server,
    client: Client,
    account: String,
}

impl Ground {
    fn start() -> Self {
        let server = |_| Server::start(Script::with(Vec::new()));
        let servers: Vec<Server> = (0..SERVERS).map(server).collect();
        let allow: Vec<String> =
            servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        let site = Site::new(None, &allow);
        let host = site.start();
        Self { free: Mutex::new(servers), site, host }
    }

    /// An account at a server that runs `script`.
    fn case(&self, script: Script) -> Case<'_> {
        let server = self.free.lock().unwrap().pop().unwrap();
        server.play(script);
        let mut client = self.site.operator(&self.host);
        let account = connect(&mut client, &account(&server));
        Case { ground: self, server, client, account }
    }
}

impl Case<'_> {
    fn get(&mut self, rest: &str) -> Answer {
        self.client.get(&under(&self.account, rest))
    }

    /// The number of received commands that begin with this.
    fn heard(&self, begins: &str) -> usize {
        self.server.heard().iter().filter(|line| line.starts_with(begins)).count()
    }
}

fn account(at: &Server) -> Value {
    let mut account = json!({
        "id": format!("ann{}", at.port), "email": "ann@x.test", "password": "secret",
        "imap": server("127.0.0.1", at.port, "tls"),
    });
    account["imap"]["pin"] = json!(at.pin);
    account
}

/// One test for all, since a host takes longer to start than any of them.
#[test]
fn mail_can_be_read_from_servers_with_unusual_behaviour() {
    let ground = Ground::start();
    a_message_that_the_server_cannot_read_is_a_row_of_its_own(&ground);
    a_server_that_does_not_know_its_own_id_command_is_read(&ground);
    a_time_that_cannot_be_read_is_null(&ground);
    keywords_that_are_listed_can_be_removed_and_set(&ground);
    where_one_connection_is_allowed_further_calls_wait_for_it(&ground);
    a_server_that_is_full_is_busy_and_no_wrong_password(&ground);
    a_goodbye_in_place_of_an_answer_is_tried_once_more(&ground);
}

fn letters(subjects: &[&str]) -> Vec<Letter> {
    subjects.iter().map(|subject| Letter::new(subject)).collect()
}

fn a_message_that_the_server_cannot_read_is_a_row_of_its_own(ground: &Ground) {
    let mut script = Script::with(letters(&["one", "two", "three", "four", "five"]));
    script.unreadable.insert(3);
    let mut case = ground.case(script);
    for limit in [1, 2, 20] {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        for _ in 0..10 {
            let list = case.get(&format!("messages?limit={limit}{cursor}")).expect(200);
            rows.extend(list["messages"].as_array().unwrap().clone());
            match list["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let seen: Vec<_> = rows.iter().map(|row| (&row["uid"], &row["subject"])).collect();
        let want = json!([[5, "five"], [4, "four"], [3, null], [2, "two"], [1, "one"]]);
        assert_eq!(json!(seen), want, "limit={limit}");
        let odd = &rows[2];
        assert_eq!((&odd["unavailable"], &odd["unparsed"]), (&json!(true), &Value::Null), "{odd}");
        assert_eq!((&odd["size"], &odd["received"]), (&Value::Null, &Value::Null), "{odd}");
        assert!(rows.iter().filter(|row| row["unavailable"] == true).count() == 1, "{rows:?}");
    }
    let list = case.get("messages?limit=20&expand=preview").expect(200);
    assert_eq!(list["messages"][1]["preview"], "Words.", "{list}");
    let id = list["messages"][2]["id"].as_str().unwrap();
    check(&case.get(&format!("messages/{id}")), 502, "upstream-refused");
}

fn a_server_that_does_not_know_its_own_id_command_is_read(ground: &Ground) {
    let mut script = Script::with(letters(&["one"]));
    script.capabilities = "IMAP4rev1 AUTH=PLAIN ID".to_owned();
    let mut case = ground.case(script.but(|asked| {
        asked.command.starts_with("ID ").then(|| Reply::Say("{tag} BAD Unknown command\r\n".into()))
    }));
    assert_eq!(subjects(&case.get("messages").expect(200)), ["one"]);
    assert!(case.heard("ID ") > 0);
}

fn a_time_that_cannot_be_read_is_null(ground: &Ground) {
    let dates = ["NIL", "\"00-Jan-0000 00:00:00 +0000\"", "\"yesterday\"", "\"\""];
    let odd = dates.map(|date| Letter { received: date.to_owned(), ..Letter::new("odd") });
    let mut case = ground.case(Script::with([&odd[..], &letters(&["good"])].concat()));
    let list = case.get("messages").expect(200);
    assert_eq!(list["messages"][0]["received"], "2026-11-02T10:00:00Z", "{list}");
    for row in 1..=dates.len() {
        let row = &list["messages"][row];
        assert_eq!((&row["subject"], &row["received"]), (&json!("odd"), &Value::Null), "{row}");
        let fetched = case.get(&format!("messages/{}", row["id"].as_str().unwrap())).expect(200);
        assert_eq!(fetched["received"], Value::Null, "{fetched}");
    }
}

fn keywords_that_are_listed_can_be_removed_and_set(ground: &Ground) {
    let odd = ["+", "Perso/Travail", "Important!", "[Gmail]x".trim_end_matches("]x"), "a:b&c"];
    let flags = odd.map(str::to_owned).to_vec();
    let mut case = ground.case(Script::with(vec![Letter { flags, ..Letter::new("one") }]));
    let row = case.get("messages").expect(200)["messages"][0].clone();
    assert_eq!(row["flags"], json!(odd));
    let path = under(&case.account, &format!("messages/{}", row["id"].as_str().unwrap()));
    for flag in odd {
        for (change, held) in [("remove", false), ("add", true)] {
            let body = json!({"flags": {change: [flag]}});
            let changed = case.client.json("PATCH", &path, &body).expect(200);
            let has = changed["flags"].as_array().unwrap().contains(&json!(flag));
            assert_eq!(has, held, "{change} {flag}: {changed}");
        }
    }
    let set = json!({"flags": {"set": odd}});
    assert_eq!(case.client.json("PATCH", &path, &set).expect(200)["flags"], json!(odd));
}

fn where_one_connection_is_allowed_further_calls_wait_for_it(ground: &Ground) {
    // The first FETCH is answered after another login was refused.
    let turned_away = Arc::new((Mutex::new(0), Condvar::new()));
    let (counted, held) = (Arc::clone(&turned_away), AtomicUsize::new(0));
    let script = Script::with(letters(&["one", "two"])).but(move |asked| {
        let (count, changed) = &*counted;
        if asked.command.starts_with("AUTHENTICATE") && asked.others > 0 {
            *count.lock().unwrap() += 1;
            changed.notify_all();
            let says = "{tag} NO [ALERT] Too many simultaneous connections. (Failure)\r\n";
            return Some(Reply::Close(says.into()));
        }
        if asked.command.starts_with("FETCH") && held.fetch_add(1, Ordering::SeqCst) == 0 {
            let none = |count: &mut usize| *count == 0;
            drop(changed.wait_timeout_while(count.lock().unwrap(), LONG, none).unwrap());
        }
        None
    });
    let case = ground.case(script);
    let path = under(&case.account, "messages");
    let calls: Vec<_> = (0..6)
        .map(|_| {
            let (mut client, path) = (case.ground.site.operator(&case.ground.host), path.clone());
            thread::spawn(move || client.get(&path))
        })
        .collect();
    for call in calls {
        assert_eq!(subjects(&call.join().unwrap().expect(200)), ["two", "one"]);
    }
    assert!(*turned_away.0.lock().unwrap() > 0, "the test needs two at once");
}

fn a_server_that_is_full_is_busy_and_no_wrong_password(ground: &Ground) {
    for says in [
        "{tag} NO [ALERT] Too many simultaneous connections. (Failure)\r\n",
        "{tag} NO [LIMIT] too many\r\n",
        "* BYE Too many connections from your address\r\n",
    ] {
        let mut case = ground.case(Script::with(letters(&["one"])).but(move |asked| {
            asked.command.starts_with("AUTHENTICATE").then(|| Reply::Close(says.into()))
        }));
        // More often than refused logins are tried.
        for _ in 0..8 {
            let answer = case.get("messages");
            check(&answer, 503, "upstream-busy");
            assert!(answer.header("retry-after").is_some(), "{says}");
            assert_eq!(answer.json()["retryable"], true);
        }
        assert_eq!(case.heard("AUTHENTICATE"), 8, "{says}");
    }
}

fn a_goodbye_in_place_of_an_answer_is_tried_once_more(ground: &Ground) {
    for command in ["SELECT", "FETCH"] {
        let left = AtomicUsize::new(1);
        let mut case = ground.case(Script::with(letters(&["one"])).but(move |asked| {
            let is_it = asked.command.starts_with(command);
            let goes = is_it
                && left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
                    .is_ok();
            goes.then(|| Reply::Close("* BYE Internal error occurred\r\n".into()))
        }));
        assert_eq!(subjects(&case.get("messages").expect(200)), ["one"], "{command}");
        assert_eq!(case.heard("AUTHENTICATE"), 2);
    }
    let mut case = ground.case(Script::with(letters(&["one"])).but(|asked| {
        let goes = asked.command.starts_with("SELECT");
        goes.then(|| Reply::Close("* BYE Internal error occurred\r\n".into()))
    }));
    let answer = case.get("messages");
    let problem = check(&answer, 502, "upstream-unreachable");
    assert_eq!(problem["retryable"], true);
    assert_eq!(case.heard("AUTHENTICATE"), 2, "it is repeated exactly once");
}
