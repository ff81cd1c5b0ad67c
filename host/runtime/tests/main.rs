//! Tests of the sandbox without a host: components in the real runtime, over fake capabilities.
//!
//! `memory` and `cost` are binaries of their own: one measures its process, the other is slow.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod support;

mod describe;
mod endpoints;
mod mime;
mod filters;
mod sandbox;
mod wasip3;
mod log;
