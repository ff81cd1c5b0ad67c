//! Cleanup process, which outlives the test process by a moment, stops the servers and removes
//! their directory.
//!
//! Both servers are daemons: they do not end with the test that started them. A destructor is not
//! enough, since it does not run for a `static`, nor when the process is killed. So a shell waits
//! at the other end of a pipe; the kernel closes the pipe when this process ends for any reason,
//! and the shell cleans up.
//!
//! It ends only processes that run from its own directory: a pid file may be stale.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

/// `cat` returns when the pipe closes. Dovecot names the directory on its command line; Postfix's
/// master works inside its queue. Each leads a process group. Their data is removed with them, so
/// they are killed without a grace period.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
cat >/dev/null
pid=$(tr -d ' \n' < "$1/queue/pid/master.pid")
[ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd")" = "$1/queue" ] && kill -s KILL -- "-$pid"
pid=$(tr -d ' \n' < "$1/run/dovecot/master.pid")
[ -n "$pid" ] && grep -qF "$1/dovecot/" "/proc/$pid/cmdline" && kill -s KILL -- "-$pid"
# The last write of a dying process may put a file back.
rm -rf "$1" || { sleep 1; rm -rf "$1"; }
"#;

/// Cleans up when dropped, or when this process ends for any other reason.
#[derive(Debug)]
pub(crate) struct Keeper {
    child: Child,
}

impl Keeper {
    /// Starts the cleanup process for the servers that run from `home`.
    pub(crate) fn watch(home: &Path) -> anyhow::Result<Self> {
        let child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "rig-keeper"])
            .arg(home)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // In a process group of its own, so that a signal to the group of the test does not end
            // it.
            .process_group(0)
            .spawn()
            .context("starting the keeper")?;
        Ok(Self { child })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // Nothing can be done about a failure here, and a panic in a destructor would hide the one
        // that matters.
        let _ended = self.child.wait();
    }
}
