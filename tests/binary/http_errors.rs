//! Tests of HTTP errors that have a status of their own.
//!
//! Standards: RFC 9110 §15.5.6 (405), §15.5.16 (415).

use serde_json::json;

use crate::invalid_input::check;
use testkit::process::Host;

const SEND: &str = "/v1/accounts/anna/send";
const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=B");

#[test]
fn an_invalid_query_is_not_reported_as_an_invalid_body() {
    let host = Host::dev();
    let mut demo = host.client(host.ready["token"].as_str().unwrap());
    let long = "x".repeat(5000);
    for (path, status, code) in [
        (format!("/v1/accounts/bob/messages?mailbox={long}"), 400, "invalid-query"),
        (format!("/v1/accounts/bob/messages?cursor={long}"), 400, "invalid-query"),
        (format!("/v1/accounts/bob/messages?fields={long}"), 400, "invalid-query"),
        (format!("/v1/accounts/bob/submissions?cursor={long}"), 400, "invalid-query"),
        (format!("/v1/providers?email={long}@x.test"), 400, "invalid-query"),
        (format!("/v1/providers/{long}"), 404, "not-found"),
        (format!("/v1/accounts/bob/messages/{long}"), 404, "not-found"),
        (format!("/v1/accounts/bob/messages/x/parts/{long}"), 404, "not-found"),
        (format!("/v1/accounts/bob/submissions/{long}"), 404, "not-found"),
        (format!("/v1/accounts/{long}/mailboxes"), 404, "not-found"),
        (format!("/v1/accounts/{long}"), 404, "no-such-account"),
    ] {
        check(&demo.get(&path), status, code);
    }
}

#[test]
fn an_encoded_body_or_another_charset_is_refused_with_what_is_accepted() {
    let host = Host::dev();
    let mut demo = host.client(host.ready["token"].as_str().unwrap());
    let draft = json!({"to": [{"email": "bob@mailroom.test"}], "text": "x"}).to_string();
    let form = "--B\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\nbob@mailroom.test\r\n\
                --B\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nx\r\n--B--\r\n";
    let account = json!({"email": "a@mailroom.test", "password": "x"}).to_string();
    let gzip = ("content-encoding", "gzip");
    for (path, kind, body) in
        [(SEND, JSON, draft.as_str()), (SEND, FORM, form), ("/v1/accounts", JSON, &account)]
    {
        let answer = demo.call("POST", path, &[kind, gzip], body.as_bytes());
        check(&answer, 415, "unsupported-media-type");
        assert_eq!(answer.header("accept-encoding"), Some("identity"), "{path} {kind:?}");
        let charset = format!("{}; charset=iso-8859-1", kind.1);
        let answer = demo.call("POST", path, &[("content-type", &charset)], body.as_bytes());
        assert!(
            check(&answer, 415, "unsupported-media-type")["detail"]
                .as_str()
                .unwrap()
                .contains("iso-8859-1")
        );
    }
    let plain = demo.call("POST", "/v1/accounts", &[("content-type", "text/plain")], b"x");
    check(&plain, 415, "unsupported-media-type");
    assert_eq!(plain.header("accept"), Some("application/json"));
    let other =
        form.replace("name=\"text\"", "name=\"text\"\r\nContent-Type: text/plain; charset=utf-16");
    check(&demo.call("POST", SEND, &[FORM], other.as_bytes()), 422, "invalid-body");
    let named =
        [("content-type", "application/json; charset=UTF-8"), ("content-encoding", "identity")];
    demo.call("POST", SEND, &named, draft.as_bytes()).expect(202);
}

#[test]
fn an_unknown_method_is_reported_before_any_other_check() {
    let host = Host::dev();
    let operator = host.ready["token"].as_str().unwrap();
    let mut demo = host.client(operator);
    let body = json!({"scopes": ["read"]});
    let made = demo.json("POST", "/v1/tokens", &body).expect(201);
    let mut reader = host.client(made["token"].as_str().unwrap());
    for client in [&mut demo, &mut reader] {
        for (method, path, allow) in [
            ("PUT", "/v1/accounts?nonsense=1", "GET, HEAD, POST"),
            ("TRACE", "/v1/tokens?nonsense=1", "GET, HEAD, POST"),
            ("PATCH", "/v1/tokens/x?nonsense=1", "DELETE"),
            ("GET", "/v1/accounts/verify?nonsense=1", "POST"),
            ("NONSENSE", "/v1/accounts/anna?nonsense=1", "GET, HEAD, PATCH, DELETE"),
            ("PUT", "/v1/accounts/anna/messages?nonsense=1", "GET, HEAD"),
            ("POST", "/-/metrics?nonsense=1", "GET, HEAD"),
            ("POST", "/-/health?nonsense=1", "GET, HEAD"),
        ] {
            let answer = client.call(method, path, &[], b"");
            check(&answer, 405, "method-not-allowed");
            assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
        }
    }
}
