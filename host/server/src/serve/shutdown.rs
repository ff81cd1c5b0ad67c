//! A running host: the edge, the outbox driver, and their orderly end.
//!
//! The signals are heard on a thread of their own, with a clock of its own: what
//! computes on every worker of the host holds up neither the deadline nor a
//! second signal.
//!
//! Invariant: from the first signal on, the process has a last moment, and
//! nothing that a guest, a client or a mail server does moves it.

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

/// After the last deadline of what was begun, for saying goodbye to mail servers.
const FAREWELL: Duration = Duration::from_secs(5);
/// The log may be a pipe that nobody reads: it must not hold up the end.
const LAST_WORD: Duration = Duration::from_millis(500);

/// The signals that end a host.
#[derive(Debug)]
pub(crate) struct Signals {
    stopping: watch::Receiver<bool>,
}

impl Signals {
    /// From now on the first one begins an orderly end, which takes no longer than `stop` says; a second
    /// one ends the process at once. To be called when it is ready, and before anybody is told so.
    ///
    /// # Errors
    /// When the system does not allow it.
    pub(crate) fn watch(stop: Stop) -> anyhow::Result<Self> {
        let (sender, stopping) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot watch for signals")?;
        let entered = runtime.enter();
        let heard = Heard::new().context("cannot watch for SIGTERM and Ctrl-C")?;
        drop(entered);
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || runtime.block_on(heard.end(&sender, stop)))
            .context("cannot watch for signals")?;
        Ok(Self { stopping })
    }
}

struct Heard {
    terminate: Signal,
    interrupt: Signal,
}

impl Heard {
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

    /// Begins the end at the first signal, and is the end where no orderly one comes before.
    async fn end(mut self, stopping: &watch::Sender<bool>, stop: Stop) {
        let signal = self.next().await;
        stopping.send_replace(true);
        say(move || tracing::info!("{signal}: finishing what was begun"));
        let last = stop.grace + stop.requests.max(stop.deliveries) + FAREWELL;
        match tokio::time::timeout(last, self.next()).await {
            Ok(signal) => leave(move || tracing::warn!("a second {signal}: stopping now")),
            Err(_) => leave(move || {
                let seconds = last.as_secs();
                tracing::warn!("not everything ended within {seconds} seconds: stopping now");
            }),
        }
    }
}

/// Says it on another thread, so that whoever does not read the log holds up nothing here.
fn say(word: impl FnOnce() + Send + 'static) -> Option<thread::JoinHandle<()>> {
    thread::Builder::new().name("last-word".to_owned()).spawn(word).ok()
}

/// Ends the process without waiting for any of its threads. What that cuts off is what a crash cuts
/// off: nothing that was accepted is lost.
fn leave(word: impl FnOnce() + Send + 'static) -> ! {
    let (told, said) = std::sync::mpsc::channel();
    let saying = say(move || {
        word();
        // Whoever waits for it may have gone.
        let _ = told.send(());
    });
    if saying.is_some() {
        let _ = said.recv_timeout(LAST_WORD);
    }
    process::exit(0)
}

/// Serves and delivers until the process is told to stop; what was begun is finished.
pub(crate) async fn run(host: Arc<Host>, edge: HttpListener, signals: Signals) {
    let (closing, closed) = watch::channel(false);
    let driver = task::spawn("outbox", Arc::clone(&host).deliver(stopped(closed.clone())));
    let server = task::spawn("edge", edge.serve(Arc::clone(&host), stopped(closed)));
    stopped(signals.stopping).await;
    host.stopping.store(true, Ordering::Relaxed);
    // Whoever spreads requests over several hosts learns of it by asking `/-/ready`, and has to be able to.
    tokio::time::sleep(host.limits.stop.grace).await;
    closing.send_replace(true);
    let most = host.limits.stop.deliveries;
    let deliveries = async {
        // Cutting a delivery is what a crash is: safe, and visible on the submission.
        if tokio::time::timeout(most, driver).await.is_err() {
            let seconds = most.as_secs();
            tracing::warn!(
                "some deliveries did not end within {seconds} seconds; they will be tried again"
            );
        }
    };
    let _ = tokio::join!(server, deliveries);
    host.engine.close().await;
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // The sender lives until a signal was heard: an error means the same as the word.
    let _ = stop.wait_for(|stopping| *stopping).await;
}
