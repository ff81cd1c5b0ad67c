//! Work that goes on when nobody waits for it any more.

use std::fmt;

use crate::future::BoxFuture;

/// Runs work to its end.
pub trait Spawner: Send + Sync + fmt::Debug {
    /// `name` is for whoever looks at what is running.
    fn run(&self, name: &'static str, work: BoxFuture<'static, ()>);
}

/// For those who have no such work: it is dropped.
impl Spawner for () {
    fn run(&self, _: &'static str, _: BoxFuture<'static, ()>) {}
}
