//! Parser of token responses, and their meaning for an account.
//!
//! Invariant: a server that is busy, failing or unreachable makes no statement about the
//! credentials; only `invalid_grant` does (RFC 6749 §5.2).

use std::time::Duration;

use model::port::dial::DialError;
use model::port::lookup::FetchError;
use model::port::token_endpoint::TokenReply;
use model::problem::{Code, Problem};
use model::secret::Secret;
use serde::Deserialize;

/// The tokens of a successful response.
#[derive(Debug)]
pub(crate) struct TokenGrant {
    pub(crate) access: Secret,
    /// None when the old one stays valid.
    pub(crate) refresh: Option<Secret>,
    pub(crate) lasts: Option<Duration>,
}

/// Why no token was issued.
#[derive(Debug)]
pub(crate) enum TokenError {
    /// The owner has to authorize again (`invalid_grant`).
    Grant,
    /// Any other error, which is temporary or for the operator to correct.
    Other(Problem),
}

/// The fields of RFC 6749 §5.1 and §5.2; a tenant's own token URL may return fewer.
#[derive(Deserialize)]
struct Written {
    access_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<serde_json::Value>,
    error: Option<String>,
}

/// The pause where the server names none: an earlier retry would only add to its load.
const PAUSE: Duration = Duration::from_secs(30);
/// Upper limit of a Retry-After.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

pub(crate) fn read(
    answer: Result<TokenReply, FetchError>,
    who: &str,
) -> Result<TokenGrant, TokenError> {
    let told = answer.map_err(|error| {
        let detail = format!("{who} cannot be asked for a token: {}", unnamed(&error));
        let problem = Problem::new(Code::AuthorizationUnavailable, detail).with_cause(error);
        TokenError::Other(problem.with_retry_after(PAUSE))
    })?;
    let written: Option<Written> = serde_json::from_str(told.body.reveal()).ok();
    let error = written.as_ref().and_then(|written| written.error.as_deref());
    match (told.status, error) {
        (200, None) => {
            let written = written.and_then(|written| {
                Some((
                    written.access_token.filter(|token| !token.is_empty())?,
                    written.refresh_token,
                    written.expires_in,
                ))
            });
            let Some((access, refresh, lasts)) = written else {
                return Err(refused(who, "its answer holds no access_token"));
            };
            Ok(TokenGrant {
                access: Secret::new(access),
                refresh: refresh.map(Secret::new),
                lasts: lasts.as_ref().and_then(seconds),
            })
        }
        (_, Some("invalid_grant")) => Err(TokenError::Grant),
        (429, _) | (500.., _) | (_, Some("temporarily_unavailable" | "slow_down")) => {
            let detail = format!("{who} gives no token now (status {})", told.status);
            let pause = told.retry_after.unwrap_or(PAUSE).min(LONGEST_PAUSE);
            let problem = Problem::new(Code::AuthorizationUnavailable, detail);
            Err(TokenError::Other(problem.with_retry_after(pause)))
        }
        // An error code of the standard, never free text of the server.
        (_, Some(word))
            if word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
                && word.len() < 40 =>
        {
            Err(refused(who, &format!("it says {word}")))
        }
        (status, _) => Err(refused(who, &format!("status {status}"))),
    }
}

/// The error without the host: it is shown to components, too.
fn unnamed(error: &FetchError) -> String {
    match error {
        FetchError::Dial(DialError::NotFound { .. }) => "its host cannot be found".to_owned(),
        FetchError::Dial(DialError::Unresolved { .. }) => {
            "the name servers gave no answer about its host".to_owned()
        }
        FetchError::Dial(DialError::NotAllowed { reason, .. }) => {
            format!("connections to it are not allowed: {reason}")
        }
        FetchError::Dial(DialError::Unreachable { .. }) => "it cannot be reached".to_owned(),
        FetchError::Dial(DialError::Timeout { .. }) => "it did not answer in time".to_owned(),
        FetchError::Dial(DialError::Tls { fault, .. }) => {
            format!("no trusted TLS with it: {fault}")
        }
        FetchError::Address
        | FetchError::InsecureRedirect
        | FetchError::RedirectPort
        | FetchError::TooManyRedirects
        | FetchError::Redirected
        | FetchError::TooLarge(_)
        | FetchError::Broken => error.to_string(),
    }
}

pub(crate) fn refused(who: &str, why: &str) -> TokenError {
    TokenError::Other(Problem::new(
        Code::AuthorizationRefused,
        format!("{who} gives no token: {why}"),
    ))
}

/// Some servers send the number as a string, or with a fraction.
fn seconds(value: &serde_json::Value) -> Option<Duration> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use model::port::dial::TlsFault;

    use super::*;

    #[test]
    fn tokens_are_read_in_the_forms_that_servers_give_them() {
        let given =
            told(200, r#"{"access_token": "a", "expires_in": "3600", "token_type": "Bearer"}"#)
                .unwrap();
        assert_eq!((given.access.reveal(), given.lasts), ("a", Some(Duration::from_secs(3600))));
        assert!(given.refresh.is_none());
        let given = told(200, r#"{"access_token": "a", "expires_in": 59.5, "refresh_token": "r"}"#)
            .unwrap();
        assert_eq!(given.lasts, Some(Duration::from_millis(59_500)));
        assert_eq!(given.refresh.unwrap().reveal(), "r");
    }

    #[test]
    fn only_invalid_grant_is_about_the_credentials() {
        assert!(matches!(told(400, r#"{"error": "invalid_grant"}"#), Err(TokenError::Grant)));
        for (status, body, code) in [
            (429, r#"{"error": "rate_limited"}"#, Code::AuthorizationUnavailable),
            (500, "", Code::AuthorizationUnavailable),
            (503, "<html>", Code::AuthorizationUnavailable),
            (400, r#"{"error": "temporarily_unavailable"}"#, Code::AuthorizationUnavailable),
            (401, r#"{"error": "invalid_client"}"#, Code::AuthorizationRefused),
            (200, "{}", Code::AuthorizationRefused),
            (200, "nonsense", Code::AuthorizationRefused),
            (200, r#"{"access_token": ""}"#, Code::AuthorizationRefused),
            (404, "", Code::AuthorizationRefused),
        ] {
            let Err(TokenError::Other(problem)) = told(status, body) else {
                panic!("{status} {body}")
            };
            assert_eq!(problem.code, code, "{status} {body}");
        }
        let Err(TokenError::Other(problem)) = told(400, r#"{"error": "<b>Canary</b>"}"#) else {
            panic!()
        };
        assert!(!problem.detail.contains("Canary"), "{}", problem.detail);
    }

    /// Errors pass through components, which may not see a host.
    #[test]
    fn no_host_is_named() {
        let host = || "hidden.test".to_owned();
        for error in [
            DialError::NotFound { host: host() },
            DialError::Unresolved { host: host() },
            DialError::NotAllowed { host: host(), port: 443, reason: "private" },
            DialError::Unreachable { host: host(), source: std::io::Error::other("refused") },
            DialError::Timeout { host: host() },
            DialError::Tls { host: host(), fault: TlsFault::WrongHost },
        ] {
            let Err(TokenError::Other(problem)) = read(Err(error.into()), "The server") else {
                panic!()
            };
            assert!(!problem.detail.contains("hidden"), "{}", problem.detail);
        }
    }

    fn told(status: u16, body: &str) -> Result<TokenGrant, TokenError> {
        let body = Secret::new(body.to_owned());
        read(Ok(TokenReply { status, retry_after: None, body }), "The server")
    }
}
