//! What host and guests have to decide alike.
//!
//! A rule that stands on both sides of the sandbox drifts apart: one side takes what the other refuses.
//! Here each stands once, and compiles for the host and for WebAssembly.
//!
//! Refuses to know: WIT, the types of the host, and whatever is no pure function of text.
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
