//! Tests of `postlet account add`, at a terminal and without one.

use std::process::Command;

use serde_json::{Value, json};

use testkit::command::run_with_input;
use testkit::process::{Host, binary};
use testkit::site::{Site, addresses, own_user, rig};
use testkit::terminal::Terminal;

/// Name servers that never respond: the discard port.
const NO_NETWORK: &str = "imap-idle-secs = 20\nsmtp-step-secs = 20\n[dns]\nservers = [\"127.0.0.1:9\"]\n[discovery]\nnetwork = false\n";

#[test]
fn at_a_terminal_an_address_and_a_password_suffice() {
    let Some(rig) = rig() else { return };
    let site = Site::with(Some(rig.ca_pem()), &addresses(rig), NO_NETWORK);
    let host = site.start();
    let (email, password) = rig.user(own_user());
    let (imap, smtp) = (rig.imaps_port(), rig.submissions_port());
    let mut terminal = Terminal::run(
        &host.url(),
        &site.token(),
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
    assert!(said.contains("Verifying the servers") && !said.contains(&password), "{said}");
    let account = site.operator(&host).get("/v1/accounts/ann").expect(200);
    assert_eq!((&account["imap"]["port"], &account["state"]), (&json!(imap), &json!("connected")));
}

#[test]
fn the_provider_hint_precedes_the_password_in_the_users_language() {
    let site = Site::with(None, &[], NO_NETWORK);
    let host = site.start();
    for (locale, hint) in [("zh_CN.UTF-8", "授权码"), ("C.UTF-8", "authorization code")] {
        let mut terminal =
            Terminal::run(&host.url(), &site.token(), "account add you@qq.com --id qq", locale);
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
    let run = |args: &str, input: &str| run(&host, &site, args, input);
    let (ok, _, said) = run("account add ann@nowhere.test", "x\n");
    assert!(!ok && said.contains("--imap host:993"), "{said}");
    let (ok, _, said) = run("account add ann@outlook.com", "x\n");
    assert!(!ok && said.contains("OAuth 2") && said.contains("--oauth microsoft"), "{said}");
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
    assert_eq!(made["state"], "connected", "the servers are contacted before it is stored");
    assert!(!said.contains('\r') && !out.contains(&password), "{said}");
}

#[test]
fn with_json_the_output_is_always_one_document() {
    let Some(rig) = rig() else { return };
    let site = Site::with(Some(rig.ca_pem()), &addresses(rig), NO_NETWORK);
    let host = site.start();
    let (email, password) = rig.user(own_user());
    let document = |args: &str, input: &str| -> Value {
        let (ok, out, said) = run(&host, &site, args, input);
        assert!(!ok && format!("\n{said}").contains("\npostlet: "), "{said}");
        serde_json::from_str(&out).unwrap_or_else(|_| panic!("{args}: {out}{said}"))
    };
    let servers = format!("--imap localhost:{} --json", rig.imaps_port());
    let wrong = document(&format!("account add {email} --id ann {servers}"), "wrong");
    assert_eq!(
        (&wrong["code"], &wrong["imap"]["code"]),
        (&json!("verification-failed"), &json!("credentials-refused"))
    );
    for (args, code) in [
        ("account add ann@nowhere.test --json", json!("no-such-provider")),
        ("account add ann@outlook.com --json", json!("oauth-needed")),
        ("account add ann@proton.me --json", json!("no-servers-found")),
        ("account add ann@x.test --imap localhost:99999 --json", Value::Null),
        ("account show ann --json", json!("no-such-account")),
        ("account list --token plt_none --json", json!("unauthenticated")),
        ("account list --url http://127.0.0.1:9 --json", Value::Null),
    ] {
        let told = document(args, "x");
        assert_eq!(told["code"], code, "{args}: {told:#}");
        assert!(!told["detail"].as_str().unwrap().is_empty(), "{args}: {told:#}");
    }
    let listed = site.operator(&host).get("/v1/accounts").expect(200);
    assert_eq!(listed["accounts"], json!([]), "nothing is stored when it fails");
    let (ok, ..) = run(&host, &site, &format!("account add {email} --id ann {servers}"), &password);
    assert!(ok);
    let again = document(&format!("account add {email} --id ann {servers}"), &password);
    assert_eq!(again["code"], "already-exists");
    let kept = site.operator(&host).get("/v1/accounts/ann").expect(200);
    assert_eq!(kept["state"], "connected", "the existing account must stay");
}

#[test]
fn every_source_is_explained_on_request_and_when_none_succeeds() {
    let site = Site::with(None, &[], NO_NETWORK);
    let host = site.start();
    let add =
        |args: &str| run(&host, &site, &format!("account add {args} --id a --unverified"), "x").2;
    let said = add("ann@nowhere.test");
    for (source, outcome) in [("tenant", "off"), ("table", "nothing")] {
        let told = |line: &&str| line.trim_start().starts_with(source) && line.contains(outcome);
        let line = said.lines().find(told).unwrap_or_else(|| panic!("{source}: {said}"));
        assert!(line.contains(" ms  nowhere.test: "), "{line}");
    }
    let said = add("ann@163.com --explain");
    assert!(
        said.lines().any(|line| line.starts_with("  table") && line.contains("used")),
        "{said}"
    );
    let said = add("bo@163.com --id b");
    assert!(!said.contains(" ms  "), "it was not requested: {said}");
}

#[test]
fn a_negative_answer_stores_nothing_and_a_password_is_never_shown() {
    let Some(rig) = rig() else { return };
    let site = Site::with(Some(rig.ca_pem()), &addresses(rig), NO_NETWORK);
    let host = site.start();
    let (email, password) = rig.user(own_user());
    let (imap, smtp) = (rig.imaps_port(), rig.submissions_port());
    let add =
        format!("account add {email} --id ann --imap localhost:{imap} --smtp localhost:{smtp}");
    let mut terminal = Terminal::run(&host.url(), &site.token(), &add, "C");
    terminal.until("Password of ");
    terminal.types(&password);
    terminal.until("Send a test message");
    terminal.types("NO");
    let said = terminal.ends(true);
    assert!(said.contains("NO"), "typed answers must be echoed: {said}");
    assert!(said.contains("is connected as ann") && !said.contains("test  arrive"), "{said}");
    assert!(!said.contains(&password), "{said}");
}

/// Runs the command without a terminal: whether it succeeded, its output, and its messages.
fn run(host: &Host, site: &Site, args: &str, input: &str) -> (bool, String, String) {
    let mut command = Command::new(binary());
    command
        .args(args.split(' '))
        .env("POSTLET_URL", host.url())
        .env("POSTLET_TOKEN", site.token())
        .env("LC_ALL", "C");
    let ended = run_with_input(&mut command, input);
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (ended.status.success(), said(&ended.stdout), said(&ended.stderr))
}
