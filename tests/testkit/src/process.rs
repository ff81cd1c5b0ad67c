//! The binary as a child process.
//!
//! Invariant: it ends when its handle is dropped and when this process ends for any reason. A
//! destructor is not enough, since none runs for a `static`: a shell waits at the other end of a
//! pipe that the kernel closes.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use serde_json::Value;

use crate::http::Client;
use crate::wait::{wait_for, wait_until};

/// A debug build compiles the components, on a machine that may be busy.
const START: Duration = Duration::from_secs(180);

/// A running host.
#[derive(Debug)]
pub struct Host {
    child: Child,
    keeper: Child,
    /// The address at which it serves.
    pub address: SocketAddr,
    /// The line that it printed when it was ready.
    pub ready: Value,
    log: PathBuf,
    _scratch: tempfile::TempDir,
}

impl Host {
    /// Starts `postlet dev`.
    pub fn dev() -> Self {
        let mut command = Command::new(binary());
        command.args(["dev", "--json", "--listen", "127.0.0.1:0"]);
        Self::start(command)
    }

    /// Starts `postlet up` with this configuration, which must listen on port 0.
    pub fn up(config: &Path) -> Self {
        Self::up_by(Command::new(binary()), config)
    }

    /// As above, with a command that ends in the binary, and an environment of its own.
    pub fn up_by(mut command: Command, config: &Path) -> Self {
        command.args(["up", "--json", "--config", config.to_str().unwrap()]);
        Self::start(command)
    }

    fn start(mut command: Command) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let log = scratch.path().join("log");
        let mut child = command
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let keeper = keep(child.id());
        let stdout = child.stdout.take().unwrap();
        let (sender, ready) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Output after the first line is discarded; the pipe must be emptied all the same.
                let _ = sender.send(line);
            }
        });
        let line = ready.recv_timeout(START);
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        let Ok(line) = line else { panic!("{command:?} is not ready:\n{}", said()) };
        let ready: Value = serde_json::from_str(&line).unwrap();
        let address = ready["url"].as_str().unwrap().strip_prefix("http://").unwrap();
        Self { address: address.parse().unwrap(), child, keeper, ready, log, _scratch: scratch }
    }

    /// A client without a token.
    pub fn anonymous(&self) -> Client {
        Client::new(self.address, None)
    }

    pub fn client(&self, token: &str) -> Client {
        Client::new(self.address, Some(token))
    }

    /// `http://…`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: no destructor of the host runs, nothing is flushed.
    pub fn kill(mut self) {
        self.end();
    }

    /// SIGTERM, as a service manager sends it, and the orderly shutdown.
    pub fn stop(mut self) {
        let told = Command::new("kill").args(["-s", "TERM", &self.pid().to_string()]).status();
        assert!(told.unwrap().success());
        wait_until("the orderly shutdown", || self.child.try_wait().unwrap().is_some());
    }

    /// Waits until it has exited; returns its status and its log.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let status = wait_for("the process to exit", || self.child.try_wait().unwrap());
        (status, self.log())
    }

    /// The log, for the message of a failed test.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn end(&mut self) {
        // Either may have exited already; there is nothing to do about it here.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.len().saturating_sub(4000);
            let tail = log.get(tail..).unwrap_or(&log);
            drop(std::io::Write::write_all(
                &mut std::io::stderr(),
                format!("\n--- the log of host {}\n{tail}---\n", self.pid()).as_bytes(),
            ));
        }
    }
}

/// The binary under test. Cargo builds it for every test and bench of its package, into the parent
/// of their directory.
pub fn binary() -> &'static str {
    static BINARY: OnceLock<String> = OnceLock::new();
    BINARY.get_or_init(|| {
        let binary = profile().join("postlet");
        assert!(binary.exists(), "{} is built with the tests of its package", binary.display());
        binary.to_str().unwrap().to_owned()
    })
}

/// A directory that outlives a test run, as `CARGO_TARGET_TMPDIR`.
pub fn scratch() -> PathBuf {
    profile().with_file_name("tmp")
}

/// The output directory of this profile.
fn profile() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    this.ancestors().nth(2).unwrap().to_owned()
}

/// Kills `pid` when this process has ended.
fn keep(pid: u32) -> Child {
    Command::new("/bin/sh")
        .args(["-c", "cat >/dev/null; kill -s KILL \"$1\"", "keeper", &pid.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
