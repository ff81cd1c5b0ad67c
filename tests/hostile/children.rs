//! The children that evaluate tenants' schemas: the limits of each.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use serde_json::json;
use server::checking;

use crate::costs::doubled;
use crate::harness::proc::limit;
use crate::harness::wait::wait_for;

#[test]
fn a_child_has_limits_of_memory_and_computing() {
    let mut child = Checking::start();
    child.ask("true", b"{}");
    child.agrees();
    let pid = child.0.id();
    assert_eq!(limit(pid, "Max data size"), Some(256 << 20));
    assert_eq!(limit(pid, "Max address space"), Some(2 << 30));
    assert_eq!(limit(pid, "Max core file size"), Some(0));
    // Half a second more than it has used, in whole seconds, and some time to end by itself.
    let computing = limit(pid, "Max cpu time");
    assert!(computing.is_some_and(|seconds| seconds < 10), "{computing:?}");
}

#[test]
fn a_child_that_needs_more_than_its_memory_ends() {
    let mut child = Checking::start();
    child.ask("true", b"{}");
    child.agrees();
    child.frame(b"{}");
    // A value of so many bytes is to come, and it makes room for them.
    child.announce(1 << 30);
    assert_eq!(child.ended_by(), Some(Signal::ABORT.as_raw()));
}

#[test]
fn a_child_that_computes_too_long_ends_itself() {
    let mut child = Checking::start();
    child.ask(&doubled(40, |next| json!({"allOf": [next, next]})).to_string(), b"{}");
    // The system would end it too, a little later: not any more.
    let pid = child.0.id();
    wait_for("its budget", || limit(pid, "Max cpu time"));
    let (pid, most) = (Pid::from_raw(pid.cast_signed()), getrlimit(Resource::Cpu).maximum);
    prlimit(pid, Resource::Cpu, Rlimit { current: most, maximum: most }).unwrap();
    assert_eq!(child.ended_by(), Some(Signal::XCPU.as_raw()));
}

/// The real child, and what the host would be to it.
struct Checking(Child);

impl Checking {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postlet"));
        command.arg(checking::SUBCOMMAND).env_clear();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// Asks whether the value fits.
    fn ask(&mut self, schema: &str, value: &[u8]) {
        let ask = json!({"what": "Body", "schema": "it", "text": schema, "root": ""});
        self.frame(ask.to_string().as_bytes());
        self.frame(value);
    }

    fn frame(&mut self, bytes: &[u8]) {
        self.announce(u32::try_from(bytes.len()).unwrap());
        self.0.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    fn announce(&mut self, bytes: u32) {
        self.0.stdin.as_mut().unwrap().write_all(&bytes.to_le_bytes()).unwrap();
    }

    /// Waits until it has said that the value fits.
    fn agrees(&mut self) {
        let mut answer = [0; 10];
        self.0.stdout.as_mut().unwrap().read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"\x06\0\0\0\"Fits\"");
    }

    /// The signal that ends it.
    fn ended_by(mut self) -> Option<i32> {
        drop(self.0.stdin.take());
        wait_for("its end", || self.0.try_wait().unwrap()).signal()
    }
}

impl Drop for Checking {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
