//! HTTP client of one Postlet host, for the command line.
//!
//! One request for each connection, a bounded response. It connects to the host that the operator
//! named, so the egress guard does not apply.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use model::port::lookup::FetchError;
use model::secret::Secret;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::http_exchange::exchange;
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
    /// The connection was lost, or the response is not HTTP, or larger than 64 MiB.
    #[error("the answer could not be read")]
    Answer(#[source] FetchError),
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
        tokio::time::timeout(TIME_LIMIT, self.ask(method, path, json))
            .await
            .map_err(|_| ClientError::Timeout)?
    }

    async fn ask(
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
        let answer = if https {
            let name = ServerName::try_from(host.to_owned())
                .map_err(|_| ClientError::Address(host.to_owned()))?;
            let config =
                self.trust.config(None).map_err(|error| refused(io::Error::other(error)))?;
            let stream =
                TlsConnector::from(config).connect(name, stream).await.map_err(untrusted)?;
            exchange(stream, request, ANSWER_LIMIT, |_| true).await
        } else {
            exchange(stream, request, ANSWER_LIMIT, |_| true).await
        };
        let answer = answer.map_err(ClientError::Answer)?;
        Ok((answer.status(), answer.into_body()))
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
