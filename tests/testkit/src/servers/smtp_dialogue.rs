//! The SMTP dialogue of a submission server that refuses nothing, for servers that differ in how
//! they handle a message.
//!
//! Standards: RFC 5321 §3 and §4.1, RFC 4954 (AUTH).

use std::io::{self, BufRead, Write};
use std::sync::Arc;

use scripted::secure::{Wire, serve_each};

/// How a server handles messages.
pub(crate) trait Taker: Send + Sync + 'static {
    /// The state of one connection; it is dropped when the connection ends.
    type Connection: Send + 'static;

    /// The lines of its EHLO reply between the first and the last.
    const EXTENSIONS: &'static [&'static str];

    /// A client has connected; no other is accepted before this returns.
    fn connected(self: &Arc<Self>) -> Self::Connection;

    /// A message is announced, and continues when this returns.
    fn announced(&self) {}

    /// The final dot has arrived; the reply is sent when this returns.
    fn taken(&self, connection: &mut Self::Connection, message: Vec<u8>);
}

/// Serves TLS on a free port until the process ends; returns the port and the pin.
pub(crate) fn serve<T: Taker>(taker: &Arc<T>) -> (u16, String) {
    let (accepting, taker) = (Arc::clone(taker), Arc::clone(taker));
    serve_each(move || accepting.connected(), move |wire, own| converse(wire, own, &*taker))
}

/// A client that is killed breaks the connection, which is no failure of this server.
fn converse<T: Taker>(wire: &mut Wire, mut own: T::Connection, taker: &T) -> io::Result<()> {
    wire.get_mut().sock.set_nodelay(true)?;
    say(wire, "220 ready")?;
    let mut line = String::new();
    loop {
        line.clear();
        if wire.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let verb = line.split([' ', '\r']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => {
                say(wire, "250-ready")?;
                for extension in T::EXTENSIONS {
                    say(wire, &format!("250-{extension}"))?;
                }
                say(wire, "250 AUTH PLAIN LOGIN")?;
            }
            "AUTH" => say(wire, "235 2.7.0 welcome")?,
            "DATA" => {
                taker.announced();
                say(wire, "354 go on")?;
                let message = message(wire)?;
                taker.taken(&mut own, message);
                say(wire, "250 2.0.0 taken")?;
            }
            "QUIT" => return say(wire, "221 2.0.0 bye"),
            _ => say(wire, "250 2.0.0 fine")?,
        }
    }
}

/// Reads up to the line with a lone dot.
fn message(wire: &mut Wire) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let start = message.len();
        if wire.read_until(b'\n', &mut message)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if message.get(start..) == Some(b".\r\n") {
            message.truncate(start);
            return Ok(message);
        }
    }
}

fn say(wire: &mut Wire, line: &str) -> io::Result<()> {
    let stream = wire.get_mut();
    stream.write_all(format!("{line}\r\n").as_bytes())?;
    stream.flush()
}
