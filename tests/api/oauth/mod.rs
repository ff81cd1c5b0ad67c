//! Tests of OAuth mailboxes on a host in this process, with a fake authorization server over real
//! HTTP.

mod journal;
mod authority;
mod site;
mod consent;
mod changing;
mod renewal;
mod servers;
mod terminal;
