//! A submission server that takes every message, remembers each with the connection it came
//! over, and is never quite as quick as the one before.
//!
//! Standards: RFC 5321 §4.1, RFC 2920 (PIPELINING), RFC 4954 (AUTH).

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sha2::{Digest as _, Sha256};

use crate::harness::identity::identity;

/// The longest that a verdict takes: there has to be time between the dot and it.
const SLOWEST: u64 = 40;

/// One message that was taken whole: its final dot has come.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// Counted from one.
    pub(crate) connection: usize,
    /// What [`Sink::begin`] had said when the connection was made.
    pub(crate) run: usize,
    /// Up to the empty line.
    pub(crate) header: String,
    /// SHA-256 of all bytes as they came over the wire, without the dot.
    pub(crate) digest: [u8; 32],
}

/// A running server; it ends with the process.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) port: u16,
    /// What an account pins.
    pub(crate) pin: String,
    ledger: Arc<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    run: AtomicUsize,
    connections: AtomicUsize,
    open: AtomicUsize,
    taken: Mutex<Vec<Taken>>,
}

impl Sink {
    /// Serves TLS on a free port.
    pub(crate) fn start() -> Self {
        let (config, pin) = identity();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let ledger = Arc::new(Ledger::default());
        let shared = Arc::clone(&ledger);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, ledger) = (Arc::clone(&config), Arc::clone(&shared));
                // Before the next is accepted: whoever asks for open ones must see it.
                ledger.open.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    // A client that is killed breaks the connection: no failure of this server.
                    drop(serve(stream, config, &ledger));
                    ledger.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { port, pin, ledger }
    }

    /// Connections belong to this run from now on.
    pub(crate) fn begin(&self, run: usize) {
        self.ledger.run.store(run, Ordering::SeqCst);
    }

    /// Nobody is connected, and all that was on its way has been read.
    pub(crate) fn is_idle(&self) -> bool {
        self.ledger.open.load(Ordering::SeqCst) == 0
    }

    pub(crate) fn count(&self) -> usize {
        self.ledger.taken.lock().unwrap().len()
    }

    /// Every message, in the order of the dots of its connection.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.ledger.taken.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, ledger: &Ledger) -> std::io::Result<()> {
    let run = ledger.run.load(Ordering::SeqCst);
    let connection = ledger.connections.fetch_add(1, Ordering::SeqCst) + 1;
    stream.set_nodelay(true)?;
    let session = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(session, stream));
    let mut slowness = connection as u64;
    say(&mut stream, "220 ready")?;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let verb = line.split([' ', '\r']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => say(
                &mut stream,
                "250-ready\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN",
            )?,
            "AUTH" => say(&mut stream, "235 2.7.0 welcome")?,
            "DATA" => {
                say(&mut stream, "354 go on")?;
                let bytes = message(&mut stream)?;
                let end =
                    bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
                let header = String::from_utf8_lossy(&bytes[..end]).into_owned();
                let digest = Sha256::digest(&bytes).into();
                ledger.taken.lock().unwrap().push(Taken { connection, run, header, digest });
                // A step of a linear congruential generator: any sequence will do.
                slowness = slowness.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                std::thread::sleep(Duration::from_millis((slowness >> 33) % SLOWEST));
                say(&mut stream, "250 2.0.0 taken")?;
            }
            "QUIT" => return say(&mut stream, "221 2.0.0 bye"),
            _ => say(&mut stream, "250 2.0.0 fine")?,
        }
    }
}

/// What comes before the line with a lone dot.
fn message(stream: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let start = message.len();
        if stream.read_until(b'\n', &mut message)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if message.get(start..) == Some(b".\r\n") {
            message.truncate(start);
            return Ok(message);
        }
    }
}

fn say(
    stream: &mut BufReader<StreamOwned<ServerConnection, TcpStream>>,
    line: &str,
) -> std::io::Result<()> {
    let stream = stream.get_mut();
    stream.write_all(format!("{line}\r\n").as_bytes())?;
    stream.flush()
}
