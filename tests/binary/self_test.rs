//! Self-test of an account: a message to itself is sent, found and removed.

use mailroom::{Fault, FaultScript, Protocol};
use serde_json::{Value, json};

use crate::invalid_input::check;
use testkit::servers::mailroom::{ANN, Room};
use testkit::site::{Connected, Site, connect, connected, server, under};

#[test]
fn a_test_message_is_sent_found_and_removed() {
    let Some(Connected { rig, n, client: mut operator, id, up: _up }) = connected() else { return };
    let (email, _) = rig.user(n);
    // Another message with the same subject stays.
    rig.deliver(
        n,
        "INBOX",
        b"Message-ID: <other@x>\r\nSubject: Postlet: a test of this mailbox\r\n\r\nx\r\n",
    );
    let trial = operator.call("POST", &under(&id, "test"), &[], b"").expect(200);
    assert_eq!(
        (&trial["ok"], &trial["removed"], &trial["junk"]),
        (&json!(true), &json!(true), &json!(false)),
        "{trial:#}"
    );
    assert_eq!(trial["mailbox"], "INBOX");
    let steps: Vec<&str> = trial["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["step"].as_str().unwrap())
        .collect();
    assert_eq!(steps, ["imap", "compose", "smtp", "send", "arrive", "remove"]);
    // It was sent, and is removed.
    let message_id = trial["messageId"].as_str().unwrap();
    assert!(rig.logs().contains(&format!("message-id=<{message_id}>")), "{}", rig.logs());
    let left = rig.doveadm(&["fetch", "-u", &email, "hdr.message-id", "ALL"]);
    assert!(left.contains("other@x") && !left.contains(message_id), "{left}");
    let outbox = operator.get(&under(&id, "submissions")).expect(200);
    assert_eq!(outbox["submissions"], json!([]));
}

#[test]
fn a_failed_self_test_reports_its_step_and_what_remains() {
    let room = Room::start();
    let site = Site::impatient(&room.addresses());
    let host = site.start();
    let mut operator = site.operator(&host);
    let id = connect(&mut operator, &room.account());
    let mut reader = site.operator(&host);
    let mut list = || reader.get(&under(&id, "messages"));
    let mut test = || operator.call("POST", &under(&id, "test"), &[], b"").expect(200);
    let messages = || room.mailroom.messages(ANN, "INBOX").len();

    room.fails(Protocol::Smtp, "RCPT", Fault::Reply("552 5.2.2 full".to_owned()), None);
    let trial = test();
    assert_eq!((&trial["code"], last(&trial)), (&json!("over-quota"), "send"), "{trial:#}");
    assert_eq!((trial["ok"].as_bool(), messages()), (Some(false), 0));
    assert!(trial["detail"].as_str().unwrap().contains("Delete something"), "{trial:#}");
    room.fails(Protocol::Imap, "AUTHENTICATE", Fault::No("wrong".to_owned()), None);
    let trial = test();
    assert_eq!(
        (&trial["code"], last(&trial)),
        (&json!("credentials-refused"), "imap"),
        "{trial:#}"
    );
    assert_eq!(
        (&trial["messageId"], messages()),
        (&Value::Null, 0),
        "a message was sent although the test failed"
    );
    // In the same words as a verification; a component gets them without the host's name.
    assert!(trial["detail"].as_str().unwrap().contains("Check both; many services"), "{trial:#}");
    let listed = list();
    let told = check(&listed, 409, "credentials-refused")["detail"].as_str().unwrap().to_owned();
    assert!(told.contains("want an app password") && told.contains("PATCH /v1/accounts"), "{told}");
    let off = "Your account is not enabled for IMAP use".to_owned();
    room.fails(Protocol::Imap, "AUTHENTICATE", Fault::No(off), None);
    for detail in [&test()["detail"], &check(&list(), 409, "access-off")["detail"]] {
        let told = detail.as_str().unwrap();
        assert!(told.contains("Switch on IMAP access") && !told.contains("127.0.0.1"), "{told}");
    }

    // A server without UIDPLUS, which can only remove all marked messages.
    let bare = || {
        let without = vec!["UIDPLUS".to_owned()];
        room.mailroom.misbehave(FaultScript { without, ..FaultScript::default() });
    };
    bare();
    assert_eq!((&test()["removed"], messages()), (&json!(true), 0));

    room.fails(Protocol::Imap, "UID EXPUNGE", Fault::No("not yours".to_owned()), None);
    let trial = test();
    assert_eq!((last(&trial), &trial["removed"]), ("remove", &json!(false)), "{trial:#}");
    assert_eq!(trial["mailbox"], "INBOX", "{trial:#}");
    assert!(trial["detail"].as_str().unwrap().contains("delete it by hand"), "{trial:#}");
    assert_eq!(messages(), 1);
    room.recovers();
    assert_eq!(test()["removed"], true);
    assert_eq!(messages(), 1, "only the test message is removed");

    // The remaining message is marked, so a plain EXPUNGE would remove it, too.
    bare();
    let trial = test();
    assert_eq!((last(&trial), &trial["removed"]), ("remove", &json!(false)), "{trial:#}");
    assert_eq!(trial["code"], "upstream-unsupported", "{trial:#}");
    assert!(trial["detail"].as_str().unwrap().contains("marked as deleted in INBOX"), "{trial:#}");
    assert_eq!(messages(), 2);

    let sender = json!({"id": "sender", "email": ANN, "password": "secret", "smtp": server("127.0.0.1", room.mailroom.submissions().port(), "tls")});
    let id = connect(&mut operator, &sender);
    check(&operator.call("POST", &under(&id, "test"), &[], b""), 409, "not-configured");
}

fn last(trial: &Value) -> &str {
    let step = trial["steps"].as_array().unwrap().last().unwrap();
    assert_eq!(step["ok"], false, "{trial:#}");
    step["step"].as_str().unwrap()
}
