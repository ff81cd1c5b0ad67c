//! Sandbox tests: a guest that misbehaves affects only its own request, and reaches nothing outside
//! of its sandbox.
//!
//! Each test has a runtime of its own, so that its counters are its own.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use runtime::body::Body;
use runtime::error::{BodyError, Budget, CapacityError, EndpointError, LimitKind};
use runtime::limits::{Limits, Settings};

use crate::support::{
    OneAccount, ask, caller, disconnect, drain, drop_body, get, hostile, json, nothing_lives,
    runtime, short, with,
};

#[tokio::test]
async fn a_loop_ends_at_its_cpu_budget_and_a_neighbour_is_served_meanwhile() {
    // One worker thread for both: the neighbour is answered only if the loop yields.
    let runtime = runtime();
    let endpoint = hostile(&runtime, short());
    let looping = ask(&endpoint, "/loop");
    tokio::pin!(looping);
    let neighbour = async {
        for _ in 0..5 {
            assert_eq!(json(&endpoint, "/env").await.0, 200);
        }
    };
    tokio::select! {
        biased;
        ended = &mut looping => panic!("the loop ended before its neighbour: {ended:?}"),
        () = neighbour => {}
    }
    let ended = looping.await;
    assert!(matches!(ended, Err(EndpointError::Timeout { budget: Budget::Cpu, .. })), "{ended:?}");
    nothing_lives(&runtime).await;
    assert_eq!(runtime.counters().timeouts, 1);
}

#[tokio::test]
async fn a_guest_that_recurses_without_end_traps() {
    // Optimised code hardly uses the shadow stack in linear memory: the engine's stack overflows
    // first.
    trapped("/recurse", "call stack exhausted").await;
}

#[tokio::test]
async fn a_panic_is_reported_with_its_cause() {
    trapped("/panic", "unreachable").await;
}

#[tokio::test]
async fn a_guest_at_its_limit_of_handles_gets_no_more() {
    limited("/hold?account=mine", Limits::default(), LimitKind::Handles).await;
}

#[tokio::test]
async fn a_flood_of_header_fields_is_refused() {
    limited("/header-flood", Limits::default(), LimitKind::Headers).await;
}

#[tokio::test]
async fn a_response_with_too_many_header_fields_is_an_error() {
    limited("/env", Limits { header_count: 0, ..Limits::default() }, LimitKind::Headers).await;
}

#[tokio::test]
async fn a_flood_of_host_calls_is_refused() {
    let limits = Limits { host_calls: 1000, cpu: Duration::from_secs(30), ..Limits::default() };
    limited("/log-flood", limits, LimitKind::HostCalls).await;
}

#[tokio::test]
async fn a_sleeping_guest_ends_when_it_was_idle_for_too_long() {
    timed_out(Limits { idle: Duration::from_millis(100), ..short() }, Budget::Idle).await;
}

#[tokio::test]
async fn a_sleeping_guest_ends_when_its_total_time_is_up() {
    timed_out(Limits { total: Duration::from_millis(100), ..short() }, Budget::Total).await;
}

#[tokio::test]
async fn a_guest_that_returns_without_a_response_has_an_error_of_its_own() {
    let runtime = runtime();
    let ended = ask(&hostile(&runtime, short()), "/no-answer").await;
    assert!(matches!(ended, Err(EndpointError::NoAnswer)), "{ended:?}");
}

#[tokio::test]
async fn dropping_the_request_ends_the_instance() {
    let runtime = runtime();
    for path in ["/sleep", "/loop"] {
        let endpoint = hostile(&runtime, Limits { cpu: Duration::from_secs(40), ..short() });
        disconnect(&runtime, &endpoint, path).await;
    }
    assert_eq!(runtime.counters().timeouts, 0);
}

#[tokio::test]
async fn dropping_the_response_body_ends_the_instance() {
    let runtime = runtime();
    drop_body(&runtime, &hostile(&runtime, short())).await;
}

