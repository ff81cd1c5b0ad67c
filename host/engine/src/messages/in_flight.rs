//! In-flight messages: whole messages in memory for requests under way, cached or not.
//!
//! Many requests for one message share one fetch and one copy of its bytes, whatever its size; and
//! each tenant has a budget for the copies of all its messages. Independent of how a message is
//! fetched.
//!
//! Invariant: bytes count against their tenant from before they are fetched until the last holder
//! drops them.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use model::ids::TenantId;
use model::limit::shares::Rule;
use model::limit::tenant_limiter::{Permit, TenantLimiter};
use tokio::sync::Mutex as Turn;

use crate::messages::cache::{CacheKey, LoadedMessage};

/// The in-flight messages of every tenant.
#[derive(Debug)]
pub(crate) struct InFlightMessages {
    bytes: TenantLimiter<TenantId>,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_key: HashMap<CacheKey, Entry>,
    /// The number of entries at which dead ones are removed next.
    crowd: usize,
}

/// Weak references: dead when no request holds either.
#[derive(Debug, Default)]
struct Entry {
    turn: Weak<Turn<()>>,
    opened: Weak<LoadedMessage>,
}

/// Dead entries are removed when there are at least as many.
const CROWD: usize = 64;

impl InFlightMessages {
    /// `budget` is in bytes, for each tenant.
    pub(crate) fn new(budget: u64) -> Self {
        let bytes = TenantLimiter::new(Rule::Each(budget), u64::MAX);
        Self { bytes, entries: Mutex::default() }
    }

    /// The message, if a request holds it.
    pub(crate) fn opened(&self, key: &CacheKey) -> Option<Arc<LoadedMessage>> {
        self.entries.lock().by_key.get(key)?.opened.upgrade()
    }

    /// A lock for fetching the message: its holder may fetch; the others look again afterwards.
    pub(crate) fn fetch_lock(&self, key: &CacheKey) -> Arc<Turn<()>> {
        let mut entries = self.entries.lock();
        let entry = entries.entry(key);
        entry.turn.upgrade().unwrap_or_else(|| {
            let turn = Arc::default();
            entry.turn = Arc::downgrade(&turn);
            turn
        })
    }

    /// Makes the message available to other requests for as long as one holds it.
    pub(crate) fn share(&self, key: &CacheKey, opened: &Arc<LoadedMessage>) {
        self.entries.lock().entry(key).opened = Arc::downgrade(opened);
    }

    /// Reserves `bytes` for a message; none when the tenant's budget is used up.
    pub(crate) fn reserve(&self, tenant: &TenantId, bytes: u64) -> Option<Permit<TenantId>> {
        self.bytes.try_take(tenant, bytes).ok()
    }
}

impl Entries {
    fn entry(&mut self, key: &CacheKey) -> &mut Entry {
        if self.by_key.len() >= self.crowd.max(CROWD) {
            self.by_key.retain(|_, entry| {
                entry.turn.strong_count() > 0 || entry.opened.strong_count() > 0
            });
            self.crowd = 2 * self.by_key.len();
        }
        self.by_key.entry(key.clone()).or_default()
    }
}

/// Bytes, with the reservation that is released with their last copy.
pub(crate) struct MeteredBytes {
    bytes: Bytes,
    _reserved: Permit<TenantId>,
}

impl MeteredBytes {
    /// Wraps the bytes; resizes the reservation to their size. None when the budget does not allow it.
    pub(crate) fn around(bytes: Bytes, mut reserved: Permit<TenantId>) -> Option<Bytes> {
        reserved.resize(bytes.len() as u64).ok()?;
        Some(Bytes::from_owner(Self { bytes, _reserved: reserved }))
    }
}

impl AsRef<[u8]> for MeteredBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use model::mail::mailbox::MailboxName;

    use super::*;
    use crate::messages::message_id::{AccountFingerprint, MessageRef};
    use crate::tests::account::account;

    #[test]
    fn a_budget_is_one_tenants_and_free_again_with_the_last_copy() {
        let held = InFlightMessages::new(100);
        let (acme, rival) = ("acme".parse().unwrap(), "rival".parse().unwrap());
        let share = held.reserve(&acme, 80).unwrap();
        assert!(held.reserve(&acme, 21).is_none());
        assert!(held.reserve(&rival, 100).is_some());
        let bytes = MeteredBytes::around(Bytes::from(vec![7; 50]), share).unwrap();
        let copy = bytes.slice(10..20);
        drop(bytes);
        assert!(held.reserve(&acme, 51).is_none());
        assert_eq!(copy[..], [7; 10]);
        drop(copy);
        assert!(held.reserve(&acme, 101).is_none());
        // A message larger than the server reported releases everything.
        let small = held.reserve(&acme, 1).unwrap();
        assert!(MeteredBytes::around(Bytes::from(vec![7; 101]), small).is_none());
        assert!(held.reserve(&acme, 100).is_some());
        assert!(held.bytes.is_idle());
    }

    #[test]
    fn what_nobody_holds_is_forgotten() {
        let held = InFlightMessages::new(0);
        let keys: Vec<_> = (0..1000).map(key).collect();
        let opened = Arc::new(LoadedMessage::new(Bytes::new()));
        held.share(&keys[0], &opened);
        for key in &keys[1..] {
            drop(held.fetch_lock(key));
        }
        assert!(held.opened(&keys[0]).is_some());
        assert!(held.opened(&keys[1]).is_none());
        assert!(held.entries.lock().by_key.len() <= CROWD);
        let turn = held.fetch_lock(&keys[0]);
        assert!(Arc::ptr_eq(&turn, &held.fetch_lock(&keys[0])));
    }

    fn key(uid: u32) -> CacheKey {
        let tag = AccountFingerprint::of(&account("anna"));
        let mailbox = MailboxName::from_wire("INBOX").unwrap();
        CacheKey { place: MessageRef { tag, mailbox, uid_validity: 1, uid }, digest: [0; 32] }
    }
}
