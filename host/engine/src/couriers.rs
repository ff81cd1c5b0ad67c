//! Who may deliver now, and over which session.
//!
//! A few deliveries for each account and some more in all. A session that just
//! delivered waits a moment for the account's next message.
//!
//! Invariant: one account with a dead server holds a bounded share of the hands:
//! what is beyond it goes back to the outbox.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::account::MailServer;
use model::ids::SubmissionId;
use model::port::outbox::Step;
use model::port::smtp::SmtpSession;
use tokio::sync::Semaphore;

use crate::key::Owner;
use crate::lock::lock;
use crate::lockout::Lockout;

/// Claims of one account in hand, waiting ones among them.
const IN_HAND: usize = 16;
/// The longest that a claim beyond those is put back for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What deliveries share.
#[derive(Debug)]
pub(crate) struct Couriers {
    /// Deliveries under way at once.
    pub(crate) desks: Semaphore,
    total: usize,
    per_account: usize,
    /// By generation, so that a session never serves an account that was made again.
    accounts: Mutex<HashMap<(Owner, u32), Arc<Courier>>>,
    /// What became of submissions, where the store could not record it yet.
    verdicts: Mutex<HashMap<SubmissionId, Step>>,
}

/// One account's share.
#[derive(Debug)]
pub(crate) struct Courier {
    pub(crate) permits: Semaphore,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    /// The account was changed or deleted: no session waits here any more.
    closed: bool,
    in_hand: usize,
    /// Claims put back since a server last answered.
    turned_away: usize,
    lockout: Lockout,
    warm: Option<Warm>,
}

#[derive(Debug)]
struct Warm {
    session: Box<dyn SmtpSession>,
    server: MailServer,
    since: Duration,
}

impl Couriers {
    pub(crate) fn new(total: usize, per_account: usize) -> Self {
        let (total, per_account) = (total.max(1), per_account.max(1));
        let (accounts, verdicts) = (Mutex::default(), Mutex::default());
        Self { desks: Semaphore::new(total), total, per_account, accounts, verdicts }
    }

    /// How many claims may be in hand, waiting ones among them.
    pub(crate) fn hand(&self) -> usize {
        self.total * 4
    }

    /// A place in the account's queue; when it is full, how long to stay away. As many come back
    /// each second as have a place, and ever later while the server answers to none.
    pub(crate) fn queue(&self, owner: &Owner, generation: u32) -> Result<Queued, Duration> {
        let mut accounts = lock(&self.accounts);
        let courier = accounts.entry((owner.clone(), generation)).or_insert_with(|| {
            let permits = Semaphore::new(self.per_account);
            Arc::new(Courier { permits, inside: Mutex::default() })
        });
        let mut inside = lock(&courier.inside);
        if inside.in_hand >= IN_HAND.max(self.per_account) {
            inside.turned_away += 1;
            let seconds = inside.turned_away.div_ceil(IN_HAND) as u64;
            return Err(Duration::from_secs(seconds).min(LONGEST_PAUSE));
        }
        inside.in_hand += 1;
        drop(inside);
        Ok(Queued(Arc::clone(courier)))
    }

    /// Holds nothing more against an account that was changed, and drops its session; one that is in
    /// use now is dropped after its transaction.
    pub(crate) fn forget(&self, owner: &Owner) {
        lock(&self.accounts).retain(|(of, _), courier| {
            if of == owner {
                let mut inside = lock(&courier.inside);
                inside.closed = true;
                inside.warm = None;
            }
            of != owner
        });
    }

    /// Keeps a verdict that could not be recorded, for whoever claims the submission next.
    pub(crate) fn leave_verdict(&self, id: &SubmissionId, verdict: &Step) {
        lock(&self.verdicts).insert(id.clone(), verdict.clone());
    }

    /// The verdict that waits, once.
    pub(crate) fn take_verdict(&self, id: &SubmissionId) -> Option<Step> {
        lock(&self.verdicts).remove(id)
    }

    pub(crate) fn has_warm(&self) -> bool {
        lock(&self.accounts).values().any(|courier| lock(&courier.inside).warm.is_some())
    }

    /// Sessions that have waited for `limit`; accounts with nothing to remember are dropped.
    pub(crate) fn take_cold(&self, now: Duration, limit: Duration) -> Vec<Box<dyn SmtpSession>> {
        let mut cold = Vec::new();
        lock(&self.accounts).retain(|_, courier| {
            let mut inside = lock(&courier.inside);
            let taken = inside.warm.take_if(|warm| now.saturating_sub(warm.since) >= limit);
            cold.extend(taken.map(|warm| warm.session));
            inside.warm.is_some() || inside.in_hand > 0 || !inside.lockout.is_clear()
        });
        cold
    }

    pub(crate) fn take_all_warm(&self) -> Vec<Box<dyn SmtpSession>> {
        self.take_cold(Duration::MAX, Duration::ZERO)
    }
}

/// A place in an account's queue, free again when dropped.
#[derive(Debug)]
pub(crate) struct Queued(Arc<Courier>);

impl Queued {
    pub(crate) fn courier(&self) -> &Courier {
        &self.0
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        lock(&self.0.inside).in_hand -= 1;
    }
}

impl Courier {
    /// The session that waits, when it is one to `server`.
    pub(crate) fn take_warm(&self, server: &MailServer) -> Option<Box<dyn SmtpSession>> {
        let warm = lock(&self.inside).warm.take()?;
        (warm.server == *server).then_some(warm.session)
    }

    /// Lets a session wait; one that waited before is dropped, and this one, too, when the account was
    /// changed meanwhile.
    pub(crate) fn keep_warm(
        &self,
        session: Box<dyn SmtpSession>,
        server: &MailServer,
        now: Duration,
    ) {
        let mut inside = lock(&self.inside);
        if !inside.closed {
            inside.warm = Some(Warm { session, server: server.clone(), since: now });
        }
    }

    /// A server answered: whoever was turned away may come back soon.
    pub(crate) fn answered(&self) {
        lock(&self.inside).turned_away = 0;
    }

    pub(crate) fn with_lockout<T>(&self, work: impl FnOnce(&mut Lockout) -> T) -> T {
        work(&mut lock(&self.inside).lockout)
    }
}
