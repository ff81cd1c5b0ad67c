//! Corpus test of sending: drafts as clients write them are sent over HTTP, and the result is
//! compared with the expected one.
//!
//! `tests/mail/send/NAME.json` contains:
//!
//! - `shows`: one sentence on what is sent, with the standard.
//! - `draft`: the body of `POST …/send`, or `form`: pairs of a field and its text, for a form.
//! - `status`: of the response; 202 by default.
//! - `problem`: members of the response, if it is one.
//! - `raw`: the bytes that arrive, as text. `message`: members of the fetched message.
//!
//! Compared as in `read_corpus`.

use serde_json::{Value, json};

use crate::read_corpus::{differences, files};
use testkit::http::{Answer, Client};
use testkit::servers::mailroom::{ANN, Room};
use testkit::site::{Connected, Site, connect, connected, under};
use testkit::wait::wait_for;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/mail/send");

#[test]
fn each_draft_is_sent_correctly_through_postfix() {
    let Some(Connected { rig, n, mut client, id: account, up: _up }) = connected() else { return };
    judge(&mut client, &account, &rig.user(n).0);
}

#[test]
fn each_draft_is_sent_correctly_through_the_mailroom() {
    let room = Room::start();
    let site = Site::new(None, &room.addresses());
    let host = site.start();
    let mut client = site.operator(&host);
    let account = connect(&mut client, &room.account());
    judge(&mut client, &account, ANN);
}

/// A thousand attachments are sent, and not one more: each needs a handle of an instance that has
/// 1,024.
#[test]
fn the_documented_number_of_attachments_can_be_sent() {
    let room = Room::start();
    let site = Site::new(None, &room.addresses());
    let host = site.start();
    let mut client = site.operator(&host);
    let account = connect(&mut client, &room.account());
    let mut sent = |count: usize| {
        let files = vec![json!({"content": "aGk="}); count];
        let draft = json!({"to": [{"email": ANN}], "text": "x", "attachments": files});
        client.json("POST", &under(&account, "send"), &draft)
    };
    sent(1_000).expect(202);
    for count in [1_001, 3_000] {
        let problem = sent(count).expect(422);
        assert_eq!(problem["errors"][0]["pointer"], "/attachments", "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("1000"), "{problem}");
    }
}

fn judge(client: &mut Client, account: &str, own: &str) {
    let cases = files(CASES, "json");
    assert!(!cases.is_empty());
    let mut wrong = Vec::new();
    for case in &cases {
        let name = case.file_stem().unwrap().to_string_lossy();
        let want = std::fs::read(case).unwrap();
        let want: Value = serde_json::from_slice(&want).unwrap();
        let answer = sent(client, account, own, &want);
        let status = want["status"].as_u64().unwrap_or(202);
        if u64::from(answer.status) != status {
            wrong.push(format!("{name}: {} {}", answer.status, answer.text()));
            continue;
        }
        if status != 202 {
            let found = answer.json();
            wrong.extend(differences(&format!("{name}: problem"), &want["problem"], Some(&found)));
            continue;
        }
        let path = arrived(client, account, answer.json()["messageId"].as_str().unwrap());
        if want.get("raw").is_some() {
            let raw = client.get(&format!("{path}/raw"));
            let raw = json!(String::from_utf8_lossy(&raw.body));
            wrong.extend(differences(&format!("{name}: raw"), &want["raw"], Some(&raw)));
        }
        if want.get("message").is_some() {
            let found = client.get(&path).expect(200);
            wrong.extend(differences(&format!("{name}: message"), &want["message"], Some(&found)));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn sent(client: &mut Client, account: &str, own: &str, want: &Value) -> Answer {
    let path = under(account, "send");
    let Some(fields) = want["form"].as_array() else {
        let mut draft = want["draft"].clone();
        draft["to"] = json!([{"email": own}]);
        return client.json("POST", &path, &draft);
    };
    let field = |name: &str, text: &str| {
        format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
    };
    let fields =
        fields.iter().map(|pair| field(pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    let body = field("to", own) + &fields.collect::<String>() + "--B--\r\n";
    let form = ("content-type", "multipart/form-data; boundary=B");
    client.call("POST", &path, &[form], body.as_bytes())
}

/// The path of the message, once it is in the inbox.
fn arrived(client: &mut Client, account: &str, message_id: &str) -> String {
    let list = under(account, "messages?limit=20&fields=id,messageId");
    let id = wait_for("the message", || {
        let page = client.get(&list).expect(200);
        let rows = page["messages"].as_array().unwrap();
        let row = rows.iter().find(|row| row["messageId"] == message_id)?;
        Some(row["id"].as_str().unwrap().to_owned())
    });
    under(account, &format!("messages/{id}"))
}
