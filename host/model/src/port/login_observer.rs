//! How far a login has come, told while it goes on.
//!
//! Whoever checks servers for a person shows the steps with their times; whoever
//! only wants a session passes `&()`.
//!
//! Invariant: a step is told after it was done, never before; what comes after the
//! last one that was told has failed, or is under way.

use std::fmt;

use crate::port::dial::Encryption;

/// Is told each step of a login.
pub trait LoginObserver: Send + Sync + fmt::Debug {
    /// The connection stands.
    fn connected(&self) {}
    /// TLS stands, and the certificate was found good.
    fn encrypted(&self, _how: Option<Encryption>) {}
    /// The server greeted as one of its protocol.
    fn greeted(&self) {}
    /// The server took the login, by the SASL mechanism of this name, or by `LOGIN`.
    fn authenticated(&self, _mechanism: &'static str) {}
    /// The server told its capabilities to who is logged in. SMTP has no such step.
    fn capabilities_read(&self) {}
}

impl LoginObserver for () {}
