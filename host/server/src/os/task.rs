//! Spawning of asynchronous tasks: the only place that calls `tokio::spawn`.

use std::future::Future;

use model::port::BoxFuture;
use model::port::spawner::Spawner;
use tokio::task::JoinHandle;
use tracing::Instrument;

/// Spawns `task` on the current runtime, in a log span that carries `name`.
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

/// The spawner that the engine uses: each piece of work is a detached task.
#[derive(Debug)]
pub(crate) struct Tasks;

impl Spawner for Tasks {
    fn run(&self, name: &'static str, work: BoxFuture<'static, ()>) {
        drop(spawn(name, work));
    }
}
