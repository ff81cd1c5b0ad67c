//! Minimal HTTP/1.1 client for the command line.
//!
//! One request for each connection, a bounded response. It connects to the host that the operator
//! named, so the egress guard does not apply.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use model::secret::Secret;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::tls::Trust;

const TIME_LIMIT: Duration = Duration::from_secs(120);
const ANSWER_LIMIT: usize = 64 << 20;

/// A client of one Postlet host.
#[derive(Debug)]
pub struct Client {
    base: Uri,
    token: Option<Secret>,
    trust: Trust,
    language: Option<HeaderValue>,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL is neither `http://` nor `https://`, or has no host.
    #[error("`{0}` is not an address such as http://127.0.0.1:7400")]
    Address(String),
    /// No connection.
    #[error("nobody answers at {address} (is `postlet up` running there?)")]
    Connect {
        /// Host and port.
        address: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The server does not speak TLS, or its certificate is not trusted.
    #[error(
        "no trusted TLS with {address} (if it serves without TLS, as Postlet itself does, write http://)"
    )]
    Tls {
        /// Host and port.
        address: String,
        /// The TLS error.
        source: io::Error,
    },
    /// The connection was lost, or the response is not HTTP.
    #[error("the answer broke off")]
    Http(#[source] hyper::Error),
    /// Larger than 64 MiB, or truncated.
    #[error("the answer could not be read")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No response within two minutes.
    #[error("no answer in time")]
    Timeout,
}

impl Client {
    /// `base` is `http://host:port` or `https://host`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn new(base: &str, token: Option<Secret>, trust: Trust) -> Result<Self, ClientError> {
        let uri: Uri = base.parse().map_err(|_| ClientError::Address(base.to_owned()))?;
        let known = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
        if known {
            Ok(Self { base: uri, token, trust, language: None })
        } else {
            Err(ClientError::Address(base.to_owned()))
        }
    }

    /// Sets Accept-Language; a tag that is not valid in a field is left out.
    #[must_use]
    pub fn in_language(self, tag: &str) -> Self {
        Self { language: HeaderValue::from_str(tag).ok(), ..self }
    }

    /// Sends one request with a JSON body, or none, and reads the whole response.
    ///
    /// # Errors
    /// When there is no response; a status >= 400 is a response.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        json: Option<Bytes>,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        tokio::time::timeout(TIME_LIMIT, self.exchange(method, path, json))
            .await
            .map_err(|_| ClientError::Timeout)?
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        json: Option<Bytes>,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let https = self.base.scheme_str() == Some("https");
        let host = self.base.host().unwrap_or_default();
        let port = self.base.port_u16().unwrap_or(if https { 443 } else { 80 });
        let address = format!("{host}:{port}");
        let refused = |source| ClientError::Connect { address: address.clone(), source };
        let untrusted = |source| ClientError::Tls { address: address.clone(), source };
        let stream = TcpStream::connect(&address).await.map_err(refused)?;
        let request = self.head(method, path, json)?;
        if https {
            let name = ServerName::try_from(host.to_owned())
                .map_err(|_| ClientError::Address(host.to_owned()))?;
            let config =
                self.trust.config(None).map_err(|error| refused(io::Error::other(error)))?;
            let stream =
                TlsConnector::from(config).connect(name, stream).await.map_err(untrusted)?;
            converse(stream, request).await
        } else {
            converse(stream, request).await
        }
    }

    fn head(
        &self,
        method: Method,
        path: &str,
        json: Option<Bytes>,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let authority = self.base.authority().map_or("", |authority| authority.as_str());
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, authority)
            .header(header::ACCEPT, "application/json");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.reveal()));
        }
        if let Some(language) = &self.language {
            request = request.header(header::ACCEPT_LANGUAGE, language);
        }
        if json.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        request
            .body(Full::new(json.unwrap_or_default()))
            .map_err(|_| ClientError::Address(path.to_owned()))
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), ClientError> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(ClientError::Http)?;
    let exchange = async move {
        let answer = sender.send_request(request).await.map_err(ClientError::Http)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_LIMIT)
            .collect()
            .await
            .map_err(ClientError::Body)?;
        Ok((status, body.to_bytes()))
    };
    // The connection must be polled beside the exchange, and ends when the sender is dropped with
    // it.
    let (answer, _) = tokio::join!(exchange, connection);
    answer
}
