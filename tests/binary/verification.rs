//! Tests of verification: each error of a mail server has a code of its own and an instruction for
//! beginners, checked against real servers in that state.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use mailroom::{Fault, FaultScript, Protocol, Rule};
use rig::{Certificate, Options, Rig};
use serde_json::{Value, json};

use crate::invalid_input::check;
use testkit::http::Client;
use testkit::servers::mailroom::Room;
use testkit::site::{
    Connected, Site, addresses, connected, own_user, rig, server, starttls_account, tls_account,
    under,
};
use testkit::wait::wait_until;

/// Longer than Dovecot's delay after failed logins, which it counts by address.
const TIMES: &str = "imap-idle-secs = 20\nimap-command-secs = 20\nsmtp-step-secs = 20\n";

#[test]
fn a_successful_verification_reports_its_steps_and_security() {
    let Some(rig) = rig() else { return };
    let site = Site::on(rig);
    let host = site.start();
    let mut operator = site.operator(&host);
    let n = own_user();
    let imap = ["auth", "capabilities", "folders"];
    for (account, begin) in [
        (tls_account(rig, n), ["connect", "tls", "greeting"]),
        (starttls_account(rig, n), ["connect", "greeting", "tls"]),
    ] {
        let tried = operator.json("POST", "/v1/accounts/verify", &account).expect(200);
        assert_eq!(tried["ok"], true, "{tried:#}");
        assert_eq!(steps(&tried["imap"]), [&begin[..], &imap].concat());
        assert_eq!(steps(&tried["smtp"]), [&begin[..], &["auth", "mail"]].concat());
        for half in ["imap", "smtp"] {
            let security = &tried[half]["security"];
            assert_eq!(security["tlsVersion"], "1.3", "{tried:#}");
            assert!(security["cipher"].as_str().unwrap().starts_with("TLS13_"), "{tried:#}");
            // The default of rcgen.
            assert_eq!(security["certificateExpires"], "4096-01-01T00:00:00Z");
            assert_eq!(security["mechanism"], "PLAIN");
            assert!(tried[half].get("warnings").is_none(), "{tried:#}");
            let steps = tried[half]["steps"].as_array().unwrap();
            let sum: u64 = steps.iter().map(|step| step["milliseconds"].as_u64().unwrap()).sum();
            assert!(sum <= tried[half]["milliseconds"].as_u64().unwrap(), "{tried:#}");
        }
    }
    let listed = operator.get("/v1/accounts").expect(200);
    assert_eq!(listed["accounts"], json!([]), "something was stored");
    let (email, _) = rig.user(n);
    let mail = rig.doveadm(&["search", "-u", &email, "ALL"]);
    assert_eq!(mail, "", "something was sent");
}

