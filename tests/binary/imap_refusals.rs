//! Tests of refused IMAP commands: a NO or BAD is never reported as a success. The commands of each
//! API call are recorded, and then each is refused in turn.
//!
//! A second client checks the effect: a status below 400 must be true.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::invalid_input::check;
use crate::mail_server_errors::send;
use testkit::http::{Answer, Client};
use testkit::imap::Imap;
use testkit::process::Host;
use testkit::servers::imap_proxy::Proxy;
use testkit::site::{Site, connect, server, under};
use testkit::wait::wait_until;

/// Commands whose results are optional. A call that succeeds without them must have had its effect.
const DISPENSABLE: [&str; 7] =
    ["ID", "ENABLE", "NAMESPACE", "CAPABILITY", "NOOP", "LOGOUT", "UNSELECT"];

/// The API calls, with a check of their effect.
const CALLS: [(&str, Judge); 10] = [
    ("list", read),
    ("show", read),
    ("raw", read),
    ("mailboxes", read),
    ("counters", read),
    ("flag", |seen| seen.flagged && seen.inbox),
    ("move", |seen| seen.archive && !seen.inbox),
    ("copy", |seen| seen.archive && seen.inbox),
    ("trash", |seen| seen.trash && !seen.inbox),
    ("destroy", |seen| !seen.inbox && !seen.trash),
];

type Judge = fn(&Seen) -> bool;

fn read(_: &Seen) -> bool {
    true
}

/// Where the second client sees the message.
#[derive(Debug)]
struct Seen {
    inbox: bool,
    archive: bool,
    trash: bool,
    flagged: bool,
}

#[test]
fn no_refusal_is_reported_as_success() {
    let mut stage = Stage::new();
    let verbs = stage.refuse_everything();
    for needed in
        ["UID FETCH", "UID STORE", "UID MOVE", "UID COPY", "UID EXPUNGE", "LIST", "STATUS"]
    {
        assert!(verbs.contains(needed), "nothing used {needed}: {verbs:?}");
    }
    for either in [["SELECT", "EXAMINE"], ["LOGIN", "AUTHENTICATE"]] {
        assert!(either.iter().any(|verb| verbs.contains(*verb)), "no {either:?}: {verbs:?}");
    }

    // A server without MOVE: three commands replace one, and any may fail.
    stage.proxy.hide(&["MOVE"]);
    let verbs = stage.refuse_everything();
    assert!(!verbs.contains("UID MOVE"), "{verbs:?}");
    for needed in ["UID COPY", "UID STORE", "UID EXPUNGE"] {
        assert!(verbs.contains(needed), "nothing used {needed}: {verbs:?}");
    }
}

/// The API does not wait for the copy of a sent message: its failure is logged.
#[test]
fn a_refused_copy_of_a_sent_message_is_logged_as_a_failure() {
    let stage = Stage::new();
    let mut second = Imap::login(stage.port, "bob@mailroom.test", &stage.password);
    let mut operator = stage.site.operator(&stage.host);
    let mut imap = server("127.0.0.1", stage.proxy.port, "tls");
    imap["pin"] = json!(stage.proxy.pin);
    let account = json!({
        "email": "bob@mailroom.test", "password": stage.password, "imap": imap, "smtp": stage.smtp,
    });
    let account = connect(&mut operator, &account);
    let failures = || stage.host.log().matches("no copy of a sent message was kept").count();
    for (already, word) in ["NO scripted refusal", "BAD scripted refusal"].iter().enumerate() {
        stage.proxy.refuse("APPEND", word);
        send(&mut operator, &account, &["bob@mailroom.test"]);
        wait_until("the failure to be logged", || failures() > already);
        assert!(stage.proxy.relent() > 0, "{word}: it failed before the command was refused");
    }
    assert_eq!(second.search("Sent", "ALL").len(), 0);
    send(&mut operator, &account, &["bob@mailroom.test"]);
    wait_until("a copy", || second.search("Sent", "ALL").len() == 1);
    assert_eq!(failures(), 2);
}

/// A host whose accounts connect through the proxy to Bob's mailbox.
struct Stage {
    proxy: Proxy,
    host: Host,
    site: Site,
    password: String,
    port: u16,
    smtp: Value,
    cases: u32,
    _mailroom: Host,
}

impl Stage {
    fn new() -> Self {
        let mailroom = Host::dev();
        let bob = &mailroom.ready["accounts"][1];
        let port = u16::try_from(bob["imap"]["port"].as_u64().unwrap()).unwrap();
        let password = bob["password"].as_str().unwrap().to_owned();
        let proxy = Proxy::before(port);
        let mut smtp = bob["smtp"].clone();
        smtp.as_object_mut().unwrap().remove("username");
        let allowed = [json!(proxy.port), smtp["port"].clone()];
        let site = Site::new(None, &allowed.map(|port| format!("127.0.0.1:{port}")));
        let host = site.start();
        Self { proxy, host, site, password, port, smtp, cases: 0, _mailroom: mailroom }
    }

