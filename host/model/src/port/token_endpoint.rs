//! The port of OAuth 2.0 token endpoints. `net` sends the requests; `engine` decides what a
//! response means.
//!
//! Invariant: requests and responses hold secrets, so neither is ever in a log or an error.
//!
//! Standard: RFC 6749 §3.2 (token endpoint), §5 (responses).

use std::fmt;
use std::time::Duration;

use crate::future::BoxFuture;
use crate::port::lookup::FetchError;
use crate::secret::Secret;

/// Sends token requests over https only: guarded, verified, bounded, without redirects.
pub trait TokenEndpoint: Send + Sync + fmt::Debug {
    /// Sends one request. A status >= 400 is a response.
    fn ask<'a>(
        &'a self,
        url: &'a str,
        ask: TokenRequest<'a>,
    ) -> BoxFuture<'a, Result<TokenReply, FetchError>>;
}

/// A token request.
#[derive(Clone, Copy, Debug)]
pub enum TokenRequest<'a> {
    /// POST of `application/x-www-form-urlencoded`, already encoded.
    Form(&'a Secret),
    /// GET, with this value as the bearer token.
    Get(Option<&'a Secret>),
}

/// A token response.
#[derive(Clone, Debug)]
pub struct TokenReply {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, where it is a number of seconds.
    pub retry_after: Option<Duration>,
    /// The body, at most 64 KiB.
    pub body: Secret,
}

/// For tests without tokens: there is no response.
impl TokenEndpoint for () {
    fn ask<'a>(
        &'a self,
        _: &'a str,
        _: TokenRequest<'a>,
    ) -> BoxFuture<'a, Result<TokenReply, FetchError>> {
        Box::pin(async { Err(FetchError::Address) })
    }
}
