//! Mailboxes without a password, with an authorization server of the tests' own over real
//! HTTP, on a host in this process.

mod journal;
mod authority;
mod site;
mod consent;
mod changing;
mod renewal;
mod servers;
mod terminal;
