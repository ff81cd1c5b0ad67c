//! Shutdown tests: a host stops within its deadline, whatever its guests do and whether its log is
//! read or not.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use testkit::process::binary;
use testkit::site::{APPLICATION, Site};
use testkit::wait::{wait_for, wait_until};

/// Guests that compute without end, more of them than there are workers.
const LIMITS: &str = "imap-idle-secs = 20\n[limits]\ncpu-millis = 60000\ntotal-secs = 3600\n\
    instances = 16\n";

#[test]
fn a_second_signal_ends_the_host_at_once() {
    let mut stage = Stage::with("");
    stage.compute();
    stage.signal();
    stage.refuses_connections();
    // It waits for requests under way, half a minute by default.
    assert!(stage.host.try_wait().unwrap().is_none(), "the host did not wait for its requests");
    stage.signal();
    stage.has_ended();
}

/// A load balancer polls every few seconds, and sends requests until it has noticed.
#[test]
fn a_host_reports_its_shutdown_while_it_still_serves() {
    let stage = Stage::with("stop-grace-secs = 300\n");
    assert!(stage.said("/-/ready").starts_with("HTTP/1.1 200 "));
    stage.signal();
    let told = wait_for("the shutdown to be reported", || {
        let said = stage.said("/-/ready");
        (!said.starts_with("HTTP/1.1 200 ")).then_some(said)
    });
    assert!(told.starts_with("HTTP/1.1 503 ") && told.contains("retry-after: "), "{told}");
    assert!(told.contains("\"code\":\"unavailable\""), "{told}");
    assert!(stage.said("/v1/accounts").starts_with("HTTP/1.1 200 "));
    stage.signal();
    let mut stage = stage;
    stage.has_ended();
}

#[test]
fn the_shutdown_deadline_holds_although_the_log_is_not_read() {
    let mut stage = Stage::with("stop-requests-secs = 1\nstop-deliveries-secs = 1\n");
    stage.compute();
    stage.fill_the_log();
    stage.signal();
    stage.has_ended();
}

/// A host whose log is a pipe that is never read.
struct Stage {
    host: Child,
    address: String,
    token: String,
    busy: Vec<TcpStream>,
    _site: Site,
}

impl Stage {
    fn with(limits: &str) -> Self {
        let site = Site::with(None, &[], &format!("{LIMITS}{limits}"))
            .with_application(APPLICATION, guests::HOSTILE);
        let mut host = Command::new(binary())
            .args(["up", "--json", "--config", site.config().to_str().unwrap()])
            .env("POSTLET_LOG", "debug")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = Vec::new();
        let mut out = host.stdout.take().unwrap();
        let mut byte = [0];
        while !line.ends_with(b"\n") {
            assert_eq!(out.read(&mut byte).unwrap(), 1, "the host ended before its first line");
            line.push(byte[0]);
        }
        let ready: Value = serde_json::from_slice(&line).unwrap();
        let address = ready["url"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        Self { host, address, token: site.token(), busy: Vec::new(), _site: site }
    }

    fn ask(&self, path: &str) -> Option<TcpStream> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let token = &self.token;
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {token}\r\n\r\n");
        stream.write_all(head.as_bytes()).ok()?;
        Some(stream)
    }

    /// The whole response, on a connection of its own.
    fn said(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let token = &self.token;
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    }

    /// Eight busy loops; a ninth request, answered after them, shows that they are running.
    fn compute(&mut self) {
        for _ in 0..8 {
            self.busy.push(self.ask("/loop").unwrap());
        }
        let mut stream = self.ask("/env").unwrap();
        stream.read_exact(&mut [0; 12]).unwrap();
    }

    /// Waits until no request is answered any more, since the log is full.
    fn fill_the_log(&self) {
        wait_for("a log that is full", || {
            let mut stream = self.ask("/v1/accounts/none/mailboxes")?;
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            stream.read_exact(&mut [0; 12]).err()
        });
    }

    fn signal(&self) {
        let pid = self.host.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    }

    fn refuses_connections(&self) {
        wait_until("the end of the listener", || TcpStream::connect(&self.address).is_err());
    }

    fn has_ended(&mut self) {
        let status = wait_for("the host to exit", || self.host.try_wait().unwrap());
        assert_eq!(status.code(), Some(0), "{status}");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.host.kill();
        let _ = self.host.wait();
    }
}
