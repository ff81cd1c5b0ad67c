//! The host as a whole: wiring, HTTP, schema check, control plane and command line.
//!
//! The only crate that names concrete types of the others, and the only binary.
//! Data flows one way: edge → dispatch → route → operation → component, whose
//! imports lead through the engine to the mail servers. An application becomes a
//! deployment the same way: manifest → compile and describe → routes → OpenAPI → swap.

pub mod clock;
mod task;
pub mod token;
mod answer;
mod schema;
pub mod config;
mod operation;
mod keeping;
pub mod compiling;
mod tokens;
mod accounts;
mod hostroute;
mod openapi;
pub mod filters;
pub mod deployment;
mod metrics;
mod pages;
mod budget;
pub mod host;
mod dispatch;
mod pulse;
pub mod edge;
mod running;
mod glob;
mod building;
mod watching;
mod up;
mod dev;
mod client;
pub mod cli;
