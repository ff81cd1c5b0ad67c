//! Mail servers as they are met in the field: they speak their protocol, and do one
//! thing differently, as a test tells them.
//!
//! The IMAP server runs in threads of this process, on a free port of loopback, behind TLS with a
//! key that an account trusts by its pin. The SMTP servers speak over a stream that they are handed.
//! They know nothing of Postlet.
//!
//! Standards: RFC 3501 and RFC 9051 (IMAP), RFC 5321 (SMTP).
#![expect(clippy::unwrap_used, reason = "a server of a test that cannot run has failed")]

pub mod secure;
pub mod imap;
pub mod smtp;
