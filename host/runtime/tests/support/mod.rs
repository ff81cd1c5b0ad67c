//! Runtime test fixtures: a tenant with one account over fake capabilities, and shared helpers.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fakes::spool::InMemorySpool;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use model::account::Account;
use model::caller::{Caller, Grant, Scope};
use model::instant::Timestamp;
use model::mail::draft::Draft;
use model::mail::mailbox::Mailbox;
use model::mail::message::{FlagChange, HeaderSummary, MessageQuery, Moved, Page, Summary};
use model::port::BoxFuture;
use model::port::capabilities::{Capabilities, Message};
use model::port::spool::Spool;
use model::problem::{Code, Problem};
use model::submission::{Receipt, State, SubmissionStatus};
use runtime::Runtime;
use runtime::body::Body;
use runtime::endpoint::Endpoint;
use runtime::error::{BodyError, EndpointError};
use runtime::limits::{Limits, Settings};

/// Capabilities with the account `mine`, whose mailbox `heavy` has any requested number of rows of
/// 8 KiB, and whose outbox keeps drafts.
#[derive(Debug, Default)]
pub(crate) struct OneAccount {
    pub(crate) drafts: Mutex<Vec<Draft>>,
}

/// A runtime with few instance slots, so that its address space fits many times into a test
/// process.
pub(crate) fn runtime() -> Runtime {
    with(Settings { instances: 8, mime_instances: 4, ..Settings::default() })
}

pub(crate) fn with(settings: Settings) -> Runtime {
    Runtime::new(settings).unwrap()
}

/// The hostile guest under the given limits.
pub(crate) fn hostile(runtime: &Runtime, limits: Limits) -> Endpoint {
    let component = runtime.component("hostile", guests::HOSTILE).unwrap();
    runtime.endpoint(&component, Arc::new(OneAccount::default()), limits).unwrap()
}

/// Limits that end a test soon, and never a guest that behaves, even on a busy machine.
pub(crate) fn short() -> Limits {
    Limits {
        cpu: Duration::from_millis(300),
        idle: Duration::from_secs(20),
        total: Duration::from_secs(40),
        ..Limits::default()
    }
}

pub(crate) fn caller(tenant: &str) -> Arc<Caller> {
    Arc::new(fakes::caller::caller(tenant, &[Scope::Read]))
}

pub(crate) fn empty() -> Body {
    UnsyncBoxBody::new(Empty::new().map_err(|never| match never {}))
}

pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(path).header("host", "mail.test").body(empty()).unwrap()
}

pub(crate) async fn ask(endpoint: &Endpoint, path: &str) -> Result<Response<Body>, EndpointError> {
    endpoint.handle(caller("ann"), get(path)).await
}

/// A whole response: status and JSON body.
pub(crate) async fn json(endpoint: &Endpoint, path: &str) -> (u16, serde_json::Value) {
    let response = ask(endpoint, path).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

/// Reads until the body ends; returns the number of bytes, and the error that ended it.
pub(crate) async fn drain(mut body: Body) -> (u64, Option<BodyError>) {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes += frame.data_ref().map_or(0, |data| data.len() as u64),
            Err(error) => return (bytes, Some(error)),
        }
    }
    (bytes, None)
}

/// Waits until no instance lives, however long that takes.
pub(crate) async fn nothing_lives(runtime: &Runtime) {
    let patience = Duration::from_secs(30);
    let gone = async {
        while runtime.counters().live > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(patience, gone).await.expect("an instance outlived its request");
}

/// Disconnects as soon as an instance lives, and waits until it has ended.
pub(crate) async fn disconnect(runtime: &Runtime, endpoint: &Endpoint, path: &str) {
    let lives = async {
        while runtime.counters().live == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = ask(endpoint, path) => panic!("{path} ended by itself: {ended:?}"),
        () = lives => {}
    }
    nothing_lives(runtime).await;
}

/// Reads one byte of a body without end and drops it: the instance ends with it.
pub(crate) async fn drop_body(runtime: &Runtime, endpoint: &Endpoint) {
    let mut body = ask(endpoint, "/trickle").await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), ".");
    assert_eq!(runtime.counters().live, 1);
    drop(body);
    nothing_lives(runtime).await;
}

fn account(caller: &Caller) -> Account {
    let tenant = caller.tenant.clone();
    Account { tenant, ..fakes::account::account("mine", "ann@example.test") }
}

