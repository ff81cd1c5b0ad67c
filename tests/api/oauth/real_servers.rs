//! Tests with real servers that accept tokens only: Dovecot checks them, and Postfix asks Dovecot.

use std::time::Duration;

use rig::{Mechanism, Options, Rig};
use serde_json::{Value, json};

use crate::oauth::site::{Mail, Site};

const HOUR: Duration = Duration::from_secs(3600);
/// In tenths of a second.
const PATIENCE: u32 = 300;

/// The first mailbox after a consent that issued these tokens.
async fn connected(rig: &Rig, tokens: &[String]) -> Site {
    let site = Site::before(Mail::at(rig)).await;
    let made = site.connect(json!({"provider": "corp"})).await;
    assert_eq!(made.json()["state"], "reauthRequired", "{made:?}");
    site.authority.stock(tokens);
    assert_eq!(site.consent().await.status, 200);
    site
}

/// The authorization server calls the first token valid; the mail servers refuse it.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_refused_by_imap_is_refreshed_with_either_mechanism() {
    for (mechanism, name) in
        [(Mechanism::OAuthBearer, "OAUTHBEARER"), (Mechanism::XOAuth2, "XOAUTH2")]
    {
        let Some(rig) = Rig::taking(mechanism, Options { users: 1 }) else { return };
        let site = connected(&rig, &[rig.token(1, Duration::ZERO), rig.token(1, HOUR)]).await;
        let listed = site.ask("GET", "/v1/accounts/ann/messages", None).await;
        assert_eq!(listed.status, 200, "{listed:?}\n{}", rig.logs());
        assert_eq!(site.authority.refreshes(), 1);
        let tried = site.verify().await.json();
        for half in ["imap", "smtp"] {
            assert_eq!(tried[half]["ok"], true, "{tried:#}\n{}", rig.logs());
            assert_eq!(tried[half]["security"]["mechanism"], name, "{tried:#}");
        }
        assert_eq!(site.state().await, "connected");
        assert_eq!(site.authority.refreshes(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_refused_by_smtp_is_refreshed() {
    let Some(rig) = Rig::taking(Mechanism::OAuthBearer, Options { users: 1 }) else { return };
    let site = connected(&rig, &[rig.token(1, Duration::ZERO), rig.token(1, HOUR)]).await;
    let draft = json!({"to": [{"email": rig.user(1).0}], "subject": "By token", "text": "Hi"});
    let sent = site.ask("POST", "/v1/accounts/ann/send", Some(&draft)).await;
    assert_eq!(sent.status, 202, "{sent:?}");
    let submission = sent.json()["submissionId"].as_str().unwrap().to_owned();
    let path = format!("/v1/accounts/ann/submissions/{submission}");
    let mut told = Value::Null;
    for _ in 0..PATIENCE {
        told = site.ask("GET", &path, None).await.json();
        if told["state"] == "sent" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(told["state"], "sent", "{told:#}\n{}", rig.logs());
    assert_eq!(site.authority.refreshes(), 1);
}

/// The owner consented while signed in to another mailbox.
#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_another_mailbox_opens_nothing() {
    let Some(rig) = Rig::taking(Mechanism::XOAuth2, Options { users: 2 }) else { return };
    let others = || rig.token(2, HOUR);
    let site = connected(&rig, &[others(), others(), others()]).await;
    let tried = site.verify().await.json();
    for half in ["imap", "smtp"] {
        assert_eq!(tried[half]["code"], "credentials-refused", "{tried:#}");
    }
    assert!(!tried.to_string().contains(&others()), "{tried:#}");
    assert_eq!(site.state().await, "authenticationFailed");
}
