//! Scripted peer of a wire, for tests: sends what the test says and returns what it received.
//!
//! Wires are in-memory pipes; "TLS" only marks them, since TLS is implemented in `net`.

use parking_lot::Mutex;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use fakes::clock::TokioClock;
use fakes::wire::{PipeWire, boxed};
use model::account::{Credentials, MailServer, OAuth, Security, TokenSource};
use model::port::BoxFuture;
use model::port::dial::{Dial, DialError, Encryption, Target, Wire};
use model::port::login_observer::LoginObserver;
use model::port::smtp::Activity;
use model::secret::Secret;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream, ReadBuf};

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
        Box::pin(async move { Ok(boxed(PipeWire::pretending(pipe, self.1))) })
    }
}

pub(crate) fn server(security: Security) -> MailServer {
    MailServer { security, ..fakes::account::server("mail.example.test", 1, "ann") }
}

pub(crate) fn credentials() -> Credentials {
    fakes::account::password("pass word")
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

pub(crate) fn activity() -> Activity {
    Activity::new(Arc::new(TokioClock::new()))
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

/// Connects while the peer plays its part, and returns what it heard.
pub(crate) async fn talk<T, E>(
    says: &[&str],
    connect: impl AsyncFnOnce(OneWire) -> Result<T, E>,
) -> (Result<(), E>, Vec<String>) {
    let (dial, peer) = pair();
    let (session, heard) = tokio::join!(connect(dial), peer.play(says));
    (session.map(|_| ()), heard)
}

impl Peer {
    /// Sends one piece after each line that it receives, and closes; returns the lines. `{tag}`
    /// stands for the tag of the last IMAP command.
    pub(crate) async fn play(mut self, says: &[&str]) -> Vec<String> {
        let (mut heard, mut tag) = (Vec::new(), String::new());
        for (index, piece) in says.iter().enumerate() {
            if index > 0 {
                let line = self.hear().await;
                // A line without a space is the response to a challenge and has no tag.
                if let Some((first, _)) = line.split_once(' ') {
                    tag = first.to_owned();
                }
                heard.push(line);
            }
            self.say(piece.replace("{tag}", &tag)).await;
        }
        heard
    }

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
