//! Key ring: the current master key, and during a rotation the previous one.
//!
//! So a key can be replaced while the host serves: from the moment that the new one is in use both
//! open, until no record needs the old.
//!
//! Invariant: a record is sealed at the time of writing, so that what is written after a key came
//! into use is sealed by it.

pub mod seal;
pub mod key_file;
pub(crate) mod credential;

use parking_lot::RwLock;
use std::fmt;
use std::sync::Arc;

use model::port::store_error::StoreError;
use zeroize::Zeroizing;

use crate::keys::seal::{MasterKey, Place};

/// One key, or two during a rotation. Clones share them.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    current: Arc<MasterKey>,
    previous: Option<Arc<MasterKey>>,
}

impl Keys {
    /// `current` seals; `previous` opens what was sealed before.
    #[must_use]
    pub fn new(current: MasterKey, previous: Option<MasterKey>) -> Self {
        Self { current: Arc::new(current), previous: previous.map(Arc::new) }
    }

    /// The key that seals.
    #[must_use]
    pub fn current(&self) -> &MasterKey {
        &self.current
    }

    /// The key that only opens, if there is one.
    #[must_use]
    pub fn previous(&self) -> Option<&MasterKey> {
        self.previous.as_deref()
    }

    pub(crate) fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.current.seal(place, plain)
    }

    pub(crate) fn open(
        &self,
        place: &Place<'_>,
        record: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        match (self.current.open(place, record), &self.previous) {
            (Err(StoreError::Sealed), Some(previous)) => previous.open(place, record),
            (opened, _) => opened,
        }
    }

    /// The record wrapped by the current key; none when it is already.
    pub(crate) fn rewrap(
        &self,
        place: &Place<'_>,
        record: &[u8],
    ) -> Result<Option<Vec<u8>>, StoreError> {
        match (self.current.open(place, record), &self.previous) {
            (Err(StoreError::Sealed), Some(previous)) => {
                self.current.rewrap(previous, place, record).map(Some)
            }
            (opened, _) => opened.map(|_| None),
        }
    }
}

impl From<MasterKey> for Keys {
    fn from(key: MasterKey) -> Self {
        Self::new(key, None)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

/// The keys of an open store.
#[derive(Debug)]
pub(crate) struct KeyRing(RwLock<Keys>);

impl KeyRing {
    pub(crate) fn new(keys: Keys) -> Self {
        Self(RwLock::new(keys))
    }

    /// The current keys.
    pub(crate) fn keys(&self) -> Keys {
        self.0.read().clone()
    }

    /// Makes `new` the current key, and the current one the previous. No effect when it is in use
    /// already.
    pub(crate) fn begin(&self, new: MasterKey) -> Result<(), StoreError> {
        let mut keys = self.0.write();
        if *keys.current == new {
            return Ok(());
        }
        if keys.previous.is_some() {
            // With a third key, records would exist that neither of the two kept ones opens.
            return Err(StoreError::Failed("another rotation has not ended".to_owned()));
        }
        let current = std::mem::replace(&mut keys.current, Arc::new(new));
        keys.previous = Some(current);
        Ok(())
    }

    /// Drops the previous key: no record needs it any more.
    pub(crate) fn finish(&self) {
        self.0.write().previous = None;
    }
}
