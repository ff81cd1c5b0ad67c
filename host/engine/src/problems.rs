//! Mapping from the errors of every port to problem codes.
//!
//! No `_` arm anywhere: a new error must choose its code here. Details name neither hosts nor
//! logins, since they pass through components.
//!
//! Invariant: only a server's own text goes into `upstream`.

use std::sync::Arc;
use std::time::Duration;

use model::mail::mailbox::Role;
use model::port::capacity::AtCapacity;
use model::port::dial::{DialError, TlsFault};
use model::port::imap::{ImapError, NoCode};
use model::port::mime::MimeError;
use model::port::smtp::{Reply, SmtpError};
use model::port::spool::SpoolError;
use model::port::store_error::StoreError;
use model::problem::{Code, Fault, Problem, Protocol, Upstream};
use rules::foreign_text::printable;

use crate::login::advice::{self, AuthKind, ServerAttempt};
use crate::login::refusal_text;
use crate::login::trace::StepName;

/// Gone, another account's, or not an id: the three look alike, so that ids cannot be probed.
pub(crate) fn no_such_message() -> Problem {
    Problem::new(Code::NoSuchMessage, "the account has no message with this id")
}

/// The message exists, but the server does not return it.
pub(crate) fn unavailable_message() -> Problem {
    Problem::new(
        Code::UpstreamRefused,
        "the mail server lists this message and does not give it out",
    )
}

/// A body that exists and could not be parsed.
pub(crate) fn unreadable_body(fault: &Fault) -> Problem {
    Problem::new(Code::Unparsable, fault.detail.clone()).with_faults(vec![fault.clone()])
}

/// UIDVALIDITY of the mailbox changed.
pub(crate) fn stale_message() -> Problem {
    Problem::new(
        Code::StaleMessageId,
        "the mail server renumbered the mailbox; list it again for new ids",
    )
}

/// No mailbox of that name.
pub(crate) fn no_such_mailbox(name: &str) -> Problem {
    let advice = match Role::from_attribute(&format!("\\{name}")) {
        Some(role) => format!("the one with that role is named `{}`", role.attribute()),
        None => "`GET …/mailboxes` lists those that there are".to_owned(),
    };
    let detail = format!("the account has no mailbox `{}`; {advice}", printable(name));
    Problem::new(Code::NoSuchMailbox, detail)
}

/// Not a cursor of this list.
pub(crate) fn invalid_cursor() -> Problem {
    Problem::new(
        Code::InvalidCursor,
        "the cursor belongs to another list, or the mailbox was renumbered; start without one",
    )
}

/// Logins at the server are suspended after repeated failures.
pub(crate) fn locked_out(left: Duration) -> Problem {
    Problem::new(
        Code::CredentialsRefused,
        "the mail server refused the login several times in a row and is not asked again yet: give the right password by `PATCH /v1/accounts/{account}`, which is tried at once",
    )
    .with_retry_after(left)
}

/// The tenant's requests hold as much message memory as they may.
pub(crate) fn too_much_open(limit: u64) -> Problem {
    let detail = format!(
        "this tenant's requests are reading more than {limit} bytes of messages at once: wait, then try again"
    );
    Problem::new(Code::TooManyRequests, detail).with_retry_after(Duration::from_secs(5))
}

/// Every connection that the server allows is in use.
pub(crate) fn full() -> Problem {
    Problem::new(Code::UpstreamBusy, "the IMAP server takes no more connections of this account")
}

/// The problem of a failed IMAP command.
pub(crate) fn imap(error: ImapError) -> Problem {
    imap_of(error, AuthKind::Any)
}

