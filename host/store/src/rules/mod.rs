//! Rules shared by both stores: states of a submission, fair queueing, cursors.

pub(crate) mod fair_queue;
pub(crate) mod cursor;
pub(crate) mod outbox;
pub(crate) mod uptime;
