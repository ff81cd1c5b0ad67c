//! Real servers that take tokens and nothing else: Dovecot reads them, and Postfix asks it.

use std::time::Duration;

use rig::{Mechanism, Options, Rig};
use serde_json::{Value, json};

use crate::oauth::site::{Mail, Site};

const HOUR: Duration = Duration::from_secs(3600);
/// Tenths of a second.
const PATIENCE: u32 = 300;

/// The owner of the first mailbox has agreed, and these are the tokens that it brought.
async fn connected(rig: &Rig, tokens: &[String]) -> Site {
    let site = Site::before(Mail::at(rig)).await;
    let made = site.connect(json!({"provider": "corp"})).await;
    assert_eq!(made.json()["state"], "reauthRequired", "{made:?}");
    site.authority.stock(tokens);
    assert_eq!(site.consent().await.status, 200);
    site
}

/// The first token is one whose own server says that it lasts; the mail servers know better.
#[tokio::test(flavor = "multi_thread")]
async fn mail_is_read_with_a_token_that_is_renewed_when_it_is_refused_by_either_mechanism() {
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
async fn mail_is_sent_with_a_token_that_is_renewed_when_it_is_refused() {
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

/// Somebody agreed who is signed in to another mailbox than the one that was meant.
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
