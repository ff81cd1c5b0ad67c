//! One HTTPS request to a foreign server, on a connection of its own.
//!
//! Invariant: the host is resolved, checked and verified by the dialler; no more of the response is
//! read than the caller asks for.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header, request};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use model::port::dial::DialError;
use model::port::lookup::FetchError;

use crate::dial::Dialer;
use crate::egress_guard::Purpose;
use crate::https_url::HttpsUrl;

/// Time limit of all hops together; callers have shorter limits of their own.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// Maximum size of a response's head, in bytes.
const HEAD_LIMIT: usize = 16 << 10;

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
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_LIMIT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| FetchError::Broken)?;
    let exchange = pin!(async move {
        let answer = sender.send_request(request).await.map_err(|_| FetchError::Broken)?;
        let wanted = is_wanted(answer.status());
        read(answer, most, wanted).await
    });
    let mut exchange = exchange;
    // The connection is polled beside the exchange and dropped with it: further data of the server
    // is ignored.
    let driven = pin!(async {
        let _ = connection.await;
        std::future::pending::<()>().await;
    });
    let mut driven = driven;
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        () = &mut driven => Err(FetchError::Broken),
    }
}

async fn read(
    answer: Response<Incoming>,
    most: usize,
    wanted: bool,
) -> Result<Response<Bytes>, FetchError> {
    let (head, body) = answer.into_parts();
    if !wanted {
        return Ok(Response::from_parts(head, Bytes::new()));
    }
    let announced = head.headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > most as u64) {
        return Err(FetchError::TooLarge(most));
    }
    match Limited::new(body, most).collect().await {
        Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLarge(most)),
        Err(_) => Err(FetchError::Broken),
    }
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
