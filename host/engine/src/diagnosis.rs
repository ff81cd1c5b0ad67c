//! What a failed try of a server means, in a sentence that a beginner can act on.
//!
//! For whoever wrote the settings, so that hosts and ports may be named. What the
//! service itself asks for (an app password, a switch) is added by others.
//!
//! Invariant: the sentence belongs to the code; what the server said stands in
//! `upstream`, never in the sentence.

use model::account::{MailServer, Security};
use model::port::dial::DialError;
use model::port::smtp::SmtpError;
use model::problem::{Code, Problem, Protocol};

use crate::watch::StepName;

/// The problem as whoever tries a server gets it.
pub(crate) fn explain(
    mut problem: Problem,
    at: StepName,
    protocol: Protocol,
    server: &MailServer,
) -> Problem {
    // Who does not even greet in the protocol is another kind of server.
    if at == StepName::Greeting && problem.code == Code::UpstreamMisbehaved {
        problem.code = Code::WrongProtocol;
    }
    if is_unresolved(&problem) {
        problem.detail = format!(
            "The name servers gave no answer about {}. Try again; if it stays so, the operator has to mend them (`[dns] servers` in the configuration).",
            server.host
        );
    } else if problem.code == Code::HostNotAllowed {
        // The guard says which rule it was.
        problem.detail += ". If the server is the operator's own, `[egress] allow` in the configuration lets it in.";
    } else if let Some(sentence) = sentence(problem.code, at, protocol, server) {
        problem.detail = sentence;
    }
    problem
}

/// Whether the host exists is not known, which has no code of its own.
fn is_unresolved(problem: &Problem) -> bool {
    let cause = problem.cause.as_ref().and_then(|cause| cause.downcast_ref::<DialError>());
    matches!(cause, Some(DialError::Unresolved { .. }))
        || matches!(
            problem.cause.as_ref().and_then(|cause| cause.downcast_ref::<SmtpError>()),
            Some(SmtpError::Dial(DialError::Unresolved { .. }))
        )
}

fn sentence(code: Code, at: StepName, protocol: Protocol, server: &MailServer) -> Option<String> {
    let MailServer { host, port, security, .. } = server;
    let (name, usual) = match protocol {
        Protocol::Imap => ("IMAP", "993 with `tls` or 143 with `starttls`"),
        Protocol::Smtp => ("SMTP", "465 with `tls` or 587 with `starttls`"),
    };
    let place = format!("{host} port {port}");
    let text = match (code, at) {
        (Code::CredentialsRefused, _) => format!(
            "The {name} server does not accept this login name and password. Check both; many services want an app password or authorization code here, which you make in their web settings."
        ),
        (Code::AccessOff, _) => format!(
            "The mailbox does not let mail programs in. Switch on {name} access in the service's web settings, then try again."
        ),
        (Code::AuthUnsupported, _) => format!(
            "The {name} server takes no login with a password on this port. Use the port that your provider names for mail programs (usually {usual}), or ask whether it wants OAuth 2."
        ),
        (Code::UpstreamUnreachable, StepName::Connect) => format!(
            "Nothing answers at {place}. Check host and port (usually {usual}), and whether the server is up."
        ),
        (Code::UpstreamUnreachable, StepName::Greeting | StepName::Tls) => format!(
            "The server at {place} closed the connection without a word that belongs here. Check the port and `security` (usually {usual})."
        ),
        (Code::UpstreamTimeout, StepName::Connect) => format!(
            "{place} does not answer. Check host and port (usually {usual}); a firewall on the way may also swallow the connection."
        ),
        (Code::UpstreamTimeout, StepName::Greeting) if *security == Security::StartTls => format!(
            "{place} takes the connection and then says nothing, as servers do that want TLS from the first byte, or that speak no {name}. Try `security` `tls`, or the usual ports: {usual}."
        ),
        (Code::UpstreamTimeout, StepName::Greeting) => format!(
            "{place} takes the connection and then says nothing: perhaps it is no {name} server. The usual ports are {usual}."
        ),
        (Code::WrongProtocol, StepName::Tls) => format!(
            "The server at {place} does not begin with TLS. Set `security` to `starttls`, or use the port for TLS (usually {usual})."
        ),
        (Code::WrongProtocol, _) => format!(
            "What answers at {place} is no {name} server. Check that host and port are not those of another service (usually {usual})."
        ),
        (Code::CertificateExpired, _) => format!(
            "The certificate of {host} is out of date, so nobody can tell whether it is the right server; no password was sent. Whoever runs the server has to renew it."
        ),
        (Code::CertificateWrongHost, _) => format!(
            "The certificate that answers at {place} is for another name than {host}; no password was sent. Use the exact host name that your provider gives for {name}."
        ),
        (Code::CertificateUntrusted, _) => format!(
            "Nobody that Postlet trusts vouches for the certificate of {host}: it is self-signed, or of a private authority; no password was sent. If the server is yours, give its key as `pin`, or have the operator add its authority to `tls.extra-roots`."
        ),
        (Code::PinMismatch, _) => format!(
            "The server at {place} shows another key than the pinned one; no password was sent. If it was renewed on purpose, give the new `pin`; else somebody is in between."
        ),
        (Code::CertificateRefused, _) => format!(
            "The certificate of {host} is not valid; no password was sent. Whoever runs the server has to replace it."
        ),
        (Code::TlsUnavailable, _) => format!(
            "The server at {place} offers no encryption that can be used, and a password is never sent without. Use the port for TLS (usually {usual})."
        ),
        (Code::TlsTooOld, _) => format!(
            "The server at {place} speaks only versions of TLS that are broken (before 1.2); no password was sent. Whoever runs the server has to update it."
        ),
        (Code::HostNotFound, _) => {
            format!("There is no host with the name {host}. Check its spelling.")
        }
        (Code::OverQuota, _) => "The mailbox is full, so the server takes no mail for it. Delete something or get more space, then try again.".to_owned(),
        (Code::UpstreamRefused, StepName::Mail) => "The login works, but the server does not take mail from this address to itself. Check that the address is the login's own, or one that it may send as.".to_owned(),
        (Code::UpstreamBusy, _) => format!(
            "The {name} server is not ready for this now, or lets nobody in for the moment. Try again in a few minutes."
        ),
        _ => return None,
    };
    Some(text)
}
