//! What the tests and benches of the host drive it with: hosts in this process and as a child,
//! callers over HTTP, a second mail client, and servers of the tests' own.
//!
//! One file says how each is done, for all binaries of tests. It knows nothing of what is tested,
//! and holds no assertion but that it could do its own work. The binary is found beside the test.
//!
//! Every wait has a bound and ends with the event. Ports are free ones on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_debug_implementations,
    reason = "a test that cannot run has failed"
)]

pub mod wait;
pub mod proc;
pub mod turn;
pub mod canary;
pub mod http;
pub mod talk;
pub mod imap;
pub mod process;
pub mod terminal;
pub mod command;
pub mod kept;
pub mod site;
pub mod serving;
pub mod servers;
pub mod measure;
