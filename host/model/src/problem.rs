//! Problem details (RFC 9457): the codes of every error that the API returns.
//!
//! One table of codes, so that a code, its status and its title cannot drift apart;
//! `docs/problems.md` explains each and `tests/architecture` compares the two. Nothing here writes HTTP:
//! one file in `server` and one in the guests' kit do.
//!
//! Standard: RFC 9457.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use crate::foreign::steers;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:ident, $code:literal, $title:literal, $retry:ident;)*) => {
        /// One variant for each `type` URI, so part of the public API (RFC 9457 §3.1.1). Add freely; never rename, never reuse.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            const fn row(self) -> (StatusCode, &'static str, &'static str, Retry) {
                match self { $(Self::$name => (StatusCode::$status, $code, $title, Retry::$retry),)* }
            }
        }
    };
}

/// Retry-After of a 503 where no better value is known.
const COME_BACK: Duration = Duration::from_secs(5);

/// Whether the same call may succeed later without any change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retry {
    Never,
    Later,
}

codes! {
    /// No token, or an unknown one.
    Unauthenticated = UNAUTHORIZED, "unauthenticated", "A valid token is needed", Never;
    /// The token lacks a scope.
    Forbidden = FORBIDDEN, "forbidden", "The token does not allow this", Never;
    /// No such route or resource.
    NotFound = NOT_FOUND, "not-found", "There is nothing at this address", Never;
    /// Unknown, another tenant's, or not granted.
    NoSuchAccount = NOT_FOUND, "no-such-account", "There is no such account", Never;
    /// Not a mailbox of this account.
    NoSuchMailbox = NOT_FOUND, "no-such-mailbox", "There is no such mailbox", Never;
    /// Gone, or another account's.
    NoSuchMessage = NOT_FOUND, "no-such-message", "There is no such message", Never;
    /// No part at that path.
    NoSuchPart = NOT_FOUND, "no-such-part", "The message has no such part", Never;
    /// Unknown, or another account's.
    NoSuchSubmission = NOT_FOUND, "no-such-submission", "There is no such submission", Never;
    /// It ended too long ago to be kept.
    SubmissionExpired = NOT_FOUND, "submission-expired", "The submission is not kept any more", Never;
    /// Unknown token id.
    NoSuchToken = NOT_FOUND, "no-such-token", "There is no such token", Never;
    /// Discovery found no servers for the address, and the body names none.
    NoServersFound = UNPROCESSABLE_ENTITY, "no-servers-found", "No mail servers were found for this address", Never;
    /// The servers that were found lie outside the mail domain; `confirm` is missing.
    ConfirmationNeeded = CONFLICT, "confirmation-needed", "A person has to agree to these servers first", Never;
    /// The account was to be verified before it is stored, and a server rejected the login; `imap`
    /// and `smtp` say more.
    VerificationFailed = UNPROCESSABLE_ENTITY, "verification-failed", "A mail server could not be used, so nothing was stored", Never;
    /// The service accepts no password at all.
    OAuthNeeded = UNPROCESSABLE_ENTITY, "oauth-needed", "The service takes no passwords, only OAuth 2", Never;
    /// No mail service is known for that domain.
    NoSuchProvider = NOT_FOUND, "no-such-provider", "Nothing is known about this mail service", Never;
    /// UIDVALIDITY changed: the id is no longer valid.
    StaleMessageId = GONE, "stale-message-id", "The mailbox was renumbered since this id was made", Never;
    /// The route has other methods.
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method-not-allowed", "This address does not answer that method", Never;
    /// Not JSON.
    MalformedJson = BAD_REQUEST, "malformed-json", "The body is not JSON", Never;
    /// Not a valid HTTP request.
    MalformedRequest = BAD_REQUEST, "malformed-request", "The request is malformed", Never;
    /// JSON that does not match the schema; `errors` lists each fault.
    InvalidBody = UNPROCESSABLE_ENTITY, "invalid-body", "The body does not fit its schema", Never;
    /// Evaluating a schema of a description could exceed the host's limit; reported on deployment.
    SchemaTooCostly = UNPROCESSABLE_ENTITY, "schema-too-costly", "The schema is too costly to evaluate", Never;
    /// A query parameter that is unknown or invalid.
    InvalidQuery = BAD_REQUEST, "invalid-query", "A query parameter is unknown or wrong", Never;
    /// A cursor that was not issued for this query.
    InvalidCursor = BAD_REQUEST, "invalid-cursor", "The cursor is not one of this list", Never;
    /// A draft that cannot be composed; `errors` lists each fault.
    InvalidDraft = UNPROCESSABLE_ENTITY, "invalid-draft", "The message cannot be composed as it is", Never;
    /// From is not one of the account's identities.
    ForeignSender = FORBIDDEN, "foreign-sender", "The account may not send as this address", Never;
    /// A filter rejected the message; `filter` and `filterCode` say which and why.
    RejectedByFilter = UNPROCESSABLE_ENTITY, "rejected-by-filter", "A filter refused the message", Never;
    /// A filter exceeded its time or a limit, and its binding fails closed.
    FilterFailed = SERVICE_UNAVAILABLE, "filter-failed", "A filter that must see the message failed", Later;
    /// A filter trapped, or returned edits that cannot be applied, and its binding fails closed: the
    /// same message gets the same again.
    FilterBroken = INTERNAL_SERVER_ERROR, "filter-broken", "A filter that must see the message does not work", Never;
    /// A filter returned an edit that its manifest does not grant.
    EditNotGranted = INTERNAL_SERVER_ERROR, "edit-not-granted", "A filter made an edit that it is not granted", Never;
    /// A Content-Type that the operation does not accept.
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The operation does not take this content type", Never;
    /// The body exceeds its limit in bytes.
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large", Never;
    /// A Range that cannot be served.
    InvalidRange = RANGE_NOT_SATISFIABLE, "invalid-range", "The range lies outside the content", Never;
    /// More header fields, or longer ones, than the limit.
    HeadTooLarge = REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large", "The header fields are too large", Never;
    /// The URI exceeds its limit.
    UriTooLong = URI_TOO_LONG, "uri-too-long", "The address is too long", Never;
    /// The client was too slow.
    RequestTimeout = REQUEST_TIMEOUT, "request-timeout", "The request took too long to arrive", Later;
    /// The key was used with another body.
    IdempotencyMismatch = UNPROCESSABLE_ENTITY, "idempotency-mismatch", "The Idempotency-Key was used with another body", Never;
    /// Not 1 to 255 printable ASCII characters.
    InvalidIdempotencyKey = BAD_REQUEST, "invalid-idempotency-key", "The Idempotency-Key is malformed", Never;
    /// An id that is taken.
    AlreadyExists = CONFLICT, "already-exists", "The id is taken", Never;
    /// It was changed by another request between reading and writing.
    ChangedMeanwhile = CONFLICT, "changed-meanwhile", "It was changed by somebody else at the same time", Later;
    /// The account has no server for this.
    NotConfigured = CONFLICT, "not-configured", "The account has no server for this", Never;
    /// The mail server refused the login.
    CredentialsRefused = CONFLICT, "credentials-refused", "The mail server refused the credentials", Never;
    /// No token is left, or the authorization server withdrew them.
    ReauthRequired = CONFLICT, "reauth-required", "The mailbox has to be authorized again", Never;
    /// The token endpoint is busy, failing or unreachable; no statement about the credentials.
    AuthorizationUnavailable = SERVICE_UNAVAILABLE, "authorization-unavailable", "No access token can be had now", Later;
    /// The token endpoint refused this host, not this account.
    AuthorizationRefused = BAD_GATEWAY, "authorization-refused", "The authorization server refused the request", Never;
    /// The authorization response belongs to no consent that was begun.
    InvalidConsent = BAD_REQUEST, "invalid-consent", "This consent cannot be used", Never;
    /// The egress guard refused the host.
    HostNotAllowed = UNPROCESSABLE_ENTITY, "host-not-allowed", "Postlet does not connect to this host", Never;
    /// The name does not resolve.
    HostNotFound = BAD_GATEWAY, "host-not-found", "The mail server's name cannot be found", Later;
    /// No connection.
    UpstreamUnreachable = BAD_GATEWAY, "upstream-unreachable", "The mail server cannot be reached", Later;
    /// A server answers, but not in this protocol.
    WrongProtocol = BAD_GATEWAY, "wrong-protocol", "Another kind of server answers at this address", Never;
    /// Past its date, or not yet valid.
    CertificateExpired = BAD_GATEWAY, "certificate-expired", "The mail server's certificate is out of date", Never;
    /// Valid for another name.
    CertificateWrongHost = BAD_GATEWAY, "certificate-wrong-host", "The mail server's certificate is for another host", Never;
    /// Self-signed, or by an authority that is not trusted.
    CertificateUntrusted = BAD_GATEWAY, "certificate-untrusted", "Nobody that is trusted vouches for the mail server's certificate", Never;
    /// Another key than the account's pin.
    PinMismatch = BAD_GATEWAY, "pin-mismatch", "The mail server's key is not the pinned one", Never;
    /// Invalid in a way that has no code of its own.
    CertificateRefused = BAD_GATEWAY, "certificate-refused", "The mail server's certificate is not trusted", Never;
    /// Only versions before 1.2.
    TlsTooOld = BAD_GATEWAY, "tls-too-old", "The mail server speaks only old versions of TLS", Never;
    /// The server offers no supported mechanism.
    AuthUnsupported = BAD_GATEWAY, "auth-unsupported", "The mail server takes no login that Postlet can make", Never;
    /// The mailbox exists, but access by mail clients is switched off.
    AccessOff = CONFLICT, "access-off", "Access for mail programs is switched off", Never;
    /// The server offers no TLS, or none that is safe.
    TlsUnavailable = BAD_GATEWAY, "tls-unavailable", "The mail server offers no safe TLS", Never;
    /// The server replied NO or 5yz.
    UpstreamRefused = BAD_GATEWAY, "upstream-refused", "The mail server refused the operation", Never;
    /// The server refused temporarily (4yz, or NO with a temporary code).
    UpstreamBusy = SERVICE_UNAVAILABLE, "upstream-busy", "The mail server is not ready for this now", Later;
    /// The server violated its protocol or the client's limits.
    UpstreamMisbehaved = BAD_GATEWAY, "upstream-misbehaved", "The mail server did not keep to its protocol", Later;
    /// The server did not answer in time.
    UpstreamTimeout = GATEWAY_TIMEOUT, "upstream-timeout", "The mail server did not answer in time", Later;
    /// The server lacks an extension that is needed.
    UpstreamUnsupported = NOT_IMPLEMENTED, "upstream-unsupported", "The mail server cannot do this", Never;
    /// The mailbox is over its quota.
    OverQuota = INSUFFICIENT_STORAGE, "over-quota", "The mailbox is full", Never;
    /// The message is larger, more deeply nested or more irregular than the parser accepts.
    Unparsable = UNPROCESSABLE_ENTITY, "unparsable", "The message cannot be parsed", Never;
    /// Too many requests at once.
    TooManyRequests = TOO_MANY_REQUESTS, "too-many-requests", "Too many requests", Later;
    /// No capacity, or draining.
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "Postlet cannot take the request now", Later;
    /// The master key is not in a file that this host could change.
    KeyFixed = CONFLICT, "key-fixed", "This host's master key is not changed here", Never;
    /// The store cannot write.
    StoreUnavailable = SERVICE_UNAVAILABLE, "store-unavailable", "Nothing can be stored now", Later;
    /// The component trapped.
    ComponentFailed = INTERNAL_SERVER_ERROR, "component-failed", "The component failed", Never;
    /// The component exceeded its memory, output or calls.
    ComponentLimit = INTERNAL_SERVER_ERROR, "component-limit", "The component went over a limit", Never;
    /// The component did not answer in time.
    ComponentTimeout = GATEWAY_TIMEOUT, "component-timeout", "The component did not answer in time", Never;
    /// An unexpected error of the host.
    Internal = INTERNAL_SERVER_ERROR, "internal", "Postlet made a mistake", Never;
}

