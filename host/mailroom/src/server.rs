//! The mail server: four listeners on the loopback address.
//!
//! Everything runs in tasks of one set, and a listener's connections in a set of its own, so that
//! dropping [`Mailroom`] ends all of them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::config::Config;
use crate::connection_context::{Book, ConnectionContext};
use crate::dates::now;
use crate::error::MailroomError;
use crate::fault_injection::{FaultScript, LoggedCommand, Protocol};
use crate::imap;
use crate::mailbox::{Mailbox, Message};
use crate::smtp;
use crate::store::Store;
use crate::tls::{Identity, make_identity};
use crate::wire::{Stream, Wire};

/// Maximum number of connections of one listener; more are closed at once.
const MAX_CONNECTIONS: usize = 512;

/// How TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// After the STARTTLS command (RFC 3207, RFC 3501 §6.2.1).
    StartTls,
    /// From the first octet (RFC 8314 §3).
    Implicit,
}

/// A running server. Dropping it closes its ports and its connections.
pub struct Mailroom {
    imap: SocketAddr,
    imaps: SocketAddr,
    submission: SocketAddr,
    submissions: SocketAddr,
    pin: String,
    connector: TlsConnector,
    site: Arc<ConnectionContext>,
    /// Dropped with the server.
    _doors: JoinSet<()>,
}

impl Mailroom {
    /// Generates a certificate, binds four ports of 127.0.0.1 and serves them on the current
    /// runtime.
    ///
    /// # Errors
    /// An invalid or repeated address; a host name that is not valid in a certificate; no free
    /// port.
    pub async fn start(config: Config) -> Result<Self, MailroomError> {
        let Config { users, hostname } = config;
        let Identity { acceptor, pin, connector } = make_identity(&hostname)?;
        let site = Arc::new(ConnectionContext::new(Store::new(users)?, acceptor, hostname));
        let mut doors = JoinSet::new();
        let mut open = async |protocol, security| {
            let refused = |source| MailroomError::Listen { source };
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(refused)?;
            let address = listener.local_addr().map_err(refused)?;
            doors.spawn(attend(listener, Arc::clone(&site), protocol, security));
            Ok(address)
        };
        let imap = open(Protocol::Imap, Security::StartTls).await?;
        let imaps = open(Protocol::Imap, Security::Implicit).await?;
        let submission = open(Protocol::Smtp, Security::StartTls).await?;
        let submissions = open(Protocol::Smtp, Security::Implicit).await?;
        Ok(Self { imap, imaps, submission, submissions, pin, connector, site, _doors: doors })
    }

    /// IMAP with STARTTLS.
    pub fn imap(&self) -> SocketAddr {
        self.imap
    }

    /// IMAP with implicit TLS.
    pub fn imaps(&self) -> SocketAddr {
        self.imaps
    }

    /// SMTP submission with STARTTLS.
    pub fn submission(&self) -> SocketAddr {
        self.submission
    }

    /// SMTP submission with implicit TLS.
    pub fn submissions(&self) -> SocketAddr {
        self.submissions
    }

    /// `sha256/` and the standard base64 of the SHA-256 of the certificate's
    /// SubjectPublicKeyInfo in DER.
    pub fn spki_pin(&self) -> &str {
        &self.pin
    }

    /// A TLS client that trusts this server's certificate and no other.
    pub fn connector(&self) -> &TlsConnector {
        &self.connector
    }

    /// Serves one client over any stream, for as long as the future is polled or until the client
    /// disconnects.
    pub fn speak<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
        &self,
        stream: S,
        protocol: Protocol,
        security: Security,
    ) -> impl Future<Output = ()> + Send + use<S> {
        welcome(Box::new(stream), Arc::clone(&self.site), protocol, security)
    }

    /// Replaces the fault script; open connections use it from their next step on.
    pub fn misbehave(&self, script: FaultScript) {
        self.site.book.send_modify(|book| book.script = script);
    }

    /// The last 10,000 steps of all sessions, the latest at the end.
    pub fn asked(&self) -> Vec<LoggedCommand> {
        self.site.book.borrow().log.iter().cloned().collect()
    }

    /// Returns once a step, named as in [`crate::fault_injection::Rule::step`], is in
    /// [`Mailroom::asked`] so many times. A step is logged before it is executed, so that this is
    /// also when a stall has begun.
    pub async fn until_asked(&self, protocol: Protocol, step: &str, times: usize) {
        let mut book = self.site.book.subscribe();
        let enough =
            |book: &Book| book.log.iter().filter(|own| own.is(protocol, step)).count() >= times;
        // The context holds the sender: it outlives this receiver.
        let _ = book.wait_for(enough).await;
    }

    /// Adds a message, octet for octet, to a mailbox, and returns its UID.
    ///
    /// # Errors
    /// No such user or mailbox, or the quota is exhausted.
    pub fn deliver(&self, email: &str, mailbox: &str, raw: &[u8]) -> Result<u32, MailroomError> {
        let store = &self.site.store;
        let put = |user| store.append(user, mailbox, Bytes::copy_from_slice(raw), &[], now()).ok();
        store.owner(email).and_then(put).ok_or_else(|| {
            let (email, mailbox) = (email.to_owned(), mailbox.to_owned());
            MailroomError::Deliver { email, mailbox }
        })
    }

    /// Octets and flags of the messages in a mailbox, by UID; empty where there is no such mailbox.
    pub fn messages(&self, email: &str, mailbox: &str) -> Vec<(Bytes, Vec<String>)> {
        let store = &self.site.store;
        let shown = |own: &Message| (own.raw.clone(), own.flags.clone());
        let all = |mailbox: &Mailbox| mailbox.messages.iter().map(shown).collect();
        store.owner(email).and_then(|user| store.named(user, mailbox, all)).unwrap_or_default()
    }
}

impl std::fmt::Debug for Mailroom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailroom").field("imaps", &self.imaps).finish_non_exhaustive()
    }
}

/// Serves one listener until it is dropped.
async fn attend(
    listener: TcpListener,
    site: Arc<ConnectionContext>,
    protocol: Protocol,
    security: Security,
) {
    let mut guests = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if guests.len() < MAX_CONNECTIONS => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "could not set TCP_NODELAY");
                    }
                    guests.spawn(welcome(Box::new(stream), Arc::clone(&site), protocol, security));
                }
                Ok(_) => tracing::warn!("the mailroom is full"),
                Err(error) => {
                    // Most likely out of file descriptors: wait for some to be freed.
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = guests.join_next() => {}
        }
    }
}

async fn welcome(
    stream: Box<dyn Stream>,
    site: Arc<ConnectionContext>,
    protocol: Protocol,
    security: Security,
) {
    let served = async {
        let mut wire = Wire::new(stream);
        if security == Security::Implicit {
            site.secure(&mut wire, protocol).await?;
        }
        match protocol {
            Protocol::Imap => imap::serve(site, wire).await,
            Protocol::Smtp => smtp::serve(site, wire).await,
        }
    };
    if let Err(error) = served.await {
        tracing::debug!(%error, ?protocol, "a connection ended early");
    }
}
