//! Shutdown after a disk failure.
//!
//! After a failed fsync the content of the disk is unknown, and a second fsync may report success for
//! data that the first one lost. So the store accepts nothing new; deliveries under way have
//! ten seconds to record their outcome in files that did not fail; then the process ends, and its
//! supervisor starts it again with what is on the disk.
//!
//! Invariant: a busy worker thread does not delay the end.

use std::io::Write;
use std::thread;
use std::time::Duration;

use anyhow::Context;

use crate::host::Host;

/// The exit status: `EX_IOERR` of sysexits(3).
pub(crate) const STATUS: u8 = 74;

/// Time from the failure to the end of the process.
const MOMENT: Duration = Duration::from_secs(10);

/// The message on standard error when the process ends.
const SENTENCE: &str = "the disk failed: nothing is lost that was accepted; look at the disk and its log, then start again";

/// Starts a thread that ends the process with `STATUS` after a disk failure.
///
/// # Errors
/// When the thread cannot be started.
pub(crate) fn watch(host: &Host) -> anyhow::Result<()> {
    // Only the signal is held, not the store: a graceful shutdown closes the store.
    let failed = host.api.outbox.failed();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .context("cannot watch the disk")?;
    let watching = move || {
        runtime.block_on(async {
            failed.await;
            tokio::time::sleep(MOMENT).await;
        });
        // Standard error may be closed.
        let _ = writeln!(std::io::stderr(), "postlet: {SENTENCE}");
        std::process::exit(STATUS.into());
    };
    thread::Builder::new()
        .name("disk".to_owned())
        .spawn(watching)
        .map(drop)
        .context("cannot watch the disk")
}
