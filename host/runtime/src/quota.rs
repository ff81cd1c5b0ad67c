//! Memory and tables of one instance, and the memory of all instances of one party.
//!
//! wasmtime asks before every growth, that of a fresh instance included. A refused guest usually
//! aborts, so the refusal is remembered: the trap that follows is told as what caused it.
//!
//! Invariant: the linear memories that live for one party are never larger together than its account
//! allows, and what an instance took goes back with its store.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use wasmtime::ResourceLimiter;

use crate::error::{Full, Which};
use crate::limits;
use crate::limits::Limits;

/// The linear memory of all instances of one party.
#[derive(Debug)]
pub(crate) struct Account {
    used: AtomicUsize,
    limit: usize,
    full: Full,
}

impl Account {
    /// `full` is what whoever finds it empty is told.
    pub(crate) fn new(limit: usize, full: Full) -> Self {
        Self { used: AtomicUsize::new(0), limit, full }
    }

    fn take(&self, more: usize) -> bool {
        let add = |used: usize| used.checked_add(more).filter(|sum| *sum <= self.limit);
        self.used.fetch_update(Relaxed, Relaxed, add).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Relaxed);
    }

    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }
}

/// What the instance has, and what it was refused.
#[derive(Debug)]
pub(crate) struct Quota {
    memory: usize,
    table_elements: usize,
    used: usize,
    /// The last growth, which the system may yet refuse.
    last: usize,
    account: Arc<Account>,
    refused: Option<Which>,
    crowded: Option<Full>,
}

impl Quota {
    pub(crate) fn new(limits: &Limits, account: Arc<Account>) -> Self {
        Self {
            memory: limits.memory,
            table_elements: limits.table_elements,
            used: 0,
            last: 0,
            account,
            refused: None,
            crowded: None,
        }
    }

    /// The first thing that there was not enough of.
    pub(crate) fn refused(&self) -> Option<Which> {
        self.refused
    }

    /// Others of its party had taken the memory that it asked for.
    pub(crate) fn crowded(&self) -> Option<Full> {
        self.crowded.clone()
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        self.account.give_back(self.used);
    }
}

impl ResourceLimiter for Quota {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let used = self.used.saturating_add(more);
        if used > self.memory {
            self.refused.get_or_insert(Which::Memory);
            return Ok(false);
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        if !self.account.take(more) {
            self.crowded.get_or_insert_with(|| self.account.full.clone());
            return Ok(false);
        }
        self.used = used;
        self.last = more;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        let undone = std::mem::take(&mut self.last);
        self.used -= undone;
        self.account.give_back(undone);
        Ok(())
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.table_elements {
            self.refused.get_or_insert(Which::Table);
            return Ok(false);
        }
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn instances(&self) -> usize {
        limits::CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        limits::TABLES as usize
    }

    fn memories(&self) -> usize {
        limits::MEMORIES as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 65_536;

    #[test]
    fn instances_of_one_party_share_its_memory_and_give_it_back() {
        let account = Arc::new(Account::new(3 * PAGE, Full::Host { places: 1 }));
        let limits = Limits { memory: 2 * PAGE, ..Limits::default() };
        let mut first = Quota::new(&limits, Arc::clone(&account));
        let mut second = Quota::new(&limits, Arc::clone(&account));
        assert!(first.memory_growing(0, 2 * PAGE, None).unwrap());
        assert!(!first.memory_growing(2 * PAGE, 3 * PAGE, None).unwrap());
        assert_eq!((first.refused(), first.crowded()), (Some(Which::Memory), None));
        assert!(second.memory_growing(0, PAGE, None).unwrap());
        assert!(!second.memory_growing(PAGE, 2 * PAGE, None).unwrap());
        assert_eq!((second.refused(), second.crowded()), (None, Some(Full::Host { places: 1 })));
        drop(first);
        assert!(second.memory_growing(PAGE, 2 * PAGE, None).unwrap());
        second.memory_grow_failed(wasmtime::Error::msg("no room")).unwrap();
        assert_eq!(account.used(), PAGE);
        drop(second);
        assert_eq!(account.used(), 0);
    }
}
