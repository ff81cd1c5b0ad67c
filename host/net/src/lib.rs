//! The only crate that dials.
//!
//! A name is resolved once, every address passes the egress guard, and the
//! vetted address is the one that is dialled: a second answer of the DNS cannot
//! lead anywhere else. TLS is always verified, by public roots, extra roots or a
//! pinned key; there is no switch that turns verification off.
//!
//! Knows nothing of mail or HTTP semantics beyond opening a connection; the
//! HTTP client serves the command line, and the fetcher discovery.

pub mod egress_guard;
mod resolve;
pub mod tls;
mod wire;
pub mod dial;
mod https_url;
mod https_request;
pub mod https_fetch;
mod oauth_token_endpoint;
pub mod cli_client;
