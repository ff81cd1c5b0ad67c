//! Syntax rules and tables that the host and the guests share.
//!
//! Two copies of a rule, one on each side of the sandbox, drift apart: one side accepts what the other
//! refuses. Here each rule exists once, and compiles for the host and for WebAssembly.
//!
//! Does not know WIT or the types of the host; contains pure functions of text only.
#![warn(missing_docs)]

pub mod foreign_text;
pub mod domain;
pub mod address;
pub mod percent;
pub mod media_type;
pub mod quality;
pub mod language;
pub mod flag;
pub mod problem_code;
