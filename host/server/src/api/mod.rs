//! Request handlers of the host's own routes: accounts, tokens, system pages.

pub(crate) mod key_rotation;
pub(crate) mod accounts;
pub(crate) mod metrics;
pub(crate) mod tokens;
pub(crate) mod routes;
mod wit_archive;
pub(crate) mod system;
