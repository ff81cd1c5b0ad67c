//! Real mail servers for tests and benches: Dovecot and Postfix, private to one process, on free
//! loopback ports.
//!
//! A server of our own would share our misunderstandings; these do not. They run from the packages
//! of the system with configurations of our own in a temporary directory. The system's own mail is
//! not touched, and nothing leaves the machine: Postfix refuses every foreign domain.
//!
//! Invariant: when the process ends, for any reason, its servers end and their directory is removed
//! (`cleanup.rs`).

mod requirements;
mod ports;
mod certificates;
mod logins;
mod dovecot;
mod postfix;
mod cleanup;
mod servers;

pub use certificates::Certificate;
pub use logins::Mechanism;
pub use servers::{Options, Rig};
