//! In-memory store: the same guarantees, for as long as the process lives.
//!
//! For tests of everything above the store; it cannot be configured for a host. Plain structs under
//! one lock, simple enough to serve as the reference that SQLite is compared with. Secrets are
//! sealed here too.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::account::Account;
use model::health::Health;
use model::ids::{AccountId, SubmissionId, TenantId, TokenId};
use model::instant::Timestamp;
use model::mail::message::Page;
use model::octets::Octets;
use model::port::BoxFuture;
use model::port::clock::Clock;
use model::port::outbox::{
    Acceptance, AttemptStep, Claim, ClaimRequest, Claimed, ClaimedCopies, IdempotentReplay, Outbox,
};
use model::port::store_error::StoreError;
use model::port::tokens::Token;
use model::submission::{
    Idempotency, IdempotencyKey, NewSubmission, Receipt, RecipientVerdict, SentCopy, State,
    SubmissionStatus,
};

use crate::error::failed;
use crate::keys::credential::Sealed;
use crate::keys::seal::MasterKey;
use crate::keys::{KeyRing, credential};
use crate::rules::cursor::{Cursor, LARGEST, list, submissions};
use crate::rules::fair_queue::{Due, Served, choose, merge};
use crate::rules::outbox::{
    CLAIMED, DAMAGED, ends_doubt, in_doubt, is_forgotten, is_held, untried,
};
use crate::rules::uptime::Uptime;

mod accounts;
mod copies;
mod maintenance;
mod tokens;

/// A store without persistence. Clones share it.
#[derive(Clone)]
pub struct Memory {
    ring: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    tables: Arc<Mutex<Tables>>,
}

#[derive(Default)]
struct Tables {
    accounts: BTreeMap<(TenantId, AccountId), (Account, Sealed)>,
    /// With the account's generation.
    health: BTreeMap<(TenantId, AccountId), (u32, Health)>,
    tokens: BTreeMap<TokenId, Token>,
    submissions: HashMap<SubmissionId, Row>,
    keys: HashMap<(TenantId, AccountId, u32, IdempotencyKey), Used>,
    /// Ids of removed submissions.
    pruned: HashSet<SubmissionId>,
    served: Served,
    served_copies: Served,
}

struct Used {
    digest: [u8; 32],
    submission: SubmissionId,
    created: Timestamp,
}

struct Row {
    new: NewSubmission,
    entry: SubmissionStatus,
    /// When it ended, in uptime ([`crate::rules::uptime`]).
    ended: Timestamp,
    /// None once the state is final.
    raw: Option<Octets>,
    epoch: u64,
    lease_until: Timestamp,
    found: State,
    copy_due: Timestamp,
    copy_tries: u32,
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

