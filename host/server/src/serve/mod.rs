//! Serving: connections, their limits, and shutdown.

mod idle_timeout;
mod peer_limit;
pub mod listener;
pub(crate) mod shutdown;
pub(crate) mod disk_failure;
