//! Tests of a token with the scope `read` for some accounts: it sees these accounts only, and can
//! narrow its lists.

use serde_json::json;

use crate::invalid_input::check;
use crate::mail_server_errors::send;
use testkit::process::Host;
use testkit::wait::wait_for;

#[test]
fn a_token_sees_only_its_accounts_and_can_narrow_its_lists() {
    let host = Host::dev();
    let mut all = host.client(host.ready["token"].as_str().unwrap());
    let mut token = |scopes: &[&str], accounts: &[&str]| {
        let body = json!({"scopes": scopes, "accounts": accounts});
        let made = all.json("POST", "/v1/tokens", &body).expect(201);
        made["token"].as_str().unwrap().to_owned()
    };
    let mut reader = host.client(&token(&["read"], &["bob", "none"]));
    let mut sender = host.client(&token(&["send"], &["anna", "bob"]));

    let ids = |list: &serde_json::Value| -> Vec<String> {
        let accounts = list["accounts"].as_array().unwrap().iter();
        accounts.map(|account| account["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&all.get("/v1/accounts").expect(200)), ["anna", "bob"]);
    assert_eq!(ids(&sender.get("/v1/accounts").expect(200)), ["anna", "bob"]);
    check(&sender.get("/v1/accounts?cursor=anna"), 400, "invalid-cursor");
    let seen = reader.get("/v1/accounts").expect(200);
    assert_eq!((ids(&seen), &seen["nextCursor"]), (vec!["bob".to_owned()], &json!(null)));
    assert_eq!(reader.get("/v1/accounts/bob").expect(200)["email"], "bob@mailroom.test");
    check(&reader.get("/v1/accounts/anna"), 404, "no-such-account");
    check(&reader.get("/v1/accounts/none"), 404, "no-such-account");
    check(&reader.call("DELETE", "/v1/accounts/bob", &[], b""), 403, "forbidden");
    check(&reader.json("POST", "/v1/accounts", &json!({})), 403, "forbidden");
    check(&reader.call("POST", "/v1/accounts/bob/verify", &[], b""), 403, "forbidden");
    check(&host.anonymous().get("/v1/accounts"), 401, "unauthenticated");

    send(&mut sender, "anna", &["bob@mailroom.test"]);
    let path = "/v1/accounts/bob/messages?fields=id,subject";
    let list = wait_for("the message", || {
        let list = reader.get(path).expect(200);
        (list["messages"][0].is_object()).then_some(list)
    });
    let members = |list: &serde_json::Value| -> Vec<String> {
        list["messages"][0].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(members(&list), ["id", "subject"]);
    let list = reader.get(&format!("{path}&expand=preview")).expect(200);
    assert_eq!(members(&list), ["id", "preview", "subject"]);
    check(&reader.get("/v1/accounts/bob/messages?fields=id,text"), 400, "invalid-query");
    let refused = reader.get("/v1/accounts/bob/messages?fields=id,sujet").expect(400);
    assert_eq!(refused["parameter"], "fields");
    let told = refused["detail"].as_str().unwrap();
    assert!(told.contains("`sujet`") && told.contains("did you mean `subject`?"), "{told}");
    let refused = reader.get("/v1/accounts/bob/messages?fields=id,preview").expect(400);
    assert!(refused["detail"].as_str().unwrap().contains("`expand=preview`"), "{refused}");
    let refused = reader.get("/v1/accounts/bob/messages?mailbx=x").expect(400);
    assert_eq!(refused["parameter"], "mailbx");
    assert!(refused["detail"].as_str().unwrap().contains("did you mean `mailbox`?"), "{refused}");
}
