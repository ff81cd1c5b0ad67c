//! The SMTP connector: a dialler and limits in, authenticated sessions out.

use std::net::IpAddr;
use std::sync::Arc;

use lettre::transport::smtp::extension::ClientId;
use model::account::{Credentials, MailServer};
use model::port::BoxFuture;
use model::port::dial::Dial;
use model::port::smtp::{Activity, SmtpConnect, SmtpError, SmtpSession};
use model::port::steps::Steps;

use crate::dialling;
use crate::smtp::conversation::{Conversation, SmtpLimits};
use crate::smtp::opening;
use crate::smtp::session::Session;
use crate::stream::{Patience, Stream};

/// Opens SMTP sessions over wires that a dialler hands to it.
#[derive(Debug)]
pub struct Smtp {
    dial: Arc<dyn Dial>,
    hello: ClientId,
    limits: SmtpLimits,
}

impl Smtp {
    /// `hello` is the name or address that EHLO shows; one that cannot stand there is replaced by
    /// an address literal, which RFC 5321 §4.1.4 wants from clients without a name.
    #[must_use]
    pub fn new(dial: Arc<dyn Dial>, hello: &str, limits: SmtpLimits) -> Self {
        Self { dial, hello: client_id(hello), limits }
    }

    async fn open(
        &self,
        server: &MailServer,
        credentials: &Credentials,
        steps: &dyn Steps,
        activity: &Activity,
    ) -> Result<Session, SmtpError> {
        activity.note();
        let wire = dialling::dial(&*self.dial, server, steps).await.map_err(SmtpError::Dial)?;
        let stream = Stream::new(wire, Patience::of(self.limits.greeting));
        activity.note();
        let conversation = Conversation::new(stream, self.limits, activity.clone());
        let (mut conversation, extensions) =
            opening::open(conversation, server.security, &self.hello, steps).await?;
        let mechanism =
            opening::authenticate(&mut conversation, &extensions, &server.username, credentials)
                .await?;
        steps.authenticated(mechanism);
        Ok(Session::new(conversation, extensions))
    }
}

fn client_id(hello: &str) -> ClientId {
    let bare = hello.trim_start_matches('[').trim_end_matches(']');
    match bare.parse() {
        Ok(IpAddr::V4(address)) => ClientId::Ipv4(address),
        Ok(IpAddr::V6(address)) => ClientId::Ipv6(address),
        Err(_) if is_name(hello) => ClientId::Domain(hello.to_owned()),
        Err(_) => ClientId::default(),
    }
}

fn is_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-')
}

impl SmtpConnect for Smtp {
    fn connect<'a>(
        &'a self,
        server: &'a MailServer,
        credentials: &'a Credentials,
        steps: &'a dyn Steps,
        activity: &'a Activity,
    ) -> BoxFuture<'a, Result<Box<dyn SmtpSession>, SmtpError>> {
        Box::pin(async move {
            let session: Box<dyn SmtpSession> =
                Box::new(self.open(server, credentials, steps, activity).await?);
            Ok(session)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_in_ehlo_can_be_nothing_but_a_name() {
        check("mail.example.test", "mail.example.test");
        check("192.0.2.1", "[192.0.2.1]");
        check("[2001:db8::1]", "[IPv6:2001:db8::1]");
        check("", "[127.0.0.1]");
        check("a\r\nMAIL FROM:<x@y>", "[127.0.0.1]");
        check("a b", "[127.0.0.1]");
    }

    #[track_caller]
    fn check(hello: &str, want: &str) {
        assert_eq!(client_id(hello).to_string(), want);
    }
}
