//! Delivery slots: concurrency limits, and reuse of idle SMTP sessions.
//!
//! A delivery holds a slot ([`crate::outbox::concurrency`]); a session that completed a delivery is
//! kept for a moment for the account's next message.
//!
//! Invariant: nothing is claimed without a slot for it, and an account at its limit of deliveries
//! delays no other account.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::account::MailServer;
use model::ids::SubmissionId;
use model::port::outbox::AttemptStep;
use model::port::smtp::SmtpSession;
use tokio::sync::Notify;

use crate::login::account_ref::AccountRef;
use crate::login::lockout::Lockout;
use crate::outbox::concurrency::{Bounds, Fate, Look, SlotTable, Ticket};
use crate::settings::Settings;

/// The state that deliveries share.
#[derive(Debug)]
pub(crate) struct DeliverySlots {
    per_account: usize,
    places: Mutex<SlotTable>,
    /// By generation, so that a session never serves an account that was created again.
    accounts: Mutex<HashMap<(AccountRef, u32), Arc<AccountSlots>>>,
    /// Verdicts that the store could not record yet.
    verdicts: Mutex<HashMap<SubmissionId, Verdict>>,
    /// A submission is due later that was not before.
    deferred: AtomicBool,
    /// Notified when a submission with a slot may be due, or is due later.
    changed: Notify,
}

/// The verdict on a submission.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) step: AttemptStep,
    /// A copy is to be filed in the account's sent mail.
    pub(crate) copy: bool,
}

/// The state of one account.
#[derive(Debug, Default)]
pub(crate) struct AccountSlots {
    inside: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The account was changed or deleted: no session is kept any more.
    closed: bool,
    lockout: Lockout,
    /// Idle sessions; the most recently used one is last.
    idle: Vec<IdleSmtpSession>,
}

#[derive(Debug)]
struct IdleSmtpSession {
    session: Box<dyn SmtpSession>,
    server: MailServer,
    since: Duration,
}

impl DeliverySlots {
    pub(crate) fn new(settings: &Settings) -> Self {
        let bounds = Bounds {
            total: settings.deliveries,
            per_account: settings.deliveries_per_account,
            slow: settings.slow_deliveries,
        };
        Self {
            per_account: settings.deliveries_per_account.max(1),
            places: Mutex::new(SlotTable::new(bounds)),
            accounts: Mutex::default(),
            verdicts: Mutex::default(),
            deferred: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    /// Takes a slot for a delivery of the account.
    pub(crate) fn begin(&self, owner: &AccountRef, generation: u32) -> SlotGuard<'_> {
        let courier = {
            let mut accounts = self.accounts.lock();
            Arc::clone(accounts.entry((owner.clone(), generation)).or_default())
        };
        SlotGuard { couriers: self, ticket: self.places.lock().begin(owner), courier }
    }

    /// Records that a submission of the account was accepted, and may be due.
    pub(crate) fn accepted(&self, owner: &AccountRef) {
        if self.places.lock().accepted(owner) {
            self.changed.notify_one();
        }
    }

    /// A submission may be due: a query follows as soon as there is a slot.
    pub(crate) fn look(&self) {
        self.places.lock().look();
    }

    /// The next query, when a submission may be due and a slot is free. The caller must run it.
    pub(crate) fn take_look(&self) -> Option<Look> {
        self.places.lock().take_look()
    }

    /// That query had so many results, and left submissions that may be due, for lack of capacity.
    pub(crate) fn left(&self, look: &Look, got: usize) {
        self.places.lock().left(look, got);
    }

    /// Records that a submission is due later that was not before.
    pub(crate) fn deferred(&self) {
        self.deferred.store(true, Ordering::SeqCst);
        self.changed.notify_one();
    }

    /// Whether one was recorded, once.
    pub(crate) fn take_deferred(&self) -> bool {
        self.deferred.swap(false, Ordering::SeqCst)
    }

    fn with_places<T>(&self, work: impl FnOnce(&mut SlotTable) -> T) -> T {
        let mut places = self.places.lock();
        let answer = work(&mut places);
        if places.is_due() {
            self.changed.notify_one();
        }
        answer
    }

    /// Ready when a slot was released, or a submission was accepted that has one.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Clears an account that was changed, and drops its sessions; one in use now is dropped after
    /// its transaction.
    pub(crate) fn forget(&self, owner: &AccountRef) {
        self.with_places(|places| places.forget(owner));
        self.accounts.lock().retain(|(of, _), courier| {
            if of == owner {
                let mut inside = courier.inside.lock();
                inside.closed = true;
                inside.idle.clear();
            }
            of != owner
        });
    }

    /// Keeps a verdict that could not be recorded, for the next claim of the submission.
    pub(crate) fn leave_verdict(&self, id: &SubmissionId, verdict: &Verdict) {
        self.verdicts.lock().insert(id.clone(), verdict.clone());
    }

    /// Takes the verdict that was kept, once.
    pub(crate) fn take_verdict(&self, id: &SubmissionId) -> Option<Verdict> {
        self.verdicts.lock().remove(id)
    }

    /// Removes sessions idle for `limit`; accounts without state are dropped.
    pub(crate) fn expire_idle(&self, now: Duration, limit: Duration) -> Vec<Box<dyn SmtpSession>> {
        self.places.lock().look_round();
        let mut cold = Vec::new();
        self.accounts.lock().retain(|_, courier| {
            let mut inside = courier.inside.lock();
            let is_cold = |warm: &mut IdleSmtpSession| now.saturating_sub(warm.since) >= limit;
            cold.extend(inside.idle.extract_if(.., is_cold).map(|warm| warm.session));
            let idle = inside.idle.is_empty() && inside.lockout.is_clear();
            !idle || Arc::strong_count(courier) > 1
        });
        cold
    }

    pub(crate) fn take_all_idle(&self) -> Vec<Box<dyn SmtpSession>> {
        self.expire_idle(Duration::MAX, Duration::ZERO)
    }
}

/// A slot of an account, released on drop.
#[derive(Debug)]
pub(crate) struct SlotGuard<'a> {
    couriers: &'a DeliverySlots,
    ticket: Ticket,
    courier: Arc<AccountSlots>,
}

