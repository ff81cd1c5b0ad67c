//! Tests of mail server errors: wrong, unreachable, untrusted or reset servers each have a code of
//! their own, and accepted mail is not lost.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rig::{Options, Rig};
use serde_json::{Value, json};

use crate::invalid_input::check;
use testkit::http::Client;
use testkit::site::{
    Connected, Site, addresses, connect, connected, own_user, rig, server, starttls_account,
    tls_account, under,
};
use testkit::wait::{wait_for, wait_until};

#[test]
fn a_message_id_of_an_old_uidvalidity_never_names_another_message() {
    let Some(Connected { rig, n, client: mut operator, id: account, up: _up }) = connected() else {
        return;
    };
    let (email, _) = rig.user(n);
    rig.deliver(n, "Projects", b"Subject: first\r\n\r\nOld.\r\n");
    let list = under(&account, "messages?mailbox=Projects");
    let old = operator.get(&list).expect(200)["messages"][0].clone();
    assert_eq!(old["subject"], "first");
    let message = under(&account, &format!("messages/{}", old["id"].as_str().unwrap()));
    operator.get(&message).expect(200);

    rig.doveadm(&["mailbox", "delete", "-u", &email, "Projects"]);
    rig.deliver(n, "Projects", b"Subject: second\r\n\r\nNew, under the same UID.\r\n");
    // An open session may still show the mailbox that it had selected.
    rig.doveadm(&["kick", &email]);
    wait_until("the new UIDVALIDITY to be seen", || operator.get(&message).status == 410);
    let flags = json!({"flags": {"add": ["\\Seen"]}});
    let calls = [
        ("GET", "", Value::Null),
        ("GET", "/raw", Value::Null),
        ("PATCH", "", flags),
        ("POST", "/move", json!({"mailbox": "\\Archive"})),
        ("DELETE", "", Value::Null),
        ("DELETE", "?permanent=true", Value::Null),
    ];
    for (method, rest, body) in calls {
        let path = format!("{message}{rest}");
        check(&operator.json(method, &path, &body), 410, "stale-message-id");
    }
    let new = wait_for("the new message", || {
        let list = operator.get(&list).expect(200);
        list["messages"].as_array().filter(|rows| rows.len() == 1).map(|rows| rows[0].clone())
    });
    assert_eq!(new["subject"], "second");
    assert!(!new["flags"].to_string().contains("Seen"), "the other message was flagged: {new}");
    assert_eq!(new["uid"], old["uid"], "the test needs the same UID");
    assert_ne!(new["id"], old["id"]);
}

#[test]
fn a_wrong_password_is_reported_and_never_shown() {
    let Some(rig) = rig() else { return };
    let site = Site::on(rig);
    let host = site.start();
    let mut operator = site.operator(&host);
    let mut account = tls_account(rig, own_user());
    account["password"] = json!("not-the-canary-password");
    let tried = operator.json("POST", "/v1/accounts/verify", &account).expect(200);
    assert_eq!(tried["ok"], false);
    for half in ["imap", "smtp"] {
        assert_eq!(tried[half]["code"], "credentials-refused", "{tried}");
        assert!(!tried[half]["reply"].as_str().unwrap().is_empty(), "{tried}");
    }
    let id = connect(&mut operator, &account);
    assert_eq!(operator.call("POST", &under(&id, "verify"), &[], b"").expect(200)["ok"], false);
    let problem = check(&operator.get(&under(&id, "messages")), 409, "credentials-refused");
    assert_eq!(problem["upstream"]["protocol"], "imap", "{problem}");
    let sent = send(&mut operator, &id, &[&rig.user(1).0]);
    let failed = settled(&mut operator, &id, &sent);
    assert_ne!(failed["state"], "sent", "{failed}");
    let shown =
        operator.get(&format!("/v1/accounts/{id}")).text() + &host.log() + &failed.to_string();
    assert!(!shown.contains("canary"), "a password is shown: {shown}");
}