fn nothing() -> Problem {
    Problem::new(Code::NotConfigured, "There is no mail server behind this test.")
}

fn each<T>(keys: &[String]) -> Vec<Result<T, Problem>> {
    keys.iter().map(|_| Err(nothing())).collect()
}

impl Capabilities for OneAccount {
    fn open_account<'a>(
        &'a self,
        caller: &'a Arc<Caller>,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Grant, Problem>> {
        let opened = if id == "mine" {
            Ok(Grant { caller: Arc::clone(caller), account: Arc::new(account(caller)) })
        } else {
            Err(Problem::new(Code::NoSuchAccount, "There is no such account."))
        };
        Box::pin(async move { opened })
    }

    fn find_messages<'a>(
        &'a self,
        _: &'a Grant,
        query: MessageQuery,
    ) -> BoxFuture<'a, Result<Page<Summary>, Problem>> {
        let row = Summary {
            stored: None,
            facts: HeaderSummary { subject: Some("x".repeat(8 << 10)), ..HeaderSummary::default() },
            size: Some(0),
            preview: None,
            has_attachments: None,
            unparsed: false,
            unavailable: false,
        };
        let rows = vec![row; if query.mailbox == "heavy" { query.limit as usize } else { 0 }];
        let next_cursor = Some(format!("after-{}", rows.len()));
        Box::pin(async { Ok(Page { rows, next_cursor }) })
    }

    fn open_message<'a>(
        &'a self,
        _: &'a Grant,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Arc<dyn Message>, Problem>> {
        Box::pin(async { Err(nothing()) })
    }

    fn change_flags<'a>(
        &'a self,
        _: &'a Grant,
        keys: &'a [String],
        _: FlagChange,
    ) -> BoxFuture<'a, Vec<Result<Vec<String>, Problem>>> {
        Box::pin(async { each(keys) })
    }

    fn move_messages<'a>(
        &'a self,
        _: &'a Grant,
        keys: &'a [String],
        _: &'a str,
    ) -> BoxFuture<'a, Vec<Result<Moved, Problem>>> {
        Box::pin(async { each(keys) })
    }

    fn copy_messages<'a>(
        &'a self,
        _: &'a Grant,
        keys: &'a [String],
        _: &'a str,
    ) -> BoxFuture<'a, Vec<Result<Moved, Problem>>> {
        Box::pin(async { each(keys) })
    }

    fn trash<'a>(
        &'a self,
        _: &'a Grant,
        keys: &'a [String],
    ) -> BoxFuture<'a, Vec<Result<Moved, Problem>>> {
        Box::pin(async { each(keys) })
    }

    fn expunge_forever<'a>(
        &'a self,
        _: &'a Grant,
        keys: &'a [String],
    ) -> BoxFuture<'a, Vec<Result<(), Problem>>> {
        Box::pin(async { each(keys) })
    }

    fn mailboxes<'a>(
        &'a self,
        _: &'a Grant,
        _: bool,
    ) -> BoxFuture<'a, Result<Vec<Mailbox>, Problem>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn submit<'a>(&'a self, _: &'a Grant, draft: Draft) -> BoxFuture<'a, Result<Receipt, Problem>> {
        self.drafts.lock().unwrap().push(draft);
        let receipt = Receipt {
            submission: model::ids::SubmissionId::generate([3; 10]),
            message_id: "one@example.test".to_owned(),
            state: State::Accepted,
            due: Timestamp::from_millis(0),
            warnings: Vec::new(),
        };
        Box::pin(async { Ok(receipt) })
    }

    fn submission<'a>(
        &'a self,
        _: &'a Grant,
        _: &'a str,
    ) -> BoxFuture<'a, Result<SubmissionStatus, Problem>> {
        Box::pin(async { Err(nothing()) })
    }

    fn submissions<'a>(
        &'a self,
        _: &'a Grant,
        _: &'a [State],
        _: Option<&'a str>,
        _: u32,
    ) -> BoxFuture<'a, Result<Page<SubmissionStatus>, Problem>> {
        Box::pin(async { Ok(Page { rows: Vec::new(), next_cursor: None }) })
    }

    fn spool(&self, _: &Caller) -> Result<Box<dyn Spool>, Problem> {
        Ok(Box::new(InMemorySpool::default()))
    }
}