impl Code {
    /// The HTTP status of the code.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.row().0
    }

    /// The code as the API shows it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().1
    }

    /// The title of every problem of this code.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().2
    }

    /// Whether the same call may succeed later without any change.
    #[must_use]
    pub const fn retryable(self) -> bool {
        matches!(self.row().3, Retry::Later)
    }

    /// The default Retry-After: every 503 has one (RFC 9110 §15.6.4).
    #[must_use]
    pub const fn retry_after(self) -> Option<Duration> {
        if self.row().0.as_u16() == StatusCode::SERVICE_UNAVAILABLE.as_u16() {
            Some(COME_BACK)
        } else {
            None
        }
    }
}

/// An error as a caller sees it (RFC 9457). `cause` goes only to the log.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct Problem {
    /// The problem type.
    pub code: Code,
    /// What happened in this case; safe to show.
    pub detail: String,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// Every fault of the body.
    pub faults: Vec<Fault>,
    /// The mail server's reply.
    pub upstream: Option<Box<Upstream>>,
    /// Extension members (RFC 9457 §3.2).
    pub extras: Vec<(String, String)>,
    /// For the log only.
    #[source]
    pub cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// One fault of a request body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// JSON Pointer (RFC 6901) into the body.
    pub pointer: String,
    /// A code in kebab-case.
    pub code: String,
    /// How to correct it.
    pub detail: String,
}

