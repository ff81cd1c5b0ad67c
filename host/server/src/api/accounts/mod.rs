//! `/v1/accounts`: request handlers that connect, check and change mailboxes.
//!
//! Servers are given by the caller, or discovered from the address. Passwords are accepted and never
//! returned. A host that may not be connected to is refused when the account is created, and again at
//! every connection.

pub(crate) mod rate_limit;
mod errors;
pub(crate) mod request;
mod json;
pub(crate) mod handlers;
mod find_servers;
mod parse;
mod create;
mod credentials;
mod update;
pub(crate) mod oauth_consent;
mod verify;
