//! Tests of before-send filters in a manifest: a filter judges its own tenant's messages only.

use crate::deploy::site::{Site, Who};
use testkit::raw_http::Answer;

const FILTER: &str = r#"spin_manifest_version = 2

[application]
name = "judged"

[[trigger.mail]]
component = "own"
hook = "before-send"

[component.own]
source = "own.wasm"
environment = { BLOCKED_DOMAINS = "blocked.test", FOOTER_TEXT = "Sent by Acme" }

[component.own.tool.postlet]
edits = ["add-footer"]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_of_a_manifest_judges_its_tenants_messages_only() {
    let site = Site::start().await;
    for who in [Who::Acme, Who::Globex] {
        let account = r#"{"id": "ann", "email": "ann@example.test", "password": "x",
            "smtp": {"host": "127.0.0.1", "port": 465, "security": "tls"}}"#;
        assert_eq!(site.ask(who, "POST", "/v1/accounts", Some(account)).await.status, 201);
    }
    assert_eq!(send(&site, Who::Acme, "bo@blocked.test").await.status, 202);

    site.deploy(FILTER, components::FILTER_FOOTER).await.unwrap();
    let answer = send(&site, Who::Acme, "bo@blocked.test").await;
    assert_eq!((answer.status, answer.code().as_str()), (422, "rejected-by-filter"), "{answer:?}");
    assert_eq!(answer.json()["filter"], "own");
    assert_eq!(send(&site, Who::Acme, "bo@example.test").await.status, 202);
    assert_eq!(send(&site, Who::Globex, "bo@blocked.test").await.status, 202);

    // The same filter without its grant.
    let ungranted = FILTER.replace("edits = [\"add-footer\"]", "edits = []");
    site.deploy(&ungranted, components::FILTER_FOOTER).await.unwrap();
    let answer = send(&site, Who::Acme, "bo@example.test").await;
    assert_eq!(answer.code(), "edit-not-granted", "{answer:?}");

    // An unsupported setting is refused, and the running filter stays.
    for (from, to) in [("before-send", "on-fetch"), ("edits = [", "read = \"headers\"\nedits = [")]
    {
        assert!(site.deploy(&FILTER.replace(from, to), components::FILTER_FOOTER).await.is_err());
    }
    assert_eq!(send(&site, Who::Acme, "bo@blocked.test").await.code(), "rejected-by-filter");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_that_could_not_be_deployed_at_start_blocks_sending() {
    let account = r#"{"id": "ann", "email": "ann@example.test", "password": "x",
        "smtp": {"host": "127.0.0.1", "port": 465, "security": "tls"}}"#;
    // Its component is missing; it is no manifest; it is fail-open.
    let open = FILTER.replace("hook = ", "on-error = \"open\"\nhook = ");
    let closed = FILTER.replace("hook = ", "on-error = \"closed\"\nhook = ");
    for (manifest, status) in [(closed.as_str(), 503), ("nonsense", 503), (open.as_str(), 202)] {
        let site = Site::with_application(manifest).await;
        let undeployed = async || {
            let answer = site.get(Who::Nobody, "/-/ready").await;
            (answer.status, answer.json()["applicationsNotDeployed"].clone())
        };
        // The host serves requests, and reports that one application is missing.
        assert_eq!(undeployed().await, (200, 1.into()), "{manifest}");
        for who in [Who::Acme, Who::Globex] {
            assert_eq!(site.ask(who, "POST", "/v1/accounts", Some(account)).await.status, 201);
        }
        let answer = send(&site, Who::Acme, "bo@example.test").await;
        assert_eq!(answer.status, status, "{manifest}: {answer:?}");
        assert_eq!(send(&site, Who::Globex, "bo@example.test").await.status, 202);
        site.deploy(&closed, components::FILTER_FOOTER).await.unwrap();
        assert_eq!(undeployed().await, (200, 0.into()), "{manifest}");
        assert_eq!(send(&site, Who::Acme, "bo@example.test").await.status, 202);
        assert_eq!(send(&site, Who::Acme, "bo@blocked.test").await.code(), "rejected-by-filter");
    }
}

async fn send(site: &Site, who: Who, to: &str) -> Answer {
    let draft = format!(r#"{{"to": [{{"email": "{to}"}}], "subject": "Hi", "text": "Hello"}}"#);
    site.ask(who, "POST", "/v1/accounts/ann/send", Some(&draft)).await
}
