//! A tenant with one account and nothing behind it, and what tests ask of a runtime.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use model::account::{Account, Identity};
use model::caller::{Caller, Grant, Party, Scope};
use model::ids::TenantId;
use model::instant::Timestamp;
use model::mail::draft::Draft;
use model::mail::mailbox::Mailbox;
use model::mail::message::{FlagChange, HeaderSummary, MessageQuery, Moved, Page, Summary};
use model::octets::{Octets, in_memory};
use model::port::BoxFuture;
use model::port::capabilities::{Capabilities, Message};
use model::port::spool::{Spool, SpoolError, Spools};
use model::problem::{Code, Problem};
use model::submission::{Receipt, State, SubmissionStatus};
use runtime::Runtime;
use runtime::body::Body;
use runtime::endpoint::Endpoint;
use runtime::error::{BodyError, EndpointError};
use runtime::limits::{Limits, Settings};

/// Capabilities with the account `mine`, whose mailbox `heavy` has as many rows of 8 KiB as anybody
/// asks for, and whose outbox keeps drafts.
#[derive(Debug, Default)]
pub(crate) struct OneAccount {
    pub(crate) drafts: Mutex<Vec<Draft>>,
}

/// Spools in memory.
#[derive(Debug)]
pub(crate) struct InMemory;

#[derive(Debug, Default)]
struct Heap(Vec<u8>);

/// A runtime with few places, so that its address space fits many times into a test process.
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

/// Limits that end a test soon, but never a guest that behaves, even on a busy machine.
pub(crate) fn short() -> Limits {
    Limits {
        cpu: Duration::from_millis(300),
        idle: Duration::from_secs(20),
        total: Duration::from_secs(40),
        ..Limits::default()
    }
}

pub(crate) fn caller(tenant: &str) -> Arc<Caller> {
    let tenant: TenantId = tenant.parse().unwrap();
    Arc::new(Caller {
        tenant,
        token: Some(model::ids::TokenId::generate([1; 10])),
        scopes: vec![Scope::Read],
        accounts: None,
        request: model::ids::RequestId::generate([2; 10]),
        idempotency_key: None,
        confined: None,
    })
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

/// A whole answer: status and JSON body.
pub(crate) async fn json(endpoint: &Endpoint, path: &str) -> (u16, serde_json::Value) {
    let response = ask(endpoint, path).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

/// Reads until the body ends: how many bytes came, and the error that ended it.
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

/// Waits for the event that no instance lives, however long the machine needs for it.
pub(crate) async fn nothing_lives(runtime: &Runtime) {
    let patience = Duration::from_secs(30);
    let gone = async {
        while runtime.counters().live > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(patience, gone).await.expect("an instance outlived its request");
}

fn account(caller: &Caller) -> Account {
    Account {
        id: "mine".parse().unwrap(),
        tenant: caller.tenant.clone(),
        email: "ann@example.test".parse().unwrap(),
        name: None,
        imap: None,
        smtp: None,
        identities: vec![Identity { name: None, email: "ann@example.test".parse().unwrap() }],
        generation: 0,
    }
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
        Ok(Box::new(Heap::default()))
    }
}

impl Spools for InMemory {
    fn create(&self, _: &Party) -> Result<Box<dyn Spool>, SpoolError> {
        Ok(Box::new(Heap::default()))
    }
}

impl Spool for Heap {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), SpoolError>> {
        self.0.extend_from_slice(&bytes);
        Box::pin(async { Ok(()) })
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<Octets, SpoolError>> {
        Box::pin(async move { Ok(in_memory(self.0.into())) })
    }
}
