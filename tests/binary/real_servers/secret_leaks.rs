//! Secret-leak tests: with everything logged, no secret appears in any file, log, response or
//! component.

use std::process::Command;

use serde_json::{Value, json};

use testkit::canary::Canary;
use testkit::command::run_with_input;
use testkit::process::{Host, binary};
use testkit::site::{
    APPLICATION, Site, own_user, rig, server, starttls_account, tls_account, under,
};
use testkit::wait::wait_until;

/// The log filter: everything, and by name the crates that log passwords, tokens and mail.
const LOUD: &str = "trace,async_imap=trace,async_imap::imap_stream=trace,imap_proto=trace,lettre=trace,\
                    hyper=trace,rustls=trace,h2=trace,wasmtime=trace";
const WRONG: &str = "canary-Wr0ng/pa+ss=word";
const STRANGE: &str = "plt_canaryc4n4ryStrangeT0ken";
const BODY: &str = "canary-b0dy-of-the-message-Zq9";

#[test]
fn no_secret_is_in_any_file_log_response_or_component() {
    let Some(rig) = rig() else { return };
    let site = Site::on(rig).with_application(APPLICATION, guests::HOSTILE);
    let host = site.start_in(&[("POSTLET_LOG", LOUD)]);
    let (first, second) = (own_user(), own_user());
    let (_, password) = rig.user(first);
    let token = site.token();
    let limited = json!({"scopes": ["read", "change", "send", "accounts"]});
    let made = site.operator(&host).json("POST", "/v1/tokens", &limited).expect(201);
    let own = made["token"].as_str().unwrap();
    let key = std::fs::read_to_string(site.data().join("master.key")).unwrap();
    let canaries = [
        Canary::new("the password", &password),
        Canary::new("the other password", &rig.user(second).1),
        Canary::new("the refused password", WRONG),
        Canary::new("the operator's token", &token),
        Canary::new("the token", own),
        Canary::new("the unknown token", STRANGE),
        Canary::new("the master key", key.trim()),
    ];
    let body = Canary::new("the message", BODY);
    let none = |place: &str, bytes: &[u8]| {
        canaries.iter().for_each(|canary| canary.is_not_in(place, bytes));
    };

    let mut client = host.client(own);
    let mut ask = |method: &str, path: &str, value: &Value, status: u16| {
        let answer = match value {
            Value::Null => client.call(method, path, &[], b""),
            body @ (Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_)) => client.json(method, path, body),
        };
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        none(&format!("the answer to {method} {path}"), &answer.body);
        answer.text()
    };
    let good = tls_account(rig, first);
    let id = good["id"].as_str().unwrap();
    let other = starttls_account(rig, second);
    for account in [&good, &other] {
        let mut wrong = account.clone();
        wrong["password"] = json!(WRONG);
        let told = ask("POST", "/v1/accounts/verify", &wrong, 200);
        assert!(told.contains("credentials-refused"), "{told}");
        let mut pinned = account.clone();
        for half in ["imap", "smtp"] {
            pinned[half]["pin"] = json!(format!("sha256/{}=", "A".repeat(43)));
        }
        let told = ask("POST", "/v1/accounts/verify", &pinned, 200);
        assert!(told.contains("pin-mismatch"), "{told}");
        let mut nowhere = account.clone();
        nowhere["imap"] = server("169.254.169.254", 993, "tls");
        ask("POST", "/v1/accounts", &nowhere, 422);
        ask("POST", "/v1/accounts", account, 201);
        ask("POST", "/v1/accounts", account, 409);
    }
    for faulty in [
        json!({"email": "x@example.test", "password": [password]}),
        json!({"email": "x@example.test", "password": password, "secret": WRONG}),
        json!({"email": password, "password": WRONG}),
        json!({"email": "x@example.test", "password": WRONG.repeat(500)}),
    ] {
        ask("POST", "/v1/accounts", &faulty, 422);
    }
    ask("POST", &under(id, "verify"), &Value::Null, 200);
    ask("POST", "/-/key/rotate", &Value::Null, 403);

    let (email, _) = rig.user(second);
    let letter = json!({"to": [{"email": email}], "subject": "hello", "text": BODY});
    let sent: Value = serde_json::from_str(&ask("POST", &under(id, "send"), &letter, 202)).unwrap();
    let submission = under(id, &format!("submissions/{}", sent["submissionId"].as_str().unwrap()));
    let mut reader = host.client(own);
    wait_until("the delivery", || reader.get(&submission).json()["state"] == "sent");
    wait_until("the message", || {
        let list = under(other["id"].as_str().unwrap(), "messages");
        let rows = reader.get(&list).expect(200);
        let Some(row) = rows["messages"].get(0) else { return false };
        for rest in ["", "/text", "/raw"] {
            let path = format!("{list}/{}{rest}", row["id"].as_str().unwrap());
            let answer = reader.get(&path);
            assert!(answer.text().contains(BODY), "{}", answer.text());
            none(&path, &answer.body);
        }
        true
    });

    for shown in [STRANGE, &own[..own.len() - 1]] {
        let answer = host.client(shown).get("/v1/accounts");
        assert_eq!(answer.status, 401);
        none("the answer to a strange token", &answer.body);
    }
    let memory = reader.get(&format!("/witness?account={}", other["id"].as_str().unwrap()));
    memory.ended(200);
    assert!(
        memory.body.len() > 1 << 20,
        "{} bytes are less than a linear memory",
        memory.body.len()
    );
    assert!(found(&memory.body, BODY.as_bytes()), "the component has not read the message");
    none("the memory of a component", &memory.body);
    for path in ["/panic", "/eat", "/env"] {
        none(path, &reader.get(path).body);
    }

    let wrong = format!("{WRONG}\n");
    let added = typed(&host, own, rig, &wrong);
    none("what the command line says", &added);
    let rotated = Command::new(binary())
        .args(["key", "rotate", "--url", &host.url()])
        .env("POSTLET_TOKEN", &token)
        .output()
        .unwrap();
    assert!(rotated.status.success(), "{rotated:?}");
    none("what the command line says", &[rotated.stdout, rotated.stderr].concat());

    let log = host.log();
    for sign in
        ["TRACE", "answered", "TRACE wasmtime_wasi_io::bindings", "the master key was rotated"]
    {
        assert!(log.contains(sign), "the log has no {sign}");
    }
    none("the log", log.as_bytes());
    body.is_not_in("the log", log.as_bytes());
    // While it runs, when the database's log is not yet merged, and after it has stopped.
    for canary in &canaries {
        canary.is_not_kept_in(&site.data());
    }
    host.stop();
    // After the end, the bytes of delivered messages and the database's log are gone.
    for canary in canaries.iter().chain([&body]) {
        canary.is_not_kept_in(&site.data());
    }
}

/// Whether `bytes` contain `word`.
fn found(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

/// Adds an account on the command line, which the servers refuse; returns the output.
fn typed(host: &Host, token: &str, rig: &rig::Rig, input: &str) -> Vec<u8> {
    let imap = format!("localhost:{}", rig.imaps_port());
    let mut command = Command::new(binary());
    command
        .args(["account", "add", "x@example.test", "--imap", &imap, "--imap-security", "tls"])
        .args(["--url", &host.url()])
        .env("POSTLET_TOKEN", token)
        .env("POSTLET_LOG", LOUD);
    let output = run_with_input(&mut command, input);
    assert!(!output.status.success());
    let said = [output.stdout, output.stderr].concat();
    assert!(found(&said, b"auth          failed"), "{}", String::from_utf8_lossy(&said));
    said
}
