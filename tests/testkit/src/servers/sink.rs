//! Submission server that accepts every message, records each with its connection, and varies its
//! delays.
//!
//! Standards: RFC 5321 §4.1, RFC 2920 (PIPELINING), RFC 4954 (AUTH).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::servers::smtp_dialogue::{Taker, serve};

/// The longest delay of a verdict: there has to be time between the dot and it.
const SLOWEST: u64 = 40;

/// A message that was received completely: its final dot has arrived.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The number of the connection, counted from one.
    pub connection: usize,
    /// The argument of the last [`Sink::begin`] when the connection was made.
    pub run: usize,
    /// The header, up to the empty line.
    pub header: String,
    /// SHA-256 of all bytes as received, without the final dot.
    pub digest: [u8; 32],
}

/// A running server; it ends with the process.
#[derive(Debug)]
pub struct Sink {
    pub port: u16,
    /// The pin for an account.
    pub pin: String,
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
    pub fn start() -> Self {
        let ledger = Arc::new(Ledger::default());
        let (port, pin) = serve(&ledger);
        Self { port, pin, ledger }
    }

    /// New connections belong to this run.
    pub fn begin(&self, run: usize) {
        self.ledger.run.store(run, Ordering::SeqCst);
    }

    /// Whether no client is connected, so that everything sent has been read.
    pub fn is_idle(&self) -> bool {
        self.ledger.open.load(Ordering::SeqCst) == 0
    }

    pub fn count(&self) -> usize {
        self.ledger.taken.lock().unwrap().len()
    }

    /// Every message, in the order of the dots of its connection.
    pub fn taken(&self) -> Vec<Taken> {
        self.ledger.taken.lock().unwrap().clone()
    }
}

/// A connection that has not ended.
#[derive(Debug)]
struct Open {
    ledger: Arc<Ledger>,
    run: usize,
    number: usize,
    slowness: u64,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.ledger.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Taker for Ledger {
    type Connection = Open;
    const EXTENSIONS: &'static [&'static str] = &["PIPELINING", "8BITMIME"];

    fn connected(self: &Arc<Self>) -> Open {
        self.open.fetch_add(1, Ordering::SeqCst);
        let number = self.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let run = self.run.load(Ordering::SeqCst);
        Open { ledger: Arc::clone(self), run, number, slowness: number as u64 }
    }

    fn taken(&self, open: &mut Open, message: Vec<u8>) {
        let end = message.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(message.len());
        let header = String::from_utf8_lossy(&message[..end]).into_owned();
        let digest = Sha256::digest(&message).into();
        let taken = Taken { connection: open.number, run: open.run, header, digest };
        self.taken.lock().unwrap().push(taken);
        // A step of a linear congruential generator: any sequence will do.
        open.slowness = open.slowness.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_millis((open.slowness >> 33) % SLOWEST));
    }
}
