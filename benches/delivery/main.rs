//! Delivery benchmark: the rate of the outbox, as a ratio to a raw SMTP client that keeps its
//! sessions.
//!
//! The queue is filled before anything is delivered: it is written through the store's own port
//! while no host runs, and then a host is started on it. So delivery alone is timed. Both sides
//! send the same messages of 4 kB to the same Postfix, over as many authenticated TLS sessions.
//! Postfix queues each message on disk before it replies 250, as it always does, and discards it
//! afterwards. On both sides, arrivals are counted from its log.
//!
//! `benches/run` builds it in release mode and runs it; `--smoke` is a small run that only shows
//! that it works.
#![expect(clippy::unwrap_used, reason = "a bench that cannot run has failed")]
#![expect(clippy::indexing_slicing, reason = "a bench that cannot run has failed")]

use testkit::measure::report;

mod size;
mod mail;
mod postfix_log;
mod raw_client;
mod queue;
mod comparison;

fn main() {
    let size = size::Size::from_arguments();
    report::machine();
    comparison::run(size);
}
