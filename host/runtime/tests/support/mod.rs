//! Runtime test fixtures: a tenant with one account over fake capabilities, and shared helpers.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::future::ready;
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
use model::mail::message::{HeaderSummary, MessageQuery, Page, Summary};
use model::port::capabilities::{
    AccountAccess, Answer, Mailboxes, Messages, Providers, Submissions, Uploads,
};
use model::port::spool::Spool;
use model::problem::{Code, Problem};
use model::submission::{Accepted, Receipt, State};
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

impl AccountAccess for OneAccount {
    fn open_account<'a>(&'a self, caller: &'a Arc<Caller>, id: &'a str) -> Answer<'a, Grant> {
        Box::pin(ready(if id == "mine" {
            Ok(Grant { caller: Arc::clone(caller), account: Arc::new(account(caller)) })
        } else {
            Err(Problem::new(Code::NoSuchAccount, "There is no such account."))
        }))
    }
}

impl Messages for OneAccount {
    fn find_messages<'a>(&'a self, _: &'a Grant, query: MessageQuery) -> Answer<'a, Page<Summary>> {
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
        Box::pin(ready(Ok(Page { rows, next_cursor })))
    }
}

impl Submissions for OneAccount {
    fn submit<'a>(&'a self, _: &'a Grant, draft: Draft) -> Answer<'a, Accepted> {
        self.drafts.lock().unwrap().push(draft);
        let receipt = Receipt {
            submission: model::ids::SubmissionId::generate([3; 10]),
            message_id: "one@example.test".to_owned(),
            state: State::Accepted,
            due: Timestamp::from_millis(0),
            warnings: Vec::new(),
        };
        Box::pin(ready(Ok(Accepted { receipt, is_replay: false })))
    }
}

impl Uploads for OneAccount {
    fn spool(&self, _: &Caller) -> Result<Box<dyn Spool>, Problem> {
        Ok(Box::new(InMemorySpool::default()))
    }
}

impl Mailboxes for OneAccount {}

impl Providers for OneAccount {}
