//! Documentation test: the README's commands, run as printed.
//!
//! Its shell blocks run in the order of the page in a directory beside a clone's LICENSE, under
//! `set -eu`, with a `cargo` whose build is finished already and a `curl` that fails when the API
//! refuses. A block without a rule below fails the test.
//!
//! One thing differs from a reader's environment: the directory for build output.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use testkit::process::binary;

/// A first build compiles the tools that generate Rust from WIT.
const PATIENCE: Duration = Duration::from_secs(400);

/// The number of `export` lines of `dev`: for curl, and for the program itself.
const EXPORTS: usize = 3;

#[test]
fn the_tour_and_the_custom_endpoint_work_as_printed() {
    let reader = Reader::new();
    let mut dev = None;
    let mut ran = Vec::new();
    for (section, block) in shell_blocks(&page("README.md")) {
        match section.as_str() {
            "Try it" if block.starts_with("cargo test") => {}
            "Try it" | "A tour with curl" | "Serve a route of your own" => {
                // After a block that starts a server, the next runs in another terminal.
                if block.trim_end().lines().last().unwrap().starts_with("cargo run -- dev") {
                    drop(dev.take());
                    dev = Some(reader.serve(&block));
                } else {
                    let Dev { exports, .. } = dev.as_ref().unwrap();
                    let said = reader.run(&format!("{exports}\n{block}"));
                    ran.push((section, said));
                }
            }
            // These need a real mailbox; only their arguments are checked.
            "Connect a real mailbox" | "Give an app its own token" | "See what is wrong" => {
                usage(&block);
            }
            _ => panic!("the README has a new shell block under {section:?}: say how it is tested"),
        }
    }
    let [(_, tour), (_, own)] = &ran[..] else { panic!("{} blocks were run", ran.len()) };
    for promised in [
        r#""state":"sent""#,
        "Grüße 你好",
        "The licence",
        r#""\\Flagged""#,
        r#""role":"\\Archive""#,
        "imap.qq.com",
        "imap.gmail.com",
        "anna  anna@mailroom.test",
        "the message arrived in INBOX and is removed",
    ] {
        assert!(tour.contains(promised), "{promised} is not in:\n{tour}");
    }
    let licence = |name: &str| fs::read(reader.home().join(name)).unwrap();
    assert_eq!(licence("LICENSE.copy"), licence("LICENSE"));
    assert!(licence("message.eml").windows(12).any(|bytes| bytes == b"The licence\r"));
    assert!(own.contains(r#"{"account":"bob","newest":"Hello, endpoint"}"#), "{own}");
}

#[test]
fn a_new_application_is_documented_and_answers_with_problems() {
    let reader = Reader::new();
    // The failing account stands for a host call whose problem has every member.
    let script = r#"cargo run -- new ../mine
sed -i 's/^fn newest(.*{$/&\n    if account == "broken" { return Err(broken()); }/' ../mine/src/lib.rs
cat >>../mine/src/lib.rs <<'RUST'
fn broken() -> Problem {
    use crate::postlet::mail::types::{Fault, Upstream};
    let (pointer, code, detail) = ("/to".to_owned(), "empty".to_owned(), "nobody".to_owned());
    Problem {
        code: "upstream-refused".to_owned(),
        status: 503,
        title: "No".to_owned(),
        detail: "not now".to_owned(),
        retryable: true,
        retry_after_seconds: Some(7),
        faults: vec![Fault { pointer, code, detail }],
        upstream: Some(Upstream { protocol: Protocol::Smtp, reply: "451 later".to_owned(), enhanced_code: None }),
        extras: vec![("scope".to_owned(), "send".to_owned())],
    }
}
RUST
cargo run -- dev --manifest ../mine/spin.toml"#;
    let dev = reader.serve(script);
    let ask = |what: &str| {
        let script = format!("{}\ncurl -sS {what} || true\n", dev.exports);
        reader.run(&script)
    };
    let token = r#"-H "Authorization: Bearer $TOKEN""#;
    let unknown = ask(&format!("{token} ${{POSTLET%/v1/accounts}}/mine/carol"));
    assert!(unknown.contains(r#""code":"no-such-account""#), "{unknown}");
    let broken = ask(&format!("-i {token} ${{POSTLET%/v1/accounts}}/mine/broken"));
    for part in [
        "retry-after: 7",
        r#""retryAfter":7"#,
        r#""errors":[{"code":"empty","detail":"nobody","pointer":"/to"}]"#,
        r#""upstream":{"enhancedCode":null,"protocol":"smtp","reply":"451 later"}"#,
        r#""scope":"send""#,
    ] {
        assert!(broken.contains(part), "{part} is not in {broken}");
    }
    let document = ask(&format!("{token} ${{POSTLET%/v1/accounts}}/-/openapi.json"));
    assert!(document.contains("Tell the subject of the newest message"), "{document}");
}

#[test]
fn a_new_filter_judges_messages() {
    let reader = Reader::new();
    let dev = reader.serve(
        "cargo run -- new --filter ../judge\ncargo run -- dev --manifest ../judge/spin.toml",
    );
    let ask = |what: &str| {
        let token = r#"-H "Authorization: Bearer $TOKEN""#;
        reader.run(&format!("{}\ncurl -sS {token} \"$POSTLET/{what} || true\n", dev.exports))
    };
    let send = |to: &str, subject: &str| {
        ask(&format!(
            r#"anna/send" --json '{{"to": [{{"email": "{to}"}}], "subject": "{subject}", "text": "Hi"}}'"#
        ))
    };
    let told = send("bob@BLOCKED.test", "Hello");
    assert!(told.contains(r#""filterCode":"blocked-domain""#), "{told}");
    assert!(send("bob@mailroom.test", "").contains(r#""filterCode":"no-subject""#));
    let passed = send("bob@mailroom.test", "Hello");
    assert!(passed.contains(r#""state":"#) && !passed.contains("code"), "{passed}");
    let raw = ask(
        r#"bob/messages" | grep -o '"id":"[^"]*"' | head -n 1 | cut -d '"' -f 4 | xargs -I ID curl -sS -H "Authorization: Bearer $TOKEN" "$POSTLET/bob/messages/ID""#,
    );
    assert!(raw.contains("Sent with judge"), "{raw}");
}

/// A shell in a directory that looks like a clone.
pub(crate) struct Reader {
    scratch: tempfile::TempDir,
}

/// `postlet dev`, and the lines that it told the reader to copy.
pub(crate) struct Dev {
    child: Child,
    pub(crate) exports: String,
}

impl Drop for Dev {
    fn drop(&mut self) {
        // The process group: the shell, and the host that it started.
        let group = format!("-{}", self.child.id());
        drop(Command::new("kill").args(["-s", "KILL", "--", &group]).status());
        drop(self.child.wait());
    }
}

impl Reader {
    pub(crate) fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let clone = scratch.path().join("clone");
        fs::create_dir(&clone).unwrap();
        fs::copy(root().join("LICENSE"), clone.join("LICENSE")).unwrap();
        let programs = scratch.path().join("bin");
        fs::create_dir(&programs).unwrap();
        let cargo = format!(
            "#!/bin/sh\nif [ \"$1 $2 $3\" = 'run -- dev' ]; then shift 3; exec '{0}' dev --listen 127.0.0.1:0 \"$@\"; fi\n\
             if [ \"$1 $2\" = 'run --' ]; then shift 2; exec '{0}' \"$@\"; fi\nexec '{1}' \"$@\"\n",
            binary(),
            env!("CARGO"),
        );
        let postlet = format!(
            "#!/bin/sh\nif [ \"$1\" = dev ]; then shift; exec '{0}' dev --listen 127.0.0.1:0 \"$@\"; fi\n\
             exec '{0}' \"$@\"\n",
            binary(),
        );
        // Where a page names `dev`'s default port, it means the host of the test.
        let curl = format!(
            "#!/bin/bash\nhere=${{POSTLET%/v1/accounts}}\n\
             exec '{}' --fail-with-body \"${{@//http:\\/\\/127.0.0.1:7400/$here}}\"\n",
            which("curl")
        );
        for (name, text) in [("cargo", cargo), ("postlet", postlet), ("curl", curl)] {
            fs::write(programs.join(name), text).unwrap();
            fs::set_permissions(programs.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { scratch }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.scratch.path().join("clone")
    }

    fn shell(&self, script: &str) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut shell = Command::new("bash");
        shell
            .args(["-c", &format!("set -euo pipefail\n{script}")])
            .current_dir(self.home())
            .env("PATH", format!("{}:{path}", self.scratch.path().join("bin").display()))
            // The crates are downloaded, since this test was built; no network is needed.
            .env("CARGO_NET_OFFLINE", "true")
            .env("CARGO_BUILD_BUILD_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme"))
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("RUSTFLAGS")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0);
        shell
    }

    /// Runs a script to its end; returns its output.
    pub(crate) fn run(&self, script: &str) -> String {
        let mut child = self.shell(script).stderr(Stdio::piped()).spawn().unwrap();
        let group = child.id();
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (sender, done) = mpsc::channel();
        std::thread::spawn(move || {
            let mut said = Vec::new();
            out.read_to_end(&mut said).unwrap();
            drop(sender.send(said));
        });
        let Ok(said) = done.recv_timeout(PATIENCE) else {
            drop(Command::new("kill").args(["-s", "KILL", "--", &format!("-{group}")]).status());
            panic!("it does not end:\n{script}");
        };
        let said = String::from_utf8_lossy(&said).into_owned();
        let mut complaint = String::new();
        err.read_to_string(&mut complaint).unwrap();
        assert!(child.wait().unwrap().success(), "{script}\n--- said\n{said}\n{complaint}");
        said
    }

    /// Runs a script that starts a server, until it prints the lines to copy.
    pub(crate) fn serve(&self, script: &str) -> Dev {
        let mut child = self.shell(script).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut dev = Dev { child, exports: String::new() };
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            out.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        while dev.exports.lines().count() < EXPORTS {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) if line.starts_with("export ") => dev.exports += &format!("{line}\n"),
                Ok(_) => {}
                Err(_) => panic!("no export lines came from:\n{script}"),
            }
        }
        dev
    }
}

/// Checks that every line that calls the program has valid arguments: clap exits with 2 otherwise.
fn usage(block: &str) {
    for line in block.lines().filter(|line| line.starts_with("./target/release/postlet ")) {
        let line = line.replace("./target/release/postlet", binary());
        let scratch = tempfile::tempdir().unwrap();
        let ended = Command::new("bash")
            .args(["-c", &line])
            .current_dir(scratch.path())
            // The discard port: no server listens.
            .env("POSTLET_URL", "http://127.0.0.1:9")
            .env("POSTLET_TOKEN", "plt_none")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{line}: {said}");
        assert!(!said.contains("Usage:"), "{line}: {said}");
    }
}

/// The shell blocks of a page, each with the heading above it.
fn shell_blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut section = String::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        match (&mut block, line) {
            (None, "```sh") => block = Some(String::new()),
            (Some(_), "```") => blocks.extend(block.take().map(|block| (section.clone(), block))),
            (Some(block), line) => *block += &format!("{line}\n"),
            (None, line) if line.starts_with('#') => {
                section = line.trim_start_matches(['#', ' ']).to_owned();
            }
            (None, _) => {}
        }
    }
    assert!(blocks.len() > 5, "{} shell blocks: the page is not read", blocks.len());
    blocks
}

pub(crate) fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn which(program: &str) -> String {
    let path = std::env::var("PATH").unwrap();
    let found = path.split(':').map(|directory| Path::new(directory).join(program));
    found.into_iter().find(|place| place.is_file()).unwrap().display().to_string()
}
