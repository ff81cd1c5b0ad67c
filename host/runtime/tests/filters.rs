//! Tests of filters in the real runtime: the example footer filter, and one that misbehaves by
//! subject.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fakes::spool::InMemory;
use model::filter::{Edit, EditKind, Refusal, Verdict};
use model::mail::draft::{Composed, Envelope};
use model::mail::message::{Header, HeaderSummary, ParseOptions, Part, ReplyHeaders, Summary};
use model::octets::{Octets, in_memory};
use model::port::BoxFuture;
use model::port::capabilities::{Body, Message};
use model::port::filter::{BeforeSendFilter, FilterError};
use model::port::mime::{Mime, MimeError};
use model::problem::{Fault, Problem};
use runtime::Runtime;
use runtime::error::RuntimeError;
use runtime::filter::Filter;
use runtime::limits::{Limits, Settings};

use crate::support::{nothing_lives, with};

/// A message with one subject.
#[derive(Debug)]
struct Saying(&'static str);

const TEXT: &str = "four words of text";

impl Message for Saying {
    fn summary(&self) -> Summary {
        Summary {
            stored: None,
            facts: HeaderSummary { subject: Some(self.0.to_owned()), ..HeaderSummary::default() },
            size: Some(5),
            preview: None,
            has_attachments: None,
            unparsed: false,
            unavailable: false,
        }
    }
    fn headers(&self) -> BoxFuture<'_, Result<Vec<Header>, Problem>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn details(&self) -> BoxFuture<'_, Result<ReplyHeaders, Problem>> {
        Box::pin(async { Ok(ReplyHeaders::default()) })
    }
    fn structure(&self) -> BoxFuture<'_, Result<Vec<Part>, Problem>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn faults(&self) -> BoxFuture<'_, Result<Vec<Fault>, Problem>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn body(&self, _: Body, _: u32) -> BoxFuture<'_, Result<Option<String>, Problem>> {
        Box::pin(async { Ok(Some(TEXT.to_owned())) })
    }
    fn part<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Octets, Problem>> {
        self.raw()
    }
    fn raw(&self) -> BoxFuture<'_, Result<Octets, Problem>> {
        Box::pin(async { Ok(in_memory(Bytes::from_static(b"hello"))) })
    }
}

fn runtime() -> Runtime {
    with(Settings { instances: 4, mime_instances: 2, filter_instances: 4, ..Settings::default() })
}

fn envelope(recipients: &[&str]) -> Envelope {
    Envelope {
        sender: "ann@example.test".parse().unwrap(),
        recipients: recipients.iter().map(|email| email.parse().unwrap()).collect(),
    }
}

async fn ask(filter: &Filter, subject: &'static str, to: &[&str]) -> Result<Verdict, FilterError> {
    let request = model::ids::RequestId::generate([2; 10]);
    let tenant = "ann".parse().unwrap();
    filter.evaluate(&tenant, &request, Arc::new(Saying(subject)), &envelope(to)).await
}

fn hostile(runtime: &Runtime, limits: Limits) -> Filter {
    let component = runtime.component("hostile-filter", guests::HOSTILE_FILTER).unwrap();
    runtime.filter(&component, &[], limits).unwrap()
}

fn footer(runtime: &Runtime, environment: &[(&str, &str)]) -> Filter {
    let component = runtime.component("footer", components::FILTER_FOOTER).unwrap();
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    runtime.filter(&component, &environment, Limits::for_filter()).unwrap()
}

/// Limits that end a misbehaving filter soon, and never one that behaves.
fn short() -> Limits {
    let total = Duration::from_secs(20);
    Limits { cpu: Duration::from_millis(300), total, idle: total, ..Limits::for_filter() }
}

