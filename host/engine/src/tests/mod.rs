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
mod self_test;
mod sending;
mod silent_servers;
mod sent_copies;
mod crashes;
mod real_store;
mod tokens;
mod wrong_clocks;
mod concurrency;
