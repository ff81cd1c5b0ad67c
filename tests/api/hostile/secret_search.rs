//! Tests of secrets: none are found in a guest's environment, in files, or in reused memory.

use crate::deploy::site::Who;
use crate::hostile::fixture::Ground;

const PASSWORD: &str = "canary-Xq7-of-globex";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_of_the_host_or_of_another_tenant_is_found() {
    let ground = Ground::hostile("instances = 4").await;
    let account = format!(
        r#"{{"id": "bo", "email": "bo@example.test", "password": "{PASSWORD}",
            "smtp": {{"host": "127.0.0.1", "port": 465, "security": "tls"}}}}"#
    );
    let made = ground.site.ask(Who::Globex, "POST", "/v1/accounts", Some(&account)).await;
    assert_eq!(made.status, 201, "{made:?}");
    // Few instance slots, so that memory of another tenant's instance would be reused.
    for _ in 0..8 {
        ground.nothing_lives().await;
        let left = ground.site.ask(Who::Globex, "POST", "/echo", Some(&account)).await;
        assert_eq!(left.status, 200, "{left:?}");
    }
    let (mine, theirs) =
        (ground.site.token(Who::Acme).unwrap(), ground.site.token(Who::Globex).unwrap());
    // This process has a non-empty environment.
    let place = env!("CARGO_MANIFEST_DIR");
    let secrets = [PASSWORD, mine, theirs, place];
    for path in ["/", "/env", "/fs", "/sockets", "/outbound", "/open-other?account=bo"] {
        let answer = ground.beside(ground.site.get(Who::Acme, path)).await;
        for secret in secrets {
            assert!(!answer.body.contains(secret), "{path}: {answer:?}");
        }
    }
    ground.beside(ground.check("/open-other?account=bo", "no-such-account")).await;
    let seen = ground.site.get(Who::Acme, "/env").await.json();
    assert_eq!(seen, serde_json::json!({"env": {}, "args": []}));
    // Sent in reverse, so that the search does not find the request itself.
    let mirrored = |text: &str| text.chars().rev().collect::<String>();
    for secret in secrets {
        let path = format!("/remember?backwards={}", mirrored(secret).replace('/', "%2F"));
        for _ in 0..4 {
            // A slot may be released a moment after the last byte of the response.
            ground.nothing_lives().await;
            let found = ground.site.get(Who::Acme, &path).await;
            assert_eq!(found.json()["found"], 0, "{secret}: {found:?}");
        }
    }
    // The search itself works: the guest contains this word.
    let path = format!("/remember?backwards={}", mirrored("a word that the guest keeps"));
    let path = path.replace(' ', "%20");
    ground.nothing_lives().await;
    assert!(ground.site.get(Who::Acme, &path).await.json()["found"].as_u64().unwrap() > 0);
}
