//! Tests of the host's own routes: requests are accepted and refused as the OpenAPI document says.

use serde_json::Value;

use crate::deploy::site::{Site, Who};

/// Where any query parameter is accepted.
const ANY_QUERY: [&str; 3] = ["/-/health", "/-/ready", "/-/oauth/callback"];

/// Path and methods of every operation of the host.
fn operations(document: &Value) -> Vec<(String, Vec<(String, Value)>)> {
    let is_host = |operation: &Value| {
        ["host", "accounts", "tokens"].iter().any(|tag| operation["tags"][0] == *tag)
    };
    let paths = document["paths"].as_object().unwrap().iter();
    let paths = paths.map(|(path, item)| {
        let methods = item.as_object().unwrap().iter().filter(|(_, one)| is_host(one));
        let methods = methods.map(|(method, one)| (method.to_ascii_uppercase(), one.clone()));
        (path.clone(), methods.collect::<Vec<_>>())
    });
    paths.filter(|(_, methods)| !methods.is_empty()).collect()
}

/// A path with a value for each parameter.
fn filled(path: &str) -> String {
    ["account", "token", "file"]
        .iter()
        .fold(path.to_owned(), |path, name| path.replace(&format!("{{{name}}}"), "none"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn allow_lists_the_documented_methods_of_each_path() {
    let site = Site::start().await;
    let document = site.get(Who::Nobody, "/-/openapi.json").await.json();
    let operations = operations(&document);
    assert!(operations.len() >= 19, "{operations:?}");
    for (path, methods) in operations {
        let answer = site.ask(Who::Acme, "TRACE", &filled(&path), None).await;
        assert_eq!((answer.status, answer.code().as_str()), (405, "method-not-allowed"), "{path}");
        let allow = answer.head.lines().find_map(|line| line.strip_prefix("allow: ")).unwrap();
        let mut allow: Vec<&str> = allow.split(", ").collect();
        let mut want: Vec<&str> = methods.iter().map(|(method, _)| method.as_str()).collect();
        if want.contains(&"GET") {
            want.push("HEAD");
        }
        allow.sort_unstable();
        want.sort_unstable();
        assert_eq!(allow, want, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_scope_query_and_body_are_checked_as_documented() {
    let site = Site::start().await;
    let document = site.get(Who::Nobody, "/-/openapi.json").await.json();
    let api = include_str!("../../../docs/api.md");
    for (path, methods) in operations(&document) {
        for (method, operation) in methods {
            let (place, path) = (format!("{method} {path}"), filled(&path));
            let nonsense = format!("{path}?nonsense=1");
            let anonymous = site.ask(Who::Nobody, &method, &path, None).await;
            let Some(scopes) = operation["security"][0]["token"].as_array() else {
                assert_ne!(anonymous.status, 401, "{place}");
                let answer = site.ask(Who::Nobody, &method, &nonsense, None).await;
                let any = ANY_QUERY.contains(&path.as_str());
                assert_eq!(answer.body.contains("invalid-query"), !any, "{place}: {answer:?}");
                continue;
            };
            assert_eq!((anonymous.status, anonymous.code().as_str()), (401, "unauthenticated"));
            let answer = site.ask(Who::Acme, &method, &nonsense, None).await;
            if scopes.iter().any(|scope| scope == "operate") {
                assert_eq!(answer.json()["scope"], "operate", "{place}: {answer:?}");
                assert_eq!((answer.status, answer.code().as_str()), (403, "forbidden"), "{place}");
                continue;
            }
            assert_eq!((answer.status, answer.code().as_str()), (400, "invalid-query"), "{place}");
            assert_eq!(answer.json()["parameter"], "nonsense", "{place}");
            if !operation["requestBody"].is_null() || method == "POST" {
                let answer = site.ask(Who::Acme, &method, &path, Some("{\"nonsense\": 1}")).await;
                let got = (answer.status, answer.code());
                assert_eq!(got, (422, "invalid-body".to_owned()), "{place}: {answer:?}");
            }
        }
    }
    for (path, methods) in operations(&document) {
        assert!(api.contains(&path), "docs/api.md lacks {path}: {methods:?}");
    }
}
