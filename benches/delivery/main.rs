//! How fast the outbox delivers, as a ratio to a raw SMTP client that keeps its sessions.
//!
//! The queue is full before anything is delivered: it is written through the store's own
//! port while no host runs, and then a host is started on it. So delivery alone is timed.
//! Both sides hand the same messages of 4 kB to the same Postfix, over as many TLS
//! sessions that are logged in. Postfix queues each on disk before it says yes, as it always
//! does, and discards it afterwards. What has arrived is counted from its log on both sides.
//!
//! `benches/run` builds it in release and runs it; `--smoke` is a small one that only
//! shows that it works.
#![expect(clippy::unwrap_used, reason = "a bench that cannot run has failed")]
#![expect(clippy::indexing_slicing, reason = "a bench that cannot run has failed")]

use testkit::measure::report;

mod size;
mod mail;
mod arrivals;
mod raw;
mod queue;
mod race;

fn main() {
    let size = size::Size::from_arguments();
    report::machine();
    race::run(size);
}
