//! The host as a whole: wiring, HTTP, schema check, control plane and command line.
//!
//! The only crate that names concrete types of the others, and the only binary.
//! Data flows one way: edge → dispatch → route → operation → component, whose
//! imports lead through the engine to the mail servers. An application becomes a
//! deployment the same way: manifest → compile and describe → routes → OpenAPI → swap.

pub mod clock;
mod task;
mod file;
pub mod token;
mod answer;
mod strict;
mod wording;
mod cost;
mod schema;
pub mod hostname;
mod hello;
pub mod sources;
mod oauth;
pub mod limits;
mod allowance;
pub mod journal;
mod descriptors;
pub mod config;
mod tenancy;
mod openapi;
mod described;
mod keeping;
pub mod keysource;
mod rotating;
mod seclusion;
pub mod compiling;
pub mod checking;
mod worker;
pub mod checkers;
mod operation;
mod tokens;
mod language;
mod trying;
mod accounts;
mod hostroute;
mod filters;
pub mod application;
pub mod deployment;
mod metrics;
mod wit_archive;
mod pages;
mod budget;
pub mod host;
mod head;
mod handover;
mod pace;
mod intake;
mod dispatch;
mod pulse;
mod peers;
pub mod edge;
mod running;
mod failing;
mod glob;
mod building;
mod starting;
mod samples;
mod watching;
mod up;
mod dev;
mod console;
mod doctor;
mod asking;
mod telling;
mod finding;
mod consent;
mod connecting;
mod client;
mod keycommand;
pub mod cli;
