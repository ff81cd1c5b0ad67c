//! Test of the memory limit, alone in its process so that the memory of the process can be
//! measured.
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
async fn a_guest_that_allocates_without_end_costs_no_more_than_its_limit() {
    let runtime = runtime();
    let limits = Limits { memory: 32 << 20, ..Limits::default() };
    let endpoint = hostile(&runtime, limits.clone());
    // Memory that the host needs once is not the guest's.
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

/// Peak resident memory of this process, in bytes (proc_pid_status(5), VmHWM).
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}
