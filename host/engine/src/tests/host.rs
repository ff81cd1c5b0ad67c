//! Test host: an engine with fakes for every port.

use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use futures_util::FutureExt;
use model::caller::{Caller, Grant, Party, Scope};
use model::mail::draft::Draft;
use model::mail::mailbox::Role;
use model::mail::message::{MessageQuery, Page, Summary};
use model::port::BoxFuture;
use model::port::capabilities::{AccountAccess, Messages, Submissions};
use model::port::spawner::Spawner;
use model::port::spool::{Spool, SpoolError, Spools};
use model::port::token_endpoint::TokenEndpoint;
use model::problem::{Code, Problem};
use model::submission::{Accepted, IdempotencyKey, Receipt};

use crate::discovery::Discovery;
use crate::engine::Engine;
use crate::oauth::servers::Servers;
use crate::ports::Ports;
use crate::providers::Profiles;
use crate::settings::Settings;
use crate::tests::account::{Shelf, account};
use crate::tests::clock::{Counting, Owned};
use crate::tests::mime::Plain;
use crate::tests::outbox::RecordedOutbox;
use crate::tests::{imap, smtp};

#[derive(Debug)]
struct NoSpools;

impl Spools for NoSpools {
    fn create(&self, _: &Party) -> Result<Box<dyn Spool>, SpoolError> {
        Err(SpoolError::Full { limit: 0 })
    }
}

/// Runs background tasks immediately.
#[derive(Debug)]
struct AtOnce;

impl Spawner for AtOnce {
    fn run(&self, _: &'static str, work: BoxFuture<'static, ()>) {
        work.now_or_never().unwrap();
    }
}

#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) engine: Arc<Engine>,
    pub(crate) imap: imap::Server,
    pub(crate) smtp: smtp::Server,
    pub(crate) clock: Arc<Owned>,
    pub(crate) mime: Arc<Plain>,
    pub(crate) outbox: Arc<RecordedOutbox>,
    pub(crate) shelf: Arc<Shelf>,
    ports: Ports,
}

