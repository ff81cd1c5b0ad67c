//! Tests of the HTTP behaviour of a host in this process: deployments, discovery, OAuth, and
//! hostile guests.
//!
//! They are one binary, since each binary links the host and its compiler. Tests that measure the
//! process, or count its instances, run alone (`testkit::exclusive`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod deploy;
mod discovery;
mod oauth;
mod hostile;
