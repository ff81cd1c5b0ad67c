//! The one place where tasks begin.

use std::future::Future;

use model::port::BoxFuture;
use model::port::spawner::Spawner;
use tokio::task::JoinHandle;
use tracing::Instrument;

/// Runs `task` beside the caller, under `name` in the log.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one spawning function: every task has a name"
)]
pub(crate) fn spawn<T: Send + 'static>(
    name: &'static str,
    task: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    tokio::spawn(task.instrument(tracing::debug_span!("task", name)))
}

/// What must come to its end, as tasks of this process.
#[derive(Debug)]
pub(crate) struct Tasks;

impl Spawner for Tasks {
    fn run(&self, name: &'static str, work: BoxFuture<'static, ()>) {
        drop(spawn(name, work));
    }
}