fn imap_of(error: ImapError, login: AuthKind) -> Problem {
    let upstream = |reply: &str| said(Protocol::Imap, reply, None);
    let (code, heard) = match &error {
        ImapError::Dial(dial) => (dialled(dial), None),
        ImapError::Credentials { reply } => (refusal_text::refused(reply), upstream(reply)),
        ImapError::NoTls => (Code::TlsUnavailable, None),
        ImapError::NoMechanism => (Code::AuthUnsupported, None),
        ImapError::No { code, reply } => (
            match code {
                NoCode::NoSuchMailbox => Code::NoSuchMailbox,
                NoCode::OverQuota => Code::OverQuota,
                NoCode::Busy => Code::UpstreamBusy,
                NoCode::Other => Code::UpstreamRefused,
            },
            upstream(reply),
        ),
        ImapError::Bad { reply } => (Code::UpstreamRefused, upstream(reply)),
        ImapError::Bye { reply } => (Code::UpstreamUnreachable, upstream(reply)),
        ImapError::Lost(_) => (Code::UpstreamUnreachable, None),
        ImapError::Timeout => (Code::UpstreamTimeout, None),
        ImapError::Protocol(_) => (Code::UpstreamMisbehaved, None),
        ImapError::Unsupported(_) => (Code::UpstreamUnsupported, None),
    };
    let told = match &error {
        ImapError::Dial(dial) => undialled(dial, Protocol::Imap),
        ImapError::Credentials { .. }
        | ImapError::NoTls
        | ImapError::NoMechanism
        | ImapError::No { code: NoCode::OverQuota, .. } => {
            without_host(code, StepName::Auth, Protocol::Imap, login)
        }
        ImapError::No { .. }
        | ImapError::Bad { .. }
        | ImapError::Bye { .. }
        | ImapError::Lost(_)
        | ImapError::Timeout
        | ImapError::Protocol(_)
        | ImapError::Unsupported(_) => None,
    };
    let mut problem = Problem::new(code, told.unwrap_or_else(|| error.to_string()));
    problem.upstream = heard;
    match error {
        ImapError::Dial(dial) => problem.with_cause(dial),
        ImapError::Credentials { .. }
        | ImapError::NoTls
        | ImapError::NoMechanism
        | ImapError::No { .. }
        | ImapError::Bad { .. }
        | ImapError::Bye { .. }
        | ImapError::Lost(_)
        | ImapError::Timeout
        | ImapError::Protocol(_)
        | ImapError::Unsupported(_) => problem.with_cause(error),
    }
}

/// As [`imap`], for a login: a server that refuses the connection is busy, not faulty.
pub(crate) fn imap_login(error: ImapError, login: AuthKind) -> Problem {
    let turned_away = match &error {
        ImapError::No { code, .. } => *code != NoCode::OverQuota,
        ImapError::Bad { .. } | ImapError::Bye { .. } => true,
        ImapError::Credentials { reply } => refusal_text::is_busy(reply),
        ImapError::Dial(_)
        | ImapError::NoTls
        | ImapError::NoMechanism
        | ImapError::Lost(_)
        | ImapError::Timeout
        | ImapError::Protocol(_)
        | ImapError::Unsupported(_) => false,
    };
    if !turned_away {
        return imap_of(error, login);
    }
    let mut problem = Problem::new(Code::UpstreamBusy, "the IMAP server takes no login now");
    problem.upstream = imap_of(error, login).upstream;
    problem
}

/// The problem of a failed SMTP login, for a caller that keeps the error: without its cause.
pub(crate) fn smtp_login(error: &SmtpError) -> Problem {
    if let SmtpError::NoCredentials(problem) = error {
        return (**problem).clone();
    }
    let (code, heard) = smtp_code(error);
    let told = smtp_told(error, code).unwrap_or_else(|| error.to_string());
    let mut problem = Problem::new(code, told);
    problem.upstream = heard;
    problem
}

/// The problem of an SMTP session that failed before the final dot.
pub(crate) fn smtp(error: SmtpError) -> Problem {
    let mut problem = smtp_login(&error);
    problem.cause = Some(Arc::new(error));
    problem
}

/// A sentence with a remedy, where there is one and the error does not say more.
pub(crate) fn smtp_sentence(error: &SmtpError) -> Option<String> {
    smtp_told(error, smtp_code(error).0)
}

