//! Scripted mail servers: they implement their protocol, with one deviation that the test chooses.
//!
//! The IMAP server runs in threads of this process, on a free loopback port, over TLS with a key
//! that an account trusts by its pin. The SMTP servers use a stream that is passed to them. They
//! know nothing of Postlet.
//!
//! Standards: RFC 3501 and RFC 9051 (IMAP), RFC 5321 (SMTP).
#![expect(clippy::unwrap_used, reason = "a server of a test that cannot run has failed")]

pub mod secure;
pub mod imap;
pub mod smtp;
