//! IMAP and SMTP clients over a supplied stream.
//!
//! Mail servers are untrusted: their output is limited in size and time and checked before a parser
//! sees it, and commands are built from typed values only. No sockets, no TLS, no retries, no
//! policy: `net` connects, `engine` decides.
//!
//! Invariant: a credential is written only to a wire that reports encryption; neither mail nor
//! credentials nor more than a printable line of a server's text leaves this crate through an error
//! or a log.
//!
//! Standards: RFC 3501 and RFC 9051 (IMAP), RFC 5321 (SMTP), RFC 8314 (TLS).

mod connect;
mod timed_stream;
mod line_reader;
mod sasl;
mod redact;
pub mod imap;
pub mod smtp;
#[cfg(test)]
mod scripted_peer;
