//! The SMTP connector: from a dialler and limits to authenticated sessions.

use std::net::IpAddr;
use std::sync::Arc;

use lettre::transport::smtp::extension::ClientId;
use model::account::{Credentials, MailServer};
use model::port::BoxFuture;
use model::port::dial::Dial;
use model::port::login_observer::LoginObserver;
use model::port::smtp::{Activity, SmtpConnect, SmtpError, SmtpSession};

use crate::connect;
use crate::smtp::exchange::{Exchange, SmtpLimits};
use crate::smtp::login;
use crate::smtp::session::Session;
use crate::timed_stream::{Deadlines, Stream};

/// Opens SMTP sessions over wires of a dialler.
#[derive(Debug)]
pub struct Smtp {
    dial: Arc<dyn Dial>,
    /// The EHLO name; none where each connection uses its own address.
    hello: Option<ClientId>,
    limits: SmtpLimits,
}

impl Smtp {
    /// `hello` is the name or address literal for EHLO. One that is not fully qualified is refused
    /// by many servers (`reject_non_fqdn_helo_hostname`): instead of it, of `localhost` and of
    /// nothing each connection uses its local address, as RFC 5321 §4.1.4 requires of clients
    /// without a name.
    #[must_use]
    pub fn new(dial: Arc<dyn Dial>, hello: &str, limits: SmtpLimits) -> Self {
        Self { dial, hello: client_id(hello), limits }
    }

    async fn open(
        &self,
        server: &MailServer,
        credentials: &Credentials,
        steps: &dyn LoginObserver,
        activity: &Activity,
    ) -> Result<Session, SmtpError> {
        activity.note();
        let wire = connect::dial(&*self.dial, server, steps).await.map_err(SmtpError::Dial)?;
        let hello = self
            .hello
            .clone()
            .unwrap_or_else(|| wire.local().map_or_else(ClientId::default, literal));
        let stream = Stream::new(wire, Deadlines::of(self.limits.greeting));
        activity.note();
        let conversation = Exchange::new(stream, self.limits, activity.clone());
        let (mut conversation, extensions) =
            login::open(conversation, server.security, &hello, steps).await?;
        let mechanism =
            login::authenticate(&mut conversation, &extensions, &server.username, credentials)
                .await?;
        steps.authenticated(mechanism);
        Ok(Session::new(conversation, extensions))
    }
}

fn client_id(hello: &str) -> Option<ClientId> {
    let bare = hello.trim_start_matches('[').trim_end_matches(']').trim_start_matches("IPv6:");
    match bare.parse() {
        Ok(address) => Some(literal(address)),
        Err(_) => is_full_name(hello).then(|| ClientId::Domain(hello.to_owned())),
    }
}

fn literal(address: IpAddr) -> ClientId {
    match address.to_canonical() {
        IpAddr::V4(address) => ClientId::Ipv4(address),
        IpAddr::V6(address) => ClientId::Ipv6(address),
    }
}

fn is_full_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let ours_alone = name.to_ascii_lowercase();
    let ours_alone = ours_alone.starts_with("localhost.") || ours_alone.ends_with(".localhost");
    name.len() <= 255 && name.contains('.') && name.split('.').all(label) && !ours_alone
}

impl SmtpConnect for Smtp {
    fn connect<'a>(
        &'a self,
        server: &'a MailServer,
        credentials: &'a Credentials,
        steps: &'a dyn LoginObserver,
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
        check("mail.example.test", Some("mail.example.test"));
        check("192.0.2.1", Some("[192.0.2.1]"));
        check("[2001:db8::1]", Some("[IPv6:2001:db8::1]"));
        check("[IPv6:2001:db8::1]", Some("[IPv6:2001:db8::1]"));
        check("::ffff:192.0.2.1", Some("[192.0.2.1]"));
        for nameless in [
            "",
            "localhost",
            "localhost.localdomain",
            "x.localhost",
            "machine",
            "a b.example.test",
            "a.test\r\nMAIL FROM:<x@y>",
            "-a.test",
            "a..test",
            "a.test.",
            "a_b.test",
        ] {
            check(nameless, None);
        }
    }

    #[track_caller]
    fn check(hello: &str, want: Option<&str>) {
        assert_eq!(client_id(hello).map(|id| id.to_string()).as_deref(), want, "{hello:?}");
    }
}
