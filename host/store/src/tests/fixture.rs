//! Fixtures of the store tests: a controlled clock, a store of each kind, and short constructors.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fakes::account::password;
use model::account::Account;
use model::ids::{AccountId, SubmissionId, TenantId, TokenId};
use model::instant::Timestamp;
use model::octets::{Octets, in_memory};
use model::port::BoxFuture;
use model::port::accounts::Accounts;
use model::port::clock::Clock;
use model::port::outbox::{Acceptance, AttemptStep, Claim, ClaimCapacity, ClaimRequest, Outbox};
use model::port::store_error::StoreError;
use model::port::tokens::{Token, Tokens};
use model::submission::{
    Idempotency, IdempotencyKey, NewSubmission, Receipt, RecipientVerdict, State,
};

use crate::keys::seal::MasterKey;
use crate::memory::Memory;
use crate::sqlite::Sqlite;

/// 2026-11-23.
pub(crate) const START: i64 = 1_795_392_000_000;

#[derive(Debug)]
pub(crate) struct TestClock {
    now: AtomicI64,
    /// The part that passed; the rest was set.
    passed: AtomicI64,
}

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { now: AtomicI64::new(START), passed: AtomicI64::new(0) })
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.passed.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
        self.set(by.as_millis() as i64);
    }

    /// Sets the wall clock, ahead or back; no time passes.
    pub(crate) fn set(&self, by: i64) {
        self.now.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.passed.load(Ordering::SeqCst) as u64)
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// Of every account that was not created again.
pub(crate) const GENERATION: u32 = 3;

/// Both stores, as the suite sees them.
pub(crate) trait Store: Outbox + Accounts + Tokens + Clone + 'static {
    /// As an attacker with access to the database might.
    fn copy_sealed(&self, tenant: &TenantId, from: &AccountId, to: &AccountId);
    fn rotate(&self, new: MasterKey) -> BoxFuture<'_, Result<u64, StoreError>>;
}

impl Store for Memory {
    fn copy_sealed(&self, tenant: &TenantId, from: &AccountId, to: &AccountId) {
        self.copy_sealed(tenant, from, to);
    }

    fn rotate(&self, new: MasterKey) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.rotate(new))
    }
}

/// A store under test.
pub(crate) struct Bench<S> {
    pub(crate) store: S,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) dir: Option<tempfile::TempDir>,
}

pub(crate) fn key() -> MasterKey {
    MasterKey::from_bytes([7; 32])
}

pub(crate) fn memory() -> Bench<Memory> {
    let clock = TestClock::new();
    Bench { store: Memory::new(key(), Arc::clone(&clock) as _), clock, dir: None }
}

pub(crate) fn sqlite() -> Bench<Sqlite> {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let store = Sqlite::open(dir.path(), key(), Arc::clone(&clock) as _).unwrap();
    Bench { store, clock, dir: Some(dir) }
}

impl<S: Store> Bench<S> {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Due at once, of tenant `t` and account `anna`.
    pub(crate) fn draft(&self, number: u8) -> NewSubmission {
        NewSubmission {
            id: id(number),
            tenant: tenant("t"),
            account: account("anna"),
            generation: GENERATION,
            message_id: format!("{number}@example.net"),
            sender: "anna@example.net".parse().unwrap(),
            recipients: vec!["bo@example.net".parse().unwrap(), "cy@example.net".parse().unwrap()],
            raw: octets(b"Subject: hi\r\n\r\nhello\r\n"),
            created: self.now(),
            due: self.now(),
            warnings: vec!["one thing".to_owned(), "and another".to_owned()],
            idempotency: None,
        }
    }

    pub(crate) async fn accepted(&self, new: NewSubmission) -> Receipt {
        match self.store.accept(new).await.unwrap() {
            Acceptance::Stored(receipt) => receipt,
            Acceptance::Replayed(replay) => panic!("replayed: {replay:?}"),
        }
    }

    pub(crate) async fn claims(&self, limit: u32) -> Vec<Claim> {
        self.try_claims(limit).await.unwrap()
    }

    pub(crate) async fn try_claims(&self, limit: u32) -> Result<Vec<Claim>, StoreError> {
        self.store.claim(self.wish(limit)).await.map(|claimed| claimed.claims)
    }

    /// For anything that is due; an attempt that does not report is due again at once.
    pub(crate) fn wish(&self, limit: u32) -> ClaimRequest {
        let (owner, now) = ("me".to_owned(), self.now());
        ClaimRequest {
            owner,
            now,
            lease: LEASE,
            room: ClaimCapacity::of(limit),
            pauses: Vec::new(),
        }
    }

    /// The only claim.
    pub(crate) async fn claimed(&self) -> Claim {
        let mut claims = self.claims(10).await;
        assert_eq!(claims.len(), 1, "{claims:?}");
        claims.remove(0)
    }

    /// An account with the password `pass of {id}`.
    pub(crate) async fn store_person(&self, t: &str, a: &str) {
        let credentials = password(&format!("pass of {a}"));
        Accounts::create(&self.store, &person(t, a), &credentials).await.unwrap();
    }

    pub(crate) async fn state(&self, number: u8) -> State {
        let entry = Outbox::get(&self.store, &person("t", "anna"), &id(number)).await.unwrap();
        entry.unwrap().receipt.state
    }
}

impl<S: fmt::Debug> fmt::Debug for Bench<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

pub(crate) const LEASE: Duration = Duration::from_secs(120);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn id(number: u8) -> SubmissionId {
    SubmissionId::generate([number; 10])
}

pub(crate) fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

pub(crate) fn account(id: &str) -> AccountId {
    id.parse().unwrap()
}

pub(crate) fn octets(bytes: &[u8]) -> Octets {
    in_memory(Bytes::copy_from_slice(bytes))
}

pub(crate) fn used(key: &str, digest: u8) -> Option<Idempotency> {
    let key = IdempotencyKey::Token(key.into());
    Some(Idempotency { key, digest: [digest; 32] })
}

pub(crate) fn ended(claim: &Claim, state: State, due: Timestamp) -> AttemptStep {
    let verdict = |one: &RecipientVerdict| RecipientVerdict {
        state,
        reply: Some("250 2.0.0 queued".to_owned()),
        at: Some(due),
        ..one.clone()
    };
    let recipients = claim.recipients.iter().map(verdict).collect();
    AttemptStep::Ended { state, recipients, due, last_error: Some("a line".to_owned()) }
}

pub(crate) fn person(tenant_id: &str, id: &str) -> Account {
    Account {
        tenant: tenant(tenant_id),
        name: Some("A Person".to_owned()),
        generation: GENERATION,
        ..fakes::account::account(id, &format!("{id}@example.net"))
    }
}

pub(crate) fn token(tenant_id: &str, number: u8) -> Token {
    Token {
        id: TokenId::generate([number; 10]),
        tenant: tenant(tenant_id),
        name: Some("laptop".to_owned()),
        digest: [number; 32],
        scopes: model::caller::Scope::EVERY.to_vec(),
        accounts: Some(vec![account("anna")]),
        created: Timestamp::from_millis(START),
        expires: Some(Timestamp::from_millis(START + 1)),
    }
}

pub(crate) async fn bytes_of(octets: &Octets) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let piece = octets.read_at(bytes.len() as u64, 100_000).await.unwrap();
        if piece.is_empty() {
            return bytes;
        }
        bytes.extend_from_slice(&piece);
    }
}
