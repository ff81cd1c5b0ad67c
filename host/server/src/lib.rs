//! The Postlet host: wiring, HTTP server, schema check, control plane and command line.
//!
//! The only crate that names concrete types of the others, and the only binary.
//! Data flows one way: listener → dispatch → route → operation → component, whose
//! imports lead through the engine to the mail servers. An application becomes a
//! deployment the same way: manifest → compile and describe → routes → OpenAPI → swap.

pub mod config;
pub mod os;
mod http;
pub mod schema;
pub mod auth;
pub mod log;
mod openapi;
pub mod compile;
pub mod deploy;
mod body_memory;
mod api;
pub mod host;
mod dispatch;
pub mod serve;
pub mod cli;
