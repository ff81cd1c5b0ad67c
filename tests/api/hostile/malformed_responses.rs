//! Tests of malformed responses of guests: a problem while the head can be held back, and a broken
//! connection afterwards.
//!
//! Standards: RFC 9110 §8.6 and §15, RFC 9112 §6.

use tokio::io::AsyncReadExt;

use crate::deploy::site::Who;
use crate::hostile::fixture::Ground;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_response_is_a_problem_or_a_broken_connection() {
    let ground = Ground::hostile("instances = 8\ncpu-millis = 200").await;
    an_answer_that_is_none_is_a_problem(&ground).await;
    head_is_answered_as_get_would_be_without_the_body(&ground).await;
    what_fails_after_the_head_is_cut_off(&ground).await;
    an_empty_write_sends_the_head(&ground).await;
}

async fn an_answer_that_is_none_is_a_problem(ground: &Ground) {
    let failed = "component-failed";
    for (path, want) in [
        ("/decline?=7000000", failed),
        ("/answer-trap", failed),
        ("/answer-loop", "component-timeout"),
        ("/answer-unfinished", failed),
        ("/answer-length?=3", failed),
        ("/answer-length?=5", failed),
        ("/answer-length?=0", failed),
        ("/answer-length?=99999999", "component-limit"),
        ("/answer-status?=100", failed),
        ("/answer-status?=101", failed),
        ("/answer-status?=199", failed),
        ("/answer-status?=600", failed),
        ("/answer-status?=999", failed),
        ("/answer-status?=9999", failed),
        ("/answer-status?=0", failed),
        ("/answer-body?=100", failed),
        ("/answer-body?=204", failed),
        ("/answer-body?=205", failed),
        ("/answer-body?=304", failed),
    ] {
        let answer = ground.site.get(Who::Acme, path).await;
        assert!(answer.status >= 500, "{path}: {answer:?}");
        assert_eq!(answer.code(), want, "{path}: {answer:?}");
        assert!(answer.head.contains("application/problem+json"), "{path}: {answer:?}");
        assert!(answer.body.len() < 4096, "{path}: {} bytes", answer.body.len());
    }
    ground.nothing_lives().await;
    for (path, want) in [
        ("/answer-length?=4", 200),
        // WASI uses the first of two.
        ("/answer-lengths", 200),
        ("/answer-status?=204", 204),
        ("/answer-status?=304", 304),
        ("/answer-status?=599", 599),
        ("/answer-body?=404", 404),
    ] {
        let answer = ground.site.get(Who::Acme, path).await;
        assert_eq!(answer.status, want, "{path}: {answer:?}");
        let body = if path.starts_with("/answer-status") { "" } else { "four" };
        assert_eq!(answer.body, body, "{path}: {answer:?}");
    }
}

async fn head_is_answered_as_get_would_be_without_the_body(ground: &Ground) {
    for (path, want) in [
        ("/answer-trap", 500),
        ("/answer-status?=100", 500),
        ("/answer-length?=4", 200),
        // The length of a body that is not sent is not checked.
        ("/answer-length?=5", 200),
    ] {
        let answer = ground.site.ask(Who::Acme, "HEAD", path, None).await;
        assert_eq!((answer.status, &*answer.body), (want, ""), "{path}: {answer:?}");
    }
}

async fn what_fails_after_the_head_is_cut_off(ground: &Ground) {
    // A Content-Length that is too large to hold the head back is passed on, and its body cut off
    // later.
    for (path, head_says) in
        [("/answer-late-trap", "chunked"), ("/answer-length?=1000000", "content-length: 1000000")]
    {
        let mut stream = ground.site.open(Who::Acme, path).await;
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.unwrap();
        let said = String::from_utf8(said).unwrap();
        assert!(said.starts_with("HTTP/1.1 200 OK\r\n") && said.contains(head_says), "{said}");
        assert!(!said.ends_with("\r\n0\r\n\r\n"), "{path} looks complete: {said}");
    }
    ground.nothing_lives().await;
}

async fn an_empty_write_sends_the_head(ground: &Ground) {
    let mut stream = ground.site.open(Who::Acme, "/answer-flush").await;
    let mut first = [0; 15];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    drop(stream);
    ground.nothing_lives().await;
}
