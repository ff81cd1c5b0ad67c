//! `/v1/accounts`: connecting mailboxes, trying them and changing them.
//!
//! Servers are named by the caller, or found from the address. Passwords come in and
//! never go out. A host that may not be dialled is refused when the account is made,
//! and again whenever it is dialled.

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
