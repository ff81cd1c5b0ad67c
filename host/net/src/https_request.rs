//! One HTTPS request to a foreign server, on a connection of its own.
//!
//! Invariant: the host is resolved, checked and verified by the dialler.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header, request};
use http_body_util::Full;
use model::port::dial::DialError;
use model::port::lookup::FetchError;

use crate::dial::Dialer;
use crate::egress_guard::Purpose;
use crate::http_exchange::exchange;
use crate::https_url::HttpsUrl;

/// Time limit of all hops together; callers have shorter limits of their own.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// The fields of every request.
pub(crate) fn request(method: Method, at: &HttpsUrl) -> request::Builder {
    Request::builder()
        .method(method)
        .uri(&at.path)
        .header(header::HOST, &at.authority)
        .header(header::USER_AGENT, "postlet")
}

/// The response; its body is empty unless the status is one of those requested.
pub(crate) async fn talk(
    dialer: &Dialer,
    purpose: Purpose,
    at: &HttpsUrl,
    request: Request<Full<Bytes>>,
    most: usize,
    is_wanted: impl Fn(StatusCode) -> bool,
) -> Result<Response<Bytes>, FetchError> {
    let stream = dialer.tls(&at.host, at.port, purpose).await?;
    exchange(stream, request, most, is_wanted).await
}

/// Applies the time limit of everything together.
pub(crate) async fn in_time<T>(
    url: &str,
    work: impl Future<Output = Result<T, FetchError>>,
) -> Result<T, FetchError> {
    tokio::time::timeout(TIME_LIMIT, work).await.unwrap_or_else(|_| {
        let host = HttpsUrl::parse(url).map(|place| place.host).unwrap_or_default();
        Err(FetchError::Dial(DialError::Timeout { host }))
    })
}
