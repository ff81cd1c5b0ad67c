//! Mailboxes without a password, with an authorization server of the tests' own over real
//! HTTP, on a host in this process.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

#[path = "../deploying/talk.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod talk;
#[path = "../e2e/harness/kept.rs"]
mod kept;
#[path = "../deploying/serving.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod serving;
#[path = "../discovery/command.rs"]
mod command;
#[path = "../discovery/dns.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod dns;
#[path = "../discovery/web.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod web;
#[path = "../e2e/harness/canary.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod canary;
mod journal;
mod authority;
mod site;
mod consent;
mod changing;
mod renewal;
mod servers;
mod terminal;
