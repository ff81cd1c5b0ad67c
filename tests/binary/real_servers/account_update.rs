//! Tests of account updates: only the given members change, and a password is never sent to another
//! server.

use serde_json::{Value, json};

use crate::invalid_input::check;
use testkit::site::{Connected, connected, server, under};
use testkit::wait::wait_until;

#[test]
fn an_update_changes_only_the_given_members() {
    let Some(Connected { rig, n, client: mut operator, id, up: (site, host) }) = connected() else {
        return;
    };
    let (email, password) = rig.user(n);
    let path = format!("/v1/accounts/{id}");
    rig.deliver(n, "INBOX", b"Subject: here\r\n\r\nx\r\n");
    let list = under(&id, "messages");
    let message = operator.get(&list).expect(200)["messages"][0]["id"].clone();

    // The name is removed, a port is set; the rest stays, including message ids.
    let mut patch =
        json!({"name": null, "imap": {"port": rig.imap_port(), "security": "starttls"}});
    // Any user of the machine can serve a port that is not for mail, or another key.
    check(&operator.json("PATCH", &path, &patch), 422, "invalid-body");
    let pin = json!({"smtp": {"pin": format!("sha256/{}=", "A".repeat(43))}});
    check(&operator.json("PATCH", &path, &pin), 422, "invalid-body");
    patch["password"] = json!(password);
    let changed = operator.json("PATCH", &path, &patch).expect(200);
    assert_eq!((&changed["name"], &changed["email"]), (&Value::Null, &json!(email)));
    assert_eq!(changed["imap"]["port"], rig.imap_port());
    assert_eq!(changed["imap"]["username"], email);
    assert_eq!(changed["smtp"]["port"], rig.submissions_port());
    assert_eq!(operator.get(&path).expect(200), changed);
    assert_eq!(changed["state"], "unverified", "another login than the one that worked");
    assert_eq!(operator.get(&list).expect(200)["messages"][0]["id"], message);
    let changed = operator.get(&path).expect(200);
    assert_eq!(changed["state"], "connected");

    // A stored password is never sent to another host.
    let moved = json!({"smtp": {"host": "127.0.0.1"}});
    let refused = check(&operator.json("PATCH", &path, &moved), 422, "invalid-body");
    assert_eq!(refused["errors"][0]["pointer"], "/password");
    assert!(refused["detail"].as_str().unwrap().contains("127.0.0.1"), "{refused}");
    assert_eq!(
        operator.get(&path).expect(200),
        changed,
        "the account was changed although the request was refused"
    );
    let moved = json!({"smtp": {"host": "127.0.0.1"}, "password": password});
    operator.json("PATCH", &path, &moved).expect(200);
    assert_eq!(operator.call("POST", &under(&id, "verify"), &[], b"").expect(200)["ok"], true);
    operator.get(&under(&id, &format!("messages/{}", message.as_str().unwrap()))).expect(200);

    // Another IMAP host is another mailbox, so message ids change.
    let moved = json!({"imap": {"host": "127.0.0.1"}, "password": password});
    operator.json("PATCH", &path, &moved).expect(200);
    let old = operator.get(&under(&id, &format!("messages/{}", message.as_str().unwrap())));
    check(&old, 404, "no-such-message");
    assert_ne!(operator.get(&list).expect(200)["messages"][0]["id"], message);

    operator.json("PATCH", &path, &json!({"imap": null})).expect(200);
    check(&operator.get(&list), 409, "not-configured");
    for (patch, pointer) in [
        (json!({}), ""),
        (json!({"id": "other"}), "/id"),
        (json!({"password": null}), "/password"),
        (json!({"oauth": {}}), "/oauth"),
        (json!({"oauth": {"secret": "x"}}), "/oauth"),
        (json!({"oauth": {"provider": "nobody"}}), "/oauth/provider"),
        (json!({"oauth": {"tokenUrl": "https://t.example"}, "password": "x"}), "/oauth"),
        (json!({"smtp": null}), ""),
        (json!({"email": "other@example.test"}), "/email"),
        (json!({"password": ""}), "/password"),
        (json!({"smtp": {"port": 0}}), "/smtp/port"),
        (json!({"imap": {"port": 993}}), "/imap/host"),
        (json!({"identities": [{"email": "no address"}]}), "/identities/0/email"),
    ] {
        let refused = check(&operator.json("PATCH", &path, &patch), 422, "invalid-body");
        let faults = refused["errors"].as_array().unwrap();
        assert!(faults.iter().any(|fault| fault["pointer"] == pointer), "{patch}: {refused}");
    }
    for (patch, words) in [
        (
            json!({}),
            "give at least one of `identities`, `imap`, `name`, `oauth`, `password`, `smtp`",
        ),
        (json!({"email": "other@example.test"}), "add it to `identities`"),
    ] {
        let refused = check(&operator.json("PATCH", &path, &patch), 422, "invalid-body");
        let told = refused["detail"].as_str().unwrap();
        assert!(told.contains(words) && !told.contains("the body: the body"), "{told}");
    }
    let typed = |kind: &'static str| [("content-type", kind)];
    let named = br#"{"name": "Ann"}"#;
    let merge = typed("application/merge-patch+json; charset=utf-8");
    assert_eq!(operator.call("PATCH", &path, &merge, named).expect(200)["name"], "Ann");
    let other = operator.call("PATCH", &path, &typed("application/json-patch+json"), named);
    let told = check(&other, 415, "unsupported-media-type");
    assert!(told["detail"].as_str().unwrap().contains("application/merge-patch+json"), "{told}");
    let inside = json!({"smtp": server("10.0.0.1", 465, "tls"), "password": password});
    check(&operator.json("PATCH", &path, &inside), 422, "host-not-allowed");
    check(
        &operator.json("PATCH", "/v1/accounts/nobody", &json!({"name": "x"})),
        404,
        "no-such-account",
    );
    let mut stranger = site.stranger(&host);
    check(&stranger.json("PATCH", &path, &json!({"name": "x"})), 404, "no-such-account");
}