#[tokio::test]
async fn a_response_without_end_is_cut_off() {
    let runtime = runtime();
    let cap = 1 << 20;
    let endpoint = hostile(&runtime, Limits { response_body: cap, ..Limits::default() });
    let response = ask(&endpoint, "/flood-output").await.unwrap();
    let (bytes, error) = drain(response.into_body()).await;
    assert!(bytes <= cap, "{bytes}");
    assert!(matches!(error, Some(BodyError::TooLarge { .. })), "{error:?}");
    nothing_lives(&runtime).await;
    assert_eq!(runtime.counters().limits, 1);
}

#[tokio::test]
async fn a_response_whose_guest_ran_out_of_time_ends_with_an_error() {
    let runtime = runtime();
    let endpoint = hostile(&runtime, Limits { total: Duration::from_millis(200), ..short() });
    let response = ask(&endpoint, "/trickle").await.unwrap();
    let (_, error) = drain(response.into_body()).await;
    assert!(matches!(error, Some(BodyError::Incomplete)), "{error:?}");
}

#[tokio::test]
async fn a_request_that_is_too_large_is_cut_off_with_or_without_a_length() {
    let runtime = runtime();
    let echo = runtime.component("echo", guests::ECHO).unwrap();
    let limits = Limits { request_body: 1000, ..short() };
    let echo = runtime.endpoint(&echo, Arc::new(OneAccount::default()), limits).unwrap();
    let pieces = std::iter::repeat_with(|| Ok(Bytes::from_static(&[b' '; 100])));
    let told = http_body_util::Full::new(Bytes::from(vec![b' '; 1001]));
    for body in [
        UnsyncBoxBody::new(told.map_err(|never| match never {})),
        streamed(futures_util::stream::iter(pieces.take(11))),
    ] {
        let request = get("/").map(|_| body);
        let ended = echo.handle(caller("ann"), request).await;
        assert!(matches!(ended, Err(EndpointError::BodyTooLarge { limit: 1000 })), "{ended:?}");
    }
}

#[tokio::test]
async fn a_request_that_never_arrives_ends_at_the_idle_limit() {
    let runtime = runtime();
    let echo = runtime.component("echo", guests::ECHO).unwrap();
    let limits = Limits { idle: Duration::from_millis(100), ..short() };
    let echo = runtime.endpoint(&echo, Arc::new(OneAccount::default()), limits).unwrap();
    let request = get("/").map(|_| streamed(futures_util::stream::pending()));
    let ended = echo.handle(caller("ann"), request).await;
    assert!(matches!(ended, Err(EndpointError::Timeout { budget: Budget::Idle, .. })), "{ended:?}");
}