#[tokio::test]
async fn the_footer_is_appended_and_blocked_domains_are_refused() {
    let runtime = runtime();
    let filter = footer(&runtime, &[("FOOTER_TEXT", "-- us"), ("BLOCKED_DOMAINS", "bad.test")]);
    let Ok(Verdict::Modify(edits)) = ask(&filter, "hi", &["bo@good.test"]).await else {
        panic!("no footer")
    };
    let [Edit::AddFooter(footer)] = edits.as_slice() else { panic!("{edits:?}") };
    assert_eq!((footer.text.as_str(), footer.html.as_deref()), ("-- us", None));
    let refused = ask(&filter, "hi", &["bo@good.test", "cy@mail.bad.test"]).await.unwrap();
    let want = Refusal {
        code: "blocked-domain".to_owned(),
        detail: "cy@mail.bad.test is in a blocked domain".to_owned(),
    };
    assert_eq!(refused, Verdict::Reject(want));
    nothing_lives(&runtime).await;
}

#[tokio::test]
async fn a_filter_without_settings_accepts() {
    let runtime = runtime();
    let filter = footer(&runtime, &[]);
    assert_eq!(ask(&filter, "hi", &["bo@bad.test"]).await.unwrap(), Verdict::Accept);
}

#[tokio::test]
async fn a_filter_reads_its_message_and_returns_a_verdict() {
    let runtime = runtime();
    let filter = hostile(&runtime, Limits::for_filter());
    assert_eq!(ask(&filter, "nothing special", &[]).await.unwrap(), Verdict::Accept);
    let Verdict::Modify(edits) = ask(&filter, "edit", &[]).await.unwrap() else { panic!() };
    let kinds: Vec<_> = edits.iter().map(Edit::kind).collect();
    assert_eq!(kinds, [EditKind::AddFooter, EditKind::AddHeader, EditKind::SetSubject]);
    let Edit::AddHeader(seen) = &edits[1] else { panic!("{edits:?}") };
    assert_eq!(seen.value, TEXT.len().to_string());
    let Verdict::Reject(refusal) = ask(&filter, "reject", &[]).await.unwrap() else { panic!() };
    assert_eq!(refusal.code, "on-request");
}

#[tokio::test]
async fn a_filter_reaches_no_environment_files_or_network() {
    let runtime = runtime();
    let filter = hostile(&runtime, Limits::for_filter());
    let Verdict::Reject(refusal) = ask(&filter, "powers", &[]).await.unwrap() else { panic!() };
    assert_eq!(refusal.detail, "environment [], files false, network false");
}

/// componentize-js generates imports of wasi:http, so they exist and reach nothing.
#[tokio::test]
async fn a_request_of_a_filter_is_refused_and_never_sent() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let port = server.local_addr().unwrap().port().to_string();
    let runtime = runtime();
    let component = runtime.component("hostile-filter", guests::HOSTILE_FILTER).unwrap();
    let environment = [("PORT".to_owned(), port)];
    let filter = runtime.filter(&component, &environment, Limits::for_filter()).unwrap();
    let Verdict::Reject(refusal) = ask(&filter, "request", &[]).await.unwrap() else { panic!() };
    // The rest of an unread body waits in the host, and is not the filter's memory: it is little.
    assert_eq!(refusal.detail, "8192 bytes, Err(ErrorCode::HttpRequestDenied)");
    let heard = server.accept();
    assert!(heard.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
    nothing_lives(&runtime).await;
}

#[tokio::test]
async fn a_filter_that_misbehaves_loses_its_verdict_and_nothing_else() {
    let runtime = runtime();
    let filter = hostile(&runtime, short());
    // Counting up to a limit takes time on a busy machine.
    let seconds = Duration::from_secs(60);
    let patient =
        hostile(&runtime, Limits { cpu: seconds, idle: seconds, total: seconds, ..short() });
    for subject in ["trap", "loop", "eat", "flood", "hold"] {
        let counts = matches!(subject, "flood" | "hold");
        let ended = ask(if counts { &patient } else { &filter }, subject, &[]).await;
        match subject {
            "trap" => assert!(matches!(ended, Err(FilterError::Trapped(_))), "{ended:?}"),
            "loop" => assert!(matches!(ended, Err(FilterError::Timeout)), "{ended:?}"),
            "eat" => assert!(
                matches!(ended, Err(FilterError::Limit(_) | FilterError::Timeout)),
                "{ended:?}"
            ),
            _ => assert!(matches!(ended, Err(FilterError::Limit(_))), "{subject}: {ended:?}"),
        }
        assert_eq!(ask(&filter, "fine", &[]).await.unwrap(), Verdict::Accept, "after {subject}");
    }
    nothing_lives(&runtime).await;
}