#[test]
fn every_error_has_a_code_of_its_own_and_an_instruction() {
    let Some(rig) = rig() else { return };
    let bad = |certificate| Rig::showing(certificate, Options { users: 1 });
    let (Some(expired), Some(elsewhere), Some(own)) =
        (bad(Certificate::Expired), bad(Certificate::OfAnotherHost), bad(Certificate::SelfSigned))
    else {
        return;
    };
    let room = Room::start();
    let old = OldTls::start();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // It accepts connections and sends nothing; another closes them at once.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute_port = mute.local_addr().unwrap().port();
    let curt = Curt::start();
    let mut allow: Vec<String> =
        [rig, &expired, &elsewhere, &own].iter().flat_map(|rig| addresses(rig)).collect();
    allow.extend(room.addresses());
    let others = [room.mailroom.imap().port(), room.mailroom.submission().port(), old.port, closed];
    let others = [&others[..], &[mute_port, curt.port]].concat();
    allow.extend(others.iter().map(|port| format!("127.0.0.1:{port}")));
    let mut roots = tempfile::NamedTempFile::new().unwrap();
    for rig in [rig, &expired, &elsewhere, &own] {
        roots.write_all(&std::fs::read(rig.ca_pem()).unwrap()).unwrap();
    }
    let site = Site::with(Some(roots.path()), &allow, TIMES);
    let host = site.start();
    let mut verify = Verify { operator: site.operator(&host), codes: BTreeSet::new() };
    let good = tls_account(rig, own_user());
    let with = |imap: Value, smtp: Value| {
        let mut account = good.clone();
        account["imap"] = imap;
        account["smtp"] = smtp;
        account
    };
    let at = |port, security| server("localhost", port, security);

    let mut account = good.clone();
    account["password"] = json!("wrong");
    verify.both(&account, "credentials-refused", "auth", "app password");
    verify.both(
        &with(at(closed, "tls"), at(closed, "tls")),
        "upstream-unreachable",
        "connect",
        "port",
    );
    // Each other's port; and the STARTTLS port, which greets in plain text.
    let swapped = with(at(rig.submissions_port(), "tls"), at(rig.imaps_port(), "tls"));
    verify.both(&swapped, "wrong-protocol", "greeting", "993 with `tls`|465 with `tls`");
    let swapped = with(at(rig.submission_port(), "starttls"), at(rig.imap_port(), "starttls"));
    verify.both(&swapped, "wrong-protocol", "greeting", "is no");
    let plain = with(at(rig.imap_port(), "tls"), at(rig.submission_port(), "tls"));
    verify.both(&plain, "wrong-protocol", "tls", "starttls");
    // The implicit TLS port, which waits for the client.
    let silent = with(at(rig.imaps_port(), "starttls"), at(rig.submissions_port(), "starttls"));
    verify.both(&silent, "upstream-timeout", "greeting", "Try `security` `tls`");

    let silent = with(at(mute_port, "tls"), at(mute_port, "tls"));
    verify.both(&silent, "upstream-timeout", "tls", "set `security` to `starttls`");
    let hanging_up = with(at(curt.port, "starttls"), at(curt.port, "starttls"));
    verify.both(&hanging_up, "upstream-unreachable", "greeting", "Try `security` `tls`");

    for (rig, code, way_out) in [
        (&expired, "certificate-expired", "renew"),
        (&elsewhere, "certificate-wrong-host", "exact host name"),
        (&own, "certificate-untrusted", "`pin`"),
    ] {
        verify.both(&tls_account(rig, 1), code, "tls", way_out);
        verify.both(&starttls_account(rig, 1), code, "tls", way_out);
    }
    let mut pinned = good.clone();
    for half in ["imap", "smtp"] {
        pinned[half]["pin"] = json!("sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    }
    verify.both(&pinned, "pin-mismatch", "tls", "renewed on purpose");
    verify.both(
        &with(at(old.port, "tls"), at(old.port, "tls")),
        "tls-too-old",
        "tls",
        "before 1.2",
    );

    // A Postfix without TLS; Dovecot always has it.
    let no_tls = with(Value::Null, at(rig.smtp_plain_port(), "starttls"));
    verify.one(&no_tls, "smtp", "tls-unavailable", "tls", "never sent without");
    room.mailroom.misbehave(without(&["STARTTLS"]));
    let mut plain = room.account();
    plain["imap"]["port"] = json!(room.mailroom.imap().port());
    plain["smtp"]["port"] = json!(room.mailroom.submission().port());
    for half in ["imap", "smtp"] {
        plain[half]["security"] = json!("starttls");
    }
    verify.both(&plain, "tls-unavailable", "tls", "never sent without");

    let account = room.account();
    let mut script = without(&["AUTH=PLAIN", "AUTH=LOGIN"]);
    let greeting = "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] ready";
    script.rules = vec![rule(Protocol::Imap, "greeting", Fault::Reply(greeting.to_owned()))];
    room.mailroom.misbehave(script);
    verify.both(&account, "auth-unsupported", "auth", "OAuth 2");

    let imap = "[ALERT] Your account is not enabled for IMAP use. Please visit your settings";
    let smtp = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled";
    room.mailroom.misbehave(rules(vec![
        rule(Protocol::Imap, "AUTHENTICATE", Fault::No(imap.to_owned())),
        rule(Protocol::Smtp, "AUTH", Fault::Reply(smtp.to_owned())),
    ]));
    verify.both(&account, "access-off", "auth", "Switch on");

    room.mailroom.misbehave(rules(vec![rule(
        Protocol::Imap,
        "AUTHENTICATE",
        Fault::No("[OVERQUOTA] full".to_owned()),
    )]));
    verify.one(&account, "imap", "over-quota", "auth", "Delete something");
    for reply in ["552 5.2.2 mailbox full", "452 4.2.2 mailbox full", "552 storage exceeded"] {
        let reply = Fault::Reply(reply.to_owned());
        room.mailroom.misbehave(rules(vec![rule(Protocol::Smtp, "RCPT", reply)]));
        verify.one(&account, "smtp", "over-quota", "mail", "Delete something");
    }

    let inside = with(server("10.0.0.1", 993, "tls"), server("10.0.0.1", 465, "tls"));
    verify.both(&inside, "host-not-allowed", "connect", "`[egress] allow`");

    let told: Vec<&str> = verify.codes.iter().map(String::as_str).collect();
    assert_eq!(told.len(), 14, "{told:?}");
}

/// A token cannot scan ports or guess passwords, and the attempts of tenants are counted
/// separately.
#[test]
fn too_many_verifications_are_refused_with_retry_after() {
    let room = Room::start();
    let limits = "imap-idle-secs = 20\n[limits]\ntries-burst = 7\ntries-per-minute = 1\n";
    let site = Site::with(None, &room.addresses(), limits);
    let host = site.start();
    let mut operator = site.operator(&host);
    let mut guess = room.account();
    guess["password"] = json!("a guess");
    for _ in 0..5 {
        let tried = operator.json("POST", "/v1/accounts/verify", &guess).expect(200);
        assert_eq!(tried["imap"]["code"], "credentials-refused", "{tried:#}");
    }
    let mut over = |account: &Value, longest: u64, words: &str| {
        let answer = operator.json("POST", "/v1/accounts/verify", account);
        let problem = check(&answer, 429, "too-many-requests");
        let after: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!(after > longest / 2 && after <= longest, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    };
    over(&guess, 30, "refused this login");
    let mut other = guess.clone();
    for half in ["imap", "smtp"] {
        other[half]["username"] = json!("somebody@x.test");
    }
    // The seventh attempt; the one that was refused as a guess counts, too.
    over(&guess, 30, "refused this login");
    over(&other, 60, "more than 1 times a minute");
    let mut stranger = site.stranger(&host);
    let tried = stranger.json("POST", "/v1/accounts/verify", &room.account()).expect(200);
    assert_eq!(tried["ok"], true, "{tried:#}");
}

/// A verification of a stored account updates its state, and so does a list.
#[test]
fn the_result_of_the_last_login_is_the_state_of_the_account() {
    let Some(Connected { rig, client: mut operator, id, up: (site, host), .. }) = connected()
    else {
        return;
    };
    let shown = format!("/v1/accounts/{id}");
    let account = operator.get(&shown).expect(200);
    assert_eq!((&account["state"], &account["lastError"]), (&json!("unverified"), &Value::Null));
    operator.get(&under(&id, "messages")).expect(200);
    assert_eq!(operator.get(&shown).expect(200)["state"], "connected");

    let wrong = json!({"password": "not-the-canary-password"});
    let changed = operator.json("PATCH", &shown, &wrong).expect(200);
    assert_eq!(changed["state"], "unverified", "it is not verified yet");
    assert_eq!(operator.call("POST", &under(&id, "verify"), &[], b"").expect(200)["ok"], false);
    let account = operator.get("/v1/accounts").expect(200)["accounts"][0].clone();
    assert_eq!(account["state"], "authenticationFailed", "{account:#}");
    let error = &account["lastError"];
    assert_eq!(error["code"], "credentials-refused", "{account:#}");
    assert!(error["at"].as_str().unwrap().ends_with('Z') && !error.to_string().contains("canary"));
    // It survives a restart.
    host.kill();
    let host = site.start();
    let mut operator = site.operator(&host);
    assert_eq!(operator.get(&shown).expect(200)["state"], "authenticationFailed");

    let (email, password) = rig.user(1);
    let right =
        json!({"password": password, "imap": {"username": email}, "smtp": {"username": email}});
    let changed = operator.json("PATCH", &shown, &right).expect(200);
    assert_eq!(changed["state"], "unverified", "the account has another mailbox now: {changed:#}");
    assert_eq!(
        operator.call("POST", &under(&id, "verify"), &[], b"").expect(200)["imap"]["ok"],
        true
    );
    assert_eq!(operator.get(&shown).expect(200)["imap"]["username"], email);
}

#[test]
fn a_certificate_that_expires_soon_causes_a_warning() {
    let Some(rig) = Rig::showing(Certificate::EndsSoon, Options { users: 1 }) else { return };
    let site = Site::on(&rig);
    let host = site.start();
    let account = tls_account(&rig, 1);
    let mut operator = site.operator(&host);
    let tried = operator.json("POST", "/v1/accounts/verify", &account).expect(200);
    assert_eq!(tried["ok"], true, "{tried:#}");
    for half in ["imap", "smtp"] {
        let ends = tried[half]["security"]["certificateExpires"].as_str().unwrap();
        let warning = tried[half]["warnings"][0].as_str().unwrap();
        assert!(warning.contains(ends) && warning.contains("renews"), "{tried:#}");
    }
}

struct Verify {
    operator: Client,
    codes: BTreeSet<String>,
}

impl Verify {
    /// Asserts that both servers fail at this step, with this code and one of the instructions.
    #[track_caller]
    fn both(&mut self, account: &Value, code: &str, step: &str, way_out: &str) {
        let tried = self.tried(account);
        for half in ["imap", "smtp"] {
            self.judge(&tried[half], code, step, way_out);
        }
    }

    #[track_caller]
    fn one(&mut self, account: &Value, half: &str, code: &str, step: &str, way_out: &str) {
        let tried = self.tried(account);
        self.judge(&tried[half], code, step, way_out);
    }

    #[track_caller]
    fn tried(&mut self, account: &Value) -> Value {
        let account = without_nulls(account.clone());
        self.operator.json("POST", "/v1/accounts/verify", &account).expect(200)
    }

    #[track_caller]
    fn judge(&mut self, tried: &Value, code: &str, step: &str, way_out: &str) {
        assert_eq!((&tried["ok"], &tried["code"]), (&json!(false), &json!(code)), "{tried:#}");
        let failed = tried["steps"].as_array().unwrap().last().unwrap();
        assert_eq!((&failed["step"], &failed["ok"]), (&json!(step), &json!(false)), "{tried:#}");
        let detail = tried["detail"].as_str().unwrap();
        assert!(way_out.split('|').any(|way| detail.contains(way)), "{detail}");
        assert!(detail.ends_with('.') || detail.ends_with(')'), "no sentence: {detail}");
        self.codes.insert(code.to_owned());
    }
}

fn without_nulls(mut account: Value) -> Value {
    account.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    account
}

#[track_caller]
fn steps(half: &Value) -> Vec<&str> {
    let steps = half["steps"].as_array().unwrap_or_else(|| panic!("{half:#}"));
    assert!(steps.iter().all(|step| step["ok"] == true), "{half:#}");
    steps.iter().map(|step| step["step"].as_str().unwrap()).collect()
}

fn without(what: &[&str]) -> FaultScript {
    let without = what.iter().map(|word| (*word).to_owned()).collect();
    FaultScript { without, ..FaultScript::default() }
}

fn rules(rules: Vec<Rule>) -> FaultScript {
    FaultScript { rules, ..FaultScript::default() }
}

fn rule(protocol: Protocol, step: &str, fault: Fault) -> Rule {
    Rule { protocol, step: step.to_owned(), fault, times: None }
}

/// Closes every connection after a delay, as a TLS server does with clients that do not begin TLS.
struct Curt {
    port: u16,
}

impl Curt {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || listener.incoming().for_each(drop));
        Self { port }
    }
}

/// OpenSSL, with TLS 1.0 and nothing newer.
struct OldTls {
    port: u16,
    server: Child,
    _files: tempfile::TempDir,
}

impl OldTls {
    fn start() -> Self {
        let files = tempfile::tempdir().unwrap();
        let (key, certificate) = (files.path().join("key.pem"), files.path().join("crt.pem"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=localhost", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Command::new("openssl")
            .args(["s_server", "-quiet", "-tls1", "-cipher", "DEFAULT@SECLEVEL=0", "-accept"])
            .arg(format!("127.0.0.1:{port}"))
            .arg("-key")
            .arg(&key)
            .arg("-cert")
            .arg(&certificate)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("openssl to listen", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { port, server, _files: files }
    }
}

impl Drop for OldTls {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
