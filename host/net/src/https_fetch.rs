//! HTTPS fetcher for discovery: guarded and bounded.
//!
//! Every error is final: no fallback to http, no partial verification, no retry.
//!
//! Invariant: each hop of a redirect is resolved, checked and verified like the first, and
//! connected at the address that was checked. A host other than the first counts as foreign,
//! whatever the source of the first.
//!
//! Standards: RFC 9110 §15.4 (redirects).

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use model::port::BoxFuture;
use model::port::dial::Encryption;
use model::port::lookup::{Document, Fetch, FetchError};

use crate::dial::Dialer;
use crate::egress_guard::Purpose;
use crate::https_request::{in_time, request, talk};
use crate::https_url::HttpsUrl;
use crate::wire::encryption;

const MOST_REDIRECTS: usize = 2;

/// Fetches documents through the dialler's guard.
#[derive(Debug)]
pub struct Fetcher {
    dialer: Arc<Dialer>,
    purpose: Purpose,
}

impl Fetcher {
    /// For URLs from a tenant or a domain.
    #[must_use]
    pub fn foreign(dialer: Arc<Dialer>) -> Self {
        Self { dialer, purpose: Purpose::Foreign }
    }

    /// For URLs of the operator's configuration, and no other.
    #[must_use]
    pub fn configured(dialer: Arc<Dialer>) -> Self {
        Self { dialer, purpose: Purpose::Configured }
    }

    async fn follow(&self, url: &str, most: usize) -> Result<Document, FetchError> {
        let mut at = HttpsUrl::parse(url).ok_or(FetchError::Address)?;
        let mut purpose = self.purpose;
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.ask(purpose, &at, get(&at)?, most).await?;
            match redirect(&answer) {
                None => return Ok(document(answer)),
                Some(location) => {
                    let next = at.redirect(location)?;
                    if next.port != at.port {
                        return Err(FetchError::RedirectPort);
                    }
                    if !next.host.eq_ignore_ascii_case(&at.host) {
                        purpose = Purpose::Foreign;
                    }
                    at = next;
                }
            }
        }
        Err(FetchError::TooManyRedirects)
    }

    async fn ask(
        &self,
        purpose: Purpose,
        at: &HttpsUrl,
        request: Request<Full<Bytes>>,
        most: usize,
    ) -> Result<Response<Bytes>, FetchError> {
        let is_wanted = |status| status == StatusCode::OK;
        talk(&self.dialer, purpose, at, request, most, is_wanted).await
    }

    /// Whether `url` could be requested now, without a request: its host resolves, and address and
    /// port pass the guard. The request itself checks again.
    ///
    /// # Errors
    /// [`FetchError::Address`], and those of [`Dialer::check_egress`] in [`FetchError::Dial`].
    pub async fn check_egress(&self, url: &str) -> Result<(), FetchError> {
        let at = HttpsUrl::parse(url).ok_or(FetchError::Address)?;
        self.dialer.vetted(&at.host, at.port, self.purpose).await?;
        Ok(())
    }

    /// Opens a TLS connection to the host of `url` and closes it again, without a request.
    ///
    /// # Errors
    /// [`FetchError::Address`] and [`FetchError::Dial`].
    pub async fn knock(&self, url: &str) -> Result<Option<Encryption>, FetchError> {
        let at = HttpsUrl::parse(url).ok_or(FetchError::Address)?;
        let stream = self.dialer.tls(&at.host, at.port, self.purpose).await?;
        Ok(encryption(stream.get_ref().1))
    }

    /// The dialler of this fetcher.
    pub(crate) fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// The purpose of its connections.
    pub(crate) const fn purpose(&self) -> Purpose {
        self.purpose
    }
}

fn get(at: &HttpsUrl) -> Result<Request<Full<Bytes>>, FetchError> {
    request(Method::GET, at)
        .header(header::ACCEPT, XML)
        .body(Full::default())
        .map_err(|_| FetchError::Address)
}

const XML: &str = "application/xml, text/xml;q=0.9, */*;q=0.1";

fn redirect(answer: &Response<Bytes>) -> Option<&str> {
    let location =
        answer.headers().get(header::LOCATION).filter(|_| answer.status().is_redirection());
    location?.to_str().ok()
}

fn document(answer: Response<Bytes>) -> Document {
    Document { status: answer.status().as_u16(), body: answer.into_body() }
}

impl Fetch for Fetcher {
    fn get<'a>(&'a self, url: &'a str, most: usize) -> BoxFuture<'a, Result<Document, FetchError>> {
        Box::pin(in_time(url, self.follow(url, most)))
    }

    fn post_xml<'a>(
        &'a self,
        url: &'a str,
        xml: String,
        most: usize,
    ) -> BoxFuture<'a, Result<Document, FetchError>> {
        Box::pin(in_time(url, async move {
            let at = HttpsUrl::parse(url).ok_or(FetchError::Address)?;
            let request = request(Method::POST, &at)
                .header(header::ACCEPT, XML)
                .header(header::CONTENT_TYPE, "text/xml; charset=utf-8")
                .body(Full::from(xml))
                .map_err(|_| FetchError::Address)?;
            let answer = self.ask(self.purpose, &at, request, most).await?;
            if redirect(&answer).is_some() {
                return Err(FetchError::Redirected);
            }
            Ok(document(answer))
        }))
    }
}
