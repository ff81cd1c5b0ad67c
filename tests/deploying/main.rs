//! Other people's applications on a host: deployed, refused, changed, and checked.
//!
//! In process, except where `postlet dev` itself is looked at; the child that
//! compiles is always the real binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

#[allow(dead_code, reason = "these tests need a part of it")]
mod site;
mod bombs;
mod cases;
mod refusing;
mod typing;
mod wrong_files;
mod keeping;
mod enforcing;
mod filtering;
mod addresses;
mod edge;
mod frames;
mod watching;
mod authoring;
