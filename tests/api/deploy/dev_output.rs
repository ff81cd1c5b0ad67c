//! Tests of the output of `postlet dev`: what components write, the verdicts of filters, and
//! warnings.

use serde_json::json;

use crate::deploy::dev_watch::Dev;

const ACCOUNT: &str = "/v1/accounts/anna/send";

/// An endpoint that misbehaves by path, and a filter without grants that misbehaves by subject.
const BOTH: &str = r#"spin_manifest_version = 2
[application]
name = "mine"
[[trigger.http]]
route = "/own/..."
component = "own"
[[trigger.mail]]
component = "judge"
hook = "before-send"
mode = "shadow"
[component.own]
source = "own.wasm"
[component.judge]
source = "judge.wasm"
[component.judge.tool.postlet]
edits = ["add-footer"]
"#;

fn directory(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(directory.path().join(name), bytes).unwrap();
    }
    directory
}

fn draft(subject: &str) -> String {
    let to = json!([{"email": "bob@mailroom.test"}]);
    json!({"to": to, "subject": subject, "text": "Hi"}).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guest_output_and_a_panic_are_shown_once_with_their_request_id() {
    let files: [(&str, &[u8]); 3] = [
        ("spin.toml", BOTH.as_bytes()),
        ("own.wasm", guests::ASYNC),
        ("judge.wasm", guests::HOSTILE_FILTER),
    ];
    let directory = directory(&files);
    let dev = Dev::start(&directory.path().join("spin.toml"));
    dev.hears("is served");

    // Both streams, of WASI 0.3.
    assert_eq!(dev.get("/own/say?token=secret").await.0, 200);
    let line = dev.hears("over stderr");
    for part in ["component=own", "request=\"req_", "method=\"GET\"", "path=\"/own/say\""] {
        assert!(line.contains(part), "{part} is not in {line}");
    }

    // The panic's message once, and the failure once.
    assert_eq!(dev.get("/own/panic").await.0, 500);
    assert_eq!(dev.get("/-/health").await.0, 200);
    let mut lines = dev.until("the component trapped");
    lines.extend(dev.rest());
    for words in
        ["panicked at tests/guests/async/src/lib.rs:", "on request", "the component trapped"]
    {
        let found: Vec<_> = lines.iter().filter(|line| line.contains(words)).collect();
        assert_eq!(found.len(), 1, "{words}: {lines:#?}");
        for part in ["own", "request=\"req_", "method=\"GET\"", "path=\"/own/panic\""] {
            assert!(found[0].contains(part), "{part} is not in {}", found[0]);
        }
    }
    assert!(!lines.iter().any(|line| line.contains("secret")), "{lines:#?}");

    // Edits of a shadow filter, including those without a grant.
    assert_eq!(dev.post(ACCOUNT, &draft("edit")).await.0, 202);
    let line = dev.hears("a shadow filter judged a message");
    assert!(line.contains("why=\"add-header, set-subject, add-footer\""), "{line}");
    assert!(line.contains("not_granted=\"add-header, set-subject\""), "{line}");

    // A filter's panic, with the id of the request that it judged.
    assert_eq!(dev.post(ACCOUNT, &draft("trap")).await.0, 202);
    let line = dev.hears("panicked at tests/guests/hostile-filter/src/lib.rs:");
    for part in ["component=judge", "method=\"POST\"", "path=\"/v1/accounts/anna/send\""] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
}

/// The request id of a failure leads to a log entry, however much components wrote before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_component_is_reported_and_endless_output_hides_no_failure() {
    let files: [(&str, &[u8]); 3] = [
        ("spin.toml", BOTH.as_bytes()),
        ("own.wasm", guests::HOSTILE),
        ("judge.wasm", guests::HOSTILE_FILTER),
    ];
    let directory = directory(&files);
    let own = directory.path().join("own.wasm");
    // A custom section (WebAssembly core 3.0 §5.5.3) of 2 MiB makes it large.
    let padding = [&[0, 0x81, 0x80, 0x80, 1, 0][..], &[0; 2 << 20]].concat();
    std::fs::write(&own, [guests::HOSTILE, &padding].concat()).unwrap();
    let dev = Dev::start(&directory.path().join("spin.toml"));
    let line = dev.hears("compiling a large component");
    let bytes = format!("bytes={}", own.metadata().unwrap().len());
    assert!(line.contains("component=\"own\"") && line.contains(&bytes), "{line}");
    let line = dev.hears("the compilation of a component has ended");
    let of = ["component=\"own\"", "tenant=\"demo\"", "seconds="];
    assert!(of.iter().all(|part| line.contains(part)), "{line}");
    dev.hears("is served");
    for _ in 0..5 {
        assert!(dev.get("/own/log-flood").await.0 >= 500);
    }
    let line = dev.hears("until it ends lines are dropped");
    assert!(line.contains("tenant=\"demo\""), "{line}");
    let (status, problem) = dev.get("/own/panic").await;
    let problem: serde_json::Value = serde_json::from_str(&problem).unwrap();
    assert_eq!(status, 500, "{problem}");
    let line = dev.hears(problem["requestId"].as_str().unwrap());
    assert!(line.contains("the component trapped"), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_first_deployment_holds_mail_back_until_a_build_succeeds() {
    let manifest = |command: &str| {
        format!(
            r#"spin_manifest_version = 2
[application]
name = "judged"
[[trigger.mail]]
component = "judge"
hook = "before-send"
[component.judge]
source = "judge.wasm"
[component.judge.build]
command = "{command}"
watch = ["none/**"]
"#
        )
    };
    let files: [(&str, &[u8]); 2] =
        [("spin.toml", b"nonsense"), ("given.wasm", guests::HOSTILE_FILTER)];
    let directory = directory(&files);
    let file = directory.path().join("spin.toml");
    let dev = Dev::start(&file);
    dev.hears("only the default application is served, and mail is held back");
    let answer = dev.post(ACCOUNT, &draft("fine")).await;
    assert!(answer.0 == 503 && answer.1.contains("\"code\":\"unavailable\""), "{answer:?}");

    // A failed build does not disable the filter either.
    std::fs::write(&file, manifest("exit 3")).unwrap();
    dev.hears("mail is held back until its filters are deployed");
    assert_eq!(dev.post(ACCOUNT, &draft("fine")).await.0, 503);

    // Only the build command has changed.
    std::fs::write(&file, manifest("cp given.wasm judge.wasm")).unwrap();
    dev.hears("building judge: cp given.wasm judge.wasm");
    dev.hears("is served");
    assert_eq!(dev.post(ACCOUNT, &draft("fine")).await.0, 202);
    assert_eq!(dev.post(ACCOUNT, &draft("reject")).await.0, 422);

    // The previous deployment is still served when a later one fails.
    std::fs::write(&file, manifest("exit 4")).unwrap();
    dev.hears("the previous version is still served");
    assert_eq!(dev.post(ACCOUNT, &draft("fine")).await.0, 202);
    assert_eq!(dev.post(ACCOUNT, &draft("reject")).await.0, 422);
}
