//! An in-memory SMTP submission and IMAP4rev1 server for `postlet dev` and for tests.
//!
//! It exists so that the whole product can be tried, and tested, without a
//! mail provider: real sockets, real TLS, real dialogues. It knows nothing of
//! Postlet: no other crate of ours is used here, and it parses mail for itself.
//! For tests it misbehaves on request ([`Mailroom::misbehave`]) and tells what it
//! was asked ([`Mailroom::asked`]).
//!
//! Invariants: it listens on the loopback address only; nothing is written to
//! disk; a password is never accepted before TLS; every mailbox has the same
//! UIDVALIDITY and counts UIDs from 1, so that a client key that forgets the
//! mailbox hits the wrong message at once instead of years later.
//!
//! Standards: RFC 5321 and 6409 (submission), RFC 3501 (IMAP4rev1); each
//! module names the sections and extensions that it speaks.

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
