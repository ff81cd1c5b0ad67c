//! `postlet account add` at a terminal: `script(1)` brings one.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::harness::process::{Host, binary};
use crate::harness::site::{Site, addresses, own_user, rig};
use crate::harness::wait::wait_until;

/// Name servers that never answer: the discard port.
const NO_NETWORK: &str = "imap-idle-secs = 20\nsmtp-step-secs = 20\n[dns]\nservers = [\"127.0.0.1:9\"]\n[discovery]\nnetwork = false\n";

#[test]
fn a_person_is_led_from_the_address_to_a_tested_mailbox() {
    let Some(rig) = rig() else { return };
    let site = Site::with(Some(rig.ca_pem()), &addresses(rig), NO_NETWORK);
    let host = site.start();
    let (email, password) = rig.user(own_user());
    let (imap, smtp) = (rig.imaps_port(), rig.submissions_port());
    let mut terminal = Terminal::run(
        &host,
        &site,
        &format!("account add {email} --id ann --imap localhost:{imap} --smtp localhost:{smtp}"),
        "en_US.UTF-8",
    );
    terminal.until("Password of ");
    terminal.types(&password);
    terminal.until("Send a test message");
    terminal.types("what?");
    terminal.until_twice("Send a test message");
    terminal.types("");
    let said = terminal.ends(true);
    for line in ["IMAP  folders       ok", "SMTP  mail          ok", "test  arrive        ok"] {
        assert!(said.contains(line), "{line} is missing:\n{said}");
    }
    assert!(said.contains(&format!("{email} is connected as ann")), "{said}");
    assert!(said.contains("Trying the servers") && !said.contains(&password), "{said}");
    let account = site.operator(&host).get("/v1/accounts/ann").expect(200);
    assert_eq!(account["imap"]["port"], imap);
}

#[test]
fn the_hint_comes_before_the_password_and_in_the_persons_language() {
    let site = Site::with(None, &[], NO_NETWORK);
    let host = site.start();
    for (locale, hint) in [("zh_CN.UTF-8", "授权码"), ("C.UTF-8", "authorization code")] {
        let mut terminal = Terminal::run(&host, &site, "account add you@qq.com --id qq", locale);
        terminal.until("Password of ");
        let before = terminal.said();
        for line in [
            ", from Postlet's own table",
            "IMAP  imap.qq.com:993 (tls), login you@qq.com",
            "SMTP  smtp.qq.com:465",
            hint,
            "https://",
        ] {
            assert!(before.contains(line), "{line} is missing:\n{before}");
        }
        terminal.types("abcdefghijklmnop");
        let said = terminal.ends(false);
        assert!(said.contains("IMAP  connect       failed"), "{said}");
        assert!(
            said.contains("nothing was stored") && !said.contains("abcdefghijklmnop"),
            "{said}"
        );
    }
    let listed = site.operator(&host).get("/v1/accounts").expect(200);
    assert_eq!(listed["accounts"], serde_json::json!([]));
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    let Some(rig) = rig() else { return };
    let site = Site::with(Some(rig.ca_pem()), &addresses(rig), NO_NETWORK);
    let host = site.start();
    let run = |args: &str, input: &str| {
        let mut child = Command::new(binary())
            .args(args.split(' '))
            .env("POSTLET_URL", host.url())
            .env("POSTLET_TOKEN", site.token())
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that fails before does not read it.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        let ended = child.wait_with_output().unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (ended.status.success(), said(&ended.stdout), said(&ended.stderr))
    };
    let (ok, _, said) = run("account add ann@nowhere.test", "x\n");
    assert!(!ok && said.contains("--imap host:993"), "{said}");
    let (ok, _, said) = run("account add ann@outlook.com", "x\n");
    assert!(!ok && said.contains("OAuth 2"), "{said}");
    let (ok, _, said) = run("account add ann@proton.me", "x\n");
    assert!(!ok && said.contains("cannot be used"), "{said}");
    let (ok, out, said) = run("account add ann@163.com --id ann --unverified", "x\n");
    assert!(ok && out.contains("is stored as ann"), "{out}{said}");

    let (email, password) = rig.user(own_user());
    let servers = format!(
        "--imap localhost:{} --smtp localhost:{}",
        rig.imaps_port(),
        rig.submissions_port()
    );
    let (ok, out, said) =
        run(&format!("account add {email} --id bo {servers} --test --json"), &password);
    let made: serde_json::Value =
        serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{said}"));
    assert!(ok && made["id"] == "bo" && made["test"]["removed"] == true, "{made:#}");
    assert!(!said.contains('\r') && !out.contains(&password), "{said}");
}

/// A command at a terminal of its own.
struct Terminal {
    child: Child,
    screen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn run(host: &Host, site: &Site, args: &str, locale: &str) -> Self {
        let mut child = Command::new("script")
            .args(["-qfec", &format!("'{}' {args}", binary()), "/dev/null"])
            .env("POSTLET_URL", host.url())
            .env("POSTLET_TOKEN", site.token())
            .env("LC_ALL", locale)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = child.stdout.take().unwrap();
        let screen = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 1024];
            while let Ok(count @ 1..) = out.read(&mut bytes) {
                shared.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self { child, screen }
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    fn until(&self, words: &str) {
        wait_until(words, || self.said().contains(words));
    }

    fn until_twice(&self, words: &str) {
        wait_until(words, || self.said().matches(words).count() == 2);
    }

    fn types(&mut self, line: &str) {
        self.child.stdin.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// All that it said, when it has ended so.
    #[track_caller]
    fn ends(mut self, well: bool) -> String {
        let mut ended = None;
        wait_until("the command to end", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        // What is still on its way to the screen ends with a line.
        wait_until("its last line", || self.said().trim_end().ends_with(|c: char| !c.is_control()));
        assert_eq!(ended.unwrap().success(), well, "{}", self.said());
        self.said()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
