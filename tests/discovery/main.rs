//! Discovery against a name server and web servers of the tests' own, honest and
//! hostile, on a host in this process.
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
mod command;
mod dns;
#[allow(dead_code, reason = "these tests need a part of it")]
mod web;
#[path = "../e2e/harness"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod harness {
    pub(crate) mod wait;
    pub(crate) mod http;
    pub(crate) mod process;
    pub(crate) mod terminal;
}
mod site;
mod honest;
mod hostile;
mod accounts;
