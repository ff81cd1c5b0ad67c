//! HTTP listener: accepts connections, limits them, and drains them at shutdown.
//!
//! HTTP/1.1 and HTTP/2 (prior knowledge). Request heads are limited in time and size,
//! connections in number, in total and for each peer; a client that stops reading is
//! disconnected; a drain finishes the requests under way. Against HTTP/2 floods hyper's
//! own limits apply.
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

/// Limits of a request head in bytes and in fields, above which hyper responds without a problem
/// document; `dispatch` has lower limits and responds with one.
const HEAD_BYTES: usize = 64 << 10;
const HEAD_FIELDS: usize = 200;
/// The shortest idle timeout between two requests of a connection.
const IDLE: Duration = Duration::from_secs(15);

/// The shortest time between two log entries about failed accepts: these repeat every 50 ms.
const QUIET: Duration = Duration::from_secs(60);

/// A bound listener.
#[derive(Debug)]
pub struct HttpListener {
    listener: TcpListener,
}

impl HttpListener {
    /// Binds a TCP listener; port 0 selects a free port.
    ///
    /// # Errors
    /// When the address is in use, or is not an address of this machine.
    pub async fn bind(address: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}"))?;
        Ok(Self { listener })
    }

    /// The local address.
    ///
    /// # Errors
    /// When the system cannot return it.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Serves until `stop`, then waits for the requests under way, at most
    /// [`Stop::requests`](crate::config::limits::Stop).
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
        let mut failures = AcceptFailures::default();
        loop {
            let (stream, peer, place) = tokio::select! {
                () = &mut stop => break,
                accepted = accept(&self.listener, &places, &mut failures) => match accepted {
                    Some(accepted) => accepted,
                    None => continue,
                },
            };
            // Closed without a response: the protocol is not known yet.
            let Ok(counted) = peers.enter(peer.ip(), host.limits.peer) else {
                tracing::debug!(%peer, "a connection was refused: the peer is at its limit");
                continue;
            };
            let host = Arc::clone(&host);
            let activity = ConnectionActivity::default();
            let (quiet, requests) = (host.limits.head, activity.clone());
            let stream = TokioIo::new(Reader::new(stream, host.limits.write));
            let service = service_fn(move |request| {
                let (host, active) = (Arc::clone(&host), requests.begin());
                async move { Ok::<_, Infallible>(active.within(dispatch::answer(host, request).await)) }
            });
            let connection = graceful.watch(builder.serve_connection(stream, service).into_owned());
            task::spawn("connection", async move {
                let _held = (place, counted);
                tokio::select! {
                    ended = connection => if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended");
                    },
                    () = activity.idle(quiet.max(IDLE)) => tracing::debug!("an idle connection was closed"),
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

/// Counter of failed accepts, with a rate limit for the log.
#[derive(Debug, Default)]
struct AcceptFailures {
    logged: Option<Instant>,
    unlogged: u64,
}

impl AcceptFailures {
    /// Counts a failure at `now`; returns the number since the last log entry when one is due.
    fn count(&mut self, now: Instant) -> Option<u64> {
        self.unlogged += 1;
        if self.logged.is_some_and(|logged| now.duration_since(logged) < QUIET) {
            return None;
        }
        self.logged = Some(now);
        Some(std::mem::take(&mut self.unlogged))
    }
}

/// Accepts the next connection when the number of connections is below the limit. None after a
/// failure, which is logged.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    failures: &mut AcceptFailures,
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
            // Usually EMFILE, which passes when connections end.
            if let Some(times) = failures.count(Instant::now()) {
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
    async fn failed_accepts_are_logged_once_a_minute_with_their_number() {
        let mut failures = AcceptFailures::default();
        let mut logged = Vec::new();
        // Twenty tries a second for two minutes and a half.
        for _ in 0..3000 {
            logged.extend(failures.count(Instant::now()));
            tokio::time::advance(Duration::from_millis(50)).await;
        }
        assert_eq!(logged, [1, 1200, 1200]);
    }
}
