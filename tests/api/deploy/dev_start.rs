//! Tests of the start of `postlet dev` and `postlet build`: which manifest is used, the errors for
//! one that cannot be served, and the address of one that can.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use crate::deploy::dev_watch::{Dev, PATIENCE};

const MANIFEST: &str = r#"spin_manifest_version = 2
[application]
name = "mine"
[[trigger.http]]
route = "/echo/:what"
component = "echo"
[[trigger.http]]
route = "/fixed"
static_response = { body = "one" }
[component.echo]
source = "echo.wasm"
[component.echo.build]
command = "BUILD"
"#;

fn directory(manifest: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("spin.toml"), manifest).unwrap();
    std::fs::write(directory.path().join("given.wasm"), guests::ECHO).unwrap();
    directory
}

#[test]
fn dev_exits_at_once_without_a_manifest() {
    let mut dev = Command::new(env!("CARGO_BIN_EXE_postlet"))
        .args(["dev", "--json", "--listen", "127.0.0.1:0", "--manifest", "nothere/spin.toml"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(dev.stdout.take().unwrap()).read_line(&mut line).unwrap();
    // With a valid manifest, the command would not exit.
    dev.kill().unwrap();
    let status = dev.wait().unwrap();
    let mut said = String::new();
    dev.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((line.as_str(), status.code()), ("", Some(1)), "{said}");
    assert!(said.contains("nothere/spin.toml cannot be read: No such file"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_stands_for_its_manifest_and_each_route_is_shown_with_its_url() {
    let directory = directory(&MANIFEST.replace("BUILD", "cp given.wasm echo.wasm"));
    let dev = Dev::start(directory.path());
    let line = dev.hears(" served");
    assert!(line.ends_with("/spin.toml is served"), "{line}");
    let lines = dev.until("/-/docs").join("\n");
    let url = dev.url();
    for place in ["/echo/:what", "/fixed", "/-/docs"] {
        assert!(lines.contains(&format!("  {url}{place}")), "{place}: {lines}");
    }
}

#[test]
fn dev_reports_an_ignored_manifest_and_a_default_port_in_use() {
    let directory = directory("nonsense");
    // Another process may use the port already.
    let _taken = TcpListener::bind("127.0.0.1:7400");
    let mut command = Command::new(env!("CARGO_BIN_EXE_postlet"));
    let dev = Dev::by(command.args(["dev", "--json"]).current_dir(directory.path()));
    let lines = dev.until("--manifest").join("\n");
    let url = dev.url();
    let address = url.trim_start_matches("http://");
    for words in [
        "./spin.toml is not served; to serve it: postlet dev --manifest spin.toml".to_owned(),
        "cannot listen on 127.0.0.1:7400".to_owned(),
        format!("serving at {address}; --listen names another address"),
    ] {
        assert!(lines.contains(&words), "{words}: {lines}");
    }
}

#[test]
fn a_build_without_its_component_is_an_error_and_control_characters_are_escaped() {
    let directory = directory(&MANIFEST.replace("BUILD", "true \\u001b[31m"));
    let manifest = directory.path().join("spin.toml");
    for path in [directory.path(), &manifest] {
        let (ok, said) = build(path);
        let want = format!(
            "{}:11: `component.echo.source`: the build ran and did not write this file: {}",
            manifest.display(),
            directory.path().join("echo.wasm").display()
        );
        assert!(!ok && said.contains(&want), "{said}");
        assert!(said.contains("building echo: true \\u{1b}[31m"), "{said}");
    }
}

/// Read as `up` reads it: a special file is not waited for, and a large one not read without a
/// limit.
#[test]
fn a_manifest_that_is_not_a_regular_file_or_too_large_is_refused() {
    let directory = directory(&format!("{MANIFEST}#{}\n", "x".repeat(2 << 20)));
    let (ok, said) = build(directory.path());
    assert!(!ok && said.contains("it has more than 1048576 bytes"), "{said}");
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (ok, said) = build(&pipe);
    assert!(!ok && said.contains("it is not a regular file"), "{said}");
}

/// Runs `postlet build`: whether it succeeded, and its output.
fn build(manifest: &Path) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postlet"));
    command.args(["build", "--manifest"]).arg(manifest);
    let (told, heard) = mpsc::channel();
    std::thread::spawn(move || told.send(command.output().unwrap()));
    let output = heard.recv_timeout(PATIENCE).expect("it ends");
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}
