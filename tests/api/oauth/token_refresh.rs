//! Tests of token refresh: expired tokens are refreshed once, by the first request that needs one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::oauth::authorization_server::{CLIENT_SECRET, NAME};
use crate::oauth::log_capture;
use crate::oauth::site::Site;
use testkit::canary::Canary;
use testkit::servers::web::{Reply, Speaker};

const WORKERS: usize = 20;

/// A connected account whose token expires at once.
async fn expiring() -> Site {
    let site = Site::start().await;
    site.connect(json!({"provider": "corp"})).await;
    site.authority.lasting(1);
    assert_eq!(site.consent().await.status, 200);
    site.authority.lasting(3600);
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_concurrent_requests_cause_one_refresh() {
    let site = expiring().await;
    let answers = join_all((0..WORKERS).map(|_| site.verify())).await;
    for answer in answers {
        assert_eq!(answer.json()["imap"]["code"], "auth-unsupported", "{answer:?}");
    }
    assert_eq!(site.authority.refreshes(), 1);
}

/// A refresh token that was issued is kept although the request that caused the refresh was
/// dropped.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_dropped_during_a_refresh_loses_no_token() {
    let site = expiring().await;
    site.leave().await;
    let tried = site.verify().await;
    assert_eq!(tried.json()["imap"]["code"], "auth-unsupported", "{tried:?}");
    assert_eq!(site.authority.refreshes(), 1);
}

/// Each refresh token is valid once; the next refresh shows that the new one was stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_refresh_token_replaces_the_old_one() {
    let site = expiring().await;
    site.authority.lasting(1);
    for round in 1..=3 {
        let tried = site.verify().await;
        assert_eq!(tried.json()["imap"]["code"], "auth-unsupported", "{tried:?}");
        assert_eq!(site.authority.refreshes(), round);
    }
}

