//! Fakes of the ports of `model`, and values that the tests of several crates need.
//!
//! It knows `model` only, so that the unit tests of every host crate may use it; what needs a host
//! or a mail server is in `testkit`.
#![allow(clippy::unwrap_used, reason = "a test that cannot run has failed")]

pub mod account;
pub mod caller;
pub mod clock;
pub mod directory;
pub mod entropy;
pub mod no_mail_server;
pub mod spool;
pub mod wire;
