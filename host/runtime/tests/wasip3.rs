//! Tests of endpoints on WASI 0.3: they are served, and confined like those of WASI 0.2.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use runtime::Runtime;
use runtime::endpoint::Endpoint;
use runtime::error::{BodyError, Budget, EndpointError, LimitKind};
use runtime::limits::Limits;
use tokio::sync::mpsc;

use crate::support::{
    OneAccount, ask, caller, disconnect, drain, drop_body, get, nothing_lives, runtime, short,
};

fn endpoint(runtime: &Runtime, limits: Limits) -> Endpoint {
    let component = runtime.component("async", guests::ASYNC).unwrap();
    runtime.endpoint(&component, Arc::new(OneAccount::default()), limits).unwrap()
}

#[tokio::test]
async fn a_request_is_answered_and_the_instance_is_dropped() {
    let runtime = runtime();
    let component = runtime.component("async", guests::ASYNC).unwrap();
    assert_eq!(runtime.describe(&component).await.unwrap(), None);
    let endpoint = endpoint(&runtime, Limits::default());
    let before = runtime.counters().created;
    for path in ["/a", "/b"] {
        let answer = ask(&endpoint, path).await.unwrap();
        assert_eq!(answer.status(), 200);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, format!("async {path}\n"));
        nothing_lives(&runtime).await;
    }
    let counters = runtime.counters();
    assert_eq!(counters.created - before, 2, "one instance for each request");
    assert_eq!((counters.traps, counters.limits, counters.timeouts), (0, 0, 0));
}

#[tokio::test]
async fn a_body_is_streamed_in_both_directions() {
    let runtime = runtime();
    let endpoint = endpoint(&runtime, short());
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    let pieces = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let piece = receiver.recv().await?;
        Some((Ok::<_, BodyError>(Frame::data(piece)), receiver))
    });
    let request = get("/echo").map(|_| UnsyncBoxBody::new(StreamBody::new(pieces)));
    let mut body = endpoint.handle(caller("ann"), request).await.unwrap().into_body();
    // Each piece is returned before the next one is sent.
    for word in ["one", "two", "three"] {
        sender.send(Bytes::from_static(word.as_bytes())).await.unwrap();
        let mut back = Vec::new();
        while back.len() < word.len() {
            back.extend_from_slice(&body.frame().await.unwrap().unwrap().into_data().unwrap());
        }
        assert_eq!(back, word.as_bytes());
    }
    drop(sender);
    let last = body.frame().await;
    assert!(last.is_none(), "{last:?}");
    drop(body);
    nothing_lives(&runtime).await;
    assert_eq!(runtime.counters().traps, 0);
}

#[tokio::test]
async fn a_failure_before_the_response_is_an_error() {
    let quick = Limits { idle: Duration::from_millis(200), ..short() };
    check("/loop", short(), |error| {
        matches!(error, EndpointError::Timeout { budget: Budget::Cpu, .. })
    })
    .await;
    check("/sleep", quick, |error| {
        matches!(error, EndpointError::Timeout { budget: Budget::Idle, .. })
    })
    .await;
    check("/panic", short(), |error| matches!(error, EndpointError::Trapped { .. })).await;
    check("/leak", Limits::default(), |error| {
        matches!(error, EndpointError::Limit(LimitKind::Handles))
    })
    .await;
    check("/headers", short(), |error| matches!(error, EndpointError::Limit(LimitKind::Headers)))
        .await;
}

#[tokio::test]
async fn a_failure_after_the_response_head_ends_the_body_with_an_error() {
    for path in ["/late-loop", "/late-panic"] {
        let runtime = runtime();
        let answer = ask(&endpoint(&runtime, short()), path).await.unwrap();
        let (_, error) = drain(answer.into_body()).await;
        assert!(matches!(error, Some(BodyError::Incomplete)), "{path}: {error:?}");
        nothing_lives(&runtime).await;
    }
    let runtime = runtime();
    let cap = 1 << 20;
    let limits = Limits { response_body: cap, ..Limits::default() };
    let answer = ask(&endpoint(&runtime, limits), "/flood").await.unwrap();
    let (bytes, error) = drain(answer.into_body()).await;
    assert!(bytes <= cap, "{bytes}");
    assert!(matches!(error, Some(BodyError::TooLarge { .. })), "{error:?}");
    nothing_lives(&runtime).await;
}

#[tokio::test]
async fn a_request_that_is_too_large_is_cut_off() {
    let runtime = runtime();
    let endpoint = endpoint(&runtime, Limits { request_body: 1000, ..short() });
    let pieces = futures_util::stream::iter(
        (0..11).map(|_| Ok::<_, BodyError>(Frame::data(Bytes::from_static(&[b'x'; 100])))),
    );
    let request = get("/echo").map(|_| UnsyncBoxBody::new(StreamBody::new(pieces)));
    match endpoint.handle(caller("ann"), request).await {
        Err(error) => assert!(matches!(error, EndpointError::BodyTooLarge { .. }), "{error:?}"),
        Ok(answer) => {
            let (bytes, error) = drain(answer.into_body()).await;
            assert!(bytes <= 1000 && error.is_some(), "{bytes}: {error:?}");
        }
    }
    nothing_lives(&runtime).await;
}

#[tokio::test]
async fn a_client_that_disconnects_ends_the_instance() {
    let runtime = runtime();
    let endpoint = endpoint(&runtime, Limits { cpu: Duration::from_secs(40), ..short() });
    for path in ["/sleep", "/loop"] {
        disconnect(&runtime, &endpoint, path).await;
    }
    drop_body(&runtime, &endpoint).await;
    assert_eq!(runtime.counters().timeouts, 0);
}

async fn check(path: &str, limits: Limits, want: impl Fn(&EndpointError) -> bool) {
    let runtime = runtime();
    let error = ask(&endpoint(&runtime, limits), path).await.unwrap_err();
    assert!(want(&error), "{path}: {error:?}");
    nothing_lives(&runtime).await;
}
