//! Tests of the OpenAPI document: it is complete, and what it describes is enforced before an
//! instance exists.

use expect_test::expect_file;
use guests::describer;
use serde_json::Value;

use crate::deploy::schema_cases::cases;
use crate::deploy::site::{Site, Who, golden};

const MANIFEST: &str = "spin_manifest_version = 2\n[application]\nname = \"things\"\n\
    [[trigger.http]]\nroute = \"/things\"\ncomponent = \"own\"\n\
    [component.own]\nsource = \"own.wasm\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_of_the_default_application_matches_its_golden_file() {
    let site = Site::start().await;
    let answer = site.get(Who::Nobody, "/-/openapi.json").await;
    assert_eq!(answer.status, 200);
    expect_file![golden("openapi.json")].assert_eq(&format!("{:#}\n", answer.json()));
    let page = site.get(Who::Nobody, "/-/docs").await;
    assert_eq!(page.status, 200);
    // References point into the document only.
    for foreign in ["http://", "https://", "src=", "@import", " url("] {
        assert!(!page.body.contains(foreign), "{foreign}");
    }
}

/// Client generators require that every reference points into the document, no schema has an
/// identifier of its own, and every body and every error response has a schema.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_suits_client_generators_and_a_tenants_component_renames_nothing() {
    let site = Site::start().await;
    let default = site.get(Who::Nobody, "/-/openapi.json").await.json();
    site.deploy(MANIFEST, &describer("fine")).await.unwrap();
    let own = site.get(Who::Acme, "/-/openapi.json").await.json();
    for document in [&default, &own] {
        refers(document, document);
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let place = format!("{method} {path}");
                let body = operation["requestBody"]["content"].as_object();
                for (kind, media) in body.into_iter().flatten() {
                    assert!(media["schema"].is_object(), "{place}: {kind}");
                }
                let refused = ["4XX", "5XX"].map(|range| &operation["responses"][range]["$ref"]);
                assert_eq!(refused, ["#/components/responses/problem"; 2], "{place}");
                assert!(operation["responses"].get("default").is_none(), "{place}");
            }
        }
    }
    typed(&default["components"]);
    typed(&default["paths"]);
    let problem = &default["components"]["responses"]["problem"]["content"];
    let schema = &problem["application/problem+json"]["schema"]["$ref"];
    assert_eq!(schema, "#/components/schemas/Problem");
    for (name, schema) in default["components"]["schemas"].as_object().unwrap() {
        assert_eq!(&own["components"]["schemas"][name], schema, "{name}");
    }
    let patch = &default["paths"]["/v1/accounts/{account}"]["patch"]["requestBody"]["content"];
    assert_eq!(patch["application/merge-patch+json"], patch["application/json"]);
    let answers = |path: &str, status: &str| {
        let content = &default["paths"][path]["get"]["responses"][status]["content"];
        content.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    let metrics = ["application/openmetrics-text; version=1.0.0; charset=utf-8"];
    assert_eq!(answers("/-/metrics", "200"), metrics);
    assert_eq!(answers("/-/oauth/callback", "200"), ["text/html; charset=utf-8"]);
    let both = ["application/problem+json", "text/html; charset=utf-8"];
    assert_eq!(answers("/-/oauth/callback", "400"), both);
}

/// Generated clients send only header fields that the document lists.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn header_fields_are_documented_where_they_are_used() {
    let site = Site::start().await;
    let document = site.get(Who::Nobody, "/-/openapi.json").await.json();
    let mut shown = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for parameter in operation["parameters"].as_array().unwrap() {
                if parameter["in"] == "header" {
                    let (_, end) = path.rsplit_once('/').unwrap();
                    shown.push(format!("{method} {end} {}", parameter["name"].as_str().unwrap()));
                }
            }
        }
    }
    let mut want = vec!["post send Idempotency-Key".to_owned()];
    for download in ["html", "{n}", "{path}", "raw"] {
        for name in ["Range", "If-Range", "If-None-Match"] {
            want.push(format!("get {download} {name}"));
        }
    }
    shown.sort();
    want.sort();
    assert_eq!(shown, want);
}

/// Generators derive function names from operation ids: they are words, and unique.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_have_readable_ids_and_parameters_have_descriptions() {
    let site = Site::start().await;
    let document = site.get(Who::Nobody, "/-/openapi.json").await.json();
    let mut seen = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            let is_name = id.bytes().all(|byte| byte.is_ascii_alphabetic());
            assert!(is_name && !id.contains("V1"), "{method} {path}: {id}");
            assert!(!seen.contains(&id), "{id}");
            seen.push(id);
            for parameter in operation["parameters"].as_array().unwrap() {
                assert!(parameter["description"].is_string(), "{method} {path}: {parameter}");
            }
            let tag = &operation["tags"][0];
            assert_eq!(tag == "tokens", path.starts_with("/v1/tokens"), "{path}");
        }
    }
    for id in ["listMessages", "getMessage", "sendMessage", "listAccounts"] {
        assert!(seen.iter().any(|seen| seen == id), "{id}");
    }
    let names = document["components"]["schemas"].as_object().unwrap();
    assert!(!names.contains_key("MessagesAddress") && names.contains_key("MailAddress"));
}

fn refers(document: &Value, part: &Value) {
    match part {
        Value::Object(members) => {
            for keyword in ["$id", "$defs"] {
                assert!(!members.contains_key(keyword), "{part}");
            }
            if let Some(to) = members.get("$ref").and_then(Value::as_str) {
                let found = to.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
                assert!(found.is_some(), "the reference {to} is not resolved");
            }
            members.values().for_each(|inner| refers(document, inner));
        }
        Value::Array(items) => items.iter().for_each(|inner| refers(document, inner)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A generator that finds no type beside `enum` or `const` guesses, or omits the schema; and it
/// names a type after its title, so titles are unique.
fn typed(part: &Value) {
    if let Some(members) = part.as_object() {
        let has = |keyword: &str| members.contains_key(keyword);
        // A `const` in `not` is no value that a client sends.
        let fits = members.keys().eq(["const"]) || has("type") || !(has("enum") || has("const"));
        assert!(fits, "{part}");
        assert!(!members.get("title").is_some_and(Value::is_string), "{part}");
    }
    match part {
        Value::Object(members) => members.values().for_each(typed),
        Value::Array(items) => items.iter().for_each(typed),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_documented_schema_is_enforced() {
    let site = Site::start().await;
    site.deploy(MANIFEST, &describer("fine")).await.unwrap();
    let document = site.get(Who::Acme, "/-/openapi.json").await.json();
    let mut bodies = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        // Tokens need another scope, and accounts would be created.
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
            let cases = cases(&document, schema, example);
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
async fn a_thousand_invalid_bodies_start_no_instance() {
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
