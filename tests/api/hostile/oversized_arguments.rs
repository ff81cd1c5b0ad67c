//! Tests of oversized arguments of host calls.

use serde_json::json;

use crate::deploy::site::Who;
use crate::hostile::fixture::{Ground, weighed};

const ACCOUNT: &str = r#"{"id": "bo", "email": "bo@example.test", "password": "x",
    "smtp": {"host": "127.0.0.1", "port": 465, "security": "tls"}}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_argument_that_is_too_long_is_refused_with_its_limit_and_stores_nothing() {
    let ground = Ground::hostile("instances = 8\ncpu-millis = 30000").await;
    let made = ground.site.ask(Who::Acme, "POST", "/v1/accounts", Some(ACCOUNT)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let entries =
        |member: &str, most| format!("`{member}` has 100000 entries; a call takes {most} at most");
    let bytes =
        |member: &str, most| format!("`{member}` has 100000 bytes; a call takes {most} at most");
    for (list, code, detail) in [
        ("keys", "invalid-body", entries("keys", 1000)),
        ("moved", "invalid-body", entries("keys", 1000)),
        ("flags", "invalid-body", entries("flags", 100)),
        ("mailbox", "invalid-body", bytes("mailbox", 4096)),
        ("to", "invalid-draft", entries("to", 1000)),
        ("headers", "invalid-draft", entries("headers", 1000)),
        ("subject", "invalid-draft", bytes("subject", 65_536)),
    ] {
        let path = format!("/hand?account=bo&count=100000&list={list}");
        let several = async {
            for _ in 0..4 {
                let told = ground.site.get(Who::Acme, &path).await;
                let mut want = json!({ "code": code, "detail": detail });
                if code == "invalid-body" {
                    want["answers"] = json!(1);
                }
                assert_eq!((told.status, &told.json()), (200, &want), "{list}");
            }
        };
        let ((), _, after) = weighed(ground.beside(several)).await;
        assert!(after <= 40, "{list}: {after} MiB remain");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domain_lookup_needs_the_read_scope() {
    let ground = Ground::empty("instances = 8\n[discovery]\nnetwork = false").await;
    let public = "spin_manifest_version = 2\n[application]\nname = \"own\"\n\
        [[trigger.http]]\nroute = \"/...\"\ncomponent = \"own\"\n\
        [component.own]\nsource = \"own.wasm\"\n[component.own.tool.postlet]\nauth = \"none\"\n";
    ground.site.deploy(public, guests::HOSTILE).await.unwrap();
    let path = "/t/acme/look-up?domain=gmail.com";
    let told = ground.site.get(Who::Nobody, path).await.json();
    assert_eq!(told["lookUp"]["code"], "forbidden", "{told}");
    let why =
        "without a token component `own` needs `read = \"all\"` in [component.own.tool.postlet]";
    assert_eq!(told["discover"], json!([why]));
    let told = ground.site.get(Who::Acme, "/look-up?domain=gmail.com").await.json();
    assert_eq!(told["lookUp"]["found"], true, "{told}");
}