#[test]
fn a_certificate_without_a_trusted_authority_is_refused() {
    let Some(rig) = rig() else { return };
    let site = Site::new(None, &addresses(rig));
    let host = site.start();
    let mut operator = site.operator(&host);
    let n = own_user();
    for (name, mut account) in
        [("tls", tls_account(rig, n)), ("starttls", starttls_account(rig, n))]
    {
        account["id"] = json!(name);
        let id = connect(&mut operator, &account);
        check(&operator.get(&under(&id, "messages")), 502, "certificate-untrusted");
        let tried = operator.call("POST", &under(&id, "verify"), &[], b"").expect(200);
        assert_eq!(tried["imap"]["code"], "certificate-untrusted", "{tried}");
        assert_eq!(tried["smtp"]["code"], "certificate-untrusted", "{tried}");
        account["id"] = json!(format!("{name}-pinned"));
        account["imap"]["pin"] = json!("sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        let pinned = connect(&mut operator, &account);
        check(&operator.get(&under(&pinned, "messages")), 502, "pin-mismatch");
    }
}

/// 127.0.0.2 is loopback, too, and not a name of the rig's certificate.
#[test]
fn a_certificate_for_another_host_is_refused() {
    let Some(rig) = rig() else { return };
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let elsewhere = listener.local_addr().unwrap();
    let imaps = rig.imaps_port();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(("127.0.0.1", imaps)).unwrap();
            for (mut from, mut to) in
                [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)]
            {
                // Either side may close the connection at any time.
                std::thread::spawn(move || drop(std::io::copy(&mut from, &mut to)));
            }
        }
    });
    let site = Site::new(Some(rig.ca_pem()), &[elsewhere.to_string()]);
    let host = site.start();
    let mut operator = site.operator(&host);
    let mut account = tls_account(rig, own_user());
    account["imap"] = server("127.0.0.2", elsewhere.port(), "tls");
    account.as_object_mut().unwrap().remove("smtp");
    let id = connect(&mut operator, &account);
    let problem = check(&operator.get(&under(&id, "messages")), 502, "certificate-wrong-host");
    assert!(problem.get("upstream").is_none(), "{problem}");
    let draft = json!({"to": [{"email": "user001@example.test"}], "text": "x"});
    check(&operator.json("POST", &under(&id, "send"), &draft), 409, "not-configured");
}

#[test]
fn a_server_without_tls_gets_no_password() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let imap = plain_server(&heard, "* OK [CAPABILITY IMAP4rev1] hello\r\n", |line| {
        let (tag, command) = line.split_once(' ').unwrap_or((line, ""));
        if command.starts_with("CAPABILITY") {
            format!("* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n{tag} OK done\r\n")
        } else {
            format!("{tag} BAD never heard of it\r\n")
        }
    });
    let smtp = plain_server(&heard, "220 hello ESMTP\r\n", |line| {
        if line.starts_with("EHLO") {
            "250-hello\r\n250 AUTH PLAIN LOGIN\r\n".to_owned()
        } else {
            "502 never heard of it\r\n".to_owned()
        }
    });
    let site = Site::new(None, &[format!("127.0.0.1:{imap}"), format!("127.0.0.1:{smtp}")]);
    let host = site.start();
    let mut operator = site.operator(&host);
    let id = connect(
        &mut operator,
        &json!({
            "email": "ann@example.test", "password": "canary",
            "imap": server("127.0.0.1", imap, "starttls"), "smtp": server("127.0.0.1", smtp, "starttls"),
        }),
    );
    check(&operator.get(&under(&id, "messages")), 502, "tls-unavailable");
    check(&operator.get(&under(&id, "mailboxes")), 502, "tls-unavailable");
    let tried = operator.call("POST", &under(&id, "verify"), &[], b"").expect(200);
    assert_eq!(tried["imap"]["code"], "tls-unavailable", "{tried}");
    assert_eq!(tried["smtp"]["code"], "tls-unavailable", "{tried}");
    let heard = heard.lock().unwrap().join("\n").to_ascii_uppercase();
    assert!(heard.contains("STARTTLS") || heard.contains("CAPABILITY"), "nobody called: {heard}");
    for word in ["LOGIN", "AUTH", "CANARY", "Y2FUYXJ5", "ANN@"] {
        assert!(!heard.contains(word), "{word} was sent in the clear: {heard}");
    }
}

