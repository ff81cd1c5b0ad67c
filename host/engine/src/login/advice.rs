//! Advice for connection and login errors, in sentences that a beginner can act on.
//!
//! One table for all protocols: hosts and ports are named to the caller that wrote the settings,
//! and never in errors that pass through a component. What a service itself requires (an app
//! password, a switch) is added elsewhere.
//!
//! Invariant: the sentence belongs to the code; a server's reply is in `upstream`, never in the
//! sentence.

use model::account::{Credentials, MailServer, OAuth, Security, TokenSource};
use model::port::dial::DialError;
use model::port::smtp::SmtpError;
use model::problem::{Code, Problem, Protocol};

use crate::login::trace::StepName;

/// The context of a connection attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerAttempt<'a> {
    pub(crate) protocol: Protocol,
    pub(crate) login: AuthKind,
    /// None where the reader of the error may not see the host.
    pub(crate) server: Option<&'a MailServer>,
    /// Whether the provider table has this host.
    pub(crate) is_known: bool,
}

/// The kind of credentials of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthKind {
    Password,
    /// A token by its owner's OAuth consent.
    Consent,
    /// A token from the tenant's own address.
    TokenAddress,
    /// Not known here: any of these.
    Any,
}

impl AuthKind {
    pub(crate) const fn by(credentials: &Credentials) -> Self {
        match credentials {
            Credentials::Password(_) => Self::Password,
            Credentials::OAuth(OAuth { source: TokenSource::Provider(_), .. }) => Self::Consent,
            Credentials::OAuth(OAuth { source: TokenSource::Url { .. }, .. }) => Self::TokenAddress,
        }
    }
}

/// The advice for a host that the egress guard refuses, and who can change that.
#[must_use]
pub fn not_allowed(host: &str, port: u16, reason: &str) -> String {
    if port == 25 {
        return format!(
            "Postlet does not connect to {host} port 25, at which servers hand mail to each other: mail programs use 465 with `tls` or 587 with `starttls`."
        );
    }
    format!(
        "Postlet does not connect to {host} port {port}: {reason}. If the server is the operator's own, `[egress] allow` in the configuration lets it in."
    )
}

/// The problem as the caller of a verification sees it.
pub(crate) fn explain(mut problem: Problem, at: StepName, tried: ServerAttempt<'_>) -> Problem {
    // A server without a valid greeting speaks another protocol.
    if at == StepName::Greeting && problem.code == Code::UpstreamMisbehaved {
        problem.code = Code::WrongProtocol;
    }
    let told = match (dialling(&problem), tried.server) {
        (Some(DialError::NotAllowed { host, port, reason }), Some(_)) => {
            Some(not_allowed(host, *port, reason))
        }
        (Some(DialError::Unresolved { .. }), server) => Some(unresolved(server)),
        _ => sentence(problem.code, at, tried),
    };
    if let Some(sentence) = told {
        problem.detail = sentence;
    }
    problem
}

/// The connection error behind a problem, if it is one.
fn dialling(problem: &Problem) -> Option<&DialError> {
    let cause = problem.cause.as_ref()?;
    match cause.downcast_ref::<SmtpError>() {
        Some(SmtpError::Dial(error)) => Some(error),
        Some(_) | None => cause.downcast_ref::<DialError>(),
    }
}

/// The sentence where it is not known whether the host exists, which has no code of its own.
pub(crate) fn unresolved(server: Option<&MailServer>) -> String {
    let host = server.map_or("the server's name", |server| server.host.as_str());
    format!(
        "The name servers gave no answer about {host}. Try again; if it stays so, the operator has to mend them (`[dns] servers` in the configuration)."
    )
}