#[test]
fn identities_are_replaced_and_used_as_the_sender() {
    let Some(Connected { rig, n, client: mut operator, id, up: _up }) = connected() else { return };
    let (email, _) = rig.user(n);
    let (path, send) = (under(&id, "identities"), under(&id, "send"));
    let first = operator.get(&path).expect(200);
    assert_eq!(first, json!({"identities": [{"name": "王小明", "email": email}]}));
    let draft =
        json!({"from": {"email": "sales@example.test"}, "to": [{"email": email}], "text": "x"});
    let refused = check(&operator.json("POST", &send, &draft), 403, "foreign-sender");
    let told = refused["detail"].as_str().unwrap();
    assert!(told.contains(&email) && told.contains("/identities"), "{told}");
    let own = json!({"identities": [{"name": null, "email": email}, {"name": "Sales", "email": "sales@example.test"}]});
    assert_eq!(operator.json("PUT", &path, &own).expect(200), own);
    assert_eq!(operator.get(&path).expect(200), own);
    operator.json("POST", &send, &draft).expect(202);

    // Exactly these: without `from` the first one, and the account's own address only if it is
    // among them.
    let others = json!({"identities": [{"name": "Sales", "email": "sales@example.test"}]});
    operator.json("PUT", &path, &others).expect(200);
    let draft = json!({"to": [{"email": email}], "subject": "without from", "text": "x"});
    let sent = operator.json("POST", &send, &draft).expect(202);
    let as_itself = json!({"from": {"email": email}, "to": [{"email": email}], "text": "x"});
    let refused = check(&operator.json("POST", &send, &as_itself), 403, "foreign-sender");
    let told = refused["detail"].as_str().unwrap();
    assert!(
        told.contains("though it is its own address: it may send as sales@example.test"),
        "{told}"
    );
    let own_id = sent["messageId"].as_str().unwrap();
    wait_until("the message", || rig.logs().contains(&format!("message-id=<{own_id}>")));
    assert!(rig.logs().contains("from=<sales@example.test>"));
    operator.json("PUT", &path, &own).expect(200);
    let none = json!({"identities": []});
    let refused = check(&operator.json("PUT", &path, &none), 422, "invalid-body");
    assert_eq!(refused["errors"][0]["pointer"], "/identities");
    assert_eq!(operator.get(&path).expect(200), own);
}
