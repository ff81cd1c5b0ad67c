//! The end of a host whose disk failed.
//!
//! After a sync that failed nothing is known of what the disk holds, and a second one may report
//! success for what the first has lost. So nothing new is taken; what is under way has a moment to
//! write its verdicts to files that did not fail; then the process ends, and whoever watches it starts
//! it again on what is really there.
//!
//! Invariant: nothing that computes on the host's workers moves that moment.

use std::io::Write;
use std::thread;
use std::time::Duration;

use anyhow::Context;

use crate::host::Host;

/// `EX_IOERR` of sysexits(3).
pub(crate) const STATUS: u8 = 74;

/// From the failure to the end.
const MOMENT: Duration = Duration::from_secs(10);

/// The last word.
const SENTENCE: &str = "the disk failed: nothing is lost that was accepted; look at the disk and its log, then start again";

/// From now on a failed disk ends the process.
///
/// # Errors
/// When there is no thread for it.
pub(crate) fn watch(host: &Host) -> anyhow::Result<()> {
    // Not the store itself: an orderly end closes it.
    let failed = host.outbox.failed();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .context("cannot watch the disk")?;
    let watching = move || {
        runtime.block_on(async {
            failed.await;
            tokio::time::sleep(MOMENT).await;
        });
        // Nothing is lost when standard error is closed.
        let _ = writeln!(std::io::stderr(), "postlet: {SENTENCE}");
        std::process::exit(STATUS.into());
    };
    thread::Builder::new()
        .name("disk".to_owned())
        .spawn(watching)
        .map(drop)
        .context("cannot watch the disk")
}