#[tokio::test]
async fn dropping_the_call_ends_the_filter() {
    let runtime = runtime();
    let filter = hostile(&runtime, Limits { cpu: Duration::from_secs(60), ..short() });
    let asked = ask(&filter, "loop", &[]);
    let moment = Duration::from_millis(50);
    assert!(tokio::time::timeout(moment, asked).await.is_err(), "it loops");
    nothing_lives(&runtime).await;
}

#[tokio::test]
async fn a_tenant_cannot_take_every_instance_slot() {
    let runtime = with(Settings {
        instances: 4,
        mime_instances: 2,
        filter_instances: 4,
        patience: Duration::from_millis(1),
        ..Settings::default()
    });
    let filter = hostile(&runtime, short());
    let looping = || ask(&filter, "loop", &[]);
    let three = tokio::join!(looping(), looping(), looping());
    let busy = [&three.0, &three.1, &three.2]
        .into_iter()
        .filter(|ended| matches!(ended, Err(FilterError::Busy(_))));
    assert_eq!(busy.count(), 1, "a share is two: {three:?}");
}

#[tokio::test]
async fn an_endpoint_is_refused_as_a_filter() {
    let runtime = runtime();
    let component = runtime.component("echo", guests::ECHO).unwrap();
    let refused = runtime.filter(&component, &[], Limits::for_filter());
    assert!(matches!(refused, Err(RuntimeError::NotExported { .. })), "{refused:?}");
    let component = runtime.component("hostile", guests::HOSTILE).unwrap();
    let refused = runtime.filter(&component, &[], Limits::for_filter());
    assert!(matches!(refused, Err(RuntimeError::Wrong { .. })), "{refused:?}");
    let mime = runtime.component("mime", components::MIME).unwrap();
    let refused = runtime.filter(&mime, &[], Limits::for_filter());
    let refused =
        matches!(refused, Err(RuntimeError::Wrong { .. } | RuntimeError::NotExported { .. }));
    assert!(refused);
}

#[tokio::test]
async fn the_mime_component_applies_edits_and_refuses_line_breaks() {
    let runtime = runtime();
    let component = runtime.component("mime", components::MIME).unwrap();
    let mime = runtime.mime(&component, Arc::new(InMemory)).unwrap();
    let filter = hostile(&runtime, Limits::for_filter());
    let raw = "From: ann@example.test\r\nTo: bo@example.test\r\nSubject: edit\r\n\
               Message-ID: <1@example.test>\r\n\r\nhello\r\n";
    let before = Composed {
        raw: in_memory(Bytes::from_static(raw.as_bytes())),
        envelope: envelope(&["bo@example.test"]),
    };
    let edits = |verdict: Verdict| match verdict {
        Verdict::Modify(edits) => edits,
        Verdict::Accept | Verdict::Reject(_) => panic!("no edits"),
    };

    let wanted = edits(ask(&filter, "edit", &[]).await.unwrap());
    let after = mime.rewrite(&before, &wanted).await.unwrap();
    let want = ParseOptions { headers: true, text: true, ..ParseOptions::default() };
    let reading = mime.read(Arc::clone(&after.raw), want, 1_000).await.unwrap();
    assert_eq!(reading.facts.subject.as_deref(), Some("edited"));
    assert_eq!(reading.facts.message_id.as_deref(), Some("1@example.test"));
    assert_eq!(reading.text.as_deref().map(str::trim_end), Some("hello\n\n-- below"));
    assert_eq!(after.envelope, before.envelope);

    let wanted = edits(ask(&filter, "recipient", &[]).await.unwrap());
    let after = mime.rewrite(&before, &wanted).await.unwrap();
    assert_eq!(after.envelope, envelope(&["bo@example.test", "spy@evil.test"]));

    for (subject, code) in [("inject", "control-character"), ("everything", "too-many-edits")] {
        let wanted = edits(ask(&filter, subject, &[]).await.unwrap());
        let refused = mime.rewrite(&before, &wanted).await;
        let Err(MimeError::Faults(faults)) = refused else { panic!("{refused:?}") };
        assert_eq!(faults[0].code, code);
    }
}
