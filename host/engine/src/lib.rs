//! The policy of Postlet: outbox, idempotency, message keys, cache and session
//! pool, over ports and an owned clock.
//!
//! Everything that Postlet decides is here, and nothing that it does by itself:
//! no socket, no disk, no thread, no time of its own. So every fault can be
//! played in a test, at any point, on a clock that the test owns.
//!
//! Invariant: what this crate answers is what a server or the store said, never
//! what was hoped for.

mod lock;
pub mod bound;
pub mod settings;
pub mod toml_fault;
pub mod profiles;
pub mod discovery;
mod access;
pub mod watch;
pub mod diagnosis;
mod problems;
mod account_ref;
mod key;
pub mod oauth;
pub mod ports;
mod cursor;
mod cache;
mod held;
mod lockout;
mod lookups;
mod refusals;
mod health;
mod logins;
mod pool;
mod places;
mod couriers;
mod reader;
mod worker;
mod upkeep;
mod mailboxes;
mod piecemeal;
mod rows;
mod listing;
mod bodies;
mod reading;
mod changing;
mod fingerprint;
mod outgoing;
mod filtering;
mod submitting;
mod delivery;
mod checker;
pub mod verify;
pub mod trial;
pub mod engine;
pub mod routes;
pub mod manifest;
#[cfg(test)]
mod testing;
