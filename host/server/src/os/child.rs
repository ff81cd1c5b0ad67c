//! Child processes: an empty environment, piped standard input and output, and no standard error.
//!
//! Invariant: dropping the handle kills the process.

use std::io;
use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Starts a child, and returns it with its pipes.
pub(crate) fn start(
    program: &Path,
    arguments: &[&str],
) -> io::Result<(Child, ChildStdin, ChildStdout)> {
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    match (child.stdin.take(), child.stdout.take()) {
        (Some(input), Some(output)) => Ok((child, input, output)),
        (None, _) | (_, None) => Err(io::Error::other("it has no pipes")),
    }
}
