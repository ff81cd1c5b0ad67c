//! Tests of invalid input: each kind gets its own problem document, and nothing is changed.
//!
//! Standard: RFC 9457.

use std::sync::OnceLock;

use serde_json::{Value, json};

use testkit::http::{Answer, Client};
use testkit::process::Host;
use testkit::wait::wait_for;

const SEND: &str = "/v1/accounts/anna/send";
const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn a_caller_without_a_valid_token_learns_nothing() {
    let host = host();
    let foreign = "plt_aaaaaaaaaaaaaaaa_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let good = host.ready["token"].as_str().unwrap();
    let other = if good.ends_with('A') { "E" } else { "A" };
    let forged = format!("{}{other}", good.get(..good.len() - 1).unwrap());
    let callers = [None, Some("garbage"), Some(foreign), Some(forged.as_str()), Some("")];
    let paths = ["/v1/accounts", "/v1/accounts/anna/messages", "/v1/accounts/nobody/messages"];
    for (token, path) in callers.iter().flat_map(|token| paths.map(|path| (token, path))) {
        let mut client = token.map_or_else(|| host.anonymous(), |token| host.client(token));
        let answer = client.get(path);
        let problem = check(&answer, 401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{token:?} {path}");
        assert_eq!(problem["retryable"], false);
    }
    let basic = [("authorization", "Basic YTpi")];
    check(&host.anonymous().call("GET", "/v1/accounts", &basic, b""), 401, "unauthenticated");
}

#[test]
fn another_tenants_account_looks_like_a_missing_one() {
    let host = host();
    let mut carol = host.client(host.ready["tenants"][1]["token"].as_str().unwrap());
    carol.get("/v1/accounts/carol/messages").expect(200);
    let draft = json!({"to": [{"email": "bob@mailroom.test"}], "text": "x"});
    let calls: [(&str, &str, Value); 8] = [
        ("GET", "", Value::Null),
        ("DELETE", "", Value::Null),
        ("POST", "/verify", Value::Null),
        ("POST", "/send", draft),
        ("GET", "/submissions", Value::Null),
        ("GET", "/messages", Value::Null),
        ("GET", "/messages/abc", Value::Null),
        ("GET", "/mailboxes", Value::Null),
    ];
    for (method, rest, body) in calls {
        // Two names of equal length, so that the responses can be compared byte for byte.
        let [theirs, nobodys] = ["anna", "zzzz"].map(|id| {
            let path = format!("/v1/accounts/{id}{rest}");
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let answer = carol.call(method, &path, &[JSON], body.as_bytes());
            let problem = check(&answer, 404, "no-such-account");
            let request = problem["requestId"].as_str().unwrap();
            let names = answer.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
            (answer.text().replace(request, "req").replace(id, "id"), names.join(","))
        });
        assert_eq!(theirs, nobodys, "{method} {rest}");
    }
    host.client(host.ready["token"].as_str().unwrap()).get("/v1/accounts/anna").expect(200);
}

#[test]
fn a_token_without_a_scope_is_refused_with_its_name() {
    let host = host();
    let mut operator = host.client(host.ready["token"].as_str().unwrap());
    let body = json!({"scopes": ["read"], "accounts": ["bob"]});
    let made = operator.json("POST", "/v1/tokens", &body).expect(201);
    let mut reader = host.client(made["token"].as_str().unwrap());
    reader.get("/v1/accounts/bob/messages").expect(200);
    check(&reader.get("/v1/accounts/anna/messages"), 404, "no-such-account");
    let draft = json!({"to": [{"email": "bob@mailroom.test"}], "text": "x"});
    for (answer, scope) in [
        (reader.json("POST", "/v1/accounts/bob/send", &draft), "send"),
        (reader.call("DELETE", "/v1/accounts/bob/messages/x", &[], b""), "change"),
        (reader.json("POST", "/v1/accounts", &json!({})), "accounts"),
        (reader.get("/v1/tokens"), "operate"),
    ] {
        assert_eq!(check(&answer, 403, "forbidden")["scope"], scope);
    }
    let id = made["id"].as_str().unwrap();
    assert_eq!(operator.call("DELETE", &format!("/v1/tokens/{id}"), &[], b"").status, 204);
    check(&reader.get("/v1/accounts/bob/messages"), 401, "unauthenticated");
}

#[test]
fn an_invalid_body_is_refused_by_member() {
    let mut demo = demo();
    let long = "x".repeat(9000);
    let to = r#""to":[{"email":"bob@mailroom.test"}],"html":"x""#;
    let member = |name: &str, value: &str| format!("{{{to},\"{name}\":{value}}}");
    let attachment = |fields: &str| member("attachments", &format!("[{{{fields}}}]"));
    let header = |name: &str, value: &str| {
        member("headers", &json!([{"name": name, "value": value}]).to_string())
    };
    let schema: &[(String, &str)] = &[
        ("{}".to_owned(), "/to"),
        (r#"{"to":[{"email":"bob@mailroom.test"}],"subject":"mute"}"#.to_owned(), "/text"),
        (member("suject", "\"x\""), "/suject"),
        (member("a/b~c", "1"), "/a~1b~0c"),
        (r#"{"to":"bob@mailroom.test"}"#.to_owned(), "/to"),
        (r#"{"to":[{"mail":"bob@mailroom.test","email":"b@c.test"}]}"#.to_owned(), "/to/0/mail"),
        (member("text", "7"), "/text"),
        (attachment(r#""filename":"a""#), "/attachments/0/content"),
        (attachment(r#""content":"not base64!""#), "/attachments/0/content"),
    ];
    for (body, pointer) in schema {
        refused(&mut demo, body, "invalid-body", pointer);
    }
    let control = ["a\\r\\nBcc: eve@mailroom.test", "a\\nb", "a\\rb", "a\\u0000b"];
    for bad in control {
        let text = format!("\"{bad}\"");
        let address = format!(
            "{{\"to\":[{{\"name\":{text},\"email\":\"bob@mailroom.test\"}}],\"text\":\"x\"}}"
        );
        let header = |name: &str, value: &str| {
            member("headers", &format!("[{{\"name\":{name},\"value\":{value}}}]"))
        };
        for (body, pointer) in [
            (member("subject", &text), "/subject"),
            (address, "/to/0/name"),
            (
                format!("{{\"to\":[{{\"email\":\"bob@mailroom.test{bad}\"}}],\"text\":\"x\"}}"),
                "/to/0/email",
            ),
            (header("\"X-Note\"", &text), "/headers/0/value"),
            (header(&text, "\"x\""), "/headers/0/name"),
            (
                attachment(&format!("\"filename\":{text},\"content\":\"aGk=\"")),
                "/attachments/0/filename",
            ),
            (
                attachment(&format!("\"contentType\":{text},\"content\":\"aGk=\"")),
                "/attachments/0/contentType",
            ),
            (
                attachment(&format!("\"contentId\":{text},\"content\":\"aGk=\"")),
                "/attachments/0/contentId",
            ),
        ] {
            refused(&mut demo, &body, "invalid-draft", pointer);
        }
    }
    let draft: &[(String, &str)] = &[
        (r#"{"to":[],"text":"x"}"#.to_owned(), ""),
        (r#"{"to":[{"email":"bob"}],"text":"x"}"#.to_owned(), "/to/0/email"),
        (r#"{"to":[{"email":"a@b.test, eve@c.test"}],"text":"x"}"#.to_owned(), "/to/0/email"),
        (header("Bcc", "eve@mailroom.test"), "/headers/0/name"),
        (header("From", "eve@mailroom.test"), "/headers/0/name"),
        (header("Content-Type", "text/x"), "/headers/0/name"),
        (member("subject", &format!("\"{long}\"")), "/subject"),
        (member("text", "\"a\\u0000b\""), "/text"),
    ];
    for (body, pointer) in draft {
        refused(&mut demo, body, "invalid-draft", pointer);
    }
    let named = r#"{"to":[{"email":"Bob <bob@mailroom.test>"}],"text":"x"}"#;
    let problem = demo.call("POST", SEND, &[JSON], named.as_bytes()).expect(422);
    let want = "/to/0/email: `Bob <bob@mailroom.test>` is not a single address of the form \
                local@domain: give `bob@mailroom.test` alone here, and `Bob` as its `name`";
    assert_eq!(problem["detail"], want, "{problem}");
    let foreign = format!("{{\"from\":{{\"email\":\"eve@mailroom.test\"}},{to}}}");
    check(&demo.call("POST", SEND, &[JSON], foreign.as_bytes()), 403, "foreign-sender");
    for text in ["", "{", "[1,", "{\"to\":[]}x", "\u{feff}{}", "nonsense"] {
        let answer = demo.call("POST", SEND, &[JSON], text.as_bytes());
        check(&answer, 400, "malformed-json");
    }
    nothing_was_accepted(&mut demo);
}

#[test]
fn an_invalid_form_is_refused() {
    let mut demo = demo();
    let field = |name: &str, value: &str| {
        format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let file = |filename: &str| {
        format!(
            "--B\r\nContent-Disposition: form-data; name=\"attachment\"; filename=\"{filename}\"\r\n\r\nhi\r\n"
        )
    };
    let to = field("to", "Bob <bob@mailroom.test>") + &field("html", "x");
    let cases = [
        (field("subject", "a\r\nBcc: eve@mailroom.test"), 422, "invalid-draft", "/subject"),
        (field("subject", "a\0b"), 422, "invalid-draft", "/subject"),
        (field("cc", "eve@mailroom.test\r\nX: y"), 422, "invalid-draft", "/cc/0/email"),
        (file("a\0b"), 422, "invalid-draft", "/attachments/0/filename"),
        (field("suject", "x"), 422, "invalid-body", "/suject"),
        (format!("{}{}", field("text", "a"), field("text", "b")), 422, "invalid-body", "/text"),
        (field("json", "{"), 400, "malformed-json", ""),
        (field("json", r#"{"to":[{"email":3}]}"#), 422, "invalid-body", "/to/0/email"),
        (field("json", r#"{"sbject":"x"}"#), 422, "invalid-body", "/sbject"),
        (field("json", r#"{"cc":[],"cc":[]}"#), 422, "invalid-body", ""),
        (field("cc", "a@mailroom.test").repeat(1_001), 422, "invalid-body", "/cc"),
        (file("a").repeat(1_001), 422, "invalid-body", "/attachments"),
    ];
    let form = ("content-type", "multipart/form-data; boundary=B");
    for (part, status, code, pointer) in cases {
        let answer = demo.call("POST", SEND, &[form], format!("{to}{part}--B--\r\n").as_bytes());
        let problem = check(&answer, status, code);
        assert!(pointer.is_empty() || pointers(&problem).contains(&pointer), "{part:?}: {problem}");
    }
    let cut = demo.call("POST", SEND, &[form], to.as_bytes());
    check(&cut, 400, "malformed-request");
    let unbounded = [("content-type", "multipart/form-data")];
    check(&demo.call("POST", SEND, &unbounded, to.as_bytes()), 400, "malformed-request");
    let plain = [("content-type", "text/plain")];
    check(&demo.call("POST", SEND, &plain, b"hello"), 415, "unsupported-media-type");
    nothing_was_accepted(&mut demo);
}

#[test]
fn a_body_above_the_limit_is_refused_with_and_without_a_length() {
    let mut demo = demo();
    let big = format!("{{\"to\":[],\"text\":\"{}\"}}", "x".repeat(8 << 20));
    let problem = check(&demo.call("POST", SEND, &[JSON], big.as_bytes()), 413, "body-too-large");
    assert!(problem["detail"].as_str().unwrap().contains("multipart"), "{problem}");
    let head = "--B\r\nContent-Disposition: form-data; name=\"attachment\"; filename=\"a\"\r\n\r\n";
    let mut form = head.as_bytes().to_vec();
    form.resize(36 << 20, b'x');
    form.extend_from_slice(b"\r\n--B--\r\n");
    let multipart = ("content-type", "multipart/form-data; boundary=B");
    check(&demo.call("POST", SEND, &[multipart], &form), 413, "body-too-large");
    // Without a length, the limit is reached while reading.
    let mut chunked = format!("{:x}\r\n", form.len()).into_bytes();
    chunked.extend_from_slice(&form);
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    let answer = self::demo().chunked(SEND, multipart, &chunked);
    check(&answer, 413, "body-too-large");
    nothing_was_accepted(&mut demo);
}

#[test]
fn a_missing_resource_is_named() {
    let mut demo = demo();
    let id = arrived(&mut demo);
    let bobs = |rest: &str| format!("/v1/accounts/bob/{rest}");
    let cases = [
        ("GET", bobs("messages?mailbox=Nowhere"), 404, "no-such-mailbox"),
        ("GET", bobs("messages?mailbox=a%0D%0Ab"), 404, "no-such-mailbox"),
        ("GET", bobs("messages?mailbox=%5CNonsense"), 404, "no-such-mailbox"),
        ("GET", bobs("messages?limit=0"), 400, "invalid-query"),
        ("GET", bobs("messages?limit=5&limit=6"), 400, "invalid-query"),
        ("GET", bobs("messages?lmit=5"), 400, "invalid-query"),
        ("GET", bobs("messages?cursor=abc"), 400, "invalid-cursor"),
        ("GET", bobs("messages/abc"), 404, "no-such-message"),
        ("GET", bobs("messages/%00"), 404, "no-such-message"),
        ("GET", format!("/v1/accounts/anna/messages/{id}"), 404, "no-such-message"),
        ("GET", bobs(&format!("messages/{id}/attachments/1")), 404, "no-such-part"),
        ("GET", bobs(&format!("messages/{id}/parts/9.9")), 404, "no-such-part"),
        ("GET", bobs(&format!("messages/{id}/nothing")), 404, "not-found"),
        ("PUT", bobs(&format!("messages/{id}")), 405, "method-not-allowed"),
        ("DELETE", bobs("messages"), 405, "method-not-allowed"),
        ("GET", bobs("send"), 405, "method-not-allowed"),
        ("GET", bobs("submissions/sub_aaaaaaaaaaaaaaaa"), 404, "no-such-submission"),
        ("GET", bobs("submissions/nonsense"), 404, "no-such-submission"),
        ("GET", "/v1/nothing".to_owned(), 404, "not-found"),
        ("DELETE", "/v1/tokens/tok_aaaaaaaaaaaaaaaa".to_owned(), 404, "no-such-token"),
        ("GET", format!("/v1/accounts?x={}", "y".repeat(9000)), 414, "uri-too-long"),
    ];
    for (method, path, status, code) in cases {
        let answer = demo.call(method, &path, &[], b"");
        check(&answer, status, code);
        if status == 405 {
            assert!(answer.header("allow").is_some(), "{method} {path} has no Allow field");
        }
    }
    let path = bobs(&format!("messages/{id}/move"));
    let missing = json!({"mailbox": "Nowhere"});
    check(&demo.json("POST", &path, &missing), 404, "no-such-mailbox");
    let flags = json!({"flags": {"add": ["two words"]}});
    let answer = demo.json("PATCH", &bobs(&format!("messages/{id}")), &flags);
    assert_eq!(pointers(&check(&answer, 422, "invalid-body")), ["/flags/add/0"]);
    demo.get(&bobs(&format!("messages/{id}"))).expect(200);
}

#[test]
fn an_account_on_a_private_host_is_refused_at_creation() {
    let mut demo = demo();
    for (name, port) in [
        ("10.0.0.1", 993),
        ("127.0.0.1", 993),
        ("169.254.169.254", 993),
        ("192.168.1.1", 993),
        ("100.100.100.200", 993),
        ("[::1]", 993),
        ("::ffff:10.0.0.1", 993),
        ("localhost", 993),
        ("93.184.216.34", 80),
    ] {
        let server = json!({"host": name, "port": port, "security": "tls"});
        for part in ["imap", "smtp"] {
            let body = json!({"email": "x@mailroom.test", "password": "p", part: server});
            let answer = demo.json("POST", "/v1/accounts", &body);
            let problem = check(&answer, 422, "host-not-allowed");
            let member = if port == 80 { "port" } else { "host" };
            assert_eq!(pointers(&problem), [format!("/{part}/{member}")]);
        }
    }
    let listed = demo.get("/v1/accounts").expect(200);
    assert_eq!(listed["accounts"].as_array().unwrap().len(), 2);
}

/// One host for all of these: none of them may change anything.
fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(Host::dev)
}

/// A client of its first tenant.
fn demo() -> Client {
    host().client(host().ready["token"].as_str().unwrap())
}

/// Puts one message into Bob's inbox, from himself; returns its id.
fn arrived(demo: &mut Client) -> String {
    let draft = json!({"to": [{"email": "bob@mailroom.test"}], "subject": "x", "text": "x"});
    demo.json("POST", "/v1/accounts/bob/send", &draft).expect(202);
    wait_for("the message", || {
        let list = demo.get("/v1/accounts/bob/messages").expect(200);
        list["messages"][0]["id"].as_str().map(str::to_owned)
    })
}

#[track_caller]
fn refused(demo: &mut Client, body: &str, code: &str, pointer: &str) {
    let problem = check(&demo.call("POST", SEND, &[JSON], body.as_bytes()), 422, code);
    assert!(pointers(&problem).contains(&pointer), "{body}: {problem}");
}

#[track_caller]
fn nothing_was_accepted(demo: &mut Client) {
    let list = demo.get("/v1/accounts/anna/submissions").expect(200);
    assert_eq!(list["submissions"], json!([]));
}

fn pointers(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    errors.iter().filter_map(|error| error["pointer"].as_str()).collect()
}

/// Asserts the members that every problem has.
#[track_caller]
pub(crate) fn check(answer: &Answer, status: u16, code: &str) -> Value {
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (status, Some("application/problem+json")),
        "{}",
        answer.text()
    );
    let problem = answer.json();
    assert_eq!(problem["code"], code, "{problem}");
    assert_eq!(problem["status"], status);
    assert_eq!(problem["type"], format!("urn:postlet:problem:{code}"));
    assert!(problem["retryable"].is_boolean(), "{problem}");
    for member in ["detail", "title", "requestId"] {
        assert!(!problem[member].as_str().unwrap_or_default().is_empty(), "no {member}: {problem}");
    }
    assert_eq!(answer.header("postlet-request-id"), problem["requestId"].as_str());
    problem
}