/// Consent, refresh and a refused login, with everything logged.
#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_in_any_log_or_response() {
    let site = expiring().await;
    let answers = [
        site.verify().await,
        site.ask("GET", "/v1/accounts/ann/messages", None).await,
        site.ask("GET", "/v1/accounts", None).await,
    ];
    let logged = log_capture::read();
    let heard = String::from_utf8_lossy(&logged);
    assert!(heard.contains(" TRACE ") && heard.contains("ann"), "nothing was logged");
    for secret in [
        "canary-access-1",
        "canary-access-2",
        "canary-refresh-1",
        "canary-refresh-2",
        CLIENT_SECRET,
    ] {
        let canary = Canary::new(secret, secret);
        canary.is_not_in("the log", &logged);
        for answer in &answers {
            canary.is_not_in("an answer", answer.body.as_bytes());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_token_endpoint_is_not_reported_as_bad_credentials() {
    for (status, fields, body) in [
        (429, "retry-after: 7\r\n", r#"{"error": "rate_limited"}"#),
        (503, "", "<html>later</html>"),
    ] {
        // A busy server is not asked again for a while.
        let site = expiring().await;
        site.authority.says(Some((status, fields, body)));
        let answer = site.verify().await;
        let told = answer.json();
        assert_eq!((answer.status, &told["code"]), (503, &json!("authorization-unavailable")));
        assert_eq!(told["retryable"], true, "{told:#}");
        if status == 429 {
            assert_eq!(told["retryAfter"], 7, "{told:#}");
        }
        assert_ne!(site.state().await, "reauthRequired");
        assert_ne!(site.state().await, "authenticationFailed");
    }
    // Reading fails in the same way, and the account's state says so: unreachable.
    let site = expiring().await;
    site.authority.says(Some((503, "", "")));
    let listed = site.ask("GET", "/v1/accounts/ann/messages", None).await;
    assert_eq!(listed.code(), "authorization-unavailable");
    assert_eq!(site.state().await, "unreachable");
    let asked = site.authority.refreshes();
    let again = site.ask("GET", "/v1/accounts/ann/messages", None).await;
    assert!(again.body.contains("it is asked again in"), "{again:?}");
    assert_eq!(site.authority.refreshes(), asked);
    site.authority.says(None);
    tokio::time::sleep(Duration::from_millis(5100)).await;
    assert_eq!(site.verify().await.json()["imap"]["code"], "auth-unsupported");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_grant_requires_consent_and_is_not_tried_again() {
    let site = expiring().await;
    site.authority.says(Some((400, "", r#"{"error": "invalid_grant"}"#)));
    for _ in 0..3 {
        let listed = site.ask("GET", "/v1/accounts/ann/messages", None).await;
        assert_eq!((listed.status, listed.code()), (409, "reauth-required".to_owned()));
    }
    assert_eq!(site.authority.refreshes(), 1);
    assert_eq!(site.state().await, "reauthRequired");
    site.authority.says(None);
    assert_eq!(site.consent().await.status, 200);
    assert_eq!(site.verify().await.json()["imap"]["code"], "auth-unsupported");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_client_is_the_operators_error() {
    let site = expiring().await;
    site.authority.says(Some((401, "", r#"{"error": "invalid_client"}"#)));
    let answer = site.verify().await;
    assert_eq!((answer.status, answer.code()), (502, "authorization-refused".to_owned()));
    assert!(answer.body.contains("invalid_client") && !answer.body.contains("canary"));
}

/// The rule that permits the operator's authorization server permits no token URL of a tenant.
#[tokio::test(flavor = "multi_thread")]
async fn a_private_token_url_of_a_tenant_needs_a_rule_for_tenants() {
    let site = Site::with(|_| String::new()).await;
    let port = site.web.address.port();
    for url in [
        format!("https://own.test:{port}/token"),
        format!("https://{NAME}:{port}/token"),
        format!("https://127.0.0.1:{port}/token"),
    ] {
        for answer in [
            site.try_with(json!({"tokenUrl": url})).await,
            site.connect(json!({"tokenUrl": url})).await,
        ] {
            let told = answer.json();
            assert_eq!((answer.status, &told["code"]), (422, &json!("host-not-allowed")));
            assert_eq!(told["errors"][0]["pointer"], "/oauth/tokenUrl", "{told:#}");
            assert!(answer.body.contains("`egress.fetch`"), "{url}: {answer:?}");
        }
    }
    // A name that resolves to another address by the time of the request.
    let later = site.try_with(json!({"tokenUrl": "https://moving.test/token"})).await;
    assert_eq!(later.code(), "authorization-unavailable");
    assert!(later.body.contains("`egress.fetch`"), "{later:?}");
    assert!(site.web.requests().is_empty());
    // And the authorization server is reached as before.
    site.connect(json!({"provider": "corp"})).await;
    assert_eq!(site.consent().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_url_whose_host_does_not_exist_is_refused_at_creation() {
    let site = Site::start().await;
    let typo = site.connect(json!({"tokenUrl": "https://nowhere.test/token"})).await;
    let told = typo.json();
    assert_eq!((typo.status, &told["errors"][0]["code"]), (422, &json!("host-not-found")));
    assert_eq!(told["errors"][0]["pointer"], "/oauth/tokenUrl", "{told:#}");
    // A host whose name servers fail is accepted: it may be right.
    let made = site.connect(json!({"tokenUrl": "https://sick.test/token"})).await;
    assert_eq!(made.status, 201, "{made:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_requested_from_a_tenants_own_token_url() {
    let site = Site::start().await;
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let speaker = Speaker(Arc::new(move |request| {
        count.fetch_add(1, Ordering::SeqCst);
        let known = request.contains("authorization: Bearer canary-secret\r\n");
        assert!(known && request.starts_with("GET /token"), "{request}");
        std::thread::sleep(std::time::Duration::from_millis(300));
        (200, String::new(), r#"{"access_token": "canary-own", "expires_in": 3600}"#.to_owned())
    }));
    site.web.say("own.test/token", Reply::Spoken(speaker));
    let url = format!("https://own.test:{}/token", site.web.address.port());
    let made = site.connect(json!({"tokenUrl": url, "secret": "canary-secret"})).await;
    assert_eq!(made.json()["state"], "unverified", "{made:?}");
    assert!(!made.body.contains("canary"), "{made:?}");
    let answers = join_all((0..WORKERS).map(|_| site.verify())).await;
    for answer in answers {
        assert_eq!(answer.json()["imap"]["code"], "auth-unsupported", "{answer:?}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}
