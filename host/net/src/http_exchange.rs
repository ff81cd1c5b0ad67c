//! HTTP/1.1 client: one request and its response, on a given connection.
//!
//! Does not connect: the egress guard is in the dialler.
//!
//! Invariant: no more of the response is read than the caller allows.

use std::future::pending;
use std::pin::pin;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use model::port::lookup::FetchError;
use tokio::io::{AsyncRead, AsyncWrite};

/// Maximum size of a response's head, in bytes.
const HEAD_LIMIT: usize = 16 << 10;

/// Sends the request, and returns the response; its body is empty unless its status is wanted.
pub(crate) async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
    most: usize,
    is_wanted: impl Fn(StatusCode) -> bool,
) -> Result<Response<Bytes>, FetchError> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_LIMIT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| FetchError::Broken)?;
    let answer = pin!(async move {
        let answer = sender.send_request(request).await.map_err(|_| FetchError::Broken)?;
        let wanted = is_wanted(answer.status());
        read(answer, most, wanted).await
    });
    // The connection is polled beside the exchange and dropped with it: further data of the server
    // is ignored.
    let driven = pin!(async {
        let _ = connection.await;
        pending().await
    });
    tokio::select! {
        biased;
        answer = answer => answer,
        never = driven => never,
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const MOST: usize = 10;

    /// The outcome for a server's bytes: status and body, or the error.
    async fn outcome(answer: &str, ends: bool) -> String {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let request = Request::builder().uri("/x").header("host", "a.test").body(Full::default());
        let serve = async {
            let mut asked = [0; 1024];
            let length = theirs.read(&mut asked).await.unwrap();
            assert!(asked[..length].starts_with(b"GET /x HTTP/1.1\r\nhost: a.test\r\n"));
            // A client that has read enough closes.
            let _ = theirs.write_all(answer.as_bytes()).await;
            if ends {
                theirs.shutdown().await.unwrap();
            }
            theirs
        };
        let is_wanted = |status| status == StatusCode::OK;
        let asked = exchange(ours, request.unwrap(), MOST, is_wanted);
        let (answer, _open) = tokio::join!(asked, serve);
        match answer {
            Ok(answer) => {
                format!("{} {}", answer.status().as_u16(), String::from_utf8_lossy(answer.body()))
            }
            Err(error) => format!("{error:?}"),
        }
    }

    #[tokio::test]
    async fn the_response_is_read_up_to_the_limit() {
        let large = "TooLarge(10)";
        let broken = "Broken";
        let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(HEAD_LIMIT));
        for (answer, ends, want) in [
            // The connection stays open; its end is not awaited.
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi more", false, "200 hi"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789", false, "200 0123456789"),
            ("HTTP/1.1 200 OK\r\n\r\nhi", true, "200 hi"),
            ("HTTP/1.1 204 No Content\r\n\r\n", false, "204 "),
            // Refused before it is received.
            ("HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n", false, large),
            (&format!("{chunks}b\r\n01234567890\r\n"), false, large),
            // An unwanted body is not read, however large it is.
            ("HTTP/1.1 302 Found\r\ncontent-length: 999\r\n\r\n", false, "302 "),
            ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi", true, broken),
            (&format!("{chunks}2\r\nhi\r\n"), true, broken),
            ("", true, broken),
            ("220 mail.test ESMTP\r\n", false, broken),
            (&head, false, broken),
        ] {
            assert_eq!(outcome(answer, ends).await, want, "{answer:.80}");
        }
    }
}
