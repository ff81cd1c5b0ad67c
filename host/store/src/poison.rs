//! The flag of a failed disk: after one failure nothing is written before a restart.
//!
//! After a failed fsync it is unknown which data reached the disk, and a second fsync may succeed
//! without having written it. So the first failure is final.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::port::store_error::StoreError;
use tokio::sync::watch;

use crate::error::failed;

/// Set once, when the disk has failed: for one file, and for the disk that it is on.
#[derive(Clone, Debug)]
pub(crate) struct Poison {
    file: Arc<AtomicBool>,
    disk: Arc<watch::Sender<bool>>,
}

impl Default for Poison {
    fn default() -> Self {
        Self { file: Arc::default(), disk: Arc::new(watch::Sender::new(false)) }
    }
}

impl Poison {
    /// For another file on the same disk: it may still be written, for what cannot wait.
    pub(crate) fn of_another_file(&self) -> Self {
        Self { file: Arc::default(), disk: Arc::clone(&self.disk) }
    }

    /// Marks the file and the disk as failed; nothing is written to the file any more.
    pub(crate) fn set(&self, cause: &dyn Display) {
        self.file.store(true, Ordering::SeqCst);
        if !self.disk.send_replace(true) {
            tracing::error!(%cause, "the disk failed: nothing new is stored until a restart");
        }
    }

    /// [`StoreError::Failed`] once set for this file.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if self.file.load(Ordering::SeqCst) { Err(poisoned()) } else { Ok(()) }
    }

    /// [`StoreError::Failed`] once set for any file.
    pub(crate) fn check_disk(&self) -> Result<(), StoreError> {
        if *self.disk.borrow() { Err(poisoned()) } else { Ok(()) }
    }

    /// Ready once set for any file.
    pub(crate) async fn is_set(&self) {
        // The sender lives as long as this handle on it.
        let _ = self.disk.subscribe().wait_for(|set| *set).await;
    }
}

fn poisoned() -> StoreError {
    failed("the disk failed earlier, nothing is written until a restart")
}
