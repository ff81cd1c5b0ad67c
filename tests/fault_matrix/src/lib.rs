//! The fault matrix: every step of SMTP and IMAP stalled, cut and refused, under every call of
//! the API that reaches it.
//!
//! Engine, mail crate, memory store and the real parser run against the mailroom
//! in one process, over pipes with TLS inside. The clock is the test's own, so
//! that a deadline of ten minutes is waited for, and asserted, in no time.
//!
//! The steps of a call are not written down: they are what the mailroom was asked
//! when nothing went wrong. A step that no call reaches has to be named, with the
//! reason, in `tests/matrix/coverage.rs`.
#![expect(clippy::unwrap_used, reason = "a test that cannot run has failed")]

pub mod clock;
pub mod pipe;
pub mod world;
pub mod cell;
pub mod call;
pub mod parcel;
