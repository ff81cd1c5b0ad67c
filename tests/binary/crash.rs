//! Crash tests: an accepted message arrives although the process is killed, and one idempotency key
//! is one submission.
//!
//! Standard: draft-ietf-httpapi-idempotency-key-header (the key).

use std::collections::{BTreeMap, BTreeSet};

use rig::{Options, Rig};
use serde_json::{Value, json};

use crate::mail_server_errors::{send, settled, subjects};
use testkit::http::Client;
use testkit::servers::silent_smtp::{Silence, Smtp};
use testkit::site::{Connected, Site, connect, connected, own_user, server, tls_account, under};
use testkit::wait::{wait_for, wait_until};

#[test]
fn a_message_accepted_before_a_kill_is_delivered_once() {
    let Some(rig) = Rig::start(Options { users: 2 }) else { return };
    let site = Site::on(&rig);
    let host = site.start();
    let mut operator = site.operator(&host);
    let from = connect(&mut operator, &tls_account(&rig, 1));
    let to = connect(&mut operator, &tls_account(&rig, 2));
    rig.stop_postfix();
    let sent = send(&mut operator, &from, &[&rig.user(2).0]);
    host.kill();

    rig.start_postfix();
    let host = site.start();
    let mut operator = site.operator(&host);
    let path = under(&from, &format!("submissions/{sent}"));
    wait_until("the delivery", || operator.get(&path).expect(200)["state"] == "sent");
    let inbox = under(&to, "messages");
    wait_until("the message", || !subjects(&operator.get(&inbox).expect(200)).is_empty());
    // A repeated delivery would arrive before this one.
    let second = send(&mut operator, &from, &[&rig.user(2).0]);
    settled(&mut operator, &from, &second);
    wait_until("the second message", || subjects(&operator.get(&inbox).expect(200)).len() >= 2);
    assert_eq!(subjects(&operator.get(&inbox).expect(200)).len(), 2);
}

/// Before the dot nothing can have been delivered, so nothing is marked as a possible duplicate.
#[test]
fn a_kill_before_the_dot_marks_no_possible_duplicate() {
    let (submission, messages) = killed_at(Silence::AtData);
    assert_eq!(submission["possibleDuplicate"], false, "{submission}");
    assert_eq!(messages.len(), 1);
}

/// Without the verdict the message is sent again, byte for byte, and marked as a possible
/// duplicate.
#[test]
fn a_kill_after_the_dot_marks_a_possible_duplicate() {
    let (submission, messages) = killed_at(Silence::AfterTheDot);
    assert_eq!(submission["possibleDuplicate"], true, "{submission}");
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0], messages[1], "the second attempt is another message");
    assert!(messages[0].contains(submission["messageId"].as_str().unwrap()));
}

/// The final submission, and the messages that the server received.
fn killed_at(silence: Silence) -> (Value, Vec<String>) {
    let smtp = Smtp::silent(silence);
    let site = Site::new(None, &[format!("127.0.0.1:{}", smtp.port)]);
    let host = site.start();
    let mut operator = site.operator(&host);
    let mut account = json!({
        "email": "ann@example.test", "password": "x", "smtp": server("127.0.0.1", smtp.port, "tls"),
    });
    account["smtp"]["pin"] = json!(smtp.pin);
    let account = connect(&mut operator, &account);
    let sent = send(&mut operator, &account, &["bo@example.test"]);
    smtp.wait_for_silence();
    host.kill();
    smtp.speak();
    let host = site.start();
    let mut operator = site.operator(&host);
    let path = under(&account, &format!("submissions/{sent}"));
    let submission = wait_for("the delivery", || {
        let entry = operator.get(&path).expect(200);
        (entry["state"] == "sent").then_some(entry)
    });
    (submission, smtp.messages())
}

