//! Tests of tenant selection and of anonymous access: token, host name and path must agree, and
//! without a token only the manifest's grants apply.

use guests::describer;

use crate::deploy::site::{Site, Who};
use testkit::raw_http::Answer;

const HOST: &str = "mail.acme.example";

const MANIFEST: &str = r#"spin_manifest_version = 2
[application]
name = "public"
[[trigger.http]]
route = "/robots.txt"
static_response = { body = "Disallow: /" }
[[trigger.http]]
route = "/show/..."
component = "own"
[component.own]
source = "own.wasm"
"#;

const PUBLIC: &str = "[component.own.tool.postlet]\nauth = \"none\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_routes_are_reached_by_its_host_name_its_path_and_its_token() {
    let site = Site::start().await;
    site.deploy(MANIFEST, guests::HOSTILE).await.unwrap();
    // (host name, caller, path, status, problem)
    for (name, who, path, want) in [
        (HOST, Who::Nobody, "/robots.txt", (200, "")),
        ("MAIL.Acme.Example.:7400", Who::Nobody, "/robots.txt", (200, "")),
        ("test", Who::Nobody, "/t/acme/robots.txt", (200, "")),
        ("test", Who::Acme, "/robots.txt", (200, "")),
        (HOST, Who::Acme, "/t/acme/robots.txt", (200, "")),
        ("test", Who::Nobody, "/robots.txt", (404, "not-found")),
        ("globex.example", Who::Nobody, "/robots.txt", (404, "not-found")),
        ("test", Who::Nobody, "/t/globex/robots.txt", (404, "not-found")),
        ("test", Who::Nobody, "/t/none/robots.txt", (404, "not-found")),
        (HOST, Who::Nobody, "/t/globex/-/health", (404, "not-found")),
        (HOST, Who::Nobody, "/t/acme/-/health", (200, "")),
        // A component requires a token unless its manifest says otherwise.
        (HOST, Who::Nobody, "/show/", (401, "unauthenticated")),
        ("test", Who::Nobody, "/t/acme/show/", (401, "unauthenticated")),
        (HOST, Who::Acme, "/show/", (200, "")),
        ("test", Who::Acme, "/t/acme/show/", (200, "")),
        // Another tenant's token is unknown here, wherever it is presented.
        (HOST, Who::Globex, "/show/", (401, "unauthenticated")),
        (HOST, Who::Globex, "/robots.txt", (401, "unauthenticated")),
        ("test", Who::Globex, "/t/acme/show/", (401, "unauthenticated")),
        (HOST, Who::Globex, "/v1/accounts", (401, "unauthenticated")),
        ("test", Who::Globex, "/t/acme/v1/accounts", (401, "unauthenticated")),
        (HOST, Who::Globex, "/v1/accounts/none/mailboxes", (401, "unauthenticated")),
        (HOST, Who::Globex, "/-/openapi.json", (401, "unauthenticated")),
        ("globex.example", Who::Globex, "/v1/accounts", (200, "")),
        ("test", Who::Globex, "/t/globex/v1/accounts", (200, "")),
    ] {
        let answer = site.ask_at(name, who, "GET", path, None).await;
        check(&answer, want, &format!("{who:?} http://{name}{path}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_receives_its_public_address() {
    let site = Site::start().await;
    site.deploy(MANIFEST, guests::HOSTILE).await.unwrap();
    for (path, base) in [("/show/", "/"), ("/t/acme/show/", "/t/acme")] {
        let answer = site.ask_at(HOST, Who::Acme, "GET", &format!("{path}?x=%2F"), None).await;
        let told = answer.json();
        for (name, want) in [
            ("spin-base-path", base),
            ("spin-full-url", &format!("http://{HOST}{path}?x=%2F")),
            ("spin-matched-route", "/show/..."),
            ("spin-path-info", "/"),
        ] {
            let fields = told["fields"].as_array().unwrap();
            let held: Vec<_> = fields.iter().filter(|field| field[0] == name).collect();
            assert_eq!(held, [&serde_json::json!([name, want])], "{told:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_only_the_accounts_named_in_the_manifest_open() {
    let site = Site::start().await;
    for id in ["shop", "private"] {
        let account = format!(
            r#"{{"id": "{id}", "email": "{id}@example.test", "password": "x",
               "smtp": {{"host": "127.0.0.1", "port": 465, "security": "tls"}}}}"#
        );
        assert_eq!(site.ask(Who::Acme, "POST", "/v1/accounts", Some(&account)).await.status, 201);
    }
    let named = format!("{MANIFEST}{PUBLIC}accounts = [\"shop\"]\n");
    let all = format!("{MANIFEST}{PUBLIC}");
    // (manifest, caller, account, status, problem)
    for (manifest, who, account, want) in [
        (&named, Who::Nobody, "shop", (200, "")),
        (&named, Who::Nobody, "private", (404, "no-such-account")),
        (&named, Who::Acme, "private", (404, "no-such-account")),
        (&named, Who::Globex, "shop", (401, "unauthenticated")),
        // Without names nothing is granted, except to a caller with a token.
        (&all, Who::Nobody, "shop", (404, "no-such-account")),
        (&all, Who::Acme, "private", (200, "")),
    ] {
        site.deploy(manifest, guests::HOSTILE).await.unwrap();
        let path = format!("/show/open-other?account={account}");
        let answer = site.ask_at(HOST, who, "GET", &path, None).await;
        check(&answer, want, &format!("{who:?} {account}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_only_what_the_manifest_grants_is_allowed() {
    let site = Site::start().await;
    let manifest = MANIFEST.replace("/show/...", "/things") + PUBLIC;
    let body = Some(r#"{"name": "ann", "count": 3}"#);
    for (grant, status) in [("", 401), ("send = true\n", 401), ("read = \"all\"\n", 200)] {
        site.deploy(&format!("{manifest}{grant}"), &describer("fine")).await.unwrap();
        let answer = site.ask_at(HOST, Who::Nobody, "POST", "/things", body).await;
        assert_eq!(answer.status, status, "{grant:?}: {answer:?}");
        let document = site.get(Who::Acme, "/-/openapi.json").await.json();
        let security = &document["paths"]["/things"]["post"]["security"];
        assert_eq!(security.as_array().unwrap().is_empty(), status == 200, "{grant:?}");
        assert_eq!(site.ask(Who::Acme, "POST", "/things", body).await.status, 200);
    }
}

/// A missing grant is not reported as a fault of the token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_grant_is_reported_with_component_and_key() {
    let site = Site::start().await;
    let account = r#"{"id": "shop", "email": "shop@example.test", "password": "x",
        "smtp": {"host": "127.0.0.1", "port": 465, "security": "tls"}}"#;
    assert_eq!(site.ask(Who::Acme, "POST", "/v1/accounts", Some(account)).await.status, 201);
    let own = "[component.own.tool.postlet]";
    let submits = "/show/hand?account=shop&list=subject&count=1";
    let trashes = "/show/hand?account=shop&list=keys&count=1";
    let (acme, nobody) = (Who::Acme, Who::Nobody);
    // (grants, caller, path, detail)
    for (grants, who, path, want) in [
        ("send = false", acme, submits, format!("component `own` has `send = false` in {own}")),
        (
            "accounts = [\"other\"]",
            acme,
            "/show/open-other?account=shop",
            format!(
                "the token has no account with this id, or `accounts` in {own} does not name it"
            ),
        ),
        (
            "auth = \"none\"",
            nobody,
            "/show/open-other?account=shop",
            format!(
                "no account with this id is open without a token: `accounts` in {own} names those that are"
            ),
        ),
        (
            "auth = \"none\"\naccounts = [\"shop\"]",
            nobody,
            submits,
            format!("without a token component `own` needs `send = true` in {own}"),
        ),
        (
            "auth = \"none\"\naccounts = [\"shop\"]",
            nobody,
            trashes,
            "this is done for a token with the scope `change` only".to_owned(),
        ),
    ] {
        site.deploy(&format!("{MANIFEST}{own}\n{grants}\n"), guests::HOSTILE).await.unwrap();
        let answer = site.ask_at(HOST, who, "GET", path, None).await;
        assert_eq!(answer.json()["detail"], want, "{grants} {path}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_cannot_take_the_hosts_tenant_paths() {
    let site = Site::start().await;
    for route in ["/t/acme/x", "/t/:tenant", "/t/..."] {
        let manifest = MANIFEST.replace("/show/...", route);
        let told = site.deploy(&manifest, guests::HOSTILE).await.unwrap_err();
        assert!(told.contains("`/t/...`, which is the host's own"), "{route}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_route_without_a_token_explains_how_it_is_reached() {
    let site = Site::start().await;
    let problem = site.get(Who::Nobody, "/own/x").await.json();
    let want = "no route matches this path without a token; /-/docs lists the routes, and those of a \
                    tenant's own application need its token, its host name, or the prefix /t/{tenant}";
    assert_eq!((&problem["status"], &problem["detail"]), (&404.into(), &want.into()));
}

#[track_caller]
fn check(answer: &Answer, (status, code): (u16, &str), what: &str) {
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    if status >= 400 {
        assert_eq!(answer.code(), code, "{what}");
    }
}
