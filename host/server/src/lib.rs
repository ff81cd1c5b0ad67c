//! The host as a whole: wiring, HTTP, schema check, control plane and command line.
//!
//! The only crate that names concrete types of the others, and the only binary.
//! Data flows one way: edge → dispatch → route → operation → component, whose
//! imports lead through the engine to the mail servers.

pub mod clock;
mod task;
pub mod token;
mod answer;
mod schema;
pub mod config;
mod application;
mod tokens;
mod accounts;
mod metrics;
mod pages;
pub mod host;
mod dispatch;
pub mod edge;
mod running;
mod up;
mod dev;
mod client;
pub mod cli;
