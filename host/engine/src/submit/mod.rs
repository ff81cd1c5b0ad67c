//! Message submission: composition, filters and the durable record.

pub mod filter_registry;
mod draft_digest;
mod composed_message;
mod filter_chain;
pub(crate) mod submitter;
