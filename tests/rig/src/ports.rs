//! Free loopback ports, so that any number of rigs may run at once.
//!
//! The servers take port numbers, not sockets, so another process may take a port between its
//! choice and its use. Two things make that rare: the port is left in TIME-WAIT, which the kernel
//! does not assign again but a server may bind (`SO_REUSEADDR`), and a rig that does not start is
//! tried again with other ports.

use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;

/// Attempts of [`until`]: ten seconds.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(20);

/// The ports of one rig, all on 127.0.0.1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) imap: u16,
    pub(crate) imaps: u16,
    pub(crate) lmtp: u16,
    pub(crate) submission: u16,
    pub(crate) submissions: u16,
    pub(crate) smtp_plain: u16,
}

impl Ports {
    pub(crate) fn reserve() -> anyhow::Result<Self> {
        // All are held until the last is found, so they differ.
        let held: Vec<TcpListener> = (0..6)
            .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .collect::<Result<_, _>>()
            .context("finding free ports")?;
        let mut free = held.iter().map(leave_in_time_wait);
        let mut next = || free.next().context("too few ports")?;
        Ok(Self {
            imap: next()?,
            imaps: next()?,
            lmtp: next()?,
            submission: next()?,
            submissions: next()?,
            smtp_plain: next()?,
        })
    }
}

/// The side that closes first keeps the port in TIME-WAIT (RFC 9293 §3.6).
fn leave_in_time_wait(listener: &TcpListener) -> anyhow::Result<u16> {
    let port = listener.local_addr()?.port();
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    drop(listener.accept()?);
    client.read_to_end(&mut Vec::new())?;
    Ok(port)
}

/// Waits until a server accepts connections; with `greets`, until it has sent something, which a
/// server with implicit TLS never does first.
pub(crate) fn wait_open(port: u16, greets: bool) -> anyhow::Result<()> {
    until(&format!("port {port} to answer"), || answers(port, greets).unwrap_or(false))
}

fn answers(port: u16, greets: bool) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    // A free port may be assigned to the very connection that looks for a listener.
    if stream.local_addr()? == stream.peer_addr()? {
        return Ok(false);
    }
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    Ok(!greets || stream.read(&mut [0; 1])? == 1)
}

/// Polls, since the servers are other programs and send no notification.
pub(crate) fn until(what: &str, mut reached: impl FnMut() -> bool) -> anyhow::Result<()> {
    for _ in 0..TRIES {
        if reached() {
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
    anyhow::bail!("waited in vain for {what}")
}
