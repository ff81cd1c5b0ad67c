//! Documents of strangers, for discovery: https only, guarded, bounded.
//!
//! One request on a connection of its own. What is wrong ends it: no fall-back to
//! http, no trust by halves, no second try.
//!
//! Invariant: each hop of a redirect is resolved, vetted and verified like the
//! first, and connected at the address that was vetted.
//!
//! Standards: RFC 9110 §15.4 (redirects).

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use model::port::BoxFuture;
use model::port::dial::DialError;
use model::port::lookup::{Document, Fetch, FetchError};

use crate::dial::Dialer;
use crate::guard::Purpose;

const MOST_REDIRECTS: usize = 2;
/// All hops together; callers have shorter limits of their own.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// The head of an answer.
const HEAD_LIMIT: usize = 16 << 10;

/// Gets documents through the dialler's guard.
#[derive(Debug)]
pub struct Fetcher {
    dialer: Arc<Dialer>,
}

impl Fetcher {
    /// With the dialler's name servers, guard and trust.
    #[must_use]
    pub fn new(dialer: Arc<Dialer>) -> Self {
        Self { dialer }
    }

    async fn follow(&self, url: &str, most: usize) -> Result<Document, FetchError> {
        let mut at = Place::parse(url).ok_or(FetchError::Address)?;
        for _ in 0..=MOST_REDIRECTS {
            match self.hop(&at, None, most).await? {
                Hop::Arrived(document) => return Ok(document),
                Hop::Redirect(location) => {
                    let next = at.redirect(&location)?;
                    if next.port != at.port {
                        return Err(FetchError::RedirectPort);
                    }
                    at = next;
                }
            }
        }
        Err(FetchError::TooManyRedirects)
    }

    /// Sends `xml` where there is some, and else asks for what lies there.
    async fn hop(&self, at: &Place, xml: Option<String>, most: usize) -> Result<Hop, FetchError> {
        let stream = self.dialer.tls(&at.host, at.port, Purpose::Fetch).await?;
        let method = if xml.is_some() { Method::POST } else { Method::GET };
        let mut request = Request::builder()
            .method(method)
            .uri(&at.path)
            .header(header::HOST, &at.authority)
            .header(header::ACCEPT, "application/xml, text/xml;q=0.9, */*;q=0.1")
            .header(header::USER_AGENT, "postlet");
        if xml.is_some() {
            request = request.header(header::CONTENT_TYPE, "text/xml; charset=utf-8");
        }
        let request = request
            .body(Full::new(Bytes::from(xml.unwrap_or_default())))
            .map_err(|_| FetchError::Address)?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_LIMIT)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| FetchError::Broken)?;
        let exchange = pin!(async move {
            let answer = sender.send_request(request).await.map_err(|_| FetchError::Broken)?;
            read(answer, most).await
        });
        let mut exchange = exchange;
        // The connection is driven beside the exchange and dropped with it: what a server goes on
        // sending is nobody's business.
        let driven = pin!(async {
            let _ = connection.await;
            std::future::pending::<()>().await;
        });
        let mut driven = driven;
        tokio::select! {
            biased;
            hop = &mut exchange => hop,
            () = &mut driven => Err(FetchError::Broken),
        }
    }
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
            let at = Place::parse(url).ok_or(FetchError::Address)?;
            match self.hop(&at, Some(xml), most).await? {
                Hop::Arrived(document) => Ok(document),
                Hop::Redirect(_) => Err(FetchError::Redirected),
            }
        }))
    }
}

async fn in_time(
    url: &str,
    work: impl Future<Output = Result<Document, FetchError>>,
) -> Result<Document, FetchError> {
    tokio::time::timeout(TIME_LIMIT, work).await.unwrap_or_else(|_| {
        let host = Place::parse(url).map(|place| place.host).unwrap_or_default();
        Err(FetchError::Dial(DialError::Timeout { host }))
    })
}

enum Hop {
    Arrived(Document),
    Redirect(String),
}

async fn read(answer: Response<Incoming>, most: usize) -> Result<Hop, FetchError> {
    let (head, body) = answer.into_parts();
    if head.status.is_redirection()
        && let Some(location) = field(&head.headers, &header::LOCATION)
    {
        return Ok(Hop::Redirect(location.to_owned()));
    }
    let status = head.status.as_u16();
    if head.status != StatusCode::OK {
        return Ok(Hop::Arrived(Document { status, body: Bytes::new() }));
    }
    let announced = field(&head.headers, &header::CONTENT_LENGTH).and_then(|n| n.parse().ok());
    if announced.is_some_and(|length: u64| length > most as u64) {
        return Err(FetchError::TooLarge(most));
    }
    match Limited::new(body, most).collect().await {
        Ok(body) => Ok(Hop::Arrived(Document { status, body: body.to_bytes() })),
        Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLarge(most)),
        Err(_) => Err(FetchError::Broken),
    }
}

fn field<'a>(fields: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    fields.get(name)?.to_str().ok()
}

/// An https address, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    host: String,
    port: u16,
    /// As it stands in the address: host, perhaps a port.
    authority: String,
    /// With its query.
    path: String,
}

impl Place {
    fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let authority = uri.authority()?;
        let named = uri.scheme_str() == Some("https") && !authority.host().is_empty();
        if !named || authority.as_str().contains('@') {
            return None;
        }
        Some(Self {
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(443),
            authority: authority.as_str().to_owned(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }

    /// Where a Location leads from here: a whole address, or a path on this host.
    fn redirect(&self, location: &str) -> Result<Self, FetchError> {
        let whole = match location {
            rest if rest.starts_with("//") => format!("https:{rest}"),
            path if path.starts_with('/') => format!("https://{}{path}", self.authority),
            other => other.to_owned(),
        };
        if !whole.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://")) {
            return Err(FetchError::InsecureRedirect);
        }
        Self::parse(&whole).ok_or(FetchError::Address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_https_address_without_a_user_is_one() {
        check("https://a.example/x?y=1", Some(("a.example", 443, "/x?y=1")));
        check("https://a.example:8443", Some(("a.example", 8443, "/")));
        for url in
            ["http://a.example/", "https:///x", "https://u@a.example/", "/x", "", "file:///x"]
        {
            check(url, None);
        }
    }

    #[test]
    fn a_redirect_stays_with_https() {
        let from = Place::parse("https://a.example/x").unwrap();
        let to = |location: &str| from.redirect(location).map(|to| (to.host, to.path));
        let want = |host: &str, path: &str| (host.to_owned(), path.to_owned());
        assert_eq!(to("https://b.example/y").unwrap(), want("b.example", "/y"));
        assert_eq!(to("HTTPS://b.example/y").unwrap(), want("b.example", "/y"));
        assert_eq!(to("//b.example/y").unwrap(), want("b.example", "/y"));
        assert_eq!(to("/z").unwrap(), want("a.example", "/z"));
        for bad in ["http://b.example/", "HTTP://b.example/", "file:///etc", "y", ""] {
            assert!(matches!(to(bad), Err(FetchError::InsecureRedirect)), "{bad}");
        }
        assert!(matches!(to("https://u:p@b.example/"), Err(FetchError::Address)));
    }

    #[track_caller]
    fn check(url: &str, want: Option<(&str, u16, &str)>) {
        let got = Place::parse(url);
        let got = got.as_ref().map(|place| (place.host.as_str(), place.port, place.path.as_str()));
        assert_eq!(got, want, "{url}");
    }
}
