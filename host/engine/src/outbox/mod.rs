//! The outbox: delivery of accepted submissions over SMTP, with retries and verdicts.

pub(crate) mod concurrency;
pub(crate) mod delivery_slots;
pub(crate) mod worker;
pub(crate) mod maintenance;
mod backoff;
mod expiry;
mod verdict;
mod sent_copy;
mod recording;
mod attempt;
pub(crate) mod driver;
