//! `POST /-/key/rotate`: another master key, while the host serves.
//!
//! The order is what makes it safe: the new key is on disk before anything is
//! sealed with it, and the old one is removed when nothing needs it any more.
//! What breaks off, by a crash or a full disk, goes on at the next call or start.

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

/// Whether, and how, the key of this host can be changed.
#[derive(Clone, Debug)]
pub(crate) enum KeyLocation {
    /// Nothing is kept longer than the process.
    Nothing,
    /// Only whoever sets the environment can.
    Environment,
    /// A file, and what its key has sealed.
    File(KeyFile, Sqlite),
}

/// Changes the key, one change at a time.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    what: KeyLocation,
    keeper: Option<CodeCache>,
    turn: Arc<Mutex<()>>,
}

impl Rotation {
    pub(crate) fn new(what: KeyLocation, keeper: Option<CodeCache>) -> Self {
        Self { what, keeper, turn: Arc::default() }
    }

    /// Answers when the old key is gone. Goes on to the end when the caller does not wait.
    pub(crate) async fn rotate(&self, caller: &Caller) -> Result<Response<Body>, Problem> {
        if caller.accounts.is_some() {
            let detail = "a token that is limited to accounts does not change the host's key";
            return Err(Problem::new(Code::Forbidden, detail));
        }
        let fixed = |detail: String| Err(Problem::new(Code::KeyFixed, detail));
        let (file, store) = match &self.what {
            KeyLocation::Nothing => {
                return fixed(
                    "this host keeps nothing on disk, so its key ends with it".to_owned(),
                );
            }
            KeyLocation::Environment => {
                return fixed(format!(
                    "the master key comes from the environment: put a new one into {VARIABLE} and the old \
                     one into {PREVIOUS}, and start the host again"
                ));
            }
            KeyLocation::File(file, store) => (file.clone(), store.clone()),
        };
        let (keeper, turn) = (self.keeper.clone(), Arc::clone(&self.turn));
        let done = task::spawn("rotation", async move {
            let _turn = turn.lock().await;
            run(file, store, keeper).await
        });
        let wrapped = done.await.map_err(broken)??;
        Ok(response::json(StatusCode::OK, &json!({"records": wrapped})))
    }
}

async fn run(file: KeyFile, store: Sqlite, keeper: Option<CodeCache>) -> Result<u64, Problem> {
    let begun = file.clone();
    let new = blocking(move || begun.begin()).await?.map_err(broken)?;
    let seal = new.derive(LABEL);
    let wrapped = store.rotate(new).await.map_err(broken)?;
    if let Some(keeper) = keeper {
        blocking(move || keeper.reseal(seal)).await?;
    }
    blocking(move || file.finish()).await?.map_err(broken)?;
    tracing::info!(records = wrapped, "the master key was changed");
    Ok(wrapped)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(broken)
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Problem {
    let detail =
        "the key was not changed to the end; both keys are kept until the next try or start";
    Problem::new(Code::StoreUnavailable, detail).with_cause(error)
}
