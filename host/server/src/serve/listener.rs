//! The HTTP edge: connections, their limits, and the end of them.
//!
//! HTTP/1.1 and HTTP/2 (prior knowledge). Heads are bounded in time and size,
//! connections in number and for each peer, and who stops reading is cut; a
//! drain finishes what was begun. Of HTTP/2's floods hyper's own limits hold.
//!
//! Standards: RFC 9110, RFC 9112, RFC 9113.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::dispatch;
use crate::host::Host;
use crate::http::slow_client::Reader;
use crate::os::task;
use crate::serve::idle_timeout::ConnectionActivity;
use crate::serve::peer_limit::PeerConnections;

/// Past these the protocol's bare answer is all there is; `dispatch` refuses earlier, in words.
const HEAD_BYTES: usize = 64 << 10;
const HEAD_FIELDS: usize = 200;
/// A connection between two requests is kept this long at least.
const IDLE: Duration = Duration::from_secs(15);

/// Trouble with accepting is told so often at most: the next try is a moment later, and meets the same.
const QUIET: Duration = Duration::from_secs(60);

/// A bound listener.
#[derive(Debug)]
pub struct HttpListener {
    listener: TcpListener,
}

impl HttpListener {
    /// Binds; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address is in use or not ours.
    pub async fn bind(address: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}"))?;
        Ok(Self { listener })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Serves until `stop`, then finishes what was begun within [`Stop::requests`](crate::config::limits::Stop).
    pub async fn serve(self, host: Arc<Host>, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let places = Arc::new(Semaphore::new(host.limits.connections));
        let graceful = GracefulShutdown::new();
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(host.limits.head)
            .max_buf_size(HEAD_BYTES)
            .max_headers(HEAD_FIELDS);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(100)
            .max_header_list_size(HEAD_BYTES as u32)
            .keep_alive_interval(Duration::from_secs(30));
        let peers = PeerConnections::default();
        let mut refusals = Refusals::default();
        loop {
            let (stream, peer, place) = tokio::select! {
                () = &mut stop => break,
                accepted = accept(&self.listener, &places, &mut refusals) => match accepted {
                    Some(accepted) => accepted,
                    None => continue,
                },
            };
            // There is no word for this that every protocol understands.
            let Ok(counted) = peers.enter(peer.ip(), host.limits.peer) else {
                tracing::debug!(%peer, "a peer has as many connections as it may");
                continue;
            };
            let host = Arc::clone(&host);
            let pulse = ConnectionActivity::default();
            let (quiet, beats) = (host.limits.head, pulse.clone());
            let stream = TokioIo::new(Reader::new(stream, host.limits.write));
            let service = service_fn(move |request| {
                let (host, beat) = (Arc::clone(&host), beats.beat());
                async move { Ok::<_, Infallible>(beat.within(dispatch::answer(host, request).await)) }
            });
            let connection = graceful.watch(builder.serve_connection(stream, service).into_owned());
            task::spawn("connection", async move {
                let _held = (place, counted);
                tokio::select! {
                    ended = connection => if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended");
                    },
                    () = pulse.lost(quiet.max(IDLE)) => tracing::debug!("a silent connection was cut"),
                }
            });
        }
        drop(self.listener);
        let most = host.limits.stop.requests;
        if tokio::time::timeout(most, graceful.shutdown()).await.is_err() {
            let seconds = most.as_secs();
            tracing::warn!("some requests did not finish within {seconds} seconds");
        }
    }
}

/// Connections that the system did not let us accept.
#[derive(Debug, Default)]
struct Refusals {
    told: Option<Instant>,
    untold: u64,
}

impl Refusals {
    /// One more at `now`: how many there were since they were told last, where it is time to tell them.
    fn count(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        if self.told.is_some_and(|told| now.duration_since(told) < QUIET) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

/// The next connection, when there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    refusals: &mut Refusals,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection without TCP_NODELAY");
            }
            Some((stream, peer, place))
        }
        Err(error) => {
            // Out of file descriptors, most likely: waiting is all that helps.
            if let Some(times) = refusals.count(Instant::now()) {
                tracing::warn!(%error, times, "connections could not be accepted");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn trouble_with_accepting_is_told_once_a_minute_with_its_number() {
        let mut refusals = Refusals::default();
        let mut told = Vec::new();
        // Twenty tries a second for two minutes and a half.
        for _ in 0..3000 {
            told.extend(refusals.count(Instant::now()));
            tokio::time::advance(Duration::from_millis(50)).await;
        }
        assert_eq!(told, [1, 1200, 1200]);
    }
}
