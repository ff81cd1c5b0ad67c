//! The ports as tests own them, and the stories that are told on them.
//!
//! Everything is in memory and nothing happens by itself: no thread, no timer.
//! A story that waits is polled until it stands still.

pub(crate) mod account;
pub(crate) mod clock;
mod mime;
mod imap;
mod smtp;
mod outbox;
pub(crate) mod host;
mod filters;
mod paging;
mod reads;
mod changes;
mod sessions;
mod trials;
mod sending;
mod silence;
mod copies;
mod crashes;
mod durable;
mod tokens;
mod clocks;
mod places;
