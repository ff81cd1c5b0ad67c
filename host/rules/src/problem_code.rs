//! The codes of every error that the API returns (RFC 9457 §3.1.1).
//!
//! One table for the host and for components, since a client cannot distinguish which of them raised a
//! problem. `docs/problems.md` explains each code; `tests/architecture` compares the two.
//!
//! Standard: RFC 9457.

use std::time::Duration;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:literal, $code:literal, $title:literal, $retry:ident;)*) => {
        /// One variant for each `type` URI, so part of the public API (RFC 9457 §3.1.1). Add freely; never rename, never reuse.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            const fn row(self) -> (u16, &'static str, &'static str, Retry) {
                match self { $(Self::$name => ($status, $code, $title, Retry::$retry),)* }
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
    Unauthenticated = 401, "unauthenticated", "A valid token is needed", Never;
    /// The token lacks a scope.
    Forbidden = 403, "forbidden", "The token does not allow this", Never;
    /// No such route or resource.
    NotFound = 404, "not-found", "There is nothing at this address", Never;
    /// Unknown, another tenant's, or not granted.
    NoSuchAccount = 404, "no-such-account", "There is no such account", Never;
    /// Not a mailbox of this account.
    NoSuchMailbox = 404, "no-such-mailbox", "There is no such mailbox", Never;
    /// Gone, or another account's.
    NoSuchMessage = 404, "no-such-message", "There is no such message", Never;
    /// No part at that path.
    NoSuchPart = 404, "no-such-part", "The message has no such part", Never;
    /// Unknown, or another account's.
    NoSuchSubmission = 404, "no-such-submission", "There is no such submission", Never;
    /// It ended too long ago to be kept.
    SubmissionExpired = 404, "submission-expired", "The submission is not kept any more", Never;
    /// Unknown token id.
    NoSuchToken = 404, "no-such-token", "There is no such token", Never;
    /// Discovery found no servers for the address, and the body names none.
    NoServersFound = 422, "no-servers-found", "No mail servers were found for this address", Never;
    /// The servers that were found lie outside the mail domain; `confirm` is missing.
    ConfirmationNeeded = 409, "confirmation-needed", "A person has to agree to these servers first", Never;
    /// The account was to be verified before it is stored, and a server rejected the login; `imap`
    /// and `smtp` say more.
    VerificationFailed = 422, "verification-failed", "A mail server could not be used, so nothing was stored", Never;
    /// The service accepts no password at all.
    OAuthNeeded = 422, "oauth-needed", "The service takes no passwords, only OAuth 2", Never;
    /// No mail service is known for that domain.
    NoSuchProvider = 404, "no-such-provider", "Nothing is known about this mail service", Never;
    /// UIDVALIDITY changed: the id is no longer valid.
    StaleMessageId = 410, "stale-message-id", "The mailbox was renumbered since this id was made", Never;
    /// The route has other methods.
    MethodNotAllowed = 405, "method-not-allowed", "This address does not answer that method", Never;
    /// Not JSON.
    MalformedJson = 400, "malformed-json", "The body is not JSON", Never;
    /// Not a valid HTTP request.
    MalformedRequest = 400, "malformed-request", "The request is malformed", Never;
    /// JSON that does not match the schema; `errors` lists each fault.
    InvalidBody = 422, "invalid-body", "The body does not fit its schema", Never;
    /// Evaluating a schema of a description could exceed the host's limit; reported on deployment.
    SchemaTooCostly = 422, "schema-too-costly", "The schema is too costly to evaluate", Never;
    /// A query parameter that is unknown or invalid.
    InvalidQuery = 400, "invalid-query", "A query parameter is unknown or wrong", Never;
    /// A cursor that was not issued for this query.
    InvalidCursor = 400, "invalid-cursor", "The cursor is not one of this list", Never;
    /// A draft that cannot be composed; `errors` lists each fault.
    InvalidDraft = 422, "invalid-draft", "The message cannot be composed as it is", Never;
    /// From is not one of the account's identities.
    ForeignSender = 403, "foreign-sender", "The account may not send as this address", Never;
    /// A filter rejected the message; `filter` and `filterCode` say which and why.
    RejectedByFilter = 422, "rejected-by-filter", "A filter refused the message", Never;
    /// A filter exceeded its time or a limit, and its binding fails closed.
    FilterFailed = 503, "filter-failed", "A filter that must see the message failed", Later;
    /// A filter trapped, or returned edits that cannot be applied, and its binding fails closed. It would
    /// do so again for the same message.
    FilterBroken = 500, "filter-broken", "A filter that must see the message does not work", Never;
    /// A filter returned an edit that its manifest does not grant.
    EditNotGranted = 500, "edit-not-granted", "A filter made an edit that it is not granted", Never;
    /// A Content-Type that the operation does not accept.
    UnsupportedMediaType = 415, "unsupported-media-type", "The operation does not take this content type", Never;
    /// The body exceeds its limit in bytes.
    BodyTooLarge = 413, "body-too-large", "The body is too large", Never;
    /// A Range that cannot be served.
    InvalidRange = 416, "invalid-range", "The range lies outside the content", Never;
    /// More header fields, or longer ones, than the limit.
    HeadTooLarge = 431, "head-too-large", "The header fields are too large", Never;
    /// The URI exceeds its limit.
    UriTooLong = 414, "uri-too-long", "The address is too long", Never;
    /// The client was too slow.
    RequestTimeout = 408, "request-timeout", "The request took too long to arrive", Later;
    /// The key was used with another body.
    IdempotencyMismatch = 422, "idempotency-mismatch", "The Idempotency-Key was used with another body", Never;
    /// Not 1 to 255 printable ASCII characters.
    InvalidIdempotencyKey = 400, "invalid-idempotency-key", "The Idempotency-Key is malformed", Never;
    /// An id that is taken.
    AlreadyExists = 409, "already-exists", "The id is taken", Never;
    /// It was changed by another request between reading and writing.
    ChangedMeanwhile = 409, "changed-meanwhile", "It was changed by somebody else at the same time", Later;
    /// The account has no server for this.
    NotConfigured = 409, "not-configured", "The account has no server for this", Never;
    /// The mail server refused the login.
    CredentialsRefused = 409, "credentials-refused", "The mail server refused the credentials", Never;
    /// No token is left, or the authorization server withdrew them.
    ReauthRequired = 409, "reauth-required", "The mailbox has to be authorized again", Never;
    /// The token endpoint is busy, failing or unreachable; no statement about the credentials.
    AuthorizationUnavailable = 503, "authorization-unavailable", "No access token can be had now", Later;
    /// The token endpoint refused this host, not this account.
    AuthorizationRefused = 502, "authorization-refused", "The authorization server refused the request", Never;
    /// The authorization response belongs to no consent that was begun.
    InvalidConsent = 400, "invalid-consent", "This consent cannot be used", Never;
    /// The egress guard refused the host.
    HostNotAllowed = 422, "host-not-allowed", "Postlet does not connect to this host", Never;
    /// The name does not resolve.
    HostNotFound = 502, "host-not-found", "The mail server's name cannot be found", Later;
    /// No connection.
    UpstreamUnreachable = 502, "upstream-unreachable", "The mail server cannot be reached", Later;
    /// A server answers, but not in this protocol.
    WrongProtocol = 502, "wrong-protocol", "Another kind of server answers at this address", Never;
    /// Past its date, or not yet valid.
    CertificateExpired = 502, "certificate-expired", "The mail server's certificate is out of date", Never;
    /// Valid for another name.
    CertificateWrongHost = 502, "certificate-wrong-host", "The mail server's certificate is for another host", Never;
    /// Self-signed, or by an authority that is not trusted.
    CertificateUntrusted = 502, "certificate-untrusted", "Nobody that is trusted vouches for the mail server's certificate", Never;
    /// Another key than the account's pin.
    PinMismatch = 502, "pin-mismatch", "The mail server's key is not the pinned one", Never;
    /// Invalid in a way that has no code of its own.
    CertificateRefused = 502, "certificate-refused", "The mail server's certificate is not trusted", Never;
    /// Only versions before 1.2.
    TlsTooOld = 502, "tls-too-old", "The mail server speaks only old versions of TLS", Never;
    /// The server offers no supported mechanism.
    AuthUnsupported = 502, "auth-unsupported", "The mail server takes no login that Postlet can make", Never;
    /// The mailbox exists, but access by mail clients is switched off.
    AccessOff = 409, "access-off", "Access for mail programs is switched off", Never;
    /// The server offers no TLS, or none that is safe.
    TlsUnavailable = 502, "tls-unavailable", "The mail server offers no safe TLS", Never;
    /// The server replied NO or 5yz.
    UpstreamRefused = 502, "upstream-refused", "The mail server refused the operation", Never;
    /// The server refused temporarily (4yz, or NO with a temporary code).
    UpstreamBusy = 503, "upstream-busy", "The mail server is not ready for this now", Later;
    /// The server violated its protocol or the client's limits.
    UpstreamMisbehaved = 502, "upstream-misbehaved", "The mail server did not keep to its protocol", Later;
    /// The server did not answer in time.
    UpstreamTimeout = 504, "upstream-timeout", "The mail server did not answer in time", Later;
    /// The server lacks an extension that is needed.
    UpstreamUnsupported = 501, "upstream-unsupported", "The mail server cannot do this", Never;
    /// The mailbox is over its quota.
    OverQuota = 507, "over-quota", "The mailbox is full", Never;
    /// The message is larger, more deeply nested or more irregular than the parser accepts.
    Unparsable = 422, "unparsable", "The message cannot be parsed", Never;
    /// Too many requests at once.
    TooManyRequests = 429, "too-many-requests", "Too many requests", Later;
    /// No capacity, or draining.
    Unavailable = 503, "unavailable", "Postlet cannot take the request now", Later;
    /// The master key is not in a file that this host could change.
    KeyFixed = 409, "key-fixed", "This host's master key is not changed here", Never;
    /// The store cannot write.
    StoreUnavailable = 503, "store-unavailable", "Nothing can be stored now", Later;
    /// The component trapped.
    ComponentFailed = 500, "component-failed", "The component failed", Never;
    /// The component exceeded its memory, output or calls.
    ComponentLimit = 500, "component-limit", "The component went over a limit", Never;
    /// The component did not answer in time.
    ComponentTimeout = 504, "component-timeout", "The component did not answer in time", Never;
    /// An unexpected error of the host.
    Internal = 500, "internal", "Postlet made a mistake", Never;
}

impl Code {
    /// The HTTP status of the code.
    #[must_use]
    pub const fn status(self) -> u16 {
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
        if self.status() == 503 { Some(COME_BACK) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_kebab_words_with_an_error_status() {
        for code in Code::ALL {
            assert!((400..600).contains(&code.status()), "{code:?}");
            assert!(code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
            assert_eq!(Code::ALL.iter().filter(|other| other.as_str() == code.as_str()).count(), 1);
        }
    }

    #[test]
    fn every_503_says_when_to_come_back_and_that_it_may_help() {
        for code in Code::ALL {
            assert_eq!(code.retry_after().is_some(), code.status() == 503, "{code:?}");
            assert!(code.retryable() || code.retry_after().is_none(), "{code:?}");
        }
    }
}
