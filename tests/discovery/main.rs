//! Discovery against a name server and web servers of the tests' own, honest and
//! hostile, on a host in this process.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod site;
mod honest;
mod hostile;
mod accounts;
