//! Tests of the `provider-config` component over the host's table of providers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::discovery::Discovery;
use engine::providers::Profiles;
use http::{Request, Response};
use model::future::BoxFuture;
use model::instant::Timestamp;
use model::port::clock::Clock;
use serde_json::{Value, json};

use crate::fake_capabilities::Desk;
use crate::harness::{House, field, is_problem, json as read};

#[tokio::test]
async fn an_address_returns_servers_and_the_login_name() {
    let house = house(&[]).await;
    let answer = by_email(&house, "you@QQ.com", "").await;
    let shown = read(&answer);
    assert_eq!(shown["id"], "qq");
    assert_eq!(shown["name"], "QQ Mail");
    let imap = json!({
        "host": "imap.qq.com", "port": 993, "security": "tls", "username": "you@QQ.com"
    });
    assert_eq!(shown["imap"], imap);
    assert_eq!(shown["smtp"]["port"], 465);
    assert_eq!(shown["auth"], json!(["authorizationCode"]));
    assert!(shown["hint"].as_str().unwrap().contains("authorization code"), "{shown}");
    assert_eq!(field(&answer, "content-language"), "en");
    assert_eq!(field(&answer, "vary"), "accept-language");
    assert_eq!(shown["source"], "built-in");
    let quirks = shown["quirks"].as_array().unwrap();
    assert!(quirks.contains(&json!("search-untrusted")), "{shown}");
    let limits = read(&by_email(&house, "you@icloud.com", "").await)["limits"].clone();
    assert_eq!(limits[0]["source"], "support.apple.com/102198");
    let local = read(&by_email(&house, "you@web.de", "").await);
    assert_eq!(local["imap"]["username"], "you");
    let hint = &read(&by_email(&house, "%22a%40b%22@proton.me", "").await);
    assert_eq!((&hint["imap"], &hint["smtp"]), (&Value::Null, &Value::Null));
    assert!(hint["hint"].is_string());
}

#[tokio::test]
async fn a_domain_returns_patterns_for_the_login_name() {
    let house = house(&[]).await;
    let shown = read(&by_domain(&house, "qq.com").await);
    assert_eq!(shown["imap"]["username"], "{email}");
    let shown = read(&by_domain(&house, "WEB.DE").await);
    assert_eq!(shown["imap"]["username"], "{localPart}");
}

#[tokio::test]
async fn texts_are_in_the_clients_language() {
    let house = house(&[]).await;
    let answer = by_email(&house, "you@qq.com", "zh-CN,zh;q=0.9,en;q=0.5").await;
    let shown = read(&answer);
    assert!(shown["hint"].as_str().unwrap().contains("授权码"), "{shown}");
    assert_eq!(shown["name"], "QQ邮箱");
    assert!(shown["recommendation"]["text"].as_str().unwrap().contains("不提供 POP3"), "{shown}");
    assert_eq!(field(&answer, "content-language"), "zh");
    let german = by_email(&house, "you@web.de", "de").await;
    assert_eq!(field(&german, "content-language"), "de, en");
    let other = read(&by_email(&house, "you@qq.com", "en, zh;q=0.5").await);
    assert_eq!(other["name"], "QQ Mail");
    let unknown = by_email(&house, "you@qq.com", "fr").await;
    assert_eq!(field(&unknown, "content-language"), "en");
}

#[tokio::test]
async fn an_unknown_domain_or_an_invalid_address_is_a_problem() {
    let house = house(&[]).await;
    let unknown = by_email(&house, "you@nowhere.example", "").await;
    is_problem(&unknown, 404, "no-such-provider");
    assert_eq!(read(&unknown)["explain"][1]["outcome"], "nothing");
    is_problem(&by_domain(&house, "nowhere.example").await, 404, "no-such-provider");
    is_problem(&by_domain(&house, "no domain").await, 404, "no-such-provider");
    for email in ["qq.com", "@qq.com", "you@", "%00@qq.com", ""] {
        is_problem(&by_email(&house, email, "").await, 400, "invalid-query");
    }
    let post = route("POST", "/v1/providers", "/v1/providers?email=you@qq.com");
    is_problem(&house.send(post, "").await, 405, "method-not-allowed");
    let query = route("GET", "/v1/providers/:domain", "/v1/providers/qq.com?email=a@qq.com")
        .header("spin-path-match-domain", "qq.com");
    is_problem(&house.send(query, "").await, 400, "invalid-query");
}

