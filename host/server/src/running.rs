//! A running host: the edge, the outbox driver, and their orderly end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::edge::Edge;
use crate::host::Host;
use crate::task;

/// How long deliveries that were begun may take after the stop. The final dot may wait for ten
/// minutes (RFC 5321 §4.5.3.2.6), which is longer than any service manager.
const DELIVERIES: Duration = Duration::from_secs(60);

/// The signals that end a host in order.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on they no longer end the process at once: to be called when it is ready, and before
    /// anybody is told so.
    ///
    /// # Errors
    /// When the system does not allow it.
    pub(crate) fn watch() -> anyhow::Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("cannot watch for Ctrl-C")?;
        Ok(Self { terminate, interrupt })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "Ctrl-C",
        }
    }
}

/// Serves and delivers until the process is told to stop; what was begun is finished.
pub(crate) async fn run(host: Arc<Host>, edge: Edge, mut signals: Signals) {
    let (stopping, stop) = watch::channel(false);
    let driver = task::spawn("outbox", Arc::clone(&host).deliver(stopped(stop.clone())));
    let server = task::spawn("edge", edge.serve(Arc::clone(&host), stopped(stop)));
    let signal = signals.next().await;
    tracing::info!("{signal}: finishing what was begun");
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
        signal = signals.next() => tracing::warn!("a second {signal}: stopping now"),
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // The sender lives as long as the host: an error means the same as the word.
    let _ = stop.wait_for(|stopping| *stopping).await;
}
