//! Connections to the mailroom over in-memory pipes, with real TLS.
//!
//! It replaces `net`, which connects sockets only: the handshake has the same limit, and the
//! certificate is verified against the mailroom's own.

use std::sync::Arc;
use std::time::Duration;

use fakes::wire::{PipeWire, boxed};
use mailroom::{Mailroom, Protocol};
use model::port::BoxFuture;
use model::port::dial::{Dial, DialError, Target, TlsFault, Wire};
use rustls::pki_types::ServerName;
use tokio::io::DuplexStream;
use tokio_rustls::TlsConnector;

/// The limit of `net`.
pub const HANDSHAKE_LIMIT: Duration = Duration::from_secs(15);

/// The capacity of a pipe.
const ROOM: usize = 64 * 1024;

/// Connects to the mailroom for every host; ports 993 and 143 are IMAP, and 993 and 465 implicit
/// TLS.
pub struct Pipes {
    mailroom: Arc<Mailroom>,
}

impl Pipes {
    /// Trusts the mailroom's certificate and no other.
    #[must_use]
    pub fn new(mailroom: Arc<Mailroom>) -> Self {
        Self { mailroom }
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Wire>, DialError> {
        let (near, far) = tokio::io::duplex(ROOM);
        let protocol = match target.port {
            993 | 143 => Protocol::Imap,
            _ => Protocol::Smtp,
        };
        let door = match target.port {
            993 | 465 => mailroom::Security::Implicit,
            _ => mailroom::Security::StartTls,
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "a stalled server ends with the test's runtime"
        )]
        tokio::spawn(self.mailroom.speak(far, protocol, door));
        let tls = self.mailroom.connector().clone();
        Ok(boxed(PipeWire::plain(near, |pipe| Box::pin(upgrade(tls, pipe)))))
    }
}

impl std::fmt::Debug for Pipes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipes").finish_non_exhaustive()
    }
}

impl Dial for Pipes {
    fn dial<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<Box<dyn Wire>, DialError>> {
        Box::pin(self.open(target))
    }
}

async fn upgrade(tls: TlsConnector, pipe: DuplexStream) -> Result<Box<dyn Wire>, DialError> {
    let host = "localhost".to_owned();
    let name = ServerName::try_from("localhost").unwrap();
    match tokio::time::timeout(HANDSHAKE_LIMIT, tls.connect(name, pipe)).await {
        Err(_) => Err(DialError::Timeout { host }),
        Ok(Err(_)) => Err(DialError::Tls { host, fault: TlsFault::Handshake }),
        Ok(Ok(pipe)) => Ok(boxed(PipeWire::encrypted(pipe))),
    }
}
