//! Concurrency limits of deliveries: in total, for each account, and for slow servers.
//!
//! A delivery begins in a slot. One whose server becomes silent releases its slot and goes on as a
//! slow delivery; of those there are limits for each tenant and each server. Where none is left, a
//! silent server gets one delivery at a time, and half of the slots are reserved for servers that
//! are known to respond. Pure: no lock, no clock.
//!
//! Invariant: a delivery that may have sent its final dot is never aborted, since that causes
//! duplicates (RFC 5321 §4.5.3.2.6).

use std::collections::HashMap;

use model::ids::TenantId;
use model::port::outbox::ClaimCapacity;

use crate::login::account_ref::AccountRef;

/// Rounds without news of a server after which it is forgotten.
const REMEMBERED: u64 = 120;

/// The limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Number of slots.
    pub(crate) total: usize,
    /// Deliveries of one account, slow ones included.
    pub(crate) per_account: usize,
    /// Slow deliveries: at most half of them of one tenant, a quarter at one server. Beyond them as
    /// many again that are the only ones at their server, or may have sent their dot: of those a
    /// tenant has no more than are left. Beyond all of these one of each tenant that has no other.
    pub(crate) slow: usize,
}

/// The slots and their holders.
#[derive(Debug)]
pub(crate) struct SlotTable {
    bounds: Bounds,
    /// Slots in use.
    taken: usize,
    /// Of them, those at servers that are not known to respond.
    unproven: usize,
    /// Deliveries that have released their slot.
    slow: usize,
    slow_of: HashMap<TenantId, usize>,
    /// Deliveries under way, slow ones included.
    accounts: HashMap<AccountRef, usize>,
    /// The server of each account's last delivery.
    known: HashMap<AccountRef, Box<str>>,
    servers: HashMap<Box<str>, Server>,
    /// A submission that has a slot may be due.
    due: bool,
    /// A submission that had no slot may be due.
    left: bool,
    /// Counts releases.
    freed: u64,
    round: u64,
}

/// The state of a server.
#[derive(Debug, Default)]
struct Server {
    manner: Manner,
    under_way: usize,
    slow: usize,
    /// The round in which a delivery ended last.
    seen: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Manner {
    #[default]
    Unknown,
    /// Its last completed delivery was never silent for long.
    Answers,
    Silent,
}

/// The state of one delivery.
#[derive(Debug)]
pub(crate) struct Ticket {
    owner: AccountRef,
    server: Option<Box<str>>,
    kind: Kind,
    /// Its server became silent.
    silent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Proven,
    Unproven,
    Slow,
}

/// What happens to a delivery whose server has become silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It has released its slot and goes on.
    Slow,
    /// It goes on in its slot: it may have sent its dot, and no slow delivery is free.
    Stays,
    /// It has to be aborted.
    Cut,
}

/// One query for due submissions.
#[derive(Debug)]
pub(crate) struct Look {
    /// The capacity of the query.
    pub(crate) room: ClaimCapacity,
    freed: u64,
}