impl Host {
    /// A host with the accounts `anna` and `bela` of one tenant, at the same server.
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let imap = imap::Server::with(&[
            ("INBOX", None),
            ("Trash", Some(Role::Trash)),
            ("Sent", Some(Role::Sent)),
            ("Work", None),
        ]);
        let smtp = smtp::Server::default();
        let (clock, mime) = (Arc::new(Owned::default()), Arc::new(Plain::default()));
        let outbox = Arc::new(RecordedOutbox::new(clock.clone()));
        let shelf = Arc::new(Shelf::default());
        for id in ["anna", "bela"] {
            let account = account(id);
            shelf.0.lock().insert(account.id.clone(), account);
        }
        let profiles = Arc::new(Profiles::embedded().unwrap());
        let ports = Ports {
            background: Arc::new(()),
            tokens: Arc::new(()),
            own_tokens: Arc::new(()),
            authorization: Arc::default(),
            discovery: Arc::new(Discovery::new(
                profiles.clone(),
                HashMap::new(),
                None,
                clock.clone(),
            )),
            clock: clock.clone(),
            entropy: Arc::new(Counting::default()),
            imap: Arc::new(imap.clone()),
            smtp: Arc::new(smtp.clone()),
            mime: mime.clone(),
            outbox: outbox.clone(),
            accounts: shelf.clone(),
            spools: Arc::new(NoSpools),
            profiles,
        };
        let engine = Engine::new(ports.clone(), settings);
        Self { engine, imap, smtp, clock, mime, outbox, shelf, ports }
    }

    /// The same host with another outbox.
    pub(crate) fn move_to(&mut self, outbox: Arc<dyn model::port::outbox::Outbox>) {
        self.ports.outbox = outbox;
        self.restart();
    }

    /// The same host after a restart: only outbox, accounts and servers are left.
    pub(crate) fn restart(&mut self) {
        self.engine = Engine::new(self.ports.clone(), Settings::default());
    }

    /// The same host where tenants' token URLs issue tokens.
    pub(crate) fn with_tokens(&mut self, tokens: Arc<dyn TokenEndpoint>) {
        self.ports.own_tokens = tokens;
        self.ports.background = Arc::new(AtOnce);
        self.restart();
    }

    /// The same host where an authorization server of the operator issues tokens.
    pub(crate) fn with_authorization(&mut self, tokens: Arc<dyn TokenEndpoint>, servers: Servers) {
        self.ports.tokens = tokens;
        self.ports.authorization = Arc::new(servers);
        self.ports.background = Arc::new(AtOnce);
        self.restart();
    }

    pub(crate) async fn grant(&self, id: &str) -> Grant {
        self.engine.open_account(&caller(&Scope::EVERY, None), id).await.unwrap()
    }

    pub(crate) async fn page(
        &self,
        mailbox: &str,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<Summary>, Problem> {
        let grant = self.grant("anna").await;
        self.engine.find_messages(&grant, query(mailbox, cursor, limit)).await
    }

    /// The message ids of a mailbox, newest first.
    pub(crate) async fn keys(&self, mailbox: &str) -> Vec<String> {
        let page = self.page(mailbox, None, 100).await.unwrap();
        page.rows.into_iter().map(|row| row.stored.unwrap().key).collect()
    }

    pub(crate) async fn submit(&self, key: Option<&str>, draft: Draft) -> Result<Receipt, Problem> {
        self.accept(key, draft).await.map(|accepted| accepted.receipt)
    }

    pub(crate) async fn accept(
        &self,
        key: Option<&str>,
        draft: Draft,
    ) -> Result<Accepted, Problem> {
        self.submit_for(caller(&Scope::EVERY, key), draft).await
    }

    /// An anonymous submission.
    pub(crate) async fn submit_unknown(&self, draft: Draft) -> Result<Receipt, Problem> {
        let caller = Arc::unwrap_or_clone(caller(&Scope::EVERY, None));
        let caller = Arc::new(Caller { token: None, ..caller });
        self.submit_for(caller, draft).await.map(|accepted| accepted.receipt)
    }

    async fn submit_for(&self, caller: Arc<Caller>, draft: Draft) -> Result<Accepted, Problem> {
        let grant = self.engine.open_account(&caller, "anna").await.unwrap();
        self.engine.submit(&grant, draft).await
    }

    /// Runs the driver for `time`, then drops it wherever it is.
    pub(crate) fn drive(&self, time: Duration) {
        self.drive_by(Duration::from_secs(1), time);
    }

    /// As above, in steps of `step`.
    pub(crate) fn drive_by(&self, step: Duration, time: Duration) {
        let mut driver = pin!(Arc::clone(&self.engine).deliver_forever(std::future::pending()));
        settle(driver.as_mut());
        let mut left = time;
        while !left.is_zero() {
            self.clock.advance(step.min(left));
            left = left.saturating_sub(step);
            settle(driver.as_mut());
        }
    }
}

/// Polls until the future makes no progress, which is when nothing woke it; true when it is
/// complete.
pub(crate) fn settle<F: Future + ?Sized>(future: Pin<&mut F>) -> bool {
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    // Outside of a task there is no runtime to return the rest of a cooperative budget to.
    let mut future = tokio::task::unconstrained(future);
    while woken.0.swap(false, Ordering::Relaxed) {
        if Pin::new(&mut future).poll(&mut context).is_ready() {
            return true;
        }
    }
    false
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(crate) fn caller(scopes: &[Scope], key: Option<&str>) -> Arc<Caller> {
    let idempotency_key = key.map(|key| IdempotencyKey::Token(key.into()));
    Arc::new(Caller { idempotency_key, ..fakes::caller::caller("acme", scopes) })
}

pub(crate) fn query(mailbox: &str, cursor: Option<String>, limit: u32) -> MessageQuery {
    MessageQuery { mailbox: mailbox.to_owned(), preview: false, attachments: false, cursor, limit }
}

#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Problem>, want: Code) {
    match answer {
        Ok(value) => panic!("{value:?} instead of {}", want.as_str()),
        Err(problem) => assert_eq!(problem.code, want, "{problem:?}"),
    }
}