/// A mail server's reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The protocol of the server.
    pub protocol: Protocol,
    /// Cut to 200 printable characters by [`printable`].
    pub reply: String,
    /// The enhanced status code (RFC 3463).
    pub enhanced_code: Option<String>,
}

/// Which mail protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RFC 5321.
    Smtp,
    /// RFC 9051.
    Imap,
}

impl Problem {
    /// A problem with its detail; with a Retry-After where the status asks for one.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            retry_after: code.retry_after(),
            faults: Vec::new(),
            upstream: None,
            extras: Vec::new(),
            cause: None,
        }
    }

    /// Adds faults of the body.
    #[must_use]
    pub fn with_faults(mut self, faults: Vec<Fault>) -> Self {
        self.faults = faults;
        self
    }

    /// Adds the server's reply.
    #[must_use]
    pub fn with_upstream(mut self, upstream: Upstream) -> Self {
        self.upstream = Some(Box::new(upstream));
        self
    }

    /// Adds a Retry-After.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Adds an extension member.
    #[must_use]
    pub fn with_extra(mut self, name: &str, value: impl Into<String>) -> Self {
        self.extras.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a cause for the log.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }
}

/// Escapes a server's text for display: one line, 200 characters, no controls of terminal or text
/// direction.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if steers(c) { ' ' } else { c })
        .take(200)
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_kebab_words_with_an_error_status() {
        for code in Code::ALL {
            assert!(code.status().is_client_error() || code.status().is_server_error());
            assert!(code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
            assert_eq!(Code::ALL.iter().filter(|other| other.as_str() == code.as_str()).count(), 1);
        }
    }

    #[test]
    fn every_503_says_when_to_come_back() {
        for code in Code::ALL {
            let unavailable = code.status() == StatusCode::SERVICE_UNAVAILABLE;
            let problem = Problem::new(*code, "");
            assert_eq!(problem.retry_after.is_some(), unavailable, "{code:?}");
        }
        let told = Problem::new(Code::Unavailable, "").with_retry_after(Duration::from_secs(60));
        assert_eq!(told.retry_after, Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_servers_words_lose_their_control_characters_and_their_length() {
        assert_eq!(printable("a\r\nb\u{1b}[31m\u{202e}\u{2028}c"), "a  b [31m  c");
        assert_eq!(printable(&"x".repeat(500)).len(), 200);
    }
}
