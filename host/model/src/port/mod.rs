//! The ports: object-safe traits through which the crates meet.
//!
//! Each has an error enum with the cases that its callers distinguish. An implementation lives in
//! the crate named in the trait's docs; tests bring their own.

pub use crate::future::BoxFuture;

pub mod clock;
pub mod dial;
pub mod login_observer;
pub mod lookup;
pub mod spawner;
pub mod token_endpoint;
pub mod imap;
pub mod capacity;
pub mod mime;
pub mod spool;
pub mod store_error;
pub mod smtp;
pub mod maintenance;
pub mod outbox;
pub mod accounts;
pub mod tokens;
pub mod capabilities;
pub mod filter;