fn smtp_told(error: &SmtpError, code: Code) -> Option<String> {
    match error {
        SmtpError::Dial(dial) => undialled(dial, Protocol::Smtp),
        SmtpError::Credentials(_) | SmtpError::NoTls | SmtpError::NoMechanism => {
            without_host(code, StepName::Auth, Protocol::Smtp, AuthKind::Any)
        }
        SmtpError::Refused { .. }
            if matches!(code, Code::AccessOff | Code::AuthUnsupported | Code::OverQuota) =>
        {
            without_host(code, StepName::Auth, Protocol::Smtp, AuthKind::Any)
        }
        SmtpError::NoCredentials(_)
        | SmtpError::Refused { .. }
        | SmtpError::Lost(_)
        | SmtpError::Timeout { .. }
        | SmtpError::Protocol(_)
        | SmtpError::TooLarge { .. }
        | SmtpError::Unrecorded(_)
        | SmtpError::Malformed(_)
        | SmtpError::Unreadable(_) => None,
    }
}

fn smtp_code(error: &SmtpError) -> (Code, Option<Box<Upstream>>) {
    match error {
        SmtpError::Dial(dial) => (dialled(dial), None),
        SmtpError::NoCredentials(problem) => (problem.code, None),
        SmtpError::Credentials(reply) => (refusal_text::refused(&reply.text), replied(reply)),
        SmtpError::NoTls => (Code::TlsUnavailable, None),
        SmtpError::NoMechanism => (Code::AuthUnsupported, None),
        SmtpError::Refused { step, reply } => (refused(step, reply), replied(reply)),
        SmtpError::Lost(_) => (Code::UpstreamUnreachable, None),
        SmtpError::Timeout { .. } => (Code::UpstreamTimeout, None),
        SmtpError::Protocol(_) => (Code::UpstreamMisbehaved, None),
        SmtpError::TooLarge { .. } => (Code::BodyTooLarge, None),
        SmtpError::Unrecorded(_) | SmtpError::Malformed(_) | SmtpError::Unreadable(_) => {
            (Code::StoreUnavailable, None)
        }
    }
}

/// The code of a connection error.
fn dialled(error: &DialError) -> Code {
    match error {
        DialError::NotFound { .. } => Code::HostNotFound,
        DialError::Unresolved { .. } | DialError::Unreachable { .. } => Code::UpstreamUnreachable,
        DialError::NotAllowed { .. } => Code::HostNotAllowed,
        DialError::Timeout { .. } => Code::UpstreamTimeout,
        DialError::Tls { fault, .. } => match fault {
            TlsFault::Expired => Code::CertificateExpired,
            TlsFault::WrongHost => Code::CertificateWrongHost,
            TlsFault::UnknownIssuer => Code::CertificateUntrusted,
            TlsFault::PinMismatch => Code::PinMismatch,
            TlsFault::InvalidCertificate => Code::CertificateRefused,
            TlsFault::Version => Code::TlsTooOld,
            TlsFault::NotTls => Code::WrongProtocol,
            TlsFault::Handshake => Code::TlsUnavailable,
        },
    }
}

/// The detail of a connection error, without the host's name.
fn undialled(error: &DialError, protocol: Protocol) -> Option<String> {
    match error {
        DialError::Unresolved { .. } => Some(advice::unresolved(None)),
        DialError::NotAllowed { reason, .. } => {
            let server = name(protocol);
            Some(format!(
                "Postlet does not connect to the account's {server} server: {reason}. If the server is the operator's own, `[egress] allow` in the configuration lets it in."
            ))
        }
        DialError::NotFound { .. } | DialError::Unreachable { .. } | DialError::Timeout { .. } => {
            without_host(dialled(error), StepName::Connect, protocol, AuthKind::Any)
        }
        DialError::Tls { .. } => {
            without_host(dialled(error), StepName::Tls, protocol, AuthKind::Any)
        }
    }
}

/// The advice without the host: these details pass through components.
fn without_host(code: Code, at: StepName, protocol: Protocol, login: AuthKind) -> Option<String> {
    advice::sentence(code, at, ServerAttempt { protocol, login, server: None, is_known: false })
}

const fn name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Imap => "IMAP",
        Protocol::Smtp => "SMTP",
    }
}

