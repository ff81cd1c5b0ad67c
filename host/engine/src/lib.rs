//! The policy engine of Postlet: outbox, idempotency, message ids, cache and session pool, over
//! ports and an injected clock.
//!
//! All decisions are made here, and no I/O: no socket, no disk, no thread, no system clock. So
//! every fault can be simulated in a test, at any point, on a clock that the test controls.
//!
//! Invariant: what this crate returns is what a server or the store reported, never an assumption.

pub mod settings;
mod backoff;
pub mod toml_error;
pub mod providers;
pub mod discovery;
pub mod login;
mod problems;
pub mod oauth;
pub mod ports;
mod logins;
mod imap_pool;
mod messages;
mod outbox;
pub mod submit;
pub mod account_check;
mod withheld;
pub mod engine;
pub mod app;
#[cfg(test)]
mod tests;
