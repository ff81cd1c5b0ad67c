//! HTTP behaviour of a host in this process: its routes, what is deployed on it, how it finds mail
//! servers, how it logs in without a password, and what hostile guests may do beside others.
//!
//! One binary, since each links the host and its compiler. Tests that weigh the process, or count what
//! lives in it, have it for themselves (`testkit::turn`).
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