/// The problem of a message that could not be parsed.
pub(crate) fn reading(error: MimeError) -> Problem {
    match error {
        MimeError::Faults(faults) if faults.iter().any(|fault| fault.code == "no-such-part") => {
            Problem::new(Code::NoSuchPart, "the message has no part at this path")
        }
        MimeError::Faults(faults) => {
            Problem::new(Code::Unparsable, "the message is too odd for the parser")
                .with_faults(faults)
        }
        MimeError::Failed(_) => {
            Problem::new(Code::Unparsable, "the parser gave up on the message").with_cause(error)
        }
        MimeError::Busy(why) => crowded("no parser is free", why),
    }
}

/// The problem of a draft that could not be composed.
pub(crate) fn composing(error: MimeError) -> Problem {
    match error {
        MimeError::Faults(faults) => {
            Problem::new(Code::InvalidDraft, "see `errors` for each fault").with_faults(faults)
        }
        MimeError::Failed(_) => {
            Problem::new(Code::Internal, "the message could not be composed").with_cause(error)
        }
        MimeError::Busy(why) => crowded("no composer is free", why),
    }
}

/// No instance slot for `what`: 429 where the tenant's own callers hold the slots, 503 where others
/// do (RFC 6585 §4).
pub(crate) fn crowded(what: &str, why: AtCapacity) -> Problem {
    let code = if why.is_own { Code::TooManyRequests } else { Code::Unavailable };
    Problem::new(code, format!("{what}: {why}; wait, then try again"))
        .with_retry_after(CROWD_PAUSE)
        .with_cause(why)
}

/// The problem of a failed store operation.
pub(crate) fn store(error: StoreError) -> Problem {
    let (code, detail) = match &error {
        StoreError::Exists => (Code::AlreadyExists, "the id is taken"),
        StoreError::Cursor => (Code::InvalidCursor, "take `nextCursor` of the page before"),
        StoreError::LostClaim => (Code::StoreUnavailable, "another worker has it"),
        StoreError::Sealed => (Code::Internal, "a sealed record cannot be opened"),
        StoreError::Full => (
            Code::StoreUnavailable,
            "the host's disk is full: new mail is taken again when there is room",
        ),
        StoreError::Failed(_) => (Code::StoreUnavailable, "the store did not answer"),
    };
    let after = if matches!(error, StoreError::Full) { ROOM_PAUSE } else { STORE_PAUSE };
    let problem = Problem::new(code, detail).with_cause(error);
    if code == Code::StoreUnavailable { problem.with_retry_after(after) } else { problem }
}

/// Retry-After: calls of the parser take milliseconds.
const CROWD_PAUSE: Duration = Duration::from_secs(1);
/// Retry-After: a host whose disk failed is restarted in about this time.
const STORE_PAUSE: Duration = Duration::from_secs(15);
/// Retry-After: an operator has to free disk space.
const ROOM_PAUSE: Duration = Duration::from_secs(60);

/// The problem of a failed upload.
pub(crate) fn spool(error: SpoolError) -> Problem {
    let code = match &error {
        SpoolError::TooLarge { .. } => Code::BodyTooLarge,
        SpoolError::Full { .. } => Code::TooManyRequests,
        SpoolError::Io(_) => Code::StoreUnavailable,
    };
    let problem = Problem::new(code, error.to_string()).with_cause(error);
    if code == Code::StoreUnavailable { problem.with_retry_after(STORE_PAUSE) } else { problem }
}

/// The code of a reply 4yz or 5yz to a command.
fn refused(step: &str, reply: &Reply) -> Code {
    let login = (step == "AUTH").then(|| refusal_text::refused(&reply.text));
    if let Some(told @ (Code::AccessOff | Code::AuthUnsupported | Code::UpstreamBusy)) = login {
        told
    } else if is_full(reply) {
        Code::OverQuota
    } else if reply.is_permanent() {
        Code::UpstreamRefused
    } else {
        Code::UpstreamBusy
    }
}

/// RFC 3463 §3.3: X.2.2 is a full mailbox. RFC 5321 §4.2.3: so are 452 and 552, where no enhanced
/// code gives another meaning.
fn is_full(reply: &Reply) -> bool {
    match &reply.enhanced {
        Some(code) => code.ends_with(".2.2") && code.len() == 5,
        None => matches!(reply.code, 452 | 552),
    }
}

fn replied(reply: &Reply) -> Option<Box<Upstream>> {
    said(Protocol::Smtp, &reply.to_string(), reply.enhanced.clone())
}