    fn claim(&mut self, wish: &ClaimRequest) -> Option<Claim> {
        let raw = self.raw.clone()?;
        let state = std::mem::replace(&mut self.entry.receipt.state, State::Dialing);
        // An attempt whose claim expired before its dot was never made: the state before it still
        // holds.
        if !matches!(state, State::Claimed | State::Dialing) {
            self.found = state;
        }
        let attempts = self.entry.attempts;
        self.entry.attempts += 1;
        self.entry.receipt.due = wish.now.after(wish.pause(attempts));
        self.epoch += 1;
        self.lease_until = wish.now.after(wish.lease);
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
            attempts,
            created: self.new.created,
            found: self.found,
            possible_duplicate: self.entry.possible_duplicate,
        })
    }

    fn record(&mut self, step: AttemptStep, late: Timestamp) -> Result<(), StoreError> {
        self.ended = late;
        match step {
            AttemptStep::DotSent => {
                self.entry.receipt.state = State::DotSent;
                self.entry.possible_duplicate |= in_doubt(self.found);
            }
            AttemptStep::Ended { state, .. } | AttemptStep::Uncounted { state, .. }
                if is_held(state) =>
            {
                return Err(failed(format_args!("no attempt ends as {}", state.as_str())));
            }
            AttemptStep::Uncounted { state, recipients, due, last_error } => {
                self.entry.attempts = self.entry.attempts.saturating_sub(1);
                self.entry.possible_duplicate |= in_doubt(self.found) && ends_doubt(state);
                self.end(state, recipients, due, last_error);
            }
            AttemptStep::Ended { state, recipients, due, last_error } => {
                self.entry.possible_duplicate |= in_doubt(self.found);
                self.end(state, recipients, due, last_error);
            }
            AttemptStep::Damaged { .. } => {
                self.entry.receipt.state = State::Failed;
                self.entry.possible_duplicate |= in_doubt(self.found);
                let end =
                    if self.found == State::DotSent { State::Uncertain } else { State::Failed };
                for known in &mut self.entry.recipients {
                    if !known.state.is_final() && known.state != State::Uncertain {
                        known.state = end;
                    }
                }
                self.entry.last_error = Some(DAMAGED.to_owned());
                self.raw = None;
            }
        }
        Ok(())
    }

    fn end(
        &mut self,
        state: State,
        recipients: Vec<RecipientVerdict>,
        due: Timestamp,
        last_error: Option<String>,
    ) {
        self.entry.receipt.state = state;
        self.entry.receipt.due = due;
        self.entry.recipients = recipients;
        self.entry.last_error = last_error;
        if state.is_final() && self.entry.sent_copy != Some(SentCopy::Pending) {
            self.raw = None;
        }
    }
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new(key: MasterKey, clock: Arc<dyn Clock>) -> Self {
        Self { ring: Arc::new(KeyRing::new(key.into())), clock, tables: Arc::default() }
    }

    /// The current uptime: it begins with the process.
    fn late(&self) -> Timestamp {
        Uptime::from(Timestamp::from_millis(0), Duration::ZERO).now(self.clock.monotonic())
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock()
    }

    /// Wraps every record with `new`; returns how many there were.
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

    /// Moves a sealed record between accounts, as an attacker with access to the database might.
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
    ) -> Option<IdempotentReplay> {
        let (tenant, account, generation) = owner;
        let key = (tenant, account, generation, idempotency.key.clone());
        let used = self.keys.get(&key)?;
        let receipt = &self.submissions.get(&used.submission)?.entry.receipt;
        if is_forgotten(used.created, receipt.state, now) {
            return None;
        }
        let same = used.digest == idempotency.digest;
        Some(if same {
            IdempotentReplay::Same(receipt.clone())
        } else {
            IdempotentReplay::Mismatch
        })
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
            let used = Used { digest, submission: new.id.clone(), created: now };
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
        let entry = SubmissionStatus {
            receipt: receipt.clone(),
            attempts: 0,
            recipients: untried(&new.recipients),
            possible_duplicate: false,
            last_error: None,
            sent_copy: None,
            created: new.created,
        };
        let row = Row {
            entry,
            ended: now,
            raw: Some(Arc::clone(&new.raw)),
            epoch: 0,
            lease_until: new.created,
            copy_due: new.created,
            copy_tries: 0,
            found: State::Accepted,
            new,
        };
        self.submissions.insert(row.new.id.clone(), row);
        Ok(Acceptance::Stored(receipt))
    }

    fn claim(&mut self, wish: &ClaimRequest) -> Claimed {
        let mut room = wish.room.clone();
        room.limit = room.limit.min(CLAIMED);
        if room.limit == 0 {
            return Claimed::default();
        }
        let mut waiting: BTreeMap<(&TenantId, &AccountId), Vec<_>> = BTreeMap::new();
        for row in self.submissions.values() {
            if let Some(wake) = row.wake() {
                waiting.entry((&row.new.tenant, &row.new.account)).or_default().push((wake, row));
            }
        }
        let due = |tenant: &TenantId, account: &AccountId, limit: u32| {
            let rows = waiting.get(&(tenant, account)).map(Vec::as_slice).unwrap_or_default();
            let due = |first: bool| -> Vec<Due> {
                let mut mine: Vec<_> = rows
                    .iter()
                    .filter(|(wake, row)| *wake <= wish.now && (row.entry.attempts == 0) == first)
                    .map(|(wake, row)| (*wake, (row.new.created, row.new.id.clone())))
                    .collect();
                mine.sort();
                mine.into_iter().map(|(_, due)| due).collect()
            };
            Ok::<_, Infallible>(merge(due(true), due(false), limit))
        };
        let owners =
            waiting.keys().map(|(tenant, account)| ((*tenant).clone(), (*account).clone()));
        let Ok((ids, more)) = choose(owners, &room, &mut self.served, due);
        let claim = |id| self.submissions.get_mut(&id)?.claim(wish);
        Claimed { claims: ids.into_iter().filter_map(claim).collect(), more }
    }
}

