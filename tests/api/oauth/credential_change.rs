//! Tests of changed credentials: from tokens to a password and back, with secrets bound to their
//! host.

use serde_json::{Value, json};

use crate::oauth::site::Site;
use testkit::raw_http::Answer;

async fn patch(site: &Site, change: Value) -> Answer {
    site.ask("PATCH", "/v1/accounts/ann", Some(&change)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_replaces_tokens_and_tokens_replace_a_password() {
    let site = Site::start().await;
    let made = site.connect(json!({"provider": "corp"})).await.json();
    assert_eq!((&made["auth"], &made["oauth"]["provider"]), (&json!("oauth2"), &json!("corp")));
    assert_eq!(site.consent().await.status, 200);

    // The same provider is no change: the tokens are kept.
    let same = patch(&site, json!({"oauth": {"provider": "corp"}, "name": "Ann"})).await.json();
    assert_eq!((&same["state"], &same["name"]), (&json!("unverified"), &json!("Ann")));
    assert_eq!(site.verify().await.json()["imap"]["code"], "auth-unsupported");

    let changed = patch(&site, json!({"password": "secret"})).await.json();
    assert_eq!((&changed["auth"], &changed["oauth"]), (&json!("password"), &Value::Null));
    let tried = site.verify().await.json();
    assert_eq!((&tried["ok"], &tried["smtp"]["ok"]), (&json!(true), &json!(true)), "{tried:#}");

    // The owner has to consent again.
    let changed = patch(&site, json!({"oauth": {"provider": "corp"}})).await.json();
    assert_eq!((&changed["auth"], &changed["state"]), (&json!("oauth2"), &json!("reauthRequired")));
    assert_eq!(site.verify().await.code(), "reauth-required");
    assert_eq!(site.consent().await.status, 200);
    assert_eq!(site.verify().await.json()["imap"]["code"], "auth-unsupported");
    let both = patch(&site, json!({"oauth": null, "password": "secret"})).await;
    assert_eq!((both.status, &both.json()["auth"]), (200, &json!("password")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_secret_is_sent_only_to_the_url_that_it_was_given_for() {
    let site = Site::start().await;
    let port = site.web.address.port();
    let at = |path: &str| format!("https://own.test:{port}/{path}");
    let own = json!({"tokenUrl": at("token?key=canary-key"), "secret": "canary-secret"});
    let made = site.connect(own.clone()).await;
    let oauth = made.json()["oauth"].clone();
    assert_eq!(oauth, json!({"provider": null, "tokenHost": "own.test"}));
    let elsewhere = site.mail.smtp.port();
    for (change, pointer) in [
        (json!({"oauth": {"tokenUrl": at("other")}}), "/oauth/secret"),
        // Nor are tokens sent to another host.
        (json!({"oauth": {"secret": "x"}, "smtp": {"host": "localhost"}}), "/oauth"),
        (
            json!({"oauth": {"tokenUrl": at("token?key=canary-key")}, "smtp": {"host": "localhost"}}),
            "/oauth",
        ),
        (json!({"smtp": {"host": "localhost", "port": elsewhere}}), "/oauth"),
        (json!({"oauth": null}), "/oauth"),
        (json!({"oauth": {"tokenUrl": null}}), "/oauth"),
        (json!({"oauth": {"tokenUrl": at("x"), "provider": "corp"}}), "/oauth"),
    ] {
        let refused = patch(&site, change.clone()).await;
        assert_eq!(refused.status, 422, "{change}: {refused:?}");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{change}: {refused:?}");
    }
    for change in [
        json!({"oauth": {"secret": "canary-other"}}),
        json!({"oauth": {"tokenUrl": at("other"), "secret": "canary-new"}}),
        json!({"oauth": {"tokenUrl": at("third"), "secret": null}}),
        json!({"oauth": own, "name": "Ann"}),
        json!({"oauth": {"provider": "corp"}}),
    ] {
        let changed = patch(&site, change.clone()).await;
        assert_eq!(changed.status, 200, "{change}: {changed:?}");
        assert!(!changed.body.contains("canary"), "{changed:?}");
    }
    let shown = site.ask("GET", "/v1/accounts", None).await;
    assert!(!made.body.contains("canary") && !shown.body.contains("canary"), "{shown:?}");
    assert_eq!(site.state().await, "reauthRequired");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_a_token_cannot_be_verified_before_it_is_stored() {
    let site = Site::start().await;
    let body = json!({"id": "bo", "email": "bo@x.test", "oauth": {"provider": "corp"}, "verify": true,
        "imap": {"host": "127.0.0.1", "port": site.mail.imap.port(), "security": "tls"}});
    let refused = site.ask("POST", "/v1/accounts", Some(&body)).await;
    assert_eq!(refused.json()["errors"][0]["pointer"], "/verify", "{refused:?}");
    assert!(refused.body.contains("/oauth"), "{refused:?}");
    let listed = site.ask("GET", "/v1/accounts", None).await.json();
    assert_eq!(listed["accounts"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_not_reported_as_a_password() {
    let site = Site::start().await;
    site.connect(json!({"provider": "corp"})).await;
    site.consent().await;
    let tried = site.verify().await.json();
    let told = tried["imap"]["detail"].as_str().unwrap();
    assert!(told.contains("no login with a token") && !told.contains("app password"), "{told}");
    let listed = site.ask("GET", "/v1/accounts/ann/messages", None).await.json();
    assert!(listed["detail"].as_str().unwrap().contains("no login with a token"), "{listed:#}");
}
