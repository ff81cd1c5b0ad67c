//! The IMAP connector: from a dialler and limits to authenticated sessions.

use std::sync::Arc;

use model::account::{Credentials, MailServer, Security};
use model::port::BoxFuture;
use model::port::dial::Dial;
use model::port::imap::{ImapConnect, ImapError, ImapSession};
use model::port::login_observer::LoginObserver;

use crate::connect;
use crate::imap::command_loop::Exchange;
use crate::imap::input_guard::Guard;
use crate::imap::limits::ImapLimits;
use crate::imap::login;
use crate::imap::session::Session;
use crate::timed_stream::{Deadlines, Stream};

/// Opens IMAP sessions over wires of a dialler.
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
        steps: &dyn LoginObserver,
    ) -> Result<Session, ImapError> {
        let wire = connect::dial(&*self.dial, server, steps).await.map_err(ImapError::Dial)?;
        let stream = Stream::new(wire, Deadlines::of(self.limits.greeting));
        let mut exchange = match server.security {
            Security::Tls => {
                let mut exchange = Exchange::new(Guard::new(stream, self.limits));
                exchange.greeting().await?;
                steps.greeted();
                exchange
            }
            Security::StartTls => {
                let stream = login::start_tls(stream, &self.limits, steps).await?;
                Exchange::new(Guard::new(stream, self.limits))
            }
        };
        let capabilities =
            login::log_in(&mut exchange, &server.username, credentials, steps).await?;
        Ok(Session::new(exchange, capabilities))
    }
}

impl ImapConnect for Imap {
    fn connect<'a>(
        &'a self,
        server: &'a MailServer,
        credentials: &'a Credentials,
        steps: &'a dyn LoginObserver,
    ) -> BoxFuture<'a, Result<Box<dyn ImapSession>, ImapError>> {
        Box::pin(async move {
            let session: Box<dyn ImapSession> =
                Box::new(self.open(server, credentials, steps).await?);
            Ok(session)
        })
    }
}
