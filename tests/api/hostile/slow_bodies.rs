//! Tests of slow bodies, in both directions.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::deploy::site::Who;
use crate::hostile::fixture::Ground;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_body_ends_at_the_requests_time_limit() {
    let ground = Ground::hostile("instances = 8\nidle-secs = 60\ntotal-secs = 3").await;
    // Response: a byte a second. The connection is closed, so that no client takes it for complete.
    let said = ground
        .beside(async {
            let mut stream = ground.site.open(Who::Acme, "/trickle").await;
            let mut said = String::new();
            stream.read_to_string(&mut said).await.unwrap();
            said
        })
        .await;
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    assert!(!said.ends_with("0\r\n\r\n"), "{said}");
    // Request: a byte every tenth of a second.
    let said = ground
        .beside(async {
            let (mut read, mut write) = swallow(&ground, 1000).await.into_split();
            let drip = async move {
                while write.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            };
            tokio::select! {
                said = answer(&mut read) => said,
                () = drip => panic!("the connection is closed without a response"),
            }
        })
        .await;
    assert!(said.contains("component-timeout"), "{said}");
    assert_eq!(ground.site.host.counters().timeouts, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_neither_sends_nor_reads_is_idle() {
    let ground = Ground::hostile("instances = 8\nidle-secs = 1\ntotal-secs = 600").await;
    // It does not send the announced body.
    let said = ground.beside(async { answer(&mut swallow(&ground, 1000).await).await }).await;
    assert!(said.contains("component-timeout"), "{said}");
    // It does not read the response: the instance ends although the connection stays open.
    let stream = ground.site.open(Who::Acme, "/flood-output").await;
    stream.readable().await.unwrap();
    ground.beside(ground.nothing_lives()).await;
    assert_eq!(ground.site.host.counters().timeouts, 2);
    drop(stream);
}

/// A POST that announces a body of `length` bytes.
async fn swallow(ground: &Ground, length: usize) -> TcpStream {
    let token = ground.site.token(Who::Acme).unwrap();
    let head = format!(
        "POST /swallow HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n"
    );
    ground.site.say(&head).await
}

/// Reads until the body of a problem has ended.
async fn answer(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut said = Vec::new();
    while !said.contains(&b'}') {
        let read = stream.read_buf(&mut said).await.unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&said));
    }
    String::from_utf8(said).unwrap()
}
