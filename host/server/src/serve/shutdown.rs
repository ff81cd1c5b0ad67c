//! Graceful shutdown of a running host: the HTTP listener and the outbox driver.
//!
//! Signals are received on a separate thread with its own runtime, so busy worker
//! threads of the host delay neither the deadline nor a second signal.
//!
//! Invariant: the first signal sets a deadline for the end of the process, and
//! nothing that a guest, a client or a mail server does extends it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::{process, thread};

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::config::limits::Stop;
use crate::host::Host;
use crate::os::task;
use crate::serve::listener::HttpListener;

/// Time for logging out at mail servers, after the deadline for requests and deliveries.
const LOGOUT: Duration = Duration::from_secs(5);
/// The longest wait for the last log entry: standard error may be a pipe that is not read.
const LAST_LOG_ENTRY: Duration = Duration::from_millis(500);

/// The signals that end a host: SIGTERM and SIGINT.
#[derive(Debug)]
pub(crate) struct Signals {
    stopping: watch::Receiver<bool>,
}

impl Signals {
    /// Installs the handlers: the first signal begins a graceful shutdown within the times of `stop`; a
    /// second one ends the process at once. To be called when the host is ready, before that is printed.
    ///
    /// # Errors
    /// When the handlers or their thread cannot be set up.
    pub(crate) fn watch(stop: Stop) -> anyhow::Result<Self> {
        let (sender, stopping) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot watch for signals")?;
        let entered = runtime.enter();
        let handlers = SignalHandlers::new().context("cannot watch for SIGTERM and Ctrl-C")?;
        drop(entered);
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || runtime.block_on(handlers.end(&sender, stop)))
            .context("cannot watch for signals")?;
        Ok(Self { stopping })
    }
}

struct SignalHandlers {
    terminate: Signal,
    interrupt: Signal,
}

impl SignalHandlers {
    fn new() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { terminate, interrupt })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "Ctrl-C",
        }
    }

    /// Begins the shutdown at the first signal, and ends the process at the second one or at the
    /// deadline.
    async fn end(mut self, stopping: &watch::Sender<bool>, stop: Stop) {
        let signal = self.next().await;
        stopping.send_replace(true);
        detached(move || tracing::info!("{signal}: finishing requests and deliveries under way"));
        let last = stop.grace + stop.requests.max(stop.deliveries) + LOGOUT;
        match tokio::time::timeout(last, self.next()).await {
            Ok(signal) => leave(move || tracing::warn!("a second {signal}: stopping now")),
            Err(_) => leave(move || {
                let seconds = last.as_secs();
                tracing::warn!(
                    "the shutdown did not finish within {seconds} seconds: stopping now"
                );
            }),
        }
    }
}

/// Logs on another thread, so that a pipe that is not read does not block this one.
fn detached(log: impl FnOnce() + Send + 'static) -> Option<thread::JoinHandle<()>> {
    thread::Builder::new().name("last-log".to_owned()).spawn(log).ok()
}

/// Ends the process without waiting for its threads. As after a crash, nothing that was accepted is
/// lost.
fn leave(log: impl FnOnce() + Send + 'static) -> ! {
    let (sender, logged) = std::sync::mpsc::channel();
    let logging = detached(move || {
        log();
        // The receiver may have timed out.
        let _ = sender.send(());
    });
    if logging.is_some() {
        let _ = logged.recv_timeout(LAST_LOG_ENTRY);
    }
    process::exit(0)
}

/// Serves and delivers until a signal; requests and deliveries under way are finished.
pub(crate) async fn run(host: Arc<Host>, edge: HttpListener, signals: Signals) {
    let (closing, closed) = watch::channel(false);
    let driver = task::spawn("outbox", Arc::clone(&host).deliver(stopped(closed.clone())));
    let server = task::spawn("edge", edge.serve(Arc::clone(&host), stopped(closed)));
    stopped(signals.stopping).await;
    host.api.stopping.store(true, Ordering::Relaxed);
    // A load balancer sees the shutdown at `/-/ready`, so requests are served during the grace period.
    tokio::time::sleep(host.limits.stop.grace).await;
    closing.send_replace(true);
    let most = host.limits.stop.deliveries;
    let deliveries = async {
        // An aborted delivery is as after a crash: safe, and visible in the submission's status.
        if tokio::time::timeout(most, driver).await.is_err() {
            let seconds = most.as_secs();
            tracing::warn!(
                "some deliveries did not end within {seconds} seconds; they will be retried"
            );
        }
    };
    let _ = tokio::join!(server, deliveries);
    host.engine.close().await;
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // The sender lives until a signal is received: an error means the same as the value.
    let _ = stop.wait_for(|stopping| *stopping).await;
}
