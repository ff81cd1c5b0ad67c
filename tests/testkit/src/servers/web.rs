//! Fake web servers: HTTPS under a test authority, one listener for every name, and a reply for
//! each URL.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A computed response: status, header fields, and a body for a whole request.
#[derive(Clone)]
pub struct Speaker(pub Arc<Speech>);

pub type Speech = dyn Fn(&str) -> (u16, String, String) + Send + Sync;

impl std::fmt::Debug for Speaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Speaker")
    }
}

/// The response at a URL.
#[derive(Clone, Debug)]
pub enum Reply {
    Document(String),
    Redirect(String),
    /// A body of so many bytes, with or without a Content-Length.
    Large {
        bytes: usize,
        announced: bool,
    },
    /// The request is read and never answered.
    Silence,
    Status(u16),
    Spoken(Speaker),
}

/// The web server.
#[derive(Clone, Debug)]
pub struct Web {
    pub address: SocketAddr,
    /// The certificate authority, as PEM.
    pub authority: String,
    replies: Arc<Mutex<HashMap<String, Reply>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Web {
    /// Starts a server whose certificate is valid for `names` only.
    pub async fn start(names: &[&str]) -> Self {
        let (acceptor, authority) = acceptor(names);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let web = Self {
            address: listener.local_addr().unwrap(),
            authority,
            replies: Arc::default(),
            requests: Arc::default(),
        };
        let server = web.clone();
        #[expect(clippy::disallowed_methods, reason = "a test ends with its tasks")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, acceptor) = (server.clone(), acceptor.clone());
                #[expect(clippy::disallowed_methods, reason = "a test ends with its tasks")]
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        // A client that disconnects has read enough.
                        let _ = server.converse(stream).await;
                    }
                });
            }
        });
        web
    }

    /// Sets the response at `place`, host and path: `autoconfig.a.test/mail/config-v1.1.xml`.
    pub fn say(&self, place: &str, reply: Reply) {
        self.replies.lock().unwrap().insert(place.to_owned(), reply);
    }

    /// All requests, with their bodies.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    async fn converse(
        &self,
        mut stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>,
    ) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).await?;
        let body = String::from_utf8(body).unwrap();
        let request = format!("{head}{body}");
        self.requests.lock().unwrap().push(request.clone());
        let path = head.split([' ', '?']).nth(1).unwrap();
        let host = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let host = host.split(':').next().unwrap();
        let reply = self.replies.lock().unwrap().get(&format!("{host}{path}")).cloned();
        match reply {
            Some(Reply::Document(text)) => {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
                stream.write_all((head + &text).as_bytes()).await?;
            }
            Some(Reply::Redirect(to)) => {
                let head =
                    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
            }
            Some(Reply::Large { bytes, announced }) => {
                let length = match announced {
                    true => format!("content-length: {bytes}\r\n"),
                    false => String::new(),
                };
                stream.write_all(format!("HTTP/1.1 200 OK\r\n{length}\r\n").as_bytes()).await?;
                for _ in 0..bytes.div_ceil(1024) {
                    stream.write_all(&[b' '; 1024]).await?;
                }
            }
            Some(Reply::Silence) => std::future::pending().await,
            Some(Reply::Spoken(speaker)) => {
                let (status, fields, body) = (speaker.0)(&request);
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{fields}\r\n");
                stream.write_all((head + &body).as_bytes()).await?;
            }
            Some(Reply::Status(status)) => {
                let head = format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
            }
            None => {
                stream.write_all(b"HTTP/1.1 404 None\r\ncontent-length: 0\r\n\r\n").await?;
            }
        }
        stream.shutdown().await
    }
}

fn acceptor(names: &[&str]) -> (TlsAcceptor, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], private)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), authority.pem())
}

/// An Autodiscover response with one IMAP server.
pub fn autodiscovered(imap: &str) -> Reply {
    Reply::Document(format!(
        "<?xml version=\"1.0\"?><Autodiscover><Response><Account><AccountType>email</AccountType>\
         <Protocol><Type>IMAP</Type><Server>{imap}</Server><Port>993</Port><SSL>on</SSL>\
         <LoginName>postmaster</LoginName></Protocol></Account></Response></Autodiscover>"
    ))
}

/// An autoconfig file with one IMAP and one SMTP server.
pub fn config(imap: &str, smtp: &str) -> Reply {
    Reply::Document(format!(
        "<?xml version=\"1.0\"?><clientConfig version=\"1.1\"><emailProvider id=\"x\">\
         <incomingServer type=\"imap\"><hostname>{imap}</hostname><port>993</port>\
         <socketType>SSL</socketType><username>%EMAILADDRESS%</username>\
         <authentication>password-cleartext</authentication></incomingServer>\
         <outgoingServer type=\"smtp\"><hostname>{smtp}</hostname><port>587</port>\
         <socketType>STARTTLS</socketType><username>%EMAILLOCALPART%</username>\
         <authentication>password-cleartext</authentication></outgoingServer>\
         </emailProvider></clientConfig>"
    ))
}
