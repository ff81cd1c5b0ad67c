//! Test of tenant isolation: two tenants on one host share nothing, not even the names of their
//! accounts.

use serde_json::json;

use crate::invalid_input::check;
use crate::mail_server_errors::{send, settled, subjects};
use testkit::site::{Site, connect, own_user, rig, tls_account, under};

#[test]
fn one_name_in_two_tenants_is_two_accounts() {
    let Some(rig) = rig() else { return };
    let site = Site::on(rig);
    let host = site.start();
    let (mut acme, mut globex) = (site.operator(&host), site.stranger(&host));
    let mut pair = Vec::new();
    for (client, subject) in [(&mut acme, "of acme"), (&mut globex, "of globex")] {
        let n = own_user();
        let mut account = tls_account(rig, n);
        account["id"] = json!("same");
        assert_eq!(connect(client, &account), "same");
        rig.deliver(n, "INBOX", format!("Subject: {subject}\r\n\r\nx\r\n").as_bytes());
        let list = client.get(&under("same", "messages")).expect(200);
        assert_eq!(subjects(&list), [subject]);
        let id = list["messages"][0]["id"].as_str().unwrap().to_owned();
        let sent = send(client, "same", &[&rig.user(n).0]);
        settled(client, "same", &sent);
        pair.push((id, sent));
    }
    let (id, sent) = &pair[0];
    check(&globex.get(&under("same", &format!("messages/{id}"))), 404, "no-such-message");
    check(&globex.get(&under("same", &format!("submissions/{sent}"))), 404, "no-such-submission");
    let cursor = acme.get(&under("same", "messages?limit=1")).expect(200)["nextCursor"].clone();
    let cursor = cursor.as_str().unwrap();
    let foreign = globex.get(&under("same", &format!("messages?limit=1&cursor={cursor}")));
    check(&foreign, 400, "invalid-cursor");
    check(&globex.get("/v1/tokens"), 403, "forbidden");
    globex.call("DELETE", "/v1/accounts/same", &[], b"").expect(204);
    acme.get(&under("same", "messages")).expect(200);
}
