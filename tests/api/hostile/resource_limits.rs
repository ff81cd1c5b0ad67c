//! Tests of resource limits: a request that uses too much time or memory fails itself only.

use tokio::io::AsyncReadExt;

use crate::deploy::site::Who;
use crate::hostile::fixture::{Ground, weighed};

/// Memory that a busy allocator retains, in MiB.
const SLACK: u64 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_loops_end_at_their_budgets() {
    let ground = Ground::hostile("instances = 8\ncpu-millis = 50").await;
    ground
        .beside(async {
            for _ in 0..25 {
                let one = || ground.check_budget("/loop", "computing time");
                tokio::join!(one(), one(), one(), one());
            }
        })
        .await;
    assert_eq!(ground.site.host.counters().timeouts, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exceeding_a_limit_is_reported_as_a_problem() {
    let ground =
        Ground::hostile("instances = 8\ncpu-millis = 30000\nmemory-bytes = 33554432").await;
    for (path, want, most) in [
        ("/eat", "component-limit", 32),
        ("/lift", "component-failed", 32),
        ("/now", "component-limit", 0),
        ("/log-flood", "component-limit", 0),
        ("/leak", "component-limit", 0),
        ("/header-flood", "component-limit", 0),
        ("/fields-bomb", "component-limit", 32),
        ("/recurse", "component-failed", 0),
        ("/panic", "component-failed", 0),
        ("/no-answer", "component-failed", 0),
    ] {
        let several = async {
            for _ in 0..4 {
                ground.check(path, want).await;
            }
        };
        let ((), peak, after) = weighed(ground.beside(several)).await;
        assert!(peak <= most + SLACK, "{path}: {peak} MiB at most");
        assert!(after <= SLACK, "{path}: {after} MiB remain");
    }
    assert_eq!(ground.site.get(Who::Acme, "/env").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_response_is_cut_off_and_not_buffered() {
    let ground = Ground::hostile("instances = 8\ncpu-millis = 60000").await;
    let answer = async {
        let mut stream = ground.site.open(Who::Acme, "/flood-output").await;
        let (mut whole, mut tail, mut some) = (0, Vec::new(), vec![0; 1 << 16]);
        loop {
            match stream.read(&mut some).await.unwrap() {
                0 => return (whole, tail),
                read => {
                    whole += read;
                    tail.extend_from_slice(&some[..read]);
                    tail.drain(..tail.len().saturating_sub(5));
                }
            }
        }
    };
    let ((whole, tail), peak, _) = weighed(ground.beside(answer)).await;
    // At most the limit and its chunk headers, and more than half of it: the last chunk is not
    // forwarded.
    assert!((32 << 20..68 << 20).contains(&whole), "{whole} bytes");
    assert_ne!(tail, b"0\r\n\r\n", "it looks complete");
    assert!(peak <= SLACK, "{peak} MiB at most");
    assert_eq!(ground.site.host.counters().limits, 1);
}
