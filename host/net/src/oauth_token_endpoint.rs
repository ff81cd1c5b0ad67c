//! OAuth 2.0 token requests over https, guarded like all others.
//!
//! Invariant: no redirect is followed, since requests contain secrets; so do responses.
//!
//! Standard: RFC 6749 §3.2.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use http_body_util::Full;
use model::port::BoxFuture;
use model::port::lookup::FetchError;
use model::port::token_endpoint::{TokenEndpoint, TokenReply, TokenRequest};
use model::secret::Secret;

use crate::https_fetch::Fetcher;
use crate::https_request::{in_time, request, talk};
use crate::https_url::HttpsUrl;

/// Maximum size of a response, in bytes: two or three tokens.
const MOST: usize = 64 << 10;

impl TokenEndpoint for Fetcher {
    fn ask<'a>(
        &'a self,
        url: &'a str,
        ask: TokenRequest<'a>,
    ) -> BoxFuture<'a, Result<TokenReply, FetchError>> {
        Box::pin(in_time(url, async move {
            let at = HttpsUrl::parse(url).ok_or(FetchError::Address)?;
            let request = match ask {
                TokenRequest::Form(form) => request(Method::POST, &at)
                    .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .header(header::ACCEPT, "application/json")
                    .body(Full::from(Bytes::copy_from_slice(form.reveal().as_bytes()))),
                TokenRequest::Get(secret) => {
                    let mut request =
                        request(Method::GET, &at).header(header::ACCEPT, "application/json");
                    if let Some(secret) = secret {
                        let mut bearer =
                            HeaderValue::try_from(format!("Bearer {}", secret.reveal()))
                                .map_err(|_| FetchError::Address)?;
                        bearer.set_sensitive(true);
                        request = request.header(header::AUTHORIZATION, bearer);
                    }
                    request.body(Full::default())
                }
            };
            let request = request.map_err(|_| FetchError::Address)?;
            let answer = talk(self.dialer(), self.purpose(), &at, request, MOST, |_| true).await?;
            if answer.status().is_redirection() {
                return Err(FetchError::Redirected);
            }
            let seconds = answer.headers().get(header::RETRY_AFTER);
            let seconds = seconds.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
            Ok(TokenReply {
                status: answer.status().as_u16(),
                retry_after: seconds.map(Duration::from_secs),
                body: Secret::new(String::from_utf8_lossy(answer.body()).into_owned()),
            })
        }))
    }
}
