//! `POST /-/key/rotate`: rotation of the master key while the host serves.
//!
//! The order makes it safe: the new key is on disk before anything is sealed with it, and the old key is
//! removed once nothing needs it. A rotation that was interrupted, by a crash or a full disk, continues
//! at the next call or start.

use std::sync::Arc;

use http::{Response, StatusCode};
use model::caller::Caller;
use model::problem::{Code, Problem};
use runtime::body::Body;
use serde_json::json;
use store::keys::key_file::KeyFile;
use store::sqlite::Sqlite;
use tokio::sync::Mutex;

use crate::compile::code_cache::{CodeCache, LABEL};
use crate::config::master_key::{PREVIOUS, VARIABLE};
use crate::http::response;
use crate::os::task;

/// Where the master key is, which determines whether it can be rotated here.
#[derive(Clone, Debug)]
pub(crate) enum KeyLocation {
    /// In memory only: nothing outlives the process.
    Nothing,
    /// In an environment variable, which the operator sets.
    Environment,
    /// In a file; with the store whose records it seals.
    File(KeyFile, Sqlite),
}

/// Rotates the key, one rotation at a time.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    location: KeyLocation,
    cache: Option<CodeCache>,
    running: Arc<Mutex<()>>,
}

impl Rotation {
    pub(crate) fn new(location: KeyLocation, cache: Option<CodeCache>) -> Self {
        Self { location, cache, running: Arc::default() }
    }

    /// Rotates the key, and responds once the old key is removed. Continues if the client disconnects.
    ///
    /// # Errors
    /// [`Code::Forbidden`] for a token limited to accounts; [`Code::KeyFixed`] if the key is not in a
    /// file; [`Code::StoreUnavailable`] if the rotation is incomplete.
    pub(crate) async fn rotate(&self, caller: &Caller) -> Result<Response<Body>, Problem> {
        if caller.accounts.is_some() {
            let detail = "a token that is limited to accounts cannot rotate the host's key";
            return Err(Problem::new(Code::Forbidden, detail));
        }
        let fixed = |detail: String| Err(Problem::new(Code::KeyFixed, detail));
        let (file, store) = match &self.location {
            KeyLocation::Nothing => {
                return fixed(
                    "this host stores nothing on disk, so its key ends with the process".to_owned(),
                );
            }
            KeyLocation::Environment => {
                return fixed(format!(
                    "the master key comes from the environment: set {VARIABLE} to a new one and {PREVIOUS} to the old \
                     one, and restart the host"
                ));
            }
            KeyLocation::File(file, store) => (file.clone(), store.clone()),
        };
        let (cache, running) = (self.cache.clone(), Arc::clone(&self.running));
        let done = task::spawn("rotation", async move {
            let _running = running.lock().await;
            run(file, store, cache).await
        });
        let wrapped = done.await.map_err(broken)??;
        Ok(response::json(StatusCode::OK, &json!({"records": wrapped})))
    }
}

async fn run(file: KeyFile, store: Sqlite, cache: Option<CodeCache>) -> Result<u64, Problem> {
    let begun = file.clone();
    let new = blocking(move || begun.begin()).await?.map_err(broken)?;
    let seal = new.derive(LABEL);
    let wrapped = store.rotate(new).await.map_err(broken)?;
    if let Some(cache) = cache {
        blocking(move || cache.reseal(seal)).await?;
    }
    blocking(move || file.finish()).await?.map_err(broken)?;
    tracing::info!(records = wrapped, "the master key was rotated");
    Ok(wrapped)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(broken)
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Problem {
    let detail =
        "the key rotation is incomplete; both keys are kept until the next attempt or start";
    Problem::new(Code::StoreUnavailable, detail).with_cause(error)
}
