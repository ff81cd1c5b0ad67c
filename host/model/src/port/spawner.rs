//! The port of background tasks: work that goes on when no caller waits for it any more.

use std::fmt;

use crate::future::BoxFuture;

/// Runs tasks to their end.
pub trait Spawner: Send + Sync + fmt::Debug {
    /// Starts `work`; `name` identifies the task in diagnostics.
    fn run(&self, name: &'static str, work: BoxFuture<'static, ()>);
}

/// For tests without background work: it is dropped.
impl Spawner for () {
    fn run(&self, _: &'static str, _: BoxFuture<'static, ()>) {}
}
