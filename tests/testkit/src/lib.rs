//! Test support for the host: hosts in this process and as a child, HTTP clients, a second mail
//! client, and fake servers.
//!
//! It is shared by all test and bench binaries. It knows nothing of what is tested, and asserts
//! only that it could do its own work. The binary is found beside the test.
//!
//! Every wait has a time limit and ends with its event. Ports are free ones on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_debug_implementations,
    reason = "a test that cannot run has failed"
)]

pub mod wait;
pub mod proc;
pub mod exclusive;
pub mod canary;
pub mod http;
pub mod raw_http;
pub mod imap;
pub mod process;
pub mod terminal;
pub mod command;
pub mod code_cache;
pub mod site;
pub mod in_process_host;
pub mod servers;
pub mod measure;
