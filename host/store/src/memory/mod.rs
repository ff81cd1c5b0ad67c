//! The memory twin: the same promises, for as long as the process lives.
//!
//! For tests of everything above the store; nobody can choose it to keep mail.
//! Plain structs under one lock, simple enough to serve as the reference that
//! SQLite is compared with. Secrets are sealed here too.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::account::Account;
use model::health::Health;
use model::ids::{AccountId, SubmissionId, TenantId, TokenId};
use model::instant::Timestamp;
use model::message::Page;
use model::octets::Octets;
use model::port::BoxFuture;
use model::port::clock::Clock;
use model::port::outbox::{Acceptance, Claim, Outbox, Replay, Step};
use model::port::store::StoreError;
use model::port::tokens::Token;
use model::submission::{Entry, Idempotency, IdempotencyKey, NewSubmission, Receipt, State};

use crate::credential;
use crate::credential::Sealed;
use crate::failure::failed;
use crate::fair::{deal, in_turn};
use crate::keys::KeyRing;
use crate::lifecycle::{CLAIMED, is_forgotten, is_held, untried};
use crate::page::{Cursor, LARGEST, List, submissions};
use crate::seal::MasterKey;

mod accounts;
mod tokens;

/// A store that forgets. Clones share it.
#[derive(Clone)]
pub struct Memory {
    ring: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    tables: Arc<Mutex<Tables>>,
}

#[derive(Default)]
struct Tables {
    accounts: BTreeMap<(TenantId, AccountId), (Account, Sealed)>,
    /// With the generation that it is of.
    health: BTreeMap<(TenantId, AccountId), (u32, Health)>,
    tokens: BTreeMap<TokenId, Token>,
    submissions: HashMap<SubmissionId, Row>,
    keys: HashMap<(TenantId, AccountId, u32, IdempotencyKey), Used>,
    served: Option<TenantId>,
}

struct Used {
    digest: [u8; 32],
    submission: SubmissionId,
    created: Timestamp,
}

struct Row {
    new: NewSubmission,
    entry: Entry,
    /// None once the state is final.
    raw: Option<Octets>,
    epoch: u64,
    lease_until: Timestamp,
    found: State,
}

impl Row {
    fn wake(&self) -> Option<Timestamp> {
        match self.entry.receipt.state {
            State::Accepted | State::Deferred | State::Uncertain => Some(self.entry.receipt.due),
            State::Claimed | State::Dialing | State::DotSent => Some(self.lease_until),
            State::Sent | State::Failed | State::Cancelled | State::Expired => None,
        }
    }

    fn belongs_to(&self, account: &Account) -> bool {
        let NewSubmission { tenant, account: id, generation, .. } = &self.new;
        (tenant, id, generation) == (&account.tenant, &account.id, &account.generation)
    }

    fn claim(&mut self, lease_until: Timestamp) -> Option<Claim> {
        let raw = self.raw.clone()?;
        let state = std::mem::replace(&mut self.entry.receipt.state, State::Claimed);
        if state != State::Claimed {
            self.found = state;
        }
        self.epoch += 1;
        self.lease_until = lease_until;
        Some(Claim {
            id: self.new.id.clone(),
            tenant: self.new.tenant.clone(),
            account: self.new.account.clone(),
            generation: self.new.generation,
            epoch: self.epoch,
            message_id: self.new.message_id.clone(),
            sender: self.new.sender.clone(),
            recipients: self.entry.recipients.clone(),
            raw,
            attempts: self.entry.attempts,
            created: self.new.created,
            found: self.found,
            possible_duplicate: self.entry.possible_duplicate,
        })
    }

