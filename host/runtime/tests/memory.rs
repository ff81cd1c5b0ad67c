//! A guest that eats memory, alone in its process so that the process can be weighed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod support;

use std::fs;

use runtime::error::{EndpointError, LimitKind};
use runtime::limits::Limits;
use support::{ask, hostile, json, nothing_lives, runtime};

#[tokio::test]
async fn a_memory_eater_costs_no_more_than_its_limit() {
    let runtime = runtime();
    let limits = Limits { memory: 32 << 20, ..Limits::default() };
    let endpoint = hostile(&runtime, limits.clone());
    // Whatever the host needs once is not the guest's.
    assert_eq!(json(&endpoint, "/env").await.0, 200);
    nothing_lives(&runtime).await;
    let before = peak();
    for _ in 0..4 {
        let ended = ask(&endpoint, "/eat").await;
        assert!(matches!(ended, Err(EndpointError::Limit(LimitKind::Memory))), "{ended:?}");
        nothing_lives(&runtime).await;
    }
    let rise = peak().saturating_sub(before);
    let slack = 8 << 20;
    assert!(rise <= limits.memory + slack, "the host grew by {rise} bytes");
}

/// The most memory that this process ever held, in bytes (proc_pid_status(5), VmHWM).
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}
