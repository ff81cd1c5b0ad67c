//! A running host: the edge, the outbox driver, and their orderly end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::edge::Edge;
use crate::host::Host;
use crate::task;

/// How long deliveries that were begun may take after the stop. The final dot may wait for ten
/// minutes (RFC 5321 §4.5.3.2.6), which is longer than any service manager.
const DELIVERIES: Duration = Duration::from_secs(60);

/// Serves and delivers until the process is told to stop; what was begun is finished.
///
/// # Errors
/// When signals cannot be watched.
pub(crate) async fn run(host: Arc<Host>, edge: Edge) -> anyhow::Result<()> {
    let (stopping, stop) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let driver =
        task::spawn("outbox", Arc::clone(&host.engine).deliver_forever(stopped(stop.clone())));
    let server = task::spawn("edge", edge.serve(Arc::clone(&host), stopped(stop)));
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: finishing what was begun"),
        result = tokio::signal::ctrl_c() => {
            result.context("cannot watch for Ctrl-C")?;
            tracing::info!("Ctrl-C: finishing what was begun");
        }
    }
    host.stopping.store(true, Ordering::Relaxed);
    stopping.send_replace(true);
    // A second signal ends it at once.
    let orderly = async {
        let _ = server.await;
        // Cutting a delivery is what a crash is: safe, and visible on the submission.
        if tokio::time::timeout(DELIVERIES, driver).await.is_err() {
            tracing::warn!(
                "some deliveries did not end within 60 seconds; they will be tried again"
            );
        }
        host.engine.close().await;
    };
    tokio::select! {
        () = orderly => {}
        _ = terminate.recv() => tracing::warn!("a second SIGTERM: stopping now"),
        _ = tokio::signal::ctrl_c() => tracing::warn!("a second Ctrl-C: stopping now"),
    }
    Ok(())
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // The sender lives as long as the host: an error means the same as the word.
    let _ = stop.wait_for(|stopping| *stopping).await;
}