    /// Runs every call with every command that it uses refused, by NO and by BAD; returns the
    /// commands.
    fn refuse_everything(&mut self) -> BTreeSet<String> {
        let mut second = Imap::login(self.port, "bob@mailroom.test", &self.password);
        let mut all = BTreeSet::new();
        for (call, judge) in CALLS {
            let mut case = self.case(&mut second);
            self.proxy.seen();
            let answer = case.call(call);
            assert!(answer.status < 300, "{call}, with nothing refused: {}", answer.text());
            assert!(judge(&case.seen(&mut second)), "{call}: {:?}", case.seen(&mut second));
            let used = self.proxy.seen();
            for verb in &used {
                for word in ["NO scripted refusal", "BAD scripted refusal"] {
                    let mut case = self.case(&mut second);
                    self.proxy.refuse(verb, word);
                    let answer = case.call(call);
                    let refusals = self.proxy.relent();
                    let told =
                        format!("{call}, {verb} {word}: {} {}", answer.status, answer.text());
                    if answer.status < 400 {
                        let seen = case.seen(&mut second);
                        assert!(judge(&seen), "{told}: {seen:?}");
                        // A server may refuse one message of a page: its row says so.
                        let in_row = call == "list"
                            && word.starts_with("NO")
                            && answer.json()["messages"][0]["unavailable"] == true;
                        assert!(
                            in_row || DISPENSABLE.contains(&verb.as_str()),
                            "{told}: {refusals} refusals"
                        );
                    } else {
                        let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
                        check(&answer, answer.status, &code);
                        assert!(refusals > 0, "{told}: failed before the command was refused");
                        // A refusal that was ignored may cause a later failure with another reply.
                        let reply = answer.json()["upstream"]["reply"].to_string();
                        assert!(reply.contains("scripted refusal"), "{told}");
                    }
                }
            }
            all.extend(used);
        }
        all
    }
}

/// One message, and one account that has never been used; its connections are new.
struct Case {
    client: Client,
    account: String,
    id: String,
    subject: String,
}

impl Stage {
    fn case(&mut self, second: &mut Imap) -> Case {
        self.cases += 1;
        Case::new(self, second, self.cases)
    }
}

impl Case {
    fn new(stage: &Stage, second: &mut Imap, number: u32) -> Self {
        let subject = format!("case-{number:04}");
        let message = format!("Subject: {subject}\r\nFrom: a@b.test\r\n\r\nText.\r\n");
        second.command(&format!("APPEND INBOX {{{}+}}\r\n{message}", message.len()));
        let mut client = stage.site.operator(&stage.host);
        let mut imap = server("127.0.0.1", stage.proxy.port, "tls");
        imap["pin"] = json!(stage.proxy.pin);
        let account = json!({
            "id": subject, "email": "bob@mailroom.test", "password": stage.password, "imap": imap,
        });
        let account = connect(&mut client, &account);
        let list = client.get(&under(&account, "messages")).expect(200);
        let row = &list["messages"][0];
        assert_eq!(row["subject"], subject, "{list}");
        let id = row["id"].as_str().unwrap().to_owned();
        // The host's caches stay; its connections must be made again.
        stage.proxy.hang_up();
        Self { client, account, id, subject }
    }

    /// Repeats a call whose idle connection was broken, which is no result of the refusal.
    fn call(&mut self, call: &str) -> Answer {
        for _ in 0..5 {
            let answer = self.once(call);
            let broken = answer.status == 502 && answer.json()["code"] == "upstream-unreachable";
            if !broken {
                return answer;
            }
        }
        self.once(call)
    }

    fn once(&mut self, call: &str) -> Answer {
        let message = under(&self.account, &format!("messages/{}", self.id));
        let archive = json!({"mailbox": "\\Archive"});
        match call {
            "list" => self.client.get(&under(&self.account, "messages?limit=3")),
            "show" => self.client.get(&message),
            "raw" => self.client.get(&format!("{message}/raw")),
            "mailboxes" => self.client.get(&under(&self.account, "mailboxes")),
            "counters" => self.client.get(&under(&self.account, "mailboxes?counters=true")),
            "flag" => {
                self.client.json("PATCH", &message, &json!({"flags": {"add": ["\\Flagged"]}}))
            }
            "move" => self.client.json("POST", &format!("{message}/move"), &archive),
            "copy" => self.client.json("POST", &format!("{message}/copy"), &archive),
            "trash" => self.client.json("DELETE", &message, &Value::Null),
            "destroy" => {
                self.client.json("DELETE", &format!("{message}?permanent=true"), &Value::Null)
            }
            other => panic!("no call is named {other}"),
        }
    }

    fn seen(&self, second: &mut Imap) -> Seen {
        let mut holds = |mailbox: &str, criteria: &str| {
            !second.search(mailbox, &format!("{criteria} SUBJECT \"{}\"", self.subject)).is_empty()
        };
        Seen {
            inbox: holds("INBOX", "ALL"),
            archive: holds("Archive", "ALL"),
            trash: holds("Trash", "ALL"),
            flagged: holds("INBOX", "FLAGGED"),
        }
    }
}