#[tokio::test]
async fn a_tenant_over_its_share_gets_busy_and_another_is_served() {
    let runtime = with(Settings { instances: 2, ..Settings::default() });
    let endpoint = hostile(&runtime, short());
    let first = ask(&endpoint, "/trickle").await.unwrap();
    let second = ask(&endpoint, "/env").await;
    assert!(
        matches!(second, Err(EndpointError::Busy(CapacityError::Tenant { held: 1, places: 2 }))),
        "{second:?}"
    );
    let other = endpoint.handle(caller("bo"), get("/env")).await;
    assert_eq!(other.unwrap().status(), 200);
    drop(first);
    nothing_lives(&runtime).await;
    assert_eq!(ask(&endpoint, "/env").await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_pool_has_room_for_every_instance_slot() {
    // More than the pool reserves for deployments, so that a guest that took two of anything would
    // show.
    let count = 40;
    let settings = Settings {
        instances: count,
        mime_instances: 1,
        stranger_instances: 1,
        tenants: 1,
        ..Settings::default()
    };
    let runtime = with(settings);
    let endpoint = hostile(&runtime, short());
    let mut answers = Vec::new();
    for _ in 0..count {
        answers.push(ask(&endpoint, "/trickle").await.unwrap());
    }
    assert_eq!(runtime.counters().live, count);
    drop(answers);
    nothing_lives(&runtime).await;
}

#[tokio::test]
async fn a_guest_finds_no_environment_no_files_and_no_network() {
    let runtime = runtime();
    let endpoint = hostile(&runtime, short());
    let (_, env) = json(&endpoint, "/env").await;
    assert_eq!(env, serde_json::json!({ "env": {}, "args": [] }));

    let (_, files) = json(&endpoint, "/fs").await;
    assert_eq!(files["preopens"], serde_json::json!([]));
    assert_ne!(files["written"], true, "{files}");
    for (path, read) in files["read"].as_object().unwrap() {
        assert!(read.is_string(), "{path} was read: {read}");
    }

    let (_, sockets) = json(&endpoint, "/sockets").await;
    for (kind, denial) in [
        ("tcp", "access-denied"),
        ("udp", "access-denied"),
        ("names", "permanent-resolver-failure"),
    ] {
        let outcome = sockets[kind].as_str().unwrap();
        assert!(outcome.contains(denial), "{kind}: {outcome}");
    }

    let (_, outbound) = json(&endpoint, "/outbound?host=127.0.0.1").await;
    assert!(outbound.to_string().contains("HttpRequestDenied"), "{outbound}");
}

#[tokio::test]
async fn another_tenants_account_is_unknown_and_the_tenants_own_opens() {
    let runtime = runtime();
    let endpoint = hostile(&runtime, short());
    let (status, problem) = json(&endpoint, "/open-other?account=theirs").await;
    assert_eq!((status, &problem["code"]), (404, &"no-such-account".into()));
    let (status, account) = json(&endpoint, "/open-other?account=mine").await;
    assert_eq!((status, &account["email"]), (200, &"ann@example.test".into()));
}

#[tokio::test]
async fn an_ordinary_guest_answers_and_is_dropped() {
    let runtime = runtime();
    let echo = runtime.component("echo", guests::ECHO).unwrap();
    let echo = runtime.endpoint(&echo, Arc::new(OneAccount::default()), Limits::default());
    let body = http_body_util::Full::new(Bytes::from_static(br#"{"a":1}"#));
    let request = get("/").map(|_| UnsyncBoxBody::new(body.map_err(|never| match never {})));
    let response = echo.unwrap().handle(caller("ann"), request).await.unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(bytes, "{\"a\":1,\"echoed\":true}\n");
    nothing_lives(&runtime).await;
    let counters = runtime.counters();
    assert_eq!((counters.created, counters.traps, counters.limits), (1, 0, 0));
}

async fn trapped(path: &str, cause: &str) {
    let runtime = runtime();
    let ended = ask(&hostile(&runtime, short()), path).await.unwrap_err();
    assert!(matches!(ended, EndpointError::Trapped { .. }), "{ended:?}");
    assert!(ended.to_string().contains(cause), "{ended}");
    nothing_lives(&runtime).await;
    assert_eq!(runtime.counters().traps, 1);
}

async fn limited(path: &str, limits: Limits, which: LimitKind) {
    let runtime = runtime();
    let ended = ask(&hostile(&runtime, limits), path).await.unwrap_err();
    assert!(matches!(ended, EndpointError::Limit(found) if found == which), "{ended:?}");
    nothing_lives(&runtime).await;
    assert_eq!(runtime.counters().limits, 1);
}

async fn timed_out(limits: Limits, budget: Budget) {
    let runtime = runtime();
    let ended = ask(&hostile(&runtime, limits), "/sleep").await.unwrap_err();
    assert!(
        matches!(ended, EndpointError::Timeout { budget: found, .. } if found == budget),
        "{ended:?}"
    );
    nothing_lives(&runtime).await;
    assert_eq!(runtime.counters().timeouts, 1);
}

fn streamed(
    pieces: impl futures_util::Stream<Item = Result<Bytes, BodyError>> + Send + 'static,
) -> Body {
    use futures_util::StreamExt;
    UnsyncBoxBody::new(StreamBody::new(pieces.map(|piece| piece.map(Frame::data))))
}
