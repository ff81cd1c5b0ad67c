//! Mailboxes without a password, with an authorization server of the tests' own over real
//! HTTP, on a host in this process.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod journal;
mod authority;
mod site;
mod consent;
mod changing;
mod renewal;
mod servers;
mod terminal;
