//! Real mail servers for tests and benches: Dovecot and Postfix, private to one
//! process, on free loopback ports.
//!
//! A server that we wrote ourselves agrees with our mistakes; these two do not. They
//! run from the packages of the system with configurations of our own in a temporary
//! directory. Nothing of the system's mail is read or touched, and nothing leaves the
//! machine: Postfix refuses every foreign domain.
//!
//! Invariant: when the process ends, by whatever cause, its servers end and their
//! directory is gone (`keeper.rs`).

mod machine;
mod ports;
mod certificates;
mod logins;
mod dovecot;
mod postfix;
mod keeper;
mod servers;

pub use certificates::Certificate;
pub use logins::Mechanism;
pub use servers::{Options, Rig};