    fn record(&mut self, step: Step) -> Result<(), StoreError> {
        let uncounted = u32::from(matches!(step, Step::Uncounted { .. }));
        match step {
            Step::Dialing { due, possible_duplicate } => {
                self.entry.receipt.state = State::Dialing;
                self.entry.receipt.due = due;
                self.entry.attempts += 1;
                self.entry.possible_duplicate |= possible_duplicate;
            }
            Step::DotSent => self.entry.receipt.state = State::DotSent,
            Step::Ended { state, .. } | Step::Uncounted { state, .. } if is_held(state) => {
                return Err(failed(format_args!("no attempt ends as {}", state.as_str())));
            }
            Step::Ended { state, recipients, due, last_error }
            | Step::Uncounted { state, recipients, due, last_error } => {
                self.entry.attempts = self.entry.attempts.saturating_sub(uncounted);
                self.entry.receipt.state = state;
                self.entry.receipt.due = due;
                self.entry.recipients = recipients;
                self.entry.last_error = last_error;
                if state.is_final() {
                    self.raw = None;
                }
            }
        }
        Ok(())
    }
}

impl Memory {
    /// An empty one.
    #[must_use]
    pub fn new(key: MasterKey, clock: Arc<dyn Clock>) -> Self {
        Self { ring: Arc::new(KeyRing::new(key.into())), clock, tables: Arc::default() }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wraps every record with `new`; how many there were.
    ///
    /// # Errors
    /// When there is no randomness.
    pub async fn rotate(&self, new: MasterKey) -> Result<u64, StoreError> {
        let mut tables = self.tables();
        self.ring.begin(new)?;
        let keys = self.ring.keys();
        let mut wrapped = 0;
        for (account, sealed) in tables.accounts.values_mut() {
            let place = credential::place(account, &sealed.field);
            if let Some(record) = keys.rewrap(&place, &sealed.record)? {
                sealed.record = record;
                wrapped += 1;
            }
        }
        self.ring.finish();
        Ok(wrapped)
    }

    /// Moves a sealed record between accounts, as a thief with the database might.
    #[cfg(test)]
    pub(crate) fn copy_sealed(&self, tenant: &TenantId, from: &AccountId, to: &AccountId) {
        let mut tables = self.tables();
        let sealed = tables.accounts[&(tenant.clone(), from.clone())].1.clone();
        tables.accounts.get_mut(&(tenant.clone(), to.clone())).unwrap().1 = sealed;
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl Tables {
    fn replay(
        &self,
        owner: (TenantId, AccountId, u32),
        idempotency: &Idempotency,
        now: Timestamp,
    ) -> Option<Replay> {
        let (tenant, account, generation) = owner;
        let key = (tenant, account, generation, idempotency.key.clone());
        let used = self.keys.get(&key)?;
        let receipt = &self.submissions.get(&used.submission)?.entry.receipt;
        if is_forgotten(used.created, receipt.state, now) {
            return None;
        }
        let same = used.digest == idempotency.digest;
        Some(if same { Replay::Same(receipt.clone()) } else { Replay::Mismatch })
    }

    fn accept(&mut self, new: NewSubmission, now: Timestamp) -> Result<Acceptance, StoreError> {
        let owner = (new.tenant.clone(), new.account.clone(), new.generation);
        if let Some(idempotency) = &new.idempotency
            && let Some(replay) = self.replay(owner, idempotency, now)
        {
            return Ok(Acceptance::Replayed(replay));
        }
        if self.submissions.contains_key(&new.id) {
            return Err(StoreError::Exists);
        }
        if let Some(Idempotency { key, digest }) = new.idempotency.clone() {
            let used = Used { digest, submission: new.id.clone(), created: new.created };
            let key = (new.tenant.clone(), new.account.clone(), new.generation, key);
            self.keys.insert(key, used);
        }
        let receipt = Receipt {
            submission: new.id.clone(),
            message_id: new.message_id.clone(),
            state: State::Accepted,
            due: new.due,
            warnings: new.warnings.clone(),
        };
        let entry = Entry {
            receipt: receipt.clone(),
            attempts: 0,
            recipients: untried(&new.recipients),
            possible_duplicate: false,
            last_error: None,
            created: new.created,
        };
        let row = Row {
            entry,
            raw: Some(Arc::clone(&new.raw)),
            epoch: 0,
            lease_until: new.created,
            found: State::Accepted,
            new,
        };
        self.submissions.insert(row.new.id.clone(), row);
        Ok(Acceptance::Stored(receipt))
    }

    fn claim(&mut self, now: Timestamp, lease_until: Timestamp, limit: usize) -> Vec<Claim> {
        let mut due: BTreeMap<TenantId, Vec<_>> = BTreeMap::new();
        for row in self.submissions.values() {
            if let Some(wake) = row.wake().filter(|wake| *wake <= now) {
                let place = (wake, row.new.created, row.new.id.clone());
                due.entry(row.new.tenant.clone()).or_default().push(place);
            }
        }
        let turns = in_turn(due.keys().cloned().collect(), self.served.as_ref());
        let queues = turns.into_iter().take(limit).map(|tenant| {
            let mut queue = due.remove(&tenant).unwrap_or_default();
            queue.sort();
            (tenant, queue.into_iter().map(|(_, _, id)| id).collect())
        });
        let (ids, last) = deal(queues.collect(), limit);
        self.served = last.or(self.served.take());
        let claim = |id| self.submissions.get_mut(&id)?.claim(lease_until);
        ids.into_iter().filter_map(claim).collect()
    }
}

impl Outbox for Memory {
    fn lookup<'a>(
        &'a self,
        account: &'a Account,
        idempotency: &'a Idempotency,
    ) -> BoxFuture<'a, Result<Option<Replay>, StoreError>> {
        let now = self.clock.now();
        let owner = (account.tenant.clone(), account.id.clone(), account.generation);
        Box::pin(async move { Ok(self.tables().replay(owner, idempotency, now)) })
    }

    fn accept(&self, submission: NewSubmission) -> BoxFuture<'_, Result<Acceptance, StoreError>> {
        let now = self.clock.now();
        Box::pin(async move { self.tables().accept(submission, now) })
    }

