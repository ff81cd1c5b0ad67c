//! Runs the command line without a terminal.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{self, Output, Stdio};

use tokio::process::Command;

use crate::process::binary;

/// Against a host in this process: whether it succeeded, and its output on both streams.
pub async fn command(address: SocketAddr, token: &str, args: &[&str]) -> (bool, String) {
    let ended = Command::new(binary())
        .args(args)
        .env("POSTLET_URL", format!("http://{address}"))
        .env("POSTLET_TOKEN", token)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = [&ended.stdout[..], &ended.stderr].map(String::from_utf8_lossy).concat();
    (ended.status.success(), said)
}

/// Runs a command with this standard input, which it need not read.
pub fn run_with_input(command: &mut process::Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its arguments does not read it.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child.wait_with_output().unwrap()
}
