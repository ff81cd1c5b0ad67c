//! The rules of ARCHITECTURE.md and CONTRIBUTING.md as tests, so that nobody has to remember them.
//!
//! Each module below is one rule: a function from text to [`fault::Fault`]s, with
//! its own small tests. `tests/rules.rs` runs all of them over the whole tree. The
//! rules know file names and text; they never build or run what they judge.
//!
//! Invariant: a fault names the file, the line and what to do about it.

pub mod fault;
pub mod tree;
pub mod code;
pub mod shape;
pub mod order;
pub mod reach;
pub mod walls;
pub mod reasons;
pub mod places;
pub mod codes;
