//! Mail servers that cannot be reached, for tests in which none is.

use model::account::{Credentials, MailServer};
use model::future::BoxFuture;
use model::port::imap::{ImapConnect, ImapError, ImapSession};
use model::port::login_observer::LoginObserver;
use model::port::smtp::{Activity, SmtpConnect, SmtpError, SmtpSession};

/// Every connection fails.
#[derive(Debug)]
pub struct NoMailServer;

impl ImapConnect for NoMailServer {
    fn connect<'a>(
        &'a self,
        _: &'a MailServer,
        _: &'a Credentials,
        _: &'a dyn LoginObserver,
    ) -> BoxFuture<'a, Result<Box<dyn ImapSession>, ImapError>> {
        Box::pin(async { Err(ImapError::Timeout) })
    }
}

impl SmtpConnect for NoMailServer {
    fn connect<'a>(
        &'a self,
        _: &'a MailServer,
        _: &'a Credentials,
        _: &'a dyn LoginObserver,
        _: &'a Activity,
    ) -> BoxFuture<'a, Result<Box<dyn SmtpSession>, SmtpError>> {
        Box::pin(async { Err(SmtpError::NoTls) })
    }
}