#[test]
fn an_unreachable_server_is_reported_and_its_mail_stays_queued() {
    let Some(rig) = Rig::start(Options { users: 2 }) else { return };
    let site = Site::on(&rig);
    let host = site.start();
    let mut operator = site.operator(&host);
    let from = connect(&mut operator, &tls_account(&rig, 1));
    let to = connect(&mut operator, &starttls_account(&rig, 2));
    operator.get(&under(&to, "messages")).expect(200);

    rig.stop_postfix();
    let sent = send(&mut operator, &from, &[&rig.user(2).0]);
    let submission = under(&from, &format!("submissions/{sent}"));
    wait_until("a failed attempt", || {
        operator.get(&submission).expect(200)["attempts"].as_u64().unwrap() >= 2
    });
    let waiting = operator.get(&submission).expect(200);
    assert!(!waiting["lastError"].as_str().unwrap_or_default().is_empty(), "{waiting}");
    rig.start_postfix();
    wait_until("the delivery", || operator.get(&submission).expect(200)["state"] == "sent");
    let after = operator.get(&submission).expect(200);
    assert_eq!(after["possibleDuplicate"], false, "{after}");
    let inbox = under(&to, "messages");
    wait_until("the message", || subjects(&operator.get(&inbox).expect(200)).len() == 1);

    rig.stop_dovecot();
    let list = |operator: &mut Client| operator.get(&format!("{inbox}?limit=7"));
    wait_until("the connections to break", || list(&mut operator).status != 200);
    let problem = check(&list(&mut operator), 502, "upstream-unreachable");
    assert_eq!(problem["retryable"], true);
    let tried = operator.call("POST", &under(&to, "verify"), &[], b"").expect(200);
    assert_eq!(tried["imap"]["code"], "upstream-unreachable", "{tried}");
    rig.start_dovecot();
    wait_until("Dovecot to be used again", || list(&mut operator).status == 200);
}

/// Serves without TLS; what it receives is sent to `heard`.
fn plain_server(
    heard: &Arc<Mutex<Vec<String>>>,
    greeting: &'static str,
    answer: impl Fn(&str) -> String + Copy + Send + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::clone(heard);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let heard = Arc::clone(&heard);
            std::thread::spawn(move || -> std::io::Result<()> {
                let mut out = stream.try_clone()?;
                out.write_all(greeting.as_bytes())?;
                for line in BufReader::new(stream).lines() {
                    let line = line?;
                    heard.lock().unwrap().push(line.clone());
                    out.write_all(answer(&line).as_bytes())?;
                }
                Ok(())
            });
        }
    });
    port
}

/// Sends a small message and returns the submission's id.
#[track_caller]
pub(crate) fn send(client: &mut Client, account: &str, to: &[&str]) -> String {
    let to: Vec<Value> = to.iter().map(|email| json!({"email": email})).collect();
    let draft = json!({"to": to, "subject": "hello", "text": "x"});
    let receipt = client.json("POST", &under(account, "send"), &draft).expect(202);
    receipt["submissionId"].as_str().unwrap().to_owned()
}

/// The submission after its first attempt, when every recipient has a verdict or a reason.
#[track_caller]
pub(crate) fn settled(client: &mut Client, account: &str, submission: &str) -> Value {
    let path = under(account, &format!("submissions/{submission}"));
    wait_for("the first attempt to end", || {
        let entry = client.get(&path).expect(200);
        let over = matches!(entry["state"].as_str(), Some("sent" | "failed" | "deferred"));
        over.then_some(entry)
    })
}

pub(crate) fn subjects(list: &Value) -> Vec<&str> {
    let rows = list["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter().filter_map(|row| row["subject"].as_str()).collect()
}