impl SlotTable {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let least = |count: usize| count.max(1);
        let Bounds { total, per_account, slow } = bounds;
        Self {
            bounds: Bounds {
                total: least(total),
                per_account: least(per_account),
                slow: least(slow),
            },
            taken: 0,
            unproven: 0,
            slow: 0,
            slow_of: HashMap::new(),
            accounts: HashMap::new(),
            known: HashMap::new(),
            servers: HashMap::new(),
            due: false,
            left: false,
            freed: 0,
            round: 0,
        }
    }

    /// A submission of the account was accepted, and may be due; true when there is a slot for it.
    pub(crate) fn accepted(&mut self, owner: &AccountRef) -> bool {
        let has_place = self.taken < self.bounds.total && self.left_for(owner) > 0;
        // Where there is none, the end of a delivery triggers the query.
        if has_place {
            self.due = true
        } else {
            self.left = true
        }
        has_place
    }

    /// A submission may be due: a query follows as soon as there is a slot.
    pub(crate) fn look(&mut self) {
        self.due = true;
    }

    /// The next query, when a submission may be due and a slot is free. The caller must run it.
    pub(crate) fn take_look(&mut self) -> Option<Look> {
        if !self.due {
            return None;
        }
        let free = self.bounds.total.checked_sub(self.taken).filter(|free| *free > 0)?;
        let unproven = self.most_unproven().saturating_sub(self.unproven);
        let each = if unproven == 0 { 0 } else { self.bounds.per_account };
        // Up to the slots for servers of unknown state, any account may use them.
        let limit = if unproven == 0 { free } else { free.min(unproven) };
        let owners = self.known.keys().chain(self.accounts.keys());
        let accounts: HashMap<_, _> = owners
            .filter_map(|owner| {
                let left = self.left_for(owner);
                let key = || (owner.tenant.clone(), owner.account.clone());
                (left != each).then(|| (key(), number(left)))
            })
            .collect();
        if each == 0 && accounts.is_empty() {
            return None;
        }
        (self.due, self.left) = (false, false);
        let room = ClaimCapacity { limit: number(limit), each: number(each), accounts };
        Some(Look { room, freed: self.freed })
    }

    /// A query with so many results left submissions that may be due, for lack of capacity.
    pub(crate) fn left(&mut self, look: &Look, got: usize) {
        // There may be capacity by now, or for other accounts than in the query.
        if self.freed == look.freed && number(got) < look.room.limit {
            self.left = true;
        } else {
            self.due = true;
        }
    }

    /// Takes a slot for a delivery of the account.
    pub(crate) fn begin(&mut self, owner: &AccountRef) -> Ticket {
        let answers = self.server_of(owner).is_some_and(|one| one.manner == Manner::Answers);
        let kind = if answers { Kind::Proven } else { Kind::Unproven };
        self.taken += 1;
        self.unproven += usize::from(!answers);
        *self.accounts.entry(owner.clone()).or_default() += 1;
        Ticket { owner: owner.clone(), server: None, kind, silent: false }
    }

    /// Sets the server of the delivery; false when it may not begin: the server is silent, others
    /// wait for it, and no more may.
    pub(crate) fn settle(&mut self, ticket: &mut Ticket, name: &str) -> bool {
        let name: Box<str> = name.to_ascii_lowercase().into();
        self.known.insert(ticket.owner.clone(), name.clone());
        let server = self.servers.entry(name.clone()).or_default();
        server.under_way += 1;
        let (manner, alone) = (server.manner, server.under_way == 1);
        ticket.server = Some(name);
        // A delivery of a tenant at its limit of slow ones could not become slow at its dot, and
        // would keep a shared slot: also where the server responded until now.
        let has_share = self.has_share(&ticket.owner.tenant);
        if manner == Manner::Answers && !has_share {
            self.prove(ticket);
            return true;
        }
        self.doubt(ticket);
        match manner {
            Manner::Answers => self.unproven <= self.most_of_shares(),
            Manner::Unknown => !has_share,
            Manner::Silent => !has_share && (alone || self.has_slow_room(ticket)),
        }
    }

    /// Records that the server was silent for too long; `dot` when the final dot may have been
    /// sent.
    pub(crate) fn fall_silent(&mut self, ticket: &mut Ticket, dot: bool) -> Fate {
        if ticket.kind == Kind::Slow {
            return Fate::Slow;
        }
        ticket.silent = true;
        self.doubt(ticket);
        let room = self.has_slow_room(ticket);
        let of_tenant = self.slow_of(&ticket.owner.tenant);
        let name = ticket.server.clone().unwrap_or_default();
        let server = self.servers.entry(name).or_default();
        server.manner = Manner::Silent;
        // Deliveries admitted before the limit was reached are no more than there are slots, and
        // raise both.
        let over = if dot { self.bounds.total * 2 } else { 0 };
        let beyond = of_tenant == 0 || self.slow + of_tenant < self.bounds.slow * 2 + over;
        if room || (beyond && (dot || server.under_way == 1)) {
            server.slow += 1;
            *self.slow_of.entry(ticket.owner.tenant.clone()).or_default() += 1;
            self.slow += 1;
            ticket.kind = Kind::Slow;
            self.taken -= 1;
            self.unproven -= 1;
            self.free();
            return Fate::Slow;
        }
        if dot { Fate::Stays } else { Fate::Cut }
    }

    /// Records that the last reply came, in time unless the server had become silent.
    pub(crate) fn answered(&mut self, ticket: &mut Ticket) {
        if ticket.silent {
            return;
        }
        if let Some(server) = ticket.server.as_ref().and_then(|name| self.servers.get_mut(name)) {
            let before = std::mem::replace(&mut server.manner, Manner::Answers);
            if before == Manner::Silent {
                // Other accounts of the server may have more than one slot again.
                self.free();
            }
        }
        self.prove(ticket);
    }

    /// Ends the delivery and releases its slot.
    pub(crate) fn end(&mut self, ticket: &Ticket) {
        // Otherwise no submission is known to wait for this slot.
        let wanted = self.taken >= self.bounds.total
            || self.unproven >= self.most_of_shares()
            || ticket.kind == Kind::Slow
            || ticket.silent
            || self.has_share(&ticket.owner.tenant)
            || self.left_for(&ticket.owner) == 0;
        less(&mut self.accounts, &ticket.owner);
        let round = self.round;
        if let Some(server) = ticket.server.as_ref().and_then(|name| self.servers.get_mut(name)) {
            server.under_way -= 1;
            server.slow -= usize::from(ticket.kind == Kind::Slow);
            server.seen = round;
        }
        match ticket.kind {
            Kind::Proven => self.taken -= 1,
            Kind::Unproven => {
                self.taken -= 1;
                self.unproven -= 1;
            }
            Kind::Slow => {
                self.slow -= 1;
                less(&mut self.slow_of, &ticket.owner.tenant);
            }
        }
        self.freed += 1;
        if wanted {
            self.due |= self.left;
        }
    }

    /// Whether a query is due, and perhaps a slot free.
    pub(crate) fn is_due(&self) -> bool {
        self.due
    }

    /// Forgets servers without recent deliveries. To be called periodically.
    pub(crate) fn look_round(&mut self) {
        self.round += 1;
        let Self { round, servers, known, .. } = self;
        let before = servers.len();
        servers.retain(|_, one| one.under_way > 0 || *round - one.seen < REMEMBERED);
        if servers.len() < before {
            known.retain(|_, name| servers.contains_key(name));
        }
    }

    /// The account was changed: its server may be another one now.
    pub(crate) fn forget(&mut self, owner: &AccountRef) {
        self.known.remove(owner);
        self.free();
    }

    fn free(&mut self) {
        self.freed += 1;
        self.due |= self.left;
    }

    /// How many more slots the account may have, whatever is free in total.
    fn left_for(&self, owner: &AccountRef) -> usize {
        let taken = self.accounts.get(owner).copied().unwrap_or(0);
        let left = self.bounds.per_account.saturating_sub(taken);
        match self.server_of(owner) {
            Some(server) if server.manner == Manner::Answers => {
                if self.has_share(&owner.tenant) {
                    left.min(self.most_of_shares().saturating_sub(self.unproven))
                } else {
                    left
                }
            }
            _ if self.unproven >= self.most_unproven() || self.has_share(&owner.tenant) => 0,
            Some(server)
                if server.manner == Manner::Silent
                    && !self.has_slow_room_for(&owner.tenant, server) =>
            {
                left.min(1_usize.saturating_sub(server.under_way))
            }
            Some(_) | None => left,
        }
    }

    /// Whether a tenant has as many slow deliveries as are left for all: two such tenants have a
    /// third each at most, and leave one. Where others have all, a tenant without any is not at its
    /// limit.
    fn has_share(&self, tenant: &TenantId) -> bool {
        let of_tenant = self.slow_of(tenant);
        of_tenant > 0 && of_tenant + self.slow >= self.bounds.slow * 2
    }

    /// Of the slots for servers that are not known to respond, those that tenants at their limit of
    /// slow deliveries may have together.
    fn most_of_shares(&self) -> usize {
        self.most_unproven() / 2
    }

    fn slow_of(&self, tenant: &TenantId) -> usize {
        self.slow_of.get(tenant).copied().unwrap_or(0)
    }

    fn server_of(&self, owner: &AccountRef) -> Option<&Server> {
        self.servers.get(self.known.get(owner)?)
    }

    /// Slots in use, and slow deliveries.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.taken, self.slow)
    }

    fn has_slow_room(&self, ticket: &Ticket) -> bool {
        let server = ticket.server.as_ref().and_then(|name| self.servers.get(name));
        server.is_some_and(|server| self.has_slow_room_for(&ticket.owner.tenant, server))
    }

    fn has_slow_room_for(&self, tenant: &TenantId, server: &Server) -> bool {
        let most = self.bounds.slow;
        let of_tenant = self.slow_of(tenant);
        self.slow < most && of_tenant < most.div_ceil(2) && server.slow < most.div_ceil(4)
    }

    /// Slots for servers that are not known to respond.
    fn most_unproven(&self) -> usize {
        self.bounds.total.div_ceil(2)
    }

    fn prove(&mut self, ticket: &mut Ticket) {
        if ticket.kind == Kind::Unproven {
            ticket.kind = Kind::Proven;
            self.freed += 1;
            // A tenant at its limit waits for these, the others for more of them.
            if self.unproven >= self.most_of_shares() {
                self.due |= self.left;
            }
            self.unproven -= 1;
        }
    }

    fn doubt(&mut self, ticket: &mut Ticket) {
        if ticket.kind == Kind::Proven {
            ticket.kind = Kind::Unproven;
            self.unproven += 1;
        }
    }
}