#[test]
fn one_key_is_one_submission() {
    let Some(Connected { rig, client: mut operator, id: from, up: (site, host), .. }) = connected()
    else {
        return;
    };
    let other = own_user();
    let path = under(&from, "send");
    let draft =
        |text: &str| json!({"to": [{"email": rig.user(other).0}], "text": text}).to_string();
    let keyed = |client: &mut Client, key: &str, body: &str| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        client.call("POST", &path, &headers, body.as_bytes())
    };
    let first = keyed(&mut operator, "one", &draft("a"));
    assert_eq!(first.header("idempotent-replayed"), None);
    let first = first.expect(202);
    let replay = keyed(&mut operator, "one", &draft("a"));
    assert_eq!(replay.header("idempotent-replayed"), Some("true"));
    let replay = replay.expect(202);
    assert_eq!(first["submissionId"], replay["submissionId"]);
    assert_eq!(first["messageId"], replay["messageId"]);
    // The same draft in another JSON spelling.
    let spaced = draft("a").replace(':', ": ");
    let respelled = keyed(&mut operator, "one", &spaced).expect(202);
    assert_eq!(respelled["submissionId"], first["submissionId"]);
    let problem = keyed(&mut operator, "one", &draft("b"));
    crate::invalid_input::check(&problem, 422, "idempotency-mismatch");
    let long = "k".repeat(256);
    crate::invalid_input::check(
        &keyed(&mut operator, &long, &draft("a")),
        400,
        "invalid-idempotency-key",
    );
    keyed(&mut operator, "two", &draft("a")).expect(202);

    // A form with another boundary is the same message.
    let form = |boundary: &str, text: &str| {
        let field = |name: &str, value: &str| {
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            )
        };
        let to = field("to", &rig.user(other).0);
        format!("{to}{}--{boundary}--\r\n", field("text", text))
    };
    let multipart = |client: &mut Client, boundary: &str, text: &str| {
        let kind = format!("multipart/form-data; boundary={boundary}");
        let headers = [("content-type", kind.as_str()), ("idempotency-key", "form")];
        client.call("POST", &path, &headers, form(boundary, text).as_bytes())
    };
    let first = multipart(&mut operator, "AAA", "x").expect(202);
    let replay = multipart(&mut operator, "BBBB", "x").expect(202);
    assert_eq!(first["submissionId"], replay["submissionId"]);
    crate::invalid_input::check(&multipart(&mut operator, "AAA", "y"), 422, "idempotency-mismatch");

    // Concurrent requests of several clients.
    let receipts: BTreeSet<String> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let mut client = site.operator(&host);
                let (keyed, body) = (&keyed, draft("c"));
                scope.spawn(move || keyed(&mut client, "many", &body).expect(202))
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()["submissionId"].to_string()).collect()
    });
    assert_eq!(receipts.len(), 1, "one key made several submissions");
    let listed = operator.get(&under(&from, "submissions")).expect(200);
    assert_eq!(listed["submissions"].as_array().unwrap().len(), 4);

    // The key is still known after a restart.
    host.kill();
    let host = site.start();
    let replay = keyed(&mut site.operator(&host), "one", &draft("a")).expect(202);
    assert_eq!(replay["submissionId"], respelled["submissionId"]);
}

#[test]
fn a_refused_recipient_is_reported_and_the_others_get_the_message() {
    let Some(Connected { rig, client: mut operator, id: from, up: _up, .. }) = connected() else {
        return;
    };
    let (good, other) = (own_user(), own_user());
    let to = connect(&mut operator, &tls_account(rig, good));
    let recipients = [&rig.user(good).0, "bounce@example.test", &rig.user(other).0];
    let sent = send(&mut operator, &from, &recipients);
    let entry = settled(&mut operator, &from, &sent);
    let verdicts: BTreeMap<&str, &Value> = entry["recipients"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["recipient"].as_str().unwrap(), row))
        .collect();
    assert_eq!(verdicts.len(), 3, "{entry}");
    assert_eq!(verdicts["bounce@example.test"]["state"], "failed", "{entry}");
    let reply = verdicts["bounce@example.test"]["reply"].as_str().unwrap();
    assert!(reply.starts_with("550"), "{entry}");
    for recipient in [recipients[0], recipients[2]] {
        assert_eq!(verdicts[recipient]["state"], "sent", "{entry}");
    }
    wait_until("the delivery to the valid recipient", || {
        !subjects(&operator.get(&under(&to, "messages")).expect(200)).is_empty()
    });

    // A temporary refusal of one recipient: the retry sends no second copy to the other.
    let sent = send(&mut operator, &from, &[recipients[0], "tempfail@example.test"]);
    let path = under(&from, &format!("submissions/{sent}"));
    let entry = wait_for("a second attempt", || {
        let entry = operator.get(&path).expect(200);
        entry["attempts"].as_u64().filter(|attempts| *attempts >= 3).map(|_| entry)
    });
    assert_eq!(entry["recipients"][0]["state"], "sent", "{entry}");
    assert_eq!(entry["recipients"][1]["state"], "deferred", "{entry}");
    let list = operator.get(&under(&to, "messages")).expect(200);
    assert_eq!(subjects(&list).len(), 2, "a recipient got a second copy");
}