/// None where the code says all that is known.
pub(crate) fn sentence(code: Code, at: StepName, tried: ServerAttempt<'_>) -> Option<String> {
    let (name, usual) = match tried.protocol {
        Protocol::Imap => ("IMAP", "993 with `tls` or 143 with `starttls`"),
        Protocol::Smtp => ("SMTP", "465 with `tls` or 587 with `starttls`"),
    };
    let (host, place, server) = match tried.server {
        Some(MailServer { host, port, .. }) => {
            let place = format!("{host} port {port}");
            let server = format!("The server at {place}");
            (host.clone(), place, server)
        }
        None => {
            let host = format!("the account's {name} server");
            (host.clone(), format!("the address of {host}"), format!("The account's {name} server"))
        }
    };
    let security = tried.server.map(|server| server.security);
    let text = match (code, at) {
        (Code::CredentialsRefused, _) => refused(name, tried),
        (Code::AccessOff, _) => format!(
            "The mailbox does not let mail programs in. Switch on {name} access in the service's web settings, then try again."
        ),
        (Code::AuthUnsupported, _) => match tried.login {
            AuthKind::Password | AuthKind::Any => format!(
                "The {name} server takes no login with a password on this port. Use the port that your provider names for mail programs (usually {usual}), or ask whether it wants OAuth 2."
            ),
            AuthKind::Consent | AuthKind::TokenAddress => format!(
                "The {name} server takes no login with a token (OAUTHBEARER or XOAUTH2) on this port. Use the port that your provider names for mail programs (usually {usual}), or connect the mailbox with a password."
            ),
        },
        (Code::UpstreamUnreachable, StepName::Connect) => format!(
            "Nothing answers at {place}. Check host and port (usually {usual}), and whether the server is up."
        ),
        (Code::UpstreamUnreachable, StepName::Greeting) if security == Some(Security::StartTls) => {
            format!(
                "{server} closed the connection without a greeting, as servers do that want TLS from the first byte, or that speak no {name}. Try `security` `tls`, or the usual ports: {usual}."
            )
        }
        (Code::UpstreamUnreachable, StepName::Greeting | StepName::Tls) => format!(
            "{server} closed the connection without a word that belongs here. Check the port and `security` (usually {usual})."
        ),
        (Code::UpstreamTimeout, StepName::Connect) => format!(
            "{server} does not answer. Check host and port (usually {usual}); a firewall on the way may also swallow the connection."
        ),
        (Code::UpstreamTimeout, StepName::Tls) if security == Some(Security::Tls) => format!(
            "{server} takes the connection and does not begin TLS: perhaps it waits for something else. If your provider names STARTTLS for this port, set `security` to `starttls`; the usual ports are {usual}."
        ),
        (Code::UpstreamTimeout, StepName::Greeting) if security == Some(Security::StartTls) => {
            format!(
                "{server} takes the connection and then says nothing, as servers do that want TLS from the first byte, or that speak no {name}. Try `security` `tls`, or the usual ports: {usual}."
            )
        }
        (Code::UpstreamTimeout, StepName::Greeting | StepName::Tls) => format!(
            "{server} takes the connection and then says nothing: perhaps it is no {name} server. The usual ports are {usual}."
        ),
        (Code::UpstreamTimeout, _) => format!(
            "The {name} server took too long to answer. Try again in a few minutes; if it stays so, ask whoever runs it."
        ),
        (Code::WrongProtocol, StepName::Tls) => format!(
            "{server} does not begin with TLS. Set `security` to `starttls`, or use the port for TLS (usually {usual})."
        ),
        (Code::WrongProtocol, _) => format!(
            "What answers at {place} is no {name} server. Check that host and port are not those of another service (usually {usual})."
        ),
        (Code::CertificateExpired, _) => format!(
            "The certificate of {host} is out of date, so nobody can tell whether it is the right server; no password was sent. Whoever runs the server has to renew it."
        ),
        (Code::CertificateWrongHost, _) => format!(
            "The certificate that answers at {place} is for another name than {}; no password was sent. Use the exact host name that your provider gives for {name}.",
            tried.server.map_or("the account's `host`", |server| server.host.as_str())
        ),
        (Code::CertificateUntrusted, _) => format!(
            "Nobody that Postlet trusts vouches for the certificate of {host}: it is self-signed, or of a private authority; no password was sent. If the server is yours, give its key as `pin`, or have the operator add its authority to `tls.extra-roots`."
        ),
        (Code::PinMismatch, _) => format!(
            "{server} shows another key than the pinned one; no password was sent. If it was renewed on purpose, give the new `pin`; else somebody is in between."
        ),
        (Code::CertificateRefused, _) => format!(
            "The certificate of {host} is not valid; no password was sent. Whoever runs the server has to replace it."
        ),
        (Code::TlsUnavailable, _) => format!(
            "{server} offers no encryption that can be used, and a password is never sent without. Use the port for TLS (usually {usual})."
        ),
        (Code::TlsTooOld, _) => format!(
            "{server} speaks only versions of TLS that are broken (before 1.2); no password was sent. Whoever runs the server has to update it."
        ),
        (Code::HostNotFound, _) if tried.is_known => format!(
            "The name servers say that there is no {host}, which is spelled rightly: it is in Postlet's table of mail services. The operator has to look after them (`[dns] servers` in the configuration)."
        ),
        (Code::HostNotFound, _) => format!(
            "The name servers know no address of {host}. Check its spelling, or name the server as your provider's help pages do."
        ),
        (Code::OverQuota, _) => {
            "The mailbox is full. Delete something or get more space, then try again.".to_owned()
        }
        (Code::UpstreamRefused, StepName::Mail) => "The login works, but the server does not take mail from this address to itself. Check that the address is the login's own, or one that it may send as.".to_owned(),
        (Code::UpstreamBusy, _) => format!(
            "The {name} server is not ready for this now, or lets nobody in for the moment. Try again in a few minutes."
        ),
        _ => return None,
    };
    Some(text)
}

fn refused(name: &str, tried: ServerAttempt<'_>) -> String {
    // Where the host may not be named, the account already exists.
    let way_out = match tried.server {
        Some(_) => "Check both",
        None => "Give the right ones by `PATCH /v1/accounts/{account}`",
    };
    match tried.login {
        AuthKind::Password => format!(
            "The {name} server does not accept this login name and password. {way_out}; many services want an app password or authorization code here, which you make in their web settings, and some want {name} switched on there."
        ),
        AuthKind::Consent => format!(
            "The {name} server does not accept the token of this mailbox. Have the owner of the mailbox agree again, by the address that `POST /v1/accounts/{{account}}/oauth` answers, and logged in there as this mailbox; the service may also want {name} access switched on in its web settings."
        ),
        AuthKind::TokenAddress => format!(
            "The {name} server does not accept the token that `tokenUrl` answered. See to it that the token is this mailbox's, and for {name}."
        ),
        AuthKind::Any => format!(
            "The {name} server does not accept this login. {way_out}, or, where it logs in by OAuth 2, have its owner agree again; many services want an app password or authorization code in the place of the password."
        ),
    }
}