impl SlotGuard<'_> {
    pub(crate) fn account_slots(&self) -> &AccountSlots {
        &self.courier
    }

    /// As [`SlotTable::settle`].
    pub(crate) fn settle(&mut self, server: &MailServer) -> bool {
        self.couriers.with_places(|places| places.settle(&mut self.ticket, &server.host))
    }

    /// As [`SlotTable::fall_silent`].
    pub(crate) fn fall_silent(&mut self, dot: bool) -> Fate {
        self.couriers.with_places(|places| places.fall_silent(&mut self.ticket, dot))
    }

    /// As [`SlotTable::answered`].
    pub(crate) fn answered(&mut self) {
        self.couriers.with_places(|places| places.answered(&mut self.ticket));
    }

    /// Keeps a session for the account's next message. It is dropped when as many are idle as there
    /// may be deliveries, or when the account was changed meanwhile.
    pub(crate) fn put_idle(
        &self,
        session: Box<dyn SmtpSession>,
        server: &MailServer,
        now: Duration,
    ) {
        let mut inside = self.courier.inside.lock();
        if !inside.closed && inside.idle.len() < self.couriers.per_account {
            inside.idle.push(IdleSmtpSession { session, server: server.clone(), since: now });
        }
    }
}

impl Drop for SlotGuard<'_> {
    fn drop(&mut self) {
        self.couriers.with_places(|places| places.end(&self.ticket));
    }
}

impl AccountSlots {
    /// Takes the idle session to `server`, if there is one; those to others are dropped.
    pub(crate) fn take_idle(&self, server: &MailServer) -> Option<Box<dyn SmtpSession>> {
        let mut inside = self.inside.lock();
        inside.idle.retain(|warm| warm.server == *server);
        inside.idle.pop().map(|warm| warm.session)
    }

    pub(crate) fn with_lockout<T>(&self, work: impl FnOnce(&mut Lockout) -> T) -> T {
        work(&mut self.inside.lock().lockout)
    }
}
