//! Fault matrix: every step of SMTP and IMAP stalled, disconnected and refused, in every API call
//! that reaches it.
//!
//! Engine, mail crate, in-memory store and the real parser run against the mailroom in one process,
//! over in-memory pipes with TLS. The clock is the test's own, so that a deadline of ten minutes
//! takes no time.
//!
//! The steps of a call are not listed by hand: they are the commands that the mailroom receives
//! without a fault. A step that no call reaches must be listed, with the reason, in
//! `tests/matrix/coverage.rs`.
#![expect(clippy::unwrap_used, reason = "a test that cannot run has failed")]

pub mod clock;
pub mod pipe;
pub mod fixture;
pub mod cell;
pub mod scenario;
pub mod mailbox_calls;
pub mod submissions;
