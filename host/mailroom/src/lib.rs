//! An in-memory SMTP submission and IMAP4rev1 server for `postlet dev` and for tests.
//!
//! It lets the whole product be tried, and tested, without a mail provider: real sockets, real TLS,
//! real sessions. It is independent of Postlet: it uses no other crate of this workspace, and has
//! its own mail parser. For tests it injects faults ([`Mailroom::misbehave`]) and returns a log of
//! commands ([`Mailroom::asked`]).
//!
//! Invariants: it listens on the loopback address only; nothing is written to disk; a password is
//! never accepted before TLS; every mailbox has the same UIDVALIDITY and counts UIDs from 1, so
//! that a client's message id without the mailbox reaches the wrong message in a first test instead
//! of years later.
//!
//! Standards: RFC 5321 and 6409 (submission), RFC 3501 (IMAP4rev1); each module names the sections
//! and extensions that it implements.

mod config;
mod error;
mod fault_injection;
mod tls;
mod wire;
mod dates;
mod message;
mod decode_text;
mod bodystructure;
mod mailbox;
mod store;
mod connection_context;
mod sasl;
mod smtp;
mod imap;
mod server;
#[cfg(test)]
mod tests;

pub use config::{Config, User};
pub use error::MailroomError;
pub use fault_injection::{
    Fault, FaultScript, IMAP_STEPS, LoggedCommand, Protocol, Rule, SMTP_STEPS,
};
pub use server::{Mailroom, Security};
