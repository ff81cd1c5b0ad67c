//! Tests of the real endpoint components over fake capabilities that record their calls.

use std::sync::Arc;

use http::Request;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use runtime::endpoint::Endpoint;
use runtime::limits::Limits;
use serde_json::Value;

use crate::support::{OneAccount, caller, runtime};

#[tokio::test]
async fn an_uploaded_attachment_reaches_the_outbox_byte_for_byte() {
    let account = Arc::new(OneAccount::default());
    let send = endpoint("send", &account);
    let content: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut form = Vec::new();
    for (head, body) in [
        ("name=\"to\"", &b"bo@example.test"[..]),
        ("name=\"subject\"", "Grüße".as_bytes()),
        ("name=\"text\"", b"Hallo"),
        ("name=\"attachment\"; filename=\"a.bin\"", &content),
    ] {
        form.extend_from_slice(b"--edge\r\nContent-Disposition: form-data; ");
        form.extend_from_slice(head.as_bytes());
        form.extend_from_slice(b"\r\n\r\n");
        form.extend_from_slice(body);
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(b"--edge--\r\n");
    let request = Request::post("/v1/accounts/mine/send")
        .header("content-type", "multipart/form-data; boundary=edge")
        .header("spin-matched-route", "/v1/accounts/:account/send");
    let (status, receipt) = answer(&send, request, form).await;
    assert_eq!(status, 202, "{receipt}");

    let drafts = std::mem::take(&mut *account.drafts.lock().unwrap());
    assert_eq!(drafts.len(), 1);
    let draft = &drafts[0];
    assert_eq!(draft.subject.as_deref(), Some("Grüße"));
    assert_eq!(draft.to[0].email, "bo@example.test");
    let octets = &draft.attachments[0].content;
    assert_eq!(octets.size(), 1_000_000);
    assert!(octets.read_at(0, 2_000_000).await.unwrap() == content);
}

#[tokio::test]
async fn a_page_that_is_too_large_is_split_in_two() {
    let messages = endpoint("messages", &Arc::new(OneAccount::default()));
    let request = Request::get("/v1/accounts/mine/messages?mailbox=heavy&limit=50")
        .header("spin-matched-route", "/v1/accounts/:account/messages");
    let (status, page) = answer(&messages, request, Vec::new()).await;
    assert_eq!(status, 200, "{page}");
    assert_eq!(page["messages"].as_array().unwrap().len(), 25);
    assert_eq!(page["nextCursor"], "after-25");
}

/// The embedded component whose file name begins with this.
fn endpoint(name: &str, account: &Arc<OneAccount>) -> Endpoint {
    let runtime = runtime();
    let embedded = components::COMPONENTS
        .iter()
        .find(|embedded| embedded.source.ends_with(&format!("/{name}_component.wasm")))
        .unwrap();
    let component = runtime.component(name, embedded.wasm).unwrap();
    runtime.endpoint(&component, Arc::<OneAccount>::clone(account), Limits::default()).unwrap()
}

async fn answer(
    endpoint: &Endpoint,
    request: http::request::Builder,
    body: Vec<u8>,
) -> (u16, Value) {
    let body = UnsyncBoxBody::new(Full::new(body.into()).map_err(|never| match never {}));
    let request = request
        .header("host", "mail.test")
        .header("spin-path-match-account", "mine")
        .body(body)
        .unwrap();
    let response = endpoint.handle(caller("ann"), request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}
