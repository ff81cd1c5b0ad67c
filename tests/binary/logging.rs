//! Tests of the log of the real binary: text of guests and strangers forges no entry and does not
//! fill the disk, and a failure is one entry.

use serde_json::{Value, json};

use testkit::process::Host;
use testkit::site::{APPLICATION, Site, connect, server, under};
use testkit::wait::wait_until;

/// The budget of a minute, and room for the host's own lines.
const MOST: usize = (256 << 10) + (32 << 10);

/// A filter to add to an application.
const FILTER: &str = "[[trigger.mail]]\ncomponent = \"judge\"\nhook = \"before-send\"\n\
    [component.judge]\nsource = \"judge.wasm\"\n";

/// The application, open to anonymous callers.
fn public(application: &str) -> String {
    format!("{application}[component.own.tool.postlet]\nauth = \"none\"\n")
}

/// An endpoint that recurses until its stack overflows, in a function of this name (in
/// WebAssembly's text format).
fn falling(name: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(component
        (import "wasi:http/types@0.2.0" (instance $types
            (export "incoming-request" (type (sub resource)))
            (export "response-outparam" (type (sub resource)))))
        (alias export $types "incoming-request" (type $request))
        (alias export $types "response-outparam" (type $out))
        (core module $guest
            (func $deeper (@name "{name}") (call $deeper) (call $deeper))
            (func (export "handle") (param i32 i32) (call $deeper)))
        (core instance $guest (instantiate $guest))
        (func $handle (param "request" (own $request)) (param "response-out" (own $out))
            (canon lift (core func $guest "handle")))
        (instance (export "wasi:http/incoming-handler@0.2.0") (export "handle" (func $handle))))"#
    ))
    .unwrap()
}

#[test]
fn a_failure_is_one_entry_and_a_flood_of_them_is_bounded() {
    let application = public(APPLICATION) + FILTER;
    let site = Site::new(None, &["127.0.0.1:465".to_owned()])
        .with_application(&application, guests::HOSTILE);
    std::fs::write(site.config().with_file_name("judge.wasm"), guests::HOSTILE_FILTER).unwrap();
    let host = site.start();
    let mut operator = site.operator(&host);
    for (path, said) in [
        ("/decline?=7000000", "declined to answer"),
        ("/panic", "trapped"),
        ("/answer-trap", "trapped"),
        ("/no-answer", "no answer"),
        ("/answer-status?=9999", "its status is 9999"),
        ("/answer-length?=1000000", "its content-length is 1000000"),
        ("/answer-late-trap", "trapped"),
    ] {
        let before = lines(&host).len();
        // Some of them break off in the middle of the response; on a connection of its own none is
        // repeated.
        let _ = site.operator(&host).try_call("GET", path, &[], b"");
        wait_until(path, || lines(&host).len() > before);
        // A second entry would have been written before another request is answered.
        operator.get("/-/health").ended(200);
        let log = lines(&host);
        assert_eq!(log.len(), before + 1, "{path}: {:#?}", &log[before..]);
        let entry = log.last().unwrap();
        for part in [said, " WARN ", "component=\"own\"", "tenant=\"acme\"", "request=\"req_"] {
            assert!(entry.contains(part), "{path}: {part} is not in {entry}");
        }
        assert!(entry.len() < 6000, "{path}: {} bytes", entry.len());
    }

    let account = json!({"email": "ann@example.test", "password": "x", "smtp": server("127.0.0.1", 465, "tls")});
    let account = connect(&mut operator, &account);
    let draft = json!({"to": [{"email": "bo@example.test"}], "subject": "trap", "text": "Hi"});
    let before = lines(&host).len();
    let problem = operator.json("POST", &under(&account, "send"), &draft).expect(500);
    assert_eq!(problem["code"], "filter-broken", "{problem}");
    assert_eq!(problem["retryable"], false, "{problem}");
    operator.get("/-/health").ended(200);
    let log = lines(&host);
    assert_eq!(log.len(), before + 1, "{:#?}", &log[before..]);
    for part in ["a filter failed", "trapped", "component=judge", "tenant=acme", "request=req_"] {
        assert!(log[before].contains(part), "{part} is not in {}", log[before]);
    }

    let mut stranger = host.anonymous();
    for _ in 0..200 {
        stranger.get("/t/acme/decline?=1000000").ended(500);
    }
    let log = host.log();
    assert!(log.len() < MOST, "{} bytes of log", log.len());
    check_lines(&log);
    // Anonymous callers have not displaced the tenant's own entries.
    operator.get("/panic").ended(500);
    wait_until("the log entry", || lines(&host).last().unwrap().contains("trapped"));
}

#[test]
fn the_log_budget_of_a_tenant_is_configurable() {
    // Each entry has some hundred bytes.
    for (limit, most) in [("log-lines-per-minute = 3", 3), ("log-bytes-per-minute = 2048", 9)] {
        let site = Site::with(None, &[], &format!("[limits]\n{limit}\n"))
            .with_application(APPLICATION, guests::HOSTILE);
        let host = site.start();
        let mut operator = site.operator(&host);
        for _ in 0..30 {
            operator.get("/panic").ended(500);
        }
        // A later entry would have been written before another request is answered.
        operator.get("/-/health").ended(200);
        let told = lines(&host).iter().filter(|line| line.contains("tenant=\"acme\"")).count();
        assert!((1..=most).contains(&told), "{limit}: {told} entries");
    }
}

#[test]
fn no_function_name_forges_a_line_or_fills_the_log() {
    let forged = r"a\n2026-01-01T00:00:00.000000Z ERROR server: forged\u{1b}[31m\u{202e}\u{2028}";
    let names = [forged.to_owned(), "x".repeat(99_000)];
    for name in names {
        let site = Site::new(None, &[]).with_application(APPLICATION, &falling(&name));
        for format in ["text", "json"] {
            let host = site.start_in(&[("POSTLET_LOG_FORMAT", format)]);
            let mut operator = site.operator(&host);
            let before = lines(&host).len();
            for _ in 0..20 {
                let problem = operator.get("/").expect(500);
                assert_eq!(problem["code"], "component-failed");
            }
            wait_until("twenty entries", || lines(&host).len() >= before + 20);
            operator.get("/-/health").ended(200);
            let log = lines(&host);
            assert_eq!(log.len(), before + 20, "{:#?}", log.last());
            assert!(host.log().len() < 20 * 6000, "{} bytes", host.log().len());
            if format == "json" {
                for line in log.iter().skip(before) {
                    let entry: Value = serde_json::from_str(line).unwrap();
                    assert_eq!(entry["tenant"], "acme", "{entry}");
                    assert_eq!(entry["component"], "own", "{entry}");
                    assert!(entry["message"].as_str().unwrap().contains("call stack exhausted"));
                }
            } else {
                check_lines(&host.log());
            }
        }
    }
}

fn lines(host: &Host) -> Vec<String> {
    host.log().lines().map(str::to_owned).collect()
}

/// Asserts that every line begins as an entry, is from the host, and contains no control character.
fn check_lines(log: &str) {
    for line in log.lines() {
        let shown: String = line.chars().take(200).collect();
        let mut words = line.split_whitespace();
        let time = words.next().unwrap_or_default();
        assert!(time.starts_with("20") && time.ends_with('Z'), "{shown}");
        let level = words.next().unwrap_or_default();
        assert!(["ERROR", "WARN", "INFO", "DEBUG"].contains(&level), "{shown}");
        assert!(!(level == "ERROR" && words.next() == Some("server:")), "{shown}");
        assert!(!line.chars().any(rules::foreign_text::steers), "{shown}");
    }
}
