//! Runtime test fixtures: a tenant with one account over fake capabilities, and shared helpers.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::future::ready;
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
use model::mail::message::{HeaderSummary, MessageQuery, Page, Summary};
use model::octets::{Octets, in_memory};
use model::port::BoxFuture;
use model::port::capabilities::{
    AccountAccess, Answer, Mailboxes, Messages, Providers, Submissions, Uploads,
};
use model::port::spool::{Spool, SpoolError, Spools};
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

/// In-memory spools.
#[derive(Debug)]
pub(crate) struct InMemory;

#[derive(Debug, Default)]
struct Heap(Vec<u8>);

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
        Ok(Box::new(Heap::default()))
    }
}

impl Mailboxes for OneAccount {}

impl Providers for OneAccount {}

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
