//! Request handlers of the host's own routes: accounts, tokens, system pages.

pub(crate) mod host_request;
pub(crate) mod key_rotation;
pub(crate) mod accounts;
pub(crate) mod metrics;
mod tokens;
pub(crate) mod host_api;
mod wit_archive;
mod system;
pub(crate) mod host_route;
pub(crate) mod routes;
