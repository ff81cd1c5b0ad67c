//! Network access: the only crate that opens connections.
//!
//! A name is resolved once, every address passes the egress guard, and the connection goes to the
//! address that was checked: a second response of the DNS cannot lead anywhere else. TLS is always
//! verified, by public roots, extra roots or a pinned key; there is no switch that turns
//! verification off.
//!
//! Independent of mail, and of HTTP except for one exchange, which the fetcher for discovery and the
//! command line's client share.

pub mod egress_guard;
mod resolve;
pub mod tls;
mod wire;
pub mod dial;
mod http_exchange;
mod https_url;
mod https_request;
pub mod https_fetch;
mod oauth_token_endpoint;
pub mod cli_client;
