//! Tests of failing token endpoints, on a clock that the test controls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::ready;
use model::account::{Credentials, OAuth, TokenSource};
use model::port::BoxFuture;
use model::port::lookup::FetchError;
use model::port::token_endpoint::{TokenEndpoint, TokenReply, TokenRequest};
use model::problem::{Code, Problem};
use model::secret::Secret;

use crate::oauth::servers::{Server, Servers};
use crate::tests::account::account;
use crate::tests::host::{Host, refused};
use crate::tests::sending::draft;

/// Counts requests, and returns a status, or a token where that is 200.
#[derive(Debug, Default)]
struct Own {
    asked: AtomicU32,
    status: AtomicU32,
}

impl Own {
    fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }

    fn says(&self, status: u32) {
        self.status.store(status, Ordering::Relaxed);
    }
}

impl TokenEndpoint for Own {
    fn ask<'a>(
        &'a self,
        _: &'a str,
        _: TokenRequest<'a>,
    ) -> BoxFuture<'a, Result<TokenReply, FetchError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let status = u16::try_from(self.status.load(Ordering::Relaxed)).unwrap();
        let body = Secret::new(r#"{"access_token": "t", "expires_in": 1}"#.to_owned());
        Box::pin(ready(Ok(TokenReply { status, retry_after: None, body })))
    }
}

fn credentials() -> Credentials {
    let source = TokenSource::Url { url: "https://own.test/token".to_owned(), secret: None };
    Credentials::OAuth(OAuth { source, access: None, expires: None, refresh: None })
}

fn with(own: &Arc<Own>) -> Host {
    let mut host = Host::new();
    host.with_tokens(own.clone());
    for id in ["anna", "bela"] {
        host.shelf.2.lock().insert(id.parse().unwrap(), credentials());
    }
    host
}

/// Neither a reader nor a verification of another account gets a token, and the reader gets the
/// remaining seconds.
async fn left_alone(host: &Host, pause: u64) -> Problem {
    let read = host.page("INBOX", None, 10).await.unwrap_err();
    assert_eq!(read.code, Code::AuthorizationUnavailable, "{read:?}");
    assert_eq!(read.retry_after, Some(Duration::from_secs(pause)));
    refused(host.engine.verify_stored(&account("bela")).await, Code::AuthorizationUnavailable);
    read
}

/// While the endpoint fails it is asked once for each pause, whatever `probe` tries, and then
/// again.
async fn asked_once_for_each_pause(
    host: &Host,
    own: &Own,
    pauses: &[u64],
    probe: impl AsyncFn(u64),
) {
    let mut asked = 0;
    for pause in pauses {
        asked += 1;
        for _ in 0..5 {
            probe(*pause).await;
        }
        assert_eq!(own.asked(), asked, "pause of {pause} s");
        host.clock.advance(Duration::from_secs(*pause));
    }
    own.says(200);
    host.page("INBOX", None, 10).await.unwrap();
    assert_eq!(own.asked(), asked + 1);
}

/// Readers of a mailbox are refused, and the endpoint is asked only once.
async fn refused_once(host: &Host, own: &Own) {
    own.says(401);
    for _ in 0..5 {
        refused(host.page("INBOX", None, 10).await, Code::AuthorizationRefused);
    }
    assert_eq!(own.asked(), 1);
}

/// Readers, verifications and new accounts; the pause is the tenant's, not the account's.
#[tokio::test]
async fn a_token_url_that_fails_is_asked_again_only_after_retry_after() {
    let own = Arc::new(Own::default());
    own.says(503);
    let host = with(&own);
    asked_once_for_each_pause(&host, &own, &[5, 10, 20, 40], async |pause| {
        let read = left_alone(&host, pause).await;
        let again = format!("it is asked again in {pause} s");
        assert!(read.detail.ends_with(&again), "{read:?}");
        let made = host.engine.resolve_credentials(&"acme".parse().unwrap(), credentials()).await;
        refused(made, Code::AuthorizationUnavailable);
    })
    .await;
}

/// A response without a token is the tenant's to correct, and pauses like a busy server.
#[tokio::test]
async fn a_token_url_that_refuses_is_paused_too() {
    let own = Arc::new(Own::default());
    refused_once(&with(&own), &own).await;
}

/// Deliveries observe the same pause.
#[tokio::test]
async fn deliveries_request_no_token_during_the_pause() {
    let own = Arc::new(Own::default());
    own.says(503);
    let host = with(&own);
    for _ in 0..5 {
        host.submit(None, draft(&["bo@example.net"])).await.unwrap();
    }
    host.drive(Duration::from_secs(4));
    assert_eq!(own.asked(), 1, "five mails wait, and one asks for all of them");
}

fn of_a_server(refresh: &str) -> Credentials {
    let source = TokenSource::Provider("corp".to_owned());
    let refresh = Some(Secret::new(refresh.to_owned()));
    Credentials::OAuth(OAuth { source, access: None, expires: None, refresh })
}

fn with_server(own: &Arc<Own>) -> Host {
    let mut host = Host::new();
    let server = Server {
        name: "Corp".to_owned(),
        authorize: "https://login.test/authorize".to_owned(),
        token: "https://login.test/token".to_owned(),
        scopes: Vec::new(),
        parameters: BTreeMap::new(),
        hosts: Vec::new(),
        client_id: "postlet".to_owned(),
        client_secret: None,
    };
    let by_name = [("corp".to_owned(), server)].into();
    host.with_authorization(own.clone(), Servers { by_name, redirect: String::new() });
    for id in ["anna", "bela"] {
        host.shelf.2.lock().insert(id.parse().unwrap(), of_a_server(id));
    }
    host
}

/// The operator configured it; it is paused all the same, for readers and deliveries of all
/// mailboxes.
#[tokio::test]
async fn an_authorization_server_that_fails_is_asked_again_only_after_retry_after() {
    let own = Arc::new(Own::default());
    own.says(503);
    let host = with_server(&own);
    asked_once_for_each_pause(&host, &own, &[5, 10, 20], async |pause| {
        left_alone(&host, pause).await;
    })
    .await;
}

/// Its error about one mailbox does not affect the others.
#[tokio::test]
async fn a_mailbox_that_an_authorization_server_refuses_is_paused_alone() {
    let own = Arc::new(Own::default());
    let host = with_server(&own);
    refused_once(&host, &own).await;
    own.says(200);
    host.engine.verify_stored(&account("bela")).await.unwrap();
    assert_eq!(own.asked(), 2);
    refused(host.page("INBOX", None, 10).await, Code::AuthorizationRefused);
    host.clock.advance(Duration::from_secs(5));
    host.page("INBOX", None, 10).await.unwrap();
}

/// A mailbox with a pause of its own does not probe, and so does not hold the others back.
#[tokio::test]
async fn a_paused_mailbox_delays_no_other() {
    let own = Arc::new(Own::default());
    own.says(401);
    let host = with_server(&own);
    for pause in [5, 10] {
        refused(host.page("INBOX", None, 10).await, Code::AuthorizationRefused);
        host.clock.advance(Duration::from_secs(pause));
    }
    refused(host.page("INBOX", None, 10).await, Code::AuthorizationRefused);
    own.says(503);
    refused(host.engine.verify_stored(&account("bela")).await, Code::AuthorizationUnavailable);
    own.says(200);
    host.clock.advance(Duration::from_secs(5));
    refused(host.page("INBOX", None, 10).await, Code::AuthorizationRefused);
    host.engine.verify_stored(&account("bela")).await.unwrap();
}