    fn claim<'a>(
        &'a self,
        _: &'a str,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Claim>, StoreError>> {
        Box::pin(async move {
            Ok(self.tables().claim(now, now.after(lease), limit.min(CLAIMED) as usize))
        })
    }

    fn record<'a>(
        &'a self,
        id: &'a SubmissionId,
        epoch: u64,
        step: Step,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut tables = self.tables();
            let row = tables.submissions.get_mut(id);
            row.filter(|row| row.epoch == epoch && is_held(row.entry.receipt.state))
                .ok_or(StoreError::LostClaim)?
                .record(step)
        })
    }

    fn void_claims(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let mut voided = 0;
            for row in self.tables().submissions.values_mut() {
                if is_held(row.entry.receipt.state) {
                    row.lease_until = row.entry.receipt.due;
                    voided += 1;
                }
            }
            Ok(voided)
        })
    }

    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        Box::pin(async move { Ok(self.tables().submissions.values().filter_map(Row::wake).min()) })
    }

    fn get<'a>(
        &'a self,
        account: &'a Account,
        id: &'a SubmissionId,
    ) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        Box::pin(async move {
            let tables = self.tables();
            let row = tables.submissions.get(id).filter(|row| row.belongs_to(account));
            Ok(row.map(|row| row.entry.clone()))
        })
    }

    fn find<'a>(
        &'a self,
        account: &'a Account,
        states: &'a [State],
        cursor: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Page<Entry>, StoreError>> {
        Box::pin(async move {
            let limit = limit.clamp(1, LARGEST);
            let list = List::of(account, states);
            let before = match cursor.map(|text| Cursor::decode(text, list)) {
                Some(None) => return Err(StoreError::Cursor),
                Some(before) => before,
                None => None,
            };
            let place = |entry: &Entry| Cursor {
                created: entry.created,
                id: entry.receipt.submission.clone(),
            };
            let tables = self.tables();
            let mut rows: Vec<_> = tables
                .submissions
                .values()
                .filter(|row| row.belongs_to(account))
                .map(|row| &row.entry)
                .filter(|entry| states.is_empty() || states.contains(&entry.receipt.state))
                .filter(|entry| before.as_ref().is_none_or(|before| place(entry) < *before))
                .collect();
            rows.sort_by_key(|entry| std::cmp::Reverse(place(entry)));
            let rows = rows.into_iter().take(limit as usize + 1).cloned().collect();
            Ok(submissions(rows, limit, list))
        })
    }
}
