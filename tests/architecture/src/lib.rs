//! Architecture tests: the rules of ARCHITECTURE.md and CONTRIBUTING.md, checked on every change.
//!
//! Each module below is one rule: a function from text to [`fault::Fault`]s, with its own small
//! tests. `tests/rules.rs` runs all of them over the whole tree. The rules read file names and
//! text; they build and run nothing.
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
