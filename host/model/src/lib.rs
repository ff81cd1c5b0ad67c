//! The domain model of Postlet.
//!
//! Types, ids, problems, and the ports: object-safe traits through which the other crates meet. No
//! tokio, no I/O, no policy: a type belongs here only if two crates would otherwise each define
//! their own. Limiters ([`limit`]) and cursors ([`paging`]) are here for the same reason.
//!
//! Invariant: ports carry owned, serialisable values, except for handles (wires, sessions, octets,
//! lazy messages), so that either side of a port can be replaced by a test or by another process.
#![warn(missing_docs)]

pub mod future;
pub mod foreign;
pub mod instant;
pub mod ids;
pub mod secret;
pub mod octets;
pub mod problem;
pub mod mail;
pub mod paging;
pub mod filter;
pub mod submission;
pub mod account;
pub mod provider;
pub mod discovery;
pub mod health;
pub mod caller;
pub mod port;
pub mod limit;
