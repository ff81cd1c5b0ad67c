//! Benchmarks of isolation and of the HTTP API, as ratios to the same work without them.
//!
//! One run prints everything: JSON through a component against the same handler native, reading and
//! flagging over the API against a raw IMAP client on the same server, and the memory of an idle
//! and of a busy host. Absolute numbers depend on the machine; the ratios are comparable between
//! machines.
//!
//! `benches/run` builds it in release mode and runs it; `--smoke` is a small run that only shows
//! that it works. `--crowd` prints the noisy-neighbour benchmark only.
#![expect(clippy::unwrap_used, reason = "a bench that cannot run has failed")]
#![expect(clippy::panic, reason = "a bench that cannot run has failed")]
#![expect(clippy::indexing_slicing, reason = "a bench that cannot run has failed")]

use testkit::measure::report;

mod size;
mod no_capabilities;
mod noisy_neighbour;
mod isolation;
mod seed;
mod mailbox;

fn main() {
    if isolation::serve_if_asked() {
        return;
    }
    let size = size::Size::from_arguments();
    report::machine();
    isolation::crowd(size);
    if std::env::args().any(|argument| argument == "--crowd") {
        return;
    }
    isolation::compare(size);
    mailbox::compare(size);
}
