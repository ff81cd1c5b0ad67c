//! Observer of a login: reports each step while the login goes on.
//!
//! A check of servers for a person shows the steps with their times; a caller that only wants a
//! session passes `&()`.
//!
//! Invariant: a step is reported after it was completed, never before; what follows the last
//! reported step has failed, or is under way.

use std::fmt;

use crate::port::dial::Encryption;

/// Observer of a login.
pub trait LoginObserver: Send + Sync + fmt::Debug {
    /// The TCP connection is established.
    fn connected(&self) {}
    /// TLS is established, and the certificate was verified.
    fn encrypted(&self, _how: Option<Encryption>) {}
    /// The server sent a valid greeting of its protocol.
    fn greeted(&self) {}
    /// The server accepted the login, by the SASL mechanism of this name, or by `LOGIN`.
    fn authenticated(&self, _mechanism: &'static str) {}
    /// The capabilities after the login were read. SMTP has no such step.
    fn capabilities_read(&self) {}
}

impl LoginObserver for () {}