impl Outbox for Memory {
    fn lookup<'a>(
        &'a self,
        account: &'a Account,
        idempotency: &'a Idempotency,
    ) -> BoxFuture<'a, Result<Option<IdempotentReplay>, StoreError>> {
        let now = self.late();
        let owner = (account.tenant.clone(), account.id.clone(), account.generation);
        Box::pin(async move { Ok(self.tables().replay(owner, idempotency, now)) })
    }

    fn accept(&self, submission: NewSubmission) -> BoxFuture<'_, Result<Acceptance, StoreError>> {
        let now = self.late();
        Box::pin(async move { self.tables().accept(submission, now) })
    }

    fn claim(&self, wish: ClaimRequest) -> BoxFuture<'_, Result<Claimed, StoreError>> {
        Box::pin(async move { Ok(self.tables().claim(&wish)) })
    }

    fn record<'a>(
        &'a self,
        id: &'a SubmissionId,
        epoch: u64,
        step: AttemptStep,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let late = self.late();
        Box::pin(async move {
            let mut tables = self.tables();
            let row = tables.submissions.get_mut(id);
            row.filter(|row| row.epoch == epoch && is_held(row.entry.receipt.state))
                .ok_or(StoreError::LostClaim)?
                .record(step, late)
        })
    }

    fn record_and_copy<'a>(
        &'a self,
        id: &'a SubmissionId,
        epoch: u64,
        step: AttemptStep,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let (now, late) = (self.clock.now(), self.late());
        Box::pin(async move {
            let mut tables = self.tables();
            let row = tables.submissions.get_mut(id);
            let row = row
                .filter(|row| row.epoch == epoch && is_held(row.entry.receipt.state))
                .ok_or(StoreError::LostClaim)?;
            let before = row.entry.sent_copy;
            if before.is_none() {
                row.entry.sent_copy = Some(SentCopy::Pending);
                row.copy_due = now;
            }
            let recorded = row.record(step, late);
            if recorded.is_err() {
                row.entry.sent_copy = before;
            }
            recorded
        })
    }

    fn claim_copies(&self, wish: ClaimRequest) -> BoxFuture<'_, Result<ClaimedCopies, StoreError>> {
        Box::pin(async move { Ok(self.tables().take_copies(&wish)) })
    }

    fn record_copy<'a>(
        &'a self,
        id: &'a SubmissionId,
        copy: SentCopy,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.tables().end_copy(id, copy);
            Ok(())
        })
    }

    fn next_copy(&self, after: Timestamp) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        Box::pin(async move {
            let tables = self.tables();
            let dues = tables.submissions.values().filter_map(Row::copy_due);
            Ok(dues.filter(|due| *due > after).min())
        })
    }

    fn release_claims(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
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

    fn next_due(&self, after: Timestamp) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        Box::pin(async move {
            let tables = self.tables();
            let wakes = tables.submissions.values().filter_map(Row::wake);
            Ok(wakes.filter(|wake| *wake > after).min())
        })
    }

    fn get<'a>(
        &'a self,
        account: &'a Account,
        id: &'a SubmissionId,
    ) -> BoxFuture<'a, Result<Option<SubmissionStatus>, StoreError>> {
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
    ) -> BoxFuture<'a, Result<Page<SubmissionStatus>, StoreError>> {
        Box::pin(async move {
            let limit = limit.clamp(1, LARGEST);
            let list = list(account, states);
            let before = match cursor.map(|text| Cursor::decode(text, list)) {
                Some(None) => return Err(StoreError::Cursor),
                Some(before) => before,
                None => None,
            };
            let tables = self.tables();
            let mut rows: Vec<_> = tables
                .submissions
                .values()
                .filter(|row| row.belongs_to(account))
                .map(|row| &row.entry)
                .filter(|entry| states.is_empty() || states.contains(&entry.receipt.state))
                .filter(|entry| before.as_ref().is_none_or(|before| Cursor::of(entry) < *before))
                .collect();
            rows.sort_by_key(|entry| std::cmp::Reverse(Cursor::of(entry)));
            let rows = rows.into_iter().take(limit as usize + 1).cloned().collect();
            Ok(submissions(rows, limit, list))
        })
    }
}
