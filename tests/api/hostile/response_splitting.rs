//! Tests of response splitting: a guest's header fields on the wire make one response for each
//! request.
//!
//! Standards: RFC 9112 §6.1, §6.3, §7.1 and §11.

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::deploy::site::Who;
use crate::hostile::fixture::Ground;

/// Bytes that the guest appends after a Content-Length that is too small: another response.
const SMUGGLED: &str = "HTTP/1.1 299 Smuggled";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn header_fields_that_would_split_a_response_are_refused() {
    let ground = Ground::hostile("instances = 8").await;
    let answer = ground.site.get(Who::Acme, "/smuggle-fields").await;
    let told: BTreeMap<String, String> = serde_json::from_str(&answer.body).unwrap();
    assert!(told.len() > 15, "{told:?}");
    for (what, outcome) in &told {
        let want = if what.starts_with("ok") { "taken" } else { "refused" };
        assert_eq!(outcome, want, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_false_content_length_makes_no_second_response() {
    let ground = Ground::hostile("instances = 8\nidle-secs = 2").await;
    for length in ["short", "long", "twice", "list", "plus", "zero", "none"] {
        ground
            .beside(async {
                let token = ground.site.token(Who::Acme).unwrap();
                let head = |path: &str| {
                    format!(
                        "GET {path} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {token}\r\n"
                    )
                };
                // Pipelined: bytes that the guest left on the wire would precede the second
                // response.
                let first = head(&format!("/smuggle-length?length={length}"));
                let second = head("/env");
                let mut stream =
                    ground.site.say(&format!("{first}\r\n{second}connection: close\r\n\r\n")).await;
                let mut said = Vec::new();
                stream.read_to_end(&mut said).await.unwrap();
                stream.shutdown().await.unwrap();
                let answers = answers(&said);
                let shown = String::from_utf8_lossy(&said);
                assert!((1..=2).contains(&answers.len()), "{length}: {shown}");
                assert!(
                    answers.iter().all(|status| [200, 500, 502].contains(status)),
                    "{length}: {shown}"
                );
            })
            .await;
    }
}

#[test]
fn the_parser_of_this_test_detects_a_smuggled_response() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfour";
    let said = format!("{head}{SMUGGLED}\r\ncontent-length: 0\r\n\r\n{head}");
    assert_eq!(answers(said.as_bytes()), [200, 299, 200]);
}

/// The statuses of the responses on a connection, parsed strictly by RFC 9112 §6.3. A truncated
/// response is the last.
fn answers(mut rest: &[u8]) -> Vec<u16> {
    let mut statuses = Vec::new();
    while !rest.is_empty() {
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        let head = std::str::from_utf8(&rest[..end]).unwrap().to_ascii_lowercase();
        rest = &rest[end + 4..];
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().strip_prefix("http/1.1 ").expect("a status line");
        statuses.push(status[..3].parse().unwrap());
        let fields: Vec<(&str, &str)> = lines.map(|line| line.split_once(": ").unwrap()).collect();
        let all = |name: &str| -> Vec<&str> {
            fields.iter().filter(|(found, _)| *found == name).map(|(_, value)| *value).collect()
        };
        let (lengths, codings) = (all("content-length"), all("transfer-encoding"));
        assert_eq!(lengths.len() + codings.len(), 1, "{head}");
        for name in ["connection", "host", "upgrade", "keep-alive"] {
            assert!(all(name).iter().all(|value| *value == "close"), "{head}");
        }
        if codings == ["chunked"] {
            while let Some(at) = rest.windows(2).position(|two| two == b"\r\n") {
                let size = std::str::from_utf8(&rest[..at]).unwrap();
                let size = usize::from_str_radix(size, 16).unwrap();
                rest = rest.get(at + 2 + size + 2..).unwrap_or_default();
                if size == 0 {
                    break;
                }
            }
        } else {
            let length: usize = lengths[0].parse().unwrap();
            rest = rest.get(length..).unwrap_or_default();
        }
    }
    statuses
}
