//! The ports: object-safe traits through which the crates meet.
//!
//! Each has the error enum that its callers decide on. An implementation lives
//! in the crate named in the trait's docs; tests bring their own.

pub use crate::future::BoxFuture;

pub mod clock;
pub mod dial;
pub mod steps;
pub mod lookup;
pub mod background;
pub mod oauth;
pub mod imap;
pub mod place;
pub mod mime;
pub mod spool;
pub mod store;
pub mod smtp;
pub mod maintenance;
pub mod outbox;
pub mod accounts;
pub mod tokens;
pub mod capabilities;
pub mod judge;