fn said(protocol: Protocol, reply: &str, enhanced_code: Option<String>) -> Option<Box<Upstream>> {
    Some(Box::new(Upstream { protocol, reply: printable(reply), enhanced_code }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_no_of_a_mail_server_has_its_own_code() {
        check(NoCode::NoSuchMailbox, Code::NoSuchMailbox);
        check(NoCode::OverQuota, Code::OverQuota);
        check(NoCode::Busy, Code::UpstreamBusy);
        check(NoCode::Other, Code::UpstreamRefused);
    }

    #[track_caller]
    fn check(code: NoCode, want: Code) {
        let problem = imap(ImapError::No { code, reply: "no\r\nway".to_owned() });
        assert_eq!(problem.code, want);
        assert_eq!(problem.upstream.unwrap().reply, "no  way");
    }

    #[test]
    fn who_is_in_the_way_of_the_parser_is_told_with_the_bound() {
        let told = |is_own| {
            let bound = "this tenant's requests hold 16 of 32 places".to_owned();
            let problem = reading(MimeError::Busy(AtCapacity { is_own, bound }));
            assert!(problem.detail.contains("16 of 32 places"), "{}", problem.detail);
            assert!(problem.retry_after.is_some());
            problem.code
        };
        assert_eq!(told(true), Code::TooManyRequests);
        assert_eq!(told(false), Code::Unavailable);
    }

    #[test]
    fn a_role_without_its_backslash_is_recognised() {
        let told = |name: &str| no_such_mailbox(name).detail;
        assert!(told("sent").ends_with(r"`sent`; the one with that role is named `\Sent`"));
        assert!(told("Sant").ends_with("`Sant`; `GET …/mailboxes` lists those that there are"));
        assert!(told(r"\Nonsense").contains("/mailboxes"));
    }

    #[test]
    fn a_full_mailbox_is_told_from_a_large_message_and_many_recipients() {
        let check = |code, enhanced: Option<&str>, want| {
            let enhanced = enhanced.map(str::to_owned);
            let reply = Reply { code, enhanced, text: String::new() };
            let problem = smtp(SmtpError::Refused { step: "RCPT", reply });
            assert_eq!(problem.code, want, "{code}");
        };
        check(552, None, Code::OverQuota);
        check(452, None, Code::OverQuota);
        check(452, Some("4.2.2"), Code::OverQuota);
        check(550, Some("5.2.2"), Code::OverQuota);
        check(552, Some("5.3.4"), Code::UpstreamRefused);
        check(452, Some("4.5.3"), Code::UpstreamBusy);
        check(550, None, Code::UpstreamRefused);
    }

    #[test]
    fn a_dial_error_tells_a_component_no_host_name_and_still_a_way_out() {
        let host = || "imap.secret.example".to_owned();
        let io = || std::io::ErrorKind::ConnectionRefused.into();
        let tls = |fault| DialError::Tls { host: host(), fault };
        let reason = "the address is not a public one";
        for error in [
            DialError::NotFound { host: host() },
            DialError::Unresolved { host: host() },
            DialError::NotAllowed { host: host(), port: 993, reason },
            DialError::Unreachable { host: host(), source: io() },
            DialError::Timeout { host: host() },
            tls(TlsFault::Expired),
            tls(TlsFault::WrongHost),
            tls(TlsFault::UnknownIssuer),
            tls(TlsFault::PinMismatch),
            tls(TlsFault::InvalidCertificate),
            tls(TlsFault::Version),
            tls(TlsFault::NotTls),
            tls(TlsFault::Handshake),
        ] {
            let told = format!("{error:?}");
            let detail = smtp_sentence(&SmtpError::Dial(error)).unwrap_or_default();
            assert!(!detail.contains("secret"), "{detail}");
            let clauses = detail.matches(['.', ';']).count();
            assert!(detail.ends_with('.') && clauses >= 2, "{told}: {detail}");
        }
        let problem = imap(ImapError::Dial(DialError::NotFound { host: host() }));
        assert_eq!(problem.code, Code::HostNotFound);
        assert!(problem.detail.contains("spelling") && !problem.detail.contains("secret"));
    }
}
