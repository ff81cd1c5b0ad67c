//! Architecture tests: the rules of ARCHITECTURE.md and CONTRIBUTING.md, checked on every change.
//!
//! Each module below is one rule: a function from text to [`fault::Fault`]s, with its own small
//! tests. `tests/rules.rs` runs all of them over the whole tree. The rules read file names and
//! text; they build and run nothing.
//!
//! Invariant: a fault names the file, the line and what to do about it.

pub mod fault;
pub mod source_files;
pub mod source_scanner;
pub mod file_shape;
pub mod import_order;
pub mod forbidden_imports;
pub mod crate_dependencies;
pub mod dependency_reasons;
pub mod machine_paths;
pub mod problem_codes;
