//! Mutexes for memory that a panic elsewhere cannot spoil.
//!
//! Every critical section of this crate is a few map operations without an
//! await, so a poisoned lock holds nothing half-written.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, whatever became of the last holder.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
