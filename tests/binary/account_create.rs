//! Tests of account creation with verification, and of the state of the new account.

use serde_json::{Value, json};

use crate::invalid_input::check;
use testkit::servers::mailroom::Room;
use testkit::site::{Site, own_user, rig, server, tls_account, under};

#[test]
fn an_account_with_verify_is_stored_only_if_both_logins_succeed() {
    let Some(rig) = rig() else { return };
    let site = Site::on(rig);
    let host = site.start();
    let mut operator = site.operator(&host);
    let good = {
        let mut account = tls_account(rig, own_user());
        account["verify"] = json!(true);
        account
    };
    let id = good["id"].as_str().unwrap();
    let mut wrong = good.clone();
    wrong["password"] = json!("wrong");
    let refused = check(&operator.json("POST", "/v1/accounts", &wrong), 422, "verification-failed");
    assert_eq!(refused["imap"]["code"], "credentials-refused", "{refused:#}");
    assert_eq!(refused["smtp"]["code"], "credentials-refused", "{refused:#}");
    assert_eq!(refused["detail"], refused["imap"]["detail"]);
    assert_eq!(refused["upstream"]["protocol"], "imap", "{refused:#}");
    // One working server is not enough.
    let mut half = good.clone();
    half["smtp"] = server("localhost", rig.imaps_port(), "tls");
    let refused = check(&operator.json("POST", "/v1/accounts", &half), 422, "verification-failed");
    assert_eq!((&refused["imap"]["ok"], &refused["smtp"]["ok"]), (&json!(true), &json!(false)));
    assert_eq!(refused["detail"], refused["smtp"]["detail"], "{refused:#}");
    assert_eq!(operator.get("/v1/accounts").expect(200)["accounts"], json!([]));

    let made = operator.json("POST", "/v1/accounts", &good).expect(201);
    assert_eq!((&made["state"], &made["lastError"]), (&json!("connected"), &Value::Null));
    let tried = &made["verification"];
    assert_eq!((&tried["ok"], &tried["imap"]["ok"], &tried["smtp"]["ok"]).0, true, "{made:#}");
    assert_eq!(tried["smtp"]["steps"].as_array().unwrap().last().unwrap()["step"], "mail");
    let shown = operator.get(&format!("/v1/accounts/{id}")).expect(200);
    assert_eq!((&shown["state"], &shown["auth"]), (&json!("connected"), &json!("password")));
    assert_eq!((&shown["oauth"], shown.get("verification")), (&Value::Null, None));
    operator.get(&under(id, "messages")).expect(200);
    check(&operator.json("POST", "/v1/accounts", &wrong), 409, "already-exists");
}

#[test]
fn a_forbidden_host_is_reported_for_its_own_server() {
    let room = Room::start();
    let site = Site::impatient(&room.addresses());
    let host = site.start();
    let mut operator = site.operator(&host);
    for (strange, member, words) in [
        (server("10.0.0.1", 993, "tls"), "host", "not a public one"),
        (server("93.184.216.34", 80, "tls"), "port", "993, 143, 465 and 587"),
        // The address is reported before the port.
        (server("10.0.0.1", 80, "tls"), "host", "not a public one"),
    ] {
        let mut account = room.account();
        account["imap"] = strange;
        let refused =
            check(&operator.json("POST", "/v1/accounts", &account), 422, "host-not-allowed");
        assert_eq!(refused["errors"][0]["pointer"], format!("/imap/{member}"), "{refused:#}");
        let tried = operator.json("POST", "/v1/accounts/verify", &account).expect(200);
        let (imap, smtp) = (&tried["imap"], &tried["smtp"]);
        assert_eq!((&imap["code"], &smtp["ok"]), (&json!("host-not-allowed"), &json!(true)));
        assert_eq!(imap["steps"][0]["ok"], false, "{tried:#}");
        for told in [&refused["detail"], &imap["detail"]] {
            let told = told.as_str().unwrap();
            assert!(told.contains("`[egress] allow`") && !told.contains(".."), "{told}");
        }
        assert!(refused["detail"].as_str().unwrap().contains(words), "{refused:#}");
    }
    // Stored credentials are verified again although nothing else changes.
    operator.json("POST", "/v1/accounts", &room.account()).expect(201);
    let patch = json!({"smtp": server("10.0.0.1", 465, "tls"), "password": "secret"});
    let refused =
        check(&operator.json("PATCH", "/v1/accounts/ann", &patch), 422, "host-not-allowed");
    assert_eq!(refused["errors"][0]["pointer"], "/smtp/host");
}

#[test]
fn a_host_is_a_name_without_scheme_or_port() {
    let site = Site::new(None, &[]);
    let host = site.start();
    let mut operator = site.operator(&host);
    let mut made = |host: &str| {
        let body =
            json!({"email": "ann@x.test", "password": "p", "imap": server(host, 993, "tls")});
        operator.json("POST", "/v1/accounts", &body)
    };
    for host in
        ["imap.x.test:993", "imaps://imap.x.test", "imap.x.test/inbox", "[::1]:993", "10.0.0.1:993"]
    {
        let refused = check(&made(host), 422, "invalid-body");
        assert_eq!(refused["errors"][0]["pointer"], "/imap/host");
        let told = refused["detail"].as_str().unwrap();
        assert!(told.contains("no port, which is the member `port`"), "{told}");
    }
    for host in
        ["imap.x.test", "2606:4700::1111", "[2606:4700::1111]", "192.0.2.1", "::ffff:8.8.8.8"]
    {
        let answer = made(host);
        assert!(answer.status == 201 || answer.json()["code"] == "host-not-allowed", "{host}");
    }
}
