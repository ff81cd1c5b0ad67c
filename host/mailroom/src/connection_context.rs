//! State shared by all connections: store, certificate, host name, fault script and log.
//!
//! Every step of both protocols is passed to [`ConnectionContext::hear`] before it is executed, so
//! that log and script cover all of them.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::fault_injection::{BRINGS, Fault, FaultScript, LoggedCommand, Protocol, begins, shown};
use crate::store::{Store, UserId};
use crate::wire::{Pace, Wire};

/// Maximum number of log entries; older ones are dropped.
const MAX_LOG: usize = 10_000;

/// The shared state.
pub(crate) struct ConnectionContext {
    pub(crate) store: Store,
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) hostname: String,
    accepted: AtomicU64,
    /// Watched, so that a test can wait for a step instead of sleeping.
    pub(crate) book: watch::Sender<Book>,
}

/// The fault script, and the log of steps.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) script: FaultScript,
    pub(crate) log: VecDeque<LoggedCommand>,
}

/// Whether the session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Stay,
    HangUp,
}

/// What is left to do at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Obey,
    /// The script has sent the response.
    Answered,
}

impl ConnectionContext {
    pub(crate) fn new(store: Store, acceptor: TlsAcceptor, hostname: String) -> Self {
        let (accepted, book) = (AtomicU64::new(0), watch::Sender::default());
        Self { store, acceptor, hostname, accepted, book }
    }

    /// A unique number for the next accepted message.
    pub(crate) fn next_number(&self) -> u64 {
        self.accepted.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether a capability or EHLO keyword is not disabled.
    pub(crate) fn offers(&self, name: &str) -> bool {
        let book = self.book.borrow();
        !book.script.without.iter().any(|off| off.eq_ignore_ascii_case(name))
    }

    /// The keywords of a list that are not disabled.
    pub(crate) fn offered(&self, words: &str) -> String {
        let kept = words.split(' ').filter(|word| self.offers(word));
        kept.collect::<Vec<_>>().join(" ")
    }

    /// Logs a step and applies the script's fault for it; `Err` is the end of the connection. `tag`
    /// is IMAP's, or `*`. Unlike all other waits a scripted stall ends only with the mailroom.
    pub(crate) async fn hear(
        &self,
        wire: &mut Wire,
        protocol: Protocol,
        user: Option<UserId>,
        tag: &str,
        line: &str,
    ) -> io::Result<Turn> {
        wire.is_heard()?;
        let user = user.and_then(|user| self.store.email(user));
        let mut fault = None;
        self.book.send_modify(|book| {
            fault = book.script.next(protocol, line);
            if book.log.len() >= MAX_LOG {
                book.log.pop_front();
            }
            book.log.push_back(LoggedCommand { protocol, user, line: shown(line) });
        });
        let off = |(name, command): &(&str, &str)| begins(line, command) && !self.offers(name);
        if fault.is_none() && BRINGS.iter().any(off) {
            fault = Some(Fault::Bad("not offered".to_owned()));
        }
        let (no, bad) = match protocol {
            Protocol::Imap => (format!("{tag} NO "), format!("{tag} BAD ")),
            Protocol::Smtp => ("550 ".to_owned(), "500 ".to_owned()),
        };
        wire.pace = Pace::Full;
        let mut paced = |pace| {
            wire.pace = pace;
            Ok(Turn::Obey)
        };
        let (said, turn) = match fault {
            None => return Ok(Turn::Obey),
            Some(Fault::Stall) => std::future::pending().await,
            Some(Fault::Cut) => return Err(io::ErrorKind::ConnectionAborted.into()),
            Some(Fault::CutAfter) => return paced(Pace::Only(0)),
            Some(Fault::CutWithin(octets)) => return paced(Pace::Only(octets)),
            Some(Fault::Slow(pause)) => return paced(Pace::Slow(pause)),
            Some(Fault::Line(line)) => (line, Turn::Obey),
            Some(Fault::No(text)) => ((no + &text).into_bytes(), Turn::Answered),
            Some(Fault::Bad(text)) => ((bad + &text).into_bytes(), Turn::Answered),
            Some(Fault::Reply(text))
                if protocol == Protocol::Smtp || text.starts_with(['*', '+']) =>
            {
                (text.into_bytes(), Turn::Answered)
            }
            Some(Fault::Reply(text)) => (format!("{tag} {text}").into_bytes(), Turn::Answered),
        };
        wire.say(&[&said, &b"\r\n"[..]].concat()).await?;
        if said.starts_with(b"421") || said.starts_with(b"* BYE") {
            wire.close().await?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(turn)
    }

    /// The TLS handshake, unless the script prevents it.
    pub(crate) async fn secure(&self, wire: &mut Wire, protocol: Protocol) -> io::Result<()> {
        match self.hear(wire, protocol, None, "*", "TLS").await? {
            Turn::Obey => wire.secure(&self.acceptor).await,
            Turn::Answered => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}
