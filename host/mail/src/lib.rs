//! IMAP and SMTP over a stream that it is handed.
//!
//! Mail servers are strangers: what they say is capped, timed and checked before
//! a parser sees it, and what is said to them is built from typed values only.
//! No sockets, no TLS, no retries, no policy: `net` dials, `engine` decides.
//!
//! Invariant: a credential is written only to a wire that says it is encrypted;
//! neither mail nor credentials nor more than a printable line of a server's
//! words leaves this crate through an error or a log.
//!
//! Standards: RFC 3501 and RFC 9051 (IMAP), RFC 5321 (SMTP), RFC 8314 (TLS).

mod printable;
mod connect;
mod timed_stream;
mod line_reader;
mod sasl;
mod redact;
pub mod imap;
pub mod smtp;
#[cfg(test)]
mod scripted_peer;
