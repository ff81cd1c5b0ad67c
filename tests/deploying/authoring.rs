//! `postlet dev` as an author sees it: what components write, what filters decide, and what is held back.

use serde_json::json;

use crate::watching::Dev;

const ACCOUNT: &str = "/v1/accounts/anna/send";

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
async fn a_first_deploy_that_fails_holds_mail_back_and_another_command_builds() {
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

    // A build that fails is no way past the filter either.
    std::fs::write(&file, manifest("exit 3")).unwrap();
    dev.hears("mail is held back that its filters should judge");
    assert_eq!(dev.post(ACCOUNT, &draft("fine")).await.0, 503);

    // Nothing has changed but the command.
    std::fs::write(&file, manifest("cp given.wasm judge.wasm")).unwrap();
    dev.hears("building judge: cp given.wasm judge.wasm");
    dev.hears("is served");
    assert_eq!(dev.post(ACCOUNT, &draft("fine")).await.0, 202);
    assert_eq!(dev.post(ACCOUNT, &draft("reject")).await.0, 422);

    // What was served is still served when a later one fails.
    std::fs::write(&file, manifest("exit 4")).unwrap();
    dev.hears("what was served is still served");
    assert_eq!(dev.post(ACCOUNT, &draft("fine")).await.0, 202);
    assert_eq!(dev.post(ACCOUNT, &draft("reject")).await.0, 422);
}