fn less<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(tenant: &str, account: usize) -> AccountRef {
        AccountRef {
            tenant: tenant.parse().unwrap(),
            account: format!("a{account}").parse().unwrap(),
        }
    }

    #[test]
    fn one_tenant_silent_at_the_dot_keeps_no_places_of_everybodys() {
        let mut places = SlotTable::new(Bounds { total: 4, per_account: 2, slow: 8 });
        let mut at_the_dot = 0;
        for account in 0..40 {
            let mut ticket = places.begin(&owner("acme", account));
            if !places.settle(&mut ticket, &format!("host{account}.example.test")) {
                places.end(&ticket);
                continue;
            }
            at_the_dot += 1;
            assert_eq!(places.fall_silent(&mut ticket, true), Fate::Slow, "{account}");
        }
        assert_eq!(at_the_dot, 8, "as many as there are slow ones");
        let newcomer = owner("globex", 0);
        assert!(places.accepted(&newcomer), "another tenant has a place");
        assert!(!places.accepted(&owner("acme", 50)), "this one waits for its own");
    }

    #[test]
    fn a_silent_server_that_answers_again_is_looked_for() {
        let mut places = SlotTable::new(Bounds { total: 8, per_account: 2, slow: 1 });
        let (first, second) = (owner("acme", 0), owner("acme", 1));
        let mut silent = places.begin(&first);
        assert!(places.settle(&mut silent, "mx.example.test"));
        places.fall_silent(&mut silent, false);
        places.end(&silent);
        let mut probe = places.begin(&first);
        assert!(places.settle(&mut probe, "mx.example.test"));
        assert!(places.accepted(&second) || places.take_look().is_some());
        while places.take_look().is_some() {}
        let look = Look { room: ClaimCapacity::of(4), freed: places.freed };
        places.left(&look, 0);
        assert!(!places.is_due());
        places.answered(&mut probe);
        assert!(places.is_due());
    }

    #[test]
    fn what_becomes_free_while_a_claim_is_under_way_is_looked_for_again() {
        let mut places = SlotTable::new(Bounds { total: 32, per_account: 2, slow: 256 });
        let owner = AccountRef { tenant: "acme".parse().unwrap(), account: "me".parse().unwrap() };
        assert!(places.accepted(&owner));
        let look = places.take_look().unwrap();
        let (first, second) = (places.begin(&owner), places.begin(&owner));
        places.left(&look, 2);
        assert!(!places.is_due(), "the account has as many as it may");
        places.end(&first);
        let look = places.take_look().unwrap();
        // Its claim is being stored when the other delivery ends.
        places.end(&second);
        places.begin(&owner);
        places.left(&look, 1);
        assert!(places.is_due(), "one place is free, and something was left");
    }
}
