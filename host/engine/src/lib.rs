//! The policy of Postlet: outbox, idempotency, message keys, cache and session
//! pool, over ports and an owned clock.
//!
//! Everything that Postlet decides is here, and nothing that it does by itself:
//! no socket, no disk, no thread, no time of its own. So every fault can be
//! played in a test, at any point, on a clock that the test owns.
//!
//! Invariant: what this crate answers is what a server or the store said, never
//! what was hoped for.

mod sync;
pub mod settings;
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
