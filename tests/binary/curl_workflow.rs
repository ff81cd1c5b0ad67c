//! End-to-end test of the API: one script with curl, against real servers with implicit TLS and
//! STARTTLS and against the mailroom, while a second mail client watches.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use testkit::imap::Imap;
use testkit::process::Host;
use testkit::site::{Site, connect, own_user, rig, starttls_account, tls_account};
use testkit::wait::wait_until;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/binary/curl-workflow.sh");

#[test]
fn curl_sends_reads_and_changes_mail_over_implicit_tls() {
    let Some(rig) = rig() else { return };
    on_the_rig(rig, tls_account);
}

#[test]
fn curl_sends_reads_and_changes_mail_over_starttls() {
    let Some(rig) = rig() else { return };
    on_the_rig(rig, starttls_account);
}

#[test]
fn curl_sends_reads_and_changes_mail_at_the_mailroom() {
    let host = Host::dev();
    let ready = &host.ready;
    let [anna, bob] = [&ready["accounts"][0], &ready["accounts"][1]];
    let port = u16::try_from(bob["imap"]["port"].as_u64().unwrap()).unwrap();
    let (email, password) = (text(&bob["email"]), text(&bob["password"]));
    let job = Job {
        url: host.url(),
        token: text(&ready["token"]),
        from: [text(&anna["id"]), text(&anna["email"])],
        to: [text(&bob["id"]), email.clone()],
    };
    job.run(Imap::login(port, &email, &password));
    both_are_in_sent(Imap::login(port, &job.from[1], &text(&anna["password"])));
}

fn on_the_rig(rig: &rig::Rig, account: fn(&rig::Rig, u16) -> serde_json::Value) {
    let site = Site::on(rig);
    let host = site.start();
    let mut operator = site.operator(&host);
    let (sender, receiver) = (own_user(), own_user());
    let from = connect(&mut operator, &account(rig, sender));
    let to = connect(&mut operator, &account(rig, receiver));
    let (email, password) = rig.user(receiver);
    let job = Job {
        url: host.url(),
        token: site.token(),
        from: [from, rig.user(sender).0],
        to: [to, email.clone()],
    };
    job.run(Imap::login(rig.imaps_port(), &email, &password));
    let (email, password) = rig.user(sender);
    both_are_in_sent(Imap::login(rig.imaps_port(), &email, &password));
}

/// Copies are filed after the delivery, so they may appear later than its verdict.
fn both_are_in_sent(mut sender: Imap) {
    wait_until("the sent copies", || sender.search("Sent", "SEEN").len() == 2);
}

/// The sender and the recipient: account ids and addresses.
struct Job {
    url: String,
    token: String,
    from: [String; 2],
    to: [String; 2],
}

impl Job {
    fn run(&self, mut imap: Imap) {
        let work = tempfile::tempdir().unwrap();
        let mut script = Command::new("bash")
            .arg(SCRIPT)
            .env("URL", &self.url)
            .env("TOKEN", &self.token)
            .envs([("FROM", &self.from[0]), ("FROM_EMAIL", &self.from[1])])
            .envs([("TO", &self.to[0]), ("TO_EMAIL", &self.to[1])])
            .env("WORK", work.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut answers = script.stdin.take().unwrap();
        let mut seen = Vec::new();
        for line in BufReader::new(script.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let (checkpoint, uid) = line.split_once(' ').unwrap_or((&line, "0"));
            look(&mut imap, checkpoint, uid.parse().unwrap(), work.path());
            seen.push(checkpoint.to_owned());
            answers.write_all(b"\n").unwrap();
        }
        drop(answers);
        let output = script.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(seen, ["fetched", "flagged", "moved", "deleted"]);
    }
}

/// What the second client must see at each checkpoint of the script.
fn look(imap: &mut Imap, checkpoint: &str, uid: u32, work: &Path) {
    match checkpoint {
        "fetched" => {
            assert!(imap.search("INBOX", "ALL").contains(&uid));
            let (ours, theirs) = (std::fs::read(work.join("raw.eml")).unwrap(), imap.raw(uid));
            assert!(theirs.len() > 1_400_000, "an attachment of 1 MiB is missing");
            assert!(ours == theirs, "/raw differs from the message in the mailbox");
        }
        "flagged" => {
            imap.search("INBOX", "ALL");
            let flags = imap.ask(&format!("UID FETCH {uid} FLAGS"));
            assert!(flags.contains("\\Seen") && flags.contains("\\Flagged"), "{flags}");
        }
        "moved" => {
            let flags = imap.search("Archive", "SEEN FLAGGED");
            assert!(flags.contains(&uid), "a moved message lost its flags");
            assert!(imap.search("INBOX", "FLAGGED").is_empty(), "it was copied, not moved");
        }
        "deleted" => {
            assert!(imap.search("Archive", "ALL").is_empty());
            assert!(imap.search("Trash", "ALL").is_empty());
        }
        other => panic!("the script has an unknown checkpoint {other:?}"),
    }
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap().to_owned()
}
