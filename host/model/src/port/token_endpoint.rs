//! Token endpoints of OAuth 2.0. `net` asks them; `engine` decides what the answer means.
//!
//! Invariant: what is asked and what is told holds secrets, so neither is ever in a log or an error.
//!
//! Standard: RFC 6749 §3.2 (token endpoint), §5 (its answers).

use std::fmt;
use std::time::Duration;

use crate::future::BoxFuture;
use crate::port::lookup::FetchError;
use crate::secret::Secret;

/// Asks over https only: guarded, verified, bounded, without redirects.
pub trait TokenEndpoint: Send + Sync + fmt::Debug {
    /// One request. A status >= 400 is an answer.
    fn ask<'a>(
        &'a self,
        url: &'a str,
        ask: TokenRequest<'a>,
    ) -> BoxFuture<'a, Result<TokenReply, FetchError>>;
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub enum TokenRequest<'a> {
    /// POST of `application/x-www-form-urlencoded`, already encoded.
    Form(&'a Secret),
    /// GET, with this after `Authorization: Bearer`.
    Get(Option<&'a Secret>),
}

/// What came back.
#[derive(Clone, Debug)]
pub struct TokenReply {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, where it is a number of seconds.
    pub retry_after: Option<Duration>,
    /// The body, at most 64 KiB.
    pub body: Secret,
}

/// For those who need no tokens: nobody answers.
impl TokenEndpoint for () {
    fn ask<'a>(
        &'a self,
        _: &'a str,
        _: TokenRequest<'a>,
    ) -> BoxFuture<'a, Result<TokenReply, FetchError>> {
        Box::pin(async { Err(FetchError::Address) })
    }
}
