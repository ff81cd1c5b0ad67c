//! What `/-/openapi.json` shows is what is enforced, before an instance exists.

use expect_test::expect_file;
use guests::describer;
use serde_json::Value;

use crate::cases::cases;
use crate::site::{Site, Who, golden};

const MANIFEST: &str = "spin_manifest_version = 2\n[application]\nname = \"things\"\n\
    [[trigger.http]]\nroute = \"/things\"\ncomponent = \"own\"\n\
    [component.own]\nsource = \"own.wasm\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_of_the_default_application_is_known() {
    let site = Site::start().await;
    let answer = site.get(Who::Nobody, "/-/openapi.json").await;
    assert_eq!(answer.status, 200);
    expect_file![golden("openapi.json")].assert_eq(&format!("{:#}\n", answer.json()));
    let page = site.get(Who::Nobody, "/-/docs").await;
    assert_eq!(page.status, 200);
    // Nothing from anywhere else.
    for foreign in ["http://", "https://", "src=", "@import", " url("] {
        assert!(!page.body.contains(foreign), "{foreign}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_schema_that_is_shown_is_enforced() {
    let site = Site::start().await;
    site.deploy(MANIFEST, &describer("fine")).await.unwrap();
    let document = site.get(Who::Acme, "/-/openapi.json").await.json();
    let mut bodies = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        // Tokens need another scope, and accounts would be made.
        if path.starts_with("/v1/tokens") || path == "/v1/accounts" || path.ends_with("/verify") {
            continue;
        }
        for (method, operation) in item.as_object().unwrap() {
            let media = &operation["requestBody"]["content"]["application/json"];
            if media.is_null() {
                continue;
            }
            let (schema, example) = (&media["schema"], &media["example"]);
            assert!(!example.is_null(), "{method} {path} has no example");
            let path = path.replace("{account}", "none").replace("{message}", "none");
            let cases = cases(schema, example);
            assert!(cases.bad.len() > 3, "{path}: {cases:?}");
            for (what, body) in &cases.good {
                let code = sent(&site, method, &path, body).await;
                assert_ne!(code, "invalid-body", "{method} {path}: {what}: {body}");
            }
            let before = site.host.counters().created;
            for (what, body) in &cases.bad {
                let code = sent(&site, method, &path, body).await;
                assert_eq!(code, "invalid-body", "{method} {path}: {what}: {body}");
            }
            assert_eq!(site.host.counters().created, before, "{method} {path}");
            bodies += 1;
        }
    }
    assert!(bodies >= 4, "{bodies} operations have a body");
}

async fn sent(site: &Site, method: &str, path: &str, body: &Value) -> String {
    let method = method.to_ascii_uppercase();
    let answer = site.ask(Who::Acme, &method, path, Some(&body.to_string())).await;
    answer.code()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_invalid_bodies_make_no_instance() {
    let site = Site::start().await;
    site.deploy(MANIFEST, &describer("fine")).await.unwrap();
    let before = site.host.counters().created;
    for round in 0..1000 {
        let body = format!("{{\"name\": \"Ann\", \"count\": {round}, \"more\": true}}");
        let answer = site.ask(Who::Acme, "POST", "/things", Some(&body)).await;
        assert_eq!((answer.status, answer.code().as_str()), (422, "invalid-body"), "{answer:?}");
    }
    assert_eq!(site.host.counters().created, before);
    let body = r#"{"name": "ann", "count": 3}"#;
    assert_eq!(site.ask(Who::Acme, "POST", "/things", Some(body)).await.status, 200);
    assert_eq!(site.host.counters().created, before + 1);
}
