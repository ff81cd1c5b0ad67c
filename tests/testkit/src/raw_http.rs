//! Raw HTTP/1.1: one request on a connection of its own.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A busy machine compiles slowly.
const PATIENCE: Duration = Duration::from_secs(180);

/// A response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Status line and header fields.
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Sends a request with a Host field that no tenant has.
pub async fn ask(
    address: SocketAddr,
    token: Option<&str>,
    method: &str,
    path: &str,
    body: Option<&str>,
) -> Answer {
    ask_named(address, "test", token, method, path, body).await
}

/// Sends a request with this Host field.
pub async fn ask_named(
    address: SocketAddr,
    name: &str,
    token: Option<&str>,
    method: &str,
    path: &str,
    body: Option<&str>,
) -> Answer {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let fields: Vec<(&str, &str)> =
        authorization.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
    ask_with(address, name, &fields, method, path, body).await
}

/// Sends a request with these header fields.
pub async fn ask_with(
    address: SocketAddr,
    name: &str,
    fields: &[(&str, &str)],
    method: &str,
    path: &str,
    body: Option<&str>,
) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n");
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    if let Some(body) = body {
        head += &format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    }
    head += "\r\n";
    head += body.unwrap_or_default();
    let talk = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.unwrap();
        String::from_utf8(said).unwrap()
    };
    let said = tokio::time::timeout(PATIENCE, talk).await.unwrap();
    let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{said:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunked(body) } else { body.to_owned() };
    Answer { status, head: head.to_owned(), body }
}

/// RFC 9112 §7.1, without extensions and trailers.
fn unchunked(mut rest: &str) -> String {
    let mut whole = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole += &after[..size];
        rest = after[size..].strip_prefix("\r\n").unwrap_or_default();
        if size == 0 {
            break;
        }
    }
    whole
}
