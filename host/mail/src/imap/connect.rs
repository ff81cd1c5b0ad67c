//! The IMAP connector: a dialler and limits in, logged-in sessions out.

use std::sync::Arc;

use model::account::{Credentials, MailServer, Security};
use model::port::BoxFuture;
use model::port::dial::{Dial, Target};
use model::port::imap::{ImapConnect, ImapError, ImapSession};

use crate::imap::exchange::Exchange;
use crate::imap::guard::Guard;
use crate::imap::limits::ImapLimits;
use crate::imap::opening;
use crate::imap::session::Session;
use crate::stream::{Patience, Stream};

/// Opens IMAP sessions over wires that a dialler hands to it.
#[derive(Debug)]
pub struct Imap {
    dial: Arc<dyn Dial>,
    limits: ImapLimits,
}

impl Imap {
    /// Every session gets the same limits.
    #[must_use]
    pub fn new(dial: Arc<dyn Dial>, limits: ImapLimits) -> Self {
        Self { dial, limits }
    }

    async fn open(
        &self,
        server: &MailServer,
        credentials: &Credentials,
    ) -> Result<Session, ImapError> {
        let wire = self.dial.dial(&Target::from(server)).await.map_err(ImapError::Dial)?;
        let stream = Stream::new(wire, Patience::of(self.limits.greeting));
        let mut exchange = match server.security {
            Security::Tls => {
                let mut exchange = Exchange::new(Guard::new(stream, self.limits));
                exchange.greeting().await?;
                exchange
            }
            Security::StartTls => {
                let stream = opening::start_tls(stream, &self.limits).await?;
                Exchange::new(Guard::new(stream, self.limits))
            }
        };
        let capabilities = opening::log_in(&mut exchange, &server.username, credentials).await?;
        Ok(Session::new(exchange, capabilities))
    }
}

impl ImapConnect for Imap {
    fn connect<'a>(
        &'a self,
        server: &'a MailServer,
        credentials: &'a Credentials,
    ) -> BoxFuture<'a, Result<Box<dyn ImapSession>, ImapError>> {
        Box::pin(async move {
            let session: Box<dyn ImapSession> = Box::new(self.open(server, credentials).await?);
            Ok(session)
        })
    }
}
