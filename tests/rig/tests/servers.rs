//! Tests of the rig: its servers respond, fail where they should, and are removed.
#![expect(clippy::unwrap_used, reason = "a test that cannot run has failed")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rig::{Options, Rig};

#[test]
fn a_delivered_message_is_listed_and_every_port_responds() {
    let Some(rig) = Rig::start(Options { users: 2 }) else { return };
    rig.deliver(1, "INBOX", b"Subject: hello\r\n\r\nA short text.\r\n");
    rig.deliver(2, "Projects/New", b"Subject: made\n\nThe mailbox did not exist.\n");
    let (first, second) = (rig.user(1).0, rig.user(2).0);
    assert!(fetch(&rig, &first, "INBOX").contains("A short text."));
    assert!(fetch(&rig, &second, "Projects/New").contains("did not exist"));
    for (port, greeting) in [
        (rig.imap_port(), "* OK "),
        (rig.submission_port(), "220 "),
        (rig.smtp_plain_port(), "220 "),
        (rig.lmtp_port(), "220 "),
    ] {
        let line = greeting_of(port).unwrap();
        assert!(line.starts_with(greeting), "port {port} said {line:?}");
    }
}

#[test]
fn implicit_tls_and_starttls_are_signed_by_the_authority_and_carry_mail() {
    let Some(rig) = Rig::start(Options { users: 2 }) else { return };
    let send = |url: &str, to: &str| submit(&rig, url, to);
    // After the port is the name that curl uses in EHLO.
    let implicit = format!("smtps://localhost:{}/client.example.test", rig.submissions_port());
    let upgraded = format!("smtp://127.0.0.1:{}/client.example.test", rig.submission_port());
    for (url, marker) in [(&implicit, "implicit"), (&upgraded, "upgraded")] {
        let output = send(url, &format!("user002+{marker}@example.test"));
        assert!(output.status.success(), "{url}: {}\n{}", said(&output), rig.logs());
    }
    let arrived =
        || rig.doveadm(&["search", "-u", "user002@example.test", "mailbox", "INBOX", "ALL"]);
    wait(|| arrived().lines().count() == 2);
    let url = format!("imaps://localhost:{}/INBOX;UID=1", rig.imaps_port());
    let output = curl(&rig, 2, &[&url]).output().unwrap();
    assert!(said(&output).contains("By curl."), "{}", said(&output));

    for (to, reply) in [
        ("bounce@example.test", "550"),
        ("tempfail@example.test", "451"),
        ("nobody@example.test", "550"),
        ("ann@example.org", "55"),
    ] {
        let output = send(&implicit, to);
        assert!(!output.status.success(), "{to} was accepted");
        assert!(said(&output).contains(&format!("< {reply}")), "{to}: {}", said(&output));
    }
    assert!(send(&implicit, "drop@example.test").status.success());
    assert!(send(&implicit, "user001@example.com").status.success());
    assert!(send(&implicit, "nobody@example.com").status.success());
    let holds = |text: &str| fetch(&rig, "user001@example.test", "INBOX").contains(text);
    wait(|| holds("By curl.") && holds("Undelivered Mail Returned to Sender"));
}

#[test]
fn servers_stop_and_restart_on_their_ports() {
    let Some(rig) = Rig::start(Options { users: 1 }) else { return };
    let other = Rig::start(Options { users: 1 }).unwrap();
    rig.deliver(1, "INBOX", b"Subject: kept\n\n");
    rig.stop_postfix();
    assert!(greeting_of(rig.smtp_plain_port()).is_err(), "a stopped Postfix greets");
    assert!(greeting_of(other.smtp_plain_port()).is_ok(), "the other rig was stopped too");
    rig.start_postfix();
    assert!(greeting_of(rig.smtp_plain_port()).is_ok());
    rig.restart_dovecot();
    assert!(greeting_of(rig.imap_port()).is_ok());
    assert!(fetch(&rig, &rig.user(1).0, "INBOX").contains("kept"));
}

/// The child is this same test: it starts a rig, prints where, and waits to be killed.
#[test]
fn a_killed_process_leaves_no_server_and_no_directory() {
    const CHILD: &str = "POSTLET_RIG_CHILD";
    const NAME: &str = "a_killed_process_leaves_no_server_and_no_directory";
    if std::env::var_os(CHILD).is_some() {
        let rig = Rig::start(Options { users: 1 }).unwrap();
        let line = format!("\nRIG {} {}\n", rig.dovecot_conf().display(), rig.smtp_plain_port());
        std::io::stdout().write_all(line.as_bytes()).unwrap();
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        return;
    }
    if Rig::start(Options { users: 1 }).is_none() {
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([NAME, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.map(Result::unwrap).find(|line| line.starts_with("RIG ")).unwrap();
    let [_, conf, port] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
    assert!(Path::new(conf).exists());
    child.kill().unwrap();
    child.wait().unwrap();
    wait(|| !Path::new(conf).parent().unwrap().parent().unwrap().exists());
    assert!(greeting_of(port.parse().unwrap()).is_err(), "Postfix outlived its test");
}

fn fetch(rig: &Rig, user: &str, mailbox: &str) -> String {
    rig.doveadm(&["fetch", "-u", user, "text", "mailbox", mailbox, "all"])
}

fn greeting_of(port: u16) -> std::io::Result<String> {
    let mut line = String::new();
    let read = BufReader::new(TcpStream::connect(("127.0.0.1", port))?).read_line(&mut line)?;
    if read == 0 { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(line) }
}

fn submit(rig: &Rig, url: &str, to: &str) -> Output {
    let mail = ["--mail-from", "user001@example.test", "--mail-rcpt", to, "--upload-file", "-"];
    let mut child = curl(rig, 1, &[&[url, "--ssl-reqd", "--verbose"][..], &mail].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let message =
        format!("From: user001@example.test\r\nTo: {to}\r\nSubject: hi\r\n\r\nBy curl.\r\n");
    child.stdin.take().unwrap().write_all(message.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn curl(rig: &Rig, user: u16, args: &[&str]) -> Command {
    let (login, password) = rig.user(user);
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "20", "--cacert"]);
    command.arg(rig.ca_pem()).arg("--user").arg(format!("{login}:{password}")).args(args);
    command
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

/// Other programs deliver, so only the effect can be waited for.
#[track_caller]
fn wait(mut reached: impl FnMut() -> bool) {
    for _ in 0..500 {
        if reached() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(reached(), "did not happen in ten seconds");
}
