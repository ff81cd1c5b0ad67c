//! Tests of consent: given, refused, or forged.

use serde_json::json;

use crate::oauth::site::Site;
use testkit::raw_http::{Answer, ask};

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_connected_by_consent_and_shows_no_token() {
    let site = Site::start().await;
    let made = site.connect(json!({"provider": "corp"})).await;
    assert_eq!(made.json()["state"], "reauthRequired", "{made:?}");
    let refused = site.verify().await;
    assert_eq!((refused.status, refused.code()), (409, "reauth-required".to_owned()));

    let page = site.consent().await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.head.contains("default-src 'none'") && page.body.contains("was received"));
    assert_eq!(site.state().await, "unverified");

    // There is a token now; the mailroom has no mechanism for it.
    let tried = site.verify().await.json();
    assert_eq!(tried["imap"]["code"], "auth-unsupported", "{tried:#}");
    let shown = site.ask("GET", "/v1/accounts/ann", None).await.body;
    for said in [&page.body, &page.head, &shown, &tried.to_string()] {
        assert!(!said.contains("canary"), "{said}");
    }
    for entry in std::fs::read_dir(site.scratch()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        let told = String::from_utf8_lossy(&bytes).contains("canary-access");
        assert!(!told, "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_with_a_wrong_state_or_code_connects_nothing() {
    let site = Site::start().await;
    site.connect(json!({"provider": "corp"})).await;
    let begun = site.ask("POST", "/v1/accounts/ann/oauth", None).await.json();
    let good = site.authority.agree(begun["authorizeUrl"].as_str().unwrap());

    let code = good.split('&').next().unwrap();
    for bad in [
        format!("{code}&state=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        code.to_owned(),
        "error=access_denied&state=x".to_owned(),
        String::new(),
    ] {
        let answer = site.come_back(&bad).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid-consent".to_owned()), "{bad}");
    }
    // A code of another consent: its verifier differs.
    let state = good.split_once("state=").unwrap().1;
    let answer = site.come_back(&format!("code=code-9&state={state}")).await;
    assert_eq!(answer.code(), "invalid-consent");
    let answer = site.come_back(&good).await;
    assert_eq!(answer.code(), "invalid-consent", "a state is valid once, even after a failure");
    assert_eq!(site.state().await, "reauthRequired");

    assert_eq!(site.consent().await.status, 200);
    let begun = site.ask("POST", "/v1/accounts/ann/oauth", None).await.json();
    let query = site.authority.agree(begun["authorizeUrl"].as_str().unwrap());
    assert_eq!(site.come_back(&query).await.status, 200);
    assert_eq!(site.come_back(&query).await.code(), "invalid-consent", "it is used up");
}

/// A browser gets a readable page with the status of the problem; a program gets the problem.
/// Neither may be cached, framed, or sent as a referrer.
#[tokio::test(flavor = "multi_thread")]
async fn the_result_of_a_consent_is_a_page_for_browsers() {
    let site = Site::start().await;
    site.connect(json!({"provider": "corp"})).await;
    let begun = site.ask("POST", "/v1/accounts/ann/oauth", None).await.json();
    let good = site.authority.agree(begun["authorizeUrl"].as_str().unwrap());
    let private = |answer: &Answer| {
        for field in [
            "cache-control: no-store",
            "referrer-policy: no-referrer",
            "x-content-type-options: nosniff",
            "content-security-policy: default-src 'none'; frame-ancestors 'none'",
        ] {
            assert!(answer.head.contains(field), "{field}: {answer:?}");
        }
    };
    let busy = (503, "retry-after: 9\r\n", "");
    let stranger = (401, "", r#"{"error": "invalid_client"}"#);
    for (query, instead, status, code, told) in [
        ("", None, 400, "invalid-consent", "start again"),
        ("state=x&code=y", None, 400, "invalid-consent", "start again"),
        (
            "error=%3Cscript%3E%22%27%26&state=x",
            None,
            400,
            "invalid-consent",
            "`&lt;script&gt;&quot;",
        ),
        (good.as_str(), Some(busy), 503, "authorization-unavailable", "Reload this page"),
        (good.as_str(), Some(stranger), 502, "authorization-refused", "Show this page to"),
        (good.as_str(), None, 400, "invalid-consent", "was used before"),
    ] {
        site.authority.says(instead);
        let page = site.browse(query).await;
        assert_eq!(page.status, status, "{page:?}");
        assert!(page.head.contains("content-type: text/html; charset=utf-8"), "{page:?}");
        assert!(page.body.contains("<h1>The mailbox is not connected</h1>"), "{page:?}");
        assert!(page.body.contains(told) && page.body.contains(code), "{page:?}");
        assert!(!page.body.contains("<script"), "{page:?}");
        assert_eq!(page.head.contains("retry-after: 9"), status == 503, "{page:?}");
        private(&page);
    }
    let problem = site.come_back("state=x&code=y").await;
    assert_eq!((problem.status, problem.code()), (400, "invalid-consent".to_owned()));
    assert!(problem.head.contains("content-type: application/problem+json"), "{problem:?}");
    private(&problem);
    site.authority.says(None);
    private(&site.consent().await);
    let looked = ask(site.address, None, "HEAD", "/-/oauth/callback?state=x", None).await;
    assert_eq!(looked.status, 405, "{looked:?}");
    private(&looked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_is_bound_to_its_account_and_survives_a_busy_server() {
    let site = Site::start().await;
    site.connect(json!({"provider": "corp"})).await;
    let begin = async || {
        let begun = site.ask("POST", "/v1/accounts/ann/oauth", None).await.json();
        site.authority.agree(begun["authorizeUrl"].as_str().unwrap())
    };
    let query = begin().await;
    site.authority.says(Some((503, "", "")));
    assert_eq!(site.come_back(&query).await.code(), "authorization-unavailable");
    site.authority.says(None);
    assert_eq!(site.come_back(&query).await.status, 200, "the same callback, a moment later");

    let change = json!({"smtp": {"host": "elsewhere.test"}});
    let refused = site.ask("PATCH", "/v1/accounts/ann", Some(&change)).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(refused.body.contains("tokens were not given"), "{refused:?}");

    let query = begin().await;
    assert_eq!(site.ask("DELETE", "/v1/accounts/ann", None).await.status, 204);
    site.connect(json!({"provider": "corp"})).await;
    let late = site.come_back(&query).await;
    assert_eq!(late.code(), "invalid-consent", "another account under the same id: {late:?}");
    assert_eq!(site.state().await, "reauthRequired");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_member_is_named() {
    let site = Site::start().await;
    for (oauth, code, told) in [
        (
            json!({"provider": "nobody"}),
            "invalid-body",
            "/oauth/provider: this host knows no authorization server `nobody`; the operator has configured: corp",
        ),
        (json!({}), "invalid-body", "`provider` or `tokenUrl`"),
        (json!({"provider": "corp", "secret": "x"}), "invalid-body", "/oauth/secret"),
        (json!({"tokenUrl": "http://own.test/"}), "invalid-body", "/oauth/tokenUrl"),
    ] {
        let answer = site.connect(oauth).await;
        assert_eq!(answer.code(), code, "{answer:?}");
        assert!(answer.body.contains(told), "{answer:?}");
    }
    let elsewhere = json!({"email": "ann@x.test", "oauth": {"provider": "corp"},
        "smtp": {"host": "localhost", "port": site.mail.smtp.port(), "security": "tls"}});
    let answer = site.ask("POST", "/v1/accounts", Some(&elsewhere)).await;
    assert!(answer.body.contains("tokens of `corp` are not valid for localhost"), "{answer:?}");
    let both = json!({"email": "ann@x.test", "password": "x", "oauth": {"provider": "corp"}});
    assert_eq!(site.ask("POST", "/v1/accounts", Some(&both)).await.code(), "invalid-body");
}

/// An account with tokens is unchanged; one without records the reason.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_consent_removes_no_tokens() {
    let site = Site::start().await;
    site.connect(json!({"provider": "corp"})).await;
    let refuse = async || {
        let begun = site.ask("POST", "/v1/accounts/ann/oauth", None).await.json();
        let query = site.authority.agree(begun["authorizeUrl"].as_str().unwrap());
        let state = query.split_once("state=").unwrap().1.to_owned();
        let no = site.come_back(&format!("error=access_denied&state={state}")).await;
        assert_eq!(no.code(), "invalid-consent");
        assert_eq!(site.come_back(&query).await.code(), "invalid-consent", "it is used up");
    };
    refuse().await;
    let account = site.ask("GET", "/v1/accounts/ann", None).await.json();
    assert_eq!(account["state"], "reauthRequired");
    let told = account["lastError"]["detail"].as_str().unwrap();
    assert!(told.contains("did not agree") && told.contains("access_denied"), "{told}");
    assert_eq!(site.consent().await.status, 200);
    refuse().await;
    assert_eq!(site.state().await, "unverified", "the earlier tokens must stay valid");
}
