//! Looking for secrets: in the environment, in files, and in what memory was left.

use crate::deploy::site::Who;
use crate::hostile::ground::Ground;

const PASSWORD: &str = "canary-Xq7-of-globex";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_of_the_host_or_of_a_neighbour_is_found() {
    let ground = Ground::hostile("instances = 4").await;
    let account = format!(
        r#"{{"id": "bo", "email": "bo@example.test", "password": "{PASSWORD}",
            "smtp": {{"host": "127.0.0.1", "port": 465, "security": "tls"}}}}"#
    );
    let made = ground.site.ask(Who::Globex, "POST", "/v1/accounts", Some(&account)).await;
    assert_eq!(made.status, 201, "{made:?}");
    // Few places: whatever a neighbour leaves in an instance's memory would be found in the next.
    for _ in 0..8 {
        ground.nothing_lives().await;
        let left = ground.site.ask(Who::Globex, "POST", "/echo", Some(&account)).await;
        assert_eq!(left.status, 200, "{left:?}");
    }
    let (mine, theirs) =
        (ground.site.token(Who::Acme).unwrap(), ground.site.token(Who::Globex).unwrap());
    // This process has an environment.
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
    // Told backwards, so that the question is not what is found.
    let mirrored = |text: &str| text.chars().rev().collect::<String>();
    for secret in secrets {
        let path = format!("/remember?backwards={}", mirrored(secret).replace('/', "%2F"));
        for _ in 0..4 {
            // A place may be given back a moment after the answer's last byte.
            ground.nothing_lives().await;
            let found = ground.site.get(Who::Acme, &path).await;
            assert_eq!(found.json()["found"], 0, "{secret}: {found:?}");
        }
    }
    // The search itself works: the guest keeps this word.
    let path = format!("/remember?backwards={}", mirrored("a word that the guest keeps"));
    let path = path.replace(' ', "%20");
    ground.nothing_lives().await;
    assert!(ground.site.get(Who::Acme, &path).await.json()["found"].as_u64().unwrap() > 0);
}
