//! Tests of watching in `postlet dev --manifest`: an edit is built and served, and a mistake is
//! reported and changes nothing.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use testkit::raw_http::ask;

pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// `postlet dev` with a manifest, as a child.
pub(crate) struct Dev {
    child: Child,
    said: Receiver<String>,
    address: SocketAddr,
    token: String,
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Dev {
    pub(crate) fn start(manifest: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postlet"));
        command.args(["dev", "--json", "--listen", "127.0.0.1:0", "--manifest"]).arg(manifest);
        Self::by(&mut command)
    }

    /// Starts it with another command line.
    pub(crate) fn by(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, said) = mpsc::channel();
        let errors = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            errors.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let ready: Value = serde_json::from_str(&ready).unwrap();
        let url = ready["url"].as_str().unwrap().strip_prefix("http://").unwrap();
        let token = ready["token"].as_str().unwrap().to_owned();
        Self { child, said, address: url.parse().unwrap(), token }
    }

    /// The URL at which it serves.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for a line that contains `text`.
    pub(crate) fn hears(&self, text: &str) -> String {
        self.until(text).pop().unwrap()
    }

    /// Waits for a line that contains `text`; returns all lines up to it.
    pub(crate) fn until(&self, text: &str) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            match self.said.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let found = line.contains(text);
                    all.push(line);
                    if found {
                        return all;
                    }
                }
                Err(_) => panic!("{text:?} was not said, but:\n{}", all.join("\n")),
            }
        }
    }

    /// The output so far.
    pub(crate) fn rest(&self) -> Vec<String> {
        self.said.try_iter().collect()
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> (u16, String) {
        let answer = ask(self.address, Some(&self.token), "POST", path, Some(body)).await;
        (answer.status, answer.body)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let answer = ask(self.address, Some(&self.token), "GET", path, None).await;
        (answer.status, answer.body)
    }
}

fn manifest(text: &str) -> String {
    format!(
        r#"spin_manifest_version = 2
[application]
name = "mine"
[[trigger.http]]
route = "/hello"
static_response = {{ body = "{text}" }}
[[trigger.http]]
route = "/echo/..."
component = "echo"
[component.echo]
source = "echo.wasm"
[component.echo.build]
command = "sh build.sh"
watch = ["build.sh", "src/**"]
"#
    )
}

/// The application is built and served.
fn served() -> (TempDir, Dev) {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    std::fs::write(file("given.wasm"), guests::ECHO).unwrap();
    std::fs::write(file("build.sh"), "cp given.wasm echo.wasm\n").unwrap();
    std::fs::write(file("spin.toml"), manifest("one")).unwrap();
    let dev = Dev::start(&file("spin.toml"));
    dev.hears("is served");
    (directory, dev)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_is_built_and_served_and_an_invalid_one_changes_nothing() {
    let (directory, dev) = served();
    let file = |name: &str| directory.path().join(name);
    assert_eq!(dev.get("/hello").await, (200, "one".to_owned()));

    std::fs::write(file("spin.toml"), manifest("two")).unwrap();
    dev.hears("is served");
    assert_eq!(dev.get("/hello").await, (200, "two".to_owned()));

    let wrong = manifest("three").replace("source =", "sauce =");
    std::fs::write(file("spin.toml"), wrong).unwrap();
    let told = dev.hears("spin.toml");
    assert!(told.ends_with("spin.toml:10: `component.echo.source`: is missing"), "{told}");
    dev.hears("still served");
    assert_eq!(dev.get("/hello").await, (200, "two".to_owned()));

    std::fs::write(file("spin.toml"), manifest("four")).unwrap();
    dev.hears("is served");
    std::fs::write(file("build.sh"), "echo broken >&2; exit 3\n").unwrap();
    dev.hears("broken");
    let told = dev.hears("failed");
    assert!(told.contains("spin.toml:13: `component.echo.build.command`: `sh build.sh`"), "{told}");
    dev.hears("still served");
    assert_eq!(dev.get("/hello").await, (200, "four".to_owned()));
    assert_eq!(dev.get("/echo/x").await.0, 400, "the echo wants JSON");

    let other = manifest("five").replace("\"/echo/...\"", "\"/other/...\"");
    std::fs::write(file("build.sh"), "cp given.wasm echo.wasm\n").unwrap();
    std::fs::write(file("spin.toml"), other).unwrap();
    while dev.get("/hello").await.1 != "five" {
        dev.hears("is served");
    }
    assert_eq!(dev.get("/echo/x").await.0, 404);
}

/// The component of an earlier build does not match the current source.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_of_the_manifest_builds_again_after_a_failed_build() {
    let (directory, dev) = served();
    let file = |name: &str| directory.path().join(name);
    std::fs::write(file("build.sh"), "exit 3\n").unwrap();
    dev.hears("still served");

    std::fs::write(file("spin.toml"), manifest("two")).unwrap();
    let lines = dev.until("serve").join("\n");
    assert!(lines.contains("building echo") && lines.contains("still served"), "{lines}");
    assert_eq!(dev.get("/hello").await, (200, "one".to_owned()));

    std::fs::write(file("build.sh"), "cp given.wasm echo.wasm\n").unwrap();
    dev.hears("is served");
    assert_eq!(dev.get("/hello").await, (200, "two".to_owned()));
}
