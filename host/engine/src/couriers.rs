//! Who may deliver now, and over which session.
//!
//! Places for so many deliveries in all and so many of each account. A session
//! that just delivered waits a moment for the account's next message.
//!
//! Invariant: nothing is claimed for which there is no place, and an account that
//! has as many deliveries under way as it may have keeps no other account waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::account::MailServer;
use model::ids::SubmissionId;
use model::port::outbox::{Room, Step};
use model::port::smtp::SmtpSession;
use tokio::sync::Notify;

use crate::key::Owner;
use crate::lock::lock;
use crate::lockout::Lockout;
use crate::settings::Settings;

/// What deliveries share.
#[derive(Debug)]
pub(crate) struct Couriers {
    total: usize,
    per_account: usize,
    places: Mutex<Places>,
    /// By generation, so that a session never serves an account that was made again.
    accounts: Mutex<HashMap<(Owner, u32), Arc<Courier>>>,
    /// What became of submissions, where the store could not record it yet.
    verdicts: Mutex<HashMap<SubmissionId, Step>>,
    /// Told when something may be due that has a place.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Places {
    /// Deliveries under way.
    taken: usize,
    /// Of them, those of each account that has any.
    accounts: HashMap<Owner, usize>,
    /// Something may be due that has a place.
    due: bool,
    /// Something may be due that had none.
    left: bool,
    /// How often a place has become free that somebody may wait for.
    freed: u64,
}

/// What is remembered of one account.
#[derive(Debug, Default)]
pub(crate) struct Courier {
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    /// The account was changed or deleted: no session waits here any more.
    closed: bool,
    lockout: Lockout,
    /// The one that delivered last comes last.
    warm: Vec<Warm>,
}

#[derive(Debug)]
struct Warm {
    session: Box<dyn SmtpSession>,
    server: MailServer,
    since: Duration,
}

impl Couriers {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            total: settings.deliveries.max(1),
            per_account: settings.deliveries_per_account.max(1),
            places: Mutex::default(),
            accounts: Mutex::default(),
            verdicts: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// For what there is room now; none when there is none for anybody.
    fn room(&self, places: &Places) -> Option<Room> {
        let limit = self.total.checked_sub(places.taken).filter(|left| *left > 0)?;
        let left = |taken: usize| number(self.per_account.saturating_sub(taken));
        let accounts = places
            .accounts
            .iter()
            .map(|(owner, taken)| ((owner.tenant.clone(), owner.account.clone()), left(*taken)));
        let (limit, each) = (number(limit), number(self.per_account));
        Some(Room { limit, each, accounts: accounts.collect() })
    }

    /// A place for a delivery of the account.
    pub(crate) fn begin(&self, owner: &Owner, generation: u32) -> Place<'_> {
        let courier = {
            let mut accounts = lock(&self.accounts);
            Arc::clone(accounts.entry((owner.clone(), generation)).or_default())
        };
        let mut places = lock(&self.places);
        places.taken += 1;
        *places.accounts.entry(owner.clone()).or_default() += 1;
        Place { couriers: self, owner: owner.clone(), courier }
    }

    /// Something of the account was accepted, and may be due.
    pub(crate) fn accepted(&self, owner: &Owner) {
        let mut places = lock(&self.places);
        if self.is_full(&places, owner) {
            // The end of a delivery tells.
            places.left = true;
        } else {
            places.due = true;
            self.changed.notify_one();
        }
    }

    /// Nobody of the account can begin.
    fn is_full(&self, places: &Places, owner: &Owner) -> bool {
        let of_account = places.accounts.get(owner).copied().unwrap_or(0);
        places.taken >= self.total || of_account >= self.per_account
    }

    /// Something may be due: it is looked for as soon as there is a place.
    pub(crate) fn look(&self) {
        lock(&self.places).due = true;
    }

    /// What there is room for, when something may be due and there is any. Whoever is told so looks.
    pub(crate) fn take_look(&self) -> Option<Look> {
        let mut places = lock(&self.places);
        if !places.due {
            return None;
        }
        let room = self.room(&places)?;
        (places.due, places.left) = (false, false);
        Some(Look { room, freed: places.freed })
    }

    /// That look left something that may be due, for lack of room.
    pub(crate) fn left(&self, freed: u64) {
        let mut places = lock(&self.places);
        // There may be room for it by now.
        if places.freed == freed { places.left = true } else { places.due = true }
    }

    /// Ready when a place has become free, or something was accepted that has one.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Holds nothing more against an account that was changed, and drops its sessions; one that is in
    /// use now is dropped after its transaction.
    pub(crate) fn forget(&self, owner: &Owner) {
        lock(&self.accounts).retain(|(of, _), courier| {
            if of == owner {
                let mut inside = lock(&courier.inside);
                inside.closed = true;
                inside.warm.clear();
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

    /// Sessions that have waited for `limit`; accounts with nothing to remember are dropped.
    pub(crate) fn take_cold(&self, now: Duration, limit: Duration) -> Vec<Box<dyn SmtpSession>> {
        let mut cold = Vec::new();
        lock(&self.accounts).retain(|_, courier| {
            let mut inside = lock(&courier.inside);
            let is_cold = |warm: &mut Warm| now.saturating_sub(warm.since) >= limit;
            cold.extend(inside.warm.extract_if(.., is_cold).map(|warm| warm.session));
            let idle = inside.warm.is_empty() && inside.lockout.is_clear();
            !idle || Arc::strong_count(courier) > 1
        });
        cold
    }

    pub(crate) fn take_all_warm(&self) -> Vec<Box<dyn SmtpSession>> {
        self.take_cold(Duration::MAX, Duration::ZERO)
    }
}

/// One look at what is due.
#[derive(Debug)]
pub(crate) struct Look {
    /// For what there is room.
    pub(crate) room: Room,
    /// For [`Couriers::left`].
    pub(crate) freed: u64,
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A place of an account, free again when dropped.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    couriers: &'a Couriers,
    owner: Owner,
    courier: Arc<Courier>,
}

impl Place<'_> {
    pub(crate) fn courier(&self) -> &Courier {
        &self.courier
    }

    /// Lets a session wait for the account's next message. It is dropped when as many wait as there may
    /// be deliveries, or when the account was changed meanwhile.
    pub(crate) fn keep_warm(
        &self,
        session: Box<dyn SmtpSession>,
        server: &MailServer,
        now: Duration,
    ) {
        let mut inside = lock(&self.courier.inside);
        if !inside.closed && inside.warm.len() < self.couriers.per_account {
            inside.warm.push(Warm { session, server: server.clone(), since: now });
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut places = lock(&self.couriers.places);
        // Otherwise nothing was left because of this one.
        let wanted = self.couriers.is_full(&places, &self.owner);
        places.freed += u64::from(wanted);
        if wanted && places.left {
            places.due = true;
            self.couriers.changed.notify_one();
        }
        places.taken -= 1;
        if let Some(taken) = places.accounts.get_mut(&self.owner) {
            *taken -= 1;
            if *taken == 0 {
                places.accounts.remove(&self.owner);
            }
        }
    }
}

impl Courier {
    /// The session that waits, when there is one to `server`; those to others are dropped.
    pub(crate) fn take_warm(&self, server: &MailServer) -> Option<Box<dyn SmtpSession>> {
        let mut inside = lock(&self.inside);
        inside.warm.retain(|warm| warm.server == *server);
        inside.warm.pop().map(|warm| warm.session)
    }

    pub(crate) fn with_lockout<T>(&self, work: impl FnOnce(&mut Lockout) -> T) -> T {
        work(&mut lock(&self.inside).lockout)
    }
}
