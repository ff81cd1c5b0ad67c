//! The ports as tests own them, and the stories that are told on them.
//!
//! Everything is in memory and nothing happens by itself: no thread, no timer.
//! A story that waits is polled until it stands still.

pub(crate) mod account;
pub(crate) mod clock;
pub(crate) mod mime;
pub(crate) mod imap;
pub(crate) mod smtp;
pub(crate) mod outbox;
pub(crate) mod host;
mod filters;
mod paging;
mod reads;
mod changes;
mod sessions;
mod trials;
pub(crate) mod sending;
mod silence;
mod copies;
mod crashes;
mod durable;
mod tokens;
mod clocks;
mod places;
