//! Tests of HTTP over raw sockets: slow, silent, greedy and malformed clients.
//!
//! The limits of the configuration are short; the tests wait for events, never for a time.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::deploy::site::{Site, Who};

/// Upper bound of a wait; only a failing test takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

const HEALTH: &str = "GET /-/health HTTP/1.1\r\nhost: test\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_arrives_too_slowly_is_abandoned() {
    let site = Site::limited("body-grace-secs = 1").await;
    let (mut stream, auth) = site.connect().await;
    let head = format!(
        "POST /v1/accounts HTTP/1.1\r\n{auth}content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{\"id\""
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = until(&mut stream, "}").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"request-timeout\"") && answer.contains("1024 bytes"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_arrives_too_slowly_is_abandoned() {
    let site = Site::limited("body-grace-secs = 1").await;
    let server = r#"{"host": "imap.example.com", "port": 993, "security": "tls"}"#;
    let account = format!(
        r#"{{"id": "ann", "email": "ann@example.com", "password": "x", "smtp": {server}}}"#
    );
    let made = site.ask(Who::Acme, "POST", "/v1/accounts", Some(&account)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let (mut stream, auth) = site.connect().await;
    let head = format!(
        "POST /v1/accounts/ann/send HTTP/1.1\r\n{auth}content-type: multipart/form-data; boundary=B\r\n\
         content-length: 1000\r\n\r\n--B\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = until(&mut stream, "}").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"request-timeout\"") && answer.contains("1024 bytes"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_loses_its_connection() {
    // The idle timeout would close the connection much later.
    let site = Site::limited("write-secs = 1\nconnections = 1\nhead-secs = 300").await;
    let (mut stuck, _) = site.connect().await;
    // More than the buffers of both sides hold; nothing of it is read.
    let ask = "GET /-/openapi.json HTTP/1.1\r\nhost: test\r\n\r\n".repeat(1000);
    let asking = async {
        // The host reads no more of it once its own response is blocked.
        let _ = stuck.write_all(ask.as_bytes()).await;
        std::future::pending::<()>().await;
    };
    // There is one instance slot: another client is served when this one has lost its connection.
    let (mut next, _) = site.connect().await;
    next.write_all(HEALTH.as_bytes()).await.unwrap();
    let answer = tokio::select! {
        () = asking => unreachable!(),
        answer = until(&mut next, "}") => answer,
    };
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_idle_or_silent_is_closed() {
    let site = Site::limited("head-secs = 1").await;
    let (mut idle, _) = site.connect().await;
    idle.write_all(HEALTH.as_bytes()).await.unwrap();
    assert!(until(&mut idle, "}").await.starts_with("HTTP/1.1 200 "));
    ends(&mut idle).await;
    let (mut slow, _) = site.connect().await;
    slow.write_all(&HEALTH.as_bytes()[..20]).await.unwrap();
    ends(&mut slow).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connections_of_a_peer_are_limited() {
    let site = Site::limited("connections-per-peer = 1").await;
    let (mut first, _) = site.connect().await;
    first.write_all(HEALTH.as_bytes()).await.unwrap();
    until(&mut first, "}").await;
    let (mut second, _) = site.connect().await;
    let _ = second.write_all(HEALTH.as_bytes()).await;
    ends(&mut second).await;
    drop(first);
    // The host notices the end of a connection a moment later.
    let freed = async {
        loop {
            let (mut third, _) = site.connect().await;
            let _ = third.write_all(HEALTH.as_bytes()).await;
            let mut first = [0];
            if matches!(third.read(&mut first).await, Ok(1)) {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, freed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expect_100_continue_is_answered() {
    let site = Site::start().await;
    let head = |auth: &str, length: u64| {
        format!(
            "POST /v1/accounts HTTP/1.1\r\n{auth}content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let (mut stream, auth) = site.connect().await;
    stream.write_all(head(&auth, 2).as_bytes()).await.unwrap();
    let told = until(&mut stream, "\r\n\r\n").await;
    assert!(told.starts_with("HTTP/1.1 100 "), "{told}");
    stream.write_all(b"{}").await.unwrap();
    let answer = until(&mut stream, "}").await;
    assert!(answer.starts_with("HTTP/1.1 422 "), "{answer}");
    // No 100 Continue is sent for a request that is refused anyway.
    let (mut stream, auth) = site.connect().await;
    stream.write_all(head(&auth, 1 << 40).as_bytes()).await.unwrap();
    let told = until(&mut stream, "}").await;
    assert!(told.starts_with("HTTP/1.1 413 ") && told.contains("body-too-large"), "{told}");
    let (mut stream, _) = site.connect().await;
    stream.write_all(head("host: test\r\n", 2).as_bytes()).await.unwrap();
    assert!(until(&mut stream, "}").await.starts_with("HTTP/1.1 401 "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oversized_or_ambiguous_requests_are_refused_with_a_problem() {
    let site = Site::start().await;
    let long = format!("x: {}\r\n", "y".repeat(20_000));
    let many: String = (0..120).map(|n| format!("x-{n}: y\r\n")).collect();
    for (target, host, more, status, code) in [
        ("/-/health", "test", long.as_str(), 431, "head-too-large"),
        ("/-/health", "test", many.as_str(), 431, "head-too-large"),
        ("http://mail.acme.example/-/health", "globex.example", "", 400, "malformed-request"),
        ("/-/health", "test", "host: test\r\n", 400, "malformed-request"),
    ] {
        let (mut stream, _) = site.connect().await;
        let ask = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n{more}\r\n");
        stream.write_all(ask.as_bytes()).await.unwrap();
        let answer = until(&mut stream, "}").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{answer}");
    }
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    for body in [r#"{"id":"a","id":"b"}"#, r#"{"id":"\ud800"}"#, deep.as_str()] {
        let answer = site.ask(Who::Acme, "POST", "/v1/accounts", Some(body)).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "malformed-json"), "{body}");
    }
}

/// RFC 9112 §3.2: exactly one valid Host field.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_must_have_one_valid_host_field() {
    let site = Site::start().await;
    for (head, want) in [
        ("GET /-/health HTTP/1.1\r\n", Err("`host` is missing")),
        ("GET /-/health HTTP/1.1\r\nhost:\r\n", Err("not a host")),
        ("GET /-/health HTTP/1.1\r\nhost: a b\r\n", Err("not a host")),
        ("GET /-/health HTTP/1.1\r\nhost: http://a\r\n", Err("not a host")),
        ("GET /-/health HTTP/1.1\r\nhost: ann@a\r\n", Err("not a host")),
        ("GET /-/health HTTP/1.1\r\nhost: a:b\r\n", Err("not a host")),
        ("GET http://ann@a/-/health HTTP/1.1\r\nhost: a\r\n", Err("does not name a host")),
        ("GET /-/health HTTP/1.1\r\nhost: [::1]:7400\r\n", Ok(())),
        ("GET /-/health HTTP/1.0\r\n", Ok(())),
    ] {
        let (mut stream, _) = site.connect().await;
        stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
        let answer = until(&mut stream, "}").await;
        match want {
            Ok(()) => assert!(answer.contains(" 200 OK"), "{head:?}: {answer}"),
            Err(told) => {
                assert!(answer.starts_with("HTTP/1.1 400 "), "{head:?}: {answer}");
                assert!(answer.contains("malformed-request"), "{head:?}: {answer}");
                assert!(answer.contains(told), "{head:?}: {answer}");
            }
        }
    }
}

/// RFC 9112 §6: ambiguous body lengths are refused, and the connection is closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_after_a_body_of_ambiguous_length_are_never_read_as_a_request() {
    let site = Site::start().await;
    let smuggled = "GET /-/wit HTTP/1.1\r\nhost: smuggled\r\n\r\n";
    for (framing, body, status) in [
        ("content-length: 5\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n", 405),
        ("transfer-encoding: chunked\r\ncontent-length: 5\r\n", "0\r\n\r\n", 405),
        ("transfer-encoding: gzip\r\n", "0\r\n\r\n", 400),
        ("transfer-encoding: chunked, gzip\r\n", "0\r\n\r\n", 400),
        ("transfer-encoding: gzip, chunked\r\n", "0\r\n\r\n", 400),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n", 400),
        ("content-length: 0\r\ncontent-length: 5\r\n", "12345", 400),
        ("content-length: +5\r\n", "12345", 400),
    ] {
        let (mut stream, _) = site.connect().await;
        let ask = format!("POST /-/health HTTP/1.1\r\nhost: test\r\n{framing}\r\n{body}{smuggled}");
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await;
        assert!(ended.is_ok(), "{framing:?}: the connection is still open");
        let said = String::from_utf8_lossy(&said);
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{framing:?}: {said}");
        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{framing:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_of_another_list_is_refused() {
    let site = Site::start().await;
    // `after:` and an id was what an earlier version gave out.
    for cursor in [
        "",
        "anna",
        "after:anna",
        "AAAAAAAAAAAAAAABc3ViX2FhYWFhYWFhYWFhYWFhYWE",
        "wQAAB",
        "Anna",
        "a%20b",
    ] {
        let answer = site.get(Who::Acme, &format!("/v1/accounts?cursor={cursor}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid-cursor"), "{cursor}");
        assert!(answer.body.contains("start without one"), "{answer:?}");
    }
}

/// Reads until the response contains `end`.
async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut said = Vec::new();
    let reading = async {
        let mut piece = [0; 4096];
        while !String::from_utf8_lossy(&said).contains(end) {
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => break,
                Ok(read) => said.extend_from_slice(&piece[..read]),
            }
        }
    };
    let ended = tokio::time::timeout(PATIENCE, reading).await;
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(ended.is_ok() && said.contains(end), "{end:?} is not in {said:?}");
    said
}

/// Asserts that nothing more arrives and the connection is closed.
async fn ends(stream: &mut TcpStream) {
    let mut said = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await;
    // A reset counts as the end.
    assert!(ended.is_ok(), "the connection is still open");
    let said = String::from_utf8_lossy(&said);
    assert!(!said.contains("200 OK"), "{said}");
}
