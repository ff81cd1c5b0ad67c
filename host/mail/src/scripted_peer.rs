//! Scripted peer of a wire, for tests: sends what the test says and returns what it received.
//!
//! Wires are in-memory pipes; "TLS" only marks them, since TLS is implemented in `net`.

use parking_lot::Mutex;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use model::account::{Credentials, MailServer, OAuth, Security, TokenSource};
use model::instant::Timestamp;
use model::port::BoxFuture;
use model::port::clock::Clock;
use model::port::dial::{Dial, DialError, Encryption, Target, Wire};
use model::port::login_observer::LoginObserver;
use model::port::smtp::Activity;
use model::secret::Secret;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

#[derive(Debug)]
pub(crate) struct PipeWire {
    pipe: DuplexStream,
    encrypted: bool,
    local: Option<IpAddr>,
}

impl Wire for PipeWire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        Pin::new(&mut self.pipe).poll_read(context, &mut buffer).map_ok(|()| buffer.filled().len())
    }
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(context, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(context)
    }
    fn upgrade(mut self: Box<Self>) -> BoxFuture<'static, Result<Box<dyn Wire>, DialError>> {
        Box::pin(async move {
            self.encrypted = true;
            let wire: Box<dyn Wire> = self;
            Ok(wire)
        })
    }
    fn peer(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 9))
    }
    fn local(&self) -> Option<IpAddr> {
        self.local
    }
    fn is_encrypted(&self) -> bool {
        self.encrypted
    }
}

/// A dialler with one prepared wire.
#[derive(Debug)]
pub(crate) struct OneWire(Mutex<Option<DuplexStream>>, Option<IpAddr>);

impl OneWire {
    /// Sets the local address of the wire.
    pub(crate) fn from(self, local: IpAddr) -> Self {
        Self(self.0, Some(local))
    }
}

impl Dial for OneWire {
    fn dial<'a>(&'a self, _: &'a Target) -> BoxFuture<'a, Result<Box<dyn Wire>, DialError>> {
        let pipe = self.0.lock().take().expect("one connection");
        Box::pin(async move {
            let wire: Box<dyn Wire> = Box::new(PipeWire { pipe, encrypted: false, local: self.1 });
            Ok(wire)
        })
    }
}

pub(crate) fn server(security: Security) -> MailServer {
    MailServer {
        host: "mail.example.test".into(),
        port: 1,
        security,
        username: "ann".into(),
        pin: None,
    }
}

pub(crate) fn credentials() -> Credentials {
    Credentials::Password(Secret::new("pass word".into()))
}

/// A token instead of a password.
pub(crate) fn token() -> Credentials {
    Credentials::OAuth(OAuth {
        source: TokenSource::Provider("example".into()),
        access: Some(Secret::new("t0k".into())),
        expires: None,
        refresh: None,
    })
}

/// tokio's clock, which some tests pause.
#[derive(Debug)]
struct Tokio(tokio::time::Instant);

impl Clock for Tokio {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0).after(self.0.elapsed())
    }
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

pub(crate) fn activity() -> Activity {
    Activity::new(Arc::new(Tokio(tokio::time::Instant::now())))
}

/// Records every step of a login.
#[derive(Debug, Default)]
pub(crate) struct StepLog(Mutex<Vec<&'static str>>);

impl StepLog {
    fn write(&self, step: &'static str) {
        self.0.lock().push(step);
    }

    pub(crate) fn read(&self) -> String {
        self.0.lock().join(" ")
    }
}

impl LoginObserver for StepLog {
    fn connected(&self) {
        self.write("connected");
    }
    fn encrypted(&self, _: Option<Encryption>) {
        self.write("encrypted");
    }
    fn greeted(&self) {
        self.write("greeted");
    }
    fn authenticated(&self, mechanism: &'static str) {
        self.write(mechanism);
    }
    fn capabilities_read(&self) {
        self.write("informed");
    }
}

/// The server's side.
#[derive(Debug)]
pub(crate) struct Peer {
    pipe: DuplexStream,
}

/// A dialler with one wire, and the peer at its other end.
pub(crate) fn pair() -> (OneWire, Peer) {
    pair_holding(64 * 1024)
}

/// As [`pair`], with so many bytes that either side may write before the other reads.
pub(crate) fn pair_holding(room: usize) -> (OneWire, Peer) {
    let (near, far) = tokio::io::duplex(room);
    (OneWire(Mutex::new(Some(near)), None), Peer { pipe: far })
}

impl Peer {
    /// An error means that the client has gone, which many tests expect.
    pub(crate) async fn say(&mut self, text: impl AsRef<[u8]>) -> bool {
        self.pipe.write_all(text.as_ref()).await.is_ok()
    }

    /// The next line without CRLF; empty when the client has gone.
    pub(crate) async fn hear(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            match self.pipe.read_u8().await {
                Ok(byte) => line.push(byte),
                Err(_) => {
                    assert!(line.is_empty(), "half a line: {:?}", String::from_utf8_lossy(&line));
                    return String::new();
                }
            }
        }
        String::from_utf8(line).unwrap().trim_end_matches("\r\n").to_owned()
    }

    /// Exactly so many bytes.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.pipe.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    /// Whether the client sends more without a reply; it gets every opportunity.
    pub(crate) async fn has_more(&mut self) -> bool {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let mut pipe = Pin::new(&mut self.pipe);
        std::future::poll_fn(|context| {
            Poll::Ready(pipe.as_mut().poll_read(context, &mut buffer).is_ready())
        })
        .await
    }

    /// Everything until the client closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.pipe.read_to_end(&mut bytes).await.unwrap();
        bytes
    }
}