#[tokio::test]
async fn an_operators_file_replaces_the_embedded_one() {
    let own = r#"
        id = "qq"
        name = "Our relay"
        domains = ["qq.com", "bücher.example"]
        [imap]
        host = "imap.relay.example"
        port = 143
        security = "starttls"
        username = "local-part"
        confidence = "unverified"
        [auth]
        methods = ["app-password", "password"]
        confidence = "unverified"
    "#;
    let house = house(&[("qq.toml".to_owned(), own.to_owned())]).await;
    let shown = read(&by_email(&house, "you@b%C3%BCcher.example", "").await);
    let mut shown = shown;
    let explain = shown.as_object_mut().unwrap().remove("explain").unwrap();
    assert_eq!(explain[0]["outcome"], "off");
    let reason = "the domain belongs to Our relay";
    let table = json!({"source": "table", "asked": "xn--bcher-kva.example", "millis": 0, "outcome": "used", "reason": reason});
    assert_eq!(explain[1], table);
    let advice = shown["recommendation"].as_object_mut().unwrap().remove("text").unwrap();
    assert!(advice.as_str().unwrap().contains("Our relay has no SMTP server"), "{advice}");
    let hint = shown["hint"].take();
    assert!(hint.as_str().unwrap().contains("app password"), "{hint}");
    let want = json!({
        "id": "qq", "name": "Our relay",
        "imap": {
            "host": "imap.relay.example", "port": 143, "security": "starttls", "username": "you"
        },
        "smtp": null, "auth": ["appPassword", "password"], "hint": null, "hintUrl": null,
        "limits": [], "connections": null, "sentCopy": null, "quirks": [], "source": "operator",
        "recommendation": {"send": null, "read": "imap"}, "confirm": false,
        "facts": [
            {"about": "imap", "source": null, "date": null, "confidence": "unverified"},
            {"about": "auth", "source": null, "date": null, "confidence": "unverified"},
        ],
    });
    assert_eq!(shown, want);
    assert_eq!(read(&by_domain(&house, "gmail.com").await)["source"], "built-in");
}

#[tokio::test]
async fn a_plus_sign_decoded_as_a_space_is_explained() {
    let house = house(&[]).await;
    let answer = by_email(&house, "you+news@qq.com", "").await;
    is_problem(&answer, 400, "invalid-query");
    assert!(read(&answer)["detail"].as_str().unwrap().contains("%2B"), "{answer:?}");
    assert_eq!(by_email(&house, "you%2Bnews@qq.com", "").await.status(), 200);
}

async fn house(files: &[(String, String)]) -> House {
    let profiles = Arc::new(Profiles::with_directory(files).unwrap());
    let discovery = Some(Discovery::new(profiles, HashMap::new(), None, Arc::new(Still)));
    House::over("provider-config", Desk { discovery, ..Desk::default() }).await
}

/// No time passes: no source takes any.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// `email`, percent-encoded as in a query.
async fn by_email(house: &House, email: &str, languages: &str) -> Response<Bytes> {
    let path = format!("/v1/providers?email={email}");
    let request = route("GET", "/v1/providers", &path).header("accept-language", languages);
    house.send(request, "").await
}

async fn by_domain(house: &House, domain: &str) -> Response<Bytes> {
    let request = route("GET", "/v1/providers/:domain", "/v1/providers/x")
        .header("spin-path-match-domain", domain);
    house.send(request, "").await
}

fn route(method: &str, route: &str, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(format!("http://mail.test{path}"))
        .header("spin-matched-route", route)
}
