//! Engine tests over in-memory fakes of every port.
//!
//! Everything is in memory and nothing runs separately: no thread, no timer. A test that waits
//! polls until no progress is made.

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
