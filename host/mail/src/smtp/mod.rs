//! SMTP submission client.
//!
//! lettre provides the typed commands; the exchange is implemented here, because lettre's own
//! client does not keep the invariant: it aborts on the first refused recipient, takes plain-text
//! bytes after STARTTLS for a reply, waits without a deadline and writes the final dot before the
//! attempt can be recorded.
//!
//! Invariant: until the final dot is written every failure is an error, from then on it is
//! [`model::port::smtp::Data::Lost`].
//!
//! Standards: RFC 5321, RFC 6409, RFC 4954 (AUTH), RFC 3207 (STARTTLS), RFC 1870 (SIZE), RFC 2920
//! (PIPELINING).

mod reply;
mod body;
mod envelope;
mod exchange;
mod pipeline;
mod message;
mod login;
mod session;
mod connect;
#[cfg(test)]
mod tests;

pub use connect::Smtp;
pub use exchange::SmtpLimits;
